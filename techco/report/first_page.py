"""Say what the first page of a run's report shows: key figures, findings, data quality and how it was made.

Everything comes from the record of the run and from what its notebooks have shown; what is not there is left out.
"""

from __future__ import annotations

import datetime
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from techco.display.columns import Column, Value
from techco.display.read_back import Collection
from techco.display.shown import Finding, Table
from techco.display.wording import duration, listed, moment, plural, span
from techco.records.record import REPORT, RunRecord
from techco.redact import mask
from techco.report.key_figures import explained, tiles
from techco.report.pages import Entry, Link, element_id, page

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_SHORT_TITLES = {
    "action_frequency": "Actions",
    "unique_customers": "Customers",
    "sales_by_category": "Categories",
    "sales_by_day": "Total sales",
    "sales_by_product": "Products",
    "spend_by_customer": "Spend per customer",
}
_RECORDS = {
    "accepted": "accepted",
    "duplicates": "duplicates",
    "quarantined": "quarantined",
    "outside_period": "outside the period",
}
# Shown elsewhere on the page, or part of what is.
_OWN_PLACE = ("command", "started")
_SPELLINGS = {"techco": "TechCo", "pyspark": "PySpark", "pysail": "Sail", "papermill": "papermill"}


def run_page(record: RunRecord, shown: Collection) -> str:
    """Render the first page of a run's report."""
    findings = in_order(shown.findings)
    figures, quality = tiles(shown), _quality(shown)
    contents = [Entry("Key figures", "key-figures")] if figures else []
    contents += [Entry("Findings", "findings")] if findings else []
    contents += [Entry(_SHORT_TITLES.get(f.name, f.question), element_id(f.name), 3) for f in findings]
    contents += [Entry("Data quality", "data-quality")] if quality else []
    contents += [Entry("How it was made", "how")]
    return page(
        "run.html.j2",
        page_links(record, "index"),
        contents,
        run=run_facts(record),
        error=_failure(record),
        figures=figures,
        explained=explained(figures, shown) if figures else "",
        findings=findings,
        quality=quality,
        steps=[_step(step.name, record) for step in record.steps],
        command=record.command,
        facts=_facts(record, shown),
        tables=_provenance_tables(record, shown),
    )


def run_facts(record: RunRecord) -> dict[str, str]:
    """What every page says of a run: shop, period in words, status, start and duration."""
    return {
        "run_id": record.run_id,
        "shop": shop_name(record.storage),
        "span": period_words(record),
        "status": record.status,
        "started": moment(record.started),
        "seconds": duration(record.seconds) if record.seconds is not None else "",
        "pii": record.pii,
    }


def page_links(record: RunRecord, here: str) -> list[Link]:
    """The pages of a run, linked where they exist; `here` is `index` or the name of a step."""
    links = [Link("All reports", "../index.html"), Link("Report", "index.html", here == "index")]
    for step in record.steps:
        exists = step.report or step.name == here
        links.append(Link(step_title(step.name), quote(f"{step.name}.html") if exists else "", here == step.name))
    return links


def step_title(name: str) -> str:
    """The name of a step as people read it: of `my_analysis`, a template of the user's own, `My analysis`."""
    return name[:1].upper() + name[1:].replace("_", " ")


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """The findings in the order of the six questions, unknown ones last."""
    order = list(_SHORT_TITLES)
    return sorted(findings, key=lambda f: order.index(f.name) if f.name in order else len(order))


def shop_name(storage: str) -> str:
    """A short name of a storage: the folder, or `container@account/prefix`."""
    url = urlsplit(storage)
    if url.scheme in ("", "file"):
        return url.path.rstrip("/").rpartition("/")[2] or storage
    account = (url.hostname or "").partition(".")[0]
    return (f"{url.username}@{account}" if url.username else account) + url.path.rstrip("/")


def period_words(record: RunRecord) -> str:
    """The period in words, or as it stands where it is no period."""
    try:
        first, last = (datetime.date.fromisoformat(day) for day in (record.start_date, record.end_date))
    except ValueError:
        return f"{record.start_date} to {record.end_date}"
    return span(first, last)


def _failure(record: RunRecord) -> dict[str, str] | None:
    """Why and where the run stopped; None if it did not."""
    if record.status != "failed" and record.error is None:
        return None
    done = [step.name for step in record.steps if step.status == "completed"]
    left = [step.name for step in record.steps if step.status in ("pending", "running")]
    outcome = f"Finished in full: {listed(done)}." if done else "No step finished."
    if left:
        outcome += f" Not run: {listed(left)}."
    error, hidden = record.error, mask if record.pii == "mask" else str
    return {
        "step": error.step if error and error.step else "an unknown step",
        "message": hidden(_ANSI.sub("", error.message)) if error else "No reason was recorded.",
        "trace": hidden(_ANSI.sub("", error.trace)) if error else "",
        "outcome": outcome,
        "resume": _resume(record),
        "command": record.command,
    }


def _resume(record: RunRecord) -> str:
    """The command for what a failed run has left; empty where that is all of it."""
    if record.error and record.error.step == REPORT:
        return shlex.join(["techco", "render", *_folder(record)])
    is_begun = any(step.status == "completed" for step in record.steps)
    return shlex.join(["techco", "resume", *_folder(record)]) if is_begun else ""


def _folder(record: RunRecord) -> list[str]:
    """The words that name a run on a command line, from any directory where that is known."""
    notebook = next((step.notebook for step in record.steps if step.notebook), None)
    return [str(Path(notebook).parent) if notebook else record.run_id]


def _quality(shown: Collection) -> dict[str, Any]:
    """Data quality; empty if no step has shown anything of it."""
    sources, reasons = shown.table("records_by_source"), shown.table("quarantine_reasons")
    examples = shown.table("quarantine_examples")
    quality = {
        "sum": _sum(shown.figures("records")),
        "sources": sources,
        "refused": _refused(reasons),
        "reasons": _by_count(reasons) if reasons and reasons.rows else None,
        "examples": examples if examples and examples.rows else None,
        "notes": _open_ends(shown),
    }
    return quality if any(quality[key] for key in ("sum", "sources", "reasons", "examples", "notes")) else {}


def _sum(records: Mapping[str, Value]) -> dict[str, Any] | None:
    """How the records read add up; None where a number is unknown."""
    numbers = {name: records.get(name) for name in ("read", *_RECORDS)}
    known = {name: number for name, number in numbers.items() if isinstance(number, int)}
    if len(known) != len(numbers):
        return None
    found = sum(known[name] for name in _RECORDS)
    sentence = f"Every one of {known['read']:,} web logs read is accounted for."
    if known["read"] < 2:
        sentence = "The one web log read is accounted for." if known["read"] else "No web logs were read."
    elif found != known["read"]:
        sentence = f"The web logs do not add up: {known['read']:,} were read, but {found:,} are accounted for."
    terms = [{"sign": "", "value": f"{known['read']:,}", "label": "read"}]
    for sign, (name, label) in zip("=+++" if found == known["read"] else "≠+++", _RECORDS.items(), strict=True):
        terms.append({"sign": sign, "value": f"{known[name]:,}", "label": label})
    return {"sentence": sentence, "terms": terms}


def _by_count(reasons: Table) -> Table:
    """The reasons as they shall be read, the most frequent first."""
    return replace(reasons, rows=sorted(reasons.rows, key=lambda row: -int(row[-1] or 0)))


def _refused(reasons: Table | None) -> str:
    """How many records of all raw files were refused, and why most of them."""
    counts: Counter[str] = Counter()
    for _, reason, count in reasons.rows if reasons else ():
        counts[str(reason)] += int(count or 0)
    if not counts.total():
        return "Quarantined records"
    most = max(counts.values())
    leaders = [reason for reason, count in counts.items() if count == most]
    reason, each = ("reasons", " each") if len(leaders) > 1 else ("reason", "")
    verb = "record of all raw files is" if counts.total() == 1 else "records of all raw files are"
    return f"{counts.total():,} {verb} in quarantine; the most frequent {reason}: {listed(leaders)} ({most:,}{each})."


def _open_ends(shown: Collection) -> list[str]:
    """What the sales do not cover, one sentence each."""
    values = shown.figures("data_quality")
    notes = []
    if isinstance(logs := values.get("logs_unknown_product"), int):
        bought = values.get("purchases_unknown_product") or 0
        what = "is a purchase, which counts" if bought == 1 else "are purchases, which count"
        end = f"; {bought:,} of them {what} no sales" if bought else ""
        notes.append(
            f"{plural(logs, 'log')} of products that the product data do not know{end}."
            if logs
            else "No log is of an unknown product."
        )
    if isinstance(logs := values.get("logs_unknown_customer"), int):
        notes.append(
            f"{plural(logs, 'log')} of customers that the customer data do not know."
            if logs
            else "No log is of an unknown customer."
        )
    if isinstance(empty := values.get("days_without_data"), int):
        table = shown.table("days_without_data")
        said = f": {_spans([str(row[0]) for row in table.rows])}" if empty and table and table.rows else ""
        notes.append(f"{plural(empty, 'day')} without any log{said}." if empty else "Every day of the period has logs.")
    return notes


def _spans(days: Sequence[str]) -> str:
    """Days in words, neighbours joined: `1 August 2023; 5 to 8 August 2023`."""
    spans: list[list[datetime.date]] = []
    for date in sorted(datetime.date.fromisoformat(day) for day in days):
        if spans and (date - spans[-1][1]).days <= 1:
            spans[-1][1] = date
        else:
            spans.append([date, date])
    words = [span(first, last) for first, last in spans[:10]]
    return "; ".join([*words, f"and {len(spans) - 10:,} more spans"] if len(spans) > 10 else words)


def _step(name: str, record: RunRecord) -> dict[str, str]:
    step = next(step for step in record.steps if step.name == name)
    return {
        "name": step_title(name),
        "href": quote(f"{name}.html") if step.report else "",
        "status": "not run" if step.status == "pending" else step.status,
        "seconds": duration(step.seconds) if step.seconds is not None else "",
    }


def _facts(record: RunRecord, shown: Collection) -> list[dict[str, str]]:
    facts = {
        "Period": f"{record.start_date} to {record.end_date}",
        "Storage": record.storage,
        "Engine": record.engine,
        "Run": record.run_id,
        "Personal data": "hidden" if record.pii == "mask" else "shown",
        "Reused": _reused(shown),
        "Started": moment(record.started, zone=True),
    }
    for name, value in record.provenance.items():
        if name in _OWN_PLACE or isinstance(value, list):
            continue
        said = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)
        facts[_SPELLINGS.get(name, Column(name).label)] = said
    return [{"label": label, "value": value} for label, value in facts.items() if value]


def _reused(shown: Collection) -> str:
    """Which steps did not do their work again, and what was not read again; empty if all was."""
    made = {"ingest": shown.figures("ingest_made_by"), "join": shown.figures("joined")}
    runs: dict[str, list[str]] = {}
    for step, values in made.items():
        if values.get("reused") == "yes":
            runs.setdefault(values["made_by_run"], []).append(step)
    if runs:
        said = listed([f"{listed(steps)} of {run}" for run, steps in runs.items()])
        return f"{said}: nothing that this depends on has changed"
    files = made["ingest"].get("files_passed_over")
    return f"what is known of {plural(files, 'file')} without any log of the period" if files else ""


def _provenance_tables(record: RunRecord, shown: Collection) -> list[Table]:
    """Lists of the provenance as tables, and the raw files as the ingest saw them."""
    tables = []
    for name, value in record.provenance.items():
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            names = list(dict.fromkeys(key for row in value for key in row))
            kinds = {
                key: "integer" if all(isinstance(row.get(key, 0), int) for row in value) else "text" for key in names
            }
            columns = [Column(key, kinds[key]) for key in names]  # type: ignore[arg-type]
            rows = [[_plain(row.get(key)) for key in names] for row in value]
            tables.append(Table(name, columns, rows, Column(name).label))
    raw_files = shown.table("raw_files")
    if raw_files and "raw_files" not in record.provenance:
        tables.append(replace(raw_files, title="Raw files"))
    return tables


def _plain(value: object) -> Value:
    return value if value is None or isinstance(value, int) else str(value)
