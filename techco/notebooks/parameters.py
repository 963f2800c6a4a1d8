"""Read what a notebook declares in its cell tagged `parameters`, and check values against it."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from techco.errors import ParameterError

NBFORMAT = 4
_OPTIONAL = re.compile(r"Optional\[(.+)\]|(.+) \| None|None \| (.+)")
_TRUTHS = {"true": True, "false": False}


def declared_parameters(template: Path) -> dict[str, str]:
    """Return name and type of each parameter that a notebook declares in its cell tagged `parameters`.

    Returns
    -------
    dict[str, str]
        In the cell's order; the type as written there, else that of the value if it is a literal, else `None`.

    Raises
    ------
    ParameterError
        When the file is missing, no notebook, or has no such cell.
    """
    if not template.is_file():
        raise ParameterError(
            f"There is no notebook {template}. Allowed: a folder with ingest, join and analysis.ipynb."
        )
    # Not papermill's own inspection: the kernel waits for this check, and would start before papermill is imported.
    try:
        assignments = ast.parse(parameters_cell(template)).body
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ParameterError(f"{template} is not a notebook: {type(error).__name__}: {error}.") from error
    found = dict(declared for node in assignments for declared in _declared(node))
    if not found:
        raise ParameterError(f"{template} declares no parameters. Tag the cell that assigns them `parameters`.")
    return found


def parameters_cell(notebook: Path) -> str:
    """Return the source of the first cell tagged `parameters`, empty if there is none.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError, AttributeError
        When the file cannot be read, or is no notebook.
    """
    found = json.loads(notebook.read_text(encoding="utf-8"))
    if found["nbformat"] < NBFORMAT:
        raise ValueError(f"its format is {found['nbformat']}, and must be {NBFORMAT} or newer")
    tagged = (cell["source"] for cell in found["cells"] if "parameters" in cell["metadata"].get("tags", []))
    return "".join(next(tagged, ""))


def check_parameters(template: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values against what a notebook declares, without executing it.

    Parameters
    ----------
    values
        Text, as on a command line, or values of YAML.

    Returns
    -------
    dict[str, Any]
        The values converted to the declared types; of other types than str, int, float, bool, list and dict unchanged.

    Raises
    ------
    ParameterError
        When a parameter is not declared, or its value is not of the declared type.
    """
    declared = declared_parameters(template)
    unknown = [name for name in values if name not in declared]
    if unknown:
        raise ParameterError(
            f"{template.name} has no parameter {', '.join(unknown)}. It declares: {', '.join(declared)}."
        )
    return {name: _typed(name, value, declared[name]) for name, value in values.items()}


def _declared(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield name and type of what a statement assigns."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, ast.unparse(node.annotation)
    elif isinstance(node, ast.Assign):
        yield from ((target.id, _kind(node.value)) for target in node.targets if isinstance(target, ast.Name))


def _kind(value: ast.expr) -> str:
    """Return the type of a literal, `None` for another expression."""
    try:
        literal = ast.literal_eval(value)
    except (TypeError, ValueError):
        return "None"
    return "None" if literal is None else type(literal).__name__


def _typed(name: str, value: Any, annotation: str) -> Any:
    found = _OPTIONAL.fullmatch(annotation)
    kind = next(filter(None, found.groups())) if found else annotation
    if (found and value is None) or kind.partition("[")[0] not in _KINDS:
        return value
    convert, wanted = _KINDS[kind.partition("[")[0]]
    try:
        return convert(value)
    except (ValueError, KeyError):
        raise ParameterError(f"{name} is {value!r}. Allowed: {wanted}.") from None


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    """Return a function that refuses values of other types, also a truth value as a number."""

    def take(value: Any) -> Any:
        if type(value) not in kinds:
            raise ValueError
        return value

    return take


def _finite(value: Any) -> float:
    number = float(value) if isinstance(value, str) else float(_exactly(int, float)(value))
    if not math.isfinite(number):  # a notebook, which is JSON, cannot hold it
        raise ValueError
    return number


_KINDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "str": (_exactly(str), "text; in YAML, put quotes around it"),
    "int": (lambda value: int(value) if isinstance(value, str) else _exactly(int)(value), "a whole number"),
    "float": (_finite, "a number"),
    "bool": (lambda value: value if isinstance(value, bool) else _TRUTHS[str(value).lower()], "true or false"),
    "list": (_exactly(list), "a list, as YAML: -y 'NAME: [a, b]'"),
    "dict": (_exactly(dict), "a mapping, as YAML: -y 'NAME: {a: 1}'"),
}
