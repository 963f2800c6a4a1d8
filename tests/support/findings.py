"""Findings of a few rows, and what is written in their plots."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from xml.etree import ElementTree

import pandas as pd

from techco import findings
from techco.display.shown import Finding
from techco.redact import Pii

HOSTILE = '<script>alert(1)</script> & "x" $a_1$ 😀\x00\n#010203'
DAY = datetime.date(2023, 8, 5)


def frame(columns: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=columns.split())


def actions(**counts: int) -> Finding:
    return findings.action_frequency(frame("action count", *counts.items()))


def customers(**counts: int) -> Finding:
    return findings.unique_customers(frame("action unique_customers", *counts.items()))


def categories(*rows: tuple[str | None, str]) -> Finding:
    return findings.sales_by_category(frame("category sales", *((name, Decimal(sales)) for name, sales in rows)))


def day_sales(*sales: str) -> Finding:
    rows = [(DAY + datetime.timedelta(n), Decimal(value)) for n, value in enumerate(sales)]
    return findings.sales_by_day(frame("event_date sales", *rows))


def products(*rows: tuple[object, ...], total: str) -> Finding:
    data = frame("product_id product_name category quantity sales", *rows)
    return findings.sales_by_product(data, Decimal(total))


def spend(*rows: tuple[object, ...], total: str, count: int) -> Finding:
    data = frame("customer_id purchases quantity sales", *rows)
    return findings.spend_by_customer(data, Decimal(total), count)


def named(*rows: tuple[object, ...], total: str, count: int, pii: Pii = "mask") -> Finding:
    data = frame("customer_id first_name last_name purchases quantity sales", *rows)
    return findings.spend_by_customer(data, Decimal(total), count, pii)


def said(found: Finding) -> tuple[str, str]:
    return found.headline, found.sentence


def words(found: Finding) -> list[str]:
    """What is written in the plot, from left to right and from top to bottom as it is drawn."""
    return [text.text or "" for text in ElementTree.fromstring(found.svg).iter("text")]


def hints(found: Finding) -> list[str | None]:
    return [title.text for title in ElementTree.fromstring(found.svg).iter("title")]


def widest_bar(found: Finding) -> float:
    paths = [p for p in ElementTree.fromstring(found.svg).iter("path") if "fill: var(" in p.get("style", "")]
    numbers = [[float(x) for x in re.findall(r"[ML] ([-\d.]+)", path.get("d", ""))] for path in paths]
    return max(max(xs) - min(xs) for xs in numbers)


def ascii_start(text: str) -> str:
    return ascii(text[:2])


def one_of_each(text: str) -> list[Finding]:
    return [
        actions(**{text: 3, "purchase": 1}),
        customers(**{"all": 4, text: 3}),
        categories((text, "5.00"), (None, "1.00")),
        day_sales("1.00", "2.00"),
        products((1, text, text, 2, Decimal("5.00")), (2, None, None, 1, Decimal("1.00")), total="6.00"),
        spend((1, 1, 1, Decimal("5.00")), (None, 1, 1, Decimal("1.00")), total="6.00", count=1),
    ]


EMPTY = [
    lambda: actions(),
    lambda: customers(),
    lambda: customers(all=0, view=0),
    lambda: categories(),
    lambda: day_sales(),
    lambda: products(total="0"),
    lambda: spend(total="0", count=0),
]
