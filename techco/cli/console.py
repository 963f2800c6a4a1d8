"""How text gets on a terminal, into a file or a pipe, in any encoding."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_ARGUMENT = re.compile(r"`(storage|key_vault|secret|endpoint|engine|spark_conf)(?:='([^']*)')?`")


def escape_unencodable() -> None:
    """Let stdout and stderr take any text: what their encoding lacks, as the letters of a path may, is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def console(stderr: bool = False) -> Console:
    """A Rich console on stdout or stderr."""
    from rich.console import Console

    return Console(stderr=stderr)


def with_options(text: str) -> str:
    """An error with the options of the command line in the place of arguments: `key_vault` becomes --key-vault."""
    return _ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')}{f' {found[2]}' if found[2] else ''}", text)


def print_text(text: str, screen: Console | None = None) -> None:
    """Print a text as it is, on stdout if nothing else is said: no markup, no colours, no line broken."""
    (screen or console()).print(text, markup=False, highlight=False, soft_wrap=True)
