"""Runs each day, week, month, quarter or year of a period, several at once, and goes on after a failure.

The raw files are read once: before the runs, the tables of all their periods are made together. What an earlier run of
the same command has completed is left as it is.
"""

from __future__ import annotations

import json
import shlex
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from techco.engines.session import ready_engine
from techco.errors import ParameterError
from techco.period import Period
from techco.records.find import REPORTS, recorded_runs
from techco.records.record import RunRecord, Status
from techco.runs.request import RunRequest
from techco.runs.run import check
from techco.runs.worker import Ended, PreparePeriods, Said, Started
from techco.runs.workers import Workers, most_jobs, start_workers
from techco.storage.base import Storage

MOST_PERIODS = 4000
"""A little more than the days of ten years."""


@dataclass
class Part:
    """One period of a backfill.

    Attributes
    ----------
    is_earlier
        Whether an earlier run has it, and nothing was to be done.
    step
        What its run does at the moment, empty if it does not run.
    began
        When its run began, by `time.monotonic`.
    error
        Why it has failed, in a sentence.
    """

    period: Period
    status: Status = "pending"
    is_earlier: bool = False
    seconds: float | None = None
    total_sales: str | None = None
    run_id: str | None = None
    report: str | None = None
    error: str = ""
    step: str = ""
    began: float = 0.0

    def take(self, record: RunRecord) -> None:
        """Take over what a run has found."""
        self.status, self.run_id, self.report = record.status, record.run_id, record.report
        self.seconds = self.seconds if record.seconds is None else record.seconds
        self.total_sales = record.metrics.get("total_sales") if record.status == "completed" else None
        self.error = f"The step {record.error.step} failed: {record.error.message}" if record.error else ""


class Watcher(Protocol):
    """Hears how a backfill goes."""

    def begins(self, parts: Sequence[Part], jobs: int) -> None:
        """What there is to do, and how much of it at once."""

    def prepares(self, periods: int) -> None:
        """The raw files are read, and the tables of so many periods made."""

    def is_prepared(self, trouble: str) -> None:
        """That is done; `trouble` says why it was not possible, and each run does all by itself."""

    def changed(self, part: Part) -> None:
        """A period has another status or step."""

    def printed(self, part: Part, step: str, line: str) -> None:
        """A cell has printed a line, and that is to be shown."""


@dataclass
class Backfill:
    """How a backfill went.

    Attributes
    ----------
    storage
        The shop, without credentials.
    reports
        Absolute path of the page that lists all reports, None if there is none.
    seconds
        Wall-clock time of all.
    interrupted
        Whether Ctrl-C or a signal has ended it; periods that are left have the status `pending`.
    """

    storage: str
    engine: str
    each: str
    parts: list[Part]
    reports: str | None = None
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def failed(self) -> list[Part]:
        """The periods that failed."""
        return [part for part in self.parts if part.status == "failed"]

    @property
    def total_sales(self) -> Decimal | None:
        """The sales of all periods together, None if one of them is not known."""
        sales = [part.total_sales for part in self.parts]
        return sum((Decimal(one) for one in sales if one is not None), Decimal()) if None not in sales else None

    def to_json(self) -> str:
        """One JSON object: what was asked for, and `periods`, of which each has the fields of `Part` for others."""
        hidden = ("period", "step", "began", "is_earlier")
        periods: list[dict[str, Any]] = []
        for part in self.parts:
            known = {key: value for key, value in asdict(part).items() if key not in hidden}
            days = {"start_date": str(part.period.first), "end_date": str(part.period.last)}
            periods.append({**days, **known, "error": part.error or None, "earlier": part.is_earlier})
        found: dict[str, Any] = {
            "storage": self.storage,
            "engine": self.engine,
            "each": self.each,
            "seconds": self.seconds,
        }
        total = None if self.total_sales is None else str(self.total_sales)
        found |= {"total_sales": total, "reports": self.reports, "periods": periods}
        return json.dumps(found, indent=2, ensure_ascii=False)


def backfill(request: RunRequest, each: str, jobs: int | None, watcher: Watcher) -> Backfill:
    """Run each part of a period that no run of the same request has completed, and go on after a failure.

    Parameters
    ----------
    request
        What to run, for the whole period.
    each
        `day`, `week`, `month`, `quarter` or `year`.
    jobs
        How many runs at once at most; None for as many as this machine has cores and memory for.

    Raises
    ------
    ParameterError, StorageError, EngineError
        As `run`, before anything is started.
    """
    began = time.monotonic()
    parts = [Part(period) for period in request.period.each(each)]
    if len(parts) > MOST_PERIODS:
        raise ParameterError(
            f"{request.period} has {len(parts):,} periods of a {each}. Allowed: {MOST_PERIODS:,}. "
            "Give a shorter period, or longer parts of it."
        )
    storage = check(request)
    made = Backfill(storage.url, request.engine, each, parts)
    earlier = recorded_runs(request.out)
    if not request.refresh:
        _take_earlier(request, storage, parts, earlier)
    left = [part for part in parts if part.status != "completed"]
    number = min(most_jobs(jobs), len(left))
    watcher.begins(parts, number)
    if left:
        known = {record.run_id for record in earlier}
        made.interrupted = not _carry_out(request, storage, known, left, number, watcher)
    page = (request.out / REPORTS / "index.html").absolute()
    made.reports = str(page) if page.is_file() else None
    made.seconds = round(time.monotonic() - began, 3)
    return made


def _carry_out(
    request: RunRequest, storage: Storage, known: set[str], left: Sequence[Part], number: int, watcher: Watcher
) -> bool:
    """Make all runs; whether nothing has broken that off."""
    with ready_engine(request.engine, request.spark_conf, storage) as variables, start_workers(variables) as workers:
        work = _Work(request, storage.url, known, left, workers, watcher)
        try:
            work.do(number)
        except KeyboardInterrupt:
            for job, said in workers.interrupt():
                work.hear(job, said)
            return False
    return True


def _take_earlier(request: RunRequest, storage: Storage, parts: Sequence[Part], earlier: Sequence[RunRecord]) -> None:
    """Find what runs of the same command have completed."""
    templates = str(request.templates.absolute()) if request.templates else ""
    completed: dict[str, RunRecord] = {}
    for record in earlier:
        is_published = record.published or not request.publish
        if record.status == "completed" and is_published and record.provenance.get("templates", "") == templates:
            completed.setdefault(record.command, record)
    for part in parts:
        command = _command(request, part, storage.url)
        if command in completed:
            part.take(completed[command])
            part.is_earlier = True


def _command(request: RunRequest, part: Part, url: str) -> str:
    """The command that repeats the run of one period, as its record has it."""
    return shlex.join(replace(request, period=part.period).command(url))


@dataclass
class _Work:
    """What is left to do, and who does it.

    Attributes
    ----------
    url
        The storage, without credentials.
    known
        The runs that were there before.
    """

    request: RunRequest
    url: str
    known: set[str]
    parts: Sequence[Part]
    workers: Workers
    watcher: Watcher

    def do(self, number: int) -> None:
        """Make the runs, so many at once."""
        self.workers.start(number)
        request = self.request
        is_ours = request.templates is None and {"ingest", "join"} & set(request.steps)
        if is_ours and len(self.parts) > 1 and not request.prepare_only:
            self._prepare_periods()
            request = replace(request, refresh=False)  # that was done
        waiting = deque(self.parts)
        while waiting or self.workers.busy:
            while waiting and self.workers.busy < number:
                part = waiting.popleft()
                part.status, part.began = "running", time.monotonic()
                self.workers.give(replace(request, period=part.period))
                self.watcher.changed(part)
            for job, said in self.workers.listen():
                self.hear(job, said)

    def hear(self, job: RunRequest | PreparePeriods, said: object) -> None:
        """Note what a worker says of its job: `Started`, `Said`, `Ended`, or the last words of its process."""
        if isinstance(said, Ended):
            (self.workers.dismiss if isinstance(job, PreparePeriods) else self.workers.finish)(job)
        if isinstance(job, PreparePeriods):
            return
        part = next(part for part in self.parts if part.period == job.period)
        if isinstance(said, Said):
            self.watcher.printed(part, said.step, said.line)
            return
        if isinstance(said, Started):
            part.step = said.step
        else:
            self._end(part, said if isinstance(said, Ended) else Ended(self._found(part), str(said)))
        self.watcher.changed(part)

    def _prepare_periods(self) -> None:
        periods = [part.period for part in self.parts]
        span = Period(periods[0].first, periods[-1].last)
        self.watcher.prepares(len(periods))
        run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{span.first}_{span.last}"
        self.workers.give(PreparePeriods(replace(self.request, period=span), periods, run_id))
        for job, said in self.workers.listen():
            self.hear(job, said)
            self.watcher.is_prepared(said.trouble if isinstance(said, Ended) else str(said))

    def _end(self, part: Part, ended: Ended) -> None:
        part.step, part.status, part.seconds = "", "failed", round(time.monotonic() - part.began, 3)
        if ended.record:
            part.take(ended.record)
        if ended.trouble and not part.error:
            part.status, part.error = "failed", ended.trouble

    def _found(self, part: Part) -> RunRecord | None:
        """The record that a process has left which died; as its process is gone, it counts as failed."""
        # With --refresh the raw files are read ahead of the runs, which then say that they need not be read again.
        commands = {_command(replace(self.request, refresh=refresh), part, self.url) for refresh in (True, False)}
        new = (record for record in recorded_runs(self.request.out) if record.run_id not in self.known)
        return next((record for record in new if record.command in commands and record.status == "failed"), None)
