"""Judges all records of the raw files, and counts what becomes of each; nothing is written but to a scratch folder."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from techco.contract import (
    CUSTOMERS,
    PRODUCTS,
    QUARANTINE,
    WEB_LOGS,
    CustomerReason,
    LogReason,
    ProductReason,
    TableContract,
)
from techco.engines.dialects import dialect
from techco.errors import RawFileError
from techco.raw import rules
from techco.raw.csv_rows import read_csv
from techco.raw.day_index import DayIndex, count_sets, days_of_sets, describe_sets, files_not_in, set_numbers
from techco.raw.days_in_files import note_days
from techco.raw.logs import LogReader
from techco.storage.base import RawFile

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from techco.period import Period
    from techco.shop import Shop
    from techco.tables.scratch import Scratch

PERIOD_NUMBER = "period_number"
"""Where several periods are judged at once, the number of the one that a row belongs to; null for a row of none."""
_FEW_PERIODS = 8  # beyond that, a join with their days is quicker than comparing each day with all
_MORE_DECIMALS = r"^[0-9]+\.([0-9]{3}|[0-9]{2,}[1-9])\z"  # 1.500 may be meant as 1500, 1.5000 is only exact
_AMOUNT = re.compile(r"price|amount|revenue|total|cost", re.IGNORECASE)
_PURCHASES_LOOKED_AT = 20
_ACCEPTED, _DUPLICATE, _OUTSIDE = "accepted", "duplicates", "outside_period"
_UNNAMED = "unnamed_purchases"  # some of the accepted ones


@dataclass
class Counts:
    """What became of the records of one source; `read` is counted apart from the parts it must be the sum of.

    `unnamed_purchases` are among the accepted ones: their customer_id has no number, so they count as nobody's.
    `refused_sales` is what the refused purchases of known products would have sold, as decimal text; `rounded_prices`
    how many prices have more than two decimals, and `rounded_price` one of them; `unused_amounts` the fields of
    purchases that look like a price or an amount.
    """

    source: str
    read: int
    accepted: int = 0
    duplicates: int = 0
    outside_period: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    unnamed_purchases: int = 0
    refused_sales: str = "0"
    rounded_prices: int = 0
    rounded_price: str = ""
    unused_amounts: list[str] = field(default_factory=list)

    @property
    def judged(self) -> int:
        """Records read that are not outside the period."""
        return self.read - self.outside_period

    @property
    def quarantined(self) -> int:
        """Records refused, for whatever reason."""
        return sum(self.reasons.values())

    @property
    def add_up(self) -> bool:
        """Whether every record read is accounted for."""
        return self.read == self.accepted + self.duplicates + self.quarantined + self.outside_period


@dataclass(frozen=True)
class Misplaced:
    """How many web logs lie in a folder of another day, farther away than is read; `farthest` is in days."""

    logs: int = 0
    farthest: int = 0


@dataclass(frozen=True)
class Judged:
    """The judged records of one source: `accepted` and `refused` rows, the latter with `raw` and `reason`.

    `periods` are those that were judged, `per_period` the counts that each of them would have alone. `skipped_files` is
    the number of files that were not read, as the index of days holds that they have nothing of the period.
    """

    counts: Counts
    accepted: DataFrame
    refused: DataFrame
    periods: Sequence[Period] = ()
    per_period: Sequence[Counts] = ()
    skipped_files: int = 0
    misplaced: Misplaced = Misplaced()


@dataclass
class _Outcomes:
    """How many records of one source came to which end.

    `rows` is keyed by the number of the period, None for a record of all of them, and the end: accepted, a duplicate,
    outside the period, or the reason for quarantine. `by` is the column with that number, nothing for a single period.
    """

    source: str
    read: int
    by: list[str] = field(default_factory=list)
    rows: Counter[tuple[int | None, str]] = field(default_factory=Counter)

    def add(self, frame: DataFrame, outcome: str) -> None:
        unnamed = F.count_if("is_unnamed") if "is_unnamed" in frame.columns else F.lit(0)
        for *number, rows, unnamed_rows in frame.groupBy(*self.by).agg(F.count("*"), unnamed).collect():
            self.rows[number[0] if number else None, outcome] += rows
            if outcome == _ACCEPTED:
                self.rows[number[0] if number else None, _UNNAMED] += unnamed_rows

    def add_refused(self, judged: DataFrame, outcome: Column) -> None:
        """Count rows by their outcome, which is null for good ones."""
        for name, *number, rows in judged.groupBy(outcome.alias("outcome"), *self.by).count().collect():
            if name is not None:
                self.rows[number[0] if number else None, name] += rows

    def counts(self, period: int | None = None) -> Counts:
        """Sum up for one period, for which the records of others are outside; None for all periods together."""
        sums: Counter[str] = Counter()
        for (number, outcome), rows in self.rows.items():
            is_of_other = None not in (period, number) and number != period
            if not (is_of_other and outcome == _UNNAMED):
                sums[_OUTSIDE if is_of_other else outcome] += rows
        known = {outcome: sums.pop(outcome, 0) for outcome in (_ACCEPTED, _DUPLICATE, _OUTSIDE, _UNNAMED)}
        reasons = {reason: rows for reason, rows in sums.items() if rows}
        return Counts(self.source, self.read, reasons=reasons, **known)  # type: ignore[arg-type]


def judge_logs(
    shop: Shop, files: list[RawFile], scratch: Scratch, periods: Sequence[Period], optional: Sequence[Period] = ()
) -> Judged:
    """Judge the web logs.

    Parameters
    ----------
    periods
        The shop's period, or parts of it that do not overlap. Each is judged as if it were the only one: all else
        counts as outside, and what has one log_id in two of them is no conflict.
    optional
        Parts of the shop's period that are judged, too, but only as far as the files have their days.

    Raises
    ------
    RawFileError
        When a file cannot be read, or nothing in any of them is a JSON object.
    """
    every = [*periods, *optional]

    def judge(records: DataFrame) -> DataFrame:
        judged = rules.apply_log_rules(records, shop.period, keep=["part", "files"])
        if every != [shop.period]:
            judged = _with_period_numbers(shop, judged, every)
        return judged.withColumn("raw", F.when(~F.col("is_outside"), F.col("raw")))

    day_index = DayIndex.load(shop.storage, shop.engine)
    skipped = [] if shop.refresh else day_index.sets_outside(files, shop.period)
    to_read = files_not_in(skipped, files)
    numbers = set_numbers(to_read)
    judged = LogReader(shop.storage, scratch, numbers).read(to_read, judge)
    counted = count_sets(judged, shop.days_around)
    day_index.save(files, describe_sets(counted, to_read, numbers))
    found = days_of_sets(skipped, counted)
    note_days(shop.storage, files, found)
    judged_periods = dict(enumerate(periods)) | _parts_in(found, optional, first_number=len(periods))
    unread = sum(one.records for one in skipped)
    outcomes = _Outcomes("web_logs", judged.count() + unread, [PERIOD_NUMBER] if len(judged_periods) > 1 else [])
    outcomes.rows[None, _OUTSIDE] = unread
    outcomes.add_refused(judged, F.when(F.col("is_outside"), F.lit(_OUTSIDE)).otherwise(F.col("reason")))
    _check_any_json(outcomes.counts(), files)
    inside = judged.where(~F.col("is_outside")).drop("files")
    accepted, refused = _resolve_duplicates(inside, WEB_LOGS, LogReason.CONFLICT, outcomes, scratch)
    whole, *per_period = (outcomes.counts(number) for number in (None, *judged_periods))
    _note_unused_amounts([whole, *per_period], inside)
    misplaced = Misplaced(sum(one.misplaced for one in counted), max((one.farthest for one in counted), default=0))
    kept, skipped_files = list(judged_periods.values()), len(files) - len(to_read)
    return Judged(whole, accepted, refused, kept, per_period, skipped_files, misplaced)


def judge_customers(shop: Shop, file: RawFile, scratch: Scratch) -> Judged:
    """Judge the customers.

    Raises
    ------
    RawFileError
        When the file cannot be read, or lacks a column.
    """
    records = read_csv(shop.storage, file, CUSTOMERS.column_names, scratch)
    return _judge_snapshot(CUSTOMERS, rules.apply_customer_rules(records), CustomerReason.CONFLICT, scratch)


def judge_products(shop: Shop, file: RawFile, scratch: Scratch) -> Judged:
    """Judge the products; raises as `judge_customers`."""
    records = read_csv(shop.storage, file, PRODUCTS.column_names, scratch)
    judged = _judge_snapshot(PRODUCTS, rules.apply_product_rules(records), ProductReason.CONFLICT, scratch)
    row = records.where(F.col("price").rlike(_MORE_DECIMALS)).agg(F.count("*"), F.min("price")).collect()[0]
    judged.counts.rounded_prices, judged.counts.rounded_price = row[0], row[1] or ""
    return judged


def refused_rows(sources: Sequence[Judged], run_id: str) -> DataFrame:
    """Put the refused rows of all sources into the columns of the table quarantine."""

    def rows(source: Judged) -> DataFrame:
        day = F.col("event_date") if "event_date" in source.refused.columns else F.lit(None).cast("date")
        return source.refused.select(
            day.alias("event_date"),
            F.lit(source.counts.source).alias("source"),
            "reason",
            "raw",
            F.lit(run_id).alias("run_id"),
        )

    return reduce(lambda a, b: a.unionByName(b), map(rows, sources)).select(QUARANTINE.column_names)


def _parts_in(found: Period | None, periods: Sequence[Period], first_number: int) -> dict[int, Period]:
    """Return what the files have of some periods, by the numbers of these."""
    numbered = enumerate(periods, first_number)
    parts = {number: found.shared_with(period) for number, period in numbered if found}
    return {number: part for number, part in parts.items() if part}


def _note_unused_amounts(counts: Sequence[Counts], logs: DataFrame) -> None:
    """Note the fields of some purchases that look like a price or an amount, sorted."""
    rows = logs.where("action = 'purchase'").select("raw").limit(_PURCHASES_LOOKED_AT).collect()
    found: set[str] = set()
    for (raw,) in rows:
        with suppress(ValueError, RecursionError, AttributeError):
            found.update(name for name, value in json.loads(raw).items() if _AMOUNT.search(name) and value is not None)
    for one in counts:
        one.unused_amounts = sorted(found)


def _with_period_numbers(shop: Shop, judged: DataFrame, periods: Sequence[Period]) -> DataFrame:
    """Give each record the number of its period; a day of none is outside."""
    if len(periods) <= _FEW_PERIODS:
        day = F.col("event_date")
        numbers = [F.when(day.between(F.lit(one.first), F.lit(one.last)), n) for n, one in enumerate(periods)]
        found = judged.withColumn(PERIOD_NUMBER, F.coalesce(*numbers))
    else:
        rows = [(day, number) for number, period in enumerate(periods) for day in period]
        days = shop.spark.createDataFrame(rows, f"event_date date, {PERIOD_NUMBER} int")
        found = judged.join(F.broadcast(days), "event_date", "left").select(*judged.columns, PERIOD_NUMBER)
    is_outside = F.col("is_outside") | (F.col("event_date").isNotNull() & F.col(PERIOD_NUMBER).isNull())
    return found.withColumn("is_outside", is_outside).withColumn("reason", F.when(~is_outside, F.col("reason")))


def _check_any_json(counts: Counts, files: Sequence[RawFile]) -> None:
    if counts.read and counts.reasons.get(LogReason.NOT_JSON) == counts.read:
        names = ", ".join(file.name for file in files[:3])
        raise RawFileError(
            f"Nothing in {names} is a JSON object. Expected one JSON array of objects, or one object per line."
        )


def _judge_snapshot(table: TableContract, judged: DataFrame, conflict: str, scratch: Scratch) -> Judged:
    judged = scratch.materialize(judged)
    outcomes = _Outcomes(table.name, judged.count())
    outcomes.add_refused(judged, F.col("reason"))
    accepted, refused = _resolve_duplicates(judged, table, conflict, outcomes, scratch)
    return Judged(outcomes.counts(), accepted, refused)


def _resolve_duplicates(
    judged: DataFrame, table: TableContract, conflict: str, outcomes: _Outcomes, scratch: Scratch
) -> tuple[DataFrame, DataFrame]:
    """Apply the rule for duplicates to the good rows, and return what is accepted and refused.

    Only rows whose key repeats are compared. The key is the first column of the table, within a period.
    """
    names = table.column_names
    key = [*outcomes.by, names[0]]
    good, refused = judged.where(F.col("reason").isNull()), judged.where(F.col("reason").isNotNull())
    repeated = _repeated(good, key, outcomes.read, scratch)
    if repeated.isEmpty():
        outcomes.add(good, _ACCEPTED)
        return good.select(names), refused
    others = [name for name in names if name not in (*key, "event_date")]
    doubtful = good.join(repeated, key, "left_semi").select(good.columns)
    marked = scratch.materialize(rules.mark_duplicates(doubtful, key, others, conflict))
    unique = good.join(repeated, key, "left_anti").select(good.columns)
    kept = marked.where(~F.col("is_duplicate") & F.col("reason").isNull())
    losers = marked.where(~F.col("is_duplicate") & F.col("reason").isNotNull()).select(refused.columns)
    outcomes.add(marked.where("is_duplicate"), _DUPLICATE)
    outcomes.add(losers, conflict)
    outcomes.add(unique, _ACCEPTED)
    outcomes.add(kept, _ACCEPTED)
    return unique.select(names).unionByName(kept.select(names)), refused.unionByName(losers)


def _repeated(good: DataFrame, key: list[str], rows: int, scratch: Scratch) -> DataFrame:
    """Find the keys of more than one row, share by share where the engine may not group all at once."""
    at_once = dialect(scratch.spark).keys_at_once
    shares = max(1, -(-rows // at_once)) if at_once else 1
    found = []
    for share in range(shares):
        part = good.where(F.pmod(F.col(key[-1]), F.lit(shares)) == share) if shares > 1 else good
        found.append(scratch.materialize(part.groupBy(*key).count().where("count > 1").select(*key)))
    return reduce(lambda a, b: a.unionByName(b), found)
