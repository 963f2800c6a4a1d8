"""Find the raw files of a shop by their names, and refuse those that cannot be read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from techco.errors import RawFileError
from techco.period import Period
from techco.storage.base import CUSTOMERS, LOGS, LOGS_FOLDER, PRODUCTS, TABLES_FOLDER, RawFile, Storage, is_readable

_LOG_FORMS = (LOGS, LOGS + ".gz", LOGS_FOLDER)
_MOST_FOLDERS = 8  # in so many, raw files are looked for that are not at the root
_LOG_SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")


def check_present(storage: Storage) -> None:
    """Refuse a storage that lacks a raw file, without reading or writing anything.

    Raises
    ------
    RawFileError
        Names the first one that is missing, and what may be meant by the names that are there.
    """
    names = storage.names()
    for name in (CUSTOMERS, PRODUCTS):
        if name not in names:
            raise _missing(storage, name)
    if not any(name in names for name in _LOG_FORMS):
        raise _missing(storage, LOGS)


def raw_file(storage: Storage, name: str) -> RawFile:
    """Find one raw file at the root.

    Raises
    ------
    RawFileError
        When it is missing or empty.
    """
    file = storage.find(name)
    if file is None and name in storage.names():
        raise RawFileError(
            f"{name} in {storage.url} is not a file, but a folder, a pipe or a link to nothing. "
            "Put the shop's file there and run again."
        )
    if file is None:
        raise _missing(storage, name)
    if not file.size:
        raise RawFileError(f"{name} in {storage.url} is empty (0 bytes). Put the shop's file there and run again.")
    return file


def log_files(storage: Storage, period: Period, days_around: int = 0) -> list[RawFile]:
    """List the files with web logs, sorted by name, without those in `date=` folders outside the period.

    Parameters
    ----------
    days_around
        Of how many days before and after the period folders are listed, too.

    Raises
    ------
    RawFileError
        As `all_log_files`.
    """
    return of_period(all_log_files(storage), period.with_days_around(days_around))


def of_period(files: Iterable[RawFile], period: Period) -> list[RawFile]:
    """Return the files that may have logs of a period: all but those in `date=` folders outside of it."""
    return [file for file in files if file.day is None or file.day in period]


def all_log_files(storage: Storage) -> list[RawFile]:
    """List the files with web logs that have any content, sorted by name.

    Raises
    ------
    RawFileError
        When there are none, when both forms are there, or when a file has an unknown suffix.
    """
    names = storage.names()
    forms = [name for name in _LOG_FORMS if name in names]
    if len(forms) > 1:
        raise RawFileError(
            f"Both {' and '.join(forms)} in {storage.url}: which one counts? Keep one, move the other away."
        )
    if not forms:
        raise _missing(storage, LOGS)
    if forms != [LOGS_FOLDER]:
        return [raw_file(storage, forms[0])]
    files = storage.files(LOGS_FOLDER)
    for file in files:
        _check_log_name(storage, file.name)
    if not any(file.size for file in files):
        raise RawFileError(
            f"No logs in {storage.url}/{LOGS_FOLDER}/: put files named {', '.join(_LOG_SUFFIXES[:3])} (or .gz) there."
        )
    return [file for file in files if file.size]


def check_unchanged(storage: Storage, files: Iterable[RawFile]) -> list[RawFile]:
    """Refuse files that are not as they were when they were listed: what was read of them may be a mixture.

    Returns
    -------
    list[RawFile]
        The files as they are now: same size and time, but in a folder perhaps another `mark`.

    Raises
    ------
    RawFileError
        Names the file.
    """
    found = []
    for file in files:
        now = storage.find(file.name)
        if now != file:
            raise RawFileError(f"{file.name} changed while it was read. Run again when it is complete.")
        found.append(now)
    return found


def _check_log_name(storage: Storage, name: str) -> None:
    if not is_readable(name):
        raise RawFileError(
            f"{storage.url} has a log file whose name engines cannot read: {name!r} has control characters or is not "
            "UTF-8. Rename it, or its folder."
        )
    if not name.lower().endswith(_LOG_SUFFIXES):
        raise RawFileError(
            f"{storage.url}/{name} is not a log file by its name. Allowed in {LOGS_FOLDER}/: "
            f"{', '.join(_LOG_SUFFIXES)}. Move it away, or begin its name with _ to have it ignored."
        )


def _missing(storage: Storage, name: str) -> RawFileError:
    """Return the error for a raw file that is not there, with what may be meant by the names that are."""
    names = storage.names()
    shown = f"Found: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}." if names else "It is empty."
    forms = f"Expected {LOGS} or a folder {LOGS_FOLDER}/. " if name == LOGS else ""
    near = _near_miss(name, names) or _in_a_folder(storage, name, names)
    remedy = near or "Make a sample to compare: techco generate ./shop"
    return RawFileError(f"No {name} in {storage.url}. {forms}{shown} {remedy}")


def _near_miss(name: str, names: Sequence[str]) -> str:
    """Return what to do if a name is like that of the missing file; empty if none is."""
    taken = (CUSTOMERS, PRODUCTS, *_LOG_FORMS, TABLES_FOLDER)
    keys = {other: _key(other) for other in names if other not in taken}
    stem = _key(name)
    alike = [other for other, key in keys.items() if stem.startswith(key[:4]) and len(key) > 2]
    alike += difflib.get_close_matches(name, keys, 1, 0.75)
    if not alike:
        return ""
    near = max(alike, key=lambda other: difflib.SequenceMatcher(None, name, other).ratio())
    wanted = next((form for form in (name, f"{LOGS}.gz") if near.lower().endswith(form[form.index(".") :])), "")
    if wanted and (wanted == name or name == LOGS):
        return f"Is it {near}? Then rename that to {wanted}."
    return f"Is it {near}? Then save what is in it as {name}."


def _key(name: str) -> str:
    """Return the letters of a name before its suffix in lower case."""
    return re.sub(r"[^a-z]", "", name.lower().partition(".")[0])


def _in_a_folder(storage: Storage, name: str, names: Sequence[str]) -> str:
    """Return what to do if a folder of the storage has the file; empty if none has."""
    folders = [one for one in names if "." not in one and one != TABLES_FOLDER][:_MOST_FOLDERS]
    found = next((folder for folder in folders if storage.find(f"{folder}/{name}")), None)
    return (
        f"The folder {found} has it. Is the shop there? Then give `storage='{storage.url}/{found}'`." if found else ""
    )
