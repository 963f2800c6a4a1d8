"""Starts kernels before they are needed, and always stops them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from techco.warm import VARIABLE, import_statements

# A Unix socket's path holds 104 bytes on macOS and 108 on Linux; ours end in /kernel-ipc-N.
_SOCKET_DIR_LIMIT = 80
_DIES_WITHIN_S = 5


class Kernel:
    """One kernel process of the Python that runs techco, reachable over sockets in a private folder.

    It runs in the current directory, imports what its notebook imports while it waits (see `techco.warm`), has a folder
    of its own for temporary files, and writes what the operating system sees of its output to a file instead of this
    process's stdout.

    Parameters
    ----------
    notebook
        The notebook that it will run.
    variables
        Environment variables of the kernel beside those of this process.
    libraries
        Modules that it imports while it waits, beside those of the notebook.

    Attributes
    ----------
    manager
        The running `jupyter_client.AsyncKernelManager`.
    """

    def __init__(
        self, notebook: Path, variables: Mapping[str, str] | None = None, libraries: Sequence[str] = ()
    ) -> None:
        self._private = _private_folder()
        self.folder = Path(self._private.name)
        # Killed, the process cannot remove what it has put aside; so that goes into a folder that goes with it.
        self._temporary = _folder()
        self.manager = _manager(self.folder)
        try:
            with self._log.open("wb") as log:
                _wait(self.manager.start_kernel)(
                    stdout=log,
                    stderr=log,
                    env={
                        **os.environ,
                        **(variables or {}),
                        VARIABLE: import_statements(notebook, libraries),
                        "TMPDIR": self._temporary.name,
                    },
                    extra_arguments=["--IPKernelApp.extra_extensions=techco.warm"],
                )
        except BaseException:
            self.stop()
            raise

    @property
    def _log(self) -> Path:
        return self.folder / "kernel.log"

    def last_words(self) -> str:
        """The end of what the kernel process wrote apart from its cells' output, for instance why it did not start."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:] if self._log.exists() else ""

    def stop(self) -> None:
        """Kill the process with its children at once, if it still runs: it holds nothing to save."""
        try:
            if self.manager.has_kernel:
                _wait(self.manager.provisioner.kill)()
                # The manager waits too, but looks only every tenth of a second.
                with suppress(subprocess.TimeoutExpired):
                    self.manager.provisioner.process.wait(_DIES_WITHIN_S)
                _wait(self.manager.shutdown_kernel)(now=True)
        finally:
            self._private.cleanup()
            self._temporary.cleanup()


class Kernels:
    """The kernels of several notebooks, each ready when its turn comes.

    A context manager: on leaving it, whatever the reason, no kernel is left.

    Parameters
    ----------
    notebooks
        In the order of their turns.
    variables, libraries
        As for each `Kernel`.
    """

    def __init__(
        self, notebooks: Iterable[Path], variables: Mapping[str, str] | None = None, libraries: Sequence[str] = ()
    ) -> None:
        self._notebooks, self._variables, self._libraries = deque(notebooks), variables, libraries
        self._started: list[Kernel] = []
        self._ready: Kernel | None = None

    def next(self) -> Kernel:
        """The kernel whose turn it is."""
        if not self._ready:
            self.prepare()
        kernel, self._ready = self._ready, None
        assert kernel, "there is a turn for each notebook"
        return kernel

    def prepare(self) -> None:
        """Start the next kernel in advance, if there is a next one and it has not been started yet."""
        if self._notebooks and not self._ready:
            self._ready = Kernel(self._notebooks.popleft(), self._variables, self._libraries)
            self._started.append(self._ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for kernel in self._started:
            kernel.stop()


def _private_folder() -> tempfile.TemporaryDirectory[str]:
    folder = _folder()
    if len(folder.name) <= _SOCKET_DIR_LIMIT:
        return folder
    folder.cleanup()
    return _folder("/tmp")


def _folder(parent: str | None = None) -> tempfile.TemporaryDirectory[str]:
    """A folder that only this user can read, and that is gone with this process in any case but kill -9."""
    return tempfile.TemporaryDirectory(prefix="techco-", dir=parent, ignore_cleanup_errors=True)


def _manager(folder: Path) -> Any:
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(KernelSpecManager):
        """Knows one kernel: a `python3` of the user's own may belong to another Python, without techco."""

        def get_kernel_spec(self, kernel_name: str) -> Any:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    # ipykernel warns, rightly, that TCP on loopback is open to other users of the machine.
    return AsyncKernelManager(
        kernel_spec_manager=ThisPython(), transport="ipc", connection_file=str(folder / "kernel.json")
    )


def _wait(coroutine_function: Any) -> Any:
    """Run one of the manager's coroutines to its end, on the event loop that nbclient uses as well."""
    from jupyter_core.utils import run_sync

    return run_sync(coroutine_function)
