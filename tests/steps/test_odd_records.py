"""Hundreds of odd records at once: every engine judges each as a few lines of plain Python do."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from techco.contract import LogReason
from techco.ingest import ingest
from techco.join import join
from techco.shop import Shop
from tests.support.shops import CUSTOMERS, write_shop

# Each field as JSON text; `#` stands for a number. What is usual comes often enough for whole records to be good.
USUAL = {
    "log_id": ["#", "#", '"#"', "#.0"],
    "timestamp": ['"2023-08-0# 10:00:00"', '"2023-08-1#T23:59:59.999Z"', '" 2023-08-2# 00:00:00+14:00\\u00a0"'],
    "customer_id": [
        '"CUST#"',
        '"cust0#"',
        "#",
        '"#.0"',
        '"\\u200b#\\t"',
        "null",
        '""',
        "-0",
        '"CUST000000000000000000#"',
    ],
    "product_id": ['"PROD#"', '"prod00#"', "#", "#.00", '"\\ufeffProd#"', '"PROD#"'],
    "action": ['"purchase"', '"Purchase\\u00a0"', '"\\u200bVIEW"', '"add_to_cart"', '"wish\\u000b"', '"E\\u0301TOILE"'],
    "quantity": ["#", '"#"', "#.0", "2147483647", '"+#"', "null", '""'],
}
ODD = {
    "log_id": ["null", '""', '"x#"', "#.5", "1e3", "9223372036854775808", "true", "[#]"],
    "timestamp": ["null", '""', '"2023-02-30 10:00:00"', '"2023-08-01"', "1690984980", '"2023-09-01 00:00:00"', '"?"'],
    "customer_id": [
        '"guest"',
        '"CU\\u017fT#"',
        '"-#"',
        "#.5",
        '"CUST #"',
        '"\\uff11"',
        "1e400",
        '"9999999999999999999"',
    ],
    "product_id": ['"lamp"', '"CUST#"', "null", '" "', '"PROD-#"', "false", '"#a"', "-#"],
    "action": ["null", '""', '"\\u2003"', "true", "#", '"pur\\u200bchase"', '"\\u017furchase"', '"PURCHA\\u0160E"'],
    "quantity": ["0", "-0", "-#", "1.5", '"two"', "2147483648", "1e2", '"\\u0661"', "[#]"],
}
PRICES = ["#", "#.5", "0#.005", "#.004999999999999999999", "1." + "9" * 75, "0" * 90 + "#", "9999999999.99", "#."]
BAD_PRICES = ["", "-#", "#e1", "$#", "9999999999.995", "9" * 90, "1,5", "free", "NaN"]
REPEATS = 400


def stripped(text: str) -> str:
    return re.sub(r"^[\s\u200b\ufeff]+|[\s\u200b\ufeff]+$", "", text)


def number(text: str | None, form: str) -> int | None:
    found = re.fullmatch(form, stripped(text or ""), re.ASCII | re.IGNORECASE)
    return int(found[1]) if found else None


def integer(text: str | None, limit: int) -> int | None:
    value = number(text, r"([+-]?\d{1,19})(?:\.0+)?")
    return value if value is not None and -limit <= value < limit else None


def is_blank(text: str | None) -> bool:
    return not stripped(text or "")


def judged(record: dict[str, str | None]) -> str | tuple[Any, ...]:
    """What becomes of a record: `outside`, the reason for which it is refused, or what it means."""
    form = r"(\d{4}-(\d\d)-\d\d)[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|[+]\d\d:\d\d)?"
    time = re.fullmatch(form, stripped(record["timestamp"] or ""))
    if time and time[2] == "09":
        return "outside"
    log_id, quantity = integer(record["log_id"], 2**63), integer(record["quantity"], 2**31)
    customer = number(record["customer_id"], r"(?:cust)?0*(\d{1,18})(?:\.0+)?")
    product = number(record["product_id"], r"(?:prod)?0*(\d{1,18})(?:\.0+)?")
    action = stripped(record["action"] or "").lower().replace("e\u0301", "é")
    unread = {"customer": customer is None and not is_blank(record["customer_id"]),
              "product": product is None and not is_blank(record["product_id"])}  # fmt: skip
    faults = {
        LogReason.LOG_ID: log_id is None,
        LogReason.TIMESTAMP: time is None or time[2] == "02",
        LogReason.ACTION: not action,
        LogReason.CUSTOMER_ID: unread["customer"] and action != "purchase",
        LogReason.PRODUCT_ID: unread["product"],
        LogReason.PURCHASE: action == "purchase" and (product is None or is_blank(record["quantity"])),
        LogReason.ADD_TO_CART: action == "add_to_cart" and product is None,
        LogReason.QUANTITY: not is_blank(record["quantity"]) and (quantity is None or quantity < 1),
    }
    reason = next((str(reason) for reason, is_so in faults.items() if is_so), None)
    return reason or (log_id, time and time[1], customer, product, action, quantity)


def price(text: str) -> Decimal | None:
    whole, _, decimals = text.partition(".")
    if not re.fullmatch(r"\d+(\.\d*)?", text, re.ASCII) or int(whole) >= 10**10:
        return None
    value = Decimal(f"{int(whole)}.{decimals[:3] or 0}").quantize(Decimal("0.01"), ROUND_HALF_UP)
    return value if value < 10**10 else None


def some(choose: random.Random, name: str, log_number: int) -> str:
    forms = ODD[name] if choose.random() < 0.08 else USUAL[name]
    return choose.choice(forms).replace("#", str(log_number if name == "log_id" else choose.randint(1, 9)))


@pytest.mark.parametrize(("seed", "form"), [(1, "lines"), (2, "array"), (3, "array in one stream")])
def test_odd_records_by_hundreds_are_judged_as_plain_python_does(any_shop: Shop, seed: int, form: str) -> None:
    choose = random.Random(seed)
    texts = [
        "{" + ", ".join(f'"{name}": {some(choose, name, n)}' for name in USUAL) + "}" for n in range(10, 10 + REPEATS)
    ]
    rows = [(n, choose.choice(PRICES if choose.random() < 0.8 else BAD_PRICES).replace("#", str(n))) for n in range(40)]
    products = "product_id,product_name,category,price\n" + "".join(f'{n},P,C,"{text}"\n' for n, text in rows)
    if form == "array in one stream":
        texts = [text.replace("{", '{"note": "}", ', 1) for text in texts]
    write_shop(any_shop.storage, "\n".join(texts) if form == "lines" else f"[{', '.join(texts)}]", CUSTOMERS, products)

    records = [
        json.loads(text, parse_int=lambda digits: "0" if digits == "-0" else digits, parse_float=str) for text in texts
    ]
    verdicts = [judged({name: as_text(record[name]) for name in USUAL}) for record in records]
    kept = [verdict for verdict in verdicts if isinstance(verdict, tuple)]
    prices = {n: value for n, text in rows if (value := price(text)) is not None}
    sales = [prices[row[3]] * row[5] for row in kept if row[4] == "purchase" and row[3] in prices]

    ingested = ingest(any_shop)
    refused = Counter(verdict for verdict in verdicts if isinstance(verdict, str) and verdict != "outside")
    assert {row[1]: row[2] for row in ingested.reasons.rows if row[0] == "web_logs"} == refused
    found = any_shop.web_logs.select(
        "log_id", "event_date", "customer_id", "product_id", "action", "quantity"
    ).collect()
    assert sorted((row[0], str(row[1]), *row[2:]) for row in found) == sorted(kept)
    assert {row.product_id: row.price for row in any_shop.products.collect()} == prices
    assert Decimal(str(join(any_shop).values["total_sales"])) == sum(sales)


def as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
