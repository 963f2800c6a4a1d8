"""Make the first page of a run's report: key figures, findings, data quality and how it was made.

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
from techco.display.read_back import NotebookResults
from techco.display.shown import Finding, Table
from techco.display.wording import date_ranges, duration, listed, moment, plural, span
from techco.records.record import REPORT, RunRecord, StepRecord
from techco.redact import mask
from techco.report.key_figures import explanation, tiles
from techco.report.pages import Heading, Link, element_id, page

_ANSI_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_SHORT_TITLES = {
    "action_frequency": "Actions",
    "unique_customers": "Customers",
    "sales_by_category": "Categories",
    "sales_by_day": "Total sales",
    "sales_by_product": "Products",
    "spend_by_customer": "Spend per customer",
}
_OUTCOMES = {
    "accepted": "accepted",
    "duplicates": "duplicates",
    "quarantined": "quarantined",
    "outside_period": "outside the period",
}
_SPELLINGS = {"techco": "TechCo", "pyspark": "PySpark", "pysail": "Sail", "papermill": "papermill"}


def run_page(record: RunRecord, shown: NotebookResults) -> str:
    """Render the first page of a run's report."""
    findings = in_order(shown.findings)
    figures, quality = tiles(shown), _data_quality(shown)
    contents = [Heading("What to mind", "warnings")] if record.warnings else []
    contents += [Heading("Key figures", "key-figures")] if figures else []
    contents += [Heading("Findings", "findings")] if findings else []
    contents += [Heading(_SHORT_TITLES.get(f.name, f.question), element_id(f.name), 3) for f in findings]
    contents += [Heading("Data quality", "data-quality")] if quality else []
    contents += [Heading("How it was made", "how")]
    return page(
        "run.html.j2",
        page_links(record, "index"),
        contents,
        run=run_facts(record),
        error=_failure(record),
        warnings=record.warnings,
        figures=figures,
        explanation=explanation(figures, shown) if figures else "",
        findings=findings,
        quality=quality,
        steps=[_step(step) for step in record.steps],
        command=record.command,
        facts=_parameters_and_versions(record, shown),
        raw_files=shown.table("raw_files"),
    )


def run_facts(record: RunRecord) -> dict[str, str]:
    """Describe a run as every page does: shop, period in words, status, start and duration."""
    return {
        "run_id": record.run_id,
        "shop": shop_name(record.storage),
        "span": period_words(record),
        "status": record.status,
        "started": moment(record.started),
        "seconds": duration(record.seconds) if record.seconds is not None else "",
        "pii": record.pii,
    }


def page_links(record: RunRecord, current: str) -> list[Link]:
    """Return the links between the pages of a run, of those that exist; `current` is `index` or the name of a step."""
    links = [Link("All reports", "../index.html"), Link("Report", "index.html", current == "index")]
    for step in record.steps:
        exists = step.report or step.name == current
        links.append(Link(step_title(step.name), quote(f"{step.name}.html") if exists else "", current == step.name))
    return links


def step_title(name: str) -> str:
    """Return the name of a step as people read it: of `my_analysis`, a template of the user's own, `My analysis`."""
    return name[:1].upper() + name[1:].replace("_", " ")


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Sort the findings in the order of the six questions, unknown ones last."""
    order = list(_SHORT_TITLES)
    return sorted(findings, key=lambda f: order.index(f.name) if f.name in order else len(order))


def shop_name(storage: str) -> str:
    """Return a short name of a storage: the folder, or `container@account/prefix`."""
    url = urlsplit(storage)
    if url.scheme in ("", "file"):
        return url.path.rstrip("/").rpartition("/")[2] or storage
    account = (url.hostname or "").partition(".")[0]
    return (f"{url.username}@{account}" if url.username else account) + url.path.rstrip("/")


def period_words(record: RunRecord) -> str:
    """Return the period in words, or as it stands where it is no period."""
    try:
        first, last = (datetime.date.fromisoformat(day) for day in (record.start_date, record.end_date))
    except ValueError:
        return f"{record.start_date} to {record.end_date}"
    return span(first, last)


def _failure(record: RunRecord) -> dict[str, str] | None:
    """Return why and where the run stopped; None if it did not."""
    if record.status != "failed" and record.error is None:
        return None
    done = [step.name for step in record.steps if step.status == "completed"]
    left = [step.name for step in record.steps if step.status in ("pending", "running")]
    outcome = f"Finished in full: {listed(done)}." if done else "No step finished."
    if left:
        outcome += f" Not run: {listed(left)}."
    error, hide = record.error, mask if record.pii == "mask" else str
    return {
        "step": error.step if error and error.step else "an unknown step",
        "message": hide(_ANSI_SEQUENCE.sub("", error.message)) if error else "No reason was recorded.",
        "trace": hide(_ANSI_SEQUENCE.sub("", error.trace)) if error else "",
        "outcome": outcome,
        "resume": _resume_command(record),
        "command": record.command,
    }


def _resume_command(record: RunRecord) -> str:
    """Return the command for what a failed run has left; empty where that is all of it."""
    notebook = next((step.notebook for step in record.steps if step.notebook), None)
    run = str(Path(notebook).parent) if notebook else record.run_id  # a path is found from any directory
    if record.error and record.error.step == REPORT:
        return shlex.join(["techco", "render", run])
    is_begun = any(step.status == "completed" for step in record.steps)
    return shlex.join(["techco", "resume", run]) if is_begun else ""


def _data_quality(shown: NotebookResults) -> dict[str, Any]:
    """Collect what the section on data quality shows; empty if no step has shown anything of it."""
    sources, reasons = shown.table("records_by_source"), shown.table("quarantine_reasons")
    examples = shown.table("quarantine_examples")
    quality = {
        "sum": _record_sum(shown.figures("records")),
        "sources": sources,
        "reasons": _most_frequent_first(reasons) if reasons and reasons.rows else None,
        "examples": examples if examples and examples.rows else None,
        "notes": _coverage_notes(shown),
    }
    return {**quality, "refused": _quarantine_headline(reasons)} if any(quality.values()) else {}


def _record_sum(records: Mapping[str, Value]) -> dict[str, Any] | None:
    """Write the records read as a sum of what became of them; None where a number is unknown."""
    numbers = {name: records.get(name) for name in ("read", *_OUTCOMES)}
    known = {name: number for name, number in numbers.items() if isinstance(number, int)}
    if len(known) != len(numbers):
        return None
    found = sum(known[name] for name in _OUTCOMES)
    sentence = f"Every one of {known['read']:,} web logs read is accounted for."
    if known["read"] < 2:
        sentence = "The one web log read is accounted for." if known["read"] else "No web logs were read."
    elif found != known["read"]:
        sentence = f"The web logs do not add up: {known['read']:,} were read, but {found:,} are accounted for."
    terms = [{"sign": "", "value": f"{known['read']:,}", "label": "read"}]
    for sign, (name, label) in zip("=+++" if found == known["read"] else "≠+++", _OUTCOMES.items(), strict=True):
        terms.append({"sign": sign, "value": f"{known[name]:,}", "label": label})
    return {"sentence": sentence, "terms": terms}


def _most_frequent_first(reasons: Table) -> Table:
    """Sort the reasons by how often they occur."""
    return replace(reasons, rows=sorted(reasons.rows, key=lambda row: -int(row[-1] or 0)))


def _quarantine_headline(reasons: Table | None) -> str:
    """Say how many records of all raw files were refused, and why most of them."""
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


def _coverage_notes(shown: NotebookResults) -> list[str]:
    """Say which days the files have, and what the sales do not cover, one sentence each."""
    values = shown.figures("data_quality")
    notes = _file_notes(shown.figures("days_in_files"))
    if isinstance(logs := values.get("logs_unknown_product"), int):
        purchases = values.get("purchases_unknown_product") or 0
        verb = "is a purchase, which counts" if purchases == 1 else "are purchases, which count"
        end = f"; {purchases:,} of them {verb} no sales" if purchases else ""
        sentence = f"{plural(logs, 'log')} of products that the product data do not know{end}."
        notes.append(sentence if logs else "No log is of an unknown product.")
    if isinstance(logs := values.get("logs_unknown_customer"), int):
        sentence = f"{plural(logs, 'log')} of customers that the customer data do not know."
        notes.append(sentence if logs else "No log is of an unknown customer.")
    if isinstance(days := values.get("days_without_data"), int):
        table = shown.table("days_without_data")
        without = [datetime.date.fromisoformat(str(row[0])) for row in table.rows] if table else []
        dates = f": {date_ranges(without)}" if without else ""
        notes.append(f"{plural(days, 'day')} without any log{dates}." if days else "Every day of the period has logs.")
    return notes


def _file_notes(values: Mapping[str, Value]) -> list[str]:
    """Say which days the files with web logs have."""
    notes = []
    if values.get("first_day") and values.get("last_day"):
        days = [datetime.date.fromisoformat(str(values[end])) for end in ("first_day", "last_day")]
        notes.append(f"The files with web logs have {span(*days)}.")
    return notes


def _step(step: StepRecord) -> dict[str, str]:
    return {
        "name": step_title(step.name),
        "href": quote(f"{step.name}.html") if step.report else "",
        "status": "not run" if step.status == "pending" else step.status,
        "seconds": duration(step.seconds) if step.seconds is not None else "",
    }


def _parameters_and_versions(record: RunRecord, shown: NotebookResults) -> list[dict[str, str]]:
    facts = {
        "Period": f"{record.start_date} to {record.end_date}",
        "Storage": record.storage,
        "Engine": record.engine,
        "Run": record.run_id,
        "Personal data": "hidden" if record.pii == "mask" else "shown",
        "Reused": _reused_work(shown),
        "Started": moment(record.started, zone=True),
    }
    for name, value in record.provenance.items():
        if name != "command":  # which has a place of its own
            text = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)
            facts[_SPELLINGS.get(name, Column(name).label)] = text
    return [{"label": label, "value": value} for label, value in facts.items() if value]


def _reused_work(shown: NotebookResults) -> str:
    """Say which steps reused earlier work, and which files were not read again; empty if neither happened."""
    origins = {"ingest": shown.figures("ingest_made_by"), "join": shown.figures("joined")}
    runs: dict[str, list[str]] = {}
    for step, values in origins.items():
        if values.get("reused") == "yes":
            runs.setdefault(values["made_by_run"], []).append(step)
    if runs:
        reused = listed([f"{listed(steps)} of {run}" for run, steps in runs.items()])
        return f"{reused}: nothing that this depends on has changed"
    files = origins["ingest"].get("files_passed_over")
    return f"what is known of {plural(files, 'file')} without any log of the period" if files else ""
