"""What is told of runs that are kept, and that old ones are removed: list, show, open, clean."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from techco.cli.app import app
from techco.period import Period
from techco.records.find import RECORD
from techco.runs.run import RunRequest, run
from tests.support.tiny_notebooks import write_templates

USAGE = 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a completed run of July in the shop north, and a failed one of August in south."""
    folder = tmp_path_factory.mktemp("kept")
    good = write_templates(
        folder / "good", ingest="# why\n\nx = 'a line that is much too long for the list' * 3  # and longer still"
    )
    bad = write_templates(folder / "bad", join="raise ValueError('no join today')")
    for name, month, templates in (("north", "2023-07", good), ("south", "2023-08", bad)):
        (folder / name).mkdir()
        run(RunRequest(Period.parse(month), str(folder / name), out=folder / "out", templates=templates))
    return folder / "out"


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "out"))


def techco(*words: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.stdout, result.stderr


def names(out: Path) -> list[str]:
    """The runs, newest first."""
    return sorted((path.parent.name for path in out.glob(f"runs/*/{RECORD}")), reverse=True)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], [0, 1]),
        (["--status", "failed"], [0]),
        (["--status", "running"], []),
        (["--storage", "north"], [1]),
        (["--within", "2023-Q3"], [0, 1]),
        (["--within", "2023-08-01..2023-09-30", "--status", "failed"], [0]),
        (["--within", "2023-08-02..2023-09-30"], []),
    ],
)
def test_the_list_shows_the_runs_that_are_asked_for(made: Path, options: list[str], wanted: list[int]) -> None:
    runs = [names(made)[place] for place in wanted]
    code, text, _ = techco("list", *options, "--out", made)
    listed = [line.split()[0] for line in text.splitlines() if ".." in line]
    assert (code, listed) == (0, runs)
    assert ("No run of that kind" in text) == (not runs)
    records = json.loads(techco("list", *options, "--out", made, "--json")[1])
    assert records == [json.loads((made / "runs" / name / RECORD).read_text()) for name in runs]


def test_an_unknown_status_is_refused_with_those_there_are(made: Path) -> None:
    code, _, words = techco("list", "--status", "done", "--out", made)
    assert (code, words) == (
        USAGE,
        "Error: --status is 'done'. Allowed: pending, running, completed, completed with warnings, failed, prepared.\n",
    )


def test_a_run_is_shown_with_its_parameters_cells_and_places(made: Path) -> None:
    failed, completed = names(made)
    text = techco("show", completed, "--out", made)[1]
    facts = dict(line.split(maxsplit=1) for line in text.partition("\n\n")[0].splitlines())
    assert (facts["Status"], facts["Period"]) == ("completed", "2023-07-01 to 2023-07-31")
    assert facts["Report"] == f"{made}/reports/{completed}/index.html"
    assert facts["Notebooks"] == f"{made}/runs/{completed}"
    assert facts["Again"].startswith("techco run --storage")
    assert "\n  [ 3]" in text
    assert " s  x = 'a line that is much too long for the list' * 3  # and …\n" in text
    text = techco("show", failed, "--out", made)[1]
    assert "failed, in join: Cell [3] failed: ValueError: no join today" in text
    assert "s  raise ValueError('no join today')  (failed)" in text
    assert "analysis: pending" in text


def test_what_is_shown_can_be_had_as_one_object(made: Path) -> None:
    shown: dict[str, Any] = json.loads(techco("show", names(made)[0], "--out", made, "--json")[1])
    assert shown["status"] == "failed"
    assert [cell["status"] for cell in shown["cells"]["join"]] == ["completed", "completed", "failed", "pending"]
    assert shown["cells"]["join"][2]["source"] == "raise ValueError('no join today')"
    assert shown["cells"]["analysis"] == []


def test_a_damaged_notebook_leaves_the_rest_to_be_shown(out: Path) -> None:
    run_id = names(out)[1]
    (out / "runs" / run_id / "join.ipynb").write_text('{"cells": [{}]}')
    (out / "runs" / run_id / "analysis.ipynb").unlink()
    code, text, _ = techco("show", run_id, "--out", out)
    assert (code, "[ 3]" in text.partition("join:")[0], "[" in text.partition("join:")[2]) == (0, True, False)


def test_open_takes_the_newest_run_or_the_one_that_is_named(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)) or len(opened) < 3)
    pages = [f"{made}/reports/{name}/index.html" for name in names(made)]
    assert techco("open", "--out", made)[:2] == (0, f"{pages[0]}\n")
    assert techco("open", names(made)[1], "--out", made)[:2] == (0, f"{pages[1]}\n")
    assert opened == [f"file://{page}" for page in pages]
    code, path, words = techco("open", "--out", made)
    assert (code, path, "There is no browser" in words) == (1, f"{pages[0]}\n", True)


def test_open_says_what_is_missing(out: Path, tmp_path: Path) -> None:
    newest = names(out)[0]
    shutil.rmtree(out / "reports" / newest)
    assert techco("open", "--out", out)[::2] == (
        USAGE,
        f"Error: The run {newest} has no report. Make it: techco render {newest}.\n",
    )
    assert "Make one: techco run" in techco("open", "--out", tmp_path / "new")[2]


def age(out: Path, run: str, days: float, **values: Any) -> None:
    """Have a run begun some days ago."""
    path = out / "runs" / run / RECORD
    started = (datetime.now().astimezone() - timedelta(days=days)).isoformat(timespec="seconds")
    path.write_text(json.dumps({**json.loads(path.read_text()), "started": started, **values}))


def test_clean_removes_old_runs_with_their_reports_and_lists_the_others(out: Path) -> None:
    newer, older = names(out)
    age(out, older, days=14.1)
    age(out, newer, days=13.9)
    told = techco("clean", "--older-than", "2w", "--dry-run", "--out", out)
    assert (told[0], names(out)) == (0, [newer, older])
    assert told[1].splitlines()[0].startswith(older)
    assert "1 run would be removed" in told[1]
    assert techco("clean", "--older-than", "14d", "--out", out)[1] == told[1].replace("would be removed", "removed")
    assert names(out) == [newer]
    assert sorted(path.name for path in (out / "reports").iterdir()) == sorted([newer, "index.html"])
    assert older not in (out / "reports" / "index.html").read_text()
    assert techco("clean", "--older-than", "2w", "--out", out)[:2] == (0, "No run is that old.\n")


def test_clean_leaves_a_run_that_goes_on_and_what_it_cannot_read(out: Path) -> None:
    newer, older = names(out)
    age(out, older, days=100, status="running")
    (out / "runs" / newer / RECORD).write_text("{")
    handle = os.open(out / "runs" / older, os.O_RDONLY)
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)  # as the process of a run does
        assert techco("clean", "--older-than", "0d", "--out", out)[1] == "No run is that old.\n"
    finally:
        os.close(handle)
    assert names(out) == [newer, older]


def test_clean_touches_nothing_outside_of_the_folder(out: Path, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    age(out, names(out)[1], days=100, run_id="../../precious")
    techco("clean", "--older-than", "1d", "--out", out)
    assert len(names(out)) == 1
    assert outside.exists()


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "3 months", "1.5d"])
def test_an_age_in_another_form_is_refused(out: Path, text: str) -> None:
    code, _, words = techco("clean", f"--older-than={text}", "--out", out)
    assert (code, words) == (
        USAGE,
        f"Error: --older-than is {text!r}. Allowed: a number of days or weeks, such as 90d or 12w.\n",
    )
