"""Notebooks of a user's own that run after the steps: what they may be called, and whether they can run."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from techco.errors import ParameterError
from techco.notebooks.parameters import declared_parameters
from techco.notebooks.slim_imports import import_jsonschema
from techco.records.record import STEPS
from techco.storage.base import check_path

_TAKEN = (*STEPS, "index", "report", "data")
"""Names of steps, pages and folders of a report."""
_NAME = re.compile(r"\w[\w .-]{0,49}")


def check_names(paths: Iterable[Path]) -> None:
    """Check that each notebook can have a page of its name.

    Raises
    ------
    ParameterError
        Says what to rename.
    """
    seen: dict[str, Path] = {}
    for path in paths:
        check_path("--template", str(path))
        if path.suffix != ".ipynb":
            raise ParameterError(f"--template is {path}. Allowed: a notebook, whose name ends in .ipynb.")
        if not _NAME.fullmatch(path.stem):
            raise ParameterError(
                f"--template is {path}, and its page would have its name. Allowed: at most 50 letters, digits, blanks, "
                "dots, - and _, the first one a letter or digit. Rename it."
            )
        name = path.stem.casefold()
        if name in _TAKEN:
            raise ParameterError(f"--template is {path}, but reports have a {name} of their own. Rename it.")
        if name in seen:
            raise ParameterError(f"--template is {path}, but {seen[name]} has the same name. Rename one of them.")
        seen[name] = path


def check_notebook(path: Path) -> None:
    """Check that a file is a valid notebook in Python that declares parameters; starts nothing.

    Raises
    ------
    ParameterError
        Says what is wrong.
    """
    if not path.is_file():
        raise ParameterError(f"There is no notebook {path}. Give the path of one: --template my_analysis.ipynb.")
    declared_parameters(path)
    import_jsonschema()
    import nbformat

    notebook = nbformat.from_dict(json.loads(path.read_text(encoding="utf-8")))  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings(action="ignore"):  # of cells without ids, which get some
            nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise ParameterError(f"{path} is not a valid notebook: {str(error).partition(chr(10))[0]}") from None
    metadata = notebook.metadata
    language = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    if str(language or "python").lower() not in ("python", "ipython"):
        raise ParameterError(f"{path} is a notebook in {language}. Allowed: Python.")
