"""The table of a backfill's periods, and what they are together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from techco.cli.console import print_text
from techco.display.columns import format_value
from techco.display.wording import plural

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from techco.runs.periods import Backfill, PeriodRun

ENDED = ("completed", "completed with warnings", "prepared", "failed")
_COLOURS = {
    "completed": "green", "completed with warnings": "yellow", "prepared": "cyan", "failed": "bold red",
    "running": "cyan", "pending": "dim",
}  # fmt: skip


def print_result(made: Backfill, console: Console) -> None:
    """Print the table of all periods, and what they are together."""
    console.print(make_table(made.periods))
    counts = {status: sum(one.status == status for one in made.periods) for status in _COLOURS}
    summary = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
    earlier = sum(one.is_earlier for one in made.periods)
    summary += f" ({earlier:,} by earlier runs)" if earlier else ""
    sales = made.total_sales
    total = f" Total sales {format_value(str(sales), 'money')}." if sales is not None else ""
    lines = [f"{plural(len(made.periods), 'period')} in {made.seconds:.1f} s: {summary}.{total}"]
    lines += [f"Reports: {made.reports}"] if made.reports else []
    print_text("\n".join(lines), console)


def make_table(periods: Sequence[PeriodRun]) -> Table:
    """Return a table with days, status, time and total sales of each period."""
    from rich.table import Table
    from rich.text import Text

    table = Table("Period", "Status", box=None, pad_edge=False, header_style="bold")
    table.add_column("Time", justify="right")
    table.add_column("Total sales", justify="right")
    for one in periods:
        sales = "" if one.total_sales is None else format_value(one.total_sales, "money")
        table.add_row(days(one), Text(_status(one), _COLOURS[one.status]), _time(one), sales)
    return table


def days(one: PeriodRun) -> str:
    """Return a period in words: one day by its date alone."""
    first, last = one.period.first, one.period.last
    return f"{first}" if first == last else f"{first}..{last}"


def _status(one: PeriodRun) -> str:
    if one.is_earlier:
        return one.status.replace("completed", "completed earlier")
    if one.status == "running":
        return f"running {one.step}".rstrip()
    return f"{one.status.replace('completed', 'completed again')}, as {one.reason}" if one.reason else one.status


def _time(one: PeriodRun) -> str:
    seconds = time.monotonic() - one.began if one.status == "running" else one.seconds
    return "" if seconds is None or one.is_earlier else f"{seconds:.1f} s"
