"""Runs the steps for one storage and period, and keeps the record."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from techco.engines.java import check_java
from techco.engines.names import parse_engine
from techco.errors import ParameterError, StepFailed, TechcoError
from techco.notebooks.execute import execute_notebook, prepare_notebook
from techco.notebooks.forkserver import ForkServer
from techco.notebooks.kernels import Kernels
from techco.notebooks.kernelspecs import PYTHON3, find_kernel
from techco.notebooks.limits import Callbacks
from techco.notebooks.parameters import check_parameters, declared_parameters
from techco.notebooks.printed_lines import PrintedLines
from techco.records.find import RECORD, RUNS, find_run
from techco.records.provenance import provenance
from techco.records.record import REPORT, RunRecord, StepRecord
from techco.runs.own_templates import check_notebook
from techco.runs.parameters import refuse_credentials, refuse_unknown
from techco.runs.progress import NoProgress, Progress
from techco.runs.reporting import make_report, preload_report, record_failure
from techco.runs.request import RunRequest
from techco.settings import variables
from techco.storage.base import Storage, check_path
from techco.storage.open import open_storage
from techco.system import signals
from techco.system.files import make_durable
from techco.system.locks import hold_lock


class Interrupted(KeyboardInterrupt):
    """Raised when Ctrl-C or a signal has ended a run, or its publication; `record` says how far it came."""

    def __init__(self, record: RunRecord) -> None:
        super().__init__()
        self.record = record


class NotPublished(TechcoError):
    """Raised when a run has ended, but its report could not be published; `record` says how the run ended."""

    def __init__(self, record: RunRecord, message: str) -> None:
        super().__init__(message)
        self.record = record


def run(request: RunRequest, progress: Progress | None = None, forkserver: ForkServer | None = None) -> RunRecord:
    """Execute the steps in order and make the report; the first failure ends the run, and is in the report.

    Everything the user gave is checked before a folder is made or a kernel starts. `run.json` is saved whenever
    a status changes. A `forkserver` serves several runs, one after the other.

    Returns
    -------
    RunRecord
        With status `completed`, `failed` or, if that was asked for, `prepared`; what failed is in its `error`.

    Raises
    ------
    ParameterError, StorageError, EngineError
        When something in the request is not allowed, or the engine cannot do it; then there is no run.
    Interrupted
        When Ctrl-C has ended the run, whose record and report say so, or its publication.
    NotPublished
        When the report could not be published; the run is as complete as without that.
    """
    started = time.monotonic()
    storage = check(request)
    if request.prepare_only:
        return _prepare(request, storage)
    from techco.engines.session import ready_engine

    with ready_engine(request.engine, request.spark_conf, storage) as engine, ExitStack() as stack:
        record = _resumed_record(request) if request.resumes else _new_record(request, storage)
        started -= record.seconds or 0
        with signals.deferred():
            run_dir = request.resumes or _make_run_dir(request)
            stack.enter_context(hold_lock(run_dir))
            record.run_id = run_dir.name
            record.save(run_dir / RECORD)
        _run(request, storage, engine, record, run_dir, started, progress or NoProgress(), forkserver)
    if request.publish:
        _publish(request, record, run_dir)
    return record


def _prepare(request: RunRequest, storage: Storage) -> RunRecord:
    """Write the notebooks of a run with their parameters, and execute none."""
    record = _new_record(request, storage)
    with signals.deferred():
        run_dir = _make_run_dir(request)
        with hold_lock(run_dir):
            record.run_id = run_dir.name
            try:
                for step in record.steps:
                    template, output = request.template(step.name), run_dir / f"{step.name}.ipynb"
                    values = request.values(step.name, template, record.storage, record.run_id)
                    prepare_notebook(template, output, values)
                    step.notebook = str(output)
                record.status = "prepared"
                record.save(run_dir / RECORD)
            except BaseException as error:
                record_failure(record, next((step.name for step in record.steps if not step.notebook), REPORT), error)
                record.save(run_dir / RECORD)
                raise
    return record


def _run(
    request: RunRequest,
    storage: Storage,
    engine: Mapping[str, str],
    record: RunRecord,
    run_dir: Path,
    started: float,
    progress: Progress,
    forkserver: ForkServer | None,
) -> None:
    """Execute the steps in a folder of their own; whatever happens, there are a record and a report."""
    with signals.cleanup(lambda: _end(record, run_dir, started, KeyboardInterrupt())):
        try:
            _execute_steps(request, storage, engine, record, run_dir, progress, forkserver)
            record.seconds = _since(started)
            if record.error:  # a completed one is saved when there is a report, and this may not be had
                record.save(run_dir / RECORD)
            make_report(record, run_dir)
        except BaseException as error:
            stop = KeyboardInterrupt() if signals.was_interrupted() else error
            _end(record, run_dir, started, stop)
            with suppress(Exception):  # what ended the run is what must be told
                make_report(record, run_dir)
            if isinstance(stop, KeyboardInterrupt):
                raise Interrupted(record) from None
            raise


def _end(record: RunRecord, run_dir: Path, started: float, error: BaseException | None = None) -> None:
    """Save how a run has ended; a step that has failed by itself before an interruption stays the reason."""
    if error and not record.error:
        record_failure(record, _unfinished_step(record), error)
    record.seconds = _since(started)
    record.save(run_dir / RECORD)


def check(request: RunRequest) -> Storage:
    """Check everything the user gave, before anything is started; returns the storage.

    Raises
    ------
    ParameterError, StorageError
        Says what is not allowed.
    """
    name = parse_engine(request.engine)
    if name.needs_java:
        check_java()
    find_kernel(request.kernel)
    _check_notebooks(request)
    storage = open_storage(request.storage, request.access)
    refuse_credentials(request.parameters)  # those of the storage are known by now
    check_path("out", str(request.out.absolute()))
    if set(request.steps) - {"analysis"}:  # analysis only reads
        storage.check_writable()
    if request.publish:
        from techco.runs.publish import check_target

        check_target(storage.url, request.publish_to, request.access, "--publish-to", request.pii)
    return storage


def _check_notebooks(request: RunRequest) -> None:
    """Check that each notebook takes its parameters, and that each parameter has a notebook."""
    declared: list[str] = []
    for path in request.own_templates:
        check_notebook(path)
    for step in request.all_steps:
        template = request.template(step)
        declared += declared_parameters(template)
        check_parameters(template, request.values(step, template, request.storage, run_id=""))
    refuse_unknown(request.parameters, declared)


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


def _new_record(request: RunRequest, storage: Storage) -> RunRecord:
    """What is known before there is a folder, which gives the run its id."""
    known = provenance(request.command(storage.url), storage.access, request.templates, request.parameters)
    return RunRecord(
        run_id="",
        storage=storage.url,
        engine=request.engine,
        start_date=str(request.period.first),
        end_date=str(request.period.last),
        status="running",
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        pii=request.pii,
        steps=[StepRecord(step) for step in request.all_steps],
        provenance=known | ({"kernel": request.kernel} if request.kernel != PYTHON3 else {}),
    )


def _resumed_record(request: RunRequest) -> RunRecord:
    """The record of a run that goes on, without what is said of its end."""
    record, _ = find_run(str(request.resumes), request.out)
    for step in record.steps:
        if step.status in ("failed", "running"):
            step.notebook = None  # it begins again with its template
        if step.status != "completed":
            step.status, step.seconds = "pending", None
    record.status, record.error = "running", None
    return record


def _execute_steps(
    request: RunRequest,
    storage: Storage,
    engine: Mapping[str, str],
    record: RunRecord,
    run_dir: Path,
    progress: Progress,
    forkserver: ForkServer | None,
) -> None:
    steps = [step for step in record.steps if step.status != "completed"]
    templates = [request.template(step.name) for step in steps]
    environment = {**variables(request.access, request.pii, request.refresh), **engine}
    options = (environment, storage.libraries, find_kernel(request.kernel))
    with Kernels(templates, *options, forkserver) as kernels:
        for step in steps:
            step.status = "running"
            record.save(run_dir / RECORD)
            progress.step_started(step)
            source = run_dir / f"{step.name}.ipynb" if step.notebook else request.template(step.name)
            execute = partial(_execute_step, request, record, step, run_dir, progress, source, step is steps[0])
            try:
                try:
                    execute(kernels)
                except StepFailed as error:
                    if not storage.is_back(error):
                        raise
                    with Kernels([request.template(step.name)], *options) as others:
                        execute(others)  # a step replaces what it has made
            except TechcoError as error:
                if signals.was_interrupted():  # a library has made another error of it
                    raise KeyboardInterrupt from None
                record_failure(record, step.name, error, storage.trouble(getattr(error, "words", "")))
                return
            finally:
                progress.step_ended(step)
    record.save(run_dir / RECORD)  # as still running: it is completed when there is a report, and this may not be had
    record.status = "completed"


def _execute_step(
    request: RunRequest,
    record: RunRecord,
    step: StepRecord,
    run_dir: Path,
    progress: Progress,
    source: Path,
    is_first: bool,
    kernels: Kernels,
) -> None:
    """Execute one step, whose notebook is `source`; whatever happens, its status, seconds and notebook are set."""
    started = time.monotonic()
    step.status = "running"
    output = run_dir / f"{step.name}.ipynb"
    printed = PrintedLines(lambda line: progress.cell_printed(step, line), request.pii)

    def on_cell(cell: int, cells: int) -> None:
        printed.end()
        progress.cell_started(step, cell, cells)
        if cell == 1:  # not earlier: two kernels that start at once are both late
            kernels.start_next()
            if is_first:
                threading.Thread(target=preload_report, args=[source, request.pii], daemon=True).start()

    try:
        callbacks = Callbacks(on_cell, printed.add if request.log_output else None)
        parameters = request.values(step.name, source, record.storage, record.run_id)
        execute_notebook(source, output, parameters, callbacks, kernels, request.limits)
        step.status = "completed"
    except BaseException:
        step.status = "failed"
        raise
    finally:
        printed.end()
        step.seconds = _since(started)
        if output.is_file():
            step.notebook = str(output)
            make_durable(output)


def _publish(request: RunRequest, record: RunRecord, run_dir: Path) -> None:
    from techco.runs.publish import open_target, publish

    try:
        publish(record, run_dir, open_target(record.storage, request.publish_to, request.access))
    except KeyboardInterrupt:
        raise Interrupted(record) from None
    except TechcoError as error:
        again = shlex.join(request.publish_command(record.run_id))
        raise NotPublished(record, f"The report is not published. {error} Publish it again: {again}") from None


def _unfinished_step(record: RunRecord) -> str:
    return next((step.name for step in record.steps if step.status != "completed"), REPORT)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
