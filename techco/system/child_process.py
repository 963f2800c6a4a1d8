"""Start a process that runs code of this package, and stop it with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Self

from techco.redact import scrub
from techco.system import signals

_DIES_WITHIN_S = 5.0  # of SIGKILL
_LAST_WORDS_CHARS = 4000
_READ_BYTES = 64 * 1024  # more than is shown: a credential that is cut in two would not be known as one


class ChildProcess:
    """A running process with a private log, which ends when the one that started it does, however that ends.

    It runs `main(handle, *arguments)` of a module, where `handle` is the file descriptor of one end of a connection;
    `main` must end when the other end is closed. The process has a session of its own: Ctrl-C in a terminal comes only
    to the process that started it. A context manager that stops it.

    Parameters
    ----------
    module
        The full name of the module.
    arguments
        What their `repr` makes again. Other users of the machine can read them.
    environment
        All of its environment variables; None takes those of this process.
    folders
        Its temporary folders, which are removed when it is stopped.
    is_logged
        Whether its stdout and stderr go to the log, else to those of this process.

    Attributes
    ----------
    connection
        This process's end of the connection.
    """

    stop_signal: ClassVar[int | None] = signal.SIGTERM
    """What `stop` sends; None sends nothing, as the end of the connection is enough."""
    stops_within_s: ClassVar[float] = 8.0
    """How long it may take to end by itself, in seconds, before `stop` kills it."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[object] = (),
        environment: Mapping[str, str] | None = None,
        folders: Sequence[tempfile.TemporaryDirectory[str]] = (),
        is_logged: bool = True,
    ) -> None:
        self._folders = folders
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._registered = ExitStack()
        with signals.deferred():
            self.connection, other = Pipe()
            output: Any = self._log if is_logged else None
            with other:
                self._process = subprocess.Popen(
                    python_command(f"from {module} import main; main(*{(other.fileno(), *arguments)!r})"),
                    pass_fds=[other.fileno()],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            self._registered.enter_context(signals.cleanup(self.stop))

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def terminate(self) -> None:
        """Send SIGTERM; one that has ended is left alone."""
        self._process.terminate()

    def wait_for_exit(self, kill_after_s: float | None = None) -> int:
        """Wait for its end, and kill it after some seconds; return its exit code, negative for a signal."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(kill_after_s)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_DIES_WITHIN_S)
        return -signal.SIGKILL

    def last_words(self) -> str:
        """Return the end of its log, without credentials."""
        return last_words(self._log)

    def stop(self) -> None:
        """End it, if it still runs, with all that it has started, and remove its temporary folders."""
        self.connection.close()
        if self.stop_signal:
            self._process.send_signal(self.stop_signal)
        self.wait_for_exit(self.stops_within_s)
        self._log.close()
        for folder in self._folders:
            folder.cleanup()
        self._registered.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def last_words(log: IO[bytes]) -> str:
    """Return the end of what a process wrote to a log, without credentials; it may go on writing."""
    number = log.fileno()
    text = os.pread(number, _READ_BYTES, max(0, os.fstat(number).st_size - _READ_BYTES)).decode(errors="replace")
    return scrub(text)[-_LAST_WORDS_CHARS:].strip()


def private_folder(parent: str | None = None) -> tempfile.TemporaryDirectory[str]:
    """Make a temporary folder that only this user can read."""
    return tempfile.TemporaryDirectory(prefix="techco-", dir=parent, ignore_cleanup_errors=True)


def python_command(code: str) -> list[str]:
    """Return the command that runs code in a process of the same Python, which finds this package.

    The current directory, perhaps a storage, holds data and no code: nothing is imported from there.
    """
    return [sys.executable, "-P", "-c", f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); {code}"]
