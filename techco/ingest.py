"""The step ingest: raw files become the tables customers, products, web_logs and quarantine of a period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from techco.contract import CONFLICTS
from techco.display import warnings
from techco.display.columns import Column, Value
from techco.display.shown import Figures, Table
from techco.display.warnings import RunWarning
from techco.errors import RawFileError, TableError
from techco.raw.days_in_files import days_in_files
from techco.raw.files import check_unchanged, log_files, raw_file
from techco.raw.judge import Counts, Judged, Misplaced, judge_customers, judge_logs, judge_products, refused_rows
from techco.raw.refused import EXAMPLE_CHARS, add_refused_sales, nothing_accepted, periods_of_nothing
from techco.redact import Pii, mask_record
from techco.shop import Shop
from techco.storage.base import CUSTOMERS as CUSTOMER_FILE
from techco.storage.base import PRODUCTS as PRODUCT_FILE
from techco.storage.base import RawFile
from techco.tables.days import all_days, rows_per_period
from techco.tables.receipts import Receipt, fingerprint, made_by, raw_files_digest

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

    from techco.period import Period
    from techco.tables.scratch import Scratch

_BY_DAY = ("web_logs", "quarantine")
_TABLES = ("customers", "products", *_BY_DAY)
_EXAMPLES = 3


@dataclass(frozen=True)
class Ingested:
    """What an ingest read, for the notebook to show."""

    raw_files: Table
    days_in_files: Figures
    made_by: Figures
    records: Figures
    by_source: Table
    reasons: Table
    examples: Table
    warnings: Table


def ingest(shop: Shop) -> Ingested:
    """Read the raw files and replace the period in the tables, unless an ingest of the same files has left them so.

    All raw files are read and judged before the first table changes, so a file that cannot be read leaves them all as
    they were.

    Raises
    ------
    RawFileError
        When a raw file is missing, empty, not UTF-8, not JSON, or lacks a column, or nothing in it is accepted.
    """
    shop = shop.begin_step(first=True)
    files = _files(shop)
    before = _days_to_compare(shop, files, [shop.period])
    unchanged = None if shop.refresh else _unchanged(shop, files)
    if unchanged and (known := _in_files(shop, files, before)):
        with shop.scratch() as scratch, suppress(RawFileError):  # only the period itself must have good logs
            _replace(shop, files, known, (), scratch)
        unchanged = _unchanged(shop, files)  # another run may have written the period meanwhile
    if unchanged:
        _keep(shop, files)
        return unchanged
    with shop.scratch() as scratch:
        sources, refused = _replace(shop, files, [shop.period], before, scratch)
        shop.make_views()
        _keep(shop, files)
        origin: dict[str, Value] = {**made_by(shop.run_id, reused=False), "files_passed_over": sources[0].skipped_files}
        counts = [sources[0].per_period[0], *(source.counts for source in sources[1:])]
        refused = refused.where(_of_period(shop.period))
        return _ingested(shop, files, counts, refused, origin, sources[0].misplaced)


def ingest_each(shop: Shop, periods: Sequence[Period]) -> bool:
    """Read the raw files once, and replace several periods in the tables, each as its own `ingest` would.

    An `ingest` of each finds that there is nothing left to do. A period of which no log is accepted is left as it is,
    for its own `ingest` to fail. Where files lie in folders by day nothing is done here, and False returned: each
    period reads its own files alone.

    Parameters
    ----------
    shop
        Opened for a period that has all of them.
    periods
        They do not overlap. Days between them stay as they are.

    Raises
    ------
    RawFileError
        As `ingest`.
    """
    shop = shop.begin_step(first=True)
    files = _files(shop)
    if any(file.day for file in files):
        return False
    with shop.scratch() as scratch:
        _replace(shop, files, periods, _days_to_compare(shop, files, periods), scratch)
    return True


def _days_to_compare(shop: Shop, files: list[RawFile], periods: Sequence[Period]) -> list[Period]:
    """Return the days before the periods that are to be ingested as well: none where that takes other files."""
    return [] if any(file.day for file in files) else shop.days_to_compare("web_logs", periods)


def _in_files(shop: Shop, files: list[RawFile], periods: Sequence[Period]) -> list[Period]:
    """Return what the files are known to have of some periods."""
    found = days_in_files(shop.storage, files[:-2]) if periods else None
    return [part for one in periods if (part := one.shared_with(found))] if found else []


def _files(shop: Shop) -> list[RawFile]:
    """List all raw files of the period; the last two are those of customers and products."""
    storage = shop.storage
    customers, products = raw_file(storage, CUSTOMER_FILE), raw_file(storage, PRODUCT_FILE)
    files = [*log_files(storage, shop.period, shop.days_around), customers, products]
    storage.check_writable()  # last: nothing is left in a folder that is no shop
    return files


def _replace(
    shop: Shop, files: list[RawFile], periods: Sequence[Period], optional: Sequence[Period], scratch: Scratch
) -> tuple[list[Judged], DataFrame]:
    """Read the files and replace the periods; returns web logs, customers and products as judged, and what is refused.

    A period of which no log is accepted stays as it is; if there is no other one, that is an error. The frames last as
    long as the scratch folder. Of `optional` periods those days are replaced that the files have.
    """
    *log_files, customers, products = files
    shop = shop.spanning([*periods, *optional])
    sources = [
        judge_logs(shop, log_files, scratch, periods, optional),
        judge_customers(shop, customers, scratch),
        judge_products(shop, products, scratch),
    ]
    _check_snapshots(shop, sources[1:], (customers, products))
    if empty := periods_of_nothing(sources[0]):
        left = [period for period in periods if period not in empty]
        if not left:
            raise nothing_accepted(sources[0], log_files, shop.pii)
        others = [period for period in sources[0].periods if period not in (*periods, *empty)]
        return _replace(shop, files, left, others, scratch)
    add_refused_sales(sources[0], sources[2].accepted)
    refused = scratch.materialize(refused_rows(sources, shop.run_id))
    _write(shop, files, sources, refused)
    return sources, refused


def _check_snapshots(shop: Shop, sources: Sequence[Judged], files: Sequence[RawFile]) -> None:
    for judged, file in zip(sources, files, strict=True):
        if judged.counts.read and not judged.counts.accepted:
            raise nothing_accepted(judged, [file], shop.pii)


def _unchanged(shop: Shop, files: list[RawFile]) -> Ingested | None:
    """Return what an earlier ingest has read, if it was of the same files and its tables are unchanged."""
    notes = _receipt(shop, shop.period, files).notes_if_valid(
        shop.storage, {name: shop.files(name) for name in _BY_DAY}
    )
    if notes is None:
        return None
    for name, file in (("customers", files[-2]), ("products", files[-1])):
        receipt = Receipt(name, fingerprint([file]), shop.engine)
        if receipt.notes_if_valid(shop.storage, {name: shop.files(name)}) is None:
            return None
    # The rows without a day are those of the last ingest of any period.
    undated = [file for file in shop.tables.data_files("quarantine") if file.day is None]
    if (undated or notes["undated"]) and _undated(shop, files).notes_if_valid(
        shop.storage, {"quarantine": undated}
    ) is None:
        return None
    counts = [Counts(**count) for count in notes["counts"]]
    refused = shop.tables.read("quarantine").where(_of_period(shop.period))
    with suppress(TableError, PySparkException):  # data files may have been deleted by hand
        _check_sums(shop, counts, refused, [shop.period], counts[:1])
        shop.make_views()
        origin = made_by(notes["run_id"], reused=True)
        return _ingested(shop, files, counts, refused, origin, Misplaced(**notes["misplaced"]))
    return None


def _of_period(period: Period) -> SparkColumn:
    """Return the condition that a refused record is of a period, or has no day."""
    day = F.col("event_date")
    return day.isNull() | day.between(F.lit(period.first), F.lit(period.last))


def _write(shop: Shop, files: list[RawFile], sources: list[Judged], refused: DataFrame) -> None:
    """Replace the tables, count again, and leave receipts, by which a later ingest sees that nothing is to be done."""
    logs, customers, products = sources
    periods = logs.periods
    now = check_unchanged(shop.storage, files)
    # Of a file that was touched meanwhile nobody knows which content was read, so it gets no receipt.
    files = [old if old.version == new.version else replace(old, stamp="") for old, new in zip(files, now, strict=True)]
    _replace_snapshot(shop, "customers", files[-2], customers.accepted)
    _replace_snapshot(shop, "products", files[-1], products.accepted)
    days = all_days(periods)
    kept = shop.tables.replace_period("quarantine", refused, days, shop.run_id)
    # Last, as it says which days are ingested.
    accepted = shop.tables.replace_period("web_logs", logs.accepted, days, shop.run_id)
    snapshots = [customers.counts, products.counts]
    _check_sums(shop, [logs.counts, *snapshots], refused, periods, logs.per_period)
    undated = [file for file in kept if file.day is None]
    for period, counts in zip(periods, logs.per_period, strict=True):
        files_by_table = zip(_BY_DAY, (accepted, kept), strict=True)
        made = {name: [file for file in written if file.day in period] for name, written in files_by_table}
        counted = [asdict(count) for count in (counts, *snapshots)]
        notes = {"run_id": shop.run_id, "counts": counted, "undated": len(undated), "misplaced": asdict(logs.misplaced)}
        _receipt(shop, period, files).write(shop.storage, made, notes)
    _undated(shop, files).write(shop.storage, {"quarantine": undated}, {})


def _replace_snapshot(shop: Shop, name: str, file: RawFile, frame: DataFrame) -> None:
    """Replace a table that has no days, unless it was made from the same file: what was made from it stays as it is."""
    receipt = Receipt(name, fingerprint([file]), shop.engine)
    if shop.refresh or receipt.notes_if_valid(shop.storage, {name: shop.files(name)}) is None:
        made = shop.tables.replace_all(name, frame, shop.run_id)
        receipt.write(shop.storage, {name: made}, {})


def _keep(shop: Shop, files: list[RawFile]) -> None:
    """Keep for the next steps of a run what was read and which tables came of it."""
    periods = {shop.period.with_days_around(shop.days_around): files}
    if any(file.day for file in files) and (before := shop.period.before()):  # with which the report compares
        earlier = log_files(shop.storage, before, shop.days_around)
        periods[before.with_days_around(shop.days_around)] = [*earlier, *files[-2:]]
    shop.state.raw_files.update({str(period): raw_files_digest(found) for period, found in periods.items()})
    shop.keep_state(made=_TABLES)


def _receipt(shop: Shop, period: Period, files: list[RawFile]) -> Receipt:
    return Receipt(f"ingest-{period.first}_{period.last}", fingerprint(files), shop.engine)


def _undated(shop: Shop, files: list[RawFile]) -> Receipt:
    return Receipt("undated", fingerprint(files), shop.engine)


def _check_sums(
    shop: Shop, counts: list[Counts], refused: DataFrame, periods: Sequence[Period], per_period: Sequence[Counts]
) -> None:
    """Count again, in what was put aside and in the tables: nothing may be lost or doubled on the way."""
    for one in (*counts, *per_period):
        if not one.add_up:
            raise TableError(f"The records of {one.source} do not add up: {one}. Please report this.")
    quarantined = sum(one.quarantined for one in counts)
    if (rows := refused.count()) != quarantined:
        raise TableError(f"{quarantined:,} records were refused, but {rows:,} kept for quarantine. Please report this.")
    for one in counts[1:]:
        _compare(one.source, shop.table(one.source).count(), one.accepted)
    # Rows without a day belong to no period: a run of another one may have replaced them at this moment.
    dated = rows_per_period(refused.where("event_date IS NOT NULL"), periods)
    for name, expected in (("web_logs", [one.accepted for one in per_period]), ("quarantine", dated)):
        table = shop.tables.read(name, shop.spanning(periods).period, all_days(periods))
        table = table.where("event_date IS NOT NULL")
        for found, count in zip(rows_per_period(table, periods), expected, strict=True):
            _compare(name, found, count)


def _compare(table: str, found: int, count: int) -> None:
    if found != count:
        raise TableError(
            f"The table {table} holds {found:,} records of the period, but {count:,} were written. "
            "If another run wrote the same period at this moment, run again; else report this."
        )


def _days_in_files(shop: Shop) -> Figures:
    """Say which days the files with web logs have."""
    days = days_in_files(shop.storage)
    ends = (str(days.first), str(days.last)) if days else (None, None)
    return Figures("days_in_files", {"first_day": ends[0], "last_day": ends[1]}, "Days of the web logs")


def _ingested(
    shop: Shop,
    files: list[RawFile],
    counts: list[Counts],
    refused: DataFrame,
    origin: Mapping[str, Value],
    misplaced: Misplaced,
) -> Ingested:
    logs = counts[0]
    minded = [warning for one in counts for warning in _warnings(one)]
    minded += warnings.other_folders(misplaced.logs, misplaced.farthest, shop.days_around)
    parts = ("read", "accepted", "duplicates", "quarantined", "outside_period")
    by_source = [[c.source, *(getattr(c, part) for part in parts)] for c in counts]
    reasons = [[c.source, str(reason), n] for c in counts for reason, n in sorted(c.reasons.items())]
    return Ingested(
        _raw_files(files),
        _days_in_files(shop),
        Figures("ingest_made_by", dict(origin), "Tables"),
        Figures("records", {part: getattr(logs, part) for part in parts}, "Web logs"),
        Table.of("records_by_source", _columns("source", *(f"{p}:integer" for p in parts)), by_source, "Records"),
        Table.of(
            "quarantine_reasons", _columns("source", "reason", "count:integer"), reasons, "Quarantined, by reason"
        ),
        Table.of("quarantine_examples", _columns("source", "reason", "raw"), _examples(refused, shop.pii), "Examples"),
        warnings.table_of(minded),
    )


def _warnings(counts: Counts) -> Iterable[RunWarning]:
    """Return what to mind of one raw file."""
    source, reasons = counts.source, counts.reasons
    yield from warnings.refused(source, counts.judged, reasons, Decimal(counts.refused_sales))
    yield from warnings.conflicting_ids(source, sum(reasons.get(reason, 0) for reason in CONFLICTS))
    yield from warnings.unnamed_purchases(counts.unnamed_purchases)
    yield from warnings.no_records(source, counts.read)
    yield from warnings.prices_rounded(counts.rounded_prices, counts.rounded_price)
    yield from warnings.unused_amounts(counts.unused_amounts)


def _examples(refused: DataFrame, pii: Pii) -> list[list[str]]:
    """Return a few refused records of each reason, as they came, but with personal data hidden unless asked for."""
    from pyspark.sql import Window

    rank = F.row_number().over(Window.partitionBy("source", "reason").orderBy("raw"))
    short = F.substring("raw", 1, 4 * EXAMPLE_CHARS).alias("raw")
    rows = refused.select("source", "reason", short).withColumn("rank", rank).where(F.col("rank") <= _EXAMPLES)
    found = rows.orderBy("source", "reason", "rank").collect()
    texts = [row.raw if pii == "show" else mask_record(row.source, row.raw) for row in found]
    return [[row.source, row.reason, text[:EXAMPLE_CHARS]] for row, text in zip(found, texts, strict=True)]


def _raw_files(files: list[RawFile]) -> Table:
    """Show what was read, with the ETag of each file where the storage has such."""
    columns = _columns("file", "bytes:integer", "modified", "etag")
    rows = [[file.name, file.size, f"{file.modified:%Y-%m-%d %H:%M:%S} UTC", file.etag] for file in files]
    shown = len(columns) if any(file.etag for file in files) else len(columns) - 1
    return Table.of("raw_files", columns[:shown], [row[:shown] for row in rows], "Raw files")


def _columns(*names: str) -> list[Column]:
    return [Column(*name.split(":")) for name in names]  # type: ignore[arg-type]
