"""A raw file of which nothing is accepted fails ingest before a table changes; one without any record does not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from techco.errors import RawFileError
from techco.ingest import ingest, ingest_each
from techco.period import Period
from techco.shop import Shop
from tests.support.shops import CUSTOMERS, PRODUCTS, log, write_shop

TABLES = ("customers", "products", "web_logs", "quarantine")
BAD_PRODUCTS = 'product_id,product_name,category,price\n1,Lamp,Home,"10,10"\n2,Book,Books,"20,00"\n3,short\n'
BAD_CUSTOMERS = "customer_id,first_name,last_name,email,phone\nann,Ann,Lee,ann@example.com,+1-202-555-0101\n"


def contents(shop: Shop) -> dict[str, list[str]]:
    """All rows of all tables, by the engine's own words for them."""
    return {name: sorted(str(row) for row in shop.tables.read(name).collect()) for name in TABLES}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"logs": [log("evt-1"), log("evt-2")]}, r"web_logs.json is accepted as web logs, .* log_id missing .* \(2\)"),
        ({"logs": [log(1, time="x", timestamp=None)]}, "timestamp missing or unreadable"),
        ({"logs": json.dumps({"logs": [log(1), log(2)]})}, 'log_id missing .*: {"logs": '),
        ({"logs": [log(1, action="purchase", quantity=None)]}, "purchase without product or quantity"),
        ({"products": BAD_PRODUCTS}, r"product_data.csv .* price .* \(2\); wrong number of fields \(1\).*1,Lamp,Home"),
        ({"customers": BAD_CUSTOMERS}, r"customer_data.csv is accepted as customers.*: a…,A…,L…,a…@e…,…01"),
    ],
)
def test_a_file_of_which_nothing_is_accepted_fails_before_a_table_changes(
    shop: Shop, files: dict[str, Any], words: str
) -> None:
    check_that_nothing_changes(shop, files, words)


def test_no_engine_changes_a_table_where_nothing_is_accepted(any_shop: Shop) -> None:
    check_that_nothing_changes(any_shop, {"products": BAD_PRODUCTS}, r"product_data.csv .* price .* \(2\)")


def check_that_nothing_changes(shop: Shop, files: dict[str, Any], words: str) -> None:
    write_shop(shop.storage, [log(1), log(2, action="purchase"), log(3, timestamp="?")])
    ingest(shop)
    before = contents(shop)
    write_shop(shop.storage, **{"logs": [log(7)], **files})
    with pytest.raises(RawFileError, match=f"^Nothing (of 1 to 31 August 2023 )?in .*{words}"):
        ingest(shop)
    assert contents(shop) == before


@pytest.mark.parametrize("logs", ["[]", " [ ]\n"])
def test_files_without_any_record_are_allowed(shop: Shop, logs: str) -> None:
    write_shop(shop.storage, logs, CUSTOMERS.splitlines()[0], PRODUCTS.splitlines()[0])
    assert [row[1] for row in ingest(shop).by_source.rows] == [0, 0, 0]


def test_undated_logs_alone_do_not_fail_a_period_of_which_the_files_have_nothing(shop: Shop) -> None:
    write_shop(shop.storage, [log(1, day="2023-07-01"), log(2, timestamp="?")])
    assert ingest(shop).by_source.rows[0][1:] == [2, 0, 0, 1, 1]


def test_a_day_without_logs_does_not_fail_for_what_is_refused_of_the_day_before_it(shop: Shop) -> None:
    write_shop(shop.storage, [log(1, day="2023-08-01"), log("a", day="2023-08-01"), log(2, timestamp="?")])
    day = replace(shop, period=Period.parse("2023-08-02"), compare=True)
    assert ingest(day).by_source.rows[0][1:] == [3, 0, 0, 1, 2]


def test_a_period_whose_own_logs_are_all_refused_fails_whatever_other_periods_have(shop: Shop) -> None:
    write_shop(shop.storage, [log(1, day="2023-07-01"), log("a")])
    with pytest.raises(RawFileError, match="log_id missing"):
        ingest(shop)


def test_of_several_periods_only_those_of_which_nothing_is_accepted_are_left_for_their_own_ingest(shop: Shop) -> None:
    write_shop(shop.storage, [log(1), log(2, day="2023-08-02"), log(3, day="2023-08-03")])
    days = Period.parse("2023-08-01..2023-08-03").each("day")
    whole = replace(shop, period=Period(days[0].first, days[-1].last))
    ingest_each(whole, days)
    write_shop(shop.storage, [log(4), log("b", day="2023-08-02"), log(5, day="2023-08-03"), log(6, timestamp="?")])
    assert ingest_each(whole, days)
    assert sorted(row.log_id for row in whole.web_logs.collect()) == [2, 4, 5]
    for day, is_good in zip(days, (True, False, True), strict=True):
        one = replace(shop, period=day)
        if is_good:
            assert ingest(one).made_by.values["reused"] == "yes"
        else:
            with pytest.raises(RawFileError, match="log_id missing"):
                ingest(one)


def test_several_periods_of_which_nothing_is_accepted_change_nothing(shop: Shop) -> None:
    write_shop(shop.storage, [log("a"), log("b", day="2023-08-02")])
    days = Period.parse("2023-08-01..2023-08-02").each("day")
    with pytest.raises(RawFileError, match=r"^Nothing of 1 August 2023 in web_logs.json is accepted as web logs"):
        ingest_each(replace(shop, period=Period(days[0].first, days[-1].last)), days)
    assert shop.existing() == []


def test_the_period_before_is_left_as_it_is_if_nothing_of_it_is_accepted(shop: Shop) -> None:
    write_shop(shop.storage, [log(1), log("b", "2023-07-31")])
    assert ingest(shop).by_source.rows[0][1:] == [2, 1, 0, 0, 1]
    assert sorted({str(day) for day in shop.tables.missing_days("web_logs", Period.parse("2023-07"))}) == [
        f"2023-07-{day:02}" for day in range(1, 32)
    ]
    assert ingest(shop).made_by.values["reused"] == "yes"
