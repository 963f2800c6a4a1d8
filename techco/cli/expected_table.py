"""Show in the terminal what a correct report on a sample shop must show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from techco.sample.expected import Expected

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def describe(expected: Expected) -> RenderableType:
    """Show in tables how the records add up, the key figures and, of a messy shop, the reasons for quarantine."""
    from rich.columns import Columns
    from rich.console import Group

    rows: list[tuple[str, dict[str, int]]] = [("web_logs", expected.records), *expected.sources.items()]
    names = list(expected.records)
    counts = _table("What a report must count", ["source", *names])
    for source, values in rows:
        counts.add_row(source, *(f"{values[name]:,}" if name in values else "–" for name in names))
    reasons = _reasons(expected)
    return Group(counts, Columns([_key_figures(expected), _categories(expected)], padding=(0, 4)), *reasons)


def _key_figures(expected: Expected) -> Table:
    table = _table("Key figures", ["figure", "value"])
    table.add_row("total sales", _money(expected.total_sales))
    table.add_row("unique customers", f"{expected.unique_customers:,}")
    for row in expected.action_frequency:
        table.add_row(_plain(row["action"]), f"{row['count']:,}")
    for name in ("unknown_product_logs", "unknown_product_purchases", "unknown_customer_logs"):
        if count := getattr(expected, name):
            table.add_row(name.replace("_", " "), f"{count:,}")
    return table


def _categories(expected: Expected) -> Table:
    table = _table("Sales by category", ["category", "sales"])
    for row in expected.sales_by_category:
        table.add_row(_plain(row["category"]), _money(row["sales"]))
    return table


def _reasons(expected: Expected) -> Iterable[Table]:
    sources = {"web_logs": expected.quarantine, **expected.source_quarantine}
    if not any(sources.values()):
        return []
    table = _table("Why records are quarantined", ["source", "reason", "count"])
    for source, reasons in sources.items():
        for reason, count in reasons.items():
            table.add_row(source, reason, f"{count:,}")
    return [table]


def _table(title: str, columns: list[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for name in columns:
        text = name in ("source", "figure", "category", "reason")
        table.add_column(name.replace("_", " "), justify="left" if text else "right")
    return table


def _plain(value: str | int | None) -> str:
    """Raw text as it is: brackets in it are not markup."""
    from rich.markup import escape

    return "–" if value is None else escape(str(value))


def _money(value: str | int | None) -> str:
    whole, _, cents = str(value).partition(".")
    return f"{int(whole):,}.{cents}"
