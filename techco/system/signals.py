"""End a command on Ctrl-C, SIGTERM or SIGHUP: the first signal asks it to end, another Ctrl-C does not wait for that.

The first is raised as `KeyboardInterrupt` in the main thread, so that all that is open is closed in order.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from types import FrameType
from typing import Any, NoReturn

MESSAGE = "Interrupted. Nothing is left running."
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BY_HAND = signal.SIGINT
# `timeout` and terminals that close send a signal twice; nobody presses two keys that fast.
_TWICE_WITHIN_S = 0.3
_RAISED_AGAIN_AFTER_S = 0.01
# The process does not wait longer for what hangs, such as a connection in another thread.
_ENDS_WITHIN_S = 10.0


@dataclass
class _State:
    """What this process has received and done about it."""

    number: int = 0
    received_at: float = 0.0
    is_raised: bool = False
    is_lost: bool = False
    is_work_done: bool = False
    is_reported: bool = False
    deferrals: int = 0
    cleanups: list[Callable[[], object]] = field(default_factory=list)


_state = _State()


def install_handlers() -> None:
    """Have signals end this process in order; one that is ignored, as SIGHUP is under nohup, stays ignored."""
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_signal)
    signal.signal(signal.SIGALRM, _on_alarm)
    sys.unraisablehook = _on_unraisable


def was_interrupted() -> bool:
    """Tell whether a signal has asked this process to end."""
    return bool(_state.number)


def exit_code() -> int:
    """Return the exit code of an interrupted process: 128 and the number of the signal."""
    return 128 + (_state.number or _BY_HAND)


def mark_reported() -> None:
    """Note that the user has been told of the interruption, so that `exit_now` need not do so."""
    _state.is_reported = True


def exit_on_next_signal() -> None:
    """Let a signal from now on end the process at once, as all work is done."""
    _state.is_work_done = True


@contextmanager
def deferred() -> Iterator[None]:
    """Let signals wait for the end of a short block, which must not be left half done."""
    _state.deferrals += 1
    try:
        yield
    finally:
        _state.deferrals -= 1
        if not _state.deferrals and _state.number and not _state.is_raised:
            _interrupt()


@contextmanager
def cleanup(function: Callable[[], object]) -> Iterator[None]:
    """While a block runs, have `exit_now` call a function, as it does not wait for the end of the block."""
    _state.cleanups.append(function)
    try:
        yield
    finally:
        _state.cleanups.remove(function)


def exit_now() -> NoReturn:
    """Call the functions of `cleanup`, tell the user of the interruption, and end the process."""
    for number in (*_SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    for function in _state.cleanups[::-1]:
        with suppress(Exception):
            function()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    if not _state.is_reported:
        with suppress(OSError):
            os.write(2, f"Error: {MESSAGE}\n".encode())
    os._exit(exit_code())


def _on_signal(number: int, _frame: FrameType | None) -> None:
    if not _state.number:
        _state.number, _state.received_at = number, monotonic()
        if _state.is_work_done:
            exit_now()
        signal.setitimer(signal.ITIMER_REAL, _ENDS_WITHIN_S)
        if not _state.deferrals:
            _interrupt()
    elif number == _BY_HAND and monotonic() - _state.received_at > _TWICE_WITHIN_S:
        exit_now()


def _interrupt() -> NoReturn:
    _state.is_raised = True
    if logging := sys.modules.get("logging"):
        logging.disable()  # what libraries log of interrupted work is of no use
    raise KeyboardInterrupt


def _on_alarm(_number: int, _frame: FrameType | None) -> None:
    if not _state.is_lost:
        exit_now()
    _state.is_lost = False
    signal.setitimer(signal.ITIMER_REAL, _ENDS_WITHIN_S)
    raise KeyboardInterrupt


def _on_unraisable(unraisable: Any) -> None:
    """Raise the interruption again if Python has ignored it, as it does in `__del__`."""
    if not was_interrupted():
        sys.__unraisablehook__(unraisable)
    elif isinstance(unraisable.exc_value, KeyboardInterrupt):
        _state.is_lost = True
        signal.setitimer(signal.ITIMER_REAL, _RAISED_AGAIN_AFTER_S)
