"""How a command ends: errors become words on stderr and an exit code; a user's mistake never shows a traceback."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from techco import __version__
from techco.cli.printing import print_error
from techco.errors import ParameterError, TechcoError
from techco.system import signals

ISSUES = "the project's issue tracker"
_PLACE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn errors into exit codes and words; a decorator of every command."""
    try:
        _check_current_folder()
        yield
    except (typer.Exit, BrokenPipeError):  # Typer ends quietly when the reader of a pipe has gone
        raise
    except (Exception, KeyboardInterrupt) as error:
        if signals.was_interrupted() or isinstance(error, KeyboardInterrupt):
            print_error(signals.MESSAGE)
            signals.mark_reported()
            raise typer.Exit(signals.exit_code()) from None
        if isinstance(error, TechcoError):
            print_error(str(error))
            raise typer.Exit(error.exit_code) from None
        _print_unexpected(error)
        raise typer.Exit(1) from None


def _check_current_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        raise ParameterError("The current folder has been removed. Change into one that is there: cd ~") from None


def _print_unexpected(error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in _PLACE_ERRORS:
        where = f" in {error.filename}" if error.filename else ""
        print_error(f"Files cannot be written{where}: {error.strerror}. Make room, or give another folder with --out.")
        return
    from techco.redact import scrub

    print(scrub(traceback.format_exc()), file=sys.stderr)  # noqa: T201
    print_error(
        f"This is a bug in techco {__version__}: {scrub(f'{type(error).__name__}: {error}')}. "
        f"Please report it with the lines above to {ISSUES}."
    )
