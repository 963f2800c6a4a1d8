"""The step join: one wide table with each web log, its customer, its product and what it sold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from techco import ingest
from techco.contract import FULL_DATA, PARTITION, PRODUCT_SALES, TABLES
from techco.display.columns import Value
from techco.display.shown import Figures
from techco.display.wording import span
from techco.errors import NotIngested, RawFileError, StorageError, TableError
from techco.period import stretches
from techco.shop import Shop
from techco.tables.days import all_days, between, count_per_day, rows_per_period
from techco.tables.receipts import Receipt, made_by
from techco.tables.state import State
from techco.tables.tables import COMMIT_ATTEMPTS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from techco.period import Period

_SOURCES = ("web_logs", "customers", "products")
_MADE = ("full_data", "product_sales")


def full_data(web_logs: DataFrame, customers: DataFrame, products: DataFrame) -> DataFrame:
    """Join each web log with its customer and product.

    Parameters
    ----------
    web_logs, customers, products
        As in the tables; the keys of the latter two are unique.

    Returns
    -------
    DataFrame
        Each log exactly once, unsorted: the columns of web_logs, those of customers and products (null where unknown),
        and `sales` decimal(22,2), price times quantity of a purchase of a known product, else null.
    """
    joined = web_logs.join(customers, "customer_id", "left").join(products, "product_id", "left")
    sales = F.when(F.col("action") == "purchase", F.col("price") * F.col("quantity")).cast("decimal(22,2)")
    return joined.withColumn("sales", sales).select(FULL_DATA.schema.names)


def product_sales(full_data: DataFrame) -> DataFrame:
    """Sum the sales of each product per day.

    Parameters
    ----------
    full_data
        One row per log: `event_date` date, `product_id` long, `quantity` int, `sales` decimal(22,2), null unless the
        log is a purchase of a known product.

    Returns
    -------
    DataFrame
        One row per day and known product with a purchase, unsorted: `event_date`, `product_id`, `quantity` long,
        `sales` decimal(32,2), `purchases` long. Additive over days.
    """
    sold = full_data.where(F.col("sales").isNotNull()).groupBy("event_date", "product_id")
    sums = sold.agg(
        F.sum(F.col("quantity").cast("long")).alias("quantity"),
        F.sum("sales").cast("decimal(32,2)").alias("sales"),
        F.count("*").alias("purchases"),
    )
    return sums.select(PRODUCT_SALES.schema.names)


def join(shop: Shop) -> Figures:
    """Replace the period in full_data and product_sales, from what is in the storage, unless it was made of just that.

    By hand, a period of which a day is missing is ingested first. In a run that has ingested, it is made from what that
    has left, even if another run has ingested the period since. For other readers it is then made a second time, from
    the newest.

    Raises
    ------
    NotIngested
        When web_logs, customers or products are not there yet, or web_logs lacks a day of the period, in a run that
        does not ingest, or by hand if the storage cannot be written.
    TableError
        When one of their data files is damaged, or the result has not each log exactly once.
    """
    shop = shop.begin_step()
    prepare(shop)
    shop.check_files(*_SOURCES)
    if before := _days_to_compare(shop, [shop.period]):
        shop.table("web_logs")  # what is missing of the period itself comes first
    every = [shop.period, *before]
    receipts = _receipts(shop, every)
    joined = None if shop.refresh else _unchanged(shop, receipts[0])
    if joined and before:
        _replace(shop, before, receipts[1:])
        joined = _unchanged(shop, receipts[0])  # another run may have written the period meanwhile
    if joined is None:
        logs, *_ = _replace(shop, every, receipts)
        shop.make_views()
        joined = _joined(shop, logs, made_by(shop.run_id, reused=False))
        _catch_up(shop, every, receipts)
    shop.keep_state(read=(*_SOURCES, "quarantine"), made=_MADE)  # of which analysis tells what was refused
    return joined


def join_each(shop: Shop, periods: Sequence[Period]) -> None:
    """Replace several periods in full_data and product_sales, each as its own `join` would, which finds nothing to do.

    A period of which a day is not ingested is left as it is, for its own `join` to refuse.

    Parameters
    ----------
    shop
        Opened for a period that has all of them.
    periods
        They do not overlap. Days between them stay as they are.

    Raises
    ------
    TableError
        As `join`.
    """
    shop = shop.begin_step()
    missing = set(shop.tables.missing_days("web_logs", all_days(periods)))
    periods = [one for one in periods if missing.isdisjoint(one)]
    if every := [*periods, *_days_to_compare(shop, periods)]:
        receipts = _receipts(shop, every)
        _replace(shop, every, receipts)
        _catch_up(shop, every, receipts)


def _catch_up(shop: Shop, periods: Sequence[Period], joined: Sequence[Receipt]) -> None:
    """Join again, for other readers, if others have ingested since: full_data must not stay older than web_logs."""
    for _ in range(COMMIT_ATTEMPTS):
        now = replace(shop, state=State())
        newest = _receipts(now, periods)
        if newest == joined:
            return
        _replace(now, periods, newest)
        joined = newest


def _days_to_compare(shop: Shop, periods: Sequence[Period]) -> list[Period]:
    """Return the days before the periods that are to be joined as well: those that are ingested, but not joined."""
    left = [day for one in shop.days_to_compare("full_data", periods) for day in one]
    return stretches(set(left).difference(shop.tables.missing_days("web_logs", left))) if left else []


def _unchanged(shop: Shop, receipt: Receipt) -> Figures | None:
    """Return what an earlier join has made, if it was of the same data files and its own are as it left them."""
    notes = receipt.notes_if_valid(shop.storage, {name: shop.files(name) for name in _MADE})
    if notes is not None:
        shop.make_views()
        with suppress(TableError, PySparkException):  # data files may have been deleted by hand
            return _joined(shop, shop.web_logs.count(), made_by(notes["run_id"], reused=True))
    return None


def _replace(shop: Shop, periods: Sequence[Period], receipts: Sequence[Receipt]) -> list[int]:
    """Join what the receipts name, replace the periods in full_data and product_sales; returns the logs of each."""
    days, logs = all_days(periods), _rows(shop, "web_logs", periods)
    logs_per_day = count_per_day(logs)
    joined = full_data(logs, shop.customers, shop.products)
    made = shop.tables.replace_period("full_data", joined, days, shop.run_id, logs_per_day)
    sales = product_sales(_rows(shop, "full_data", periods))
    sums = shop.tables.replace_period("product_sales", sales, days, shop.run_id)
    expected = [sum(count for day, count in logs_per_day.items() if day in period) for period in periods]
    for found, count in zip(rows_per_period(_rows(shop, "full_data", periods), periods), expected, strict=True):
        _compare(found, count)
    for period, receipt in zip(periods, receipts, strict=True):
        written = {"full_data": made, "product_sales": sums}
        files = {name: [file for file in found if file.day in period] for name, found in written.items()}
        receipt.write(shop.storage, files, {"run_id": shop.run_id})
    return expected


def _rows(shop: Shop, name: str, periods: Sequence[Period]) -> DataFrame:
    """Read the rows of a table on the days of the periods."""
    if list(periods) == [shop.period]:
        return shop.table(name)
    rows = shop.tables.read(name, shop.spanning(periods).period, all_days(periods))
    if len(stretches(days := [day for one in periods for day in one])) == 1:
        return rows.where(between(min(days), max(days)))
    frame = shop.spark.createDataFrame([(day,) for day in days], f"{PARTITION} date")
    return rows.join(F.broadcast(frame), PARTITION, "left_semi")


def _receipts(shop: Shop, periods: Sequence[Period]) -> list[Receipt]:
    """Name, for each period, the data files that its join is made from."""
    files = {name: shop.tables.data_files(name) for name in _SOURCES}

    def sources(period: Period) -> dict[str, list[str]]:
        return {
            name: sorted(file.path for file in found if not TABLES[name].by_day or file.day in period)
            for name, found in files.items()
        }

    return [Receipt(f"join-{one.first}_{one.last}", sources(one), shop.engine) for one in periods]


def is_up_to_date(shop: Shop) -> bool:
    """Return whether full_data and product_sales are what a join of the tables as they are read would make."""
    made = {name: shop.files(name) for name in _MADE}
    return _receipts(shop, [shop.period])[0].notes_if_valid(shop.storage, made) is not None


def prepare(shop: Shop) -> bool:
    """Ingest the period if a day of it is missing and no run was asked for other steps; return whether that was done.

    So the notebooks run in any order by hand.
    """
    missing = shop.tables.missing_days("web_logs", shop.period) if shop.brings_what_is_missing else []
    if not missing:
        return False
    try:
        ingest.ingest(shop)
    except RawFileError:
        raise
    except StorageError as error:  # it may only be read: then the user must also know why it was to be written
        raise NotIngested(f"{error} {shop.describe_missing('web_logs', missing)}", missing) from error
    days = span(shop.period.first, shop.period.last)
    print(f"The tables lacked days of {days}, so its raw files were ingested now.")  # noqa: T201 - the notebook shows it
    return True


def _joined(shop: Shop, expected: int, origin: Mapping[str, Value]) -> Figures:
    from decimal import Decimal

    row = shop.full_data.agg(F.count("*"), F.count_if(F.col("action") == "purchase"), F.sum("sales")).collect()[0]
    _compare(row[0], expected)
    total = row[2] if row[2] is not None else Decimal("0.00")
    values = {"logs": row[0], "purchases": row[1], "total_sales": f"{total:f}"}
    return Figures("joined", {**values, **origin}, "Joined")


def _compare(found: int, expected: int) -> None:
    if found != expected:
        raise TableError(
            f"full_data holds {found:,} logs of the period and web_logs {expected:,}. If another run wrote the same "
            "period at this moment, run again; else report this."
        )
