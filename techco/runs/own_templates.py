"""Read notebooks of a user's own that run after the steps, and check their names."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from techco.errors import ParameterError
from techco.notebooks.parameters import Template, read_template
from techco.notebooks.slim_imports import import_jsonschema
from techco.records.record import STEPS
from techco.storage.base import check_path

_TAKEN = (*STEPS, "index", "report", "data")
"""Names of steps, pages and folders of a report."""
_NAME = re.compile(r"\w[\w .-]{0,49}")


def check_names(paths: Iterable[Path]) -> None:
    """Check that each notebook can have a page of its name."""
    seen: dict[str, Path] = {}
    for path in paths:
        check_path("`own_templates`", str(path))
        if path.suffix != ".ipynb":
            raise ParameterError(f"`own_templates` is {path}. Allowed: a notebook, whose name ends in .ipynb.")
        if not _NAME.fullmatch(path.stem):
            raise ParameterError(
                f"`own_templates` is {path}, and its page would have its name. Allowed: at most 50 letters, digits, "
                "blanks, dots, - and _, the first one a letter or digit. Rename it."
            )
        name = path.stem.casefold()
        if name in _TAKEN:
            raise ParameterError(f"`own_templates` is {path}, but reports have a {name} of their own. Rename it.")
        if name in seen:
            raise ParameterError(f"`own_templates` is {path}, but {seen[name]} has the same name. Rename one of them.")
        seen[name] = path


def read_own_template(path: Path) -> Template:
    """Read a notebook of a user's own, which must be a valid one in Python that declares parameters."""
    if not path.is_file():
        raise ParameterError(f"There is no notebook {path}. Give the path of one: `own_templates='my_analysis.ipynb'`.")
    template = read_template(path)
    import_jsonschema()
    import nbformat

    notebook = nbformat.from_dict(template.content)  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings(action="ignore"):  # of cells without ids, which get some
            nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise ParameterError(f"{path} is not a valid notebook: {str(error).partition(chr(10))[0]}") from None
    metadata = notebook.metadata
    language = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    if str(language or "python").lower() not in ("python", "ipython"):
        raise ParameterError(f"{path} is a notebook in {language}. Allowed: Python.")
    return template
