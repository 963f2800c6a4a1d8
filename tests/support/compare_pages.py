"""Compare every number of a run's page, its CSV files and its record with what plain Python has computed."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any

from techco.records.record import RunRecord
from tests.support import plain_report as plain
from tests.support.plain_tables import PlainRun
from tests.support.read_page import Page

_LABELS = {"sources": "By raw file", "reasons": "Reasons for quarantine", "raw_files": "Raw files"}


class Differences(list[str]):
    """What is not as it must be, each in a line."""

    def check(self, what: str, found: object, wanted: object) -> None:
        """Note a value that is another."""
        if found != wanted:
            self.append(f"{what}: the report has {found!r}, but it is {wanted!r}")


def compare(run: PlainRun, record: RunRecord) -> Differences:
    """Return all that is wrong on the page of a run."""
    found, page = Differences(), Page(Path(str(record.report)))
    is_whole = record.is_completed
    if run.ingested and ("ingest" in run.done):
        _compare_ingest(found, run, page, record.metrics)
    if run.joined is not None and "join" in run.done and run.analysed is None:
        figures = plain.Figures(run.joined)
        wanted = {plain.TILES[name]: [figures.text(name), ""] for name in ("total_sales", "purchases")}
        found.check("tiles of the join", page.tiles, wanted)
        found.check("total sales", record.metrics["total_sales"], str(figures.total))
    if run.analysed and "analysis" in run.done:
        _compare_analysis(found, run, page, record.metrics)
    if is_whole:
        _compare_warnings(found, run, page, record)
    return found


def _compare_ingest(found: Differences, run: PlainRun, page: Page, metrics: dict[str, Any]) -> None:
    ingested = run.ingested
    assert ingested
    found.check("sum of records", page.sum, plain.record_sum(ingested.logs))
    found.check("records by source", page.table(_LABELS["sources"]), plain.sources(ingested))
    found.check("reasons", {tuple(row) for row in page.table(_LABELS["reasons"])}, plain.reasons(ingested))
    found.check("metrics.records", metrics["records"], ingested.logs.counts())
    every = (ingested.logs, ingested.customers, ingested.products)
    found.check("metrics.sources", metrics["sources"], {one.source: one.counts() for one in every})
    total = sum((one.reasons for one in every), Counter[str]())
    found.check("metrics.quarantine", metrics["quarantine"], dict(total))
    days = ingested.days_in_files
    wanted = {"first_day": str(days[0]), "last_day": str(days[1])} if days else None
    found.check("metrics.days_in_files", metrics["days_in_files"], wanted)
    sentence = [f"The files with web logs have {plain.span(*days)}."] if days else []
    found.check("days in the files", [note for note in page.notes if note.startswith("The files")], sentence)
    sizes = [(row[0], row[1]) for row in page.table(_LABELS["raw_files"])]
    found.check("raw files", sizes, [(name, f"{size:,}") for name, size in ingested.sizes])


def _compare_analysis(found: Differences, run: PlainRun, page: Page, metrics: dict[str, Any]) -> None:
    analysed, period = run.analysed, run.period
    assert analysed
    rows = analysed.rows
    found.check("tiles", page.tiles, plain.tiles(analysed))
    found.check("lines", page.trends, plain.trends(period, rows))
    wanted = plain.comparison(period, analysed)
    if wanted not in page.comparison:
        found.check("comparison", page.comparison, wanted)
    notes = [note for note in page.notes if not note.startswith("The files")]
    found.check("notes", notes, plain.quality(analysed, period))
    figures = plain.Figures(rows)
    found.check("metrics.total_sales", metrics["total_sales"], str(figures.total))
    found.check("metrics.unique_customers", metrics["unique_customers"], int(figures.values["unique_customers"] or 0))
    tables = plain.shown_tables(rows)
    found.check("questions", list(page.findings), list(tables))
    for name, table in tables.items():
        finding = page.findings[name]
        found.check(name, finding.rows, table)
        with Path(metrics["tables"][name]).open(encoding="utf-8", newline="") as file:
            found.check(f"{name}.csv", list(csv.reader(file))[1:], plain.csv_rows(name, rows))
        said = set(re.findall(r"\d(?:[\d,]*\d)?(?:\.\d+)?", finding.words))
        unexplained = said - plain.numbers_that_may_be_said(name, rows, period)
        found.check(f"numbers of {name} in {finding.words!r}", unexplained, set())


def _compare_warnings(found: Differences, run: PlainRun, page: Page, record: RunRecord) -> None:
    wanted = plain.warnings_of_ingest(run.ingested) if run.ingested else []
    wanted += plain.warnings_of_analysis(run.analysed, run.period) if run.analysed else []
    found.check("warnings", sorted((one["code"], one["count"]) for one in record.warnings), sorted(wanted))
    found.check("warnings on the page", page.warnings, [one["text"] for one in record.warnings])
    found.check("status", record.status, "completed with warnings" if wanted else "completed")
    if run.ingested:
        texts = " ".join(page.warnings)
        sales = re.findall(r"At least [\d,.]+\d of sales", texts)
        found.check("refused sales", sales, [sales for sales in [plain.refused_sales(run.ingested)] if sales])
