"""What people know of papermill works in `techco run` as it does there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from papermill.cli import papermill
from typer.main import get_command
from typer.testing import CliRunner

from techco.cli.app import app
from techco.errors import StepFailed
from techco.notebooks.execute import execute_notebook
from techco.notebooks.kernels import Kernels
from techco.notebooks.limits import Limits
from techco.notebooks.printed_lines import PrintedLines
from techco.period import Period
from techco.records.find import recorded_runs
from techco.report.render import render_catalogue
from techco.runs.run import RunRequest
from techco.runs.run import run as start
from tests.support.tiny_notebooks import outputs, statuses, write_notebook, write_templates

pytestmark = pytest.mark.slow  # each starts kernels or whole runs


def techco(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command as a user gives it, with the notebooks and the output of a folder."""
    env = {**os.environ, "TECHCO_TEMPLATES": str(folder / "templates"), "TECHCO_OUT": str(folder / "out")}
    command = [sys.executable, "-m", "techco", *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)


def run(folder: Path, *options: str, **cells: str) -> subprocess.CompletedProcess[str]:
    """A run on an empty storage, of notebooks with these cells."""
    (folder / "shop").mkdir(exist_ok=True)
    write_templates(folder / "templates", **cells)
    return techco(folder, "run", "--storage", str(folder / "shop"), "--period", "2023-08", *options)


def printed(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The record that a command printed."""
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def test_options_have_the_names_that_papermill_gives_them() -> None:
    words = "-p --parameters -y --parameters_yaml -f --parameters_file -k --kernel --log-output --no-log-output "
    words += "--progress-bar --no-progress-bar --execution-timeout --start-timeout --prepare-only"
    ours = get_command(app).commands["run"]  # type: ignore[attr-defined]
    for command in (ours, papermill):
        names = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        assert set(words.split()) <= names


def test_what_cells_print_is_shown_while_they_run(tmp_path: Path) -> None:
    source = "import sys\nprint('one')\nprint('two', file=sys.stderr, flush=True)\nprint('?sig=c2VjcmV0', end='')\n'no'"
    done = run(tmp_path, "--steps", "join", "--log-output", "--no-progress-bar", join=source)
    assert sorted(done.stderr.splitlines()) == ["?sig=[hidden]", "one", "the end", "two"]


def test_lines_are_told_whole_and_steer_no_terminal() -> None:
    heard: list[str] = []
    lines = PrintedLines(heard.append, "mask")
    for text in ("a\x1b[31mb\x1b]0;title\x07\x00", "c\r1 %\r\n\nsi", "g=c2VjcmV0\nann@example.org\n", "last"):
        lines.add("stdout", text)
    lines.add("stderr", "other\n")
    assert heard == ["abc", "1 %", "sig=[hidden]", "a…@e…", "other"]
    lines.end()
    lines.end()
    assert heard[5:] == ["last"]


def test_a_cell_that_takes_too_long_fails_the_run_which_goes_on_with_more_time(tmp_path: Path) -> None:
    source = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(1.6)"
    done = run(tmp_path, "--steps", "join,analysis", "--execution-timeout", "1", "--json", join=source)
    assert done.returncode == 1
    said = "The step join failed: Cell 3 of 4 did not end within 1 second, the limit of --execution-timeout."
    assert f"Error: {said}\n" in done.stderr
    record = printed(done)
    notebook = Path(record["steps"][0]["notebook"])
    assert record["error"]["message"] == said.partition(": ")[2].replace("--execution-timeout", "`execution_timeout`")
    assert "--execution-timeout 1" in record["provenance"]["command"]
    assert statuses(notebook) == ["completed", "completed", "failed", "pending"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(outputs(notebook)), 0)
    done = techco(tmp_path, "resume", record["run_id"], "--execution-timeout", "30", "--log-output", "--json")
    told = [line.partition(" in ")[0] for line in done.stderr.splitlines()]
    assert [told[0], *told[2:5]] == ["join: started", "the end", "join: completed", "analysis: started"]
    assert told[1] == outputs(notebook).splitlines()[0]
    assert [step["status"] for step in printed(done)["steps"]] == ["completed", "completed"]
    assert printed(done)["provenance"] == record["provenance"]


def test_a_kernel_that_starts_too_late_fails_the_run(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb")
    with Kernels([notebook]) as kernels:
        kernel = kernels.take_next()
        os.kill(kernel.manager.provisioner.pid, signal.SIGSTOP)
        only = SimpleNamespace(take_next=lambda: kernel)
        with pytest.raises(
            StepFailed, match=r"^The kernel did not start within 1 second, the limit of `start_timeout`\.$"
        ):
            execute_notebook(notebook, tmp_path / "out.ipynb", {}, None, only, Limits(1))  # type: ignore[arg-type]
        assert not kernel.manager.has_kernel


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run that is only prepared, and its folder."""
    folder = tmp_path_factory.mktemp("prepared")
    done = run(folder, "--steps", "join,analysis", "--prepare-only", "--progress-bar")
    assert (done.returncode, done.stderr) == (0, "")
    (run_dir,) = (folder / "out" / "runs").iterdir()
    assert done.stdout.splitlines() == [
        "Prepared, not executed",
        "  Period      2023-08-01 to 2023-08-31",
        f"  Notebook    {run_dir}/join.ipynb",
        f"  Notebook    {run_dir}/analysis.ipynb",
        f"  Execute     techco resume {run_dir}",
    ]
    return folder, json.loads((run_dir / "run.json").read_text())


def test_prepare_only_writes_notebooks_with_their_parameters_and_runs_none(
    prepared: tuple[Path, dict[str, Any]],
) -> None:
    folder, record = prepared
    assert (record["status"], record["report"], record["error"]) == ("prepared", None, None)
    assert [step["status"] for step in record["steps"]] == ["pending", "pending"]
    run_dir = folder / "out" / "runs" / record["run_id"]
    assert {path.name for path in run_dir.iterdir()} == {"join.ipynb", "analysis.ipynb", "run.json"}
    for step in record["steps"]:
        cells = nbformat.read(step["notebook"], as_version=4).cells
        assert f'run_id = "{record["run_id"]}"' in cells[2].source
        assert not any(cell.get("outputs") for cell in cells)
    assert not (folder / "out" / "reports").exists()
    assert "--prepare-only" not in record["provenance"]["command"]


def test_prepared_run_is_told_as_that_and_has_no_report(prepared: tuple[Path, dict[str, Any]]) -> None:
    folder, record = prepared
    run_id, out = record["run_id"], ["--out", str(folder / "out")]

    def told(*words: str) -> str:
        result = CliRunner().invoke(app, [*words, *out])
        return result.stdout + result.stderr

    assert "  prepared  " in told("list", "--status", "prepared")
    assert "Status     prepared\n" in told("show", run_id)
    assert f"Execute    techco resume {folder}/out/runs/{run_id}\n" in told("show", run_id)
    refused = f"Error: The run {run_id} is only prepared, and has no report. Execute it: techco resume {run_id}.\n"
    assert [told(*words) for words in (["render", run_id], ["open"], ["publish", run_id])] == [refused] * 3
    render_catalogue(folder / "out")
    listed = (folder / "out" / "reports" / "index.html").read_text()
    assert '<span class="badge prepared">prepared</span>' in listed
    assert run_id in told("clean", "--older-than", "0d", "--dry-run")


def test_resume_executes_prepared_notebooks_as_they_are_now(
    prepared: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, run_id = prepared[0], prepared[1]["run_id"]
    out = shutil.copytree(folder / "out", tmp_path / "moved")
    notebook = out / "runs" / run_id / "join.ipynb"
    notebook.write_text(notebook.read_text().replace("print(run_id)", "print('edited', run_id)"))
    done = techco(folder, "resume", run_id, "--out", str(out), "--json", "--no-progress")
    assert (done.returncode, done.stderr) == (0, "")
    record = printed(done)
    assert (record["status"], record["run_id"]) == ("completed", run_id)
    assert [step["notebook"] for step in record["steps"]] == [str(notebook), str(notebook.with_stem("analysis"))]
    assert outputs(notebook) == f"edited {run_id}\nthe end\n"
    assert outputs(notebook.with_stem("analysis")) == f"{run_id}\nthe end\n"
    assert Path(record["report"]).is_file()


def test_what_cannot_be_prepared_has_failed(tmp_path: Path) -> None:
    templates = write_templates(tmp_path / "templates")
    text = json.loads((templates / "join.ipynb").read_text())
    (templates / "join.ipynb").write_text(json.dumps({**text, "nbformat": 9}))
    request = RunRequest(Period.parse("2023-08"), str(tmp_path), out=tmp_path, templates=templates, prepare_only=True)
    with pytest.raises(StepFailed, match="is not a valid notebook"):
        start(request)
    (record,) = recorded_runs(tmp_path)
    assert (record.status, record.error and record.error.step) == ("failed", "join")
