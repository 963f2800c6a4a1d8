"""Import the notebook libraries quickly, without dependencies that are not used here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Papermill reads and writes notebooks in clouds with these, which take longer to import than all the rest of it.
_CLOUD_MODULES = ("papermill.abs", "papermill.adl", "papermill.s3", "gcsfs", "pyarrow.fs", "github")


def import_papermill() -> None:
    """Import papermill without its handlers for notebooks in clouds."""
    import_jsonschema()
    with _without(*_CLOUD_MODULES):
        importlib.import_module("papermill")


def import_jsonschema() -> None:
    """Import jsonschema, which papermill and nbconvert need, without the grammar of international URLs.

    With `rfc3987_syntax` installed, as JupyterLab does, jsonschema builds a parser for a second on every start;
    notebooks have no field of that format.
    """
    if "jsonschema" not in sys.modules:
        with _without("rfc3987_syntax"):
            importlib.import_module("jsonschema")


def import_ipykernel() -> None:
    """Import ipykernel without its debugger, as nobody can connect to a run's kernel."""
    with _without("debugpy"):
        importlib.import_module("ipykernel.debugger")
    importlib.import_module("ipykernel.kernelapp")


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Make the import of modules fail that are not imported yet: Python documents None in `sys.modules` for that."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
