"""How raw records are judged: keys, times, reasons and duplicates, the same on every engine."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from techco.contract import CustomerReason, LogReason, ProductReason
from techco.period import Period
from techco.raw import rules
from techco.raw.logs import RECORDS_DDL

AUGUST = Period.parse("2023-08")
GOOD = {
    "log_id": "1",
    "timestamp": "2023-08-02 10:00:00",
    "customer_id": "CUST1",
    "product_id": "PROD001",
    "action": "purchase",
    "quantity": "2",
}


def records(spark: SparkSession, *rows: dict[str, str | None] | None) -> DataFrame:
    """Raw records as the reader gives them; None is a record that is no JSON object."""
    values = [(str(row), row is not None, *(row or dict.fromkeys(GOOD)).values()) for row in rows]
    return spark.createDataFrame(values, RECORDS_DDL)


def judge(spark: SparkSession, *changes: dict[str, str | None]) -> list[str | None]:
    """What becomes of good purchases with some fields changed: each one's reason, or `outside`, or None."""
    rows = [{**GOOD, **change} for change in changes]
    judged = rules.apply_log_rules(records(spark, *rows), AUGUST)
    became = {row.raw: "outside" if row.is_outside else row.reason for row in judged.collect()}
    return [became[str(row)] for row in rows]


def one(spark: SparkSession, texts: list[str | None], column: object) -> list[object]:
    frame = spark.createDataFrame(list(enumerate(texts)), "n INT, text STRING")
    return [row[0] for row in frame.orderBy("n").select(column).collect()]  # type: ignore[call-overload]


def test_a_key_is_read_in_all_its_forms(spark: SparkSession) -> None:
    texts = ["CUST12", "cust012", " 12 ", "12", "12.0", "012.00", "CUST0000000000000000000012", "\t12\r", "CUST1000"]
    assert one(spark, texts, rules.read_key(F.col("text"), "CUST")) == [12] * 8 + [1000]


def test_what_has_no_number_in_these_forms_is_no_key(spark: SparkSession) -> None:
    texts = ["", " ", "CUST", "PROD12", "12a", "-12", "1.5", "12.", "CUST 12", "٣", "9" * 19, "CUST1\nCUST2", None]
    texts += ["CU\u017fT12", "-0", "1e2", "12.0.0"]  # ſ is an S to expressions that ignore case in all of Unicode
    assert one(spark, texts, rules.read_key(F.col("text"), "CUST")) == [None] * len(texts)


def test_an_integer_may_be_written_as_text_or_with_a_zero_fraction(spark: SparkSession) -> None:
    texts = ["5", " 5 ", "5.0", "5.00", "-5", "+5", "007", "9223372036854775807"]
    expected = [5, 5, 5, 5, -5, 5, 7, 9223372036854775807]
    assert one(spark, texts, rules.read_integer(F.col("text"))) == expected


def test_anything_else_is_no_integer(spark: SparkSession) -> None:
    texts = ["", "5.5", "1e2", "100.5", "five", "true", '{"a":1}', "9223372036854775808", "0x10", "1_000", None]
    assert one(spark, texts, rules.read_integer(F.col("text"))) == [None] * len(texts)
    assert one(spark, ["2147483647", "2147483648"], rules.read_integer(F.col("text"), "int")) == [2147483647, None]


WALL_CLOCKS = {
    "2023-08-02 10:00:00": "2023-08-02 10:00:00",
    " 2023-08-02T10:00:00 ": "2023-08-02 10:00:00",
    "2023-08-02t10:00:00": "2023-08-02 10:00:00",
    "2023-08-02 10:00:00.5": "2023-08-02 10:00:00.5",
    "2023-08-02 10:00:00,25": "2023-08-02 10:00:00.25",
    "2023-08-02 23:59:59.999999999": "2023-08-02 23:59:59.999999",
    "2023-08-02T23:30:00Z": "2023-08-02 23:30:00",
    "2023-08-02T23:30:00z": "2023-08-02 23:30:00",
    "2023-08-02T23:30:00+02:00": "2023-08-02 23:30:00",
    "2023-08-02 23:30:00 UTC-11": "2023-08-02 23:30:00",
    "2023-08-02 23:30:00 UTC": "2023-08-02 23:30:00",
    "2023-08-02 23:30:00 GMT+02:00": "2023-08-02 23:30:00",
    "2023-08-02 23:30:00.123-0930": "2023-08-02 23:30:00.123",
    "2023-08-02 23:30:00 +02": "2023-08-02 23:30:00",
    "2024-02-29 00:00:00": "2024-02-29 00:00:00",
    "0001-01-01 00:00:00": "0001-01-01 00:00:00",
    "9999-12-31 23:59:59": "9999-12-31 23:59:59",
}


def test_a_timestamp_is_its_wall_clock(spark: SparkSession) -> None:
    found = one(spark, list(WALL_CLOCKS), rules.read_timestamp(F.col("text")).cast("string"))
    assert dict(zip(WALL_CLOCKS, found, strict=True)) == WALL_CLOCKS


def test_other_timestamps_are_unreadable(spark: SparkSession) -> None:
    texts = [
        "", "x", "2023-08-02", "2023-02-29 00:00:00", "2023-08-32 00:00:00", "2023-13-01 00:00:00",
        "2023-08-02 24:00:00", "2023-08-02 10:60:00", "2023-08-02 10:00:60", "2023-08-02 10:00", "2023-8-2 10:00:00",
        "1690970400", "0000-01-01 00:00:00", "2023-08-02 10:00:00 Europe/Paris", "2023-08-02 10:00:00.",
        "02.08.2023 10:00:00", None,
    ]  # fmt: skip
    found = one(spark, texts, rules.read_timestamp(F.col("text")).cast("string"))
    assert [text for text, value in zip(texts, found, strict=True) if value is not None] == []


def test_a_good_log_gets_the_types_of_the_contract(spark: SparkSession) -> None:
    row = rules.apply_log_rules(records(spark, GOOD), AUGUST).collect()[0]
    assert (row.log_id, row.event_time, row.event_date) == (1, datetime(2023, 8, 2, 10), date(2023, 8, 2))
    assert (row.customer_id, row.product_id, row.action, row.quantity) == (1, 1, "purchase", 2)
    assert (row.is_outside, row.reason) == (False, None)


BAD: list[tuple[dict[str, str | None], LogReason]] = [
    ({"log_id": None}, LogReason.LOG_ID),
    ({"log_id": "1.5"}, LogReason.LOG_ID),
    ({"timestamp": None}, LogReason.TIMESTAMP),
    ({"timestamp": "yesterday"}, LogReason.TIMESTAMP),
    ({"action": None}, LogReason.ACTION),
    ({"action": ""}, LogReason.ACTION),
    ({"action": "view", "customer_id": "nobody"}, LogReason.CUSTOMER_ID),
    ({"product_id": ""}, LogReason.PURCHASE),
    ({"quantity": " "}, LogReason.PURCHASE),
    ({"product_id": "CUST1"}, LogReason.PRODUCT_ID),
    ({"product_id": None}, LogReason.PURCHASE),
    ({"quantity": None}, LogReason.PURCHASE),
    ({"action": "add_to_cart", "product_id": None}, LogReason.ADD_TO_CART),
    ({"quantity": "0"}, LogReason.QUANTITY),
    ({"quantity": "-1"}, LogReason.QUANTITY),
    ({"quantity": "1.5"}, LogReason.QUANTITY),
    ({"quantity": "2147483648"}, LogReason.QUANTITY),
    ({"action": "view", "quantity": "many"}, LogReason.QUANTITY),
    ({"log_id": None, "timestamp": None, "action": None}, LogReason.LOG_ID),
    ({"product_id": None, "quantity": "0"}, LogReason.PURCHASE),
]


def test_a_bad_log_is_refused_with_the_first_reason_that_applies(spark: SparkSession) -> None:
    assert judge(spark, *(changes for changes, _ in BAD)) == [reason for _, reason in BAD]


def test_nulls_and_unknown_actions_are_fine_where_the_contract_allows_them(spark: SparkSession) -> None:
    fine: list[dict[str, str | None]] = [
        {"customer_id": None},
        {"action": "view", "product_id": None, "quantity": None},
        {"action": "view", "customer_id": None, "product_id": None, "quantity": None},
        {"action": "add_to_cart", "quantity": None},
        {"action": "wishlist", "product_id": None, "quantity": None},
        {"product_id": "PROD000"},
        {"quantity": "2.0"},
        {"quantity": "1"},
        {"log_id": "-1"},
        {"customer_id": "nobody"},
        {"customer_id": ""},
        {"action": "view", "customer_id": "\u00a0", "product_id": " ", "quantity": ""},
    ]
    assert judge(spark, *fine) == [None] * len(fine)


def test_what_is_no_object_is_refused_as_such(spark: SparkSession) -> None:
    row = rules.apply_log_rules(records(spark, None), AUGUST).collect()[0]
    assert (row.is_outside, row.reason, row.raw) == (False, LogReason.NOT_JSON, "None")


def test_a_record_outside_the_period_is_outside_whatever_else_is_wrong(spark: SparkSession) -> None:
    days = [{"timestamp": "2023-07-31 23:59:59.999999"}, {"timestamp": "2023-09-01 00:00:00"}]
    worse = [{**day, "log_id": None, "action": None, "quantity": "x"} for day in days]
    assert judge(spark, *days, *worse) == ["outside"] * 4


def test_what_is_outside_has_no_reason(spark: SparkSession) -> None:
    outside = records(spark, {**GOOD, "timestamp": "2023-09-01 00:00:00", "log_id": None})
    row = rules.apply_log_rules(outside, AUGUST).collect()[0]
    assert (row.is_outside, row.reason) == (True, None)


def test_both_ends_of_the_period_are_inside(spark: SparkSession) -> None:
    assert judge(spark, {"timestamp": "2023-08-01 00:00:00"}, {"timestamp": "2023-08-31 23:59:59.999999"}) == [None] * 2


def duplicates(spark: SparkSession, *rows: tuple[int, str | None, int | None]) -> list[tuple[object, ...]]:
    frame = spark.createDataFrame(
        [(*row, f"raw{n}", None) for n, row in enumerate(rows)], "id LONG, a STRING, b INT, raw STRING, reason STRING"
    )
    marked = rules.mark_duplicates(frame, ["id"], ["a", "b"], "conflict")
    return [tuple(row) for row in marked.orderBy("raw").select("id", "a", "b", "is_duplicate", "reason").collect()]


def test_identical_records_collapse_into_one(spark: SparkSession) -> None:
    assert duplicates(spark, (1, "x", None), (1, "x", None), (1, "x", None), (2, "x", None)) == [
        (1, "x", None, False, None),
        (1, "x", None, True, None),
        (1, "x", None, True, None),
        (2, "x", None, False, None),
    ]


def test_of_different_records_with_one_key_the_first_stays(spark: SparkSession) -> None:
    assert duplicates(spark, (1, "b", 1), (1, "a", 2), (1, "a", None), (1, "b", 1)) == [
        (1, "b", 1, False, "conflict"),
        (1, "a", 2, False, "conflict"),
        (1, "a", None, False, None),
        (1, "b", 1, True, "conflict"),
    ]


def test_null_sorts_before_everything(spark: SparkSession) -> None:
    assert [row[4] for row in duplicates(spark, (1, "", 0), (1, None, 9))] == ["conflict", None]


def test_customers_are_refused_with_their_reason(spark: SparkSession) -> None:
    names = ("customer_id", "first_name", "last_name", "email", "phone")
    ddl = "raw STRING, is_whole BOOLEAN, " + ", ".join(f"{name} STRING" for name in names)
    rows = [
        ("a", True, "cust01", "Ann", None, None, None),
        ("b", False, None, None, None, None, None),
        ("c", True, "C1", None, None, None, None),
        ("d", True, None, "Dan", None, None, None),
    ]
    judged = rules.apply_customer_rules(spark.createDataFrame(rows, ddl)).orderBy("raw").collect()
    assert [row.reason for row in judged] == [
        None, CustomerReason.FIELDS, CustomerReason.CUSTOMER_ID, CustomerReason.CUSTOMER_ID,
    ]  # fmt: skip
    assert judged[0].customer_id == 1


def test_products_are_refused_with_their_reason(spark: SparkSession) -> None:
    ddl = "raw STRING, is_whole BOOLEAN, product_id STRING, product_name STRING, category STRING, price STRING"
    rows = [
        ("a", True, "prod01", "Lamp", None, "1"),
        ("b", False, None, None, None, None),
        ("c", True, "CUST1", "Lamp", None, "1"),
        ("d", True, None, "Lamp", None, "dear"),
        ("e", True, "1", "Lamp", None, "dear"),
    ]
    judged = rules.apply_product_rules(spark.createDataFrame(rows, ddl)).orderBy("raw").collect()
    assert [row.reason for row in judged] == [
        None, ProductReason.FIELDS, ProductReason.PRODUCT_ID, ProductReason.PRODUCT_ID, ProductReason.PRICE,
    ]  # fmt: skip


def test_a_price_is_a_plain_number_and_exact_to_the_cent(spark: SparkSession) -> None:
    prices = ["35.0", "0", "10.005", "9999999999.99", "1." + "9" * 75, "0" * 90 + "1.0049" + "9" * 90, "5."]
    bad = ["10000000000", "9999999999.995", "9" * 90, "-1", "1e3", "$5", "1,000.00", "", None]
    ddl = "raw STRING, is_whole BOOLEAN, product_id STRING, product_name STRING, category STRING, price STRING"
    frame = spark.createDataFrame([(f"{n:02d}", True, "1", None, None, p) for n, p in enumerate(prices + bad)], ddl)
    judged = rules.apply_product_rules(frame).orderBy("raw").collect()
    exact = ("35.00", "0.00", "10.01", "9999999999.99", "2.00", "1.00", "5.00")
    assert [row.price for row in judged] == [Decimal(p) for p in exact] + [None] * len(bad)
    assert [row.reason for row in judged] == [None] * len(exact) + [ProductReason.PRICE] * len(bad)
