"""Receipts of what was made of what, by which a step sees that it would only make again what is there.

A receipt lies beside the tables. It holds what something was made from, by which code, and the data files that it
became, whose names no other write uses. It is believed only if all of that is still so: a table that another program or
version has touched, and a raw file that was changed, added or removed, make it worthless. It is never needed: without
one the step does its work.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from techco.errors import TechcoError
from techco.storage.base import TABLES_FOLDER, RawFile, Storage

FOLDER = f"{TABLES_FOLDER}/_receipts"
_LIBRARIES = ("pysail", "pyspark", "pyarrow", "deltalake")

DataFiles = Mapping[str, Iterable[str]]
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
            if found["of"] == self._fingerprint() and found["made"] == _sorted(made) and _are_there(storage, made):
                return dict(found["notes"])
        return None

    def write(self, storage: Storage, made: DataFiles, notes: Mapping[str, Any]) -> None:
        """Note what it became; that this cannot be written only costs time later."""
        if self.sources is None:
            return
        text = json.dumps({"of": self._fingerprint(), "made": _sorted(made), "notes": notes})
        with suppress(TechcoError):
            storage.write(self._path, text.encode())

    @property
    def _path(self) -> str:
        return f"{FOLDER}/{self.name}.json"

    def _fingerprint(self) -> list[str]:
        sources = hashlib.sha256(json.dumps(self.sources).encode()).hexdigest()
        return [code_fingerprint(), self.engine, sources]


def fingerprint(files: Iterable[RawFile]) -> list[list[object]] | None:
    """Return what changes whenever one of these files does; None if the storage cannot tell for one of them."""
    files = list(files)
    return [[file.name, file.size, file.version] for file in files] if all(file.version for file in files) else None


@functools.cache
def code_fingerprint() -> str:
    """Return what changes with every version of this package and of the libraries that compute and write."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    digest.update(" ".join(version(library) for library in _LIBRARIES).encode())
    return digest.hexdigest()


def _are_there(storage: Storage, made: DataFiles) -> bool:
    """Return whether all data files are there: of one that was deleted the engine would count the rows all the same."""
    for table, paths in made.items():
        folder = f"{TABLES_FOLDER}/{table}"
        if not {f"{folder}/{path}" for path in paths} <= {file.name for file in storage.files(folder)}:
            return False
    return True


def _sorted(made: DataFiles) -> dict[str, list[str]]:
    return {table: sorted(paths) for table, paths in made.items()}


def made_by(run_id: str, *, reused: bool) -> dict[str, str]:
    """Return which run has made the tables of a step, and whether that was an earlier one."""
    return {"made_by_run": run_id, "reused": "yes" if reused else "no"}
