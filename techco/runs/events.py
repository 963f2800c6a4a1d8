"""The events of runs, from a cell up to many periods: what a display shows and what a worker sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from techco.records.record import RunRecord, Status
from techco.runs.periods import PeriodRun


class Event:
    """What happens in a run or a backfill."""


Listener = Callable[[Event], None]
"""Called with each event, in the order in which they happen."""


def ignore(_event: Event) -> None:
    """Listen to nothing."""


@dataclass(frozen=True)
class StepStarted(Event):
    """A step begins."""

    step: str


@dataclass(frozen=True)
class CellStarted(Event):
    """A code cell begins; they count from 1."""

    step: str
    cell: int
    cells: int


@dataclass(frozen=True)
class LinePrinted(Event):
    """A cell has printed a line; told only if the run was asked to."""

    step: str
    line: str


@dataclass(frozen=True)
class StepEnded(Event):
    """A step has ended, after so many seconds."""

    step: str
    status: Status
    seconds: float


@dataclass(frozen=True)
class RunEnded(Event):
    """A run in a worker has ended; `error` says what its record, if there is one, does not."""

    record: RunRecord | None = None
    error: str = ""


@dataclass(frozen=True)
class BackfillStarted(Event):
    """The periods of a backfill, and how many are run at once."""

    periods: Sequence[PeriodRun]
    jobs: int


@dataclass(frozen=True)
class PreparationStarted(Event):
    """The raw files are read, and the tables of so many periods made at once."""

    periods: int


@dataclass(frozen=True)
class PreparationEnded(Event):
    """The tables are made; or `error` says why they are not, and each run does all by itself."""

    error: str = ""


@dataclass(frozen=True)
class PeriodEvent(Event):
    """An event of the run of one period of a backfill, which has been noted in `period`."""

    period: PeriodRun
    event: Event
