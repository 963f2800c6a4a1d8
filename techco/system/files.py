"""Write files whole or not at all."""

from __future__ import annotations

import os
import uuid
from functools import partial
from pathlib import Path
from typing import IO, Any

from techco.system import signals


def write_whole(path: Path, text: str, durable: bool = True) -> None:
    """Write a text file by way of a temporary file beside it; missing folders are made.

    With `durable`, a crash of the machine leaves the old text or the new one, and never an empty file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with signals.cleanup(partial(part.unlink, missing_ok=True)):
        try:
            with part.open("x", encoding="utf-8") as file:
                file.write(text)
                if durable:
                    _sync(file)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def make_durable(path: Path) -> None:
    """Have a file survive a crash of the machine, as `write_whole` does."""
    with path.open("rb") as file:
        _sync(file)


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())
