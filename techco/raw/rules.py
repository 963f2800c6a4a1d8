"""Judges raw records: which are good, which are refused and why. Transforms only, without I/O.

Good rows get the types of the contract; every other row keeps its text and gets one reason from `techco.contract`. The
usual form of a value is read first, by cheap expressions; only what is left pays for those that read every form.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from techco.contract import CustomerReason, LogReason, ProductReason
from techco.period import Period
from techco.raw.tidy import AROUND

LOG_FIELDS = ("event_time", "customer_id", "product_id", "action", "quantity")
_MAY_BE_BLANK = ("customer_id", "product_id", "quantity")
_DIGITS = r"^[0-9]{1,9}\z"
_LONG = r"^[+-]?[0-9]{1,19}(\.0+)?\z"  # 2.0 is an integer too, as in JSON Schema: spreadsheets and pandas write it
_TIMESTAMP = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[ Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,6})[0-9]*)?"
    r"[ ]*(?:[Zz]|UTC|GMT|(?:UTC|GMT)?[+-][0-9]{2}(?::?[0-9]{2})?)?\z"
)
_USUAL_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\z"
# Digits after the third decimal cannot change how it is rounded, and make numbers that not every engine can read.
_PRICE = r"^0*([0-9]+)(?:(\.[0-9]{0,3})[0-9]*)?\z"


def trim(text: Column) -> Column:
    """Remove what nobody sees around a text, as `techco.raw.tidy.tidy` does."""
    return F.trim(text, F.lit(AROUND))


def read_key(text: Column, prefix: str) -> Column:
    """Read the number of a key.

    Parameters
    ----------
    text
        `CUST12`, `cust012`, ` 12 `, `12` or `12.0` are 12; no fixed width.
    prefix
        `CUST` or `PROD`.

    Returns
    -------
    Column
        long; null if the text is null or has no number in these forms.
    """
    letters = "".join(f"[{letter}{letter.lower()}]" for letter in prefix)  # (?i) would take ſ for an S on some engines
    form = rf"^(?:{letters})?0*([0-9]{{1,18}})(?:\.0+)?\z"
    exact = F.regexp_extract(trim(text), form, 1).try_cast("long")
    number = F.substring(text, len(prefix) + 1, 18)
    return F.when(text.rlike(rf"^{prefix}[0-9]{{1,18}}\z"), number.try_cast("long")).otherwise(exact)


def read_integer(text: Column, kind: str = "long") -> Column:
    """Read an integer, `2.0` included; null if the text is none or does not fit into the type."""
    trimmed = trim(text)
    exact = F.when(trimmed.rlike(_LONG), F.regexp_replace(trimmed, r"\.0+$", "").try_cast(kind))
    return F.when(text.rlike(_DIGITS), text.try_cast(kind)).otherwise(exact)


def read_timestamp(text: Column) -> Column:
    """Read a wall-clock time, `timestamp_ntz` in microseconds.

    `YYYY-MM-DD HH:MM:SS` with a blank or `T`; fractions are cut after the microsecond, an offset is ignored. Null if
    the text has another form or the day or time does not exist.
    """
    trimmed = trim(text)
    plain = F.regexp_replace(trimmed, _TIMESTAMP, "$1 $2.$3")
    plain = F.regexp_replace(plain, r"\.$", "").try_cast("timestamp_ntz")
    exact = F.when(trimmed.rlike(_TIMESTAMP) & ~trimmed.startswith("0000"), plain)
    return F.when(text.rlike(_USUAL_TIMESTAMP) & ~text.startswith("0000"), text.try_cast("timestamp_ntz")).otherwise(
        exact
    )


def apply_log_rules(records: DataFrame, period: Period, keep: Sequence[str] = ()) -> DataFrame:
    """Type each web log, and say of each that is not good why.

    Parameters
    ----------
    records
        As `techco.raw.logs.LogReader.read` has them.
    keep
        Columns of `records` to be passed on.

    Returns
    -------
    DataFrame
        One row per record: the columns of the table web_logs; `raw` string; `is_outside` boolean, the timestamp is
        readable and outside the period; `reason` string, null if good or outside; `is_unnamed` boolean, it is a
        purchase whose customer_id has no number; those of `keep`.
    """
    typed = records.select(
        "raw",
        "is_object",
        read_integer(F.col("log_id")).alias("log_id"),
        read_timestamp(F.col("timestamp")).alias("event_time"),
        read_key(F.col("customer_id"), "CUST").alias("customer_id"),
        read_key(F.col("product_id"), "PROD").alias("product_id"),
        F.nullif(F.col("action"), F.lit("")).alias("action"),
        read_integer(F.col("quantity"), "int").alias("quantity"),
        *(F.col(name).alias(f"{name}_text") for name in _MAY_BE_BLANK),
        *keep,
    )
    dated = typed.withColumn("event_date", F.to_date("event_time"))
    in_period = F.col("event_date").between(F.lit(period.first), F.lit(period.last))
    is_unnamed = (F.col("action") == "purchase") & _is_unreadable("customer_id")
    return dated.select(
        "log_id",
        "event_time",
        "event_date",
        *LOG_FIELDS[1:],
        "raw",
        F.coalesce(~in_period, F.lit(False)).alias("is_outside"),
        F.when(F.coalesce(in_period, F.lit(True)), _log_reason()).alias("reason"),
        F.coalesce(is_unnamed, F.lit(False)).alias("is_unnamed"),
        *keep,
    )


def _log_reason() -> Column:
    """Return the first reason that applies, in the order of `LogReason`; null if none does."""
    action, quantity, product = F.col("action"), F.col("quantity"), F.col("product_id")
    is_purchase = action == "purchase"
    tests = {
        LogReason.NOT_JSON: ~F.col("is_object"),
        LogReason.LOG_ID: F.col("log_id").isNull(),
        LogReason.TIMESTAMP: F.col("event_time").isNull(),
        LogReason.ACTION: action.isNull(),
        # A purchase is kept without its customer, or its sales would be lost.
        LogReason.CUSTOMER_ID: ~is_purchase & _is_unreadable("customer_id"),
        LogReason.PRODUCT_ID: _is_unreadable("product_id"),
        LogReason.PURCHASE: is_purchase & (product.isNull() | (quantity.isNull() & ~_is_unreadable("quantity"))),
        LogReason.ADD_TO_CART: (action == "add_to_cart") & product.isNull(),
        LogReason.QUANTITY: _is_unreadable("quantity") | (quantity < 1),
    }
    return _first_reason(tests)


def _is_unreadable(name: str) -> Column:
    """Return whether a field that may be null has a text without a value; blank text is null."""
    text = F.col(f"{name}_text")
    # Nearly all have a value, and do not pay for the trimming.
    return F.when(F.col(name).isNull() & text.isNotNull(), trim(text) != "").otherwise(F.lit(False))


def apply_customer_rules(records: DataFrame) -> DataFrame:
    """Type each customer: the columns of the table customers, `raw`, and `reason`, null if good.

    Parameters
    ----------
    records
        As `techco.raw.csv_rows.read_csv` returns them.
    """
    typed = records.withColumn("customer_id", read_key(F.col("customer_id"), "CUST"))
    tests = {
        CustomerReason.FIELDS: ~F.col("is_whole"),
        CustomerReason.CUSTOMER_ID: F.col("customer_id").isNull(),
    }
    return typed.select(
        "customer_id", "first_name", "last_name", "email", "phone", "raw", _first_reason(tests).alias("reason")
    )


def apply_product_rules(records: DataFrame) -> DataFrame:
    """Type each product: the columns of the table products, `raw`, and `reason`, null if good.

    A price is a number of at least 0 without sign, thousands separators or currency; more than two decimals are rounded
    half up.

    Parameters
    ----------
    records
        As `techco.raw.csv_rows.read_csv` returns them.
    """
    digits = F.regexp_replace("price", _PRICE, "$1$2")
    price = F.when(F.col("price").rlike(_PRICE), digits.try_cast("decimal(12,2)"))
    typed = records.withColumns({"product_id": read_key(F.col("product_id"), "PROD"), "price": price})
    tests = {
        ProductReason.FIELDS: ~F.col("is_whole"),
        ProductReason.PRODUCT_ID: F.col("product_id").isNull(),
        ProductReason.PRICE: F.col("price").isNull(),
    }
    return typed.select("product_id", "product_name", "category", "price", "raw", _first_reason(tests).alias("reason"))


def mark_duplicates(good: DataFrame, key: Sequence[str], others: Sequence[str], conflict: str) -> DataFrame:
    """Find, among good rows, those that repeat another.

    Parameters
    ----------
    good
        Typed rows with `raw`, and `reason` null.
    key
        The columns that must be unique together.
    others
        The other columns of the record. Of different rows with one key that which sorts first by them stays, nulls
        first.

    Returns
    -------
    DataFrame
        The same rows with `reason` set to `conflict` for those that lose, and `is_duplicate` true for all but one of
        rows that agree in every column.
    """
    order = [F.col(name).asc_nulls_first() for name in others]
    rows = Window.partitionBy(*key, *others).orderBy("raw")
    records = Window.partitionBy(*key).orderBy(*order)
    return (
        good.withColumn("_copy", F.row_number().over(rows))
        .withColumn("_rank", F.dense_rank().over(records))
        .withColumn("is_duplicate", F.col("_copy") > 1)
        .withColumn("reason", F.when(F.col("_rank") > 1, F.lit(conflict)))
        .drop("_copy", "_rank")
    )


def _first_reason(
    tests: dict[LogReason, Column] | dict[CustomerReason, Column] | dict[ProductReason, Column],
) -> Column:
    return F.coalesce(*(F.when(test, F.lit(str(reason))) for reason, test in tests.items()))
