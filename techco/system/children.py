"""Kills all that a process has started, and what that has started, also what would outlive its own parent."""

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
    """Become the parent of all processes below this one whose own parent has ended; Linux alone can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Have SIGTERM come to this process when the one that has started it ends; Linux alone can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def kill_descendants(known: Iterable[int] = ()) -> None:
    """Kill what is below this process, which must have adopted it; `known` as for `kill_descendants_and_exit`."""
    _signal_until(time.monotonic() + _DIES_WITHIN_S, list(known), signal.SIGKILL)


def kill_descendants_and_exit(
    folders: Iterable[str], known: Iterable[int] = (), grace_s: float = 0, code: int = 0
) -> NoReturn:
    """Kill what is below this process, remove folders, and end.

    Parameters
    ----------
    folders
        With the files of what is killed.
    known
        Children that lead a process group of their own, for systems where children cannot be listed.
    grace_s
        How long children that are asked to end may take for it, in seconds.
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
    """Send a signal to all children, and to those that take their place, until none is left or it is too late."""
    while (pids := _children(known)) and time.monotonic() < deadline:
        for pid in pids:
            _signal(pid, number)
        _reap()
        time.sleep(_LOOKS_EVERY_S)


def _signal(pid: int, number: int) -> None:
    """Signal a child and the process group that it may lead; one that has ended is left alone."""
    senders: tuple[Callable[[int, int], None], ...] = (os.killpg, os.kill)
    for send in senders:
        with suppress(ProcessLookupError, PermissionError):
            send(pid, number)


def _children(known: list[int]) -> list[int]:
    if not (_TASKS / str(os.getpid()) / "children").exists():  # not Linux, or one that is built without it
        return [pid for pid in known if _is_there(pid)]
    listed = []
    for task in _TASKS.iterdir():
        with suppress(OSError):
            listed += (task / "children").read_text().split()
    return [int(pid) for pid in listed]


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
