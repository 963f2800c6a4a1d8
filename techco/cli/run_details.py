"""Describe one run: how it was asked for, how long each cell took, and where everything is."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from techco.display.wording import accounted, duration, moment
from techco.records.record import RunRecord
from techco.redact import scrub

_WIDTH = 60


@dataclass(frozen=True)
class Cell:
    """One code cell of an executed notebook.

    `number` is what Jupyter shows in brackets, and `seconds` wall-clock time, both None if the cell did not run;
    `status` is papermill's, and `source` the first line of the code, shortened.
    """

    number: int | None
    status: str
    seconds: float | None
    source: str


def cells(notebook: Path) -> list[Cell]:
    """Return the code cells of an executed notebook; none if the file is not there or is no notebook."""
    try:
        found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return [_cell(cell) for cell in found if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def to_json(record: RunRecord, run_dir: Path) -> str:
    """Return the record as one JSON object, with `cells` for each step."""
    found = {step.name: [asdict(cell) for cell in cells(run_dir / f"{step.name}.ipynb")] for step in record.steps}
    return json.dumps({**json.loads(record.to_json()), "cells": found}, indent=2, ensure_ascii=False)


def describe(record: RunRecord, run_dir: Path) -> str:
    """Return the same for people, as lines of text."""
    parts = [_lines(_facts(record, run_dir)), *(_step(record, run_dir, place) for place in range(len(record.steps)))]
    if tables := (record.metrics or {}).get("tables"):
        parts.append(_lines([("Numbers", ""), *((f"  {name}", path) for name, path in tables.items())]))
    return "\n\n".join(part for part in parts if part)


def record_lines(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what became of the records of each raw file, one line each; none if no step has read them."""
    found = metrics.get("sources") or {"records": metrics.get("records")}  # a run of an earlier version has no sources
    lines = []
    for source, records in found.items():
        if records:
            known = {part: records[part] for part in records if source == "web_logs" or part != "outside_period"}
            lines.append((source.replace("_", " ").capitalize(), accounted(known)))
    return lines


def _facts(record: RunRecord, run_dir: Path) -> list[tuple[str, str]]:
    metrics, error = record.metrics or {}, record.error
    facts = [
        ("Run", record.run_id),
        ("Status", record.status + (f", in {error.step}: {error.message}" if error else "")),
        ("Period", f"{record.start_date} to {record.end_date}"),
        ("Storage", record.storage),
        ("Engine", record.engine),
        ("Parameters", ", ".join(f"{name} {value}" for name, value in record.provenance.get("parameters", {}).items())),
        ("Started", moment(record.started, zone=True)),
        ("Duration", "" if record.seconds is None else duration(record.seconds)),
        *record_lines(metrics),
        ("Total sales", metrics.get("total_sales") or ""),
        ("Notebooks", str(run_dir)),
        ("Report", record.report or ""),
        ("Execute", shlex.join(["techco", "resume", str(run_dir)]) if record.status == "prepared" else ""),
        ("Published", record.published or ""),
        ("Again", record.command),
        *(("Warning", f"{warning['text']} {warning['remedy']}") for warning in record.warnings),
    ]
    return [(name, text) for name, text in facts if text]


def _step(record: RunRecord, run_dir: Path, place: int) -> str:
    step = record.steps[place]
    took = "" if step.seconds is None else f" in {duration(step.seconds)}"
    lines = [f"{step.name}: {step.status}{took}"]
    for cell in cells(run_dir / f"{step.name}.ipynb"):
        number = " " if cell.number is None else str(cell.number)
        seconds = "" if cell.seconds is None else f"{cell.seconds:.2f} s"
        failed = "" if cell.status == "completed" else f"  ({cell.status})"
        lines.append(f"  [{number:>2}] {seconds:>9}  {cell.source}{failed}")
    return "\n".join(lines)


def _lines(facts: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in facts) + 2
    return "\n".join(f"{name:<{width}}{text}".rstrip() for name, text in facts)


def _cell(cell: dict[str, Any]) -> Cell:
    lines = [line.strip() for line in "".join(cell["source"]).splitlines()]
    code = next((line for line in lines if line and not line.startswith("#")), lines[0])
    short = code if len(code) <= _WIDTH else code[: _WIDTH - 1] + "…"
    noted = cell["metadata"].get("papermill", {})
    seconds = noted.get("duration")
    return Cell(cell.get("execution_count"), noted.get("status", "pending"), seconds, scrub(short))
