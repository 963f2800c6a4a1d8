"""Make the working copy of a notebook that JupyterLab opens, with the user's parameters filled in."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate, count
from pathlib import Path
from typing import Any

from techco.errors import ParameterError
from techco.notebooks.parameters import parameters_cell
from techco.runs.request import RunRequest
from techco.storage.base import SAMPLE, Storage

FOLDER = "lab"
_KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def working_copy(request: RunRequest, storage: Storage) -> tuple[Path, bool]:
    """Copy a notebook with the parameters filled in, unless there is a copy with these parameters already.

    Returns
    -------
    tuple[Path, bool]
        The copy, and whether it was made now. Its name has step and period, and a number if a copy with other
        parameters has that name, for instance another shop's.
    """
    (step,) = request.steps
    values = {
        "storage": SAMPLE if storage.is_sample else storage.url,
        "start_date": str(request.period.first),
        "end_date": str(request.period.last),
        "engine": request.engine,
    }
    template, folder = request.template(step), request.out.absolute() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    text = _fill_in(template, values)
    for number in count(1):
        name = f"{step}-{request.period.first}_{request.period.last}"
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}.ipynb"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
                return path, True
        except FileExistsError:
            if _has_values(path, values):
                return path, False
    raise AssertionError("there are always more numbers")


def _has_values(path: Path, values: Mapping[str, str]) -> bool:
    """Tell whether a notebook's cell of parameters assigns these values; False if it cannot be read."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError):
        return values == _assigned(parameters_cell(path), values)
    return False


def _assigned(source: str, names: Collection[str]) -> dict[str, object]:
    return {name: ast.literal_eval(value) for name, value in _assignments(source) if name in names}


def _fill_in(template: Path, values: Mapping[str, str]) -> str:
    """Return a notebook with these values in its cell of parameters, for the Python that runs techco."""
    import nbformat

    notebook: Any = nbformat.read(template, as_version=4)  # type: ignore[no-untyped-call]
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    cell.source = _with_values(cell.source, values)
    if missing := values.keys() - _assigned(cell.source, values).keys():
        raise ParameterError(
            f"{template} does not assign {', '.join(sorted(missing))} in its cell of parameters. "
            'Give each a line of its own with a default, for instance storage: str = "sample".'
        )
    notebook.metadata.kernelspec = _KERNEL
    return str(nbformat.writes(notebook)) + "\n"  # type: ignore[no-untyped-call]


def _with_values(source: str, values: Mapping[str, str]) -> str:
    """Return the source of a cell of parameters with these values; types and comments stay."""
    text = source.encode()
    starts = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
    for name, value in reversed(list(_assignments(source))):
        if name in values:
            assert value.end_lineno, "the parser sets both"
            assert value.end_col_offset, "the parser sets both"
            first = starts[value.lineno - 1] + value.col_offset
            last = starts[value.end_lineno - 1] + value.end_col_offset
            text = text[:first] + json.dumps(values[name], ensure_ascii=False).encode() + text[last:]
    return text.decode()


def _assignments(source: str) -> Iterator[tuple[str, ast.expr]]:
    """Yield name and value of each assignment in a cell of parameters."""
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
