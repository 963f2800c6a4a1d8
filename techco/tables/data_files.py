"""The data files of a table, as its log names them, and which days they say were written.

A table by day has data files of each day with rows. Days that were written without rows have a file, too: one empty
file for days that follow each other, in the folder of the first, whose name says the last. The commit that writes days
adds it, so the table itself tells a day without rows from one that no run has written, whatever happened to a run.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import unquote

from techco.contract import PARTITION, TableContract
from techco.engines.dialects import NO_DAY
from techco.period import Period, stretches

if TYPE_CHECKING:
    from deltalake import DeltaTable, Schema
    from deltalake.transaction import AddAction, RemoveAction

_WITHOUT_ROWS = re.compile(r"/without-rows-until-(\d{4}-\d{2}-\d{2})\.parquet$")


@dataclass(frozen=True)
class DataFile:
    """A Parquet file inside a table: `path` relative to the table, `size` in bytes, its `day` (None for no day).

    `rows` is None where another program has written it, and the log does not say. `version` is what the storage knows
    of its content, as of a `RawFile`, if this process has written it; the log has nothing of that.
    """

    path: str
    size: int
    rows: int | None
    day: date | None
    version: str = ""

    @property
    def days_without_rows(self) -> Period | None:
        """The days of which an empty file says that they were written without rows; None for other files."""
        found = _WITHOUT_ROWS.search(self.path)
        return Period(self.day, date.fromisoformat(found[1])) if found and self.day else None


def path_without_rows(days: Period) -> str:
    """Return the path of the empty file for days without rows, relative to the folder of one write."""
    return f"{PARTITION}={days.first}/without-rows-until-{days.last}.parquet"


def content_without_rows(schema: Schema) -> bytes:
    """Return the content of an empty file for a table by day."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    output = io.BytesIO()
    columns = [field for field in pa.schema(schema.to_arrow()) if field.name != PARTITION]
    pq.write_table(pa.schema(columns).empty_table(), output)
    return output.getvalue()


def gaps(files: Iterable[DataFile], days: Iterable[date]) -> list[Period]:
    """Return those of some days that no write of a table had, neither with rows nor without, as the fewest periods."""
    written = [file.days_without_rows or Period(file.day, file.day) for file in files if file.day]
    written.sort(key=lambda one: one.first)
    periods = [days] if isinstance(days, Period) else stretches(days)
    return [gap for period in periods for gap in _gaps_of(period, written)]


def _gaps_of(period: Period, written: Iterable[Period]) -> Iterator[Period]:
    """Yield what a period has beside others, which are sorted by their first days."""
    start, end = period.first.toordinal(), period.last.toordinal()
    for one in written:
        if (first := one.first.toordinal()) > end:
            break
        if start < first:
            yield Period(date.fromordinal(start), date.fromordinal(first - 1))
        start = max(start, one.last.toordinal() + 1)
    if start <= end:
        yield Period(date.fromordinal(start), period.last)


def day_of(name: str) -> date | None:
    """Return the day of the partition folder that a file lies in."""
    _, equals, value = name.split("/")[-2].partition(f"{PARTITION}=")
    return date.fromisoformat(unquote(value)) if equals and value != NO_DAY else None


def active_files(table: DeltaTable) -> Iterator[DataFile]:
    """List the data files that a table consists of, those without rows too."""
    import pyarrow as pa

    for file in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        day = file.get(f"partition.{PARTITION}")
        yield DataFile(file["path"], file["size_bytes"], file.get("num_records"), day)


def addition(file: DataFile, table: TableContract) -> AddAction:
    """Return the action that adds a data file."""
    from deltalake.transaction import AddAction

    return AddAction(
        path=file.path,
        size=file.size,
        partition_values=_partition(file.day, table),
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )


def removals(
    current: DeltaTable, table: TableContract, replaced: Callable[[date | None], bool]
) -> Iterator[RemoveAction]:
    """Return the actions that remove the files of days which are replaced; an empty one goes with all of its days."""
    from deltalake.transaction import RemoveAction

    for file in active_files(current):
        if all(map(replaced, file.days_without_rows or (file.day,))):
            day = _partition(file.day, table)
            yield RemoveAction(file.path, True, int(time.time() * 1000), file.size, day)


def _partition(day: date | None, table: TableContract) -> dict[str, str | None]:
    return {PARTITION: day.isoformat() if day else None} if table.by_day else {}
