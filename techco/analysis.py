"""The step analysis: the six questions, each a small DataFrame from full_data. Transforms only, except the last two.

`full_data` is one row per web log, as `techco.join.full_data` returns it. Money stays decimal, so that every engine
gives the same cents, and every sum by category, product, day or customer is the same total.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import reduce
from math import ceil
from operator import and_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from techco import join
from techco.display import warnings
from techco.display.columns import Column, ColumnKind, Value
from techco.display.shown import Figures, Table
from techco.display.warnings import RunWarning
from techco.display.wording import date_ranges, span
from techco.errors import NotIngested, TableError
from techco.raw.days_in_files import days_in_files, have_no_day
from techco.shop import Shop

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, Row

MOST_ROWS = 1000
_SOURCES = ("full_data", "customers")
_SOURCES_OF_REFUSED = ("web_logs", "products", "quarantine")
_MOST_TREND_POINTS = 62
_TREND_COLUMNS: dict[str, ColumnKind] = {
    "first_day": "date",
    "total_sales": "money",
    "purchases": "integer",
    "average_purchase_line": "money",
    "unique_customers": "integer",
    "conversion": "percent",
}


def action_frequency(full_data: DataFrame) -> DataFrame:
    """Count the actions: `action` string, `count` long; most frequent first."""
    return full_data.groupBy("action").count().orderBy(F.desc("count"), "action")


def actions_by_day(full_data: DataFrame) -> DataFrame:
    """Count the actions of each day: `event_date` date, `action` string, `count` long; unsorted."""
    return full_data.groupBy("event_date", "action").count()


def unique_customers(full_data: DataFrame) -> DataFrame:
    """Count the different customers of each action: `action` string, `unique_customers` long.

    A first row `all` counts them over all actions, then the largest first. Anonymous visitors do not count; a customer
    that is not in the customer file does.
    """
    customers = F.count_distinct("customer_id").alias("unique_customers")
    by_action = full_data.groupBy("action").agg(customers, F.lit(1).alias("position"))
    everyone = full_data.agg(customers).select(
        F.lit("all").alias("action"), "unique_customers", F.lit(0).alias("position")
    )
    ordered = everyone.unionByName(by_action).orderBy("position", F.desc("unique_customers"), "action")
    return ordered.select("action", "unique_customers")


def sales_by_category(full_data: DataFrame) -> DataFrame:
    """Sum the sales of each category with a purchase: `category` string or null, `sales` decimal; highest first."""
    return _logs_with_sales(full_data).groupBy("category").agg(_sales()).orderBy(F.desc("sales"), "category")


def sales_by_day(full_data: DataFrame) -> DataFrame:
    """Sum the sales of each day with logs: `event_date` date, `sales` decimal, 0.00 where nothing was sold; by day."""
    return full_data.groupBy("event_date").agg(_sales()).orderBy("event_date")


def sales_by_product(full_data: DataFrame) -> DataFrame:
    """Sum the sales of each product with a purchase, highest first, at most 1001.

    The last of so many is not shown: it only tells that there are more than 1000.

    Returns
    -------
    DataFrame
        `product_id` long, `product_name`, `category` string (the last in the alphabet if joins of the period knew
        several), `quantity` long, `sales` decimal.
    """
    names = (F.max("product_name").alias("product_name"), F.max("category").alias("category"))
    products = _logs_with_sales(full_data).groupBy("product_id").agg(*names, _quantity(), _sales())
    return products.orderBy(F.desc("sales"), "product_id").limit(MOST_ROWS + 1)


def spend_by_customer(full_data: DataFrame) -> DataFrame:
    """Sum what each customer has spent, highest first, at most 1000.

    Only purchases of known products count. Anonymous purchases are one row without a customer_id, which is among them
    however little was spent.

    Returns
    -------
    DataFrame
        `customer_id` long, `first_name`, `last_name` string (null for a customer that is not in the customer file; the
        last in the alphabet if joins of the period knew several), `purchases` long, `quantity` long, `sales` decimal.
    """
    customers = _logs_with_sales(full_data).groupBy("customer_id")
    names = (F.max("first_name").alias("first_name"), F.max("last_name").alias("last_name"))
    spend = customers.agg(*names, F.count("*").alias("purchases"), _quantity(), _sales())
    number = F.col("customer_id")
    highest = spend.orderBy(number.isNull().desc(), F.desc("sales"), number).limit(MOST_ROWS)
    return highest.orderBy(F.desc("sales"), number.asc_nulls_last())


def totals(full_data: DataFrame) -> DataFrame:
    """Compute one row with the numbers behind the key figures.

    Returns
    -------
    DataFrame
        `logs`, `purchases` (of unknown products too), `sold` (of known ones), `buyers` (customers with a purchase of a
        known product, anonymous ones as one), `unique_customers`, `purchasers` (those of them with a purchase),
        `logs_unknown_product`, `purchases_unknown_product` long; `total_sales` and `largest_sale` decimal, 0.00 without
        purchases.
    """
    is_purchase = F.col("action") == "purchase"
    is_unknown = F.col("product_id").isNotNull() & F.col("price").isNull()
    buyer = F.when(F.col("sales").isNotNull(), F.coalesce("customer_id", F.lit(-1)))
    return full_data.agg(
        F.count("*").alias("logs"),
        F.count_if(is_purchase).alias("purchases"),
        F.count("sales").alias("sold"),
        F.count_distinct(buyer).alias("buyers"),
        F.count_distinct("customer_id").alias("unique_customers"),
        F.count_distinct(F.when(is_purchase, F.col("customer_id"))).alias("purchasers"),
        F.count_if(is_unknown).alias("logs_unknown_product"),
        F.count_if(is_unknown & is_purchase).alias("purchases_unknown_product"),
        F.coalesce(F.sum("sales"), F.lit(Decimal("0.00"))).alias("total_sales"),
        F.coalesce(F.max("sales"), F.lit(Decimal("0.00"))).alias("largest_sale"),
    )


def figures_over_time(full_data: DataFrame, first: date, days: int) -> DataFrame:
    """Compute the numbers behind the key figures for each interval of days with logs, in order.

    Parameters
    ----------
    full_data
        Of one period.
    first
        The first day of the period, where the first interval begins.
    days
        How many days an interval has.

    Returns
    -------
    DataFrame
        `interval` int from 0; `total_sales` decimal, 0.00 without purchases; `purchases`, `sold` (purchases of known
        products), `unique_customers` and `purchasers` (those of them with a purchase) long.
    """
    interval = F.floor(F.datediff("event_date", F.lit(first)) / days).cast("int").alias("interval")
    by_customer = full_data.groupBy(interval, "customer_id").agg(
        F.sum("sales").alias("sales"),
        F.count("sales").alias("sold"),
        F.count_if(F.col("action") == "purchase").alias("bought"),
    )
    figures = by_customer.groupBy("interval").agg(
        F.coalesce(F.sum("sales"), F.lit(Decimal("0.00"))).cast("decimal(32,2)").alias("total_sales"),
        F.sum("bought").alias("purchases"),
        F.sum("sold").alias("sold"),
        F.count("customer_id").alias("unique_customers"),
        F.count_if(F.col("customer_id").isNotNull() & (F.col("bought") > 0)).alias("purchasers"),
    )
    return figures.orderBy("interval")


def unknown_customers(full_data: DataFrame, customers: DataFrame) -> DataFrame:
    """Count the logs of each customer that is not in the customer file: `customer_id` long, `count` long; unsorted.

    Anonymous logs are not among them. What counts is who was known to the join, as `full_data` says: `customers`, which
    may have been replaced since, only tells of customers without names, e-mail and phone that they are in the file.
    """
    is_nameless = reduce(and_, (F.col(name).isNull() for name in ("first_name", "last_name", "email", "phone")))
    # Counted before the join, a customer with half of all logs is one row in it.
    logs = full_data.where(F.col("customer_id").isNotNull() & is_nameless).groupBy("customer_id").count()
    return logs.join(customers.where(is_nameless), "customer_id", "left_anti")


@dataclass(frozen=True)
class Summary:
    """The figures of a period that are not an answer to one of the six questions.

    `total_sales` is exact to the cent; `buyers` counts the customers that bought a known product; `before` holds the
    key figures of the period of the same length before, if all of it is ingested and has logs; `over_time` those of
    each interval of the period, null where there is no log of it.
    """

    total_sales: Decimal
    buyers: int
    key_figures: Figures
    before: Figures
    over_time: Table
    data_quality: Figures
    days_without_data: Table
    warnings: Table


def summarize(shop: Shop) -> Summary:
    """Compute the key figures, those of the period before, and what the reader should know about the data.

    Raises
    ------
    NotIngested
        When full_data is not there yet, or lacks a day of the period.
    """
    shop = shop.at_one_state()
    logs = shop.full_data
    row = totals(logs).collect()[0]
    counts = [(one.event_date, one.action, one["count"]) for one in actions_by_day(logs).collect()]
    days = {day for day, _, _ in counts}
    missing = [day for day in shop.period if day not in days]
    data_quality = {
        "logs_unknown_product": row.logs_unknown_product,
        "purchases_unknown_product": row.purchases_unknown_product,
        "logs_unknown_customer": unknown_customers(logs, shop.customers).agg(F.sum("count")).collect()[0][0] or 0,
        "days_without_data": len(missing),
    }
    before = _figures_before(shop)
    return Summary(
        row.total_sales,
        row.buyers,
        Figures("key_figures", _key_figures(row), "Key figures", {"conversion": "%"}),
        before,
        _figures_over_time(shop),
        Figures("data_quality", data_quality, "Data quality"),
        Table.of("days_without_data", [Column("event_date", "date")], [[day] for day in missing], "Days without logs"),
        warnings.table_of([*_refused(shop), *_warnings(shop, row, counts, missing), *_before_incomplete(before)]),
    )


def _has_ingested(shop: Shop) -> bool:
    """Return whether this run, or the work by hand, has ingested the period."""
    return "web_logs" in shop.state.made


def _refused(shop: Shop) -> Iterable[RunWarning]:
    """Warn of what earlier runs have refused of each source; of what this run has refused, its ingest has warned."""
    if _has_ingested(shop):
        return
    reasons: dict[str, dict[str, int]] = {}
    with suppress(NotIngested):  # tables of other programs may have no quarantine
        for row in shop.quarantine.groupBy("source", "reason").count().orderBy("source", "reason").collect():
            reasons.setdefault(row.source, {})[row.reason] = row["count"]
    for source, counts in reasons.items():
        judged = shop.table(source).count() + sum(counts.values())
        yield from warnings.refused(source, judged, counts, are_shown=False)


def _warnings(
    shop: Shop, row: Row, counts: Sequence[tuple[date, str, int]], missing: Sequence[date]
) -> Iterable[RunWarning]:
    """Return what to mind of the figures; `row` is that of `totals`, `counts` the rows of `actions_by_day`."""
    per_day: Counter[date] = Counter()
    per_action: Counter[str] = Counter()
    for day, action, count in counts:
        per_day[day] += count
        per_action[action] += count
    in_files = days_in_files(shop.storage) if missing else None
    yield from warnings.days_without_logs(
        missing, shop.period.days, (in_files.first, in_files.last) if in_files else None
    )
    yield from warnings.actions(per_action)
    yield from warnings.unknown_products(row.purchases_unknown_product, row.purchases)
    yield from warnings.unusual_days(per_day)
    yield from warnings.large_purchase(row.largest_sale, row.total_sales, row.sold)


def _key_figures(row: Row) -> dict[str, Value]:
    return {
        "total_sales": f"{row.total_sales:.2f}",
        "purchases": row.purchases,
        "average_purchase_line": _ratio(row.total_sales, row.sold, "0.01"),
        "unique_customers": row.unique_customers,
        "logs": row.logs,
        "conversion": _ratio(100 * row.purchasers, row.unique_customers, "0.1"),
    }


def _figures_before(shop: Shop) -> Figures:
    """Compute the key figures of the period before; of one that is not wholly there, how many days it lacks and why."""
    period = shop.period.before()
    values: dict[str, Value] = {}
    if period:
        values = {"start_date": str(period.first), "end_date": str(period.last), "days": period.days}
        try:
            logs = shop.tables.read("full_data", period)
        except NotIngested as error:
            values |= _why_missing(replace(shop, period=period), error.days)
        else:
            row = totals(logs).collect()[0]
            values |= {"days_not_ingested": 0, "days_with_data": len(_days_with_logs(logs)) if row.logs else 0}
            values |= _key_figures(row) if row.logs else {}
    return Figures("key_figures_before", values, "The period before", {"conversion": "%"})


def _why_missing(shop: Shop, days: Sequence[date]) -> dict[str, Value]:
    """Tell days that the raw files have from those that they lack; only for the former a command brings them."""
    found = days_in_files(shop.storage)
    values: dict[str, Value] = {"days_not_ingested": len(days), "which_days": date_ranges(days)}
    if found and not any(day in found for day in days):
        return {**values, "first_day_in_files": str(found.first), "last_day_in_files": str(found.last)}
    if have_no_day(shop.storage):
        return values
    return {**values, "command": shlex.join(shop.command())}


def _before_incomplete(before: Figures) -> Iterable[RunWarning]:
    """Warn if days of the period before could be ingested, but are not."""
    match before.values:
        case {"command": str(command), "days_not_ingested": int(missing), "days": int(days), "start_date": start}:
            period = span(date.fromisoformat(str(start)), date.fromisoformat(str(before.values["end_date"])))
            yield from warnings.before_incomplete(period, missing, days, command)


def _figures_over_time(shop: Shop) -> Table:
    """Compute the key figures of each interval of the period; of days left over at its end there is none to compare."""
    period = shop.period
    days = days_per_point(period.days)
    by_interval = {row.interval: row for row in figures_over_time(shop.full_data, period.first, days).collect()}
    rows = [
        [period.first + timedelta(n * days), *_interval_figures(by_interval.get(n))] for n in range(period.days // days)
    ]
    title = f"Key figures of each {'day' if days == 1 else f'{days} days'}"
    return Table.of("key_figures_over_time", [Column(name, kind) for name, kind in _TREND_COLUMNS.items()], rows, title)


def _interval_figures(row: Row | None) -> list[object]:
    if row is None:
        return [None] * (len(_TREND_COLUMNS) - 1)
    average = _ratio(row.total_sales, row.sold, "0.01")
    conversion = _ratio(100 * row.purchasers, row.unique_customers, "0.1")
    return [row.total_sales, row.purchases, average, row.unique_customers, conversion]


def days_per_point(days: int) -> int:
    """Return how many days a point of a line stands for, so that it has at most 62: one, or whole weeks."""
    return 1 if days <= _MOST_TREND_POINTS else 7 * ceil(days / (7 * _MOST_TREND_POINTS))


def _days_with_logs(logs: DataFrame) -> set[date]:
    return {day for (day,) in logs.select("event_date").distinct().collect()}


def period_logs(shop: Shop) -> DataFrame:
    """Return the rows of full_data of the period; by hand, do the steps before for a period of which a day is missing.

    Raises
    ------
    NotIngested
        When full_data lacks a day of the period, in a run, or by hand if the storage cannot be written.
    TableError
        When full_data is damaged, or was not made from what this run has ingested.
    """
    shop = shop.begin_step()
    if join.prepare(shop) or (shop.brings_what_is_missing and shop.tables.missing_days("full_data", shop.period)):
        join.join(shop)
    if _has_ingested(shop) and "full_data" not in shop.state.made and not join.is_up_to_date(shop):
        raise TableError(
            f"full_data of {shop.period} was not made from what this run has ingested. Run all steps: "
            f"{shlex.join(shop.command())}"
        )
    shop.check_files(*_SOURCES)
    logs = shop.full_data
    shop.state.missing_before = len(shop.tables.missing_days("full_data", shop.period.before() or ()))
    shop.keep_state(read=_SOURCES if _has_ingested(shop) else (*_SOURCES, *_SOURCES_OF_REFUSED))
    return logs


def _ratio(part: Decimal | int, whole: int, step: str) -> str | None:
    """Divide, and return text rounded half up; None if there is nothing to divide by."""
    return str((Decimal(part) / whole).quantize(Decimal(step), ROUND_HALF_UP)) if whole else None


def _logs_with_sales(full_data: DataFrame) -> DataFrame:
    return full_data.where(F.col("sales").isNotNull())


def _sales() -> SparkColumn:
    return F.coalesce(F.sum("sales"), F.lit(Decimal("0.00"))).cast("decimal(32,2)").alias("sales")


def _quantity() -> SparkColumn:
    return F.sum(F.col("quantity").cast("long")).alias("quantity")
