"""Executes one notebook under papermill; nothing else does."""

from techco.notebooks.templates import templates_dir

__all__ = ["templates_dir"]
