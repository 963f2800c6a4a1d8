"""Resolve what a user asked for into a plan: all is opened, read and checked before a folder is made.

What executes a plan looks nothing up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from techco.engines.java import check_java
from techco.engines.names import parse_engine
from techco.notebooks.kernelspecs import find_kernel
from techco.notebooks.parameters import Template, read_template
from techco.period import Period
from techco.raw.files import check_present
from techco.records.find import find_run
from techco.records.record import STEPS, RunRecord, StepRecord
from techco.runs.own_templates import read_own_template
from techco.runs.parameters import STANDARD, refuse_credentials, refuse_unknown
from techco.runs.request import RunRequest
from techco.storage.base import Storage, check_path
from techco.storage.open import open_storage

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpec

    from techco.storage.azure.container import Container


@dataclass(frozen=True)
class PlannedStep:
    """A step, the notebook that it executes, and the values of its parameters.

    Attributes
    ----------
    path
        The notebook that was given. What lies beside it can be imported.
    template
        The notebook that is executed: the given one, or that of a prepared run.
    parameters
        Checked, and of the declared types. A `run_id` among them is empty until the run has one.
    """

    name: str
    path: Path
    template: Template
    parameters: Mapping[str, Any]

    def with_values(self, **values: str) -> PlannedStep:
        """Return this step with other values for those of the standard parameters that it takes."""
        taken = {name: value for name, value in values.items() if name in self.parameters}
        return replace(self, parameters={**self.parameters, **taken})


@dataclass(frozen=True)
class RunPlan:
    """A run that can be executed.

    Attributes
    ----------
    kernel
        What starts the kernels; None is the Python that runs techco.
    steps
        Those to be executed, in order.
    target
        Where the report is published; None if it is not.
    resumed
        The record of the run that goes on, without what it says of its end; None for a new run.
    """

    request: RunRequest
    storage: Storage
    kernel: KernelSpec | None
    steps: tuple[PlannedStep, ...]
    target: Container | None = None
    resumed: RunRecord | None = None

    @property
    def command(self) -> list[str]:
        """The words that repeat the run from any directory."""
        return self.request.command(self.storage.url)

    def for_period(self, period: Period) -> RunPlan:
        """Return the plan of the same run for another period."""
        days = {"start_date": str(period.first), "end_date": str(period.last)}
        steps = tuple(step.with_values(**days) for step in self.steps)
        return replace(self, request=replace(self.request, period=period), steps=steps)


def make_plan(request: RunRequest) -> RunPlan:
    """Open, read and check everything that a request names.

    Raises
    ------
    ParameterError, StorageError, EngineError
        When something in the request is not allowed, or cannot be had on this machine.
    """
    if parse_engine(request.engine).needs_java:
        check_java()
    kernel = find_kernel(request.kernel)
    resumed = None if request.resumes is None else _resumed_record(request.resumes)
    left = request.all_steps if resumed is None else [step.name for step in _steps_left(resumed)]
    prepared = [step.name for step in _steps_left(resumed) if step.notebook] if resumed else []
    steps = [_read_step(request, name, name in prepared) for name in request.all_steps]
    refuse_unknown(request.parameters, [name for step in steps for name in step.template.declared])
    storage = open_storage(request.storage, request.access)
    refuse_credentials(request.parameters)  # those of the storage are known by now
    check_path("out", str(request.out.absolute()))
    if "ingest" in left and request.templates is None and not request.prepare_only:
        check_present(storage)
    if set(request.steps) - {"analysis"}:  # analysis only reads
        storage.check_writable()
    planned = tuple(step.with_values(storage=storage.url) for step in steps if step.name in left)
    return RunPlan(request, storage, kernel, planned, _open_target(request, storage), resumed)


def _read_step(request: RunRequest, name: str, is_prepared: bool) -> PlannedStep:
    path = request.template(name)
    template = read_template(path) if name in STEPS else read_own_template(path)
    if is_prepared and request.resumes:
        template = read_template(request.resumes / f"{name}.ipynb")
    days = str(request.period.first), str(request.period.last)
    standard = dict(zip(STANDARD, (request.storage, *days, request.engine, ""), strict=True))
    required = STANDARD if name in STEPS else ()
    values = {**request.parameters, **standard}
    taken = {name: value for name, value in values.items() if name in template.declared or name in required}
    return PlannedStep(name, path, template, template.bind(taken))


def _open_target(request: RunRequest, storage: Storage) -> Container | None:
    if not request.publish:
        return None
    from techco.runs.publish import open_checked_target  # Azure's libraries take a while to import

    return open_checked_target(storage.url, request.publish_to, request.access, request.pii)


def _resumed_record(run_dir: Path) -> RunRecord:
    record, _ = find_run(str(run_dir), run_dir)
    for step in _steps_left(record):
        if step.status != "pending":
            step.notebook = None  # it begins again with its template
        step.status, step.seconds = "pending", None
    record.status, record.error = "running", None
    return record


def _steps_left(record: RunRecord) -> list[StepRecord]:
    return [step for step in record.steps if step.status != "completed"]
