"""Make the page that lists runs, newest first: those of an output folder, or those of a storage account."""

from __future__ import annotations

from collections.abc import Container, Mapping
from contextlib import suppress
from urllib.parse import quote

from techco.display import format_value
from techco.pages import Link, page
from techco.record import RunRecord
from techco.run_page import run_facts
from techco.wording import plural

REPORTS = "reports"
"""The folder of all reports, which the page lies in."""
_HEADS = (
    ("Period", "text"),
    ("Shop", "text"),
    ("Status", "text"),
    ("Total sales", "number"),
    ("Duration", "number"),
    ("Made", "text"),
)


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
    return page(
        "catalogue.html.j2", [Link("All reports", "index.html", True)], runs=runs, heads=_HEADS, summary=summary
    )


def _row(folder: str, record: RunRecord | None, has_report: bool) -> dict[str, str]:
    href = f"{quote(folder)}/index.html" if has_report else ""
    if record:
        with suppress(AttributeError, TypeError, ValueError, ArithmeticError):  # JSON with the right keys only
            return {**_facts(record), "href": href}
    facts = {"run_id": folder, "shop": "–", "span": folder, "status": "unreadable", "started": "–", "seconds": "–"}
    return {**facts, "href": href, "key": "", "sales": "–", "sales_key": "", "seconds_key": ""}


def _facts(record: RunRecord) -> dict[str, str]:
    sales = (record.metrics or {}).get("total_sales")
    return {
        **run_facts(record),
        "key": f"{record.start_date} {record.end_date}",
        "sales": format_value(sales, "money"),
        "sales_key": str(sales or ""),
        "seconds_key": "" if record.seconds is None else str(record.seconds),
    }
