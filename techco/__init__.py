"""Trustworthy reports of a shop, from parameterized notebooks."""

__version__ = "0.1.0"
