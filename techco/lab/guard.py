"""Run JupyterLab in a process of its own, below one that ends it with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager

from techco.system import children
from techco.system.child_process import python_command

_OPTIONS = (
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.allow_root=True",  # as in a container; nobody else of this machine gets in either way
    "--ServerApp.kernel_spec_manager_class=techco.lab.guard.ThisPython",
    "--KernelManager.transport=ipc",  # sockets in a private folder: TCP is open to other users of the machine
    "--Application.log_level=ERROR",
)


class ThisPython(KernelSpecManager):
    """Finds the user's kernels, but for `python3` the Python that runs this, whatever has that name."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the folder of each kernel."""
        from ipykernel.kernelspec import RESOURCES

        return {**super().find_kernel_specs(), NATIVE_KERNEL_NAME: RESOURCES}

    def get_kernel_spec(self, kernel_name: str) -> Any:
        """Return the command and language of a kernel."""
        from ipykernel.kernelspec import RESOURCES, get_kernel_dict

        if kernel_name == NATIVE_KERNEL_NAME:
            return self.kernel_spec_class(resource_dir=RESOURCES, **get_kernel_dict())
        return super().get_kernel_spec(kernel_name)


def main(handle: int, words: Sequence[str], folders: Sequence[str]) -> NoReturn:
    """Run JupyterLab until it ends, a connection is closed or SIGTERM comes; then nothing is left of what was started.

    JupyterLab can be killed: it saves a notebook whole or not at all, and the kernels hold nothing to save. The exit
    code is that of JupyterLab, as a shell shows it, if it has ended by itself, for instance by its menu; else 0.

    Parameters
    ----------
    handle
        File descriptor of the connection.
    words
        Words of JupyterLab's command line, beside those that are always there.
    folders
        Temporary folders, which are removed in the end.
    """
    codes: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: children.kill_descendants_and_exit(folders, code=next(iter(codes), 0)))
    children.become_subreaper()
    command = [*python_command("from jupyterlab.labapp import main; main()"), *_OPTIONS, *words]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with, args=[server, codes], daemon=True).start()
    with suppress(EOFError, OSError):
        Connection(handle).recv()
    children.kill_descendants_and_exit(folders)


def _end_with(server: subprocess.Popen[bytes], codes: list[int]) -> None:
    """Keep the exit code of JupyterLab when it ends, and end this process."""
    code = server.wait()
    codes.append(code if code >= 0 else 128 - code)
    os.kill(os.getpid(), signal.SIGTERM)
