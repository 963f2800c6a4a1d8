"""Random raw files with odd records among the good ones, how they change, and their files in every shape."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.support.plain_shop import RawShop, Record
from tests.support.plain_tables import Days

SHAPES = ("array", "lines", "gz", "folder", "days")
_FIRST = date(2023, 7, 24)
_NAMES = ("Ann", "Bob", "Cy", "Di", "")
_CATEGORIES = ("Home", "Books", "Toys", "")
_ACTIONS = (
    "view",
    "view",
    "add_to_cart",
    "purchase",
    "purchase",
    "purchase",
    " View ",
    "PURCHASE",
    "wishlist",
    "refund",
)
_PRICES = ("9.99", "20", "0.05", "1234.50", "3.005", "7.5", "100.00", "0")
_ODD_LOG: tuple[dict[str, Any], ...] = (
    {"log_id": None},
    {"log_id": "x7"},
    {"timestamp": "yesterday"},
    {"timestamp": "2023-02-30 10:00:00"},
    {"timestamp": None},
    {"action": ""},
    {"action": None},
    {"customer_id": "nobody"},
    {"product_id": "PRODx"},
    {"product_id": None},
    {"quantity": 0},
    {"quantity": -2},
    {"quantity": "two"},
    {"quantity": 1.5},
    {"quantity": None},
)
_ODD_CUSTOMERS = (("", "No", "Key", "", ""), ("CUSTx", "Bad", "Key", "", ""), ("CUST1", "Too", "Short"))
_ODD_PRODUCTS = (("", "No key", "Home", "1.00"), ("PROD1", "Free", "Home", "free"), ("PROD2", "Short"))


def random_shop(dice: Random) -> RawShop:
    """Make the raw files of a small shop."""
    days = Days(_FIRST, _FIRST + timedelta(dice.randint(1, 11)))
    days = Days(days.first + timedelta(move := dice.randint(0, 9)), days.last + timedelta(move))
    shop = RawShop((), (), (), dice.choice(SHAPES), days.first)
    shop = replace(shop, customers=_customers(dice), products=_products(dice))
    return replace(shop, logs=_logs(dice, days, dice.randint(5, 60), first_id=1, odd=dice.choice((0, 0.03, 0.2))))


def all_days(shop: RawShop) -> Days:
    """Return the days of the files, or any if no record has one."""
    return Days(*(shop.days() or (shop.home, shop.home)))


def _customers(dice: Random) -> tuple[tuple[str, ...], ...]:
    rows: list[tuple[str, ...]] = []
    for number in range(1, dice.randint(2, 8)):
        key = dice.choice((f"CUST{number}", f"cust00{number}", f" {number} ", f"{number}.0"))
        rows.append((key, dice.choice(_NAMES), dice.choice(_NAMES), "", dice.choice(("", "+1-202-555-0101"))))
    if rows and dice.random() < 0.3:
        rows.append(dice.choice((rows[0], (rows[0][0], "Zoe", *rows[0][2:]), *_ODD_CUSTOMERS)))
    return tuple(rows)


def _products(dice: Random) -> tuple[tuple[str, ...], ...]:
    rows: list[tuple[str, ...]] = []
    for number in range(1, dice.randint(2, 6)):
        key = dice.choice((f"PROD{number}", f"prod00{number}", f"{number}"))
        rows.append((key, dice.choice(("Lamp", "Book", "Ball", "")), dice.choice(_CATEGORIES), dice.choice(_PRICES)))
    if rows and dice.random() < 0.3:
        rows.append(dice.choice((rows[0], (*rows[0][:3], "5.55"), *_ODD_PRODUCTS)))
    return tuple(rows)


def _logs(dice: Random, days: Days, count: int, first_id: int, odd: float) -> tuple[Record, ...]:
    logs: list[Record] = []
    for log_id in range(first_id, first_id + count):
        record = _log(dice, dice.choice(list(days)), log_id)
        if dice.random() < odd:
            record |= dice.choice(_ODD_LOG)
        logs.append(record)
        if dice.random() < odd:
            logs.append(
                dice.choice((dict(record), {**record, "quantity": dice.randint(1, 9)}, {**record, "product_id": 2}, 5))
            )
    return tuple(logs)


def _log(dice: Random, day: date, log_id: int) -> dict[str, Any]:
    action = dice.choice(_ACTIONS)
    time = f"{day}{dice.choice(' T')}{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:07"
    customer, product = dice.randint(1, 8), dice.randint(1, 6)
    record: dict[str, Any] = {
        "log_id": dice.choice((log_id, log_id, str(log_id))),
        "timestamp": time + dice.choice(("", "", ".25", "Z", "+02:00")),
        "customer_id": dice.choice((f"CUST{customer}", f"cust0{customer}", customer, None)),
        "product_id": dice.choice((f"PROD{product}", f"PROD00{product}", str(product))),
        "action": action,
        "quantity": dice.choice((None, 1)) if "view" in action.lower() else dice.randint(1, 5),
    }
    if dice.random() < 0.1:
        del record["customer_id"]
    return record


# How raw files change


def changed(shop: RawShop, dice: Random) -> tuple[str, RawShop]:
    """Change the raw files in one of many ways; returns its name, too."""
    name, change = dice.choice(list(_CHANGES.items()))
    return name, change(shop, dice)


def _new_prices(shop: RawShop, dice: Random) -> RawShop:
    rows = ((*row[:3], dice.choice(_PRICES)) if len(row) == 4 and dice.random() < 0.7 else row for row in shop.products)
    return replace(shop, products=tuple(rows))


def _late_logs(shop: RawShop, dice: Random) -> RawShop:
    days = all_days(shop)
    first_id = len(shop.logs) + dice.choice((0, 1000))
    return replace(shop, logs=(*shop.logs, *_logs(dice, days, dice.randint(1, 8), first_id, odd=0.1)))


def _next_days(shop: RawShop, dice: Random) -> RawShop:
    last = all_days(shop).last
    days = Days(last + timedelta(1), last + timedelta(dice.randint(1, 3)))
    return replace(shop, logs=(*shop.logs, *_logs(dice, days, dice.randint(2, 12), 2000 + len(shop.logs), odd=0.05)))


def _fewer_logs(shop: RawShop, dice: Random) -> RawShop:
    kept = [record for record in shop.logs if dice.random() < 0.6]
    return replace(shop, logs=tuple(kept or shop.logs[:1]))


def _a_day_less(shop: RawShop, dice: Random) -> RawShop:
    gone = dice.choice(list(all_days(shop)))
    kept = [record for record in shop.logs if shop.folder_of(record) != gone]
    return replace(shop, logs=tuple(kept or shop.logs[:1]))


def _all_bad_on_a_day(shop: RawShop, dice: Random) -> RawShop:
    bad = dice.choice(list(all_days(shop)))
    logs = [{**r, "action": None} if isinstance(r, dict) and shop.folder_of(r) == bad else r for r in shop.logs]
    return replace(shop, logs=tuple(logs))


_CHANGES: dict[str, Callable[[RawShop, Random], RawShop]] = {
    "new prices": _new_prices,
    "other products": lambda shop, dice: replace(shop, products=_products(dice)),
    "other customers": lambda shop, dice: replace(shop, customers=_customers(dice)),
    "late logs": _late_logs,
    "logs of the next days": _next_days,
    "fewer logs": _fewer_logs,
    "a day less": _a_day_less,
    "all logs of a day bad": _all_bad_on_a_day,
    "another shape": lambda shop, dice: replace(shop, shape=dice.choice(SHAPES), logs=(*shop.logs,)),
    "the same files written again": lambda shop, dice: replace(shop, logs=(*shop.logs,)),
    "all replaced": lambda shop, dice: replace(random_shop(dice), home=shop.home),
    "nothing that is accepted as customers": lambda shop, dice: replace(shop, customers=_ODD_CUSTOMERS[:2]),
}


# Their files


def write(shop: RawShop, folder: Path, before: RawShop | None = None) -> None:
    """Write the raw files; those that are as they were are left alone.

    Parameters
    ----------
    before
        What the folder has; None for an empty one.
    """
    if not before or shop.customers != before.customers:
        header = ("customer_id", "first_name", "last_name", "email", "phone")
        (folder / "customer_data.csv").write_text(_csv([header, *shop.customers]), encoding="utf-8")
    if not before or shop.products != before.products:
        header = ("product_id", "product_name", "category", "price")
        (folder / "product_data.csv").write_text(_csv([header, *shop.products]), encoding="utf-8")
    if before and shop.logs is before.logs and shop.shape == before.shape:
        return
    for old in ("web_logs.json", "web_logs.json.gz"):
        (folder / old).unlink(missing_ok=True)
    shutil.rmtree(folder / "web_logs", ignore_errors=True)
    for name, records in shop.log_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(records, shop.shape))


def _content(records: list[Record], shape: str) -> bytes:
    if shape == "array":
        return json.dumps(records, indent=1).encode()
    lines = "".join(f"{json.dumps(record)}\n" for record in records).encode()
    return gzip.compress(lines) if shape == "gz" else lines


def _csv(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
