"""The list of all runs: whatever is there, newest first, with what each came to."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from techco.records.record import STEPS, RunRecord, StepRecord
from techco.report import render
from techco.report.catalogue import catalogue_page
from tests.support.reports import Reader, ingest, joined, make_record, pages, render_failed, step


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out #1"


def catalogue(out: Path) -> Reader:
    return Reader(out / "reports" / "index.html")


def test_the_catalogue_lists_runs_newest_first_and_follows_deletions(out: Path) -> None:
    ids = ["20231101T080000-a", "20231103T080000-c", "20231102T080000-b"]
    for run_id in ids:
        record = make_record([step(out, "join", joined(), run_id=run_id)], run_id=run_id)
        render.render(record, out)
        record.save(out / "runs" / run_id / "run.json")
    links = [f"{run_id}/index.html" for run_id in sorted(ids, reverse=True)]
    assert [link for link in catalogue(out).values("href") if link.startswith("2023")] == links
    assert "3 runs" in catalogue(out).text
    assert "12.50" in catalogue(out).text
    shutil.rmtree(out / "runs" / ids[0])
    shutil.rmtree(out / "reports" / ids[1])
    render.render_catalogue(out)
    assert [link for link in catalogue(out).values("href") if link.startswith("2023")] == [f"{ids[2]}/index.html"]
    assert "2 runs" in catalogue(out).text


def test_the_catalogue_shows_a_record_not_saved_yet(out: Path) -> None:
    render_failed(out)
    assert "1 run, 1 of them failed" in catalogue(out).text


def test_failed_and_partial_runs_say_what_they_lack(out: Path) -> None:
    render_failed(out)
    assert "failed in join" in catalogue(out).text
    render.render(make_record([step(out, "join", joined(), run_id="x")], run_id="x"), out)
    assert "completed join only" in catalogue(out).text


def test_each_row_says_by_what_it_is_filtered(out: Path) -> None:
    records: dict[str, RunRecord | None] = {
        "a": make_record([StepRecord(name) for name in STEPS]),
        "b": make_record([StepRecord("join")], status="failed"),
        "c": make_record([StepRecord(name) for name in STEPS], status="running"),
        "d": None,
    }
    html = catalogue_page(records, [])
    assert re.findall(r'data-s="(.*?)"', html) == ["unreadable", "running", "failed partial", "completed"]
    options = re.findall(r"<option value=\"(.*?)\">(.*?)<", html)
    assert options == [
        ("", "Every status"), ("completed", "Completed"), ("failed", "Failed"), ("running", "Running"),
        ("partial", "Some steps only"), ("unreadable", "Unreadable"),
    ]  # fmt: skip


def test_a_run_that_shows_personal_data_says_so(out: Path) -> None:
    record = make_record([step(out, "ingest", ingest())])
    record.pii = "show"
    render.render(record, out)
    for page in pages(out):
        assert "shows personal data" in Reader(page).text
        assert "mary@example.com" in page.read_text() or page.parent.name == "reports"


@pytest.mark.parametrize("text", ["{", "[]", '{"run_id": "x"}', '"x"', '{"steps": 3}'])
def test_an_unreadable_record_is_listed_as_such(out: Path, text: str) -> None:
    run = out / "runs" / "20231101T080000-a"
    run.mkdir(parents=True)
    (run / "run.json").write_text(text)
    render.render_catalogue(out)
    assert "20231101T080000-a – unreadable" in catalogue(out).text


def test_the_catalogue_of_an_empty_folder_says_how_to_start(out: Path) -> None:
    render.render_catalogue(out)
    assert "No runs yet. Make the first one: techco run" in catalogue(out).text
