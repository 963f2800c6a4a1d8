"""Start the process from which kernels are forked, and talk to it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from techco.notebooks.forkserver_process import ForkRequest
from techco.notebooks.preload import shared_modules
from techco.system import signals
from techco.system.child_process import ChildProcess, private_folder

# A Unix socket's path holds 104 bytes on macOS and 108 on Linux; ours end in /tmpNNNNNNNN/kernel-ipc-N.
_SOCKET_DIR_LIMIT = 68
FIRST_IMPORT = "techco.notebooks.ipykernel_import"
_LOOKS_EVERY_S = 0.002


class ForkedProcess:
    """A process forked from a forkserver, with what jupyter_client asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, forkserver: ForkServer) -> None:
        self.pid, self._forkserver = pid, forkserver

    def poll(self) -> int | None:
        """Return None as long as it and its forkserver run, else 1; only the forkserver could know its exit code."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, 0)
            return None if self._forkserver.is_alive else 1
        return 1

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, `subprocess.TimeoutExpired` after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            time.sleep(_LOOKS_EVERY_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class ForkServer(ChildProcess):
    """The process that kernels are forked from, and that kills them with all they have started.

    Parameters
    ----------
    notebooks
        The notebooks that its kernels will run: the modules that they share are imported while it waits.

    Attributes
    ----------
    folder, sockets
        Folders for the temporary files and for the sockets of its kernels, or one for both, which only this user can
        read. They go with the forkserver, also if this process is killed.
    """

    stops_within_s = 5.0

    def __init__(self, notebooks: Iterable[Path]) -> None:
        modules = dict.fromkeys([FIRST_IMPORT, *(name for notebook in notebooks for name in shared_modules(notebook))])
        with signals.deferred():
            folders = [private_folder()]
            if len(folders[0].name) > _SOCKET_DIR_LIMIT:
                folders.append(private_folder("/tmp"))
            self.folder, self.sockets = Path(folders[0].name), Path(folders[-1].name)
            arguments = (list(modules), [folder.name for folder in folders])
            super().__init__("techco.notebooks.forkserver_process", arguments, folders=folders)

    def fork(self, request: ForkRequest) -> ForkedProcess:
        """Start a kernel's process.

        Raises
        ------
        RuntimeError
            When the forkserver has died; says what it wrote last.
        """
        return ForkedProcess(self._ask(request), self)

    def clear(self) -> None:
        """Kill all kernels, with all that they have started and left; errors as for `fork`."""
        self._ask(None)

    def _ask(self, request: ForkRequest | None) -> int:
        try:
            self.connection.send(request)
            return int(self.connection.recv())
        except (OSError, EOFError) as error:
            raise RuntimeError(
                f"The process that kernels are forked from has died. {self.last_words()}".strip()
            ) from error
