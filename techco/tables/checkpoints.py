"""Makes checkpoints of the tables' logs, without the hint that names the last one.

Sail takes the hint, `_last_checkpoint`, for the beginning of every version of a table. It then cannot read a version
from before it, which is what a reader does while another run writes. So Delta Lake makes a checkpoint in a copy of the
log, and only the checkpoint is brought back; readers find it by listing the log.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from techco.errors import TechcoError
from techco.storage.base import TABLES_FOLDER, RawFile, Storage

EVERY = 10
"""Whoever opens a table reads each commit since the last checkpoint, one request after the other."""
_LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")


def after_commit(storage: Storage, table: str, version: int) -> None:
    """Make the checkpoint of every tenth version; that it cannot be made only costs time later."""
    from deltalake.exceptions import DeltaError

    if (version + 1) % EVERY == 0:
        with suppress(TechcoError, DeltaError, OSError):
            make_checkpoint(storage, table, version)


def make_checkpoint(storage: Storage, table: str, version: int) -> None:
    """Write the checkpoint of a version, and remove the hint that another program may have written.

    Raises
    ------
    StorageError, DeltaError
        When the log cannot be read or written; the table is as good as before.
    """
    from deltalake import DeltaTable

    log = f"{TABLES_FOLDER}/{table}/{_LOG}"
    files = {file.name.rpartition("/")[2]: file for file in storage.files(log)}
    with tempfile.TemporaryDirectory(prefix="techco-") as copy:
        folder = Path(copy) / _LOG
        folder.mkdir()
        for name in _needed(files, version):
            (folder / name).write_bytes(_content(storage, files[name]))
        DeltaTable(copy).create_checkpoint()
        made = f"{version:020d}.checkpoint.parquet"
        storage.write(f"{log}/{made}", (folder / made).read_bytes())
    remove_hint(storage, table)


def remove_hint(storage: Storage, table: str) -> None:
    """Remove the hint that another program, or a library, has written.

    Raises
    ------
    StorageError
        When that cannot be done.
    """
    hint = f"{TABLES_FOLDER}/{table}/{_LOG}/_last_checkpoint"
    if storage.find(hint):
        storage.delete(hint)


def _needed(names: Iterable[str], version: int) -> list[str]:
    """Return the last checkpoint up to a version, and the commits after it."""
    found = [(int(match[1]), name) for name in names if (match := _CHECKPOINT.fullmatch(name))]
    last = max((one for one in found if one[0] <= version), default=(-1, ""))
    commits = [name for name in names if (match := _COMMIT.fullmatch(name)) and last[0] < int(match[1]) <= version]
    return [last[1], *commits] if last[1] else commits


def _content(storage: Storage, file: RawFile) -> bytes:
    with storage.open(file) as stream:
        return stream.read()
