"""Removes the files among the tables that nobody needs any more: of replaced periods, and of runs that were killed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from techco.contract import TABLES
from techco.engines.dialects import delta_path
from techco.errors import StorageError
from techco.redact import scrub
from techco.storage.base import KEEP_DAYS, TABLES_FOLDER, RawFile, Storage
from techco.tables import checkpoints
from techco.tables.scratch import PREFIX

KEEP = timedelta(days=KEEP_DAYS)
# An account deletes hundreds of files in one request, which may take longer than other requests.
_PATIENCE = {"timeout": "300s"}
_WRITE = re.compile(r"[0-9a-f]{32}")
_TREE = re.compile(r"\x1b\[[0-9;]*m|↳")
_PUT_ASIDE = (PREFIX, f"{TABLES_FOLDER}/.probe-", f"{TABLES_FOLDER}/doctor-probe-")


@dataclass(frozen=True)
class Removed:
    """What was removed: `name` of a table or `put aside`, number of files, their size in bytes."""

    name: str
    files: int
    size: int


def vacuum(storage: Storage, keep: timedelta = KEEP, *, dry_run: bool = False) -> list[Removed]:
    """Remove what no table consists of now, nor within the time that is kept; what runs are writing now is younger.

    Parameters
    ----------
    keep
        Whole hours. Less than `KEEP` is for storages that nobody else reads or writes.
    dry_run
        Whether only to say what would be removed.

    Returns
    -------
    list[Removed]
        One for each table that is there, and one for what runs had put aside.

    Raises
    ------
    StorageError
        When the storage cannot be listed or written.
    """
    found = {file.name: file for file in storage.files(TABLES_FOLDER, hidden=True)}
    removed = [
        _removed(name, [found[path] for path in _vacuum_table(storage, name, keep, dry_run) if path in found])
        for name in TABLES
        if any(path.startswith(f"{TABLES_FOLDER}/{name}/_delta_log/") for path in found)
    ]
    aside = _put_aside(found.values(), datetime.now(UTC) - keep)
    for top, files in aside.items() if not dry_run else ():
        for file in files:
            storage.delete(file.name)
        storage.remove_folder(top)  # what is left of it are folders
    return [*removed, _removed("put aside", [file for files in aside.values() for file in files])]


def _vacuum_table(storage: Storage, name: str, keep: timedelta, dry_run: bool) -> list[str]:
    """Remove what is left over in one table; returns the names in the storage of the files."""
    from deltalake import DeltaTable, PostCommitHookProperties

    folder, hours = f"{TABLES_FOLDER}/{name}", int(keep / timedelta(hours=1))
    with storage.engine_environment():
        table = DeltaTable(delta_path(storage, name), storage_options=_PATIENCE)
    # `full` also takes files that no commit ever named, as a writer that was killed leaves them.
    remove = partial(
        table.vacuum,
        hours,
        full=True,
        enforce_retention_duration=keep >= KEEP,
        post_commithook_properties=PostCommitHookProperties(create_checkpoint=False),  # see `techco.tables.checkpoints`
    )
    try:
        paths = remove(dry_run=True)
        if paths and not dry_run:  # even if there is nothing to do it would write to the log
            paths = remove(dry_run=False)
            checkpoints.remove_hint(storage, name)  # of two commits that it makes, one may make a checkpoint
            _remove_empty(storage, folder, paths)
    except OSError as error:
        reason = scrub(_TREE.sub("", str(error))).strip().rpartition("\n")[2].strip()
        raise StorageError(
            f"{storage.url}/{folder} was not cleaned to its end: {reason}. What the table holds is as it was. "
            "Run it again."
        ) from None
    return [f"{folder}/{path}" for path in paths]


def _remove_empty(storage: Storage, folder: str, paths: Iterable[str]) -> None:
    """Remove folders of writes of which no file is left; each write has one of its own, so nobody is writing there.

    Of files that an earlier cleaning has removed, deltalake tells absolute paths: what they begin with is no write.
    """
    left = {file.name.removeprefix(f"{folder}/").partition("/")[0] for file in storage.files(folder, hidden=True)}
    writes = {path.partition("/")[0] for path in paths}
    for write in {name for name in writes if _WRITE.fullmatch(name)} - left:
        storage.remove_folder(f"{folder}/{write}")


def _put_aside(files: Iterable[RawFile], before: datetime) -> dict[str, list[RawFile]]:
    """Find what runs have left behind, by file or folder among the tables, without what one may still need."""
    tops: dict[str, list[RawFile]] = {}
    for file in files:
        if file.name.startswith(_PUT_ASIDE):
            tops.setdefault("/".join(file.name.split("/")[:2]), []).append(file)
    return {top: found for top, found in tops.items() if max(file.modified for file in found) < before}


def _removed(name: str, files: list[RawFile]) -> Removed:
    return Removed(name, len(files), sum(file.size for file in files))
