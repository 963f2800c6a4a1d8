"""Opens tables, and tells whether the data files that a table consists of are still what was written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from techco.engines.dialects import delta_path
from techco.errors import TableError
from techco.storage.base import TABLES_FOLDER, RawFile, Storage
from techco.tables.data_files import DataFile, active_files

if TYPE_CHECKING:
    from deltalake import DeltaTable

_NO_SUCH_VERSION = re.compile(r"LogSegment end version")
_BROKEN_LOG = re.compile(r"Json error|Parquet error|found gap|No table metadata")


def open_table(storage: Storage, name: str, version: int | None = None) -> DeltaTable:
    """Open a table in one of its versions; None is the newest.

    Raises
    ------
    deltalake.exceptions.TableNotFoundError
        When it is not there.
    TableError
        When its log is damaged, or has no such version any more.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        with storage.engine_environment():
            return DeltaTable(delta_path(storage, name), version)
    except DeltaError as error:
        folder, words = f"{storage.url}/{TABLES_FOLDER}/{name}", str(error)
        if _NO_SUCH_VERSION.search(words):
            raise TableError(
                f"The table {folder} has no version {version} any more, which this run has read before: the table was "
                "removed or made anew. Run the period again."
            ) from None
        if _BROKEN_LOG.search(words):
            raise TableError(
                f"The log of the table {folder} is damaged. Move that folder away, and run its periods again with "
                "--refresh: it is made again from the raw files."
            ) from None
        raise


def list_data_files(storage: Storage, name: str, *, with_empty: bool = False) -> list[DataFile]:
    """List the data files with rows that a table consists of now, or all of them; none if the table is not there."""
    from deltalake.exceptions import TableNotFoundError

    try:
        found = active_files(open_table(storage, name))
        return [file for file in found if with_empty or not file.days_without_rows]
    except TableNotFoundError:
        return []


def as_stored(storage: Storage, name: str, files: Iterable[DataFile]) -> dict[str, RawFile | None]:
    """Find the data files of a table in its storage, by path; None for one that is not there."""
    folder = f"{TABLES_FOLDER}/{name}"
    found = {file.name.removeprefix(f"{folder}/"): file for file in storage.files(folder)}
    return {file.path: found.get(file.path) for file in files}


def damaged(storage: Storage, name: str, files: Iterable[DataFile]) -> list[DataFile]:
    """Return those that are gone, or have another size than was written: an engine would fail, or misread them."""
    files = list(files)
    found = as_stored(storage, name, files) if files else {}
    return [file for file in files if (one := found[file.path]) is None or one.size != file.size]
