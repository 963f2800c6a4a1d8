"""Counts rows by day, and cuts them at the ends of days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from techco.contract import PARTITION
from techco.period import Period

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def count_per_day(frame: DataFrame) -> dict[date | None, int]:
    """Count the rows of each `event_date`; rows without a day count under None."""
    return {row[0]: row[1] for row in frame.groupBy(PARTITION).count().collect()}


def rows_per_period(frame: DataFrame, periods: Sequence[Period]) -> list[int]:
    """Count the rows of each period; where there is one, all rows of the frame are taken for its own."""
    if len(periods) == 1:
        return [frame.count()]
    per_day = count_per_day(frame)
    return [sum(rows for day, rows in per_day.items() if day in period) for period in periods]


def all_days(periods: Sequence[Period]) -> Period | frozenset[date]:
    """Return the days of all periods."""
    return periods[0] if len(periods) == 1 else frozenset(day for period in periods for day in period)


def chunks(rows_per_day: Mapping[date | None, int], limit: int | None) -> Iterator[str | None]:
    """Yield conditions that cut a frame into runs of whole days of about `limit` rows; None for the whole frame.

    The first and the last chunk are open to their side, so that no row slips through between them unseen.
    """
    days = sorted(day for day in rows_per_day if day is not None)
    starts, rows = [], 0
    for day in days:
        if limit and rows and rows + rows_per_day[day] > limit:
            starts.append(day)
            rows = 0
        rows += rows_per_day[day]
    if not starts:
        yield None
        return
    yield f"{PARTITION} IS NULL OR {PARTITION} < DATE'{starts[0]}'"
    for start, end in pairwise(starts):
        yield f"{PARTITION} >= DATE'{start}' AND {PARTITION} < DATE'{end}'"
    yield f"{PARTITION} >= DATE'{starts[-1]}'"


def between(first: date, last: date) -> str:
    """Return the condition that a row is of one of the days from `first` to `last`."""
    return f"{PARTITION} >= DATE'{first}' AND {PARTITION} <= DATE'{last}'"
