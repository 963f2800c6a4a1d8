"""What people know of papermill works in `techco run` as it does there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_notebooks import outputs, statuses, write_notebook, write_templates

from techco.cell_output import Printed
from techco.errors import StepFailed
from techco.kernels import Kernels
from techco.notebooks import Limits, execute


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


def test_what_cells_print_is_shown_while_they_run(tmp_path: Path) -> None:
    source = "import sys\nprint('one')\nprint('two', file=sys.stderr, flush=True)\nprint('?sig=c2VjcmV0', end='')\n'no'"
    done = run(tmp_path, "--steps", "join", "--log-output", "--no-progress-bar", join=source)
    assert sorted(done.stderr.splitlines()) == ["?sig=[hidden]", "one", "the end", "two"]
    done = run(tmp_path, "--steps", "join", "--log-output", "--progress-bar", join="print('one')")
    told = [line.partition(" in ")[0] for line in done.stderr.splitlines()]
    assert told == ["join: started", "one", "the end", "join: completed"]


def test_lines_are_told_whole_and_steer_no_terminal() -> None:
    heard: list[str] = []
    lines = Printed(heard.append, "mask")
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
    assert record["error"]["message"] in said
    assert "--execution-timeout 1" in record["provenance"]["command"]
    assert statuses(notebook) == ["completed", "completed", "failed", "pending"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(outputs(notebook)), 0)
    done = techco(tmp_path, "resume", record["run_id"], "--execution-timeout", "30", "--json")
    assert [step["status"] for step in printed(done)["steps"]] == ["completed", "completed"]
    assert printed(done)["provenance"] == record["provenance"]


def test_a_kernel_that_starts_too_late_fails_the_run(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb")
    with Kernels([notebook]) as kernels:
        kernel = kernels.next()
        os.kill(kernel.manager.provisioner.pid, signal.SIGSTOP)
        only = SimpleNamespace(next=lambda: kernel)
        with pytest.raises(
            StepFailed, match=r"^The kernel did not start within 1 second, the limit of --start-timeout\.$"
        ):
            execute(notebook, tmp_path / "out.ipynb", {}, lambda *_: None, only, Limits(1))  # type: ignore[arg-type]
        assert not kernel.manager.has_kernel
