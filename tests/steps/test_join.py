"""The wide table holds each log exactly once and the sales to the cent, the same on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from techco.contract import CUSTOMERS, FULL_DATA, PRODUCT_SALES, PRODUCTS, WEB_LOGS
from techco.errors import TableError
from techco.ingest import ingest
from techco.join import full_data, join, product_sales
from techco.period import Period
from techco.shop import Shop
from tests.support.shops import PRODUCTS as PRODUCT_FILE
from tests.support.shops import log, write_shop

AUGUST = Period.parse("2023-08")


def joined(spark: SparkSession, *logs: tuple[int | None, int | None, str, int | None]) -> DataFrame:
    day = datetime(2023, 8, 1, 10)
    rows = [(n, day, day.date(), *log) for n, log in enumerate(logs)]
    customers = spark.createDataFrame([(1, "Ann", "Lee", "a@b", "1"), (2, None, None, None, None)], CUSTOMERS.schema)
    products = spark.createDataFrame(
        [(1, "Lamp", "Home", Decimal("10.10")), (2, "Yacht", None, Decimal("9999999999.99"))], PRODUCTS.schema
    )
    return full_data(spark.createDataFrame(rows, WEB_LOGS.schema), customers, products)


def test_every_log_is_there_once_also_without_customer_or_product(spark: SparkSession) -> None:
    frame = joined(
        spark, (1, 1, "purchase", 3), (9, 1, "view", None), (None, None, "view", None), (2, 9, "purchase", 1)
    )
    rows = frame.orderBy("log_id").collect()
    assert [(r.first_name, r.product_name, r.sales) for r in rows] == [
        ("Ann", "Lamp", Decimal("30.30")), (None, "Lamp", None), (None, None, None), (None, None, None),
    ]  # fmt: skip
    assert [(f.name, f.dataType) for f in frame.schema] == [(f.name, f.dataType) for f in FULL_DATA.schema]


def test_only_purchases_of_known_products_are_sales(spark: SparkSession) -> None:
    rows = joined(spark, (1, 1, "add_to_cart", 3), (1, 1, "purchase", 1), (1, None, "view", None)).orderBy("log_id")
    assert [row.sales for row in rows.collect()] == [None, Decimal("10.10"), None]


def test_the_largest_sale_fits(spark: SparkSession) -> None:
    sales = joined(spark, (1, 2, "purchase", 2147483647)).collect()[0].sales
    assert sales == Decimal("9999999999.99") * 2147483647


def test_product_sales_sum_each_day_and_known_product(spark: SparkSession) -> None:
    frame = joined(spark, (1, 1, "purchase", 3), (2, 1, "purchase", 1), (1, 9, "purchase", 5), (1, 2, "view", None))
    sums = product_sales(frame)
    assert [tuple(row) for row in sums.collect()] == [(date(2023, 8, 1), 1, 4, Decimal("40.40"), 2)]
    assert [(f.name, f.dataType) for f in sums.schema] == [(f.name, f.dataType) for f in PRODUCT_SALES.schema]


def test_a_join_replaces_its_period_and_keeps_the_prices_of_others(any_shop: Shop) -> None:
    july = replace(any_shop, period=Period.parse("2023-07"), run_id="run-2")
    logs = [log(1, action="purchase"), log(2, day="2023-07-01", action="purchase")]
    for price in ("10.10", "99.99"):
        write_shop(any_shop.storage, logs, products=PRODUCT_FILE.replace("10.10", price))
        for one in (any_shop, july) if price == "10.10" else (any_shop,):
            ingest(one)
            join(one)
    assert [str(row.sales) for row in any_shop.full_data.collect()] == ["99.99"]
    assert [str(row.sales) for row in july.full_data.collect()] == ["10.10"]
    assert any_shop.tables.read("product_sales").count() == 2


def test_a_join_of_an_empty_period_leaves_empty_tables(shop: Shop) -> None:
    write_shop(shop.storage, [])
    ingest(shop)
    assert list(join(shop).values.items())[:3] == [("logs", 0), ("purchases", 0), ("total_sales", "0.00")]
    assert shop.full_data.count() == shop.product_sales.count() == 0


def test_a_join_that_doubles_logs_is_an_error(any_shop: Shop) -> None:
    write_shop(any_shop.storage, [log(1), log(2)])
    ingest(any_shop)
    any_shop.tables.replace_all("customers", any_shop.customers.unionByName(any_shop.customers), "by hand")
    with pytest.raises(TableError, match="full_data holds 4 logs of the period and web_logs 2"):
        join(any_shop)


def test_what_is_ingested_on_the_way_is_not_read_again(shop: Shop) -> None:
    write_shop(shop.storage, [log(1)])
    assert join(shop).values["logs"] == 1
    write_shop(shop.storage, [log(1), log(2)])
    assert join(shop).values["logs"] == 1


def test_the_views_show_the_period_as_the_join_left_it(any_shop: Shop) -> None:
    write_shop(any_shop.storage, [log(1), log(2, day="2023-07-01")])
    ingest(any_shop)
    join(any_shop)
    assert any_shop.spark.sql("SELECT count(*) FROM full_data").collect() == [(1,)]
    write_shop(any_shop.storage, [log(1), log(3)])
    ingest(any_shop)
    join(any_shop)
    assert any_shop.spark.sql("SELECT count(*) FROM full_data").collect() == [(2,)]
