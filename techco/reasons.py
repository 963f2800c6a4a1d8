"""Why a record is quarantined: the words that the quarantine table, the report and the tests share.

The order is the order of precedence: a record with several faults is counted once, under the first of them.
"""

from enum import StrEnum


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
