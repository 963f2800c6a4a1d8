"""Collect how a run was made: versions, the commit, and the command that repeats it."""

from __future__ import annotations

import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("techco", "pyspark", "pysail", "papermill")
_GIT_TIMEOUT_S = 5


def provenance(
    command: Sequence[str], access: str = "", templates: Path | None = None, parameters: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Collect what a reader needs to trust or repeat a run.

    Parameters
    ----------
    command
        The command that repeats it, without credentials.
    access
        How the storage was opened, in words and without credentials.
    templates
        The folder of the notebooks, None for those of the package.
    parameters
        What was given for them beside the standard parameters.

    Returns
    -------
    dict[str, Any]
        Name to text, for people: `command`, `access` and `templates` if there are such, a version for `techco`,
        `python` and the main packages, `system`, and `git_commit` where the current directory is a checkout. Of
        `parameters`, if there are any, names and values.
    """
    facts: dict[str, Any] = {
        "command": shlex.join(command),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    if access:
        facts["access"] = access
    if templates:
        facts["templates"] = str(templates.absolute())
    if parameters:
        facts["parameters"] = dict(parameters)
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            facts[package] = version(package)
    commit = _git_commit()
    return {**facts, "git_commit": commit} if commit else facts


def _git_commit() -> str:
    """Return the commit of the checkout in the current directory, empty where there is none or no git."""
    try:
        command = ["git", "rev-parse", "--verify", "HEAD"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
