"""The process that the kernels of a run are forked from, so that shared modules are imported once.

It holds no data, and imports only modules that start no thread, as no thread survives a fork: not Delta Lake, which
starts one as it is imported. Sail starts some with its server, which only kernels do.

As it outlives the run's own process, however that ends, it also kills all that the run has started, and removes its
temporary files.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from techco.system import children

_BACKEND = "module://matplotlib_inline.backend_inline"


@dataclass(frozen=True)
class ForkRequest:
    """Which kernel is to be started.

    Attributes
    ----------
    modules
        Imported before the fork.
    arguments
        Those of ipykernel, or the whole command of a program.
    environment
        All of its environment variables.
    directory
        Its current directory.
    import_folder
        The last folder that it imports from.
    log
        The file that gets its stdout and stderr.
    is_program
        Whether the process becomes another program.
    """

    modules: Sequence[str]
    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    import_folder: Path
    log: Path
    is_program: bool


def main(handle: int, modules: Sequence[str], folders: Sequence[str]) -> NoReturn:
    """Serve until the other end of a connection is closed, or SIGTERM; then nothing is left of what was started here.

    Parameters
    ----------
    handle
        File descriptor of a connection. A `ForkRequest` is answered by the process id of the new kernel; None kills all
        kernels so far, and is answered by 0.
    modules
        What to import while there is no request, in this order.
    folders
        Temporary folders of the kernels. The first is the current directory of imports, as some modules read files
        there.
    """
    kernels: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: children.kill_descendants_and_exit(folders, kernels))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a kernel's exit code
    children.become_subreaper()
    os.chdir(folders[0])
    tempfile.tempdir = folders[0]  # temporary files of imports go with those of the kernels
    # Both are read as modules are imported: by ipykernel, whose kernels end with the process that they name, and by
    # matplotlib, which would not show a plot below its cell.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    os.environ.setdefault("MPLBACKEND", _BACKEND)
    try:
        _serve(Connection(handle), deque(modules), kernels)
    except (EOFError, OSError):
        pass
    except Exception:
        traceback.print_exc()
    children.kill_descendants_and_exit(folders, kernels)


def _serve(connection: Connection, modules: deque[str], kernels: list[int]) -> NoReturn:
    while True:
        if modules and not connection.poll():
            _import(modules.popleft())
            continue
        request: ForkRequest | None = connection.recv()
        if request is None:
            children.kill_descendants(kernels)
            kernels.clear()
            connection.send(0)
            continue
        for module in request.modules:
            _import(module)
        connection.send(_fork(request, connection, kernels))


def _import(module: str) -> None:
    """Import a module; a failure is left to the notebook, where it fails again with a message."""
    with contextlib.suppress(Exception):
        importlib.import_module(module)


def _fork(request: ForkRequest, connection: Connection, kernels: list[int]) -> int:
    # SIGTERM ends all kernels: it must wait until the new one is in the list, and is not for the new process.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    pid = os.fork()
    if pid == 0:
        try:
            connection.close()
            _become_kernel(request)
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(1)
    kernels.append(pid)
    # A group of its own, before anybody can send it a signal: it includes the processes that it starts.
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has died, or become a program, already
        os.setpgid(pid, pid)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    return pid


def _become_kernel(request: ForkRequest) -> NoReturn:
    """Undo what this process has set, and run ipykernel, or become another program."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    _redirect(request.log)
    os.chdir(request.directory)
    sys.path.append(str(request.import_folder))
    os.environ.clear()
    os.environ.update({**request.environment, "JPY_PARENT_PID": str(os.getppid())})
    os.environ.setdefault("MPLBACKEND", _BACKEND)
    if request.is_program:
        os.setpgid(0, 0)  # afterwards nobody else can
        os.execvp(request.arguments[0], list(request.arguments))
    tempfile.tempdir = None  # it was that of the forkserver
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # or all kernels would draw the same numbers
    sys.argv = ["ipykernel_launcher", *request.arguments]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
    sys.exit(0)


def _redirect(log: Path) -> None:
    """Read stdin from /dev/null, and write stdout and stderr to a file."""
    nothing, file = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)
