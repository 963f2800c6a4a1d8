"""Kill all descendants of a process, also those that would outlive their own parent."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_DIES_WITHIN_S = 5.0
_LOOKS_EVERY_S = 0.002
_TASKS = Path("/proc/self/task")


def become_subreaper() -> None:
    """Adopt each descendant whose own parent ends; Linux alone can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Have this process receive SIGTERM when its parent ends; Linux alone can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def kill_descendants(known: Iterable[int] = ()) -> None:
    """Kill all descendants; `become_subreaper` comes first. `known` is as for `kill_descendants_and_exit`."""
    _signal_until(time.monotonic() + _DIES_WITHIN_S, list(known), signal.SIGKILL)


def kill_descendants_and_exit(
    folders: Iterable[str], known: Iterable[int] = (), grace_s: float = 0, code: int = 0
) -> NoReturn:
    """Kill all descendants, remove folders, and end this process.

    Parameters
    ----------
    folders
        Temporary folders of the descendants.
    known
        Process ids of children that lead a group of their own, for systems that cannot list children.
    grace_s
        How many seconds the descendants have to end on SIGTERM before they are killed; 0 sends none.
    code
        The exit code.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    known = list(known)
    if grace_s:
        _signal_until(time.monotonic() + grace_s, known, signal.SIGTERM)
    kill_descendants(known)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(code)


def _signal_until(deadline: float, known: list[int], number: int) -> None:
    """Send a signal to all children, and to those that take their place, until none is left or the deadline comes."""
    while (pids := _children(known)) and time.monotonic() < deadline:
        for pid in pids:
            _signal(pid, number)
        _reap()
        time.sleep(_LOOKS_EVERY_S)


def _signal(pid: int, number: int) -> None:
    """Send a signal to a child and to the process group that it may lead, if they are still there."""
    senders: tuple[Callable[[int, int], None], ...] = (os.killpg, os.kill)
    for send in senders:
        with suppress(ProcessLookupError, PermissionError):
            send(pid, number)


def _children(known: list[int]) -> list[int]:
    if not (_TASKS / str(os.getpid()) / "children").exists():  # not Linux, or one that is built without it
        return [pid for pid in known if _exists(pid)]
    listed = []
    for task in _TASKS.iterdir():
        with suppress(OSError):
            listed += (task / "children").read_text().split()
    return [int(pid) for pid in listed]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
