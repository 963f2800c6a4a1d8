"""A run that failed goes on where it stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from techco.records.find import recorded_runs
from techco.records.record import RunRecord
from tests.support.tiny_notebooks import outputs, wait_for_text, write_notebook, write_templates

pytestmark = pytest.mark.slow  # each starts kernels or whole runs

USAGE = 2


def techco(folder: Path, *words: str, templates: str = "templates") -> subprocess.Popen[str]:
    """A command that runs the notebooks of a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "techco", *words, "--out", str(folder / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TECHCO_TEMPLATES": str(folder / templates)},
    )


def told(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr


def start(folder: Path, *options: str, **cells: str) -> subprocess.Popen[str]:
    """A run on an empty storage."""
    (folder / "shop").mkdir(exist_ok=True)
    write_templates(folder / "templates", **cells)
    return techco(folder, "run", "--storage", str(folder / "shop"), "--period", "2023-08", *options)


def only_run(folder: Path) -> RunRecord:
    (record,) = recorded_runs(folder / "out")
    return record


def stamps(record: RunRecord) -> list[int]:
    return [Path(str(step.notebook)).stat().st_mtime_ns for step in record.steps if step.notebook]


def test_a_run_that_goes_on_may_have_thresholds_too(tmp_path: Path) -> None:
    assert told(start(tmp_path, join="1 / 0"))[0] == 1
    write_notebook(tmp_path / "templates" / "join.ipynb")
    code, _, stderr = told(techco(tmp_path, "resume", only_run(tmp_path).run_id, "--fail-if", "warnings < 1"))
    assert code == 4
    assert "warnings is 0, which --fail-if 'warnings < 1' does not allow." in stderr
    assert only_run(tmp_path).is_completed


def test_a_failed_step_and_those_after_it_run_again_in_the_same_run(tmp_path: Path) -> None:
    assert told(start(tmp_path, "--pii", "show", join="1 / 0"))[0] == 1
    failed = only_run(tmp_path)
    write_notebook(tmp_path / "templates" / "join.ipynb", "print('mended', run_id)")
    code, stdout, stderr = told(techco(tmp_path, "resume", failed.run_id, "--json"))
    assert code == 0, stderr
    assert [line.split(" in ")[0] for line in stderr.splitlines()] == [
        "join: started", "join: completed", "analysis: started", "analysis: completed",
    ]  # fmt: skip
    record = only_run(tmp_path)
    assert json.loads(stdout) == json.loads(record.to_json())
    assert (record.run_id, record.status, record.error, record.pii) == (failed.run_id, "completed", None, "show")
    assert {step.status for step in record.steps} == {"completed"}
    assert stamps(record)[0] == stamps(failed)[0]
    assert record.steps[0] == failed.steps[0]
    assert record.command == failed.command
    assert record.seconds is not None
    assert failed.seconds is not None
    assert record.seconds > failed.seconds + sum(step.seconds or 0 for step in record.steps[1:]) - 0.1
    assert f"mended {failed.run_id}" in outputs(Path(str(record.steps[1].notebook)))
    assert "The run stopped" not in Path(str(record.report)).read_text()


def test_a_run_that_fails_again_says_so_and_can_go_on_again(tmp_path: Path) -> None:
    told(start(tmp_path, "--steps", "ingest,join", join="1 / 0"))
    failed = only_run(tmp_path)
    code, _, stderr = told(techco(tmp_path, "resume", failed.run_id, "--no-progress"))
    assert (code, stderr.splitlines()[0]) == (
        1,
        "Error: The step join failed: Cell [3] failed: ZeroDivisionError: division by zero",
    )
    write_templates(tmp_path / "templates")
    assert told(techco(tmp_path, "resume", str(tmp_path / "out" / "runs" / failed.run_id)))[0] == 0
    assert [(step.name, step.status) for step in only_run(tmp_path).steps] == [
        ("ingest", "completed"),
        ("join", "completed"),
    ]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_interrupted_or_killed_goes_on(tmp_path: Path, sent: signal.Signals) -> None:
    started = tmp_path / "started"
    source = f"import pathlib, time\npathlib.Path({str(started)!r}).write_text('x')\ntime.sleep(60)"
    with start(tmp_path, join=source) as process:
        wait_for_text(started)
        process.send_signal(sent)
        process.communicate(timeout=30)
    broken_off = only_run(tmp_path)
    assert [step.status for step in broken_off.steps] == ["completed", "failed", "pending"]
    write_templates(tmp_path / "templates")
    assert told(techco(tmp_path, "resume", broken_off.run_id))[0] == 0
    assert only_run(tmp_path).status == "completed"


def test_what_cannot_go_on_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    assert told(start(tmp_path))[0] == 0
    record = only_run(tmp_path)
    refused = f"Error: All steps of {record.run_id} are completed. Run them anew: {record.command}\n"
    assert told(techco(tmp_path, "resume", record.run_id)) == (USAGE, "", refused)
    saved = tmp_path / "out" / "runs" / record.run_id / "run.json"

    def change(**values: Any) -> None:
        saved.write_text(json.dumps({**json.loads(record.to_json()), **values}))

    change(status="failed", error={"step": "report", "message": "no room"})
    refused = f"Error: Only the report of {record.run_id} is missing. Make it: techco render {record.run_id}.\n"
    assert told(techco(tmp_path, "resume", record.run_id)) == (USAGE, "", refused)
    change(status="failed", steps=[{"name": "ingest", "status": "failed"}])
    write_templates(tmp_path / "others")
    refused = f"The run {record.run_id} is one of other notebooks. Set TECHCO_TEMPLATES to {tmp_path}/templates, and"
    assert refused in told(techco(tmp_path, "resume", record.run_id, templates="others"))[2]
    assert "There is no run nope" in told(techco(tmp_path, "resume", "nope"))[2]


def test_a_run_that_still_goes_is_left_alone(tmp_path: Path) -> None:
    started = tmp_path / "started"
    source = f"import pathlib, time\npathlib.Path({str(started)!r}).write_text('x')\ntime.sleep(60)"
    with start(tmp_path, ingest=source) as process:
        wait_for_text(started)
        run_id = only_run(tmp_path).run_id
        refused = f"Error: The run {run_id} is still running. See how it ends: techco list.\n"
        assert told(techco(tmp_path, "resume", run_id)) == (USAGE, "", refused)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
