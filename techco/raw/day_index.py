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
from techco.tables.receipts import FOLDER, code_fingerprint, fingerprint

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_PATH = f"{FOLDER}/day_index.json"
_SETS = 16


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

    Those in folders by day are left out, and so not in the index: they are read for their day alone.
    """
    names = [file.name for file in files if file.day is None]
    size = -(-len(names) // _SETS) or 1
    return {name: str(place // size) for place, name in enumerate(names)}


def describe_sets(records: DataFrame, files: Sequence[RawFile], numbers: Mapping[str, str]) -> list[FileSet]:
    """Return what is in each set of files, without sets that have no record or one without a readable day.

    Parameters
    ----------
    records
        One row per record of all files: `files` string, the number of its set, and `event_date` date.
    numbers
        As `set_numbers` returns them.
    """
    day = F.col("event_date")
    stats = records.groupBy("files").agg(F.count("*"), F.count(day), F.min(day), F.max(day)).collect()
    sets = []
    for number, count, dated, first, last in stats:
        marks = fingerprint(file for file in files if numbers.get(file.name) == number)
        if marks and count == dated:
            sets.append(FileSet(marks, str(first), str(last), count))
    return sets
