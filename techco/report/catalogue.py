"""Make the page that lists runs, newest first: those of an output folder, or those of a storage account."""

from __future__ import annotations

from collections.abc import Container, Mapping
from contextlib import suppress
from urllib.parse import quote

from techco.display.columns import format_value
from techco.display.wording import listed, plural
from techco.records.record import STEPS, RunRecord
from techco.report.first_page import run_facts
from techco.report.pages import Link, page

_COLUMNS = (
    ("Period", "text"),
    ("Shop", "text"),
    ("Status", "text"),
    ("Total sales", "number"),
    ("Duration", "number"),
    ("Made", "text"),
)
_FILTERS = {
    "completed": "Completed",
    "warnings": "Completed with warnings",
    "failed": "Failed",
    "prepared": "Prepared",
    "running": "Running",
    "pending": "Pending",
    "partial": "Some steps only",
    "unreadable": "Unreadable",
}


def catalogue_page(records: Mapping[str, RunRecord | None], reports: Container[str]) -> str:
    """Render the list of runs.

    Parameters
    ----------
    records
        The runs by the name of their folder; one that is None is listed as unreadable.
    reports
        The folders that have a report; another run is listed without a link.
    """
    runs = [_row(folder, records[folder], folder in reports) for folder in sorted(records, reverse=True)]
    failed = sum(run["status"] == "failed" for run in runs)
    summary = plural(len(runs), "run") + (f", {failed:,} of them failed" if failed else "")
    warned = sum(run["status"] == "completed with warnings" for run in runs)
    summary += f", {warned:,} completed with warnings" if warned else ""
    present = {word for run in runs for word in run["filters"].split()}
    statuses = [(value, label) for value, label in _FILTERS.items() if value in present]
    links = [Link("All reports", "index.html", True)]
    return page("catalogue.html.j2", links, runs=runs, heads=_COLUMNS, statuses=statuses, summary=summary)


def _row(folder: str, record: RunRecord | None, has_report: bool) -> dict[str, str]:
    href = f"{quote(folder)}/index.html" if has_report else ""
    if record:
        with suppress(AttributeError, TypeError, ValueError, ArithmeticError):  # JSON with the right keys only
            return {**_cells(record), "href": href}
    unknown = dict.fromkeys(("note", "pii", "key", "sales", "seconds", "seconds_key"), "")
    facts = {"run_id": folder, "shop": "–", "span": folder, "started": "–"}
    return {**unknown, **facts, "status": "unreadable", "filters": "unreadable", "href": href}


def _cells(record: RunRecord) -> dict[str, str]:
    sales = (record.metrics or {}).get("total_sales")
    names = [step.name for step in record.steps]
    is_partial = not set(STEPS) <= set(names)
    note = f"{listed(names)} only" if names and is_partial else ""
    filters = ["completed", *(["warnings"] if record.warnings else [])] if record.is_completed else [record.status]
    if record.status == "failed" and record.error:
        note = f"{'interrupted ' if record.error.interrupted else ''}in {record.error.step}"
    return {
        **run_facts(record),
        "filters": " ".join([*filters, *(["partial"] if is_partial else [])]),
        "note": note,
        "key": f"{record.start_date} {record.end_date}",
        "sales": "" if sales is None else format_value(sales, "money"),
        "seconds_key": "" if record.seconds is None else str(record.seconds),
    }
