"""The six questions are answered exactly, the same on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from techco import analysis, findings
from techco.contract import CUSTOMERS, FULL_DATA
from techco.errors import NotIngested
from techco.period import Period
from techco.shop import Shop
from techco.storage.folder import Folder
from techco.tables.state import FILE, State
from tests.support.shops import log, write_shop

MakeTables = Callable[[Shop], None]

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
        person = (f"A{customer}", f"B{customer}", None, None) if customer else (None,) * 4
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
    expected = [(1, "A1", "B1", 1, 2, "20.20"), (2, "A2", "B2", 1, 1, "20.20"), (None, None, None, 1, 1, "10.10")]
    assert rows(analysis.spend_by_customer(full_data(spark))) == expected


def test_a_customer_with_two_names_is_one_customer(spark: SparkSession) -> None:
    frame = full_data(spark, sold((1, 1, "A", "1"), (1, 2, "A", "2")))
    renamed = frame.withColumn("first_name", F.when(F.col("product_id") == 2, "Zoe").otherwise("Ann"))
    assert rows(analysis.spend_by_customer(renamed)) == [(1, "Zoe", "B1", 2, 2, "3.00")]


@pytest.mark.parametrize("by", ["category", "day", "product"])
def test_every_breakdown_sums_to_the_total(spark: SparkSession, by: str) -> None:
    frame = full_data(spark)
    sums = getattr(analysis, f"sales_by_{by}")(frame).collect()
    spend = analysis.spend_by_customer(frame).collect()
    assert sum(row.sales for row in sums) == sum(row.sales for row in spend) == TOTAL
    assert analysis.totals(frame).collect()[0].total_sales == TOTAL


def test_totals(spark: SparkSession) -> None:
    row = analysis.totals(full_data(spark)).collect()[0].asDict()
    assert {name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()} == {
        "logs": 7, "purchases": 4, "sold": 3, "buyers": 3, "unique_customers": 3, "purchasers": 3,
        "logs_unknown_product": 1, "purchases_unknown_product": 1, "total_sales": "50.50", "largest_sale": "20.20",
    }  # fmt: skip


def test_logs_and_purchases_of_unknown_products_are_counted_apart(spark: SparkSession) -> None:
    logs = [(1, 1, product, action, 1, None, None, None, None) for product in (9, None) for action in ("view", "wish")]
    row = analysis.totals(full_data(spark, [*logs, (1, 1, 9, "purchase", 1, None, None, None, None)])).collect()[0]
    assert (row.logs_unknown_product, row.purchases_unknown_product, row.purchases) == (3, 1, 1)


def test_figures_over_time_are_those_of_each_stretch(spark: SparkSession) -> None:
    first = date(2023, 7, 31)
    assert rows(analysis.figures_over_time(full_data(spark), first, 1)) == [
        (1, "40.40", 2, 2, 2, 2), (2, "10.10", 2, 1, 1, 1), (3, "0.00", 0, 0, 2, 0),
    ]  # fmt: skip
    assert rows(analysis.figures_over_time(full_data(spark), first, 3)) == [
        (0, "50.50", 4, 3, 3, 3), (1, "0.00", 0, 0, 2, 0),
    ]  # fmt: skip
    assert rows(analysis.figures_over_time(full_data(spark, []), first, 1)) == []


@pytest.mark.parametrize(("days", "each"), [(1, 1), (62, 1), (63, 7), (365, 7), (434, 7), (435, 14), (3653, 63)])
def test_a_line_has_at_most_62_points_of_whole_weeks(days: int, each: int) -> None:
    assert analysis.days_per_point(days) == each
    assert days // each <= 62


def test_unknown_customers_are_those_not_in_the_file(spark: SparkSession) -> None:
    customers = spark.createDataFrame([(1, None, None, None, None), (2, "B", None, None, None)], CUSTOMERS.schema)
    joined = full_data(spark)
    names = ("first_name", "last_name")  # which the join has not found for customer 3
    known = [F.when(F.col("customer_id") != 3, F.col(name)).alias(name) for name in names]
    joined = joined.select(*(name for name in joined.columns if name not in names), *known)
    found = analysis.unknown_customers(joined, customers)
    assert [tuple(row) for row in found.collect()] == [(3, 2)]


def sold(*sales: tuple[int | None, int, str, str]) -> list[tuple[object, ...]]:
    """Purchases: customer, product, category and sales of each."""
    return [(1, customer, n, "purchase", 1, category, category, money, money) for customer, n, category, money in sales]


def act(action: str, *customers: int) -> list[tuple[object, ...]]:
    return [(1, customer, None, action, None, None, None, None, None) for customer in customers]


def test_the_most_frequent_comes_first_and_equals_by_name(spark: SparkSession) -> None:
    equal = [(name, 1) for name in "bcdefghijkl"]
    once = [one for name, _ in reversed(equal) for one in act(name, 1)]
    frame = full_data(spark, [*once, *act("aa", 1, 2), *act("z", 2, 1, 1)])
    assert rows(analysis.action_frequency(frame)) == [("z", 3), ("aa", 2), *equal]
    assert rows(analysis.unique_customers(frame)) == [("all", 2), ("aa", 2), ("z", 2), *equal]


def test_the_highest_sales_come_first_and_equals_by_name_or_id(spark: SparkSession) -> None:
    frame = full_data(
        spark, sold((None, 5, "C", "2"), (3, 4, "B", "2"), (2, 3, "D", "2"), (9, 9, "E", "9"), (1, 1, "A", "1"))
    )
    assert [row[0] for row in rows(analysis.sales_by_category(frame))] == ["E", "B", "C", "D", "A"]
    many = full_data(spark, sold(*((1, 1, category, "1") for category in "GBHKACJIDEF")))
    assert [row[0] for row in rows(analysis.sales_by_category(many))] == list("ABCDEFGHIJK")
    assert [row[0] for row in rows(analysis.sales_by_product(frame))] == [9, 3, 4, 5, 1]
    assert [row[0] for row in rows(analysis.spend_by_customer(frame))] == [9, 2, 3, None, 1]


def test_products_and_customers_are_limited_to_the_highest(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "MOST_ROWS", 2)
    frame = full_data(spark, sold((1, 1, "A", "1"), (2, 2, "A", "3"), (3, 3, "A", "2")))
    assert [row[0] for row in rows(analysis.sales_by_product(frame))] == [2, 3, 1]  # the last tells that there are more
    assert [row[0] for row in rows(analysis.spend_by_customer(frame))] == [2, 3]
    anonymous = full_data(spark, sold((1, 1, "A", "3"), (2, 2, "A", "3"), (None, 3, "A", "1")))
    assert [row[0] for row in rows(analysis.spend_by_customer(anonymous))] == [1, None]


def test_a_product_that_was_renamed_is_one_product(spark: SparkSession) -> None:
    frame = full_data(spark, sold((1, 1, "Old", "1"), (1, 1, "Zoo", "2"), (1, 1, "New", "4")))
    assert rows(analysis.sales_by_product(frame)) == [(1, "Zoo", "Zoo", 3, "7.00")]


def test_days_are_in_order(spark: SparkSession) -> None:
    days = [(day, 1, None, "view", None, None, None, None, None) for day in (9, 2, 30, 1, 17, 5)]
    assert [str(row[0])[-2:] for row in rows(analysis.sales_by_day(full_data(spark, list(days))))] == [
        "01", "02", "05", "09", "17", "30",
    ]  # fmt: skip


def test_anonymous_visitors_are_no_customers_that_bought(spark: SparkSession) -> None:
    anonymous = [(1, None, 1, action, 1, None, None, None, None) for action in ("view", "purchase")]
    row = analysis.totals(full_data(spark, [*anonymous, *act("purchase", 1, 1), *act("view", 2)])).collect()[0]
    assert (row.unique_customers, row.purchasers) == (2, 1)


def test_sums_of_quantities_do_not_overflow(spark: SparkSession) -> None:
    most = 2**31 - 1
    logs: list[tuple[object, ...]] = [(1, 1, 1, "purchase", most, None, None, "1", "1")] * 2
    assert rows(analysis.sales_by_product(full_data(spark, logs)))[0][3] == 2 * most
    assert rows(analysis.spend_by_customer(full_data(spark, logs)))[0][4] == 2 * most


def test_an_action_called_all_is_not_everyone(spark: SparkSession) -> None:
    frame = analysis.unique_customers(full_data(spark, [*act("all", 1), *act("view", 1, 2, 3)]))
    assert "3 different customers were active" in findings.unique_customers(frame).sentence


def test_nothing_is_no_error(spark: SparkSession) -> None:
    nothing = full_data(spark, [])
    assert rows(analysis.unique_customers(nothing)) == [("all", 0)]
    assert analysis.totals(nothing).collect()[0].total_sales == Decimal("0.00")
    for name in ("action_frequency", "sales_by_category", "sales_by_day", "sales_by_product", "spend_by_customer"):
        assert rows(getattr(analysis, name)(nothing)) == []


@pytest.fixture
def three_days(any_shop: Shop) -> Shop:
    """An empty shop, of which the first three days of August are asked for."""
    return replace(any_shop, period=Period.parse("2023-08-01..2023-08-03"))


def test_a_summary_names_what_the_reader_should_know(three_days: Shop, make_tables: MakeTables) -> None:
    logs = [
        log(1),
        log(2, action="purchase", quantity=3),
        log(3, day="2023-08-03", action="purchase", product_id="PROD000", customer_id="CUST9"),
    ]
    write_shop(three_days.storage, logs)
    make_tables(three_days)
    summary = analysis.summarize(three_days)
    assert (summary.total_sales, summary.buyers) == (Decimal("30.30"), 1)
    assert summary.key_figures.values == {
        "total_sales": "30.30", "purchases": 2, "average_purchase_line": "30.30", "unique_customers": 2, "logs": 3,
        "conversion": "100.0",
    }  # fmt: skip
    assert summary.data_quality.values == {
        "logs_unknown_product": 1, "purchases_unknown_product": 1, "logs_unknown_customer": 1, "days_without_data": 1,
    }  # fmt: skip
    assert summary.days_without_data.rows == [["2023-08-02"]]


def test_a_summary_follows_the_key_figures_over_the_period(three_days: Shop, make_tables: MakeTables) -> None:
    logs = [log(1), log(2, action="purchase"), log(3, day="2023-08-03", customer_id=None)]
    write_shop(three_days.storage, logs)
    make_tables(three_days)
    course = analysis.summarize(three_days).over_time
    assert course.rows == [
        ["2023-08-01", "10.10", 1, "10.10", 1, "100.0"],
        ["2023-08-02", None, None, None, None, None],
        ["2023-08-03", "0.00", 0, None, 0, None],
    ]


def test_days_left_over_at_the_end_are_no_stretch(three_days: Shop, make_tables: MakeTables) -> None:
    write_shop(three_days.storage, [log(1, action="purchase"), log(2, day="2023-10-03", action="purchase")])
    quarter = replace(three_days, period=Period.parse("2023-08-01..2023-10-03"))
    make_tables(quarter)
    course = analysis.summarize(quarter).over_time.rows
    assert [course[0][:2], course[-1][:2]] == [["2023-08-01", "10.10"], ["2023-09-26", None]]
    assert len(course) == 64 // 7
    assert analysis.summarize(quarter).over_time.title == "Key figures of each 7 days"


def test_ratios_are_rounded_half_up(three_days: Shop, make_tables: MakeTables) -> None:
    products = "product_id,product_name,category,price\n1,Nail,Home,0.02\n2,Bolt,Home,0.03\n"
    logs = [log(n, customer_id=n) for n in range(1, 17)]
    logs += [log(20 + n, action="purchase", customer_id=1, product_id=n) for n in (1, 2)]
    write_shop(three_days.storage, logs, products=products)
    make_tables(three_days)
    key_figures = analysis.summarize(three_days).key_figures.values
    assert (key_figures["average_purchase_line"], key_figures["conversion"]) == ("0.03", "6.3")  # of 0.025 and 6.25


def test_in_a_run_the_steps_before_are_done_only_on_the_sample_shop(shop: Shop, tmp_path: Path) -> None:
    write_shop(shop.storage, [log(1), log(2, day="2023-07-01")])
    in_run = replace(shop, state=State(file=tmp_path / FILE))
    with pytest.raises(NotIngested, match="1 to 31 August 2023 is not ingested"):
        analysis.period_logs(in_run)
    sample = replace(in_run, storage=Folder(shop.storage.url, is_sample=True))
    assert [row.log_id for row in analysis.period_logs(sample).collect()] == [1]


def test_a_summary_of_nothing_divides_by_nothing(three_days: Shop, make_tables: MakeTables) -> None:
    write_shop(three_days.storage, [])
    make_tables(three_days)
    summary = analysis.summarize(three_days)
    assert summary.key_figures.values == {
        "total_sales": "0.00", "purchases": 0, "average_purchase_line": None, "unique_customers": 0, "logs": 0,
        "conversion": None,
    }  # fmt: skip
    assert summary.data_quality.values["days_without_data"] == 3


def test_a_summary_holds_the_key_figures_of_the_period_before(three_days: Shop, make_tables: MakeTables) -> None:
    earlier = replace(three_days, period=Period.parse("2023-07-29..2023-07-31"), run_id="run-0")
    days = ("2023-07-28", "2023-07-29", "2023-07-31", "2023-08-01")
    write_shop(three_days.storage, [log(n, day=day, action="purchase", quantity=n + 1) for n, day in enumerate(days)])
    for one in (earlier, three_days):
        make_tables(one)
    before = analysis.summarize(three_days).before.values
    assert {name: before[name] for name in ("start_date", "end_date", "days", "days_with_data")} == {
        "start_date": "2023-07-29", "end_date": "2023-07-31", "days": 3, "days_with_data": 2,
    }  # fmt: skip
    assert (before["logs"], before["total_sales"]) == (2, "50.50")


def test_a_summary_without_earlier_logs_has_no_earlier_figures(three_days: Shop, make_tables: MakeTables) -> None:
    write_shop(three_days.storage, [log(1)])
    make_tables(three_days)
    before = analysis.summarize(three_days).before.values
    assert before["days_not_ingested"] == 3
    assert (before["first_day_in_files"], before["last_day_in_files"]) == ("2023-08-01", "2023-08-01")
    make_tables(replace(three_days, period=Period.parse("2023-07-29..2023-07-31")))
    ingested = analysis.summarize(three_days).before.values
    assert (ingested["days_not_ingested"], ingested["days_with_data"]) == (0, 0)
    assert "total_sales" not in before | ingested


def test_before_the_first_day_of_the_calendar_there_is_nothing(three_days: Shop, make_tables: MakeTables) -> None:
    first = replace(three_days, period=Period.parse("0001-01-01"))
    write_shop(three_days.storage, [log(1, day="0001-01-01")])
    make_tables(first)
    assert analysis.summarize(first).before.values == {}
