"""Makes the import of the notebook libraries quick."""

from __future__ import annotations

import importlib
import sys


def import_jsonschema() -> None:
    """Import jsonschema, which papermill and nbconvert need, without the grammar of international URLs.

    With `rfc3987_syntax` installed, as JupyterLab does, jsonschema builds a parser for a second on every start;
    notebooks have no field of that format. Does nothing where either is imported already.
    """
    if "jsonschema" in sys.modules or "rfc3987_syntax" in sys.modules:
        return
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # the documented way to make an import fail
    try:
        importlib.import_module("jsonschema")
    finally:
        del sys.modules["rfc3987_syntax"]
