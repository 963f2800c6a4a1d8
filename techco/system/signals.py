"""Ends a command on Ctrl-C, SIGTERM or SIGHUP: the first signal asks it to end, another Ctrl-C does not wait for that.

The first is raised as `KeyboardInterrupt` wherever the main thread is, so that all that is open is closed in order.
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
# What hangs longer than any clean-up, such as a connection in another thread, is not waited for.
_ENDS_WITHIN_S = 10.0


@dataclass
class _State:
    """What has come of signals in this process."""

    number: int = 0
    at: float = 0.0
    is_raised: bool = False
    is_swallowed: bool = False
    is_late: bool = False
    is_reported: bool = False
    held_back: int = 0
    cleanups: list[Callable[[], object]] = field(default_factory=list)


_state = _State()


def install_handlers() -> None:
    """Have signals end this process in order; one that was ignored, as SIGHUP is under nohup, stays ignored."""
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_signal)
    signal.signal(signal.SIGALRM, _on_alarm)
    sys.unraisablehook = _on_unraisable


def was_interrupted() -> bool:
    """Whether a signal has asked this process to end."""
    return bool(_state.number)


def exit_code() -> int:
    """What the process is to exit with: 128 and the number of the signal."""
    return 128 + (_state.number or _BY_HAND)


def mark_reported() -> None:
    """Note that the user has been told of the interruption."""
    _state.is_reported = True


def exit_on_next_signal() -> None:
    """Say that all work is done: a signal from now on ends the process at once."""
    _state.is_late = True


@contextmanager
def deferred() -> Iterator[None]:
    """Let a signal wait for the end of a short block, which must not be left half done."""
    _state.held_back += 1
    try:
        yield
    finally:
        _state.held_back -= 1
        if not _state.held_back and _state.number and not _state.is_raised:
            _interrupt()


@contextmanager
def cleanup(function: Callable[[], object]) -> Iterator[None]:
    """Have a function called within a block also when the process does not wait for the block to be left."""
    _state.cleanups.append(function)
    try:
        yield
    finally:
        _state.cleanups.remove(function)


def exit_now() -> NoReturn:
    """End the process without waiting for anything but what must be done at once."""
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
        _state.number, _state.at = number, monotonic()
        if _state.is_late:
            exit_now()
        signal.setitimer(signal.ITIMER_REAL, _ENDS_WITHIN_S)
        if not _state.held_back:
            _interrupt()
    elif number == _BY_HAND and monotonic() - _state.at > _TWICE_WITHIN_S:
        exit_now()


def _interrupt() -> NoReturn:
    _state.is_raised = True
    if logging := sys.modules.get("logging"):
        logging.disable()  # what libraries say of work that was broken off is of no use
    raise KeyboardInterrupt


def _on_alarm(_number: int, _frame: FrameType | None) -> None:
    if not _state.is_swallowed:
        exit_now()
    _state.is_swallowed = False
    signal.setitimer(signal.ITIMER_REAL, _ENDS_WITHIN_S)
    raise KeyboardInterrupt


def _on_unraisable(unraisable: Any) -> None:
    """Ask again when an interruption came where Python ignores exceptions, as in `__del__`."""
    if not was_interrupted():
        sys.__unraisablehook__(unraisable)
    elif isinstance(unraisable.exc_value, KeyboardInterrupt):
        _state.is_swallowed = True
        signal.setitimer(signal.ITIMER_REAL, _RAISED_AGAIN_AFTER_S)
