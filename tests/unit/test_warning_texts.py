"""The sentences of warnings, and from where on there is one."""

from __future__ import annotations

from decimal import Decimal

from techco.display.warnings import refused, unknown_products, unnamed_purchases


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
