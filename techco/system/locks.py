"""Tells whether the process of a run still works.

It holds a lock on the run's folder, which the operating system takes back however the process ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold a run's folder while the run lasts; on a file system without locks it counts as held forever."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_locked(folder: Path) -> bool:
    """Whether a process holds the folder; also where that cannot be known."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Let one process at a time write the page of all runs, which each of them reads and writes."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
