"""Runs the steps for one storage and period, and keeps the record."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from techco import notebooks
from techco.errors import ParameterError, StepFailed, TechcoError
from techco.history import RECORD, RUNS, find_run
from techco.kernels import Kernels
from techco.period import Period
from techco.progress import Progress, Silent
from techco.provenance import provenance
from techco.quick_import import import_jsonschema
from techco.record import STEPS, RunError, RunRecord, StepRecord
from techco.scrub import scrub
from techco.storage import Storage, open_storage

REPORT = "report"
_LOCK = ".lock"


@dataclass(frozen=True)
class RunRequest:
    """What to run.

    Attributes
    ----------
    period
        The days whose logs count.
    storage
        The shop: a local folder, or `sample`.
    engine
        Where the PySpark code runs.
    steps
        Which steps; they run in the order of `record.STEPS`.
    out
        Folder for `runs/` and `reports/`; made if missing.
    templates
        Folder of the notebooks; None takes the package's.

    Raises
    ------
    ParameterError
        When a step is unknown or given twice, or none is given.
    """

    period: Period
    storage: str = "sample"
    engine: str = "sail"
    steps: tuple[str, ...] = STEPS
    out: Path = Path()
    templates: Path | None = None

    def __post_init__(self) -> None:
        allowed = f"Allowed: {', '.join(STEPS)}, each once, with commas between."
        if not self.steps:
            raise ParameterError(f"No step is given. {allowed}")
        for step in self.steps:
            if step not in STEPS:
                raise ParameterError(f"{step!r} is not a step. {allowed}")
            if self.steps.count(step) > 1:
                raise ParameterError(f"The step {step} is given twice. {allowed}")

    def template(self, step: str) -> Path:
        """The notebook of a step."""
        return (self.templates or notebooks.templates_dir()) / f"{step}.ipynb"

    def command(self, storage: str) -> list[str]:
        """The words that repeat this run from any directory; `storage` without credentials."""
        words = ["techco", "run", "--storage", storage, "--from", str(self.period.first), "--to", str(self.period.last)]
        words += ["--engine", self.engine, "--out", str(self.out.absolute())]
        if set(self.steps) != set(STEPS):
            words += ["--steps", ",".join(self.steps)]
        return words


def run(request: RunRequest, progress: Progress | None = None) -> RunRecord:
    """Execute the steps in order and make the report; the first failure ends the run, and is in the report.

    Everything the user gave is checked before a folder is made or a kernel starts. `run.json` is saved whenever
    a status changes.

    Returns
    -------
    RunRecord
        With status `completed` or `failed`; what failed is in its `error`.

    Raises
    ------
    ParameterError, StorageError
        When something in the request is not allowed; then there is no run.
    """
    storage = check(request)
    run_dir = _make_run_dir(request)
    record = _new_record(request, storage, run_dir.name)
    started = time.monotonic()
    try:
        _execute_steps(request, record, run_dir, progress or Silent())
    except BaseException as error:
        _fail(record, next((step.name for step in record.steps if step.status != "completed"), REPORT), error)
        raise
    finally:
        record.seconds = _since(started)
        record.save(run_dir / RECORD)
    _report(record, request.out, run_dir)
    return record


def check(request: RunRequest) -> Storage:
    """Check everything the user gave, before anything is started; returns the storage.

    Raises
    ------
    ParameterError, StorageError
        Says what is not allowed.
    """
    from techco.engine import check_engine

    check_engine(request.engine)
    storage = open_storage(request.storage)
    if set(request.steps) - {"analysis"}:  # analysis only reads
        storage.check_writable()
    for step in request.steps:
        notebooks.check_parameters(request.template(step), _parameters(request, storage.url, run_id=""))
    return storage


def render_again(run: str, out: Path) -> RunRecord:
    """Make the pages of a run anew from its executed notebooks.

    Parameters
    ----------
    run
        Its id, or the path of its folder; then its report goes beside the `runs/` it lies in.
    out
        The folder that holds `runs/` and `reports/`, for an id.

    Raises
    ------
    ParameterError
        When there is no such run.
    """
    record, run_dir = find_run(run, out)
    for step in record.steps:  # the folder may have been moved since
        notebook = run_dir / f"{step.name}.ipynb"
        step.notebook = str(notebook) if notebook.is_file() else None
    if record.error and record.error.step == REPORT:
        record.error, record.status = None, "completed"
    _report(record, run_dir.parent.parent, run_dir)
    return record


def _parameters(request: RunRequest, url: str, run_id: str) -> dict[str, str]:
    return {
        "storage": url,
        "start_date": str(request.period.first),
        "end_date": str(request.period.last),
        "engine": request.engine,
        "run_id": run_id,
    }


def _make_run_dir(request: RunRequest) -> Path:
    """Make the run's own folder, whose name is the run's id."""
    now = datetime.now(UTC)  # in local time, runs in the hour that autumn repeats would sort wrongly
    name = f"{now:%Y%m%dT%H%M%S}-{request.period.first}_{request.period.last}"
    runs = request.out.absolute() / RUNS
    number = 1
    try:
        runs.mkdir(parents=True, exist_ok=True)
        while True:
            path = runs / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir()  # the one step that two processes cannot both do
            except FileExistsError:
                number += 1
            else:
                return path
    except OSError as error:
        raise ParameterError(
            f"Runs cannot be written to {request.out.absolute()}: {error.strerror}. "
            "Give a folder that you may write to with --out."
        ) from error


def _new_record(request: RunRequest, storage: Storage, run_id: str) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        storage=storage.url,
        engine=request.engine,
        start_date=str(request.period.first),
        end_date=str(request.period.last),
        status="running",
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        steps=[StepRecord(step) for step in STEPS if step in request.steps],
        provenance=dict(provenance(request.command(storage.url))),
    )


def _execute_steps(request: RunRequest, record: RunRecord, run_dir: Path, progress: Progress) -> None:
    with Kernels(request.template(step.name) for step in record.steps) as kernels:
        for step in record.steps:
            step.status = "running"
            record.save(run_dir / RECORD)
            progress.step_started(step)
            try:
                _execute_step(request, record, step, run_dir, kernels, progress)
            except TechcoError as error:
                _fail(record, step.name, error)
                return
            finally:
                progress.step_ended(step)
    record.status = "completed"


def _execute_step(
    request: RunRequest, record: RunRecord, step: StepRecord, run_dir: Path, kernels: Kernels, progress: Progress
) -> None:
    """Execute one step; whatever happens, its status, seconds and notebook are set."""
    started = time.monotonic()
    template, output = request.template(step.name), run_dir / f"{step.name}.ipynb"
    parameters = _parameters(request, record.storage, record.run_id)

    def on_cell(cell: int, cells: int) -> None:
        progress.cell_started(step, cell, cells)
        if cell == 1:  # not earlier: two kernels that start at once are both late
            kernels.prepare()
            threading.Thread(target=_load_report, daemon=True).start()

    try:
        notebooks.execute(template, output, parameters, on_cell, kernels.next())
        step.status = "completed"
    except BaseException:
        step.status = "failed"
        raise
    finally:
        step.seconds = _since(started)
        step.notebook = str(output) if output.is_file() else None


def _load_report() -> None:
    """Import what the report needs while the kernels work; whatever is wrong with it shows when it is needed."""
    import_jsonschema()
    with suppress(Exception):
        import_module("techco.report")
        import_module("techco.notebook_page")


def _report(record: RunRecord, out: Path, run_dir: Path) -> None:
    """Render the pages and save the record with what they found; a page that cannot be made fails the run."""
    import_jsonschema()
    from techco.report import render

    with _locked(out / RUNS / _LOCK):
        try:
            render(record, out.absolute())
        except Exception as error:
            if not record.error:
                _fail(record, REPORT, error)
            raise
        finally:
            record.save(run_dir / RECORD)


def _fail(record: RunRecord, step: str, error: BaseException) -> None:
    record.status = "failed"
    message = "It was interrupted." if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
    trace = error.trace if isinstance(error, StepFailed) else ""
    record.error = RunError(step, scrub(message), scrub(trace))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time write the page of all runs, which each of them reads and writes."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
