"""A run checks first, keeps its record as it goes, stops at the first failure and has a report in any case."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from techco.errors import ParameterError, StorageError, TechcoError
from techco.period import Period
from techco.records.find import find_run, recorded_runs
from techco.records.record import RunRecord, StepRecord
from techco.runs.events import CellStarted, Event, StepEnded, StepStarted
from techco.runs.reporting import render_again
from techco.runs.run import RunRequest, run
from tests.support.tiny_notebooks import outputs, wait_for_text, write_notebook, write_templates

AUGUST = Period(date(2023, 8, 1), date(2023, 8, 31))
SECRET = "c2VjcmV0LXNpZ25hdHVyZQ"


def request_in(folder: Path, **changes: object) -> RunRequest:
    """A request for tiny templates and a storage in a folder."""
    (folder / "shop").mkdir(exist_ok=True)
    given = {"storage": str(folder / "shop"), "out": folder / "out {a}", "templates": folder / "templates"} | changes
    return RunRequest(AUGUST, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def completed(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, list[Event], Path]:
    """A run of all three steps, given in another order."""
    folder = tmp_path_factory.mktemp("completed")
    events: list[Event] = []
    write_templates(folder / "templates", join="print(storage, start_date, end_date, engine, run_id)")
    request = request_in(folder, steps=("analysis", "ingest", "join"))
    return run(request, events.append), events, request.out


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, Path]:
    """A run whose second step fails with a secret in the error."""
    folder = tmp_path_factory.mktemp("failed")
    write_templates(folder / "templates", join=f"print('so far')\nraise OSError('403 for ?sig={SECRET}')")
    request = request_in(folder)
    return run(request), request.out


def test_steps_run_in_their_order_with_the_parameters(completed: tuple[RunRecord, list[Event], Path]) -> None:
    record, events, out = completed
    assert [step.name for step in record.steps] == ["ingest", "join", "analysis"]
    assert [event for event in events if not isinstance(event, CellStarted)] == [
        event for step in record.steps for event in _start_and_end(step)
    ]
    assert [event for event in events if isinstance(event, CellStarted) and event.step == "join"] == [
        CellStarted("join", cell, 4) for cell in range(1, 5)
    ]
    printed = outputs(out / "runs" / record.run_id / "join.ipynb")
    assert printed.startswith(f"{record.storage} 2023-08-01 2023-08-31 sail {record.run_id}\n")


def _start_and_end(step: StepRecord) -> tuple[Event, Event]:
    assert step.seconds is not None
    return StepStarted(step.name), StepEnded(step.name, "completed", step.seconds)


def test_record_of_a_completed_run_is_complete(completed: tuple[RunRecord, list[Event], Path]) -> None:
    record, _, out = completed
    assert record.run_id.endswith("-2023-08-01_2023-08-31")
    assert (record.status, record.error) == ("completed", None)
    assert record.seconds is not None
    assert record.seconds > sum(step.seconds or 0 for step in record.steps) - 0.1
    assert record.report == str(out / "reports" / record.run_id / "index.html")
    for path in (record.report, *(step.notebook for step in record.steps), *(step.report for step in record.steps)):
        assert path is not None
        assert Path(path).is_file()
    saved = RunRecord.from_json((out / "runs" / record.run_id / "run.json").read_text())
    assert saved == record


def test_provenance_names_versions_and_a_command_that_repeats_the_run(
    completed: tuple[RunRecord, list[Event], Path],
) -> None:
    record, _, out = completed
    assert {"techco", "python", "pyspark", "pysail", "papermill", "system"} <= set(record.provenance)
    assert record.provenance["command"] == (
        f"techco run --storage {record.storage} --from 2023-08-01 --to 2023-08-31 --engine sail --out '{out}'"
    )


def test_run_is_listed_and_found_by_id_and_by_path(completed: tuple[RunRecord, list[Event], Path]) -> None:
    record, _, out = completed
    run_dir = out / "runs" / record.run_id
    (out / "runs" / "broken").mkdir(exist_ok=True)
    (out / "runs" / "broken" / "run.json").write_text("[]")
    assert recorded_runs(out) == [record]
    for name in (record.run_id, str(run_dir), str(run_dir / "run.json")):
        assert find_run(name, out) == (record, run_dir)
    with pytest.raises(ParameterError, match=f"There is no run nope in .*The newest: {record.run_id}"):
        find_run("nope", out)


def test_rendering_again_brings_back_deleted_pages(completed: tuple[RunRecord, list[Event], Path]) -> None:
    record, _, out = completed
    page = Path(str(record.report))
    page.unlink()
    assert render_again(record.run_id, out).report == str(page)
    assert page.is_file()


def test_first_failure_ends_the_run(failed: tuple[RunRecord, Path]) -> None:
    record, out = failed
    assert record.status == "failed"
    assert [step.status for step in record.steps] == ["completed", "failed", "pending"]
    assert record.error is not None
    assert (record.error.step, record.error.message) == ("join", "Cell [3] failed: OSError: 403 for ?sig=[hidden]")
    assert "OSError" in record.error.trace
    assert record.steps[1].notebook is not None
    assert outputs(Path(record.steps[1].notebook)) == "so far\n"
    assert record.steps[2].notebook is None
    assert not (out / "runs" / record.run_id / "analysis.ipynb").exists()


def test_failed_run_has_a_report(failed: tuple[RunRecord, Path]) -> None:
    record, out = failed
    assert "403 for ?sig=[hidden]" in Path(str(record.report)).read_text()
    assert (out / "reports" / "index.html").is_file()
    assert RunRecord.from_json((out / "runs" / record.run_id / "run.json").read_text()) == record


def test_nothing_that_is_saved_holds_a_credential(failed: tuple[RunRecord, Path]) -> None:
    files = [path for path in failed[1].rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if SECRET in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"engine": "snail"}, ParameterError, "engine is 'snail'. Allowed: sail"),
        ({"storage": "./nowhere"}, StorageError, "nowhere does not exist"),
        ({"templates": Path("nowhere")}, ParameterError, "There is no notebook nowhere/ingest.ipynb"),
        ({"out": Path("/proc/1")}, ParameterError, "Runs cannot be written to /proc/1: .* with `out`"),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_is_made(
    tmp_path: Path, changes: dict[str, object], kind: type[TechcoError], words: str
) -> None:
    write_templates(tmp_path / "templates")
    with pytest.raises(kind, match=words):
        run(request_in(tmp_path, **changes))
    assert not (tmp_path / "out {a}").exists()


def test_template_that_lacks_a_parameter_is_refused(tmp_path: Path) -> None:
    write_templates(tmp_path / "templates")
    write_notebook(tmp_path / "templates" / "join.ipynb", parameters='storage: str = ""\nengine: str = "sail"')
    with pytest.raises(
        ParameterError, match=r"join\.ipynb has no parameter start_date, end_date, run_id\. It declares"
    ):
        run(request_in(tmp_path))


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (("ingest", "joyn"), "'joyn' is not a step. Allowed: ingest, join, analysis"),
        (("join", "join"), "The step join is given twice"),
        ((), "No step is given"),
    ],
)
def test_steps_are_checked(steps: tuple[str, ...], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        RunRequest(AUGUST, steps=steps)


def test_storage_that_cannot_be_written_is_refused_unless_it_is_only_read(tmp_path: Path) -> None:
    write_templates(tmp_path / "templates")
    request = request_in(tmp_path)
    (tmp_path / "shop" / "tables").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        run(request)
    assert run(request_in(tmp_path, steps=("analysis",))).status == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_run_is_recorded_as_failed(tmp_path: Path, sent: signal.Signals) -> None:
    started = tmp_path / "started"
    source = f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    write_templates(tmp_path / "templates", ingest=source)
    out = request_in(tmp_path).out
    with command(tmp_path) as process:
        kernel = int(wait_for_text(started))
        running = json.loads(next(out.glob("runs/*/run.json")).read_text())
        process.send_signal(sent)
        stdout, stderr = process.communicate(timeout=10)
    assert (running["status"], running["steps"][0]["status"]) == ("running", "running")
    assert process.returncode == 128 + sent
    record = recorded_runs(out)[0]
    assert stdout == ""
    assert stderr.splitlines()[-2:] == ["Error: Interrupted. Nothing is left running.", f"Report: {record.report}"]
    assert "Traceback" not in stderr
    assert (record.status, [step.status for step in record.steps]) == ("failed", ["failed", "pending", "pending"])
    assert record.error is not None
    assert record.error.message == "It was interrupted."
    assert "It was interrupted." in Path(str(record.report)).read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


@pytest.mark.slow
def test_interrupted_run_prints_one_object_too(tmp_path: Path) -> None:
    started = tmp_path / "started"
    source = f"import pathlib, time\npathlib.Path({str(started)!r}).write_text('x')\ntime.sleep(60)"
    write_templates(tmp_path / "templates", join=source)
    with command(tmp_path, "--steps", "join", "--json") as process:
        wait_for_text(started)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=10)
    assert (process.returncode, json.loads(stdout)["status"]) == (130, "failed")


@pytest.mark.slow
def test_killed_run_counts_as_failed_and_can_be_rendered(tmp_path: Path) -> None:
    started = tmp_path / "started"
    source = f"import pathlib, time\npathlib.Path({str(started)!r}).write_text('x')\ntime.sleep(60)"
    write_templates(tmp_path / "templates", join=source)
    out = request_in(tmp_path).out
    with command(tmp_path) as process:
        wait_for_text(started)
        (running,) = recorded_runs(out)
        assert (running.status, running.error) == ("running", None)
        with pytest.raises(ParameterError, match=f"The run {running.run_id} is still running"):
            render_again(running.run_id, out)
        process.kill()
        process.communicate(timeout=10)
    (killed,) = recorded_runs(out)
    assert (killed.status, [step.status for step in killed.steps]) == ("failed", ["completed", "failed", "pending"])
    record = render_again(killed.run_id, out)
    assert record.error is not None
    assert record.error.message.startswith("Its process ended in the middle: it was killed, or the machine went down.")
    assert record.error.message in Path(str(record.report)).read_text()
    assert recorded_runs(out) == [record]


@pytest.mark.slow
def test_two_processes_at_once_share_a_folder(tmp_path: Path) -> None:
    write_templates(tmp_path / "templates")
    out = request_in(tmp_path).out
    processes = [command(tmp_path, "--steps", "join", "--json") for _ in range(2)]
    records = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len({record["run_id"] for record in records}) == 2
    assert [record.status for record in recorded_runs(out)] == ["completed", "completed"]
    listed = (out / "reports" / "index.html").read_text()
    assert all(f"{record['run_id']}/index.html" in listed for record in records)


def command(folder: Path, *options: str) -> subprocess.Popen[str]:
    """`techco run` as a process, on the tiny templates and the storage of a folder."""
    request = request_in(folder)
    words = ["--storage", request.storage, "--period", "2023-08", "--out", str(request.out), *options]
    return subprocess.Popen(
        [sys.executable, "-m", "techco", "run", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TECHCO_TEMPLATES": str(request.templates)},
    )
