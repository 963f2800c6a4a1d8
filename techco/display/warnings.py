"""What a reader must mind before believing a report, as data and in sentences.

Each step shows its warnings as one table; the report puts those of all steps on top of its first page, and `run.json`
has them as `warnings`. A code never changes: programs may ask for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from decimal import Decimal

from techco.display.columns import Column
from techco.display.shown import Table
from techco.display.wording import amount, plural, share, verb

TABLE = "warnings"
_COLUMNS = (Column("code"), Column("text"), Column("count", "integer"), Column("remedy"))
_FILES = {"customers": "customer_data.csv", "products": "product_data.csv", "web_logs": "the web logs"}
_MOST_REFUSED = 100
"""A source warns if more than one record of so many is refused."""


@dataclass(frozen=True)
class RunWarning:
    """One thing to mind.

    Attributes
    ----------
    code
        One of `CODES`.
    text
        What was found, in a sentence.
    count
        How many records, days or products it is about.
    remedy
        What to do about it, in a sentence.
    """

    code: str
    text: str
    count: int
    remedy: str


CODES = {
    "refused": "more than 1 % of the records of a raw file were refused",
    "unnamed_purchases": "purchases have a customer_id without a number, and count as those of nobody",
    "unknown_products": "purchases are of products that the product file does not have",
}
"""The codes, and when there is such a warning."""


def table_of(warnings: Iterable[RunWarning]) -> Table:
    """Return warnings as the table that a step shows."""
    return Table.of(TABLE, _COLUMNS, map(astuple, warnings), "What to mind")


def read_table(table: Table) -> list[RunWarning]:
    """Return the warnings of a table; none of one with other columns, which a template of the user's own may show."""
    if [column.name for column in table.columns] != [column.name for column in _COLUMNS]:
        return []
    return [RunWarning(*row) for row in table.rows]  # type: ignore[arg-type]


def in_order(warnings: Iterable[RunWarning]) -> list[RunWarning]:
    """Sort warnings in the order of `CODES`, those of unknown codes last."""
    order = list(CODES)
    return sorted(warnings, key=lambda one: order.index(one.code) if one.code in order else len(order))


def refused(source: str, judged: int, reasons: Mapping[str, int], sales: Decimal = Decimal(0)) -> Iterable[RunWarning]:
    """Warn if more than 1 % of the records of a source were refused.

    Parameters
    ----------
    judged
        Records read, without those outside the period.
    reasons
        How many were refused for which reason.
    sales
        What those of them that are purchases of known products would have sold, as far as one can tell.
    """
    count = sum(reasons.values())
    if count * _MOST_REFUSED <= judged:
        return
    noun = source.replace("_", " ").removesuffix("s")
    reason, most = max(reasons.items(), key=lambda item: item[1])
    text = f"{count:,} of {plural(judged, noun)} ({share(count, judged)}) {verb(count, 'was', 'were')} refused"
    text += f": {reason}" if len(reasons) == 1 else f", most often because of: {reason} ({most:,})"
    text += f". At least {amount(sales)} of sales {verb(count, 'is in it', 'are in them')}." if sales else "."
    remedy = f"See the reasons and examples under Data quality, mend {_FILES[source]}, and run again."
    yield RunWarning("refused", text, count, remedy)


def unnamed_purchases(count: int) -> Iterable[RunWarning]:
    """Warn if purchases are kept although their customer_id has no number."""
    if count:
        text = (
            f"{plural(count, 'purchase')} {verb(count, 'has', 'have')} a customer_id without a number. "
            f"{verb(count, 'It is', 'They are')} in the sales, but of no customer."
        )
        remedy = f"Mend the customer_id in {_FILES['web_logs']}, and run again, if customers matter."
        yield RunWarning("unnamed_purchases", text, count, remedy)


def unknown_products(count: int, purchases: int) -> Iterable[RunWarning]:
    """Warn if purchases are of products that the product file does not have."""
    if count:
        text = (
            f"{count:,} of {plural(purchases, 'purchase')} {verb(count, 'is', 'are')} of products that "
            f"{_FILES['products']} does not have, and {verb(count, 'counts', 'count')} no sales."
        )
        remedy = f"Add these products with their prices to {_FILES['products']}, and run again."
        yield RunWarning("unknown_products", text, count, remedy)
