"""Reports made of notebooks that tests write by hand, and how a browser would read their pages."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from techco import findings
from techco.display.columns import Column
from techco.display.shown import Figures, Shown, Table
from techco.records.record import RunError, RunRecord, Status, StepRecord
from techco.report import render

RUN = "20231105T081500-2023-08-01_2023-08-31"
SCRIPT = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("x")'
COUNTS = ("read", "accepted", "duplicates", "quarantined", "outside_period")
LOGS, PRODUCTS = (100, 90, 4, 5, 1), (3, 3, 0, 0, 0)
RAW = f"{SCRIPT} mary@example.com +1-202-555-0101"
SIX = (
    "action_frequency",
    "unique_customers",
    "sales_by_category",
    "sales_by_day",
    "sales_by_product",
    "spend_by_customer",
)


def table(name: str, columns: str, *rows: Sequence[object]) -> Table:
    numbers = {*COUNTS, "count", "bytes"}
    return Table.of(name, [Column(c, "integer" if c in numbers else "text") for c in columns.split()], rows)


def ingest() -> list[Shown]:
    return [
        Figures("records", dict(zip(COUNTS, LOGS, strict=True))),
        table("records_by_source", f"source {' '.join(COUNTS)}", ["web_logs", *LOGS], ["products", *PRODUCTS]),
        table("quarantine_reasons", "source reason count", ["web_logs", "not a JSON object", 5], ["customers", "x", 2]),
        table("quarantine_examples", "source reason raw", ["web_logs", "x", RAW]),
        table("raw_files", "file bytes modified form", ["web_logs.json", 123456, "2023-11-05", "JSON array"]),
    ]  # fmt: skip


def analysis() -> list[Shown]:
    def frame(columns: str, *rows: Sequence[object]) -> pd.DataFrame:
        return pd.DataFrame(list(rows), columns=columns.split())

    product_rows = [(7, SCRIPT, "Toys", 2, Decimal("9.50")), (8, FORMULA, None, 1, Decimal("3.00"))]
    return [
        Figures("key_figures", {"total_sales": "12.50", "purchases": 3, "average_purchase_line": "4.17",
                                "unique_customers": 2, "logs": 90, "conversion": "12.3"}),
        Figures("data_quality", {"logs_unknown_product": 2, "purchases_unknown_product": 1, "logs_unknown_customer": 0,
                                 "days_without_data": 3}),
        Table.of("days_without_data", [Column("event_date", "date")], [["2023-08-05"], ["2023-08-07"], ["2023-08-08"]]),
        findings.spend_by_customer(
            frame("customer_id purchases quantity sales", (1234, 2, 3, Decimal("12.50"))), Decimal("12.50"), 1),
        findings.action_frequency(frame("action count", ("view", 87), ("purchase", 3))),
        findings.unique_customers(frame("action unique_customers", ("all", 2), ("purchase", 1))),
        findings.sales_by_category(frame("category sales", ("Toys", Decimal("9.50")), (None, Decimal("3.00")))),
        findings.sales_by_day(frame("event_date sales", (datetime.date(2023, 8, 1), Decimal("12.50")))),
        findings.sales_by_product(
            frame("product_id product_name category quantity sales", *product_rows), Decimal("12.50")),
    ]  # fmt: skip


def joined() -> list[Shown]:
    return [Figures("joined", {"logs": 90, "purchases": 3, "total_sales": "12.50"})]


def save_notebook(path: Path, cells: Sequence[nbformat.NotebookNode]) -> Path:
    notebook = new_notebook(cells=list(cells), metadata={"language_info": {"name": "python"}})
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def cell_of(*outputs: nbformat.NotebookNode, source: str = "show(x)", tag: str = "") -> nbformat.NotebookNode:
    return new_code_cell(source, outputs=list(outputs), execution_count=1, metadata={"tags": [tag] if tag else []})


def display(shown: Shown) -> nbformat.NotebookNode:
    return new_output("display_data", data=shown._repr_mimebundle_())


def text_output(**data: str) -> nbformat.NotebookNode:
    return new_output("execute_result", data={name.replace("_", "/"): text for name, text in data.items()})


def step(out: Path, name: str, shown: Sequence[Shown], status: Status = "completed", run_id: str = RUN) -> StepRecord:
    cells = [new_markdown_cell(f"# {name}\n\n## Results"), *(cell_of(display(item)) for item in shown)]
    return StepRecord(name, status, 1.5, str(save_notebook(out / "runs" / run_id / f"{name}.ipynb", cells)))


def make_record(steps: list[StepRecord], run_id: str = RUN, status: Status = "completed") -> RunRecord:
    return RunRecord(
        run_id,
        f"/srv/{SCRIPT}",
        "sail",
        "2023-08-01",
        "2023-08-31",
        status,
        "2023-11-05T08:15:00+01:00",
        5.25,
        steps=steps,
        provenance={"techco": "0.1.0", "git_commit": "abc"},
    )


def render_all(out: Path) -> RunRecord:
    """Render a completed run of all three steps."""
    record = make_record(
        [step(out, "ingest", ingest()), step(out, "join", joined()), step(out, "analysis", analysis())]
    )
    render.render(record, out)
    return record


def render_failed(out: Path) -> RunRecord:
    """Render a run that stopped in its second step."""
    error = new_output(
        "error", ename="StorageError", evalue="No table.", traceback=[f"\x1b[0;31mTrace\x1b[0m {SCRIPT}"]
    )
    broken = save_notebook(out / "runs" / RUN / "join.ipynb", [cell_of(error), new_code_cell("later()")])
    steps = [step(out, "ingest", ingest()), StepRecord("join", "failed", 0.5, str(broken)), StepRecord("analysis")]
    record = make_record(steps, status="failed")
    record.error = RunError("join", f"No table web_logs {SCRIPT}.", "\x1b[0;31mTrace\x1b[0m of bob@example.com")
    render.render(record, out)
    return record


def render_notebook(out: Path, record: RunRecord, name: str, cells: Sequence[nbformat.NotebookNode]) -> Path:
    """Render the run with one step of these cells, and return the page of that step."""
    notebook = save_notebook(out / "runs" / RUN / f"{name}.ipynb", cells)
    others = [step for step in record.steps if step.name != name]
    record.steps = [*others, StepRecord(name, "completed", 1.5, str(notebook))]
    render.render(record, out)
    return folder(out) / f"{name}.html"


def folder(out: Path) -> Path:
    return out / "reports" / RUN


def pages(out: Path) -> Iterator[Path]:
    yield from sorted((out / "reports").rglob("*.html"))


class Reader(HTMLParser):
    """What a browser would make of a page: its elements, and the text people see."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]
