"""Print text on a terminal, into a file or a pipe, in any encoding."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_ARGUMENT = re.compile(r"`(\w+)(?:='([^']*)')?`")
_OPTIONS = {
    name: f"--{name.replace('_', '-')}"
    for name in (
        "storage", "key_vault", "secret", "endpoint", "engine", "spark_conf", "each", "out", "pii", "publish",
        "publish_to", "start_timeout", "execution_timeout", "status", "older_than",
    )
} | {"own_templates": "--template", "target": "--to", "parameters_yaml": "-y", "parameters_file": "-f"}  # fmt: skip


def escape_unencodable() -> None:
    """Let stdout and stderr take any text: what their encoding lacks, as the letters of a path may, is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def console(stderr: bool = False) -> Console:
    """Return a Rich console on stdout or stderr."""
    from rich.console import Console

    return Console(stderr=stderr)


def with_options(text: str) -> str:
    """Return an error with options in the place of arguments: `key_vault` becomes --key-vault."""

    def option(found: re.Match[str]) -> str:
        value = f" {found[2]}" if found[2] else ""
        return f"{_OPTIONS[found[1]]}{value}" if found[1] in _OPTIONS else found[0]

    return _ARGUMENT.sub(option, text)


def print_text(text: str, to: Console | None = None) -> None:
    """Print a text as it is, on stdout if nothing else is said: no markup, no colours, no line broken."""
    (to or console()).print(text, markup=False, highlight=False, soft_wrap=True)
