"""What the command line says: results on stdout, errors on stderr, without credentials and in any encoding."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from techco.record import RunRecord


def survive_any_text() -> None:
    """Let stdout and stderr take any text: what their encoding lacks, as the letters of a path may, is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def console(stderr: bool = False) -> Console:
    """A Rich console on stdout or stderr."""
    from rich.console import Console

    return Console(stderr=stderr)


def print_json(text: str) -> None:
    """Print a JSON object; in ASCII where stdout has not all letters, since JSON must not be escaped otherwise."""
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        text = json.dumps(json.loads(text), indent=2)
    print(text)  # noqa: T201


def print_error(text: str) -> None:
    """Print an error for people, without credentials."""
    from techco.scrub import scrub

    screen = console(stderr=True)
    screen.print("[bold red]Error:[/bold red]", end=" ")
    screen.print(scrub(text), markup=False, highlight=False, soft_wrap=True)


def print_summary(record: RunRecord) -> None:
    """Print what a completed run has found, and where its report is."""
    from techco.display import format_value

    records, sales = record.metrics.get("records"), record.metrics.get("total_sales")
    lines = [("Period", f"{record.start_date} to {record.end_date}")]
    if sales is not None:
        lines.append(("Total sales", format_value(sales, "money")))
    if records:
        lines.append(("Records", _accounted(records)))
    lines.append(("Report", str(record.report)))
    screen = console()
    screen.print(f"[bold green]Completed[/bold green] in {record.seconds:.1f} s", highlight=False)
    for name, text in lines:
        screen.print(f"  {name:<12}{text}", markup=False, highlight=False, soft_wrap=True)


def print_failure(record: RunRecord, stopped: str = "") -> None:
    """Print why a run failed, or that it was `stopped`, and where its report is."""
    assert record.error
    print_error(stopped or f"The step {record.error.step} failed: {record.error.message}")
    if record.report:
        console(stderr=True).print(f"Report: {record.report}", markup=False, highlight=False, soft_wrap=True)


def print_runs(records: Mapping[str, RunRecord | None]) -> None:
    """Print one line per run; of one whose record cannot be read only its folder is known."""
    rows = [_row(name, record) for name, record in records.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201


def _row(name: str, record: RunRecord | None) -> list[str]:
    if record is None:
        return [name, "", "unreadable", "", ""]
    seconds = "" if record.seconds is None else f"{record.seconds:.1f} s"
    return [record.run_id, f"{record.start_date}..{record.end_date}", record.status, seconds, record.storage]


def _accounted(records: dict[str, int]) -> str:
    return (
        f"{records['read']:,} read = {records['accepted']:,} accepted + {records['duplicates']:,} duplicates "
        f"+ {records['quarantined']:,} quarantined + {records['outside_period']:,} outside the period"
    )
