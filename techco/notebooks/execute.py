"""Execute notebooks under papermill."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from techco import errors
from techco.display.wording import plural
from techco.errors import StepFailed
from techco.notebooks.kernels import Kernels
from techco.notebooks.limits import Callbacks, Limits
from techco.notebooks.parameters import NBFORMAT, Template, read_template
from techco.notebooks.slim_imports import import_papermill
from techco.redact import scrub
from techco.system.files import make_durable, write_whole

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
MAY_FAIL = "raises-exception"
"""Jupyter's tag of a cell that may fail, after which the notebook goes on."""
_PAPERMILLS_TAG = "papermill-error-cell-tag"
_MESSAGE_LIMIT = 500


def execute_notebook(
    template: Path | Template,
    output: Path,
    parameters: Mapping[str, Any],
    callbacks: Callbacks | None = None,
    kernels: Kernels | None = None,
    limits: Limits | None = None,
) -> None:
    """Execute a notebook; its parameters are checked before a kernel starts.

    Parameters
    ----------
    template
        The notebook, read already or not; the file is not changed.
    output
        The file of the executed notebook, written whole after each code cell and without credentials; missing folders
        are made. After a failure it has the outputs of the cells up to the one that failed.
    parameters
        Values of parameters that the notebook declares.
    callbacks
        What is called meanwhile; None calls nothing.
    kernels
        The kernels of several notebooks, of which this one takes the next; it is stopped in any case. None starts one.
    limits
        How long the kernel and each cell may take; None is `Limits()`.

    Raises
    ------
    ParameterError
        When a value does not fit what the notebook declares.
    StepFailed
        When a code cell did not run to its end, or took too long.
    """
    read = template if isinstance(template, Template) else read_template(template)
    values, limits = read.bind(parameters), limits or Limits()
    papermill = _papermill()
    with ExitStack() as stack:
        try:
            kernel = (kernels or stack.enter_context(Kernels([read.path]))).take_next()
        except RuntimeError as error:
            raise StepFailed(scrub(str(error))) from error
        stack.callback(kernel.stop)
        try:
            notebook = papermill.execute_notebook(
                _literal(read.path),
                _literal(output.absolute()),
                values,
                engine_name="techco",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                kernel=kernel,
                callbacks=callbacks or Callbacks(),
                limits=limits,
            )
        except papermill.PapermillExecutionError as error:
            notebook = _without_allowed(error, output)
        except _invalid_notebook() as error:
            raise _not_valid(read.path, error) from error
        except RuntimeError as error:  # nbclient's DeadKernelError, and a kernel that did not answer
            raise _kernel_failed(error, kernel.last_words(), limits) from error
    _require_every_cell(notebook)


def _kernel_failed(error: RuntimeError, last_words: str, limits: Limits) -> StepFailed:
    """Say in a sentence what nbclient reports of a kernel that is dead or did not answer."""
    reason = scrub(str(error))
    if "didn't respond" in reason:
        reason = f"The kernel did not start within {plural(limits.start_s, 'second')}, the limit of `start_timeout`"
    elif "died before replying" in reason and last_words.strip():
        reason = f"The kernel ended as it started: {last_words.strip().splitlines()[-1].rstrip('.')}"
    return StepFailed(f"{reason}.", last_words)


def prepare_notebook(template: Template, output: Path, parameters: Mapping[str, Any]) -> None:
    """Write a notebook with its parameters, without executing it; errors are those of `execute_notebook`."""
    values = template.bind(parameters)
    options = {"kernel_name": "python3", "language": "python", "progress_bar": False, "prepare_only": True}
    try:
        _papermill().execute_notebook(_literal(template.path), _literal(output.absolute()), values, **options)
    except _invalid_notebook() as error:
        raise _not_valid(template.path, error) from error
    make_durable(output)


def _literal(path: Path) -> str:
    """Escape a path for papermill, which replaces `{name}` in it by a parameter."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _cell_failed(error: Any) -> StepFailed:
    """Say in a sentence why a cell failed; errors of this package are sentences already."""
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
    """Return the executed notebook if the cell that failed may fail, which papermill does not know."""
    import nbformat

    notebook: Any = nbformat.read(output, as_version=NBFORMAT)  # type: ignore[no-untyped-call]
    cells = [cell for cell in notebook.cells if _PAPERMILLS_TAG not in cell.metadata.get("tags", [])]
    if MAY_FAIL not in cells[error.cell_index].metadata.get("tags", []):
        raise _cell_failed(error) from None
    notebook.cells = cells
    write_whole(output, scrub(nbformat.writes(notebook)))  # type: ignore[no-untyped-call]
    return notebook


def _invalid_notebook() -> tuple[type[Exception], ...]:
    """Return what nbformat raises for JSON that is no notebook of its version."""
    from nbformat import NBFormatError, ValidationError

    return (NBFormatError, ValidationError)


def _not_valid(template: Path, error: Exception) -> StepFailed:
    return StepFailed(f"{template} is not a valid notebook: {str(error).partition(chr(10))[0]}")


def _require_every_cell(notebook: Any) -> None:
    """Refuse a notebook with a cell that did not run: papermill takes `sys.exit(0)` in a cell for success."""
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
    """Import papermill, and register the engine and the file handler of `papermill_engine`."""
    import_papermill()
    import papermill
    from papermill.engines import papermill_engines
    from papermill.iorw import papermill_io

    from techco.notebooks.papermill_engine import Engine, WholeFiles

    papermill_engines.register("techco", Engine)
    papermill_io.register("/", WholeFiles())
    logging.getLogger("techco").addHandler(logging.NullHandler())
    return papermill
