"""A private folder for what one step must put aside: rows read exactly, rows not yet judged."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_ROWS_PER_BATCH = 50_000


class Scratch:
    """A folder that is removed at the end of a `with` block; only this user can read it."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self._folder = tempfile.TemporaryDirectory(prefix="techco-")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def new_path(self) -> Path:
        """A path in the folder that is not in use."""
        self._count += 1
        return Path(self._folder.name) / f"{self._count:03d}"

    def put(self, frame: DataFrame) -> DataFrame:
        """Compute a frame once; what is returned reads the result."""
        path = self.new_path()
        frame.write.parquet(str(path))
        return self.spark.read.schema(frame.schema).parquet(str(path))

    def put_rows(self, rows: Iterable[dict[str, object]], ddl: str) -> DataFrame:
        """Put rows aside in batches, so that memory stays bounded.

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
        path = self.new_path()
        path.mkdir()
        with pq.ParquetWriter(path / "rows.parquet", schema) as writer:
            for batch in _batches(rows):
                writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))
        return self.spark.read.schema(ddl).parquet(str(path))


def _batches(rows: Iterable[dict[str, object]]) -> Iterable[list[dict[str, object]]]:
    batch: list[dict[str, object]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS_PER_BATCH:
            yield batch
            batch = []
    yield batch
