"""How text gets on a terminal, into a file or a pipe, in any encoding."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def escape_unencodable() -> None:
    """Let stdout and stderr take any text: what their encoding lacks, as the letters of a path may, is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def console(stderr: bool = False) -> Console:
    """A Rich console on stdout or stderr."""
    from rich.console import Console

    return Console(stderr=stderr)


def print_text(text: str, screen: Console | None = None) -> None:
    """Print a text as it is, on stdout if nothing else is said: no markup, no colours, no line broken."""
    (screen or console()).print(text, markup=False, highlight=False, soft_wrap=True)
