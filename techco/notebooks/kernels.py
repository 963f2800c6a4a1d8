"""Start kernels before they are needed, and always stop them."""

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
# The current directory may be a storage: its files are data, and never code.
_IGNORES_CWD = "--InteractiveShellApp.ignore_cwd=True"
# IPython's history is for what a user types, and each cell would wait for its database.
_KEEPS_NO_HISTORY = "--HistoryManager.enabled=False"
_DIES_WITHIN_S = 5
_PRELOADS = "--IPKernelApp.extra_extensions=techco.notebooks.preload"


class Kernel:
    """A running kernel of the Python that runs techco or of another one, reachable over sockets in a private folder.

    Its current directory is that of this process, but it imports nothing from there; its last place for imports is the
    folder of its notebook. It has a temporary folder of its own, and a log for its stdout and stderr. While a kernel of
    this Python waits, it imports what its notebook imports (see `techco.notebooks.preload`).

    Parameters
    ----------
    forkserver
        The process that it is forked from.
    notebook
        The notebook that it will run.
    variables
        Its environment variables beside those of this process.
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
        # A process that is killed cannot remove its temporary files.
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
                extra_arguments=[_IGNORES_CWD, _KEEPS_NO_HISTORY, *([] if spec else [_PRELOADS])],
            )
        except BaseException:
            self.stop()
            raise

    @property
    def _log(self) -> Path:
        return self.folder / "kernel.log"

    def last_words(self) -> str:
        """Return the end of its log, without credentials; the output of cells is not there."""
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
    """The kernels of several notebooks, each of which can be started before its turn comes.

    A context manager: on entering it, the import of shared modules begins; on leaving it no process is left.

    Parameters
    ----------
    notebooks
        The notebooks in the order of their turns.
    variables, libraries, spec
        As for each `Kernel`.
    forkserver
        The process that they are forked from, which goes on afterwards; None makes one that ends with them.
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

    def take_next(self) -> Kernel:
        """Return the kernel of the next notebook, which is started unless it has been."""
        self.start_next()
        kernel, self._ready = self._ready, None
        assert kernel, "there is a turn for each notebook"
        return kernel

    def start_next(self) -> None:
        """Start the next kernel, if there is a next one and it has not been started yet."""
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
        with suppress(RuntimeError):  # it has died, and with it all its kernels
            self._forkserver.clear()


def _manager(
    folder: Path, fork: Callable[[Sequence[str], Mapping[str, str]], ForkedProcess], spec: KernelSpec | None, path: Path
) -> Any:
    """Make a manager whose kernel is forked instead of started; one of another Python imports last from `path`."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning.local_provisioner import LocalProvisioner

    from techco.notebooks.kernel_client import KernelClient

    this = KernelSpec(argv=["-f", "{connection_file}"], display_name="Python 3", language="python")

    class OneKernelSpec(KernelSpecManager):
        """Finds one kernel alone: a `python3` of the user's own may belong to another Python, without techco."""

        def get_kernel_spec(self, kernel_name: str) -> Any:
            return spec or this

    class ForkingProvisioner(LocalProvisioner):
        """Forks a process instead of starting a program."""

        async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
            words = kernelspecs.without_current_directory(cmd, path) if spec else cmd
            process: Any = fork(words, options["env"])
            # The forkserver gives each process a group of its own.
            self.process, self.pid, self.pgid = process, process.pid, process.pid
            return self.connection_info

    # ipykernel warns, rightly, that TCP on loopback is open to other users of the machine.
    manager = AsyncKernelManager(
        kernel_spec_manager=OneKernelSpec(),
        client_factory=KernelClient,
        transport="ipc",
        connection_file=str(folder / "kernel.json"),
    )
    manager.provisioner = ForkingProvisioner(kernel_id="", kernel_spec=manager.kernel_spec, parent=manager)
    return manager


def _wait(coroutine_function: Any) -> Any:
    """Make one of the manager's coroutine functions synchronous, on the event loop that nbclient uses as well."""
    from jupyter_core.utils import run_sync

    return run_sync(coroutine_function)
