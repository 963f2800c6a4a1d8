"""Read a notebook and the parameters that it declares, and check values against them."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from techco.errors import ParameterError

NBFORMAT = 4
_OPTIONAL = re.compile(r"Optional\[(.+)\]|(.+) \| None|None \| (.+)")
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Template:
    """A notebook that has been read, and the parameters that it declares in its cell tagged `parameters`.

    Attributes
    ----------
    content
        The JSON of the notebook.
    declared
        Name and type of each parameter, in the cell's order; the type as written there, else that of the value if it
        is a literal, else `None`.
    """

    path: Path
    content: Mapping[str, Any] = field(repr=False)
    declared: Mapping[str, str]

    def bind(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Check values against what the notebook declares.

        Parameters
        ----------
        values
            Text, as on a command line, or what YAML has.

        Returns
        -------
        dict[str, Any]
            The values as the declared types; those of other types than str, int, float, bool, list and dict stay as
            given.

        Raises
        ------
        ParameterError
            When a parameter is not declared, or its value is not of the declared type.
        """
        unknown = [name for name in values if name not in self.declared]
        if unknown:
            raise ParameterError(
                f"{self.path.name} has no parameter {', '.join(unknown)}. It declares: {', '.join(self.declared)}."
            )
        return {name: _typed(name, value, self.declared[name]) for name, value in values.items()}


def read_template(path: Path) -> Template:
    """Read a notebook and the parameters that it declares, without executing it.

    Raises
    ------
    ParameterError
        When the file is missing, is no notebook, or has no cell tagged `parameters` that assigns something.
    """
    if not path.is_file():
        raise ParameterError(f"There is no notebook {path}. Allowed: a folder with ingest, join and analysis.ipynb.")
    # Not papermill's own inspection: the kernel waits for this check, and would start before papermill is imported.
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        assignments = ast.parse(_parameters_cell(content)).body
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ParameterError(f"{path} is not a notebook: {type(error).__name__}: {error}.") from error
    declared = dict(found for node in assignments for found in _declared(node))
    if not declared:
        raise ParameterError(f"{path} declares no parameters. Tag the cell that assigns them `parameters`.")
    return Template(path, content, declared)


def parameters_cell(notebook: Path) -> str:
    """Return the source of the first cell tagged `parameters`, empty if there is none.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError, AttributeError
        When the file cannot be read, or is no notebook.
    """
    return _parameters_cell(json.loads(notebook.read_text(encoding="utf-8")))


def _parameters_cell(content: Mapping[str, Any]) -> str:
    if content["nbformat"] < NBFORMAT:
        raise ValueError(f"its format is {content['nbformat']}, and must be {NBFORMAT} or newer")
    tagged = (cell["source"] for cell in content["cells"] if "parameters" in cell["metadata"].get("tags", []))
    return "".join(next(tagged, ""))


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
    "list": (_exactly(list), "a list, as YAML: `parameters_yaml` 'NAME: [a, b]'"),
    "dict": (_exactly(dict), "a mapping, as YAML: `parameters_yaml` 'NAME: {a: 1}'"),
}
