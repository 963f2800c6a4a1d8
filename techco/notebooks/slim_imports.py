"""Makes the import of the notebook libraries quick, by leaving out what they can do without."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Papermill reads and writes notebooks in clouds, too; ours are files of this machine. These take longer to import than
# all the rest of it.
_PLACES = ("papermill.abs", "papermill.adl", "papermill.s3", "gcsfs", "pyarrow.fs", "github")


def import_papermill() -> None:
    """Import papermill without its handlers for places that are no files."""
    import_jsonschema()
    with _missing(*_PLACES):
        importlib.import_module("papermill")


def import_jsonschema() -> None:
    """Import jsonschema, which papermill and nbconvert need, without the grammar of international URLs.

    With `rfc3987_syntax` installed, as JupyterLab does, jsonschema builds a parser for a second on every start;
    notebooks have no field of that format.
    """
    if "jsonschema" not in sys.modules:
        with _missing("rfc3987_syntax"):
            importlib.import_module("jsonschema")


def import_ipykernel() -> None:
    """Import ipykernel without its debugger, to which nobody can connect in a run; each kernel would import it."""
    with _missing("debugpy"):
        importlib.import_module("ipykernel.debugger")
    importlib.import_module("ipykernel.kernelapp")


@contextmanager
def _missing(*names: str) -> Iterator[None]:
    """Have the import of modules fail that are not imported yet, in the documented way."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
