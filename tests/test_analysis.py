"""The six questions are answered exactly, the same on every engine."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from techco import analysis
from techco.contract import CUSTOMERS, FULL_DATA
from techco.ingest import ingest
from techco.join import join
from techco.period import Period
from techco.shop import Shop
from techco.storage import Storage
from tests.shops import log, write_shop

# day, customer, product, action, quantity, name, category, price, sales
LOGS: list[tuple[int, int | None, int | None, str, int | None, str | None, str | None, str | None, str | None]] = [
    (1, 1, 1, "purchase", 2, "Lamp", "Home", "10.10", "20.20"),
    (1, 1, 1, "view", None, "Lamp", "Home", "10.10", None),
    (1, 2, 2, "purchase", 1, "Book", None, "20.20", "20.20"),
    (2, None, 1, "purchase", 1, "Lamp", "Home", "10.10", "10.10"),
    (2, 3, 9, "purchase", 1, None, None, None, None),
    (3, 2, 1, "view", None, "Lamp", "Home", "10.10", None),
    (3, 3, None, "view", None, None, None, None, None),
]
TOTAL = Decimal("50.50")


def full_data(spark: SparkSession, logs: list[tuple[object, ...]] | None = None) -> DataFrame:
    rows = []
    for n, (day, customer, product, action, quantity, name, category, price, sales) in enumerate(
        LOGS if logs is None else logs
    ):
        time = datetime(2023, 8, int(str(day)), 10)
        money = [Decimal(str(value)) if value else None for value in (price, sales)]
        person = (None, None, None, None)
        rows.append((n, time, time.date(), customer, product, action, quantity, *person, name, category, *money))
    return spark.createDataFrame(rows, FULL_DATA.schema)


def rows(frame: DataFrame) -> list[tuple[object, ...]]:
    return [tuple(str(v) if isinstance(v, Decimal | date) else v for v in row) for row in frame.collect()]


def test_actions_are_counted(spark: SparkSession) -> None:
    assert rows(analysis.action_frequency(full_data(spark))) == [("purchase", 4), ("view", 3)]


def test_customers_are_counted_once_and_anonymous_ones_not(spark: SparkSession) -> None:
    assert rows(analysis.unique_customers(full_data(spark))) == [("all", 3), ("purchase", 3), ("view", 3)]


def test_sales_by_category(spark: SparkSession) -> None:
    assert rows(analysis.sales_by_category(full_data(spark))) == [("Home", "30.30"), (None, "20.20")]


def test_sales_by_day_include_days_without_sales(spark: SparkSession) -> None:
    expected = [("2023-08-01", "40.40"), ("2023-08-02", "10.10"), ("2023-08-03", "0.00")]
    assert rows(analysis.sales_by_day(full_data(spark))) == expected


def test_sales_by_product(spark: SparkSession) -> None:
    expected = [(1, "Lamp", "Home", 3, "30.30"), (2, "Book", None, 1, "20.20")]
    assert rows(analysis.sales_by_product(full_data(spark))) == expected


def test_spend_by_customer_breaks_ties_by_id_and_keeps_anonymous_purchases(spark: SparkSession) -> None:
    expected = [(1, 1, 2, "20.20"), (2, 1, 1, "20.20"), (None, 1, 1, "10.10")]
    assert rows(analysis.spend_by_customer(full_data(spark))) == expected


@pytest.mark.parametrize("by", ["category", "day", "product"])
def test_every_breakdown_sums_to_the_total(spark: SparkSession, by: str) -> None:
    frame = full_data(spark)
    sums = getattr(analysis, f"sales_by_{by}")(frame).collect()
    spend = analysis.spend_by_customer(frame).collect()
    assert sum(row.sales for row in sums) == sum(row.sales for row in spend) == TOTAL
    assert analysis.totals(frame).collect()[0].total_sales == TOTAL


def test_totals(spark: SparkSession) -> None:
    row = analysis.totals(full_data(spark)).collect()[0].asDict()
    assert {**row, "total_sales": str(row["total_sales"])} == {
        "logs": 7, "purchases": 4, "sold": 3, "buyers": 3, "unique_customers": 3,
        "logs_unknown_product": 1, "purchases_unknown_product": 1, "total_sales": "50.50",
    }  # fmt: skip


def test_conversion_counts_viewers_that_bought(spark: SparkSession) -> None:
    assert rows(analysis.conversion(full_data(spark))) == [(3, 3)]
    views_only = [log for log in LOGS if log[3] == "view" or log[1] == 1]
    assert rows(analysis.conversion(full_data(spark, list(views_only)))) == [(3, 1)]


def test_unknown_customers_are_those_not_in_the_file(spark: SparkSession) -> None:
    customers = spark.createDataFrame([(1, None, None, None, None), (2, "B", None, None, None)], CUSTOMERS.schema)
    found = analysis.unknown_customers(full_data(spark), customers)
    assert [row.customer_id for row in found.collect()] == [3, 3]


def test_nothing_is_no_error(spark: SparkSession) -> None:
    nothing = full_data(spark, [])
    assert rows(analysis.unique_customers(nothing)) == [("all", 0)]
    assert analysis.totals(nothing).collect()[0].total_sales == Decimal("0.00")
    for name in ("action_frequency", "sales_by_category", "sales_by_day", "sales_by_product", "spend_by_customer"):
        assert rows(getattr(analysis, name)(nothing)) == []


@pytest.fixture
def shop(sail: SparkSession, storage: Storage) -> Shop:
    return Shop(storage, Period.parse("2023-08-01..2023-08-03"), sail, "run-1")


def test_a_summary_names_what_the_reader_should_know(shop: Shop) -> None:
    logs = [
        log(1),
        log(2, action="purchase", quantity=3),
        log(3, day="2023-08-03", action="purchase", product_id="PROD000", customer_id="CUST9"),
    ]
    write_shop(shop.storage, logs)
    ingest(shop)
    join(shop)
    summary = analysis.summarize(shop)
    assert (summary.total_sales, summary.buyers) == (Decimal("30.30"), 1)
    assert summary.key_figures.values == {
        "total_sales": "30.30", "purchases": 2, "average_order": "30.30", "unique_customers": 2, "logs": 3,
        "conversion": "100.0",
    }  # fmt: skip
    assert summary.data_quality.values == {
        "logs_unknown_product": 1, "purchases_unknown_product": 1, "logs_unknown_customer": 1, "days_without_data": 1,
    }  # fmt: skip
    assert summary.days_without_data.rows == [["2023-08-02"]]


def test_a_summary_of_nothing_divides_by_nothing(shop: Shop) -> None:
    write_shop(shop.storage, [])
    ingest(shop)
    join(shop)
    summary = analysis.summarize(shop)
    assert summary.key_figures.values == {
        "total_sales": "0.00", "purchases": 0, "average_order": None, "unique_customers": 0, "logs": 0,
        "conversion": None,
    }  # fmt: skip
    assert summary.data_quality.values["days_without_data"] == 3
