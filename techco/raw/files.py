"""Find the raw files of a shop by their names, and refuse those that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable

from techco.errors import RawFileError
from techco.period import Period
from techco.storage.base import LOGS, LOGS_FOLDER, RawFile, Storage, is_readable

_LOG_SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")


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
        raise RawFileError(
            f"No {name} in {storage.url}. {_found(storage)} Make a sample to compare: techco generate ./shop"
        )
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
    forms = [name for name in (LOGS, LOGS + ".gz", LOGS_FOLDER) if name in names]
    if len(forms) > 1:
        raise RawFileError(
            f"Both {' and '.join(forms)} in {storage.url}: which one counts? Keep one, move the other away."
        )
    if not forms:
        raise RawFileError(
            f"No {LOGS} in {storage.url}. Expected {LOGS} or a folder {LOGS_FOLDER}/. {_found(storage)} "
            "Make a sample to compare: techco generate ./shop"
        )
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


def _found(storage: Storage) -> str:
    names = storage.names()
    if not names:
        return "It is empty."
    return f"Found: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}."
