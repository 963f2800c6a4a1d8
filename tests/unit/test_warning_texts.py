"""The sentences of warnings, and from where on there is one."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from techco.display.warnings import (
    actions,
    before_incomplete,
    conflicting_ids,
    days_without_logs,
    large_purchase,
    no_records,
    other_folders,
    prices_rounded,
    refused,
    unknown_products,
    unnamed_purchases,
    unused_amounts,
    unusual_days,
)

DAYS = [date(2023, 5, 1) + timedelta(days) for days in range(28)]


def test_more_than_one_record_of_a_hundred_must_be_refused() -> None:
    assert not list(refused("web_logs", 100, {"action missing": 1}))
    assert not list(refused("web_logs", 0, {}))
    (warning,) = refused("web_logs", 99, {"action missing": 1})
    assert warning.text == "1 of 99 web logs (1 %) was refused: action missing."


def test_a_refusal_names_source_share_reason_and_file() -> None:
    (warning,) = refused("products", 50, {"wrong number of fields": 3, "price missing or not a number": 40})
    assert warning.text == (
        "43 of 50 products (86 %) were refused, most often because of: price missing or not a number (40)."
    )
    assert (warning.code, warning.count) == ("refused", 43)
    assert "mend product_data.csv" in warning.remedy


def test_refused_sales_are_said_where_prices_are_known() -> None:
    (warning,) = refused("web_logs", 10, {"action missing": 4}, Decimal("26131.9"))
    assert warning.text.endswith("were refused: action missing. At least 26,131.90 of sales are in them.")


def test_purchases_of_unknown_products_are_counted() -> None:
    assert not list(unknown_products(0, 7))
    (one,) = unknown_products(1, 1)
    assert one.text == "1 of 1 purchase is of products that product_data.csv does not have, and counts no sales."
    (many,) = unknown_products(12, 1340)
    assert many.text.startswith("12 of 1,340 purchases are of products that product_data.csv does not have, and count")


def test_purchases_of_nobody_that_can_be_named_are_counted() -> None:
    assert not list(unnamed_purchases(0))
    (one,) = unnamed_purchases(1)
    assert one.text == "1 purchase has a customer_id without a number. It is in the sales, but of no customer."
    (many,) = unnamed_purchases(1200)
    assert many.text.startswith("1,200 purchases have a customer_id without a number. They are in the sales")


def test_ids_that_come_twice_are_named_by_their_field() -> None:
    assert not list(conflicting_ids("web_logs", 0))
    (one,) = conflicting_ids("web_logs", 1)
    assert one.text.startswith("1 web log was refused because another record has the same log_id:")
    (many,) = conflicting_ids("products", 3)
    assert many.text.startswith("3 products were refused because another record has the same product_id:")


def test_a_period_without_any_log_is_told_which_days_the_files_have() -> None:
    (unknown,) = days_without_logs(DAYS[:2], 2, None)
    assert (unknown.code, unknown.count) == ("no_logs", 2)
    (outside,) = days_without_logs(DAYS[:2], 2, (date(2023, 8, 2), date(2023, 8, 9)))
    assert outside.remedy.startswith("The files with web logs have 2 to 9 August 2023:")


def test_days_without_logs_are_listed() -> None:
    assert not list(days_without_logs([], 31, None))
    (one,) = days_without_logs(DAYS[:1], 31, None)
    assert one.text == "1 day of 31 has no logs: 1 May 2023."
    (many,) = days_without_logs([*DAYS[:2], DAYS[5]], 31, None)
    assert many.text == "3 days of 31 have no logs: 1 to 2 May 2023; 6 May 2023."


def test_other_words_for_a_purchase_are_named() -> None:
    assert not list(actions({}))
    assert not list(actions({"view": 9, "purchase": 1}))
    (warning,) = actions({"addtocart": 1, "transaction": 3, "view": 3})
    assert (warning.code, warning.count) == ("no_purchases", 7)
    assert warning.text.startswith("No accepted log has the action purchase, so there are no sales. ")
    assert warning.text.endswith(" Found: transaction, view and addtocart.")


@pytest.mark.parametrize("action", ["refund", "returned", "order_cancelled", "order-return", "purchase refund"])
def test_actions_that_take_sales_back_are_counted(action: str) -> None:
    (warning,) = actions({"purchase": 9, action: 12})
    assert warning.text == f"12 logs have the action {action}; nothing was taken off the sales."


@pytest.mark.parametrize("action", ["uncancelled", "noreturns", "view", "wishlist"])
def test_other_actions_are_not_taken_for_these(action: str) -> None:
    assert not list(actions({"purchase": 9, action: 12}))


def test_one_purchase_above_a_fifth_of_all_sales_is_told_from_ten_purchases_on() -> None:
    assert not list(large_purchase(Decimal("20.00"), Decimal("100.00"), 10))
    assert not list(large_purchase(Decimal("90.00"), Decimal("100.00"), 9))
    assert not list(large_purchase(Decimal("0.00"), Decimal("0.00"), 10))
    (warning,) = large_purchase(Decimal("9000.00"), Decimal("10000.00"), 10)
    assert warning.text == "One purchase of 9,000.00 is 90 % of all sales."


def test_days_are_compared_with_the_same_weekday() -> None:
    logs = {day: 40 if day.weekday() == 0 else 10 for day in DAYS}
    assert not list(unusual_days(logs))
    (warning,) = unusual_days({**logs, DAYS[0]: 19, DAYS[1]: 21})
    assert warning.count == 2
    assert warning.text.endswith("Monday, 1 May 2023 (19 instead of 40) and Tuesday, 2 May 2023 (21 instead of 10).")
    assert not list(unusual_days({**logs, DAYS[0]: 20, DAYS[1]: 20}))


def test_few_days_and_few_logs_say_nothing_of_what_is_usual() -> None:
    assert not list(unusual_days({**dict.fromkeys(DAYS[:20], 40), DAYS[1]: 1}))
    assert not list(unusual_days({**dict.fromkeys(DAYS, 9), DAYS[1]: 1}))


def test_rounded_prices_and_amounts_that_are_not_used_are_named() -> None:
    assert not list(prices_rounded(0, ""))
    (rounded,) = prices_rounded(2, "1.234")
    assert (
        rounded.text == "2 prices of product_data.csv have more than two decimals and were rounded, for instance 1.234."
    )
    assert not list(unused_amounts([]))
    (unused,) = unused_amounts(["amount", "unit_price"])
    assert unused.text.startswith("The purchases have amount and unit_price, which techco does not use:")
    assert unused.count == 2


def test_empty_files_of_customers_and_products_are_told() -> None:
    assert not list(no_records("web_logs", 0))
    assert not list(no_records("products", 1))
    (warning,) = no_records("products", 0)
    assert warning.text == "There is not one record in product_data.csv."


def test_logs_in_folders_of_other_days_are_minded_if_they_are_farther_away_than_is_read() -> None:
    assert not list(other_folders(0, 0, 0))
    assert not list(other_folders(5, 1, 1))
    (near,) = other_folders(5, 2, 1)
    assert near.text.startswith("5 web logs lie in folders of another day, up to 2 days away. Logs of this period may")
    assert near.remedy.endswith("set TECHCO_DAYS_AROUND=2.")
    (far,) = other_folders(1, 19_000, 1)
    assert far.remedy == "Move these logs into the folders of their days."


def test_a_period_before_that_is_not_ingested_is_named_with_its_command() -> None:
    (one,) = before_incomplete("1 to 31 July 2023", 1, 31, "techco run")
    assert one.text == "1 of the 31 days of 1 to 31 July 2023 is not ingested, so no changes are shown."
    (whole,) = before_incomplete("1 to 31 July 2023", 31, 31, "techco run")
    assert whole.text == "1 to 31 July 2023 is not ingested, so no changes are shown."
    assert whole.remedy == "Ingest this, then run again: techco run"
