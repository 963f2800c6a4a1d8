"""The step ingest: raw files become the tables customers, products, web_logs and quarantine of a period."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from techco import clean
from techco.contract import CUSTOMERS, PRODUCTS, QUARANTINE, WEB_LOGS
from techco.dialects import dialect
from techco.display import Column, Figures, Table, Value
from techco.errors import RawFileError, TableError
from techco.known import Known, found_in, numbered, without
from techco.privacy import Pii, mask_record
from techco.rawcsv import read_csv
from techco.rawlogs import LogReader
from techco.reasons import CustomerReason, LogReason, ProductReason
from techco.receipts import Receipt, fingerprint, made_by
from techco.shop import Shop
from techco.storage import CUSTOMERS as CUSTOMER_FILE
from techco.storage import PRODUCTS as PRODUCT_FILE
from techco.storage import RawFile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from techco.scratch import Scratch

_BY_DAY = ("web_logs", "quarantine")
_EXAMPLES = 3
_EXAMPLE_CHARS = 200


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

    `passed_over` counts the files that were not read, as they are known to have nothing of the period.
    """

    counts: Counts
    accepted: DataFrame
    refused: DataFrame
    passed_over: int = 0


@dataclass(frozen=True)
class Ingested:
    """What an ingest read, for the notebook to show."""

    raw_files: Table
    made_by: Figures
    records: Figures
    by_source: Table
    reasons: Table
    examples: Table


def ingest(shop: Shop) -> Ingested:
    """Read the raw files and replace the period in the tables, unless an ingest of the same files has left them so.

    All raw files are read and judged before the first table changes, so a file that cannot be read leaves them all as
    they were.

    Raises
    ------
    RawFileError
        When a raw file is missing, empty, not UTF-8, not JSON, or lacks a column.
    """
    storage = shop.storage
    storage.check_writable()
    customer_file, product_file = storage.raw_file(CUSTOMER_FILE), storage.raw_file(PRODUCT_FILE)
    log_files = storage.log_files(shop.period)
    files = [*log_files, customer_file, product_file]
    if not shop.refresh and (unchanged := _unchanged(shop, files)):
        return unchanged
    with shop.scratch() as scratch:
        logs = _judge_logs(shop, log_files, scratch)
        customers = _judge_snapshot(
            "customers",
            clean.judge_customers(read_csv(storage, customer_file, CUSTOMERS.schema.names, scratch)),
            CustomerReason.CONFLICT,
            scratch,
        )
        products = _judge_snapshot(
            "products",
            clean.judge_products(read_csv(storage, product_file, PRODUCTS.schema.names, scratch)),
            ProductReason.CONFLICT,
            scratch,
        )
        sources = [logs, customers, products]
        counts = [source.counts for source in sources]
        refused = scratch.put(_refused(sources, shop.run_id))
        _write(shop, files, sources, refused)
        shop.make_views()
        origin = {**made_by(shop.run_id, reused=False), "files_passed_over": logs.passed_over}
        return _ingested(files, counts, refused, shop.pii, origin)


def _unchanged(shop: Shop, files: list[RawFile]) -> Ingested | None:
    """What an earlier ingest of the period has read, if it was of the same files and the tables are as it left them."""
    notes = _receipt(shop, files).check(shop.storage, {name: shop.data_files(name) for name in _BY_DAY})
    if notes is None:
        return None
    for name, file in (("customers", files[-2]), ("products", files[-1])):
        receipt = Receipt(name, fingerprint([file]), shop.engine)
        if receipt.check(shop.storage, {name: shop.data_files(name)}) is None:
            return None
    # The rows without a day are those of the last ingest of any period.
    undated = [path for path, day in shop.tables.data_files("quarantine").items() if day is None]
    if (undated or notes["undated"]) and _undated(shop, files).check(shop.storage, {"quarantine": undated}) is None:
        return None
    counts = [Counts(**count) for count in notes["counts"]]
    day = F.col("event_date")
    of_period = day.isNull() | day.between(F.lit(shop.period.first), F.lit(shop.period.last))
    refused = shop.tables.read("quarantine").where(of_period)
    with suppress(TableError, PySparkException):  # data files may have been deleted by hand
        _check_sums(shop, counts, refused)
        shop.make_views()
        return _ingested(files, counts, refused, shop.pii, made_by(notes["run_id"], reused=True))
    return None


def _write(shop: Shop, files: list[RawFile], sources: list[Judged], refused: DataFrame) -> None:
    """Replace the tables, count again, and leave receipts, by which a later ingest sees that nothing is to be done."""
    logs, customers, products = sources
    now = shop.storage.check_unchanged(files)
    # Of a file that was touched meanwhile nobody knows which content was read, so it gets no receipt.
    files = [old if old.mark == new.mark else replace(old, stamp="") for old, new in zip(files, now, strict=True)]
    _replace_snapshot(shop, "customers", files[-2], customers.accepted)
    _replace_snapshot(shop, "products", files[-1], products.accepted)
    accepted = shop.tables.replace_period("web_logs", logs.accepted, shop.period, shop.run_id)
    kept = shop.tables.replace_period("quarantine", refused, shop.period, shop.run_id)
    counts = [source.counts for source in sources]
    _check_sums(shop, counts, refused)
    undated = [file.path for file in kept if file.day is None]
    dated = {"web_logs": [file.path for file in accepted], "quarantine": [f.path for f in kept if f.day is not None]}
    notes = {"run_id": shop.run_id, "counts": [asdict(count) for count in counts], "undated": len(undated)}
    _receipt(shop, files).write(shop.storage, dated, notes)
    _undated(shop, files).write(shop.storage, {"quarantine": undated}, {})


def _replace_snapshot(shop: Shop, name: str, file: RawFile, frame: DataFrame) -> None:
    """Replace a table that has no days, unless it was made from the same file: what was made from it stays as it is."""
    receipt = Receipt(name, fingerprint([file]), shop.engine)
    if shop.refresh or receipt.check(shop.storage, {name: shop.data_files(name)}) is None:
        made = shop.tables.replace_all(name, frame, shop.run_id)
        receipt.write(shop.storage, {name: [file.path for file in made]}, {})


def _receipt(shop: Shop, files: list[RawFile]) -> Receipt:
    return Receipt(f"ingest-{shop.period.first}_{shop.period.last}", fingerprint(files), shop.engine)


def _undated(shop: Shop, files: list[RawFile]) -> Receipt:
    return Receipt("undated", fingerprint(files), shop.engine)


def _judge_logs(shop: Shop, files: list[RawFile], scratch: Scratch) -> Judged:
    def judge(records: DataFrame) -> DataFrame:
        judged = clean.judge_logs(records, shop.period, keep=["part", "files"])
        return judged.withColumn("raw", F.when(~F.col("is_outside"), F.col("raw")))

    known = Known.load(shop.storage, shop.engine)
    passed_over = [] if shop.refresh else known.outside(files, shop.period)
    to_read = without(files, passed_over)
    numbers = numbered(to_read)
    judged = LogReader(shop.storage, scratch, numbers).read(to_read, judge)
    known.save(files, found_in(judged, to_read, numbers))
    unread = sum(one.records for one in passed_over)
    counts = Counts("web_logs", judged.count() + unread, outside_period=unread)
    for is_outside, reason, count in judged.groupBy("is_outside", "reason").count().collect():
        if is_outside:
            counts.outside_period += count
        elif reason is not None:
            counts.reasons[reason] = count
    if counts.read and counts.reasons.get(LogReason.NOT_JSON) == counts.read:
        names = ", ".join(file.name for file in files[:3])
        raise RawFileError(
            f"Nothing in {names} is a JSON object. Expected one JSON array of objects, or one object per line."
        )
    good = judged.where(~F.col("is_outside")).drop("files")
    logs = _without_duplicates(good, "log_id", WEB_LOGS.schema.names, LogReason.CONFLICT, counts, scratch)
    return replace(logs, passed_over=len(files) - len(to_read))


def _judge_snapshot(source: str, judged: DataFrame, conflict: str, scratch: Scratch) -> Judged:
    judged = scratch.put(judged)
    counts = Counts(source, judged.count())
    for reason, count in judged.groupBy("reason").count().collect():
        if reason is not None:
            counts.reasons[reason] = count
    names = [name for name in judged.columns if name not in ("raw", "reason")]
    return _without_duplicates(judged, names[0], names, conflict, counts, scratch)


def _without_duplicates(
    judged: DataFrame, key: str, names: list[str], conflict: str, counts: Counts, scratch: Scratch
) -> Judged:
    """Apply the rule for duplicates to the good rows; only rows whose key repeats are compared."""
    good = judged.where(F.col("reason").isNull())
    refused = judged.where(F.col("reason").isNotNull())
    repeated = _repeated(good, key, counts.read, scratch)
    if repeated.isEmpty():
        counts.accepted = good.count()
        return Judged(counts, good.select(names), refused)
    others = [name for name in names if name not in (key, "event_date")]
    doubtful = good.join(repeated, key, "left_semi").select(good.columns)
    marked = scratch.put(clean.mark_duplicates(doubtful, key, others, conflict))
    unique = good.join(repeated, key, "left_anti").select(names)
    kept = marked.where(~F.col("is_duplicate") & F.col("reason").isNull()).select(names)
    losers = marked.where(~F.col("is_duplicate") & F.col("reason").isNotNull()).select(refused.columns)
    counts.duplicates = marked.where("is_duplicate").count()
    if lost := losers.count():
        counts.reasons[conflict] = lost
    counts.accepted = unique.count() + kept.count()
    return Judged(counts, unique.unionByName(kept), refused.unionByName(losers))


def _repeated(good: DataFrame, key: str, rows: int, scratch: Scratch) -> DataFrame:
    """The keys of more than one row, found share by share where the engine may not group all at once."""
    at_once = dialect(scratch.spark).keys_at_once
    shares = max(1, -(-rows // at_once)) if at_once else 1
    found = []
    for share in range(shares):
        part = good.where(F.pmod(F.col(key), F.lit(shares)) == share) if shares > 1 else good
        found.append(scratch.put(part.groupBy(key).count().where("count > 1").select(key)))
    return reduce(lambda a, b: a.unionByName(b), found)


def _refused(sources: list[Judged], run_id: str) -> DataFrame:
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


def _check_sums(shop: Shop, counts: list[Counts], refused: DataFrame) -> None:
    """Count again, in what was put aside and in the tables: nothing may be lost or doubled on the way."""
    for one in counts:
        if not one.add_up:
            raise TableError(f"The records of {one.source} do not add up: {one}. Please report this.")
    quarantined = sum(one.quarantined for one in counts)
    if (rows := refused.count()) != quarantined:
        raise TableError(f"{quarantined:,} records were refused, but {rows:,} kept for quarantine. Please report this.")
    expected = {one.source: one.accepted for one in counts}
    # Rows without a day belong to no period: a run of another one may have replaced them at this moment.
    expected["quarantine"] = refused.where("event_date IS NOT NULL").count()
    for table, count in expected.items():
        if (found := shop.table(table).count()) != count:
            raise TableError(
                f"The table {table} holds {found:,} records of the period, but {count:,} were written. "
                "If another run wrote the same period at this moment, run again; else report this."
            )


def _ingested(
    files: list[RawFile], counts: list[Counts], refused: DataFrame, pii: Pii, origin: dict[str, Value]
) -> Ingested:
    logs = counts[0]
    parts = ("read", "accepted", "duplicates", "quarantined", "outside_period")
    by_source = [[c.source, *(getattr(c, part) for part in parts)] for c in counts]
    reasons = [[c.source, str(reason), n] for c in counts for reason, n in sorted(c.reasons.items())]
    return Ingested(
        _raw_files(files),
        Figures("ingest_made_by", origin, "Tables"),
        Figures("records", {part: getattr(logs, part) for part in parts}, "Web logs"),
        Table.of("records_by_source", _columns("source", *(f"{p}:integer" for p in parts)), by_source, "Records"),
        Table.of(
            "quarantine_reasons", _columns("source", "reason", "count:integer"), reasons, "Quarantined, by reason"
        ),
        Table.of("quarantine_examples", _columns("source", "reason", "raw"), _examples(refused, pii), "Examples"),
    )


def _examples(refused: DataFrame, pii: Pii) -> list[list[str]]:
    """A few refused records of each reason, as they came but for personal data, which is hidden unless asked for."""
    from pyspark.sql import Window

    rank = F.row_number().over(Window.partitionBy("source", "reason").orderBy("raw"))
    short = F.substring("raw", 1, 4 * _EXAMPLE_CHARS).alias("raw")
    rows = refused.select("source", "reason", short).withColumn("rank", rank).where(F.col("rank") <= _EXAMPLES)
    found = rows.orderBy("source", "reason", "rank").collect()
    texts = [row.raw if pii == "show" else mask_record(row.source, row.raw) for row in found]
    return [[row.source, row.reason, text[:_EXAMPLE_CHARS]] for row, text in zip(found, texts, strict=True)]


def _raw_files(files: list[RawFile]) -> Table:
    """What was read, with the ETag of each file where the storage has such."""
    columns = _columns("file", "bytes:integer", "modified", "etag")
    rows = [[file.name, file.size, f"{file.modified:%Y-%m-%d %H:%M:%S} UTC", file.etag] for file in files]
    shown = len(columns) if any(file.etag for file in files) else len(columns) - 1
    return Table.of("raw_files", columns[:shown], [row[:shown] for row in rows], "Raw files")


def _columns(*names: str) -> list[Column]:
    return [Column(*name.split(":")) for name in names]  # type: ignore[arg-type]
