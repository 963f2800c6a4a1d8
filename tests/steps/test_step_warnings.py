"""What ingest and analysis find to mind in tables, and that it is found again where earlier work is reused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from techco import analysis
from techco.ingest import ingest, ingest_each
from techco.join import join
from techco.period import Period
from techco.shop import Shop
from techco.tables.state import FILE, State
from tests.support.shops import CUSTOMERS, PRODUCTS, log, write_shop


def found(shop: Shop) -> dict[Any, Any]:
    """Text and count of the warnings of ingest and analysis, by their codes."""
    of_ingest = ingest(shop).warnings
    join(shop)
    tables = [analysis.summarize(shop).warnings, of_ingest]  # both warn of refused records, ingest in more words
    return {row[0]: (row[1], row[2]) for table in tables for row in table.rows}


@pytest.fixture
def one_day(shop: Shop) -> Shop:
    """A shop of one day, as a month would have days without logs."""
    return replace(shop, period=Period.parse("2023-08-01"))


@pytest.fixture
def any_day(any_shop: Shop) -> Shop:
    """The same with every engine of one machine in turn."""
    return replace(any_shop, period=Period.parse("2023-08-01"))


def test_a_clean_day_has_nothing_to_mind(one_day: Shop) -> None:
    write_shop(one_day.storage, [log(1), log(2, action="purchase")])
    assert found(one_day) == {}


def test_refused_purchases_are_valued_where_the_price_is_known(any_day: Shop) -> None:
    refused = [
        log(None, action="purchase", quantity=3),  # 30.30
        log(3, action="purchase", quantity=None, product_id=2),  # at least one: 20
        log(4, action="purchase", quantity=-5),  # whatever it is, it is no sale
        log(5, action="purchase", product_id=99, quantity="x"),  # nobody knows the price
        log(6, action="purchase", timestamp="?"),  # 10.10
        log(1, action="purchase"),  # has the id of another one: 10.10
    ]
    write_shop(any_day.storage, [log(1, action="add_to_cart"), *refused])
    assert "At least 70.50 of sales are in them." in found(any_day)["refused"][0]
    assert "At least 70.50 of sales are in them." in found(any_day)["refused"][0]  # of a receipt
    assert found(any_day)["conflicting_ids"][1] == 1


def test_an_analysis_without_an_ingest_warns_of_what_earlier_ones_have_refused(one_day: Shop) -> None:
    logs = [
        log(1, action="purchase"),
        *(log(n, action="") for n in (2, 3)),
        log(4, timestamp="?"),
        log(5, "2023-08-02", ""),
    ]
    write_shop(one_day.storage, logs, CUSTOMERS + "?,Ann,Lee,,\n")
    both = replace(one_day, period=Period.parse("2023-08-01..2023-08-02"))
    ingest(both)
    join(both)
    rows = [row for row in analysis.summarize(one_day).warnings.rows if row[0] == "refused"]
    assert rows[0][3] == "Mend customer_data.csv, and run all steps: the report then shows reasons and examples."
    assert [row[:3] for row in rows] == [
        ["refused", "1 of 3 customers (33 %) was refused: customer_id missing or has no number.", 1],
        ["refused", "3 of 4 web logs (75 %) were refused, most often because of: action missing (2).", 3],
    ]


def test_an_analysis_after_an_ingest_of_its_run_leaves_these_words_to_that(shop: Shop, tmp_path: Path) -> None:
    write_shop(shop.storage, [log(1), log(2, action="")])
    in_run = replace(shop, state=State(file=tmp_path / FILE))
    assert [row[0] for row in ingest(in_run).warnings.rows] == ["refused"]
    join(in_run)
    assert "refused" not in [row[0] for row in analysis.summarize(in_run).warnings.rows]


def test_each_of_several_periods_has_its_own_refused_sales(shop: Shop) -> None:
    bad = [log(3, "2023-08-02", "purchase", quantity="x"), log(4, action="purchase", timestamp="?")]
    write_shop(shop.storage, [log(1), log(2, "2023-08-02"), *bad])
    days = Period.parse("2023-08-01..2023-08-02").each("day")
    ingest_each(replace(shop, period=Period(days[0].first, days[-1].last)), days)
    for day, sales in zip(days, ("10.10", "20.20"), strict=True):
        one = ingest(replace(shop, period=day))
        assert one.made_by.values["reused"] == "yes"
        assert f"At least {sales} of sales" in str(one.warnings.rows[0][1])


def test_purchases_of_nobody_are_counted(one_day: Shop) -> None:
    write_shop(one_day.storage, [log(1), log(2, action="purchase", customer_id="?")])
    assert found(one_day)["unnamed_purchases"][1] == 1


def test_prices_with_more_than_two_decimals_are_counted(any_day: Shop) -> None:
    products = (
        PRODUCTS + "3,Sofa,Home,1.234\n4,Bed,Home,2.500\n5,Cup,Home,1.5000\n6,Pen,Home,9.99500001\n7,Jar,Home,3.14\n"
    )
    write_shop(any_day.storage, [log(1, action="purchase")], products=products)
    assert found(any_day)["prices_rounded"] == (
        "3 prices of product_data.csv have more than two decimals and were rounded, for instance 1.234.", 3,
    )  # fmt: skip


def test_amounts_of_purchases_that_are_not_used_are_named(one_day: Shop) -> None:
    odd = [log(2, action="purchase", unit_price=5, Amount="1"), log(3, action="purchase", total=None, priceless=2)]
    write_shop(one_day.storage, [log(1, cost=1), *odd])
    assert found(one_day)["unused_amounts"] == (
        "The purchases have Amount, priceless and unit_price, which techco does not use: sales are the prices of "
        "product_data.csv.", 3,
    )  # fmt: skip


def test_what_the_analysis_finds(any_day: Shop) -> None:
    shop = replace(any_day, period=Period.parse("2023-08-01..2023-08-02"))
    sold = [log(n, action="purchase", quantity=1 if n else 99) for n in range(12)]
    write_shop(shop.storage, [*sold, log(20, action="purchase", product_id=9), log(21, action="Refunded")])
    warnings = found(shop)
    assert {code: count for code, (_, count) in warnings.items()} == {
        "days_without_logs": 1, "reversals": 1, "unknown_products": 1, "large_purchase": 1,
    }  # fmt: skip
    assert warnings["large_purchase"][0] == "One purchase of 999.90 is 90 % of all sales."


def test_a_shop_that_calls_purchases_otherwise(one_day: Shop) -> None:
    write_shop(one_day.storage, [log(1), log(2, action="transaction"), log(3, action="addtocart")])
    assert found(one_day)["no_purchases"][0].endswith("Found: addtocart, transaction and view.")


def test_a_period_outside_of_the_files_and_files_without_records(shop: Shop) -> None:
    heads = CUSTOMERS.splitlines()[0], PRODUCTS.splitlines()[0]
    write_shop(shop.storage, [log(1, "2023-07-02"), log(2, "2023-07-09")], *heads)
    tables = ingest(shop).warnings.rows
    assert [row[1] for row in tables] == [f"There is not one record in {n}_data.csv." for n in ("customer", "product")]
    assert set(found(shop)) == {"no_records", "no_logs", "before_incomplete"}
