"""The tables of a shop: names, columns and partitioning, as every reader may rely on them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

PARTITION = "event_date"


@dataclass(frozen=True)
class TableContract:
    """One table.

    Attributes
    ----------
    name
        Its folder under `tables/`.
    columns
        Spark DDL, in order.
    by_day
        Partitioned by `event_date`, and replaced by period; otherwise replaced as a whole.
    undated
        May hold rows without a day, which each run replaces too.
    """

    name: str
    columns: str
    by_day: bool = False
    undated: bool = False

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, which unlike `schema` need no session."""
        return [column.split()[0] for column in self.columns.split(", ")]

    @cached_property
    def schema(self) -> StructType:
        """The columns as a Spark schema; all are nullable."""
        from pyspark.sql.types import StructType

        schema = StructType.fromDDL(self.columns)
        assert isinstance(schema, StructType)
        return schema


_LOG = (
    "log_id LONG, event_time TIMESTAMP_NTZ, event_date DATE, customer_id LONG, product_id LONG, "
    "action STRING, quantity INT"
)
_PERSON = "first_name STRING, last_name STRING, email STRING, phone STRING"
_ITEM = "product_name STRING, category STRING, price DECIMAL(12,2)"

CUSTOMERS = TableContract("customers", f"customer_id LONG, {_PERSON}")
PRODUCTS = TableContract("products", f"product_id LONG, {_ITEM}")
WEB_LOGS = TableContract("web_logs", _LOG, by_day=True)
QUARANTINE = TableContract(
    "quarantine", "event_date DATE, source STRING, reason STRING, raw STRING, run_id STRING", by_day=True, undated=True
)
# price has 10 digits before the point and quantity at most 10, so 20 hold every product of the two.
FULL_DATA = TableContract("full_data", f"{_LOG}, {_PERSON}, {_ITEM}, sales DECIMAL(22,2)", by_day=True)
PRODUCT_SALES = TableContract(
    "product_sales",
    "event_date DATE, product_id LONG, quantity LONG, sales DECIMAL(32,2), purchases LONG",
    by_day=True,
)

TABLES = {t.name: t for t in (CUSTOMERS, PRODUCTS, WEB_LOGS, QUARANTINE, FULL_DATA, PRODUCT_SALES)}


class LogReason(StrEnum):
    """Reasons for which a web log is quarantined."""

    NOT_JSON = "not a JSON object"
    LOG_ID = "log_id missing or not an integer"
    TIMESTAMP = "timestamp missing or unreadable"
    ACTION = "action missing"
    CUSTOMER_ID = "customer_id has no number"
    PRODUCT_ID = "product_id has no number"
    PURCHASE = "purchase without product or quantity"
    ADD_TO_CART = "add_to_cart without product"
    QUANTITY = "quantity is not an integer of at least 1"
    CONFLICT = "another record with this log_id"


class CustomerReason(StrEnum):
    """Reasons for which a customer is quarantined."""

    FIELDS = "wrong number of fields"
    CUSTOMER_ID = "customer_id missing or has no number"
    CONFLICT = "another record with this customer_id"


class ProductReason(StrEnum):
    """Reasons for which a product is quarantined."""

    FIELDS = "wrong number of fields"
    PRODUCT_ID = "product_id missing or has no number"
    PRICE = "price missing or not a number"
    CONFLICT = "another record with this product_id"


CONFLICTS = (LogReason.CONFLICT, CustomerReason.CONFLICT, ProductReason.CONFLICT)
"""The reasons of records that lose to another one with the same key."""
