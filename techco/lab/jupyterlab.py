"""Open JupyterLab on a working copy of a notebook, with the user's parameters filled in.

The copy is in a folder `lab/` beside `runs/`. JupyterLab runs below a process of its own, which ends it with all its
kernels when this process ends, however that happens; see `techco.lab.guard`.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlencode

from techco.errors import TechcoError
from techco.lab.working_copy import working_copy
from techco.redact import register_secret
from techco.runs.plan import make_plan
from techco.runs.request import RunRequest
from techco.settings import variables
from techco.system import signals
from techco.system.child_process import ChildProcess, private_folder

_STARTS_WITHIN_S = 120
_LOOKS_EVERY_S = 0.05


class Lab(ChildProcess):
    """JupyterLab on a working copy; it is stopped with its kernels and all they have started.

    Parameters
    ----------
    request
        The parameters, and the notebook as its only step.
    browser
        Whether JupyterLab opens the notebook in the user's browser.

    Attributes
    ----------
    notebook
        The working copy.
    is_new
        Whether the copy was made now; an earlier one with these parameters is opened as the user has left it.
    url
        The URL of the copy in JupyterLab, with its token.

    Raises
    ------
    ParameterError, StorageError
        When the request has a wrong value; then nothing was made or started.
    TechcoError
        When JupyterLab is not installed, or does not start.
    """

    def __init__(self, request: RunRequest, *, browser: bool = True) -> None:
        check_installed()
        self.notebook, self.is_new = working_copy(request, make_plan(request).storage)
        token = secrets.token_hex(24)
        register_secret(token)
        self._start(request, token, browser)
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
        if code := self.wait_for_exit():
            raise TechcoError(
                f"JupyterLab has ended with exit code {code}; what it wrote is above. The same command opens the "
                "notebook again as it was saved last."
            )

    def _start(self, request: RunRequest, token: str, browser: bool) -> None:
        root = request.out.absolute()
        words = [f"--ServerApp.root_dir={root}", f"--ServerApp.open_browser={browser}", str(self.notebook)]
        with signals.deferred():
            # Kernels have sockets in the second one, whose paths must be short.
            folders = [private_folder(), private_folder("/tmp")]
            temporary, self._runtime = (Path(folder.name) for folder in folders)
            token_file = self._runtime / "token"
            token_file.touch(mode=0o600)
            token_file.write_text(token, encoding="ascii")
            environment = _environment(request) | {"TMPDIR": str(temporary), "JUPYTER_TOKEN_FILE": str(token_file)}
            environment["JUPYTER_RUNTIME_DIR"] = str(self._runtime)
            arguments = (words, [folder.name for folder in folders])
            super().__init__("techco.lab.guard", arguments, environment, folders, is_logged=False)

    def _wait_for_url(self, root: Path) -> str:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while self.is_alive and time.monotonic() < deadline:
            for file in self._runtime.glob("jpserver-*.json"):
                with suppress(ValueError):  # it is being written
                    server = json.loads(file.read_text(encoding="utf-8"))
                    path = quote(self.notebook.relative_to(root).as_posix())
                    token = {"token": server["token"]} if server["token"] else {}
                    return f"{server['url']}lab/tree/{path}?{urlencode(token)}".rstrip("?")
            time.sleep(_LOOKS_EVERY_S)
        raise TechcoError(
            "JupyterLab did not start; what it wrote is above. See whether it starts by itself: "
            f"{sys.executable} -m jupyterlab"
        )


def _environment(request: RunRequest) -> dict[str, str]:
    """Return the environment of the kernels: access to the storage, and modules beside the user's own notebooks."""
    environment = {**os.environ, **variables(request.access, request.pii, request.refresh)}
    if request.templates:
        paths = (environment.get("PYTHONPATH"), str(request.templates.absolute()))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment


def check_installed() -> None:
    """Check that JupyterLab is installed for the Python that runs techco.

    Raises
    ------
    TechcoError
        Says how to install it.
    """
    if find_spec("jupyterlab") is None:
        raise TechcoError(
            f"JupyterLab is not installed for {sys.executable}. Install it: {sys.executable} -m pip install jupyterlab"
        )
