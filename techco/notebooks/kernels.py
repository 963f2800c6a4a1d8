"""Starts kernels before they are needed, and always stops them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from techco.notebooks import kernelspecs
from techco.notebooks.forkserver import FIRST_IMPORT, ForkedProcess, ForkServer
from techco.notebooks.forkserver_process import ForkRequest
from techco.notebooks.preload import VARIABLE, import_statements, shared_modules
from techco.system import signals
from techco.system.child_process import last_words

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpec
# What lies in the current directory, which may be a storage, is data, and never code.
_IGNORES_CWD = "--InteractiveShellApp.ignore_cwd=True"
# IPython's history is what the user has typed, and each cell would wait for its database.
_KEEPS_NO_HISTORY = "--HistoryManager.enabled=False"
_DIES_WITHIN_S = 5
_WARMS_UP = "--IPKernelApp.extra_extensions=techco.notebooks.preload"


class Kernel:
    """One kernel process of the Python that runs techco or of another one, reachable over sockets in a private folder.

    It runs in the current directory, but imports nothing from there: what is nowhere else may lie beside its notebook.
    It has a folder of its own for temporary files, and writes what the operating system sees of its output to a file
    instead of this process's stdout. That of this Python imports what its notebook imports while it waits (see
    `techco.notebooks.preload`).

    Parameters
    ----------
    forkserver
        What it is forked from.
    notebook
        The notebook that it will run.
    variables
        Environment variables of the kernel beside those of this process.
    libraries
        Modules that it imports while it waits, beside those of the notebook.
    spec
        The installed kernel of another Python.

    Attributes
    ----------
    manager
        The running `jupyter_client.AsyncKernelManager`.
    """

    def __init__(
        self,
        forkserver: ForkServer,
        notebook: Path,
        variables: Mapping[str, str] | None = None,
        libraries: Sequence[str] = (),
        spec: KernelSpec | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=forkserver.sockets))
        # Killed, the process cannot remove what it has put aside; so that goes into a folder that goes with it.
        self._temporary = Path(tempfile.mkdtemp(dir=forkserver.folder))
        modules = [] if spec else [FIRST_IMPORT, *shared_modules(notebook)]
        beside = notebook.parent.absolute()

        def fork(arguments: Sequence[str], environment: Mapping[str, str]) -> ForkedProcess:
            here, is_program = Path.cwd(), spec is not None
            request = ForkRequest(modules, arguments, dict(environment), here, beside, self._log, is_program)
            return forkserver.fork(request)

        self.manager = _manager(self.folder, fork, spec, beside)
        own = {"TMPDIR": str(self._temporary)} | ({} if spec else {VARIABLE: import_statements(notebook, libraries)})
        try:
            _wait(self.manager.start_kernel)(
                env={**os.environ, **(variables or {}), **own},
                extra_arguments=[_IGNORES_CWD, _KEEPS_NO_HISTORY, *([] if spec else [_WARMS_UP])],
            )
        except BaseException:
            self.stop()
            raise

    @property
    def _log(self) -> Path:
        return self.folder / "kernel.log"

    def last_words(self) -> str:
        """The end of what the kernel process wrote apart from its cells' output, for instance why it did not start."""
        with suppress(FileNotFoundError), self._log.open("rb") as log:
            return last_words(log)
        return ""

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
            for folder in (self.folder, self._temporary):
                shutil.rmtree(folder, ignore_errors=True)


class Kernels:
    """The kernels of several notebooks, each ready when its turn comes.

    A context manager: on entering it, what kernels share begins to be imported; on leaving it, whatever the reason, no
    process is left.

    Parameters
    ----------
    notebooks
        In the order of their turns.
    variables, libraries, spec
        As for each `Kernel`.
    forkserver
        What they are forked from, which lives on; None makes one that ends with them.
    """

    def __init__(
        self,
        notebooks: Iterable[Path],
        variables: Mapping[str, str] | None = None,
        libraries: Sequence[str] = (),
        spec: KernelSpec | None = None,
        forkserver: ForkServer | None = None,
    ) -> None:
        self._notebooks, self._spec = deque(notebooks), spec
        self._variables, self._libraries = variables, libraries
        self._stack = ExitStack()
        self._given = forkserver
        self._forkserver: ForkServer
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
            notebook = self._notebooks.popleft()
            self._ready = Kernel(self._forkserver, notebook, self._variables, self._libraries, self._spec)
            self._stack.callback(self._ready.stop)

    def __enter__(self) -> Self:
        with signals.deferred():
            # Another Python imports its own.
            self._forkserver = self._given or ForkServer([] if self._spec else self._notebooks)
            self._stack.callback(self._clear if self._given else self._forkserver.stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _clear(self) -> None:
        with suppress(RuntimeError):  # it has died, and with it all that was below it
            self._forkserver.clear()


def _manager(
    folder: Path, fork: Callable[[Sequence[str], Mapping[str, str]], ForkedProcess], spec: KernelSpec | None, path: Path
) -> Any:
    """A manager whose kernel is forked instead of started; one of another Python imports last from `path`."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning.local_provisioner import LocalProvisioner

    from techco.notebooks.kernel_client import KernelClient

    this = KernelSpec(argv=["-f", "{connection_file}"], display_name="Python 3", language="python")

    class Only(KernelSpecManager):
        """Knows one kernel: a `python3` of the user's own may belong to another Python, without techco."""

        def get_kernel_spec(self, kernel_name: str) -> Any:
            return spec or this

    class Forking(LocalProvisioner):
        """Forks the process instead of starting a program."""

        async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
            words = kernelspecs.command(cmd, path) if spec else cmd
            process: Any = fork(words, options["env"])
            # The forkserver gives each process a group of its own, so that what it starts is killed with it.
            self.process, self.pid, self.pgid = process, process.pid, process.pid
            return self.connection_info

    # ipykernel warns, rightly, that TCP on loopback is open to other users of the machine.
    manager = AsyncKernelManager(
        kernel_spec_manager=Only(),
        client_factory=KernelClient,
        transport="ipc",
        connection_file=str(folder / "kernel.json"),
    )
    manager.provisioner = Forking(kernel_id="", kernel_spec=manager.kernel_spec, parent=manager)
    return manager


def _wait(coroutine_function: Any) -> Any:
    """Run one of the manager's coroutines to its end, on the event loop that nbclient uses as well."""
    from jupyter_core.utils import run_sync

    return run_sync(coroutine_function)
