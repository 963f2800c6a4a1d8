"""Signals, child processes, files and locks of the operating system."""
