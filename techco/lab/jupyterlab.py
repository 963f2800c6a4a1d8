"""Opens JupyterLab on a working copy of a notebook, with the user's parameters filled in.

The copy is in a folder `lab/` beside `runs/`. JupyterLab runs below a process of its own, which ends it with all its
kernels when this one ends, however that happens; see `techco.lab.guard`.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

from techco.errors import TechcoError
from techco.lab.working_copy import working_copy
from techco.redact import register_secret
from techco.runs.request import RunRequest
from techco.runs.run import check
from techco.settings import variables
from techco.system import signals
from techco.system.children import python_command

_STARTS_WITHIN_S = 120
_ENDS_WITHIN_S = 8
_LOOKS_EVERY_S = 0.05


class Lab:
    """JupyterLab on a working copy; a context manager that ends it, with its kernels and all they have started.

    Parameters
    ----------
    request
        What the notebook is about: its only step, and the parameters.
    browser
        Whether JupyterLab opens the notebook in the user's browser.

    Attributes
    ----------
    notebook
        The working copy.
    is_new
        Whether it was made now; one with these parameters that was there is opened as the user has left it.
    url
        Where it is open, with the token that lets in.

    Raises
    ------
    ParameterError, StorageError
        When something in the request is not allowed; then nothing was made or started.
    TechcoError
        When JupyterLab is not installed, or does not start.
    """

    def __init__(self, request: RunRequest, *, browser: bool = True) -> None:
        check_installed()
        self.notebook, self.is_new = working_copy(request, check(request))
        token = secrets.token_hex(24)
        register_secret(token)
        self._at_once = ExitStack()
        with signals.deferred():
            self._start(request, token, browser)
            self._at_once.enter_context(signals.cleanup(self.stop))
        try:
            self.url = self._wait_for_url(request.out.absolute())
        except BaseException:
            self.stop()
            raise

    def wait(self) -> None:
        """Wait until the user ends JupyterLab, which its menu offers.

        Raises
        ------
        TechcoError
            When it has ended in another way.
        """
        if code := self._process.wait():
            raise TechcoError(
                f"JupyterLab has ended with exit code {code}; what it wrote is above. The same command opens the "
                "notebook again as it was saved last."
            )

    def stop(self) -> None:
        """End it, if it still runs, with all that was started in it."""
        assert self._process.stdin, "it is a pipe"
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDS_WITHIN_S)
        self._process.kill()
        self._process.wait()
        for folder in (self._temporary, self._runtime):
            folder.cleanup()
        self._at_once.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _start(self, request: RunRequest, token: str, browser: bool) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="techco-", ignore_cleanup_errors=True)
        # Kernels have sockets in it, whose paths must be short.
        self._runtime = tempfile.TemporaryDirectory(prefix="techco-", dir="/tmp", ignore_cleanup_errors=True)
        token_file = Path(self._runtime.name, "token")
        token_file.touch(mode=0o600)
        token_file.write_text(token, encoding="ascii")
        own = {
            "TMPDIR": self._temporary.name,
            "JUPYTER_RUNTIME_DIR": self._runtime.name,
            "JUPYTER_TOKEN_FILE": str(token_file),
        }
        root, folders = request.out.absolute(), [self._temporary.name, self._runtime.name]
        words = [f"--ServerApp.root_dir={root}", f"--ServerApp.open_browser={browser}", str(self.notebook)]
        self._process = subprocess.Popen(
            python_command(f"from techco.lab.guard import guard; guard({words!r}, {folders!r})"),
            stdin=subprocess.PIPE,
            env={**_environment(request), **own},
            start_new_session=True,  # Ctrl-C is for the one that started it
        )

    def _wait_for_url(self, root: Path) -> str:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while self._process.poll() is None and time.monotonic() < deadline:
            for file in Path(self._runtime.name).glob("jpserver-*.json"):
                with suppress(ValueError):  # it is being written
                    said = json.loads(file.read_text(encoding="utf-8"))
                    path = quote(self.notebook.relative_to(root).as_posix())
                    token = {"token": said["token"]} if said["token"] else {}
                    return f"{said['url']}lab/tree/{path}?{urlencode(token)}".rstrip("?")
            time.sleep(_LOOKS_EVERY_S)
        raise TechcoError(
            "JupyterLab did not start; what it wrote is above. See whether it starts by itself: "
            f"{sys.executable} -m jupyterlab"
        )


def _environment(request: RunRequest) -> dict[str, str]:
    """What kernels find: how the storage is reached, and modules that lie beside notebooks of the user's own."""
    found = {**os.environ, **variables(request.access, request.pii, request.refresh)}
    if request.templates:
        found["PYTHONPATH"] = os.pathsep.join(
            filter(None, (found.get("PYTHONPATH"), str(request.templates.absolute())))
        )
    return found


def check_installed() -> None:
    """Check that JupyterLab is there for the Python that runs techco.

    Raises
    ------
    TechcoError
        Says how to install it.
    """
    if find_spec("jupyterlab") is None:
        raise TechcoError(
            f"JupyterLab is not installed for {sys.executable}. Install it: {sys.executable} -m pip install jupyterlab"
        )
