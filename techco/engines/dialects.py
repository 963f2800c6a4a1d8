"""What Sail and Apache Spark do differently, in one place: how paths are written, and how tables are read and written.

Sail reads Delta Lake by itself. Apache Spark does so only with jars that are not part of it, so it is given the data
files that the table's log names, which are plain Parquet. Both see one version of a table, and write the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote
from weakref import WeakKeyDictionary

from pyspark.sql import functions as F

from techco.contract import PARTITION, TableContract
from techco.storage.base import TABLES_FOLDER, Storage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Hive's name for the partition of NULL. Sail would write a NULL date into 1970-01-01.
NO_DAY = "__HIVE_DEFAULT_PARTITION__"
_PATTERN = re.compile(r"([{}\[\]*?\\])")


class Dialect(Protocol):
    """How one kind of engine is used."""

    rows_per_chunk: int | None
    """How many rows it may write at once, None for any number."""
    keys_at_once: int | None
    """How many different keys it may group at once, None for any number."""

    def path_to_read(self, storage: Storage, name: str) -> str:
        """Return where it reads a file or folder, whatever characters are in its name."""

    def path_to_write(self, storage: Storage, name: str) -> str:
        """Return where it writes a folder among the tables."""

    def table(
        self, spark: SparkSession, storage: Storage, table: TableContract, version: int, files: Sequence[str]
    ) -> DataFrame:
        """Read a table in one version, or the given ones of its data files; both give the same rows."""

    def ready_to_write(self, frame: DataFrame, by_day: bool) -> DataFrame:
        """Return the frame in pieces that become files of a good size."""


class _Sail:
    rows_per_chunk: int | None = 5_000_000  # it buffers a whole partitioned write in memory
    keys_at_once: int | None = 4_000_000  # it holds them all in memory

    def path_to_read(self, storage: Storage, name: str) -> str:
        return quote(f"{storage.engine_root}/{name}", safe="/:@")  # else it takes some characters for patterns

    def path_to_write(self, storage: Storage, name: str) -> str:
        return f"{storage.delta_root()}/{name}"

    def table(
        self, spark: SparkSession, storage: Storage, table: TableContract, version: int, files: Sequence[str]
    ) -> DataFrame:
        # A frame is computed at each use: without a version, two uses could see two states of a table.
        reader = spark.read.format("delta").option("versionAsOf", version)
        return reader.load(delta_path(storage, table.name))

    def ready_to_write(self, frame: DataFrame, by_day: bool) -> DataFrame:
        return frame


class _Spark:
    rows_per_chunk: int | None = None
    keys_at_once: int | None = None

    def path_to_read(self, storage: Storage, name: str) -> str:
        # Hadoop takes a path as it is, but these for patterns.
        return _PATTERN.sub(r"\\\1", self.path_to_write(storage, name))

    def path_to_write(self, storage: Storage, name: str) -> str:
        return f"{storage.engine_root}/{name}"

    def table(
        self, spark: SparkSession, storage: Storage, table: TableContract, version: int, files: Sequence[str]
    ) -> DataFrame:
        if not files:
            return spark.createDataFrame([], table.schema)
        kept = [field.name for field in table.schema if not (table.by_day and field.name == PARTITION)]
        # The day is in the names of folders, of which Spark would want one root for all; so it is taken from the path.
        reader = spark.read.schema(table.schema).option("recursiveFileLookup", True)
        paths = [self.path_to_read(storage, f"{TABLES_FOLDER}/{table.name}/{file}") for file in files]
        frame = reader.parquet(*paths)
        if not table.by_day:
            return frame
        folder = F.substring_index(F.substring_index(F.col("_metadata.file_path"), "/", -2), "/", 1)
        day = F.substring_index(folder, "=", -1)  # a regular expression would take longer than all else
        return frame.select(F.nullif(day, F.lit(NO_DAY)).cast("date").alias(PARTITION), *kept).select(
            table.schema.names
        )

    def ready_to_write(self, frame: DataFrame, by_day: bool) -> DataFrame:
        # One task has rows of every day, and would write a file for each. Days that are large are split all the same.
        return frame.hint("rebalance", F.col(PARTITION)) if by_day else frame.hint("rebalance")


SAIL: Dialect = _Sail()
SPARK: Dialect = _Spark()
_dialects: WeakKeyDictionary[SparkSession, Dialect] = WeakKeyDictionary()


def delta_path(storage: Storage, table: str) -> str:
    """Return where Delta Lake finds a table, in this process and in Sail."""
    return f"{storage.delta_root()}/{TABLES_FOLDER}/{table}"


def dialect(spark: SparkSession) -> Dialect:
    """Return the dialect of a session's engine, which is asked once."""
    if spark not in _dialects:
        row = spark.sql("SELECT version()").first()
        # Sail tells the version of Spark that it follows as the session's, and its own as the query's.
        _dialects[spark] = SPARK if row is not None and str(row[0]).startswith(spark.version) else SAIL
    return _dialects[spark]
