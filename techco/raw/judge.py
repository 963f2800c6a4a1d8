"""Judges all records of the raw files, and counts what becomes of each; nothing is written but to a scratch folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from techco.contract import CUSTOMERS, PRODUCTS, QUARANTINE, WEB_LOGS, CustomerReason, LogReason, ProductReason
from techco.engines.dialects import dialect
from techco.errors import RawFileError
from techco.raw import rules
from techco.raw.csv_rows import read_csv
from techco.raw.day_index import DayIndex, found_in, numbered, without
from techco.raw.logs import LogReader
from techco.storage.base import RawFile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from techco.period import Period
    from techco.shop import Shop
    from techco.tables.scratch import Scratch

SLOT = "slot"
"""Of several periods that are judged at once, the number of the one that a row belongs to; null for a row of none."""


@dataclass
class Counts:
    """What became of the records of one source; `read` is counted apart from the parts it must be the sum of."""

    source: str
    read: int
    accepted: int = 0
    duplicates: int = 0
    outside_period: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        """Records refused, for whatever reason."""
        return sum(self.reasons.values())

    @property
    def add_up(self) -> bool:
        """Whether every record read is accounted for."""
        return self.read == self.accepted + self.duplicates + self.quarantined + self.outside_period


@dataclass(frozen=True)
class Judged:
    """The records of one source, put aside: `accepted` and `refused` rows, the latter with `raw` and `reason`.

    `duplicates` are rows that say the same as an accepted one, None if there are none; `of_each` are the counts of web
    logs that each period would have alone; `passed_over` counts the files that were not read, as
    the index of days says that they have nothing of the period.
    """

    counts: Counts
    accepted: DataFrame
    refused: DataFrame
    duplicates: DataFrame | None = None
    of_each: Sequence[Counts] = ()
    passed_over: int = 0


def judge_logs(shop: Shop, files: list[RawFile], scratch: Scratch, periods: Sequence[Period] = ()) -> Judged:
    """Judge the web logs of the shop's period.

    Parameters
    ----------
    periods
        Parts of it that do not overlap, each to be judged as if it were the only one: all else counts as outside, and
        what has one log_id in two of them is no conflict. Rows have a column `SLOT` then.

    Raises
    ------
    RawFileError
        When a file cannot be read, or nothing in any of them is a JSON object.
    """
    slots = _slots(shop, periods) if periods else None

    def judge(records: DataFrame) -> DataFrame:
        judged = rules.apply_log_rules(records, shop.period, keep=["part", "files"])
        if slots is not None:
            judged = _with_slots(judged, slots)
        return judged.withColumn("raw", F.when(~F.col("is_outside"), F.col("raw")))

    day_index = DayIndex.load(shop.storage, shop.engine)
    passed_over = [] if shop.refresh else day_index.outside(files, shop.period)
    to_read = without(files, passed_over)
    numbers = numbered(to_read)
    judged = LogReader(shop.storage, scratch, numbers).read(to_read, judge)
    day_index.save(files, found_in(judged, to_read, numbers))
    unread = sum(one.records for one in passed_over)
    counts = Counts("web_logs", judged.count() + unread, outside_period=unread)
    for is_outside, reason, count in judged.groupBy("is_outside", "reason").count().collect():
        if is_outside:
            counts.outside_period += count
        elif reason is not None:
            counts.reasons[reason] = count
    _check_any_json(counts, files)
    good = judged.where(~F.col("is_outside")).drop("files")
    key, names = [SLOT, "log_id"] if periods else ["log_id"], [*WEB_LOGS.schema.names, *([SLOT] if periods else [])]
    logs = _without_duplicates(good, key, names, LogReason.CONFLICT, counts, scratch)
    of_each = _counts_of_each(logs, judged, len(periods)) if periods else [counts]
    return replace(logs, of_each=of_each, passed_over=len(files) - len(to_read))


def judge_customers(shop: Shop, file: RawFile, scratch: Scratch) -> Judged:
    """Judge the customers.

    Raises
    ------
    RawFileError
        When the file cannot be read, or lacks a column.
    """
    records = read_csv(shop.storage, file, CUSTOMERS.schema.names, scratch)
    return _judge_snapshot("customers", rules.apply_customer_rules(records), CustomerReason.CONFLICT, scratch)


def judge_products(shop: Shop, file: RawFile, scratch: Scratch) -> Judged:
    """Judge the products; raises as `judge_customers`."""
    records = read_csv(shop.storage, file, PRODUCTS.schema.names, scratch)
    return _judge_snapshot("products", rules.apply_product_rules(records), ProductReason.CONFLICT, scratch)


def refused_rows(sources: Sequence[Judged], run_id: str) -> DataFrame:
    """The rows of the table quarantine."""

    def rows(source: Judged) -> DataFrame:
        day = F.col("event_date") if "event_date" in source.refused.columns else F.lit(None).cast("date")
        return source.refused.select(
            day.alias("event_date"),
            F.lit(source.counts.source).alias("source"),
            "reason",
            "raw",
            F.lit(run_id).alias("run_id"),
        )

    return reduce(lambda a, b: a.unionByName(b), map(rows, sources)).select(QUARANTINE.schema.names)


def _slots(shop: Shop, periods: Sequence[Period]) -> DataFrame:
    """The number of its period for each day of one."""
    rows = [(day, number) for number, period in enumerate(periods) for day in period]
    return shop.spark.createDataFrame(rows, f"event_date date, {SLOT} int")


def _with_slots(judged: DataFrame, slots: DataFrame) -> DataFrame:
    """Give each record its period; a day of none is outside."""
    found = judged.join(F.broadcast(slots), "event_date", "left").select(*judged.columns, SLOT)
    is_outside = F.col("is_outside") | (F.col("event_date").isNotNull() & F.col(SLOT).isNull())
    return found.withColumn("is_outside", is_outside).withColumn("reason", F.when(~is_outside, F.col("reason")))


def _check_any_json(counts: Counts, files: Sequence[RawFile]) -> None:
    if counts.read and counts.reasons.get(LogReason.NOT_JSON) == counts.read:
        names = ", ".join(file.name for file in files[:3])
        raise RawFileError(
            f"Nothing in {names} is a JSON object. Expected one JSON array of objects, or one object per line."
        )


def _counts_of_each(logs: Judged, judged: DataFrame, periods: int) -> list[Counts]:
    """What each period would count alone. Records without a readable day belong to each of them."""
    inside = _count(judged.where(~F.col("is_outside")))
    accepted, duplicates = _count(logs.accepted), _count(logs.duplicates) if logs.duplicates else {}
    reasons: dict[int | None, dict[str, int]] = {}
    for slot, reason, count in logs.refused.groupBy(SLOT, "reason").count().collect():
        reasons.setdefault(slot, {})[reason] = count
    undated = reasons.get(None, {})
    return [
        Counts(
            "web_logs",
            logs.counts.read,
            accepted.get(slot, 0),
            duplicates.get(slot, 0),
            logs.counts.read - inside.get(slot, 0) - inside.get(None, 0),
            _sum(reasons.get(slot, {}), undated),
        )
        for slot in range(periods)
    ]


def _count(rows: DataFrame) -> dict[int | None, int]:
    return dict(rows.groupBy(SLOT).count().collect())


def _sum(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {reason: some.get(reason, 0) + more.get(reason, 0) for reason in {**some, **more}}


def _judge_snapshot(source: str, judged: DataFrame, conflict: str, scratch: Scratch) -> Judged:
    judged = scratch.put(judged)
    counts = Counts(source, judged.count())
    for reason, count in judged.groupBy("reason").count().collect():
        if reason is not None:
            counts.reasons[reason] = count
    names = [name for name in judged.columns if name not in ("raw", "reason")]
    return _without_duplicates(judged, names[:1], names, conflict, counts, scratch)


def _without_duplicates(
    judged: DataFrame, key: list[str], names: list[str], conflict: str, counts: Counts, scratch: Scratch
) -> Judged:
    """Apply the rule for duplicates to the good rows; only rows whose key repeats are compared."""
    good = judged.where(F.col("reason").isNull())
    refused = judged.where(F.col("reason").isNotNull())
    repeated = _repeated(good, key, counts.read, scratch)
    if repeated.isEmpty():
        counts.accepted = good.count()
        return Judged(counts, good.select(names), refused)
    others = [name for name in names if name not in (*key, "event_date")]
    doubtful = good.join(repeated, key, "left_semi").select(good.columns)
    marked = scratch.put(rules.mark_duplicates(doubtful, key, others, conflict))
    unique = good.join(repeated, key, "left_anti").select(names)
    kept = marked.where(~F.col("is_duplicate") & F.col("reason").isNull()).select(names)
    losers = marked.where(~F.col("is_duplicate") & F.col("reason").isNotNull()).select(refused.columns)
    duplicates = marked.where("is_duplicate")
    counts.duplicates = duplicates.count()
    if lost := losers.count():
        counts.reasons[conflict] = lost
    counts.accepted = unique.count() + kept.count()
    return Judged(counts, unique.unionByName(kept), refused.unionByName(losers), duplicates)


def _repeated(good: DataFrame, key: list[str], rows: int, scratch: Scratch) -> DataFrame:
    """The keys of more than one row, found share by share where the engine may not group all at once."""
    at_once = dialect(scratch.spark).keys_at_once
    shares = max(1, -(-rows // at_once)) if at_once else 1
    found = []
    for share in range(shares):
        part = good.where(F.pmod(F.col(key[-1]), F.lit(shares)) == share) if shares > 1 else good
        found.append(scratch.put(part.groupBy(*key).count().where("count > 1").select(*key)))
    return reduce(lambda a, b: a.unionByName(b), found)
