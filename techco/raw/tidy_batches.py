"""Tidies columns of text within a query, on whichever machine has the batch: engines have no function for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import cloudpickle

from techco.raw import tidy

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# The machines of a cluster need not have this package: its functions travel by value.
for _module in (tidy, sys.modules[__name__]):
    cloudpickle.register_pickle_by_value(_module)  # type: ignore[no-untyped-call]


def tidy_columns(frame: DataFrame, names: Sequence[str]) -> DataFrame:
    """Tidy the columns of these names, which are strings, and pass the others on."""

    def tidy_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [
                change_each(column.cast(pa.string()), tidy.tidy) if name in names else column
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, batch.schema.names)

    return frame.mapInArrow(tidy_batches, frame.schema)


def change_each(texts: pa.Array | pa.ChunkedArray, change: Callable[[str], str]) -> pa.Array | pa.ChunkedArray:
    """Apply a function of text to each value, once to values that are the same; null stays null."""
    different = texts.unique()
    values = different.to_pylist()
    changed = [value and change(value) for value in values]
    # Most often all are as they shall be, and nothing is copied.
    return texts if changed == values else pa.array(changed, pa.string()).take(pc.index_in(texts, different))
