"""Make the page that lists all runs of an output folder, newest first."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from techco.display import format_value
from techco.history import read_records
from techco.pages import Link, page
from techco.record import RunRecord
from techco.run_page import run_facts
from techco.wording import plural

_HEADS = (
    ("Period", "text"),
    ("Shop", "text"),
    ("Status", "text"),
    ("Total sales", "number"),
    ("Duration", "number"),
    ("Made", "text"),
)


def catalogue_page(out: Path, unsaved: RunRecord | None = None) -> str:
    """Render the list of all runs found in `out/runs`.

    Parameters
    ----------
    out
        The folder of `runs` and `reports`. A run whose folder was deleted is not listed; one whose report was deleted
        is listed without a link; one whose `run.json` cannot be read is listed as unreadable.
    unsaved
        A record that takes the place of the saved one of the same run.
    """
    records = read_records(out)
    if unsaved is not None:
        records[unsaved.run_id] = unsaved
    runs = [_row(out, folder, records[folder]) for folder in sorted(records, reverse=True)]
    failed = sum(run["status"] == "failed" for run in runs)
    summary = plural(len(runs), "run") + (f", {failed:,} of them failed" if failed else "")
    return page(
        "catalogue.html.j2", [Link("All reports", "index.html", True)], runs=runs, heads=_HEADS, summary=summary
    )


def _row(out: Path, folder: str, record: RunRecord | None) -> dict[str, str]:
    href = f"{quote(folder)}/index.html" if (out / "reports" / folder / "index.html").is_file() else ""
    if record is None:
        facts = {"run_id": folder, "shop": "–", "span": folder, "status": "unreadable", "started": "–", "seconds": "–"}
        return {**facts, "href": href, "key": "", "sales": "–", "sales_key": "", "seconds_key": ""}
    sales = (record.metrics or {}).get("total_sales")
    return {
        **run_facts(record),
        "href": href,
        "key": f"{record.start_date} {record.end_date}",
        "sales": format_value(sales, "money"),
        "sales_key": str(sales or ""),
        "seconds_key": "" if record.seconds is None else str(record.seconds),
    }
