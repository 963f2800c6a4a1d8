"""Remembers of files with web logs which days they hold, so that those without a day of the period are not read.

What is remembered is of sets of files: the engine cannot say which file a record is from, and a query for each of many
files would take long. A set is passed over only as a whole; those that are read are remembered as smaller ones, so that
each run knows more. Records without a readable day belong to every run, so a set with one is always read.
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

_PATH = f"{FOLDER}/known.json"
_SETS = 16


@dataclass(frozen=True)
class FileSet:
    """Some files, and what is in them: `files` as `receipts.fingerprint`, ISO days, the number of their records."""

    files: list[list[object]]
    first: str
    last: str
    records: int

    def lacks(self, period: Period) -> bool:
        """Whether no record is of the period."""
        return date.fromisoformat(self.last) < period.first or date.fromisoformat(self.first) > period.last


@dataclass(frozen=True)
class DayIndex:
    """What is remembered of a storage, found with one engine."""

    storage: Storage
    engine: str
    sets: list[FileSet]

    @classmethod
    def load(cls, storage: Storage, engine: str) -> DayIndex:
        """What earlier runs of this version have found; nothing if that cannot be read."""
        sets: list[FileSet] = []
        with suppress(TechcoError, ValueError, KeyError, TypeError):
            if file := storage.find(_PATH):
                with storage.open(file) as stream:
                    found = json.load(stream)
                if found["of"] == [code_fingerprint(), engine]:
                    sets = [FileSet(**one) for one in found["sets"]]
        return cls(storage, engine, sets)

    def outside(self, files: Iterable[RawFile], period: Period) -> list[FileSet]:
        """The sets of which all files are among these, as they were, and none holds a record of the period."""
        present = {tuple(mark) for mark in fingerprint(files) or []}
        return [one for one in self.sets if one.lacks(period) and {tuple(file) for file in one.files} <= present]

    def save(self, files: Iterable[RawFile], found: Sequence[FileSet]) -> None:
        """Remember new sets, and those of the old ones that are still as they were and in none of the new."""
        present = {tuple(mark) for mark in fingerprint(files) or []}
        fresh = {tuple(file) for one in found for file in one.files}
        kept = [one for one in self.sets if {tuple(file) for file in one.files} <= present - fresh]
        if sets := [*kept, *found]:
            text = json.dumps({"of": [code_fingerprint(), self.engine], "sets": [asdict(one) for one in sets]})
            with suppress(TechcoError):  # that it cannot be written only costs time later
                self.storage.write(_PATH, text.encode())


def without(files: Iterable[RawFile], sets: Iterable[FileSet]) -> list[RawFile]:
    """The files that are in none of the sets."""
    names: set[Any] = {file[0] for one in sets for file in one.files}
    return [file for file in files if file.name not in names]


def numbered(files: Sequence[RawFile]) -> dict[str, str]:
    """Cut files into few sets of neighbours by name: the number of its set for each name.

    Those in folders by day are left out, and so not remembered: they are read for their day alone.
    """
    names = [file.name for file in files if file.day is None]
    size = -(-len(names) // _SETS) or 1
    return {name: str(place // size) for place, name in enumerate(names)}


def found_in(records: DataFrame, files: Sequence[RawFile], numbers: Mapping[str, str]) -> list[FileSet]:
    """What is in each set of files; those with a record without a readable day, or without any record, are left out.

    Parameters
    ----------
    records
        One row per record of all files: `files` string, the number of its set, and `event_date` date.
    numbers
        As `numbered` returns them.
    """
    day = F.col("event_date")
    stats = records.groupBy("files").agg(F.count("*"), F.count(day), F.min(day), F.max(day)).collect()
    sets = []
    for number, count, dated, first, last in stats:
        marks = fingerprint(file for file in files if numbers.get(file.name) == number)
        if marks and count == dated:
            sets.append(FileSet(marks, str(first), str(last), count))
    return sets
