"""Which days the files with web logs have: the first and the last.

An ingest reads all of them, and notes it beside the tables. The note is believed as long as the files are the same. Of
files that lie in folders by day the folders tell it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress

from techco.errors import TechcoError
from techco.period import Period
from techco.raw.files import all_log_files
from techco.storage.base import RawFile, Storage
from techco.tables.receipts import FOLDER, fingerprint

_PATH = f"{FOLDER}/days_in_files.json"


def days_in_files(storage: Storage, files: Sequence[RawFile] | None = None) -> Period | None:
    """Return the first and last day of which the files have records; None if that is not known.

    Parameters
    ----------
    files
        All files with web logs; None lists them.
    """
    with suppress(TechcoError, ValueError, KeyError, TypeError):
        files = all_log_files(storage) if files is None else files
        days = [file.day for file in files if file.day]
        if days and len(days) == len(files):
            return Period(min(days), max(days))
        if noted := _noted(storage, files):
            return Period.of(*noted)
    return None


def have_no_day(storage: Storage) -> bool:
    """Return whether it is known that the files have no record with a readable day."""
    with suppress(TechcoError, ValueError, KeyError, TypeError):
        return _noted(storage, all_log_files(storage)) == []
    return False


def note_days(storage: Storage, files: Iterable[RawFile], days: Period | None) -> None:
    """Note the first and the last day of the records in all files with web logs; None if no record has one."""
    if mark := _mark(files):
        text = json.dumps({"files": mark, "days": [str(days.first), str(days.last)] if days else []})
        with suppress(TechcoError):  # that it cannot be written only means that it is not known
            storage.write(_PATH, text.encode())


def _noted(storage: Storage, files: Sequence[RawFile]) -> list[str] | None:
    """Return the first and last day noted of these files, an empty list if no record has one; None if not known."""
    if file := storage.find(_PATH):
        with storage.open(file) as stream:
            found = json.load(stream)
        if (mark := _mark(files)) and found["files"] == mark:
            return list(found["days"])
    return None


def _mark(files: Iterable[RawFile]) -> str:
    marks = fingerprint(files)
    return hashlib.sha256(json.dumps(marks).encode()).hexdigest() if marks else ""
