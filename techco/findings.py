"""Answer the six questions: each function turns a small aggregated frame into a sentence, a plot and a table.

Frames come aggregated and sorted as they shall be read. Money is `Decimal`, days are `date`; NULL may be None, NaN, NaT
or NA. An empty frame is answered in words, without a plot. A frame that lacks a column raises `TableError`.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd

from techco import plots
from techco.display import Column, Finding, Table
from techco.errors import TableError
from techco.plots import Bar
from techco.wording import (
    actions,
    amount,
    cents,
    day,
    listed,
    name_or,
    one_in,
    plural,
    sentence_case,
    share,
    short_day,
    total,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkDataFrame

    Frame = pd.DataFrame | SparkDataFrame

MOST_ROWS = 1000

_NO_LOGS = "There are no logs in this period."
_NO_SALES = "There are no purchases of known products in this period."
# An id is a name, not a quantity: as text it gets no thousands separators.
_COLUMNS = {
    "action_frequency": (Column("action"), Column("count", "integer")),
    "unique_customers": (Column("action"), Column("unique_customers", "integer")),
    "sales_by_category": (Column("category"), Column("sales", "money")),
    "sales_by_day": (Column("event_date", "date"), Column("sales", "money")),
    "sales_by_product": (
        Column("product_id"),
        Column("product_name"),
        Column("category"),
        Column("quantity", "integer"),
        Column("sales", "money"),
    ),
    "spend_by_customer": (
        Column("customer_id"),
        Column("purchases", "integer"),
        Column("quantity", "integer"),
        Column("sales", "money"),
    ),
}


def action_frequency(frame: Frame) -> Finding:
    """State how often each kind of action happened.

    Parameters
    ----------
    frame
        One row per kind of action: `action` text, `count` int.
    """
    name, question = "action_frequency", "How often does each action happen?"
    table, rows = _read(name, frame)
    counts: dict[str | None, int] = {action: count for action, count in rows if count}
    logs = sum(counts.values())
    if not counts:
        return Finding(name, question, _NO_LOGS, table)

    def show(count: Decimal) -> str:
        return f"{count:,} ({share(count, logs)})"

    items = [(name_or(action, "action"), Decimal(count)) for action, count in counts.items()]
    drawn = sum(sorted(counts.values(), reverse=True)[: plots.MOST_BARS])
    rest = _rest(len(items), show(Decimal(logs - drawn)))
    return _with_bars(Finding(name, question, _frequency(counts, logs), table), items, show, rest)


def _frequency(counts: dict[str | None, int], logs: int) -> str:
    if logs == 1:
        return f"The only action is one {actions(next(iter(counts)), 1)}."
    if len(counts) == 1:
        return f"All {logs:,} actions are {actions(next(iter(counts)))}."
    most = max(counts.values())
    leaders = [action for action, count in counts.items() if count == most]
    names = sentence_case(listed([actions(action) for action in leaders]))
    if len(leaders) == 1:
        lead = f"{names} are {share(most, logs)} of {logs:,} actions"
    else:
        lead = f"{names} are equally frequent, {share(most, logs)} each of {logs:,} actions"
    bought = counts.get("purchase", 0)
    if "purchase" in leaders:
        return f"{lead}."
    if not bought:
        return f"{lead}; none is a purchase."
    return (
        f"{lead}; {share(bought, logs)} are purchases."
        if 3 * bought > logs
        else f"{lead}; {one_in(bought, logs)} is a purchase."
    )


def unique_customers(frame: Frame) -> Finding:
    """State how many different customers were active, and how many of them bought.

    Parameters
    ----------
    frame
        One row per kind of action and one row `all`: `action` text, `unique_customers` int. Anonymous visitors are not
        counted.
    """
    name, question = "unique_customers", "How many different customers were active?"
    table, rows = _read(name, frame)
    everyone = rows[0][1] or 0 if rows else 0
    counts: dict[str | None, int] = {action: count or 0 for action, count in rows[1:]}
    bought = counts.get("purchase", 0)
    if not everyone:
        return Finding(name, question, "No customer known by number was active in this period.", table)
    items = [("any action", Decimal(everyone))]
    items += [(name_or(a, "action"), Decimal(n)) for a, n in counts.items()]
    finding = Finding(name, question, _activity(everyone, bought), table)
    # Customers of several actions are in several rows, so what is left out has no sum.
    return _with_bars(finding, items, lambda count: f"{count:,}", _rest(len(items), ""))


def _activity(everyone: int, bought: int) -> str:
    if everyone == 1:
        return f"One customer was active and {'bought something' if bought else 'bought nothing'}."
    if bought == everyone:
        return f"{everyone:,} different customers were active; all of them bought something."
    if not bought:
        return f"{everyone:,} different customers were active; none of them bought anything."
    buyers = f"{bought:,} of them ({share(bought, everyone)})"
    return f"{everyone:,} different customers were active; {buyers} bought something."


def sales_by_category(frame: Frame) -> Finding:
    """State which category earned the most.

    Parameters
    ----------
    frame
        One row per category: `category` text or null, `sales` Decimal.
    """
    name, question = "sales_by_category", "How much does each category earn?"
    table, rows = _read(name, frame)
    earned = [(name_or(category, "category"), sales or Decimal(0)) for category, sales in rows]
    if not earned:
        return Finding(name, question, _NO_SALES, table)
    whole = total(sales for _, sales in earned)
    finding = Finding(name, question, _leader(earned, whole, "category") + ".", table)
    return _with_bars(finding, earned, rest=_rest(len(earned), _left_out(earned, whole)))


def sales_by_day(frame: Frame) -> Finding:
    """State the total sales and the best day.

    Parameters
    ----------
    frame
        One row per day with logs, in order: `event_date` date, `sales` Decimal, 0 where nothing was sold.
    """
    name, question = "sales_by_day", "What were the total sales?"
    table, rows = _read(name, frame)
    points = sorted((date, sales or Decimal(0)) for date, sales in rows if date is not None)
    if not points:
        return Finding(name, question, _NO_LOGS, table)
    whole, best = total(sales for _, sales in points), max(sales for _, sales in points)
    top = next(date for date, sales in points if sales == best)
    alt = f"Line of sales per day from {day(points[0][0])} to {day(points[-1][0])}. {_total(points, whole)}"
    note = f"{amount(best)} on {short_day(top)}" if whole else ""
    svg = plots.days(name, [(date, float(sales)) for date, sales in points], alt, note)
    return Finding(name, question, _total(points, whole), table, svg, alt)


def _total(points: Sequence[tuple[datetime.date, Decimal]], whole: Decimal) -> str:
    lead = f"Total sales were {amount(whole)}"
    if not whole:
        return f"{lead}: nothing was sold in this period."
    most = max(sales for _, sales in points)
    best = [date for date, sales in points if sales == most]
    if len(best) == 1:
        return (
            f"{lead}, all on {day(best[0])}."
            if most == whole
            else f"{lead}; the best day was {day(best[0])}, with {amount(most)}."
        )
    if len(best) == len(points):
        return f"{lead}, the same {amount(most)} on each of {plural(len(best), 'day')}."
    if len(best) > 2:
        return f"{lead}; {plural(len(best), 'day')} tie for the best with {amount(most)} each."
    return f"{lead}; the best days were {day(best[0])} and {day(best[1])} with {amount(most)} each."


def sales_by_product(frame: Frame, total_sales: Decimal) -> Finding:
    """State which product earned the most.

    Parameters
    ----------
    frame
        One row per product, highest sales first, at most `MOST_ROWS`: `product_id` int, `product_name` and `category`
        text or null, `quantity` int, `sales` Decimal.
    total_sales
        Sales of all products, also of those beyond the frame.
    """
    name, question = "sales_by_product", "How much does each product earn?"
    table, rows = _read(name, frame)
    labels = _product_labels([(number, product) for number, product, *_ in rows])
    earned = [(label, row[-1] or Decimal(0)) for label, row in zip(labels, rows, strict=True)]
    if not earned:
        return Finding(name, question, _NO_SALES, table)
    sentence = _leader(earned, total_sales, "product")
    if len(earned) > 20 and total_sales:
        ten = total(sorted((sales for _, sales in earned), reverse=True)[:10])
        sentence += f"; the ten best products together {share(ten, total_sales)}"
    rest = _rest(len(earned), _left_out(earned, total_sales))
    if rest and len(earned) >= MOST_ROWS:
        rest = replace(rest, label="all others")
    return _with_bars(Finding(name, question, f"{sentence}.", table), earned, rest=rest)


def spend_by_customer(frame: Frame, total_sales: Decimal, customers: int) -> Finding:
    """State what a customer spends on average, and who spends the most.

    Parameters
    ----------
    frame
        One row per customer with a purchase, highest sales first, at most `MOST_ROWS`: `customer_id` int, null for all
        anonymous visitors together, `purchases` int, `quantity` int, `sales` Decimal.
    total_sales
        Sales to all customers, also to those beyond the frame.
    customers
        Number of different buyers, also of those beyond the frame; all anonymous visitors together count as one.
    """
    name, question = "spend_by_customer", "How much does each customer spend?"
    table, rows = _read(name, frame)
    if not rows:
        return Finding(name, question, "Nobody bought a known product in this period.", table)
    spent = [(f"customer {row[0]}", row[-1] or Decimal(0)) for row in rows if row[0] is not None]
    anonymous = total(row[-1] for row in rows if row[0] is None)
    known = total([total_sales, -anonymous])
    buyers = max(customers, len(rows)) if len(rows) >= MOST_ROWS else len(rows)
    sentence = _spending(spent, known, buyers - (len(rows) - len(spent)))
    if anonymous:
        sentence += f" Visitors without a customer number spent {amount(anonymous)}."
    labels = [name_or(None, "customer") if row[0] is None else f"Customer {row[0]}" for row in rows]
    items = [(label, row[-1] or Decimal(0)) for label, row in zip(labels, rows, strict=True)]
    rest = _rest(buyers, _left_out(items, total_sales))
    return _with_bars(Finding(name, question, sentence.strip(), table), items, rest=rest)


def _spending(spent: Sequence[tuple[str, Decimal]], known: Decimal, customers: int) -> str:
    """What customers known by number spend; empty if there is none."""
    if not spent:
        return ""
    most = max(sales for _, sales in spent)
    best = [label for label, sales in spent if sales == most]
    if not most:
        return f"{plural(customers, 'customer')} bought, but nothing with a price above zero."
    if customers == 1:
        return f"One customer, {best[0].removeprefix('customer ')}, spent {amount(known)}."
    average = amount(known / customers)
    if len(best) == customers:
        return f"Each of {customers:,} customers spent {amount(most)}."
    each = " each" if len(best) > 1 else ""
    return f"{customers:,} customers spent {average} on average; {listed(best)} spent the most, {amount(most)}{each}."


def _leader(earned: Sequence[tuple[str, Decimal]], whole: Decimal, unit: str) -> str:
    """Who earned the most, without a full stop."""
    most = max(sales for _, sales in earned)
    best = [label for label, sales in earned if sales == most]
    if not most:
        return f"No {unit} earned anything in this period"
    if most == whole:
        return f"{best[0]} earned everything: {amount(whole)}"
    if len(best) > 1:
        return f"{listed(best)} earned the most, {amount(most)} each of {amount(whole)}"
    return f"{best[0]} earned the most: {amount(most)}, {share(most, whole)} of {amount(whole)}"


def _product_labels(products: Sequence[tuple[int | None, str | None]]) -> list[str]:
    """Names of products; with the id where there is no name or two products share one."""
    names = [name_or(product, "product name") for _, product in products]
    twice = Counter(names)
    return [
        f"{name} {number}" if twice[name] > 1 or not product else name
        for name, (number, product) in zip(names, products, strict=True)
    ]


def _with_bars(
    finding: Finding,
    items: Sequence[tuple[str, Decimal]],
    show: Callable[[Decimal], str] = amount,
    rest: Bar | None = None,
) -> Finding:
    """The finding with a plot of its highest items, and an alternative text that names the first five."""
    ranked = sorted(items, key=lambda item: item[1], reverse=True)
    said = "; ".join(f"{label} {show(value)}" for label, value in ranked[:5])
    more = f"; and {len(ranked) - 5:,} more" if len(ranked) > 5 else ""
    alt = f"Bars, longest first: {said}{more}."
    bars = [Bar(label, float(value), show(value)) for label, value in ranked[: plots.MOST_BARS]]
    return replace(finding, svg=plots.bars(finding.name, bars, alt, rest), alt=alt)


def _rest(count: int, value: str) -> Bar | None:
    """The line for what the plot leaves out of `count` items."""
    left = count - plots.MOST_BARS
    return Bar(f"{left:,} other{'s' if left > 1 else ''}", 0, value) if left > 0 else None


def _left_out(items: Sequence[tuple[str, Decimal]], whole: Decimal) -> str:
    """What the items that the plot leaves out earned together."""
    drawn = sorted((value for _, value in items), reverse=True)[: plots.MOST_BARS]
    return amount(total([whole, -total(drawn)]))


def _read(name: str, frame: Frame) -> tuple[Table, list[list[Any]]]:
    """The table of a finding and its rows as Python values, null as None."""
    columns = _COLUMNS[name]
    data = frame if isinstance(frame, pd.DataFrame) else _to_pandas(frame)
    names = [column.name for column in columns]
    missing = [column for column in names if column not in data.columns]
    if missing:
        raise TableError(f"The frame for {name} lacks {', '.join(missing)}. It needs the columns {', '.join(names)}.")
    values = zip(*(data[column.name].tolist() for column in columns), strict=True)
    rows = [[_value(value, column) for value, column in zip(row, columns, strict=True)] for row in values]
    return Table.of(name, columns, rows), rows


def _to_pandas(frame: SparkDataFrame) -> pd.DataFrame:
    """Collect a small frame; toPandas would make floats of ids beside a null, and so round long ones."""
    data: pd.DataFrame = frame.toArrow().to_pandas(integer_object_nulls=True)
    return data


def _value(value: Any, column: Column) -> Any:
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
