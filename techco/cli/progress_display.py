"""Show on stderr how far a run or a backfill is: a live display on a terminal, else one line for each event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from techco.cli.console import print_text, with_options
from techco.cli.period_table import ENDED, days, make_table
from techco.display.columns import format_value
from techco.display.wording import plural
from techco.runs.events import (
    BackfillStarted,
    CellStarted,
    Event,
    LinePrinted,
    Listener,
    PeriodEvent,
    PreparationEnded,
    PreparationStarted,
    RunEnded,
    StepEnded,
    StepStarted,
)
from techco.system import signals

if TYPE_CHECKING:
    from rich.console import Console, ConsoleRenderable, RenderableType
    from rich.progress import TaskID

    from techco.runs.periods import PeriodRun

_LINES_AROUND = 8  # of a terminal, which the table of periods leaves to what is above and below it


class EventLines:
    """One line for each event that matters in a log file."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: Event) -> None:
        """Print the event's line, if it has one."""
        if line := _line(event):
            print_text(line, self._console)


class StepBars:
    """The steps of a run: for each a bar, its cell i of n and its seconds."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.display = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]:<14}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Move the bar of the step; what a cell prints goes above the display."""
        match event:
            case StepStarted(step):
                self._tasks[step] = self.display.add_task(step, total=None, state="starting")
            case CellStarted(step, cell, cells):
                state = f"cell {cell} of {cells}"
                self.display.update(self._tasks[step], total=cells, completed=cell - 1, state=state, refresh=True)
            case LinePrinted(_, line):
                print_text(line, self.display.console)
            case StepEnded(step, status):
                task = self._tasks[step]
                if status == "completed":
                    total = self.display.tasks[task].total or 1
                    self.display.update(task, total=total, completed=total, state="completed")
                else:
                    self.display.update(task, state=f"[red]{status}[/red]")
                self.display.stop_task(task)


class LivePeriods:
    """The table of a backfill's periods; of more than a terminal has lines it shows those at which work is."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._periods: Sequence[PeriodRun] = ()
        self._plan = self._head = ""
        self.display = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def __call__(self, event: Event) -> None:
        """Change the line above the table, which itself is drawn anew four times a second."""
        match event:
            case BackfillStarted(periods):
                self._periods, self._plan = periods, str(_line(event))
                self._head = self._plan
            case PreparationStarted(periods):
                self._head = f"Reading the raw files once for {plural(periods, 'period')} …"
            case PreparationEnded():
                self._head = self._plan
                EventLines(self._console)(event)
            case PeriodEvent(_, LinePrinted()):
                EventLines(self._console)(event)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        ended = sum(one.status in ENDED for one in self._periods)
        failed = sum(one.status == "failed" for one in self._periods)
        foot = f"{ended:,} of {len(self._periods):,} done" + (f", {failed:,} failed" if failed else "")
        shown: list[ConsoleRenderable] = [Text(self._head), make_table(self._window()), Text(foot)]
        return Group(*shown)

    def _window(self) -> Sequence[PeriodRun]:
        lines = max(self._console.height - _LINES_AROUND, 3)
        active = [number for number, one in enumerate(self._periods) if one.status == "running"]
        last = min(max([*active, lines - 2]) + 2, len(self._periods))
        return self._periods[max(last - lines, 0) : last]


@contextmanager
def show_progress(console: Console, live: type[StepBars | LivePeriods], wanted: bool) -> Iterator[Listener]:
    """Yield the listener that suits a console: the live display on a terminal, else lines.

    If progress is not wanted, it prints only what the cells of a run print.
    """
    lines = EventLines(console)
    if not wanted:
        yield lambda event: lines(event) if isinstance(event, LinePrinted) else None
    elif console.is_terminal and not console.is_dumb_terminal:
        shown = live(console)
        with signals.cleanup(shown.display.stop), shown.display:
            yield shown
    else:
        yield lines


def _line(event: Event) -> str | None:
    """Return an event in words, None for one that is only for a live display."""
    match event:
        case StepStarted(step):
            return f"{step}: started"
        case LinePrinted(_, line):
            return line
        case StepEnded(step, status, seconds):
            return f"{step}: {status} in {seconds:.1f} s"
        case BackfillStarted(periods, jobs):
            earlier = sum(one.is_earlier for one in periods)
            if earlier == len(periods):
                return f"{plural(earlier, 'period')}, completed earlier"
            known = f", {earlier:,} of them completed earlier" if earlier else ""
            again = Counter(one.reason for one in periods if one.reason)
            stale = "".join(f", {number:,} run again as {reason}" for reason, number in again.items())
            return f"{plural(len(periods), 'period')}{known}{stale}, {jobs} at once"
        case PreparationStarted(number):
            return f"reading the raw files once for {plural(number, 'period')}"
        case PreparationEnded(error) if error:
            return (
                f"The raw files could not be read once for all: {with_options(error)} Each period reads them by itself."
            )
        case PeriodEvent(one, LinePrinted(step, line)):
            return f"{days(one)} {step}: {line}"
        case PeriodEvent(one, RunEnded()):
            took = "" if one.seconds is None else f" in {one.seconds:.1f} s"
            sales = "" if one.total_sales is None else f", total sales {format_value(one.total_sales, 'money')}"
            return f"{days(one)}: {one.status}{took}{sales}{one.error and '. ' + with_options(one.error)}"
    return None
