"""What a page must say of a run, computed row by row from what plain Python knows of the shop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.support.plain_shop import Judged
from tests.support.plain_tables import Analysed, Days, Ingested, Joined
from tests.support.plain_words import amount, change, date_ranges, plural, rounded, share, span

Row = list[str | None]
TILES = {
    "total_sales": "Total sales",
    "purchases": "Purchases",
    "average_purchase_line": "Average purchase line",
    "unique_customers": "Active customers",
    "conversion": "Conversion",
}
_NAMELESS = {
    "category": "(no category)",
    "product": "(no product name)",
    "customer": "(no customer ID)",
    "name": "(no name)",
}


class Figures:
    """The key figures of some rows."""

    def __init__(self, rows: Sequence[Joined]) -> None:
        sales = [row.sales for row in rows if row.sales is not None]
        bought = [row for row in rows if row.log.action == "purchase"]
        customers = {row.log.customer for row in rows} - {None}
        buyers = {row.log.customer for row in bought} - {None}
        self.logs, self.sold, self.largest = len(rows), len(sales), max(sales, default=Decimal(0))
        self.values: dict[str, Decimal | None] = {
            "total_sales": sum(sales, Decimal("0.00")),
            "purchases": Decimal(len(bought)),
            "average_purchase_line": _ratio(sum(sales, Decimal(0)), len(sales), 2),
            "unique_customers": Decimal(len(customers)),
            "conversion": _ratio(Decimal(100 * len(buyers)), len(customers), 1),
        }

    def text(self, name: str) -> str:
        """A figure as people read it."""
        return figure_text(name, self.values[name])

    @property
    def total(self) -> Decimal:
        """The total sales."""
        return self.values["total_sales"] or Decimal("0.00")


def figure_text(name: str, value: Decimal | None) -> str:
    """Write a key figure, or a dash where there is none."""
    if value is None:
        return "–"
    if name in ("total_sales", "average_purchase_line"):
        return amount(value)
    return f"{value} %" if name == "conversion" else f"{value:,}"


def tiles(found: Analysed) -> dict[str, list[str]]:
    """Return value and change of each tile by its label."""
    now = Figures(found.rows)
    return {label: [now.text(name), _change(name, now, found)] for name, label in TILES.items()}


def _change(name: str, figures: Figures, found: Analysed) -> str:
    now = figures.values[name]
    if now is None:
        return ""
    if found.before is None:
        return "earlier days not ingested" if _may_be_ingested(found) else "no earlier data"
    if not found.before:
        return "no earlier logs"
    then = Figures(found.before).values[name]
    if then is None:
        return "none before"
    if name == "conversion":
        return f"{now - then:+} points".replace("-", "−") if now != then else "unchanged"
    return change(now, then)


def _may_be_ingested(found: Analysed) -> bool:
    """Return whether the files may have days of the period before that are not in the tables."""
    days = found.days_in_files
    return days is None or (days != () and any(days[0] <= day <= days[1] for day in found.missing_before))


def comparison(period: Days, found: Analysed) -> str:
    """Return what a page must say of the period before."""
    before, named = period.before(), span(period.before().first, period.before().last)
    if found.before is not None:
        with_logs = len({row.log.day for row in found.before})
        if not with_logs:
            return f"There are no logs of {named} to compare with."
        partly = f", of which only {with_logs} of {len(before)} days have logs" if with_logs != len(before) else ""
        return f"Changes are against {named}{partly}."
    missing = len(found.missing_before)
    if not _may_be_ingested(found):
        if not found.days_in_files:
            return "the files have no web log with a readable day."
        first, last = found.days_in_files
        return f"the files have no data of {date_ranges(found.missing_before)}, but of {span(first, last)}."
    if missing == len(before):
        return f"{named} is not ingested. Ingest them,"
    return f"{missing} of the {len(before)} days of {named} {'is' if missing == 1 else 'are'} not ingested. Ingest"


def trends(period: Days, rows: Sequence[Joined]) -> dict[str, str]:
    """Return what the line of each tile says, empty where there are not two points."""
    by_day = {day: [row for row in rows if row.log.day == day] for day in period}
    figures = [Figures(of_day).values for of_day in by_day.values() if of_day]
    found = {}
    for name, label in TILES.items():
        values = [one[name] for one in figures if one[name] is not None]
        ends = [figure_text(name, value) for value in (min(values), max(values), values[-1])] if values else []  # type: ignore[type-var] # fmt: skip
        text = "{} over the period: lowest {}, highest {}, last {}".format(label, *ends) if len(values) > 1 else ""
        found[label] = text if len(period) > 1 else ""
    return found


def answers(rows: Sequence[Joined]) -> dict[str, list[list[Any]]]:
    """Answer the six questions: the rows of each table in their order, null as None."""
    sold = [row for row in rows if row.sales is not None]
    count = Counter(row.log.action for row in rows)
    customers = {action: _customers(row for row in rows if row.log.action == action) for action in count}
    by_number = sorted(customers.items(), key=lambda item: (-item[1], item[0]))
    by_category = _highest_first(_sums(sold, lambda row: row.product.category if row.product else None))
    by_customer = _highest_first(_sums(sold, lambda row: row.log.customer), nulls_last=True)
    return {
        "action_frequency": sorted(([a, n] for a, n in count.items()), key=lambda row: (-row[1], row[0])),
        "unique_customers": [["all", _customers(rows)], *map(list, by_number)],
        "sales_by_category": [[row[0], row[-1]] for row in by_category],
        "sales_by_day": sorted([row[0], row[-1]] for row in _sums(rows, lambda row: row.log.day)),
        "sales_by_product": [_product(row, sold) for row in _highest_first(_sums(sold, lambda row: row.log.product))],
        "spend_by_customer": [[row[0], _name(row[0], sold), *row[1:]] for row in by_customer],
    }


def _customers(rows: Iterable[Joined]) -> int:
    return len({row.log.customer for row in rows} - {None})


def _sums(rows: Iterable[Joined], key: Callable[[Joined], Any]) -> list[list[Any]]:
    """Return for each key how many rows, which quantity and which sales it has."""
    sums: dict[Any, list[Any]] = {}
    for row in rows:
        found = sums.setdefault(key(row), [0, 0, Decimal("0.00")])
        found[0] += 1
        found[1] += row.log.quantity or 0
        found[2] += row.sales or 0
    return [[one, *found] for one, found in sums.items()]


def _highest_first(rows: list[list[Any]], *, nulls_last: bool = False) -> list[list[Any]]:
    return sorted(rows, key=lambda row: (-row[-1], (row[0] is None) == nulls_last, row[0] or 0))


def _product(row: list[Any], sold: Sequence[Joined]) -> list[Any]:
    of_product = [one.product for one in sold if one.log.product == row[0] and one.product]
    return [row[0], _last(one.name for one in of_product), _last(one.category for one in of_product), row[2], row[3]]


def _name(customer: int | None, sold: Sequence[Joined]) -> str | None:
    """Return the initials of a customer."""
    known = [row.customer.names for row in sold if row.customer and row.log.customer == customer]
    parts = [_last(names[place] for names in known) for place in (0, 1)]
    return " ".join(f"{part[0].upper()}." for part in parts if part) or None


def _last(texts: Iterable[str | None]) -> str | None:
    return max((text for text in texts if text is not None), default=None)


def shown_tables(rows: Sequence[Joined]) -> dict[str, list[Row]]:
    """Return the tables of a page, as text; days as ISO."""
    found = {name: [[_cell(value) for value in row] for row in table] for name, table in answers(rows).items()}
    places = {
        "sales_by_category": ["category"],
        "sales_by_product": ["", "product", "category"],
        "spend_by_customer": ["customer", "name"],
    }
    for name, words in places.items():
        for row in found[name]:
            for place, word in enumerate(words):
                row[place] = row[place] or _NAMELESS.get(word)
    for name in ("sales_by_product", "spend_by_customer"):  # an id has no thousands separator
        for row, exact in zip(found[name], answers(rows)[name], strict=True):
            row[0] = row[0] if exact[0] is None else str(exact[0])
    return found


def _cell(value: object) -> str | None:
    if isinstance(value, Decimal):
        return amount(value)
    return f"{value:,}" if isinstance(value, int) else str(value) if value is not None else None


def csv_rows(name: str, rows: Sequence[Joined]) -> list[list[str]]:
    """Return the rows of a CSV file of the report."""
    found = answers(rows)[name]
    if name == "spend_by_customer":
        found = [[row[0], *row[2:]] for row in found]
    return [["" if value is None else str(value) for value in row] for row in found]


def quality(found: Analysed, period: Days) -> list[str]:
    """Return the sentences of what the numbers leave open."""
    unknown = [row for row in found.rows if row.log.product is not None and not row.product]
    bought = sum(row.log.action == "purchase" for row in unknown)
    verb = "is a purchase, which counts" if bought == 1 else "are purchases, which count"
    end = f"; {bought} of them {verb} no sales" if bought else ""
    strangers = sum(
        row.log.customer not in {None, *found.nameless} and (not row.customer or row.customer.is_nameless)
        for row in found.rows
    )
    without = days_without_logs(found, period)
    products = f"{plural(len(unknown), 'log')} of products that the product data do not know{end}."
    customers = f"{plural(strangers, 'log')} of customers that the customer data do not know."
    days = f"{plural(len(without), 'day')} without any log: {date_ranges(without)}."
    return [
        products if unknown else "No log is of an unknown product.",
        customers if strangers else "No log is of an unknown customer.",
        days if without else "Every day of the period has logs.",
    ]


def days_without_logs(found: Analysed, period: Days) -> list[date]:
    """Return the days of the period that have no log."""
    return [day for day in period if day not in {row.log.day for row in found.rows}]


def warnings_of_ingest(found: Ingested) -> list[tuple[str, int]]:
    """Return the codes and counts of what an ingest must warn of."""
    minded = []
    for one in (found.logs, found.customers, found.products):
        if 100 * one.quarantined > one.read - one.outside:
            minded.append(("refused", one.quarantined))
        conflicts = sum(count for reason, count in one.reasons.items() if reason.startswith("another record"))
        minded += [("conflicting_ids", conflicts)] if conflicts else []
        minded += [("unnamed_purchases", one.unnamed)] if one.unnamed else []
        minded += [("no_records", 0)] if not one.read and one is not found.logs else []
        minded += [("prices_rounded", one.rounded)] if one.rounded else []
    return minded


def refused_sales(found: Ingested) -> str:
    """Return at least what refused purchases would have sold, as a page says it; empty if it need not."""
    logs, prices = found.logs, {one.number: one.price for one in found.products.accepted}
    sold = [
        prices[one.product] * (1 if one.quantity is None else max(one.quantity, 0))
        for one in logs.refused_purchases
        if one.product in prices
    ]
    is_much = 100 * logs.quarantined > logs.read - logs.outside
    return f"At least {amount(sum(sold))} of sales" if is_much and sum(sold) else ""  # type: ignore[arg-type]


def warnings_of_analysis(found: Analysed, period: Days) -> list[tuple[str, int]]:
    """Return the codes and counts of what an analysis must warn of."""
    minded = [("refused", refused) for refused, judged in found.refused if 100 * refused > judged]
    without = days_without_logs(found, period)
    figures, actions = Figures(found.rows), Counter(row.log.action for row in found.rows)
    if without:
        minded.append(("no_logs" if len(without) == len(period) else "days_without_logs", len(without)))
    if actions and "purchase" not in actions:
        minded.append(("no_purchases", len(found.rows)))
    if actions["refund"]:
        minded.append(("reversals", actions["refund"]))
    if unknown := sum(row.log.action == "purchase" and not row.product for row in found.rows):
        minded.append(("unknown_products", unknown))
    if figures.sold >= 10 and 5 * figures.largest > figures.total:
        minded.append(("large_purchase", 1))
    if found.before is None and _may_be_ingested(found):
        minded.append(("before_incomplete", len(found.missing_before)))
    return minded


def record_sum(logs: Judged) -> list[str]:
    """Return the numbers of the sum of records."""
    return [f"{number:,}" for number in logs.counts().values()]


def sources(found: Ingested) -> list[Row]:
    """Return the rows of the table by raw file."""
    every = (found.logs, found.customers, found.products)
    return [[one.source, *(f"{number:,}" for number in one.counts().values())] for one in every]


def reasons(found: Ingested) -> set[tuple[str, ...]]:
    """Return the rows of the table of reasons."""
    every = (found.logs, found.customers, found.products)
    return {(one.source, reason, f"{count:,}") for one in every for reason, count in one.reasons.items() if count}


def numbers_that_may_be_said(name: str, rows: Sequence[Joined], period: Days) -> set[str]:
    """Return all numbers that headline and sentence of a finding may have: counts, sums, shares, averages, days."""
    table = answers(rows)[name]
    values = [row[-1] for row in table]
    whole = sum(values, Decimal(0))
    known = sum((row[-1] for row in table if row[0] is not None), Decimal(0))
    parts = {*values, whole, known, sum(sorted(values, reverse=True)[:10], Decimal(0))}
    wholes = {whole, known, *values[:1]}
    found = {amount(Decimal(part)) for part in parts} | {f"{part:,}" for part in parts}
    found |= {share(part, one).split()[-2] for part in parts for one in wholes}
    counts = {Decimal(count) for count in range(1, len(table) + 1)}
    found |= {amount(Decimal(rounded(Fraction(one) / Fraction(n), 2))) for one in wholes for n in counts}
    found |= {str(count) for count in counts} | {str(row[0]) for row in table}
    found |= {str(number) for day in period for number in (day.day, day.year)}
    purchases = sum(row.log.action == "purchase" for row in rows)
    return found | ({str(round(len(rows) / purchases))} if purchases else set())


def _ratio(part: Decimal, whole: int, decimals: int) -> Decimal | None:
    return Decimal(rounded(Fraction(part) / whole, decimals)) if whole else None
