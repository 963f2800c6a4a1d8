"""What a reader must mind before believing a report, as data and in sentences.

Each step shows its warnings as one table; the report puts those of all steps on top of its first page, and `run.json`
has them as `warnings`. A code never changes: programs may ask for it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from decimal import Decimal
from statistics import median

from techco.display.columns import Column
from techco.display.shown import Table
from techco.display.wording import amount, date_ranges, day, listed, name_or_placeholder, plural, share, span, verb

TABLE = "warnings"
_COLUMNS = (Column("code"), Column("text"), Column("count", "integer"), Column("remedy"))
_FILES = {"customers": "customer_data.csv", "products": "product_data.csv", "web_logs": "the web logs"}
_MOST_REFUSED = 100
"""A source warns if more than one record of so many is refused."""
_LARGEST = Decimal("0.2")
"""The share of all sales that one purchase may have, of at least so many purchases as follow."""
_SOLD = 10
_SAME_WEEKDAYS = 4
"""How many days of one weekday, and how many logs on the median of them, it takes to call one of them unusual."""
_USUAL_LOGS = 10
_REVERSALS = re.compile(r"(?<![a-z])(refund|return|cancel|chargeback|storno)")
_MOST_DAYS_AROUND = 7
"""A log that is farther away from its folder has a wrong time, and not another time zone."""


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
    "no_logs": "no log of the period is accepted",
    "no_purchases": "no accepted log has the action `purchase`, though there are logs",
    "refused": "this run, or one before a run without ingest, has refused more than 1 % of the records of a raw file",
    "conflicting_ids": "different records of a raw file have one id, so that only one of them counts",
    "no_records": "the customer file or the product file has no records at all",
    "unnamed_purchases": "purchases have a customer_id without a number, and count as those of nobody",
    "unknown_products": "purchases are of products that the product file does not have",
    "prices_rounded": "prices have more than two decimals",
    "unused_amounts": "purchases have a field that looks like a price or an amount, which techco does not use",
    "days_without_logs": "some days of the period have no logs",
    "unusual_days": (
        "a day has less than half or more than twice as many logs as the median of its weekday, if there are four of "
        "these days and the median is ten or more"
    ),
    "large_purchase": "one purchase of ten or more is above a fifth of all sales",
    "reversals": "actions such as `refund`, `return` or `cancel` change nothing in the sales",
    "other_folders": "web logs lie in a folder `date=YYYY-MM-DD/` of another day",
    "before_incomplete": "days of the period before are not ingested, though the raw files may have them",
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


def is_much(refused: int, judged: int) -> bool:
    """Return whether so many records were refused that a source warns."""
    return refused * _MOST_REFUSED > judged


def refused(
    source: str, judged: int, reasons: Mapping[str, int], sales: Decimal = Decimal(0), *, are_shown: bool = True
) -> Iterable[RunWarning]:
    """Warn if more than 1 % of the records of a source were refused.

    Parameters
    ----------
    judged
        Records read, without those outside the period.
    reasons
        How many were refused for which reason.
    sales
        What those of them that are purchases of known products would have sold, as far as one can tell.
    are_shown
        Whether the report has their reasons and examples, as that of a run with ingest does.
    """
    count = sum(reasons.values())
    if not is_much(count, judged):
        return
    reason, most = max(reasons.items(), key=lambda item: item[1])
    text = f"{count:,} of {plural(judged, _noun(source))} ({share(count, judged)}) {verb(count, 'was', 'were')} refused"
    text += f": {reason}" if len(reasons) == 1 else f", most often because of: {reason} ({most:,})"
    text += f". At least {amount(sales)} of sales {verb(count, 'is in it', 'are in them')}." if sales else "."
    remedy = f"See the reasons and examples under Data quality, mend {_FILES[source]}, and run again."
    if not are_shown:
        remedy = f"Mend {_FILES[source]}, and run all steps: the report then shows reasons and examples."
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


def conflicting_ids(source: str, count: int) -> Iterable[RunWarning]:
    """Warn if records were refused because another one has their id."""
    if count:
        key = f"{_noun(source).removeprefix('web ')}_id"
        text = f"{plural(count, _noun(source))} {verb(count, 'was', 'were')} refused because another record has the"
        text += f" same {key}: of each only the first counts, as sorted by its other fields."
        yield RunWarning("conflicting_ids", text, count, f"Give each record its own {key}, and run again.")


def no_records(source: str, read: int) -> Iterable[RunWarning]:
    """Warn if the file of customers or products has no records."""
    if not read and source != "web_logs":
        text = f"There is not one record in {_FILES[source]}."
        yield RunWarning("no_records", text, 0, "Look whether the file was exported as a whole, and run again.")


def prices_rounded(count: int, example: str) -> Iterable[RunWarning]:
    """Warn if prices have more than two decimals; `example` is one of them, as it came."""
    if count:
        text = (
            f"{plural(count, 'price')} of {_FILES['products']} {verb(count, 'has', 'have')} more than two decimals and"
        )
        text += f" {verb(count, 'was', 'were')} rounded, for instance {example}."
        remedy = f"If the dot separates thousands, write 1234.00 for 1.234 in {_FILES['products']}, and run again."
        yield RunWarning("prices_rounded", text, count, remedy)


def unused_amounts(names: Sequence[str]) -> Iterable[RunWarning]:
    """Warn of fields of purchases that look like a price or an amount and are not used."""
    if names:
        shown = listed([name_or_placeholder(name, "name") for name in names])
        text = f"The purchases have {shown}, which techco does not use: sales are the prices of {_FILES['products']}."
        remedy = "Compare the total sales with these amounts, if customers paid other prices."
        yield RunWarning("unused_amounts", text, len(names), remedy)


def days_without_logs(
    missing: Sequence[datetime.date], days: int, in_files: tuple[datetime.date, datetime.date] | None
) -> Iterable[RunWarning]:
    """Warn if days of the period, or all of them, have no logs.

    Parameters
    ----------
    missing
        Those that have none.
    days
        How many days the period has.
    in_files
        The first and the last day of which the files have logs, if that is known.
    """
    if missing and len(missing) == days:
        remedy = "Look under Data quality for what became of the records."
        if in_files:
            remedy = f"The files with web logs have {span(*in_files)}: give a period with some of these days."
        yield RunWarning("no_logs", "There are no logs in this period.", days, remedy)
    elif missing:
        text = f"{plural(len(missing), 'day')} of {days:,} {verb(len(missing), 'has', 'have')} no logs: "
        remedy = "If the shop was open then, look for files that are missing."
        yield RunWarning("days_without_logs", f"{text}{date_ranges(missing)}.", len(missing), remedy)


def actions(counts: Mapping[str, int]) -> Iterable[RunWarning]:
    """Warn if no action is a purchase, and if some take sales back; `counts` says how often each action happened."""
    by_count = sorted(counts, key=lambda action: (-counts[action], action))
    if counts and "purchase" not in counts:
        found = listed([name_or_placeholder(action, "name") for action in by_count], 6)
        remedy = "If another action is a purchase, call it purchase in the web logs. Mend purchases that were refused."
        text = f"No accepted log has the action purchase, so there are no sales. Found: {found}."
        yield RunWarning("no_purchases", text, sum(counts.values()), remedy)
    reversals = [action for action in by_count if _REVERSALS.search(action)]
    if reversals:
        count = sum(counts[action] for action in reversals)
        named = listed([name_or_placeholder(action, "name") for action in reversals])
        text = (
            f"{plural(count, 'log')} {verb(count, 'has', 'have')} the action {named}; nothing was taken off the sales."
        )
        yield RunWarning("reversals", text, count, "If money was paid back, subtract it from the sales of the report.")


def large_purchase(largest: Decimal, sales: Decimal, sold: int) -> Iterable[RunWarning]:
    """Warn if one purchase of at least ten is above a fifth of all sales."""
    if sold >= _SOLD and largest > _LARGEST * sales:
        text = f"One purchase of {amount(largest)} is {share(largest, sales)} of all sales."
        remedy = "Look whether its quantity and the price of its product are right."
        yield RunWarning("large_purchase", text, 1, remedy)


def unusual_days(logs: Mapping[datetime.date, int]) -> Iterable[RunWarning]:
    """Warn of days with less than half or more than twice the logs of their weekday; `logs` has those of each day."""
    found = []
    for weekday in range(7):
        same = {date: count for date, count in logs.items() if date.weekday() == weekday}
        usual = median(same.values()) if len(same) >= _SAME_WEEKDAYS else 0
        if usual >= _USUAL_LOGS:
            found += [(date, count, usual) for date, count in same.items() if not usual <= 2 * count <= 4 * usual]
    if found:
        names = [f"{day(date)} ({count:,} instead of {usual:,.0f})" for date, count, usual in sorted(found)]
        text = f"{plural(len(found), 'day')} {verb(len(found), 'has', 'have')} far fewer or more logs than the same "
        text += f"weekday usually: {listed(names)}."
        remedy = "Look whether logs are missing or came twice; a sale or a holiday may explain it, too."
        yield RunWarning("unusual_days", text, len(found), remedy)


def unknown_products(count: int, purchases: int) -> Iterable[RunWarning]:
    """Warn if purchases are of products that the product file does not have."""
    if count:
        text = (
            f"{count:,} of {plural(purchases, 'purchase')} {verb(count, 'is', 'are')} of products that "
            f"{_FILES['products']} does not have, and {verb(count, 'counts', 'count')} no sales."
        )
        remedy = f"Add these products with their prices to {_FILES['products']}, and run again."
        yield RunWarning("unknown_products", text, count, remedy)


def _noun(source: str) -> str:
    """Return what one record of a source is called."""
    return source.replace("_", " ").removesuffix("s")


def other_folders(logs: int, days_away: int, days_around: int) -> Iterable[RunWarning]:
    """Warn if logs lie in a folder of another day, as others of the period may then lie in folders that are not read.

    Parameters
    ----------
    days_away
        How far from its folder a log is at most.
    days_around
        Of how many days before and after the period folders are read.
    """
    if not logs or days_away <= days_around:
        return
    text = (
        f"{plural(logs, 'web log')} {verb(logs, 'lies in a folder', 'lie in folders')} of another day, up to "
        f"{plural(days_away, 'day')} away. Logs of this period may lie in folders that were not read."
    )
    remedy = (
        f"Read the folders of {plural(days_away, 'day')} before and after as well: set TECHCO_DAYS_AROUND={days_away}."
    )
    if days_away > _MOST_DAYS_AROUND:
        remedy = "Move these logs into the folders of their days."
    yield RunWarning("other_folders", text, logs, remedy)


def before_incomplete(period: str, missing: int, days: int, command: str) -> Iterable[RunWarning]:
    """Warn if days of the period before are not ingested, of which the files are not known to have none.

    Parameters
    ----------
    period
        The period before, in words, and how many days it has: `days`.
    command
        What ingests them.
    """
    what = f"{missing:,} of the {days:,} days of {period} {verb(missing, 'is', 'are')}"
    text = f"{f'{period} is' if missing == days else what} not ingested, so no changes are shown."
    yield RunWarning("before_incomplete", text, missing, f"Ingest this, then run again: {command}")
