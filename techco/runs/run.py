"""Run the steps for one storage and period, and keep the record."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from techco.errors import NotIngested, ParameterError, StepFailed, TechcoError
from techco.notebooks.execute import execute_notebook, prepare_notebook
from techco.notebooks.forkserver import ForkServer
from techco.notebooks.kernels import Kernels
from techco.notebooks.kernelspecs import PYTHON3
from techco.notebooks.limits import Callbacks
from techco.notebooks.printed_lines import PrintedLines
from techco.records.find import RECORD, RUNS
from techco.records.provenance import provenance
from techco.records.record import REPORT, RunRecord, StepRecord
from techco.runs.events import CellStarted, LinePrinted, Listener, StepEnded, StepStarted, ignore
from techco.runs.freshness import known_after, known_before
from techco.runs.plan import PlannedStep, RunPlan, make_plan
from techco.runs.reporting import make_report, preload_report, record_failure
from techco.runs.request import RunRequest
from techco.settings import variables
from techco.system import signals
from techco.system.files import make_durable
from techco.system.locks import hold_lock
from techco.tables.state import FILE, VARIABLE, read_state


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


def run(request: RunRequest, listener: Listener = ignore, forkserver: ForkServer | None = None) -> RunRecord:
    """Execute the steps in order and make the report; the first failure ends the run, and is in the report.

    All is checked before a folder is made or a kernel starts. `run.json` is saved whenever a status changes.

    Parameters
    ----------
    listener
        Is told of steps and cells as they start and end.
    forkserver
        Starts the kernels of several runs, one run after the other; None makes one for this run.

    Returns
    -------
    RunRecord
        With status `completed`, `completed with warnings`, `failed` or, if that was asked for, `prepared`; what failed
        is in its `error`.

    Raises
    ------
    ParameterError, StorageError, EngineError
        When something in the request is not allowed, or the engine cannot do it; then there is no run.
    Interrupted
        When Ctrl-C has ended the run, whose record and report say so, or its publication.
    NotPublished
        When the report could not be published; the run is as complete as without that.
    """
    began = time.monotonic()
    plan = make_plan(request)
    if request.prepare_only:
        return _prepare(plan)
    from techco.engines.session import ready_engine

    with (
        ready_engine(request.engine, request.spark_conf, plan.storage) as engine,
        _open_folder(plan) as (record, folder),
    ):
        _Execution(plan, record, folder, began - (record.seconds or 0), listener).run(engine, forkserver)
    if plan.target:
        _publish(plan, record, folder)
    return record


@contextmanager
def _open_folder(plan: RunPlan) -> Iterator[tuple[RunRecord, Path]]:
    """Hold the folder of a run, made if the run is new, with its record in it."""
    record = plan.resumed or _new_record(plan)
    with ExitStack() as stack:
        with signals.deferred():
            folder = plan.request.resumes or _make_folder(plan.request)
            stack.enter_context(hold_lock(folder))
            record.run_id = folder.name
            record.save(folder / RECORD)
        yield record, folder


def _prepare(plan: RunPlan) -> RunRecord:
    """Write the notebooks of a run with their parameters, and execute none."""
    with signals.deferred(), _open_folder(plan) as (record, folder):
        try:
            for planned, step in zip(plan.steps, record.steps, strict=True):
                output = folder / f"{step.name}.ipynb"
                prepare_notebook(planned.template, output, planned.with_values(run_id=record.run_id).parameters)
                step.notebook = str(output)
            record.status = "prepared"
        except BaseException as error:
            record_failure(record, next((step.name for step in record.steps if not step.notebook), REPORT), error)
            raise
        finally:
            record.save(folder / RECORD)
    return record


@dataclass
class _Execution:
    """A run that is being executed.

    Attributes
    ----------
    record
        How it stands, as saved in its folder.
    began
        When it began, by `time.monotonic`; of a run that goes on, as if it had not stopped in between.
    """

    plan: RunPlan
    record: RunRecord
    folder: Path
    began: float
    listener: Listener

    def run(self, engine: Mapping[str, str], forkserver: ForkServer | None) -> None:
        """Execute the steps; whatever happens, there are a record and a report."""
        with signals.cleanup(lambda: self._end(KeyboardInterrupt())):
            try:
                self._execute_steps(engine, forkserver)
                self.record.seconds = _since(self.began)
                if self.record.error:  # a completed one is saved when there is a report, and this may not be had
                    self._save()
                make_report(self.record, self.folder)
            except BaseException as error:
                stop = KeyboardInterrupt() if signals.was_interrupted() else error
                self._end(stop)
                with suppress(Exception):  # what ended the run is what must be told
                    make_report(self.record, self.folder)
                if isinstance(stop, KeyboardInterrupt):
                    raise Interrupted(self.record) from None
                raise

    def _end(self, error: BaseException) -> None:
        """Save how the run has ended; a step that has failed by itself before an interruption stays the reason."""
        if not self.record.error:
            steps = self.record.steps
            record_failure(
                self.record, next((step.name for step in steps if step.status != "completed"), REPORT), error
            )
        self.record.seconds = _since(self.began)
        self._save()

    def _save(self) -> None:
        self.record.save(self.folder / RECORD)

    def _execute_steps(self, engine: Mapping[str, str], forkserver: ForkServer | None) -> None:
        request, storage = self.plan.request, self.plan.storage
        environment = {**variables(request.access, request.pii, request.refresh, request.compare), **engine}
        environment[VARIABLE] = str(self.folder / FILE)
        if not any(step.status == "completed" for step in self.record.steps):
            (self.folder / FILE).unlink(missing_ok=True)  # a step that has failed may have left it
        options = (environment, storage.libraries, self.plan.kernel)
        records = {step.name: step for step in self.record.steps}
        with Kernels([planned.path for planned in self.plan.steps], *options, forkserver) as kernels:
            for planned in self.plan.steps:
                step = records[planned.name]
                step.status = "running"
                self._save()
                self.listener(StepStarted(step.name))
                try:
                    try:
                        self._execute_step(planned, step, kernels)
                    except StepFailed as error:
                        if not storage.recovered_from(error):
                            raise
                        with Kernels([planned.path], *options) as others:
                            self._execute_step(planned, step, others)  # a step replaces what it has made
                except TechcoError as error:
                    if signals.was_interrupted():  # a library has made another error of it
                        raise KeyboardInterrupt from None
                    reason = storage.explain_failure(getattr(error, "words", ""))
                    if getattr(error, "kind", "") == NotIngested.__name__:  # its last words are a command
                        reason = f"{error} {shlex.join(request.place_options())}"
                    record_failure(self.record, step.name, error, reason)
                    return
                finally:
                    self.listener(StepEnded(step.name, step.status, step.seconds or 0))
        self._save()  # as still running: it is completed when there is a report, and this may not be had
        self.record.status = "completed"

    def _execute_step(self, planned: PlannedStep, step: StepRecord, kernels: Kernels) -> None:
        """Execute one notebook; whatever happens, status, seconds and notebook of its step are set."""
        began = time.monotonic()
        step.status = "running"
        request, output = self.plan.request, self.folder / f"{step.name}.ipynb"
        printed = PrintedLines(lambda line: self.listener(LinePrinted(step.name, line)), request.pii)

        def on_cell(cell: int, cells: int) -> None:
            printed.end()
            self.listener(CellStarted(step.name, cell, cells))
            if cell == 1:  # not earlier: two kernels that start at once are both late
                kernels.start_next()
                if planned is self.plan.steps[0]:
                    arguments = [planned.template.path, request.pii]
                    threading.Thread(target=preload_report, args=arguments, daemon=True).start()

        try:
            callbacks = Callbacks(on_cell, printed.add if request.log_output else None)
            parameters = planned.with_values(run_id=self.record.run_id).parameters
            execute_notebook(planned.template, output, parameters, callbacks, kernels, request.limits)
            step.status = "completed"
            self._note_state()
        except BaseException:
            step.status = "failed"
            raise
        finally:
            printed.end()
            step.seconds = _since(began)
            if output.is_file():
                step.notebook = str(output)
                make_durable(output)

    def _note_state(self) -> None:
        """Note of which state of the tables the report speaks, and what it was made from."""
        state = read_state(self.folder / FILE)
        self.record.made_from |= known_after(state)
        if state.versions:
            self.record.provenance["table_versions"] = state.versions


def _new_record(plan: RunPlan) -> RunRecord:
    """Return what is known before there is a folder, which gives the run its id."""
    request = plan.request
    known = provenance(plan.command, plan.storage.credential_source, request.templates, request.parameters)
    return RunRecord(
        run_id="",
        storage=plan.storage.url,
        engine=request.engine,
        start_date=str(request.period.first),
        end_date=str(request.period.last),
        status="running",
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        pii=request.pii,
        steps=[StepRecord(step.name) for step in plan.steps],
        provenance=known | ({"kernel": request.kernel} if request.kernel != PYTHON3 else {}),
        made_from=known_before(plan),
    )


def _make_folder(request: RunRequest) -> Path:
    """Make the run's own folder, whose name is the run's id."""
    now = datetime.now(UTC)  # in local time, runs in the hour that autumn repeats would sort wrongly
    name = f"{now:%Y%m%dT%H%M%S}-{request.period.first}_{request.period.last}"
    runs = request.out.absolute() / RUNS
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = runs / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                path.mkdir()  # the one step that two processes cannot both do
                return path
    except OSError as error:
        raise ParameterError(
            f"Runs cannot be written to {request.out.absolute()}: {error.strerror}. "
            "Give a folder that you may write to with `out`."
        ) from error
    raise AssertionError("there are always more numbers")


def _publish(plan: RunPlan, record: RunRecord, folder: Path) -> None:
    from techco.runs.publish import publish

    assert plan.target
    try:
        publish(record, folder, plan.target)
    except KeyboardInterrupt:
        raise Interrupted(record) from None
    except TechcoError as error:
        again = shlex.join(plan.request.publish_command(record.run_id))
        raise NotPublished(record, f"The report is not published. {error} Publish it again: {again}") from None


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
