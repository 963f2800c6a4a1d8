"""Find the templates that come with the package."""

from __future__ import annotations

from pathlib import Path


def templates_dir() -> Path:
    """Return the folder of the templates: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"
