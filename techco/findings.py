"""Answer the six questions: each function turns a small aggregated frame into words, a plot and a table.

Frames come aggregated and sorted as they shall be read. Money is `Decimal`, days are `date`; NULL may be None, NaN, NaT
or NA. An empty frame is answered in words, without a plot. A frame that lacks a column raises `TableError`.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd

from techco.display import headlines, plots
from techco.display.columns import Column, Value
from techco.display.plots import Bar
from techco.display.shown import Finding, Table
from techco.display.wording import (
    amount,
    cents,
    day,
    initials,
    isolated,
    name_or_placeholder,
    one_line,
    plural,
    quoted,
    share,
    short_amount,
    short_count,
    short_day,
    short_share,
    total,
)
from techco.errors import TableError
from techco.redact import Pii

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkDataFrame

    Frame = pd.DataFrame | SparkDataFrame

MOST_ROWS = 1000

# An id is a name, not a quantity: as text it gets no thousands separators.
_COLUMNS = {
    "action_frequency": (Column("action"), Column("count", "integer")),
    "unique_customers": (Column("action"), Column("unique_customers", "integer")),
    "sales_by_category": (Column("category"), Column("sales", "money")),
    "sales_by_day": (Column("event_date", "date"), Column("sales", "money")),
    "sales_by_product": (
        Column("product_id"), Column("product_name"), Column("category"), Column("quantity", "integer"),
        Column("sales", "money"),
    ),
    "spend_by_customer": (
        Column("customer_id"), Column("purchases", "integer"), Column("quantity", "integer"), Column("sales", "money"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class _Measure:
    """What bars measure: in words, exactly for those who cannot see them, and briefly beside each bar."""

    unit: str
    exact: Callable[[Decimal], str] = amount
    brief: Callable[[Decimal], str] = short_amount

    def bar(self, label: str, value: Decimal, length: float) -> Bar:
        """Return a bar with its number in both forms."""
        return Bar(label, length, self.brief(value), self.exact(value))


def action_frequency(frame: Frame) -> Finding:
    """State how often each kind of action happened.

    Parameters
    ----------
    frame
        One row per kind of action: `action` text, `count` int.
    """
    name, question = "action_frequency", "How often does each action happen?"
    table, rows = _read_frame(name, frame)
    counts: dict[str | None, int] = {action: count for action, count in rows if count}
    if not counts:
        return Finding(name, question, *headlines.NO_LOGS, table)
    logs = sum(counts.values())
    measure = _Measure(
        "Actions",
        lambda count: f"{count:,} ({share(count, logs)})",
        lambda count: f"{short_count(count)} ({short_share(count, logs)})",
    )
    amounts = [(name_or_placeholder(action, "action"), Decimal(count)) for action, count in counts.items()]
    statement = headlines.action_frequency(counts)
    return _with_bars(Finding(name, question, *statement, table), amounts, measure, Decimal(logs))


def unique_customers(frame: Frame) -> Finding:
    """State how many different customers were active, and how many of them bought.

    Parameters
    ----------
    frame
        One row per kind of action and one row `all`: `action` text, `unique_customers` int. Anonymous visitors are not
        counted.
    """
    name, question = "unique_customers", "How many different customers were active?"
    table, rows = _read_frame(name, frame)
    # The first row is of all actions; an action of that name must not be taken for it.
    table = replace(table, rows=[*table.rows[:1], *([_not_all(row[0]), *row[1:]] for row in table.rows[1:])])
    everyone = rows[0][1] or 0 if rows else 0
    counts: dict[str | None, int] = {action: count or 0 for action, count in rows[1:]}
    if not everyone:
        return Finding(name, question, *headlines.NO_CUSTOMERS, table)
    amounts = [("any action", Decimal(everyone))]
    amounts += [(name_or_placeholder(action, "action"), Decimal(count)) for action, count in counts.items()]
    measure = _Measure("Customers", lambda count: f"{count:,}", short_count)
    statement = headlines.unique_customers(everyone, counts.get("purchase", 0))
    # Customers of several actions are in several rows, so what is left out has no sum.
    return _with_bars(Finding(name, question, *statement, table), amounts, measure, None)


def _not_all(action: Value) -> Value:
    return quoted(action) if action == "all" else action


def sales_by_category(frame: Frame) -> Finding:
    """State which category earned the most.

    Parameters
    ----------
    frame
        One row per category: `category` text or null, `sales` Decimal.
    """
    name, question = "sales_by_category", "How much does each category earn?"
    table, rows = _read_frame(name, frame)
    earned = [(name_or_placeholder(category, "category"), sales or Decimal(0)) for category, sales in rows]
    if not earned:
        return Finding(name, question, *headlines.NO_SALES, table)
    statement = headlines.sales_by_category(earned, nameless=name_or_placeholder(None, "category"))
    finding = Finding(name, question, *statement, table)
    return _with_bars(finding, earned, _Measure("Sales"), total(sales for _, sales in earned))


def sales_by_day(frame: Frame) -> Finding:
    """State the total sales and the best day.

    Parameters
    ----------
    frame
        One row per day with logs, in order: `event_date` date, `sales` Decimal, 0 where nothing was sold.
    """
    name, question = "sales_by_day", "What were the total sales?"
    table, rows = _read_frame(name, frame)
    points = sorted((date, sales or Decimal(0)) for date, sales in rows if date is not None)
    if not points:
        return Finding(name, question, *headlines.NO_LOGS, table)
    statement = headlines.sales_by_day(points)
    best_day, most = max(points, key=lambda point: point[1])
    alt = f"Line of sales per day from {day(points[0][0])} to {day(points[-1][0])}. {'. '.join(statement)}"
    note = f"{short_amount(most)} on {short_day(best_day)}" if most else ""
    drawn = [(date, float(sales)) for date, sales in points]
    svg = plots.line_chart(name, "Sales per day", drawn, alt, note)
    return Finding(name, question, *statement, table, svg, alt)


def sales_by_product(frame: Frame, total_sales: Decimal) -> Finding:
    """State which product earned the most.

    Parameters
    ----------
    frame
        One row per product, highest sales first; of more than `MOST_ROWS` only these are shown: `product_id` int,
        `product_name` and `category` text or null, `quantity` int, `sales` Decimal.
    total_sales
        Sales of all products, also of those beyond the frame.
    """
    name, question = "sales_by_product", "How much does each product earn?"
    table, rows = _read_frame(name, frame)
    is_truncated = len(rows) > MOST_ROWS
    table, rows = replace(table, rows=table.rows[:MOST_ROWS]), rows[:MOST_ROWS]
    labels = _product_labels([(number, product) for number, product, *_ in rows])
    earned = [(label, row[-1] or Decimal(0)) for label, row in zip(labels, rows, strict=True)]
    if not earned:
        return Finding(name, question, *headlines.NO_SALES, table)
    statement = headlines.sales_by_product(earned, total_sales, is_truncated=is_truncated)
    finding = Finding(name, question, *statement, table)
    return _with_bars(finding, earned, _Measure("Sales"), total_sales, None if is_truncated else len(earned))


def spend_by_customer(frame: Frame, total_sales: Decimal, customers: int, pii: Pii = "mask") -> Finding:
    """State what a customer spends on average, and who spends the most.

    Parameters
    ----------
    frame
        One row per customer with a purchase, highest sales first, at most `MOST_ROWS`, and among them, if they bought,
        one for all anonymous visitors together: `customer_id` int, null for these, `purchases` int, `quantity` int,
        `sales` Decimal. It may have `first_name` and `last_name`, text or null: then the table says the name too, but
        not the CSV.
    total_sales
        Sales to all customers, also to those beyond the frame.
    customers
        Number of different buyers, also of those beyond the frame; all anonymous visitors together count as one.
    pii
        `mask` says only the initials of a name, `show` the whole name.
    """
    name, question = "spend_by_customer", "How much does each customer spend?"
    data = frame if isinstance(frame, pd.DataFrame) else _to_pandas(frame)
    table, rows = _read_frame(name, data)
    names = _customer_names(data, pii)
    table = table if names is None else _with_names(table, names)
    if not rows:
        return Finding(name, question, *headlines.NO_BUYERS, table)
    spent = [
        (row[0], customer_name, row[-1] or Decimal(0))
        for row, customer_name in zip(rows, names or [None] * len(rows), strict=True)
        if row[0] is not None
    ]
    anonymous = [row[-1] or Decimal(0) for row in rows if row[0] is None]
    buyers = (max(customers, len(rows)) if len(rows) >= MOST_ROWS else len(rows)) - len(anonymous)
    sales = total([total_sales, -total(anonymous)])
    in_words = [(_customer_in_sentence(number, named), value) for number, named, value in spent]
    statement = headlines.spend_by_customer(in_words, sales, buyers, total(anonymous) if anonymous else None)
    finding = Finding(name, question, *statement, table)
    if not spent:
        return finding
    amounts = [(_customer_label(number, named), value) for number, named, value in spent]
    measure = _Measure("Spend")
    apart = [measure.bar("Without a number", value, 0) for value in anonymous]
    return _with_bars(finding, amounts, measure, sales, buyers, apart)


def _customer_in_sentence(number: int, name: str | None) -> str:
    """A customer in a sentence."""
    return f"{isolated(name)} (customer {number})" if name else f"customer {number}"


def _customer_label(number: int, name: str | None) -> str:
    """A customer beside a bar."""
    return f"{isolated(name)} ({number})" if name else f"Customer {number}"


def _customer_names(data: pd.DataFrame, pii: Pii) -> list[str | None] | None:
    """What may be named of the name of each customer; null where the frame has no names at all."""
    parts = [data[column].tolist() for column in ("first_name", "last_name") if column in data.columns]
    if not parts:
        return None
    names = [[str(part) for part in row if not pd.isna(part)] for row in zip(*parts, strict=True)]
    return [(one_line(" ".join(name), 60) if pii == "show" else initials(name)) or None for name in names]


def _with_names(table: Table, names: Sequence[str | None]) -> Table:
    """The table with the names after the numbers, for people only: the CSV goes further than the page."""
    columns = [table.columns[0], Column("name", in_csv=False), *table.columns[1:]]
    rows = [[row[0], name, *row[1:]] for row, name in zip(table.rows, names, strict=True)]
    return replace(table, columns=columns, rows=rows)


def _product_labels(products: Sequence[tuple[int | None, str | None]]) -> list[str]:
    """Name each product; with its id where there is no name or two products share one."""
    nameless = name_or_placeholder(None, "name")
    names = [name_or_placeholder(product, "name") for _, product in products]
    counts = Counter(names)
    # A product may be called as another one is with its id.
    taken = {f"{name} {number}" for name, (number, _) in zip(names, products, strict=True) if counts[name] > 1}
    counts.update(taken)
    return [
        f"Product {number} {nameless}" if name == nameless else f"{name} {number}" if counts[name] > 1 else name
        for name, (number, _) in zip(names, products, strict=True)
    ]


def _with_bars(
    finding: Finding,
    amounts: Sequence[tuple[str, Decimal]],
    measure: _Measure,
    whole: Decimal | None,
    count: int | None = 0,
    apart: Sequence[Bar] = (),
) -> Finding:
    """Add a plot of the highest amounts, and an alternative text that names the first five.

    One line stands for all that is not drawn: `count` is how many amounts there are, if more than those given, None if
    more but nobody knows how many, and `whole` the sum of all, None if they have none. `apart` are lines of text for
    what is none of them.
    """
    ranked = sorted(amounts, key=lambda amount: amount[1], reverse=True)
    drawn = ranked[: plots.MOST_BARS]
    bars = [measure.bar(label, value, float(value)) for label, value in drawn]
    texts = [*apart]
    left_out = None if count is None else max(count, len(ranked)) - len(drawn)
    if left_out != 0:
        label = "all others" if left_out is None else plural(left_out, "other")
        left = None if whole is None else total([whole, -total(value for _, value in drawn)])
        texts.insert(0, Bar(label, 0) if left is None else measure.bar(label, left, 0))
    named = "; ".join(f"{label} {measure.exact(value)}" for label, value in ranked[:5])
    if len(ranked) > 5:
        named += "; and all others" if count is None else f"; and {max(count, len(ranked)) - 5:,} more"
    beside = "".join(f" {line.label}: {line.exact}." for line in apart)
    alt = f"Bars of {measure.unit.lower()}, longest first: {named}.{beside}"
    return replace(finding, svg=plots.bar_chart(finding.name, measure.unit, bars, alt, texts), alt=alt)


def _read_frame(name: str, frame: Frame) -> tuple[Table, list[list[Any]]]:
    """The table of a finding and its rows as Python values, null as None."""
    columns = _COLUMNS[name]
    data = frame if isinstance(frame, pd.DataFrame) else _to_pandas(frame)
    names = [column.name for column in columns]
    missing = [column for column in names if column not in data.columns]
    if missing:
        raise TableError(f"The frame for {name} lacks {', '.join(missing)}. It needs the columns {', '.join(names)}.")
    values = zip(*(data[column.name].tolist() for column in columns), strict=True)
    rows = [[_python_value(value, column) for value, column in zip(row, columns, strict=True)] for row in values]
    return Table.of(name, columns, rows), rows


def _to_pandas(frame: SparkDataFrame) -> pd.DataFrame:
    """Collect a small frame; toPandas would make floats of ids beside a null, and so round long ones."""
    data: pd.DataFrame = frame.toArrow().to_pandas(integer_object_nulls=True)
    return data


def _python_value(value: Any, column: Column) -> Any:
    """One cell as int, Decimal, date, text or None: pandas makes floats of ints beside a null, timestamps of days."""
    if pd.isna(value):
        return None
    if column.kind == "money":
        return cents(Decimal(str(value)))
    if column.kind == "integer" or column.name.endswith("_id"):
        return int(value)
    if column.kind == "date":
        return value.date() if isinstance(value, datetime.datetime) else value
    return str(value)
