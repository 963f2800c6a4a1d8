"""Runs notebooks under papermill: the only module that does."""

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
from techco.notebooks.kernels import Kernel, Kernels
from techco.notebooks.limits import Limits, OnCell, OnOutput
from techco.notebooks.parameters import NBFORMAT, check_parameters
from techco.notebooks.slim_imports import import_papermill
from techco.redact import scrub
from techco.system.files import make_durable, write_whole

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
MAY_FAIL = "raises-exception"
"""Jupyter's tag of a cell that may fail, after which the notebook goes on."""
_OF_PAPERMILL = "papermill-error-cell-tag"
_MESSAGE_LIMIT = 500


def execute_notebook(
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
            raise _no_kernel(error, kernel.last_words(), limits) from error
    _require_every_cell(notebook)


def _no_kernel(error: RuntimeError, last_words: str, limits: Limits) -> StepFailed:
    """What nbclient says of a kernel that is dead or did not answer, as a sentence."""
    reason = scrub(str(error))
    if "didn't respond" in reason:
        reason = f"The kernel did not start within {plural(limits.start_s, 'second')}, the limit of --start-timeout"
    elif "died before replying" in reason and last_words.strip():
        reason = f"The kernel ended as it started: {last_words.strip().splitlines()[-1].rstrip('.')}"
    return StepFailed(f"{reason}.", last_words)


def prepare_notebook(template: Path, output: Path, parameters: Mapping[str, Any]) -> None:
    """Write a notebook with its parameters applied, without running it; errors as for `execute_notebook`."""
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

    notebook: Any = nbformat.read(output, as_version=NBFORMAT)  # type: ignore[no-untyped-call]
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

    from techco.notebooks.papermill_engine import Engine, WholeFiles

    papermill_engines.register("techco", Engine)
    papermill_io.register("/", WholeFiles())
    logging.getLogger("techco").addHandler(logging.NullHandler())
    return papermill
