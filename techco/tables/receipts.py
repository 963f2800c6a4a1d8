"""Receipts of what was made of what, by which a step sees that it would only make again what is there.

A receipt lies beside the tables. It holds what something was made from, by which code, and the data files that it
became, whose names no other write uses, with their sizes and what the storage knows of their content. It is believed
only if all of that is still so: a table or data file that another program or version has touched, and a raw file that
was changed, added or removed, make it worthless. It is never needed: without one the step does its work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from techco.contract import TABLES
from techco.errors import TechcoError
from techco.period import Period
from techco.storage.base import TABLES_FOLDER, RawFile, Storage
from techco.system.fingerprint import code_fingerprint, digest
from techco.tables.data_files import DataFile
from techco.tables.stored_files import as_stored

FOLDER = f"{TABLES_FOLDER}/_receipts"

DataFiles = Mapping[str, Iterable[DataFile]]
"""Data files by table."""


@dataclass(frozen=True)
class Receipt:
    """What something was made from, and what it became.

    Attributes
    ----------
    name
        Of the thing, for instance `ingest-2023-08-01_2023-08-31`.
    sources
        JSON values that change whenever what it was made from does; None if that cannot be told.
    engine
        What computed it.
    """

    name: str
    sources: Any
    engine: str

    def notes_if_valid(self, storage: Storage, made: DataFiles) -> dict[str, Any] | None:
        """Return what was noted when it was made, if it was made from these sources and became these data files."""
        with suppress(TechcoError, ValueError, KeyError, TypeError):
            file = storage.find(self._path)
            if self.sources is None or file is None:
                return None
            with storage.open(file) as stream:
                found = json.load(stream)
            if found["of"] == self._fingerprint() and found["made"] == _as_they_are(storage, made):
                return dict(found["notes"])
        return None

    def write(self, storage: Storage, made: DataFiles, notes: Mapping[str, Any]) -> None:
        """Note what it became; that this cannot be written only costs time later."""
        if self.sources is None:
            return
        text = json.dumps({"of": self._fingerprint(), "made": _as_written(made), "notes": notes})
        with suppress(TechcoError):
            storage.write(self._path, text.encode())

    @property
    def _path(self) -> str:
        return f"{FOLDER}/{self.name}.json"

    def _fingerprint(self) -> list[str]:
        return [code_fingerprint(), self.engine, str(digest(self.sources))]


def fingerprint(files: Iterable[RawFile]) -> list[list[object]] | None:
    """Return what changes whenever one of these files does; None if the storage cannot tell for one of them."""
    files = list(files)
    return [[file.name, file.size, file.version] for file in files] if all(file.version for file in files) else None


def raw_files_digest(files: Iterable[RawFile]) -> str | None:
    """Return a short text that changes whenever one of these files does; None as `fingerprint`."""
    return digest(fingerprint(sorted(files, key=lambda file: file.name)))


def data_files_digest(name: str, files: Iterable[DataFile], period: Period) -> str:
    """Return what changes whenever a table does on days of a period, or of the one with which that is compared.

    Rows without a day belong to every period.
    """
    if TABLES[name].by_day:
        days = [one for one in (period, period.before()) if one]
        files = [file for file in files if file.day is None or any(file.day in one for one in days)]
    return str(digest(sorted(file.path for file in files)))


def _as_they_are(storage: Storage, made: DataFiles) -> dict[str, list[list[object]]] | None:
    """Return size and version of the data files in the storage; None if one is gone: its rows would be counted."""
    found: dict[str, list[list[object]]] = {}
    for table, files in made.items():
        stored = as_stored(storage, table, files)
        if None in stored.values():
            return None
        found[table] = sorted([path, file.size, file.version] for path, file in stored.items() if file)
    return found


def _as_written(made: DataFiles) -> dict[str, list[list[object]]]:
    return {table: sorted([file.path, file.size, file.version] for file in files) for table, files in made.items()}


def made_by(run_id: str, *, reused: bool) -> dict[str, str]:
    """Return which run has made the tables of a step, and whether that was an earlier one."""
    return {"made_by_run": run_id, "reused": "yes" if reused else "no"}
