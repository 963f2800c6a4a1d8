"""An index of the days that files with web logs hold, so that those without a day of the period are not read.

It is kept by sets of files: the engine cannot say which file a record is from, and a query for each of many files would
take long. A set is left out only as a whole; those that are read are kept as smaller ones, so that each run knows more.
Records without a readable day belong to every run, so a set with one is always read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from techco.errors import TechcoError
from techco.period import Period
from techco.storage.base import RawFile, Storage
from techco.system.fingerprint import code_fingerprint
from techco.tables.receipts import FOLDER, fingerprint

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_PATH = f"{FOLDER}/day_index.json"
_SETS = 16
_SETS_BY_DAY = 62  # beyond that, a record in a folder of another day may lie in its set all the same


@dataclass(frozen=True)
class FileSet:
    """Some files and the days in them: `files` as `receipts.fingerprint`, ISO days, the number of their records."""

    files: list[list[object]]
    first: str
    last: str
    records: int

    def is_outside(self, period: Period) -> bool:
        """Return whether no record is of the period."""
        return date.fromisoformat(self.last) < period.first or date.fromisoformat(self.first) > period.last


@dataclass(frozen=True)
class DayIndex:
    """The index of one storage, found with one engine."""

    storage: Storage
    engine: str
    sets: list[FileSet]

    @classmethod
    def load(cls, storage: Storage, engine: str) -> DayIndex:
        """Read what earlier runs of this version have found; nothing if that cannot be read."""
        sets: list[FileSet] = []
        with suppress(TechcoError, ValueError, KeyError, TypeError):
            if file := storage.find(_PATH):
                with storage.open(file) as stream:
                    found = json.load(stream)
                if found["of"] == [code_fingerprint(), engine]:
                    sets = [FileSet(**one) for one in found["sets"]]
        return cls(storage, engine, sets)

    def sets_outside(self, files: Iterable[RawFile], period: Period) -> list[FileSet]:
        """Return the sets of which all files are among these, unchanged, and no record is of the period."""
        present = {tuple(mark) for mark in fingerprint(files) or []}
        return [one for one in self.sets if one.is_outside(period) and {tuple(file) for file in one.files} <= present]

    def save(self, files: Iterable[RawFile], found: Sequence[FileSet]) -> None:
        """Keep the new sets, and those of the old ones whose files are unchanged and in none of the new."""
        present = {tuple(mark) for mark in fingerprint(files) or []}
        fresh = {tuple(file) for one in found for file in one.files}
        kept = [one for one in self.sets if {tuple(file) for file in one.files} <= present - fresh]
        if sets := [*kept, *found]:
            text = json.dumps({"of": [code_fingerprint(), self.engine], "sets": [asdict(one) for one in sets]})
            with suppress(TechcoError):  # that it cannot be written only costs time later
                self.storage.write(_PATH, text.encode())


def files_not_in(sets: Iterable[FileSet], files: Iterable[RawFile]) -> list[RawFile]:
    """Return the files that are in none of the sets."""
    names: set[Any] = {file[0] for one in sets for file in one.files}
    return [file for file in files if file.name not in names]


def set_numbers(files: Sequence[RawFile]) -> dict[str, str]:
    """Cut files into few sets of neighbours by name, and return the number of its set for each name.

    A set of files in folders by day has the first and the last day of its folders as number, `2023-08-01..2023-08-01`.
    It is not in the index: such files are read for their day alone.
    """
    names = [file.name for file in files if file.day is None]
    size = -(-len(names) // _SETS) or 1
    numbers = {name: str(place // size) for place, name in enumerate(names)}
    days = sorted({file.day for file in files if file.day})
    size = -(-len(days) // _SETS_BY_DAY) or 1
    parts = [days[start : start + size] for start in range(0, len(days), size)]
    spans = {day: f"{part[0]}..{part[-1]}" for part in parts for day in part}
    return numbers | {file.name: spans[file.day] for file in files if file.day}


@dataclass(frozen=True)
class SetCounts:
    """What is in one set of files: its number, its records, those with a day, and the first and last of their days.

    `misplaced` are records that lie in the folder of another day, `farthest` how many days away at most.
    """

    number: str | None
    records: int
    dated: int
    first: date | None
    last: date | None
    misplaced: int
    farthest: int


def count_sets(records: DataFrame, days_around: int) -> list[SetCounts]:
    """Count the records of each set of files.

    Parameters
    ----------
    records
        One row per record of all files: `files` string, the number of its set, and `event_date` date.
    days_around
        How many days away from its folder a record does not count as misplaced.
    """
    # Per day first, so that the days in the names of folders are not read from text for each record.
    per_day = records.groupBy("files", "event_date").count()
    day, ends = F.col("event_date"), [F.substring("files", start, 10).try_cast("date") for start in (1, 13)]
    away = F.greatest(F.datediff(ends[0], day), F.datediff(day, ends[1]))

    def rows_where(condition: Column) -> Column:
        return F.sum(F.when(condition, F.col("count")).otherwise(0))

    counts = [F.sum("count"), rows_where(day.isNotNull()), F.min(day), F.max(day), rows_where(away > days_around)]
    rows = per_day.groupBy("files").agg(*counts, F.coalesce(F.max(away), F.lit(0))).collect()
    return [SetCounts(*row) for row in rows]


def days_of_sets(known: Iterable[FileSet], counted: Iterable[SetCounts]) -> Period | None:
    """Return the first and the last day of the records in all these sets; None if no record has a day."""
    days = [date.fromisoformat(day) for one in known for day in (one.first, one.last)]
    days += [day for one in counted for day in (one.first, one.last) if day]
    return Period(min(days), max(days)) if days else None


def describe_sets(counted: Iterable[SetCounts], files: Sequence[RawFile], numbers: Mapping[str, str]) -> list[FileSet]:
    """Return what is in each set of files, without sets that have no record or one without a readable day.

    Parameters
    ----------
    counted
        As `count_sets` returns it.
    numbers
        As `set_numbers` returns them.
    """
    sets = []
    for one in counted:
        marks = fingerprint(file for file in files if file.day is None and numbers.get(file.name) == one.number)
        if marks and one.records == one.dated:
            sets.append(FileSet(marks, str(one.first), str(one.last), one.records))
    return sets
