"""Shows a backfill: one live table of all periods on a terminal, else a line as each of them ends; then the result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from techco.cli.console import print_text, with_options
from techco.display.columns import format_value
from techco.display.wording import plural
from techco.system import signals

if TYPE_CHECKING:
    from rich.console import Console, ConsoleRenderable, RenderableType
    from rich.table import Table

    from techco.runs.backfill import Backfill, Part, Watcher

_COLOURS = {"completed": "green", "prepared": "cyan", "failed": "bold red", "running": "cyan", "pending": "dim"}
_ENDED = ("completed", "prepared", "failed")
_AROUND = 8  # lines of a terminal that the table leaves to what is above and below it


class Lines:
    """One line for each thing that happens: for log files."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begins(self, parts: Sequence[Part], jobs: int) -> None:
        """Say what there is to do."""
        self._print(_plan(parts, jobs))

    def prepares(self, periods: int) -> None:
        """Say that the raw files are read."""
        self._print(f"reading the raw files once for {plural(periods, 'period')}")

    def is_prepared(self, trouble: str) -> None:
        """Say only what went wrong."""
        if trouble:
            self._print(_unprepared(trouble))

    def changed(self, part: Part) -> None:
        """Say how a period has ended."""
        if part.status in _ENDED:
            took = "" if part.seconds is None else f" in {part.seconds:.1f} s"
            told = f", total sales {format_value(part.total_sales, 'money')}" if part.total_sales is not None else ""
            self._print(f"{days(part)}: {part.status}{took}{told}{part.error and '. ' + with_options(part.error)}")

    def printed(self, part: Part, step: str, line: str) -> None:
        """Print it with where it comes from."""
        self._print(_said(part, step, line))

    def _print(self, text: str) -> None:
        print_text(text, self._console)


class Live:
    """A table that moves; of more periods than a terminal has lines it shows those at which work is."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as RichLive

        self._console = console
        self._parts: Sequence[Part] = ()
        self._head = ""
        self.display = RichLive(console=console, get_renderable=self._shown, refresh_per_second=4, transient=True)

    def begins(self, parts: Sequence[Part], jobs: int) -> None:
        """Show all periods."""
        self._parts, self._head = parts, _plan(parts, jobs)

    def prepares(self, periods: int) -> None:
        """Say that the raw files are read."""
        self._plan, self._head = self._head, f"Reading the raw files once for {plural(periods, 'period')} …"

    def is_prepared(self, trouble: str) -> None:
        """Say what went wrong above the table."""
        self._head = self._plan
        if trouble:
            print_text(_unprepared(trouble), self._console)

    def changed(self, part: Part) -> None:
        """Nothing: the table is drawn anew four times a second."""

    def printed(self, part: Part, step: str, line: str) -> None:
        """Print it above the table."""
        print_text(_said(part, step, line), self._console)

    def _shown(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        ended = sum(part.status in _ENDED for part in self._parts)
        failed = sum(part.status == "failed" for part in self._parts)
        foot = f"{ended:,} of {len(self._parts):,} done" + (f", {failed:,} failed" if failed else "")
        shown: list[ConsoleRenderable] = [Text(self._head), table(self._window()), Text(foot)]
        return Group(*shown)

    def _window(self) -> Sequence[Part]:
        lines = max(self._console.height - _AROUND, 3)
        active = [number for number, part in enumerate(self._parts) if part.status == "running"]
        last = min(max([*active, lines - 2]) + 2, len(self._parts))
        return self._parts[max(last - lines, 0) : last]


@contextmanager
def watched_on(console: Console, wanted: bool) -> Iterator[Watcher]:
    """What suits where a backfill is shown; nothing at all unless wanted."""
    if not wanted:
        from rich.console import Console as RichConsole

        yield Lines(RichConsole(quiet=True))
    elif console.is_terminal and not console.is_dumb_terminal:
        live = Live(console)
        with signals.cleanup(live.display.stop), live.display:
            yield live
    else:
        yield Lines(console)


def print_result(made: Backfill, screen: Console) -> None:
    """Print the table of all periods, and what they are together."""
    screen.print(table(made.parts))
    counts = {status: sum(part.status == status for part in made.parts) for status in _COLOURS}
    told = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
    earlier = sum(part.is_earlier for part in made.parts)
    told += f" ({earlier:,} by earlier runs)" if earlier else ""
    sales = made.total_sales
    total = f" Total sales {format_value(str(sales), 'money')}." if sales is not None else ""
    lines = [f"{plural(len(made.parts), 'period')} in {made.seconds:.1f} s: {told}.{total}"]
    lines += [f"Reports: {made.reports}"] if made.reports else []
    print_text("\n".join(lines), screen)


def table(parts: Sequence[Part]) -> Table:
    """Period, status, time and total sales of each."""
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable("Period", "Status", box=None, pad_edge=False, header_style="bold")
    shown.add_column("Time", justify="right")
    shown.add_column("Total sales", justify="right")
    for part in parts:
        sales = "" if part.total_sales is None else format_value(part.total_sales, "money")
        shown.add_row(days(part), Text(_status(part), _COLOURS[part.status]), _time(part), sales)
    return shown


def days(part: Part) -> str:
    """A period in words: one day by its date alone."""
    first, last = part.period.first, part.period.last
    return f"{first}" if first == last else f"{first}..{last}"


def _status(part: Part) -> str:
    if part.is_earlier:
        return "completed earlier"
    return f"running {part.step}".rstrip() if part.status == "running" else part.status


def _time(part: Part) -> str:
    seconds = time.monotonic() - part.began if part.status == "running" else part.seconds
    return "" if seconds is None or part.is_earlier else f"{seconds:.1f} s"


def _said(part: Part, step: str, line: str) -> str:
    return f"{days(part)} {step}: {line}"


def _plan(parts: Sequence[Part], jobs: int) -> str:
    earlier = sum(part.is_earlier for part in parts)
    if earlier == len(parts):
        return f"{plural(earlier, 'period')}, completed earlier"
    known = f", {earlier:,} of them completed earlier" if earlier else ""
    return f"{plural(len(parts), 'period')}{known}, {jobs} at once"


def _unprepared(trouble: str) -> str:
    return f"The raw files could not be read once for all: {with_options(trouble)} Each period reads them by itself."
