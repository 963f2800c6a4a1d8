"""Starts kernels before they are needed, and always stops them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from techco import interrupts, kernelspecs
from techco.child import python
from techco.warm import VARIABLE, import_statements, shared_modules

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpec

# A Unix socket's path holds 104 bytes on macOS and 108 on Linux; ours end in /tmpNNNNNNNN/kernel-ipc-N.
_SOCKET_DIR_LIMIT = 68
_FIRST = "techco.kernel_app"
# What lies in the current directory, which may be a storage, is data, and never code.
_IGNORES_CWD = "--InteractiveShellApp.ignore_cwd=True"
# IPython's history is what the user has typed, and each cell would wait for its database.
_KEEPS_NO_HISTORY = "--HistoryManager.enabled=False"
_WARMS_UP = "--IPKernelApp.extra_extensions=techco.warm"
_DIES_WITHIN_S = 5
_LOOKS_EVERY_S = 0.002
_LAST_WORDS = 4000


class Process:
    """A process forked from a nursery, with what jupyter_client asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, nursery: subprocess.Popen[bytes]) -> None:
        self.pid, self._nursery = pid, nursery

    def poll(self) -> int | None:
        """None as long as it runs; it ends with its nursery, which alone could tell its exit code."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 1
        return self._nursery.poll()

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


class Nursery:
    """The process that kernels are forked from, and that ends them with all they have started; see `techco.nursery`.

    Parameters
    ----------
    notebooks
        Those that its kernels will run: what these share is imported while it waits.

    Attributes
    ----------
    folder, sockets
        Folders for the temporary files and for the sockets of its kernels, or one for both, which only this user can
        read. They go with the nursery, also if this process is killed.
    """

    def __init__(self, notebooks: Iterable[Path]) -> None:
        shared = [_FIRST, *(module for notebook in notebooks for module in shared_modules(notebook))]
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
                python(f"from techco.nursery import main; main({other.fileno()}, {modules!r}, {folders!r})"),
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
            When the nursery has died; says what it wrote last.
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
            words = self._log.read()[-_LAST_WORDS:].decode(errors="replace").strip()
            raise RuntimeError(f"The process that kernels are forked from has died. {words}".strip()) from error

    def stop(self) -> None:
        """End it, with all that its kernels have started and left."""
        self._connection.close()
        self._process.terminate()
        for end in (self._process.terminate, self._process.kill):
            end()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_DIES_WITHIN_S)
                break
        self._log.close()
        for folder in self._folders:
            folder.cleanup()


class Kernel:
    """One kernel process of the Python that runs techco or of another one, reachable over sockets in a private folder.

    It runs in the current directory, but imports nothing from there: what is nowhere else may lie beside its notebook.
    It has a folder of its own for temporary files, and writes what the operating system sees of its output to a file
    instead of this process's stdout. That of this Python imports what its notebook imports while it waits (see
    `techco.warm`).

    Parameters
    ----------
    nursery
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
        nursery: Nursery,
        notebook: Path,
        variables: Mapping[str, str] | None = None,
        libraries: Sequence[str] = (),
        spec: KernelSpec | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=nursery.sockets))
        # Killed, the process cannot remove what it has put aside; so that goes into a folder that goes with it.
        self._temporary = Path(tempfile.mkdtemp(dir=nursery.folder))
        modules = [] if spec else [_FIRST, *shared_modules(notebook)]
        fork = partial(nursery.fork, modules, log=self._log, path=notebook.parent, is_program=spec is not None)
        self.manager = _manager(self.folder, fork, spec, notebook.parent)
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
        return self._log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:] if self._log.exists() else ""

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
    nursery
        What they are forked from, which lives on; None makes one that ends with them.
    """

    def __init__(
        self,
        notebooks: Iterable[Path],
        variables: Mapping[str, str] | None = None,
        libraries: Sequence[str] = (),
        spec: KernelSpec | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self._notebooks, self._spec = deque(notebooks), spec
        self._variables, self._libraries = variables, libraries
        self._stack = ExitStack()
        self._given = nursery
        self._nursery: Nursery
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
            self._ready = Kernel(self._nursery, notebook, self._variables, self._libraries, self._spec)
            self._stack.callback(self._ready.stop)

    def __enter__(self) -> Self:
        with interrupts.held_back():
            # Another Python imports its own.
            self._nursery = self._given or Nursery([] if self._spec else self._notebooks)
            self._stack.callback(self._clear if self._given else self._nursery.stop)
            self._stack.enter_context(interrupts.at_once(self._nursery.stop))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _clear(self) -> None:
        with suppress(RuntimeError):  # it has died, and with it all that was below it
            self._nursery.clear()


def _folder(parent: str | None = None) -> tempfile.TemporaryDirectory[str]:
    """A folder that only this user can read."""
    return tempfile.TemporaryDirectory(prefix="techco-", dir=parent, ignore_cleanup_errors=True)


def _manager(folder: Path, fork: Callable[..., Process], spec: KernelSpec | None, path: Path) -> Any:
    """A manager whose kernel is forked instead of started; one of another Python imports last from `path`."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning.local_provisioner import LocalProvisioner

    from techco.kernel_client import KernelClient

    this = KernelSpec(argv=["-f", "{connection_file}"], display_name="Python 3", language="python")

    class Only(KernelSpecManager):
        """Knows one kernel: a `python3` of the user's own may belong to another Python, without techco."""

        def get_kernel_spec(self, kernel_name: str) -> Any:
            return spec or this

    class Forking(LocalProvisioner):
        """Forks the process instead of starting a program."""

        async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
            words = kernelspecs.command(cmd, path) if spec else cmd
            process: Any = fork(arguments=words, environment=options["env"])
            # The nursery gives each process a group of its own, so that what it starts is killed with it.
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
