"""Writes and reads the tables; the only module that writes them.

The engine writes plain Parquet files into a new folder inside the table, where no reader looks, in chunks of days where
memory would not stay bounded otherwise. Then one commit to the Delta log adds them and removes the files they replace.
A reader sees the period before that commit or after it; a run that dies leaves files that no commit names.

Sail's own Delta writer is not used: it appends rows outside the predicate of `replaceWhere`, casts and drops columns
silently, and buffers a whole partitioned write in memory.
"""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from techco.contract import PARTITION, TABLES, TableContract
from techco.engines.dialects import NO_DAY, delta_path, dialect
from techco.errors import CommitRefused, NotIngested, RowsOutsidePeriod, TableError
from techco.period import Period
from techco.storage.base import TABLES_FOLDER, RawFile, Storage
from techco.tables import checkpoints
from techco.tables.data_files import (
    DataFile,
    active_files,
    addition,
    content_without_rows,
    day_of,
    gaps,
    path_without_rows,
    removals,
)
from techco.tables.days import between, chunks, count_per_day
from techco.tables.state import State
from techco.tables.stored_files import open_table

if TYPE_CHECKING:
    from deltalake import DeltaTable, Schema
    from deltalake.transaction import AddAction, RemoveAction
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

COMMIT_ATTEMPTS = 20
_CONFIGURATION = {"delta.checkpointInterval": str(checkpoints.EVERY)}  # for other programs that write
_READERS = 16  # of the written files' row counts, each of which waits for a storage account


@dataclass(frozen=True)
class Tables:
    """The tables of one storage, through one session.

    Each is read in the version that `state` says, or else as it is now.
    """

    spark: SparkSession
    storage: Storage
    state: State = field(default_factory=lambda: State(fixed=False))

    def exists(self, name: str) -> bool:
        """Return whether a table has been made."""
        from deltalake import DeltaTable

        with self.storage.engine_environment():
            return DeltaTable.is_deltatable(delta_path(self.storage, name))

    def read(self, name: str, period: Period | None = None, days: Iterable[date] | None = None) -> DataFrame:
        """Read a table in one version; later commits change nothing in what is returned.

        Parameters
        ----------
        period
            Of a table by day, the days to read, both ends included, with the rows without a day; None for all rows.
        days
            Those of the period that must have been written, with rows or without; None for all of them.

        Raises
        ------
        NotIngested
            When the table is not there yet, or lacks a day that must have been written.
        """
        from deltalake.exceptions import TableNotFoundError

        needed = (period or ()) if days is None else days
        try:
            version, files = self._consists_of(name)
        except TableNotFoundError:
            raise NotIngested(f"No table {name} in {self.storage.url}.", list(needed)) from None
        if missing := gaps(files, needed):
            days = [day for gap in missing for day in gap]
            raise NotIngested(f"The table {name} in {self.storage.url} lacks {len(days):,} days.", days)
        undated = TABLES[name].undated
        wanted = (file for file in files if period is None or file.day in period or (undated and file.day is None))
        paths = [file.path for file in wanted if file.rows != 0]
        frame = dialect(self.spark).table(self.spark, self.storage, TABLES[name], version, paths)
        if period is None:
            return frame
        no_day = f" OR {PARTITION} IS NULL" if undated else ""
        return frame.where(between(period.first, period.last) + no_day)

    def data_files(self, name: str) -> list[DataFile]:
        """List the data files with rows that a table consists of; none if the table is not there."""
        return [file for file in self._files(name) if not file.days_without_rows]

    def missing_days(self, name: str, days: Iterable[date]) -> list[date]:
        """Return those of some days, in order, that no run has written to a table by day, with rows or without."""
        return [day for gap in gaps(self._files(name), days) for day in gap]

    def _files(self, name: str) -> list[DataFile]:
        from deltalake.exceptions import TableNotFoundError

        try:
            return self._consists_of(name)[1]
        except TableNotFoundError:
            return []

    def replace_all(self, name: str, frame: DataFrame, run_id: str) -> list[DataFile]:
        """Replace the whole content of a table that is not kept by day; returns what it consists of then.

        Raises
        ------
        TableError
            When the columns are not exactly those of the contract.
        CommitRefused
            When other writers won every retry.
        """
        return self._replace(TABLES[name], frame, run_id, chunks=[None], days=())

    def replace_period(
        self,
        name: str,
        frame: DataFrame,
        period: Period | frozenset[date],
        run_id: str,
        rows_per_day: Mapping[date | None, int] | None = None,
    ) -> list[DataFile]:
        """Replace the days of a period, or some days, and nothing else, in one commit; returns the files with the rows.

        Parameters
        ----------
        name
            A table by day.
        frame
            The period's rows with exactly the columns of the contract. A day without rows is emptied, and noted as
            written. In a table that allows rows without a day those are replaced as well.
        rows_per_day
            How many rows each day has, where it is known; they are counted otherwise. It only sizes the chunks.

        Raises
        ------
        TableError
            When the columns are not exactly those of the contract.
        RowsOutsidePeriod
            When a row lies outside the period, or has no day where it needs one; nothing is committed.
        CommitRefused
            When other writers won every retry.
        """
        table = TABLES[name]
        _check_columns(frame.schema, table)
        if rows_per_day is None:
            rows_per_day = count_per_day(frame)
        parts = list(chunks(rows_per_day, dialect(self.spark).rows_per_chunk))
        return self._replace(table, frame, run_id, parts, period)

    def _replace(
        self,
        table: TableContract,
        frame: DataFrame,
        run_id: str,
        chunks: list[str | None],
        days: Period | frozenset[date] | tuple[()],
    ) -> list[DataFile]:
        def allowed(day: date | None) -> bool:
            return day in days if day is not None else table.undated or not table.by_day

        _check_columns(frame.schema, table)
        self._create(table)
        batch = uuid.uuid4().hex
        folder = f"{TABLES_FOLDER}/{table.name}/{batch}"
        try:
            for number, condition in enumerate(chunks):
                part = frame if condition is None else frame.where(condition)
                self._write(table, part, f"{batch}/{number:04d}")
            files = self._written(folder)
            outside = sorted({str(file.day) for file in files if not allowed(file.day)})
            if outside:
                raise RowsOutsidePeriod(
                    f"Rows for {table.name} lie outside the period: event_date {', '.join(outside[:5])}. "
                    "Nothing was written. Filter the frame to the period first."
                )
            without_rows = self._write_without_rows(table, batch, gaps(files, days))
        except BaseException:
            self.storage.remove_folder(folder)
            raise
        try:
            version = self._commit(table, [*files, *without_rows], allowed, run_id)
        except CommitRefused:  # after any other error, Ctrl-C too, the commit may have been made and name these files
            self.storage.remove_folder(folder)
            raise
        self.state.wrote(table.name, version)
        return files

    def _write(self, table: TableContract, frame: DataFrame, folder: str) -> None:
        from pyspark.sql import functions as F

        engine = dialect(self.spark)
        if table.by_day:
            frame = frame.withColumn(PARTITION, F.coalesce(F.col(PARTITION).cast("string"), F.lit(NO_DAY)))
        write = engine.ready_to_write(frame, table.by_day).write.mode("error").option("compression", "zstd")
        if table.by_day:
            write = write.partitionBy(PARTITION)
        write.parquet(engine.path_to_write(self.storage, f"{TABLES_FOLDER}/{table.name}/{folder}"))

    def _write_without_rows(self, table: TableContract, batch: str, days: Iterable[Period]) -> list[DataFile]:
        """Write the empty files that say of days that they were written."""
        content = content_without_rows(_delta_schema(table.schema)) if table.by_day else b""
        files = [DataFile(f"{batch}/{path_without_rows(one)}", len(content), 0, one.first) for one in days]
        with ThreadPoolExecutor(_READERS) as pool:
            list(pool.map(lambda f: self.storage.write(f"{TABLES_FOLDER}/{table.name}/{f.path}", content), files))
        return files

    def _written(self, folder: str) -> list[DataFile]:
        """List the data files below a folder that the engine has just written."""
        start = folder.rpartition("/")[0] + "/"
        files = [file for file in self.storage.files(folder) if file.name.endswith(".parquet")]
        with ThreadPoolExecutor(_READERS) as pool:
            rows = list(pool.map(self._count_rows, files))
        return [
            DataFile(file.name.removeprefix(start), file.size, count, day_of(file.name), file.version)
            for file, count in zip(files, rows, strict=True)
            if count
        ]

    def _count_rows(self, file: RawFile) -> int:
        import pyarrow.parquet as pq

        with self.storage.open(file) as stream:
            return int(pq.read_metadata(stream).num_rows)

    def _create(self, table: TableContract) -> None:
        from deltalake import DeltaTable
        from deltalake.exceptions import CommitFailedError

        if not self.exists(table.name):
            partition_by, where = [PARTITION] if table.by_day else None, delta_path(self.storage, table.name)
            # Another writer may make it at this moment.
            with contextlib.suppress(CommitFailedError), self.storage.engine_environment():
                DeltaTable.create(
                    where,
                    _delta_schema(table.schema),
                    mode="ignore",
                    partition_by=partition_by,
                    configuration=_CONFIGURATION,
                )
        self.check_columns(table.name)

    def check_columns(self, name: str) -> None:
        """Refuse an existing table that is not as the contract says.

        Raises
        ------
        TableError
            When its columns or its partitions are others.
        """
        table, current = TABLES[name], open_table(self.storage, name)
        folder = f"{self.storage.url}/{TABLES_FOLDER}/{name}"
        found, by = current.schema(), current.metadata().partition_columns
        if found != _delta_schema(table.schema):
            raise TableError(
                f"The table {folder} has other columns than this version writes: {_names(found)}, expected "
                f"{table.columns}. Move the table away and ingest its periods again."
            )
        if by != ([PARTITION] if table.by_day else []):
            raise TableError(
                f"The table {folder} is partitioned by {', '.join(by) or 'nothing'}, expected "
                f"{PARTITION if table.by_day else 'nothing'}. Move the table away and ingest its periods again."
            )

    def _commit(
        self, table: TableContract, files: list[DataFile], replaced: Callable[[date | None], bool], run_id: str
    ) -> int:
        """Add files and remove those of the days they replace, in one commit; again if another writer was first.

        Without retries of its own Delta refuses whichever of two writers comes second. Its own retry would let both
        add their files to a period that was empty before, and each row would be there twice.

        Returns
        -------
        int
            The version of the table that has these files.
        """
        from deltalake import CommitProperties, PostCommitHookProperties
        from deltalake.exceptions import CommitFailedError

        mark, first = {"run_id": run_id, "batch": uuid.uuid4().hex}, None
        for attempt in range(COMMIT_ATTEMPTS):
            current = open_table(self.storage, table.name)
            first = current.version() if first is None else first
            made = _find_commit(current, since=first, mark=mark)
            if made is not None:  # only the answer was lost
                return made
            actions: list[AddAction | RemoveAction] = [*removals(current, table, replaced)]
            actions += [addition(file, table) for file in files]
            if not actions:
                return current.version()
            try:
                current.create_write_transaction(
                    actions,
                    mode="append",
                    schema=current.schema(),
                    partition_by=[PARTITION] if table.by_day else None,
                    commit_properties=CommitProperties(max_commit_retries=0, custom_metadata=mark),
                    post_commithook_properties=PostCommitHookProperties(create_checkpoint=False),
                )
                checkpoints.after_commit(self.storage, table.name, current.version() + 1)
                return current.version() + 1
            except CommitFailedError:
                time.sleep(random.uniform(0.5, 1.5) * min(0.05 * 2**attempt, 3))
        raise CommitRefused(
            f"Other runs kept writing {table.name} in {self.storage.url}; this one gave up after {COMMIT_ATTEMPTS} "
            "attempts and changed nothing. Run it again when they have ended."
        )

    def _consists_of(self, name: str) -> tuple[int, list[DataFile]]:
        """Return the version in which a table is read, and its data files."""
        version = self.state.versions.get(name)
        if version is None or (name, version) not in self.state.listed:
            table = open_table(self.storage, name, version)
            version, files = table.version(), list(active_files(table))
            self.state.found(name, version, files)
            return version, files
        return version, self.state.listed[name, version]


def _check_columns(found: StructType, table: TableContract) -> None:
    expected = [(field.name, field.dataType.simpleString()) for field in table.schema]
    came = [(field.name, field.dataType.simpleString()) for field in found]
    if came != expected:
        shown = ", ".join(f"{name} {kind}" for name, kind in came)
        raise TableError(f"Columns for the table {table.name} are {shown}. Expected exactly: {table.columns}.")


def _delta_schema(schema: StructType) -> Schema:
    from deltalake import Schema

    return Schema.from_json(schema.json())


def _names(schema: Schema) -> str:
    return ", ".join(field.name for field in schema.fields)


def _find_commit(table: DeltaTable, since: int, mark: Mapping[str, str]) -> int | None:
    """Return the version of that commit after a version which carries a mark; None if there is none."""
    newer = table.version() - since
    commits = table.history(newer) if newer else []
    return next((int(commit["version"]) for commit in commits if mark.items() <= commit.items()), None)
