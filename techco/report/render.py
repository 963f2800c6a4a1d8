"""Make the report of a run: from its executed notebooks to HTML pages and CSV files.

Nothing is computed here that a notebook has not shown: a report can be made again at any time from `runs/<run-id>/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from techco.display.read_back import NotebookResults, read_shown
from techco.display.shown import Finding, Shown, Table
from techco.display.wording import duration
from techco.errors import TechcoError
from techco.records.find import REPORTS, read_records
from techco.records.record import STEPS, RunRecord, StepRecord
from techco.redact import Pii
from techco.report.catalogue import catalogue_page
from techco.report.csv_file import to_csv
from techco.report.first_page import in_order, page_links, run_facts, run_page, step_title
from techco.report.pages import page, write_page
from techco.system.files import write_whole


def render(record: RunRecord, out: Path) -> None:
    """Make the report of a run, whether it completed or failed, and the list of all runs.

    Writes `out/reports/<run-id>/` with `index.html`, a page for each step that has a notebook, and `data/*.csv`; then
    `out/reports/index.html`.

    Parameters
    ----------
    record
        The run, with its final status: `steps[i].notebook` names the executed notebooks. Its `report`, `metrics`,
        `warnings` and `steps[i].report` are filled in, and a status `completed` becomes `completed with warnings` if
        there are any; the caller saves it afterwards.
    out
        The folder of `runs` and `reports`.
    """
    folder = (out / REPORTS / record.run_id).absolute()
    own_first = sorted(record.steps, key=lambda step: step.name in STEPS)  # what the steps show by a name counts
    shown = NotebookResults(item for step in own_first for item in _read_step(step, folder, record.pii))
    for step in record.steps:
        _write_step(step, folder, record)
    tables = _write_tables(in_order(shown.findings), folder / "data")
    record.metrics = _metrics(shown, tables)
    record.warnings = [asdict(warning) for warning in shown.warnings]
    if record.is_completed:
        record.status = "completed with warnings" if record.warnings else "completed"
    index = folder / "index.html"
    record.report = str(index)
    write_page(index, run_page(record, shown))
    render_catalogue(out, record)


def render_catalogue(out: Path, unsaved: RunRecord | None = None) -> None:
    """Make `out/reports/index.html`, the list of all runs in `out/runs`, newest first.

    Parameters
    ----------
    out
        The folder of `runs` and `reports`. A run whose folder was deleted is not listed; one whose report was deleted
        is listed without a link; one whose `run.json` cannot be read is listed as unreadable.
    unsaved
        A record not saved yet, which takes the place of the saved one of the same run.
    """
    records = read_records(out)
    if unsaved is not None:
        records[unsaved.run_id] = unsaved
    reports = {path.parent.name for path in (out / REPORTS).glob("*/index.html")}
    write_page(out / REPORTS / "index.html", catalogue_page(records, reports))


def _notebook_page(notebook: Path, name: str, record: RunRecord) -> str:
    from techco.report.notebook_page import notebook_body  # nbconvert takes a while to import

    # The numbers of a name are those of the steps, if they show it too.
    body, contents = notebook_body(notebook, record.pii, csv=name in STEPS)
    step = next((step for step in record.steps if step.name == name), StepRecord(name))
    return page(
        "notebook.html.j2",
        page_links(record, name),
        contents,
        run=run_facts(record),
        step=name,
        title=step_title(name),
        status=step.status,
        seconds=duration(step.seconds) if step.seconds is not None else "",
        body=body,
    )


def _read_step(step: StepRecord, folder: Path, pii: Pii) -> list[Shown]:
    """Read what a step has shown; set `step.report` to where its page will be, None if it has no readable notebook."""
    step.report = None
    if not step.notebook:
        return []
    try:
        shown = read_shown(Path(step.notebook), pii)
    except TechcoError:  # deleted by hand, or cut short by a crash: the rest of the run is worth a report all the same
        return []
    step.report = str(folder / f"{step.name}.html")
    return shown


def _write_step(step: StepRecord, folder: Path, record: RunRecord) -> None:
    """Write the page of a step, or remove the one of an earlier rendering."""
    if step.report and step.notebook:
        write_page(Path(step.report), _notebook_page(Path(step.notebook), step.name, record))
    else:
        (folder / f"{step.name}.html").unlink(missing_ok=True)


def _write_tables(findings: Iterable[Finding], folder: Path) -> dict[str, str]:
    """Write one CSV per finding, remove those of an earlier rendering, and return their paths by name."""
    tables: dict[str, Table] = {}
    for finding in findings:
        tables.setdefault(finding.table.name, finding.table)
    for old in folder.glob("*.csv"):
        if old.stem not in tables:
            old.unlink()
    for name, table in tables.items():
        write_whole(folder / f"{name}.csv", to_csv(table))
    return {name: str(folder / f"{name}.csv") for name in tables}


def _metrics(shown: NotebookResults, tables: dict[str, str]) -> dict[str, Any]:
    """Collect the numbers of `run.json`; null for what no step of this run has computed."""
    figures = shown.figures("joined") | shown.figures("key_figures")
    reasons, sources = shown.table("quarantine_reasons"), shown.table("records_by_source")
    return {
        "records": _records(shown.figures("records")),
        "quarantine": _quarantine(reasons) if reasons else None,
        "total_sales": figures.get("total_sales"),
        "unique_customers": figures.get("unique_customers"),
        "tables": tables,
        "days_in_files": _days_in_files(shown.figures("days_in_files")),
        "sources": {row.pop("source"): row for row in _dicts(sources)} if sources else None,
    }


def _records(figures: dict[str, Any]) -> dict[str, Any] | None:
    names = ("read", "accepted", "duplicates", "quarantined", "outside_period")
    return {name: figures.get(name) for name in names} if figures else None


def _days_in_files(figures: dict[str, Any]) -> dict[str, Any] | None:
    names = ("first_day", "last_day")
    return {name: figures[name] for name in names} if figures.get("first_day") else None


def _quarantine(reasons: Table) -> dict[str, Any]:
    """Sum up the reasons over all raw files, which share some."""
    sums: Counter[str] = Counter()
    for row in _dicts(reasons):
        sums[row["reason"]] += row["count"]
    return dict(sums)


def _dicts(table: Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]
