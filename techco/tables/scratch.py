"""A private folder for the intermediate results of one step."""

from __future__ import annotations

import io
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from techco.engines.dialects import dialect
from techco.storage.base import TABLES_FOLDER, Storage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PREFIX = f"{TABLES_FOLDER}/_scratch-"
_ROWS_PER_BATCH = 50_000
_CHARS_PER_BATCH = 32 * 2**20


class Scratch:
    """A folder that is removed at the end of a `with` block; in a temporary folder only this user can read it.

    Parameters
    ----------
    storage
        Where it lies if the engine is on other machines, beside the tables, as these are what all machines can write;
        None puts it among the temporary files of this machine.
    """

    def __init__(self, spark: SparkSession, storage: Storage | None = None) -> None:
        self.spark = spark
        self._storage = storage
        self._name = f"{PREFIX}{uuid.uuid4().hex}"
        self._folder = None if storage else tempfile.TemporaryDirectory(prefix="techco-")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder:
            self._folder.cleanup()
        if self._storage:
            self._storage.remove_folder(self._name)

    def _new_name(self) -> str:
        """Return a path in the folder that is not in use."""
        self._count += 1
        return f"{self._count:03d}"

    def materialize(self, frame: DataFrame) -> DataFrame:
        """Compute a frame once, and return one that reads the result."""
        name = self._new_name()
        frame.write.parquet(self._path(name))
        return self.spark.read.schema(frame.schema).parquet(self._path(name, to_read=True))

    def _path(self, name: str, to_read: bool = False) -> str:
        """Return where the engine writes a folder, and where it reads what it has written."""
        if self._storage:
            engine = dialect(self.spark)
            return (engine.path_to_read if to_read else engine.path_to_write)(self._storage, f"{self._name}/{name}")
        assert self._folder, "there is one of both"
        return f"{self._folder.name}/{name}"

    def write_rows(self, rows: Iterable[dict[str, object]], ddl: str) -> DataFrame:
        """Write rows in batches, so that memory stays bounded.

        Parameters
        ----------
        rows
            Column name to value; absent means null.
        ddl
            Columns of type STRING and BOOLEAN, as Spark DDL.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"STRING": pa.string(), "BOOLEAN": pa.bool_()}
        schema = pa.schema([(name, kinds[kind]) for name, kind in (column.split() for column in ddl.split(", "))])
        name = self._new_name()
        for number, batch in enumerate(_batches(rows)):
            content = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(batch, schema), content)
            self._write(f"{name}/{number:06d}.parquet", content.getvalue())
        return self.spark.read.schema(ddl).parquet(self._path(name, to_read=True))

    def _write(self, name: str, content: bytes) -> None:
        if self._storage:
            self._storage.write(f"{self._name}/{name}", content)
        else:
            path = Path(self._path(name))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)


def _batches(rows: Iterable[dict[str, object]]) -> Iterable[list[dict[str, object]]]:
    batch: list[dict[str, object]] = []
    chars = 0
    for row in rows:
        batch.append(row)
        chars += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(batch) == _ROWS_PER_BATCH or chars >= _CHARS_PER_BATCH:
            yield batch
            batch, chars = [], 0
    yield batch
