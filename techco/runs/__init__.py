"""Runs of the three steps: asked for, executed, published, removed."""
