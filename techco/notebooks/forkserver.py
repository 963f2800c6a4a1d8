"""Start the process from which kernels are forked, and talk to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from techco.notebooks.preload import shared_modules
from techco.system.children import python_command

# A Unix socket's path holds 104 bytes on macOS and 108 on Linux; ours end in /tmpNNNNNNNN/kernel-ipc-N.
_SOCKET_DIR_LIMIT = 68
FIRST_IMPORT = "techco.notebooks.ipykernel_import"
DIES_WITHIN_S = 5
_LOOKS_EVERY_S = 0.002
LAST_WORDS_CHARS = 4000
_MAIN = "from techco.notebooks.forkserver_process import main; "


class Process:
    """A process forked from a forkserver, with what jupyter_client asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, forkserver: subprocess.Popen[bytes]) -> None:
        self.pid, self._forkserver = pid, forkserver

    def poll(self) -> int | None:
        """None as long as it runs; it ends with its forkserver, which alone could tell its exit code."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 1
        return self._forkserver.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises
        ------
        subprocess.TimeoutExpired
            When it has not ended within `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("kernel", timeout or 0)
            time.sleep(_LOOKS_EVERY_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal; one that has ended is left alone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that kernels are forked from, and that ends them with all they have started.

    Parameters
    ----------
    notebooks
        Those that its kernels will run: what these share is imported while it waits.

    Attributes
    ----------
    folder, sockets
        Folders for the temporary files and for the sockets of its kernels, or one for both, which only this user can
        read. They go with the forkserver, also if this process is killed.
    """

    def __init__(self, notebooks: Iterable[Path]) -> None:
        shared = [FIRST_IMPORT, *(module for notebook in notebooks for module in shared_modules(notebook))]
        modules = list(dict.fromkeys(shared))
        self._folders = [_folder()]
        if len(self._folders[0].name) > _SOCKET_DIR_LIMIT:
            self._folders.append(_folder("/tmp"))
        self.folder, self.sockets = (Path(self._folders[place].name) for place in (0, -1))
        self._connection, other = Pipe()
        folders = [folder.name for folder in self._folders]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        with other:
            self._process = subprocess.Popen(
                python_command(f"{_MAIN}main({other.fileno()}, {modules!r}, {folders!r})"),
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )

    def fork(
        self,
        modules: Sequence[str],
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        path: Path,
        is_program: bool = False,
    ) -> Process:
        """Start a kernel's process.

        Parameters
        ----------
        modules
            What it needs before all else.
        arguments
            Of ipykernel, or the words of a program that is a kernel.
        environment
            All of its variables.
        log
            Where what it writes goes.
        path
            Where it may import from what is nowhere else.
        is_program
            Whether it becomes a program.

        Raises
        ------
        RuntimeError
            When the forkserver has died; says what it wrote last.
        """
        request: dict[str, Any] = {"modules": modules, "arguments": arguments, "environment": dict(environment)}
        request |= {"log": str(log), "directory": str(Path.cwd()), "path": str(path.absolute())}
        request |= {"is_program": is_program}
        return Process(self._ask(request), self._process)

    def clear(self) -> None:
        """Kill all kernels, with all that they have started and left.

        Raises
        ------
        RuntimeError
            As `fork`.
        """
        self._ask({})

    @property
    def is_alive(self) -> bool:
        """Whether kernels can be forked from it."""
        return self._process.poll() is None

    def _ask(self, request: Mapping[str, object]) -> int:
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            return int(json.loads(self._connection.recv_bytes()))
        except (OSError, EOFError) as error:
            self._log.seek(0)
            words = self._log.read()[-LAST_WORDS_CHARS:].decode(errors="replace").strip()
            raise RuntimeError(f"The process that kernels are forked from has died. {words}".strip()) from error

    def stop(self) -> None:
        """End it, with all that its kernels have started and left."""
        self._connection.close()
        self._process.terminate()
        for end in (self._process.terminate, self._process.kill):
            end()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(DIES_WITHIN_S)
                break
        self._log.close()
        for folder in self._folders:
            folder.cleanup()


def _folder(parent: str | None = None) -> tempfile.TemporaryDirectory[str]:
    """A folder that only this user can read."""
    return tempfile.TemporaryDirectory(prefix="techco-", dir=parent, ignore_cleanup_errors=True)
