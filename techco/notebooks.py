"""Runs notebooks under papermill: the only module that does."""

from __future__ import annotations

import ast
import functools
import json
import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from techco import errors
from techco.errors import ParameterError, StepFailed
from techco.kernels import Kernel, Kernels
from techco.quick_import import import_papermill
from techco.scrub import scrub
from techco.whole_file import make_durable, write_whole
from techco.wording import plural

OnCell = Callable[[int, int], None]
"""Called as a code cell starts, with its number, from 1, and the number of code cells; the kernel is ready by then."""
OnOutput = Callable[[str, str], None]
"""Called when a cell prints, with the name of the stream and a piece of text."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
MAY_FAIL = "raises-exception"
"""Jupyter's tag of a cell that may fail, after which the notebook goes on."""
_OF_PAPERMILL = "papermill-error-cell-tag"
_MESSAGE_LIMIT = 500
_OPTIONAL = re.compile(r"Optional\[(.+)\]|(.+) \| None|None \| (.+)")
_TRUTHS = {"true": True, "false": False}
_NBFORMAT = 4


@dataclass(frozen=True)
class Limits:
    """How many seconds a kernel may take to start, and each cell to run; None is any time."""

    start_s: int = 60
    cell_s: int | None = None

    def options(self) -> list[str]:
        """The words of a command line that set them; none for those that are always there."""
        start = ["--start-timeout", str(self.start_s)] if self.start_s != Limits.start_s else []
        return start if self.cell_s is None else [*start, "--execution-timeout", str(self.cell_s)]


def templates_dir() -> Path:
    """The folder of the templates: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def declared_parameters(template: Path) -> dict[str, str]:
    """Name and type of each parameter that a notebook declares in its cell tagged `parameters`.

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
    # Not papermill's own inspection: its import takes longer than a kernel needs to start, which waits for this check.
    try:
        assignments = ast.parse(parameters_cell(template)).body
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ParameterError(f"{template} is not a notebook: {type(error).__name__}: {error}.") from error
    found = dict(declared for node in assignments for declared in _declared(node))
    if not found:
        raise ParameterError(f"{template} declares no parameters. Tag the cell that assigns them `parameters`.")
    return found


def parameters_cell(notebook: Path) -> str:
    """The source of the first cell tagged `parameters`, empty if there is none.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError, AttributeError
        When the file cannot be read, or is no notebook.
    """
    found = json.loads(notebook.read_text(encoding="utf-8"))
    if found["nbformat"] < _NBFORMAT:
        raise ValueError(f"its format is {found['nbformat']}, and must be {_NBFORMAT} or newer")
    tagged = (cell["source"] for cell in found["cells"] if "parameters" in cell["metadata"].get("tags", []))
    return "".join(next(tagged, ""))


def check_parameters(template: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values against what a notebook declares; starts nothing.

    Parameters
    ----------
    values
        Text, as on a command line, or what YAML has.

    Returns
    -------
    dict[str, Any]
        The values as the declared types; those of other types than str, int, float, bool, list and dict stay as given.

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


def execute(
    template: Path,
    output: Path,
    parameters: Mapping[str, Any],
    on_cell: OnCell,
    kernels: Kernels | None = None,
    limits: Limits | None = None,
    on_output: OnOutput | None = None,
) -> None:
    """Execute a notebook; its parameters are checked before a kernel starts.

    Parameters
    ----------
    template
        The notebook; stays as it is.
    output
        Where the executed notebook goes; written whole after each code cell and without credentials, parents are made.
        After a failure it holds the cells up to the one that failed.
    parameters
        Values for what the notebook declares.
    on_cell
        Hears of progress.
    kernels
        Where its kernel comes from, if several notebooks share what kernels import; the kernel is stopped afterwards in
        any case.
    limits
        How long the kernel and each cell may take; None is `Limits()`.
    on_output
        Hears of what cells print.

    Raises
    ------
    ParameterError
        When a value does not fit what the notebook declares.
    StepFailed
        When not every code cell ran to its end, or in time.
    """
    values, limits = check_parameters(template, parameters), limits or Limits()
    papermill = _papermill()
    with ExitStack() as stack:
        kernel = _next(kernels or stack.enter_context(Kernels([template])))
        stack.callback(kernel.stop)
        try:
            notebook = papermill.execute_notebook(
                _literal(template),
                _literal(output.absolute()),
                values,
                engine_name="techco",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                kernel=kernel,
                on_cell=on_cell,
                limits=limits,
                on_output=on_output,
            )
        except papermill.PapermillExecutionError as error:
            notebook = _without_allowed(error, output)
        except _invalid_notebook() as error:
            raise _not_valid(template, error) from error
        except RuntimeError as error:  # nbclient's DeadKernelError, and a kernel that did not answer
            raise _no_kernel(error, scrub(kernel.last_words()), limits) from error
    _require_every_cell(notebook)


def _no_kernel(error: RuntimeError, last_words: str, limits: Limits) -> StepFailed:
    """What nbclient says of a kernel that is dead or did not answer, as a sentence."""
    reason = scrub(str(error))
    if "didn't respond" in reason:
        reason = f"The kernel did not start within {plural(limits.start_s, 'second')}, the limit of --start-timeout"
    elif "died before replying" in reason and last_words.strip():
        reason = f"The kernel ended as it started: {last_words.strip().splitlines()[-1].rstrip('.')}"
    return StepFailed(f"{reason}.", last_words)


def prepare(template: Path, output: Path, parameters: Mapping[str, Any]) -> None:
    """Write a notebook with its parameters applied, without running it; `parameters` and errors as for `execute`."""
    values = check_parameters(template, parameters)
    options = {"kernel_name": "python3", "language": "python", "progress_bar": False, "prepare_only": True}
    try:
        _papermill().execute_notebook(_literal(template), _literal(output.absolute()), values, **options)
    except _invalid_notebook() as error:
        raise _not_valid(template, error) from error
    make_durable(output)


def _next(kernels: Kernels) -> Kernel:
    try:
        return kernels.next()
    except RuntimeError as error:
        raise StepFailed(scrub(str(error))) from error


def _declared(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Name and type of what a statement assigns."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id, ast.unparse(node.annotation)
    elif isinstance(node, ast.Assign):
        yield from ((target.id, _kind(node.value)) for target in node.targets if isinstance(target, ast.Name))


def _kind(value: ast.expr) -> str:
    """The type of a literal, `None` for another expression."""
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
    """What takes a value of these types, and no truth value for a number."""

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


def _literal(path: Path) -> str:
    """A path for papermill, which takes `{name}` in it for a parameter."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _cell_failed(error: Any) -> StepFailed:
    """What papermill raises for a failed cell, as a sentence; ours need no more than their text."""
    trace = scrub(_ANSI.sub("", "\n".join(error.traceback)))
    text = scrub(_ANSI.sub("", error.evalue)).strip()
    kind = getattr(errors, error.ename, None)
    if isinstance(kind, type) and issubclass(kind, errors.TechcoError):
        return StepFailed(text, trace, error.ename)
    first = text.splitlines()[0] if text else ""
    short = first[: _MESSAGE_LIMIT - 1] + "…" if len(first) > _MESSAGE_LIMIT else first
    return StepFailed(
        f"Cell [{error.exec_count}] failed: {error.ename}: {short}".rstrip(": "), trace, error.ename, text
    )


def _without_allowed(error: Any, output: Path) -> Any:
    """The executed notebook, if what papermill takes for a failure is that of a cell that may fail."""
    import nbformat

    notebook: Any = nbformat.read(output, as_version=_NBFORMAT)  # type: ignore[no-untyped-call]
    cells = [cell for cell in notebook.cells if _OF_PAPERMILL not in cell.metadata.get("tags", [])]
    if MAY_FAIL not in cells[error.cell_index].metadata.get("tags", []):
        raise _cell_failed(error) from None
    notebook.cells = cells
    write_whole(output, scrub(nbformat.writes(notebook)))  # type: ignore[no-untyped-call]
    return notebook


def _invalid_notebook() -> tuple[type[Exception], ...]:
    """What nbformat raises for a file that is JSON, but not what its version of the format demands."""
    from nbformat import NBFormatError, ValidationError

    return (NBFormatError, ValidationError)


def _not_valid(template: Path, error: Exception) -> StepFailed:
    return StepFailed(f"{template} is not a valid notebook: {str(error).partition(chr(10))[0]}")


def _require_every_cell(notebook: Any) -> None:
    """Papermill takes `sys.exit(0)` in a cell for success; what fails in a cell that may fail is none."""
    for cell in notebook.cells:
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        error = next((output for output in cell.outputs if output.output_type == "error"), None)
        if error and MAY_FAIL not in cell.metadata.get("tags", []):
            raise StepFailed(
                f"Cell [{cell.execution_count}] ended the notebook with {error.ename}({error.evalue}); "
                "success means that every cell ran. Remove the exit.",
                scrub(cell.source),
            )
        if cell.execution_count is None:
            raise StepFailed("A cell did not run; success means that every cell ran.", scrub(cell.source))


@functools.cache
def _papermill() -> Any:
    """Papermill, with the engine that reports progress and the writing of whole files."""
    import_papermill()
    import papermill
    from papermill.engines import papermill_engines
    from papermill.iorw import papermill_io

    from techco.papermill_engine import Engine, WholeFiles

    papermill_engines.register("techco", Engine)
    papermill_io.register("/", WholeFiles())
    logging.getLogger("techco").addHandler(logging.NullHandler())
    return papermill
