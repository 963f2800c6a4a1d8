"""Print results on stdout and errors on stderr, without credentials."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from techco.cli.console import console, print_text, with_options

if TYPE_CHECKING:
    from rich.console import Console

    from techco.doctor.checks import Check
    from techco.lab.jupyterlab import Lab
    from techco.period import Period
    from techco.records.record import RunRecord
    from techco.runs.cleaning import OldRun
    from techco.tables.vacuum import Removed

_COLOURS = {"passed": "green", "failed": "bold red", "skipped": "dim"}


def print_json(text: str) -> None:
    """Print a JSON object; in ASCII where stdout has not all letters, since JSON must not be escaped otherwise."""
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        text = json.dumps(json.loads(text), indent=2)
    print(text)  # noqa: T201


def print_error(text: str) -> None:
    """Print an error for people, without credentials."""
    from techco.redact import scrub

    output = console(stderr=True)
    output.print("[bold red]Error:[/bold red]", end=" ")
    print_text(scrub(with_options(text)), output)


def print_note(text: str) -> None:
    """Print on stderr what a user may want to know."""
    print_text(text, console(stderr=True))


def print_period(period: Period) -> None:
    """Print on stderr which days a period means that was counted from today."""
    print_note(f"Period {period.first} to {period.last}")


def print_summary(record: RunRecord) -> None:
    """Print what a completed run has found, where its report is, and what to mind."""
    from techco.cli.run_details import record_lines
    from techco.display.columns import format_value

    sales = record.metrics.get("total_sales")
    lines = [("Period", f"{record.start_date} to {record.end_date}")]
    if days := record.metrics.get("days_in_files"):
        lines.append(("Files have", f"{days['first_day']} to {days['last_day']}"))
    if sales is not None:
        lines.append(("Total sales", format_value(sales, "money")))
    lines += record_lines(record.metrics)
    lines.append(("Report", str(record.report)))
    if record.published:
        lines.append(("Published", record.published))
    colour = "yellow" if record.warnings else "green"
    console().print(
        f"[bold {colour}]{record.status.capitalize()}[/bold {colour}] in {record.seconds:.1f} s", highlight=False
    )
    _print_named(lines)
    for warning in record.warnings:
        console().print("[bold yellow]Warning:[/bold yellow]", end=" ")
        print_text(f"{warning['text']} {warning['remedy']}")


def print_prepared(record: RunRecord) -> None:
    """Print where the notebooks of a prepared run are, and how they are executed."""
    console().print("[bold green]Prepared[/bold green], not executed", highlight=False)
    lines = [("Period", f"{record.start_date} to {record.end_date}")]
    lines += [("Notebook", str(step.notebook)) for step in record.steps]
    run_dir = str(Path(str(record.steps[0].notebook)).parent)
    _print_named([*lines, ("Execute", shlex.join(["techco", "resume", run_dir]))])


def _print_named(lines: Iterable[tuple[str, str]]) -> None:
    for name, text in lines:
        print_text(f"  {name:<12}{text}")


def print_failure(record: RunRecord, stopped: str = "") -> None:
    """Print why a run failed, or that it was `stopped`, and where its report is."""
    assert record.error
    print_error(stopped or f"The step {record.error.step} failed: {record.error.message}")
    if record.report:
        print_note(f"Report: {record.report}")
    if record.published:
        print_note(f"Published: {record.published}")


def print_lab(lab: Lab) -> None:
    """Print which notebook is open in JupyterLab, and where; on stderr what there is to know."""
    for name, text in (("Notebook", str(lab.notebook)), ("JupyterLab", lab.url)):
        print_text(f"{name:<12}{text}")
    copy = "a new copy" if lab.is_new else "your copy of before, as you have left it"
    print_note(f"This is {copy}. Ctrl-C ends JupyterLab.")


def print_runs(records: Mapping[str, RunRecord | None]) -> None:
    """Print one line per run; of one whose record cannot be read only its folder is known."""
    rows = [_row(name, record) for name, record in records.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201


def print_old_runs(runs: Sequence[OldRun], dry_run: bool) -> None:
    """Print which runs were removed, or would be."""
    for one in runs:
        print(f"{one.run}  {one.size / 1e6:,.1f} MB")  # noqa: T201
    done = "would be removed" if dry_run else "removed"
    count = f"{len(runs):,} run{'' if len(runs) == 1 else 's'}"
    size = sum(one.size for one in runs) / 1e6
    print(f"{count} {done}, {size:,.1f} MB." if runs else "No run is that old.")  # noqa: T201


def print_removed(removed: Sequence[Removed], dry_run: bool) -> None:
    """Print what was removed, or would be, one line for each table."""
    for one in removed:
        if one.files:
            print(f"{one.name:<14}{one.files:>8,} files{one.size / 1e6:>12,.1f} MB")  # noqa: T201
    files, size = sum(one.files for one in removed), sum(one.size for one in removed)
    done = "would be removed" if dry_run else "removed"
    print(f"{files:,} files {done}, {size / 1e6:,.1f} MB." if files else "Nothing to remove.")  # noqa: T201


def print_checks(checks: Iterable[Check]) -> list[Check]:
    """Print each check as it is made, and then how many passed; on a terminal long lines are broken and aligned."""
    output = console()
    made = []
    for check in checks:
        made.append(check)
        output.print(f"{check.status:<8}", style=_COLOURS[check.status], end="", highlight=False)
        lines = _wrap(f"{check.name:<19}{check.detail}", 8, 27, output)
        if check.remedy:
            lines += "\n" + " " * 8 + _wrap(f"To do: {check.remedy}", 8, 8, output)
        print_text(with_options(lines), output)
    counts = {status: sum(check.status == status for check in made) for status in _COLOURS}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    output.print(f"\n{summary}", markup=False, highlight=False)
    return made


def _wrap(text: str, start: int, indent: int, output: Console) -> str:
    """Break a text that starts in a column at blanks where a terminal ends; in a file or pipe it stays one line."""
    if not output.is_terminal:
        return text
    width = max(output.width, indent + 20)
    return textwrap.fill(
        text, width, initial_indent=" " * start, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False,
    ).lstrip()  # fmt: skip


def _row(name: str, record: RunRecord | None) -> list[str]:
    if record is None:
        return [name, "", "unreadable", "", ""]
    seconds = "" if record.seconds is None else f"{record.seconds:.1f} s"
    return [record.run_id, f"{record.start_date}..{record.end_date}", record.outcome, seconds, record.storage]
