"""Tells on stderr how far a run is: a live display on a terminal, else one line as a step starts and ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from techco.cli.console import print_text
from techco.records.record import StepRecord
from techco.runs.progress import NoProgress, Progress
from techco.system import signals

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


class Output(NoProgress):
    """Shows what cells print and nothing else."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def cell_printed(self, step: StepRecord, line: str) -> None:
        """Print it."""
        self._print(line)

    def _print(self, text: str) -> None:
        print_text(text, self._console)


class Lines(Output):
    """One line as a step starts and one as it ends: for log files."""

    def step_started(self, step: StepRecord) -> None:
        """Print that it starts."""
        self._print(f"{step.name}: started")

    def step_ended(self, step: StepRecord) -> None:
        """Print how it ended, with its seconds."""
        self._print(f"{step.name}: {step.status} in {step.seconds:.1f} s")


class Live:
    """A display that moves: step, cell i of n, seconds."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self.display = RichProgress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]:<14}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def step_started(self, step: StepRecord) -> None:
        """Add the step's line."""
        self._tasks[step.name] = self.display.add_task(step.name, total=None, state="starting")

    def cell_started(self, step: StepRecord, cell: int, cells: int) -> None:
        """Move the step's bar."""
        self.display.update(
            self._tasks[step.name], total=cells, completed=cell - 1, state=f"cell {cell} of {cells}", refresh=True
        )

    def cell_printed(self, step: StepRecord, line: str) -> None:
        """Print it above the display."""
        print_text(line, self.display.console)

    def step_ended(self, step: StepRecord) -> None:
        """Fill the step's bar, or leave it where it stopped."""
        task = self._tasks[step.name]
        if step.status == "completed":
            total = self.display.tasks[task].total or 1
            self.display.update(task, total=total, completed=total, state="completed")
        else:
            self.display.update(task, state=f"[red]{step.status}[/red]")
        self.display.stop_task(task)


@contextmanager
def shown_on(console: Console, wanted: bool) -> Iterator[Progress]:
    """The progress that suits where it is shown; unless wanted, only what cells print."""
    if not wanted:
        yield Output(console)
    elif console.is_terminal and not console.is_dumb_terminal:
        live = Live(console)
        with signals.cleanup(live.display.stop), live.display:
            yield live
    else:
        yield Lines(console)
