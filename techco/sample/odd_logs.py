"""Every inconsistency that web logs may have, each with what must become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from techco.contract import LogReason
from techco.sample.traffic import ACTIONS

OTHER_ACTIONS = ("wishlist", "share", "<script>alert(1)</script>", "=1+1", "[bold]gift card[/bold]")
ALL_ACTIONS = (*ACTIONS, *OTHER_ACTIONS)

ABSENT = object()
"""Stands for a key that the record does not have."""


@dataclass(frozen=True)
class Log:
    """What a log means, however it is written; null is None."""

    log_id: int
    time: datetime
    customer: int | None
    product: int | None
    action: str
    quantity: int | None

    def record(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Write the log as a JSON object in the usual form, but for the given keys."""
        usual = {
            "log_id": self.log_id,
            "timestamp": f"{self.time:%Y-%m-%d %H:%M:%S}" + (f".{self.time:%f}" if self.time.microsecond else ""),
            "customer_id": None if self.customer is None else f"CUST{self.customer}",
            "product_id": None if self.product is None else f"PROD{self.product:03d}",
            "action": self.action,
            "quantity": self.quantity,
        }
        return {key: value for key, value in (usual | changes).items() if value is not ABSENT}


Changes = dict[str, Any]
Writing = Callable[[Log], Changes]


def _time(form: str) -> Writing:
    return lambda log: {"timestamp": format(log.time, form)}


def _extra(**keys: Any) -> Writing:
    return lambda _: keys


WRITINGS: tuple[Writing, ...] = (
    lambda log: {"customer_id": f"cust{log.customer:03d}", "product_id": f"prod{log.product}"},
    lambda log: {"customer_id": f" {log.customer} ", "product_id": f" {log.product} "},
    lambda log: {"customer_id": f"{log.customer}", "product_id": f"{log.product}"},
    lambda log: {"customer_id": log.customer, "product_id": log.product},
    lambda log: {"customer_id": f"CUST{log.customer:012d}", "product_id": f"PROD{log.product:012d} "},
    lambda log: {"action": f"  {log.action.upper()} "},
    lambda log: {"action": log.action.title()},
    lambda log: {"quantity": log.quantity and str(log.quantity)},
    lambda log: {"quantity": log.quantity and float(log.quantity)},
    lambda log: {"log_id": str(log.log_id)},
    lambda log: {"log_id": float(log.log_id)},
    _time("%Y-%m-%dT%H:%M:%S"),
    _time("%Y-%m-%d %H:%M:%S.0"),
    _time("%Y-%m-%dT%H:%M:%S.000000"),
    _time("%Y-%m-%dT%H:%M:%SZ"),
    _time("%Y-%m-%d %H:%M:%S+02:00"),
    _time("%Y-%m-%dT%H:%M:%S.000-11:30"),
    _extra(session={"id": "a{b}c", "pages": [1, [2, {"x": "}"}], {}], "open": True}, score=1.5e-7),
    _extra(note='He said "hi\\" \\\\ } ] , { [ 😀 \u2028 end', path="C:\\shop\\"),
    _extra(referrer='}, {"log_id": 1, "action": "purchase"', state="]", rest="},\n  {\n", tag="<b>&amp;</b>"),
    _extra(meta={"log_id": 999, "timestamp": "1999-01-01 00:00:00", "action": "purchase", "quantity": 9}),
    _extra(empty={}, none=None, nothing=[], text="", **{'a key, "with" {signs}': "x"}),
)
"""Ways to write the same log, which has a customer, a product and whole seconds."""

FAULTS: tuple[tuple[LogReason, Changes], ...] = (
    (LogReason.LOG_ID, {"log_id": None}),
    (LogReason.LOG_ID, {"log_id": ABSENT}),
    (LogReason.LOG_ID, {"log_id": "abc"}),
    (LogReason.LOG_ID, {"log_id": 1.5}),
    (LogReason.LOG_ID, {"log_id": None, "action": None, "quantity": -1}),
    (LogReason.TIMESTAMP, {"timestamp": None}),
    (LogReason.TIMESTAMP, {"timestamp": ABSENT}),
    (LogReason.TIMESTAMP, {"timestamp": "yesterday"}),
    (LogReason.TIMESTAMP, {"timestamp": "2023-02-30 10:00:00"}),
    (LogReason.TIMESTAMP, {"timestamp": "2023-08-02 25:00:00"}),
    (LogReason.TIMESTAMP, {"timestamp": "02/08/2023 10:00"}),
    (LogReason.TIMESTAMP, {"timestamp": "", "product_id": "lamp"}),
    (LogReason.ACTION, {"action": None}),
    (LogReason.ACTION, {"action": ABSENT}),
    (LogReason.ACTION, {"action": "  ", "customer_id": "guest"}),
    (LogReason.CUSTOMER_ID, {"customer_id": "CUST"}),
    (LogReason.CUSTOMER_ID, {"customer_id": "guest"}),
    (LogReason.CUSTOMER_ID, {"customer_id": "CUST1.5"}),
    (LogReason.CUSTOMER_ID, {"customer_id": "12abc", "product_id": "lamp"}),
    (LogReason.PRODUCT_ID, {"product_id": "PROD"}),
    (LogReason.PRODUCT_ID, {"product_id": "<img src=x onerror=alert(1)>"}),
    (LogReason.PRODUCT_ID, {"product_id": "=1+1", "action": "purchase", "quantity": None}),
    (LogReason.PURCHASE, {"action": "purchase", "product_id": None}),
    (LogReason.PURCHASE, {"action": " PURCHASE", "product_id": ABSENT, "quantity": -1}),
    (LogReason.PURCHASE, {"action": "purchase", "quantity": None}),
    (LogReason.PURCHASE, {"action": "Purchase", "quantity": ABSENT}),
    (LogReason.ADD_TO_CART, {"action": "add_to_cart", "product_id": None}),
    (LogReason.ADD_TO_CART, {"action": "ADD_TO_CART ", "product_id": ABSENT, "quantity": 0}),
    (LogReason.QUANTITY, {"quantity": 0}),
    (LogReason.QUANTITY, {"quantity": -1}),
    (LogReason.QUANTITY, {"quantity": 1.5}),
    (LogReason.QUANTITY, {"quantity": "many"}),
    (LogReason.QUANTITY, {"action": "view", "quantity": "0"}),
)
"""Faults of an add_to_cart that is otherwise right, with the reason that comes first."""

OUTSIDE_FAULTS: tuple[Changes, ...] = (
    {},
    {"action": None},
    {"log_id": "abc", "customer_id": "guest"},
    {"action": "purchase", "quantity": None},
)
"""What may be wrong with a record outside the period without making a difference."""


def broken_texts(log_id: int, *, line_breaks: bool) -> tuple[str, ...]:
    """Make texts of records that are not JSON objects.

    None holds a comma followed by a brace, so a reader that goes on at the next `{` after a comma, a bracket or a line
    break refuses exactly one record for each.

    Parameters
    ----------
    log_id
        Shows in those that get as far.
    line_breaks
        Whether a line break follows each record. Otherwise none leaves a string open, as nobody could say how much of
        the next record such a string swallows.
    """
    cut = '"timestamp": "2023-08-0' if line_breaks else '"action": "view"'
    return (
        f'{{"log_id": {log_id}, "timestamp": }}',
        f'{{"log_id": {log_id}, {cut}',
        f'{{"log_id": {log_id}, "action": "view", "quantity": 1,}}',
        f'{{"log_id": {log_id} "action": "view"}}',
        "oops",
        "42",
        "null",
    )
