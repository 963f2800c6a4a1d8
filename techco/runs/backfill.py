"""Run each day, week, month, quarter or year of a period, several at once, and go on after a failure.

The raw files are read once: before the runs, the tables of all their periods are made together. What an earlier run of
the same command has completed is left as it is, unless something that its report was made from has changed.
"""

from __future__ import annotations

import shlex
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from techco.engines.session import ready_engine
from techco.errors import ParameterError
from techco.period import Period
from techco.records.find import REPORTS, recorded_runs
from techco.records.record import RunRecord
from techco.runs.events import (
    BackfillStarted,
    Event,
    LinePrinted,
    Listener,
    PeriodEvent,
    PreparationEnded,
    PreparationStarted,
    RunEnded,
    StepStarted,
    ignore,
)
from techco.runs.freshness import Freshness
from techco.runs.periods import Backfill, PeriodRun
from techco.runs.plan import RunPlan, make_plan
from techco.runs.request import RunRequest
from techco.runs.worker import PreparePeriods
from techco.runs.workers import Workers, most_jobs, start_workers

MOST_PERIODS = 4000
"""A little more than the days of ten years."""


def backfill(request: RunRequest, each: str, jobs: int | None, listener: Listener = ignore) -> Backfill:
    """Run each part of a period of which no run of the same request has made the report that it would make now.

    A failure stops none of the others.

    Parameters
    ----------
    request
        What to run, for the whole period.
    each
        `day`, `week`, `month`, `quarter` or `year`.
    jobs
        How many runs at once at most; None for as many as this machine has cores and memory for.
    listener
        Is told how the periods go.

    Raises
    ------
    ParameterError, StorageError, EngineError
        As `run`, before anything is started.
    """
    began = time.monotonic()
    periods = [PeriodRun(period) for period in request.period.each(each)]
    if len(periods) > MOST_PERIODS:
        raise ParameterError(
            f"{request.period} has {len(periods):,} periods of a {each}. Allowed: {MOST_PERIODS:,}. "
            "Give a shorter period, or longer parts of it."
        )
    plan = make_plan(request)
    made = Backfill(plan.storage.url, request.engine, each, periods)
    earlier = recorded_runs(request.out)
    if not request.refresh:
        _apply_earlier(plan, periods, earlier)
    left = [one for one in periods if not one.is_earlier]
    number = min(most_jobs(jobs), len(left))
    listener(BackfillStarted(periods, number))
    if left:
        made.interrupted = not _run_all(_Schedule(plan, left, {record.run_id for record in earlier}, listener), number)
    page = (request.out / REPORTS / "index.html").absolute()
    made.reports = str(page) if page.is_file() else None
    made.seconds = round(time.monotonic() - began, 3)
    return made


def _apply_earlier(plan: RunPlan, periods: Sequence[PeriodRun], earlier: Sequence[RunRecord]) -> None:
    """Mark the periods that runs of the same command have completed, if nothing has changed since, else why not."""
    fresh = Freshness(plan)
    request = plan.request
    templates = str(request.templates.absolute()) if request.templates else ""
    completed: dict[str, RunRecord] = {}
    for record in earlier:
        is_published = record.published or not request.publish
        if record.is_completed and is_published and record.provenance.get("templates", "") == templates:
            completed.setdefault(record.command, record)
    for one in periods:
        command = shlex.join(plan.for_period(one.period).command)
        if command not in completed:
            continue
        one.reason = fresh.why_stale(completed[command], one.period)
        if not one.reason:
            one.apply(completed[command])
            one.is_earlier = True


def _run_all(schedule: _Schedule, number: int) -> bool:
    """Make all runs, so many at once; return whether nothing has interrupted that."""
    request, storage = schedule.plan.request, schedule.plan.storage
    with ready_engine(request.engine, request.spark_conf, storage) as variables, start_workers(variables) as workers:
        try:
            schedule.run(workers, number)
        except KeyboardInterrupt:
            for job, message in workers.interrupt():
                schedule.note(workers, job, message)
            return False
    return True


@dataclass
class _Schedule:
    """The periods that are left to be run.

    Attributes
    ----------
    plan
        Of the run of all periods.
    earlier
        The ids of the runs that were there before.
    """

    plan: RunPlan
    periods: Sequence[PeriodRun]
    earlier: set[str]
    listener: Listener

    def run(self, workers: Workers, number: int) -> None:
        """Make the runs, so many at once."""
        workers.start(number)
        request = self.plan.request
        has_package_templates = request.templates is None and {"ingest", "join"} & set(request.steps)
        if has_package_templates and len(self.periods) > 1 and not request.prepare_only:
            self._prepare_periods(workers)
            request = replace(request, refresh=False)  # that was done
        waiting = deque(self.periods)
        while waiting or workers.busy:
            while waiting and workers.busy < number:
                one = waiting.popleft()
                one.status, one.began = "running", time.monotonic()
                workers.give(replace(request, period=one.period))
            for job, message in workers.listen():
                self.note(workers, job, message)

    def note(self, workers: Workers, job: RunRequest | PreparePeriods, message: Event | str) -> None:
        """Note an event of a job, or the last words of its process, and pass on what a period is shown by."""
        if isinstance(job, PreparePeriods):
            if isinstance(message, PreparationEnded):
                workers.dismiss(job)
            return
        one = next(one for one in self.periods if one.period == job.period)
        match message:
            case str():
                message = RunEnded(self._left_record(one), message)
            case RunEnded():
                workers.finish(job)
        match message:
            case RunEnded():
                _apply_end(one, message)
            case StepStarted(step):
                one.step = step
            case _ if not isinstance(message, LinePrinted):
                return
        self.listener(PeriodEvent(one, message))

    def _prepare_periods(self, workers: Workers) -> None:
        periods = [one.period for one in self.periods]
        span = Period(periods[0].first, periods[-1].last)
        self.listener(PreparationStarted(len(periods)))
        run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{span.first}_{span.last}"
        workers.give(PreparePeriods(replace(self.plan.request, period=span), periods, run_id))
        for job, message in workers.listen():
            self.note(workers, job, message)
            self.listener(message if isinstance(message, PreparationEnded) else PreparationEnded(str(message)))

    def _left_record(self, one: PeriodRun) -> RunRecord | None:
        """Return the record that a process has left which died; as its process is gone, it counts as failed."""
        # With --refresh the raw files are read ahead of the runs, which then say that they need not be read again.
        requests = (replace(self.plan.request, period=one.period, refresh=refresh) for refresh in (True, False))
        commands = {shlex.join(request.command(self.plan.storage.url)) for request in requests}
        new = (record for record in recorded_runs(self.plan.request.out) if record.run_id not in self.earlier)
        return next((record for record in new if record.command in commands and record.status == "failed"), None)


def _apply_end(one: PeriodRun, ended: RunEnded) -> None:
    one.step, one.status, one.seconds = "", "failed", round(time.monotonic() - one.began, 3)
    if ended.record:
        one.apply(ended.record)
    if ended.error and not one.error:
        one.status, one.error = "failed", ended.error
