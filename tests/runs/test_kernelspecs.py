"""A kernel of another Python is told by its name, and keeps all that is said of kernels."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from techco.cli.app import app
from techco.errors import ParameterError, StepFailed
from techco.notebooks.execute import execute_notebook
from techco.notebooks.kernels import Kernels
from techco.notebooks.kernelspecs import PYTHON3, find_kernel
from tests.runs.test_notebooks import is_running, kernel_processes
from tests.support.tiny_notebooks import outputs, wait_for_text, write_notebook, write_templates

pytestmark = pytest.mark.slow  # each starts kernels or whole runs

LAUNCH = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
USAGE = 2


@pytest.fixture(autouse=True)
def kernels_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel `other`, which has a variable of its own, among those that are installed."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    install(tmp_path, "other", [sys.executable, "-Xfrozen_modules=off", *LAUNCH])


def install(folder: Path, name: str, words: list[str] | str) -> None:
    """Install a kernel that these words start, or one with this text as its specification."""
    spec = {"argv": words, "display_name": name, "language": "python", "env": {"MARK": f"of {name}"}}
    path = folder / "jupyter" / "kernels" / name / "kernel.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words if isinstance(words, str) else json.dumps(spec))


def test_python3_is_the_python_that_runs_techco_whatever_is_installed(tmp_path: Path) -> None:
    install(tmp_path, PYTHON3, ["/nowhere/python", *LAUNCH])
    assert find_kernel(PYTHON3) is None


@pytest.mark.parametrize(
    ("name", "argv", "words"),
    [
        (
            "nope",
            None,
            r"There is no kernel 'nope'\. Installed: .*other, python3.*\. Install one by its Python: python -m",
        ),
        (
            "r",
            ["R", "-e", "IRkernel::main()"],
            r"The kernel r is started by .*\. Allowed: python3, and kernels that are",
        ),
        ("gone", ["/nowhere/python", *LAUNCH], "The kernel gone needs /nowhere/python, which is not there"),
        ("wrong", "{", "The kernel wrong in .*/kernels/wrong is not readable"),
    ],
)
def test_kernel_that_cannot_be_used_is_told_with_those_that_can(
    tmp_path: Path, name: str, argv: list[str] | str | None, words: str
) -> None:
    if argv:
        install(tmp_path, name, argv)
    with pytest.raises(ParameterError, match=words):
        find_kernel(name)


def test_a_run_is_told_a_wrong_kernel_before_anything_is_made(tmp_path: Path) -> None:
    words = ["run", "--storage", str(tmp_path), "--period", "2023-08", "-k", "nope", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, result.stdout) == (USAGE, "")
    assert result.stderr.startswith("Error: There is no kernel 'nope'.")
    assert not (tmp_path / "out").exists()


def test_another_kernel_is_as_private_as_that_of_this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current, beside = tmp_path / "current", tmp_path / "beside"
    current.mkdir()
    for name in ("ipykernel", "ipykernel_launcher", "json", "helper"):
        (current / f"{name}.py").write_text("raise SystemExit('imported from the current directory')")
    source = "import json, os, tempfile, helper\nfrom ipykernel.connect import get_connection_info\n"
    source += "info = get_connection_info(unpack=True)\n"
    source += "print(json.dumps([os.environ['MARK'], os.getcwd(), helper.FOUND, tempfile.mkdtemp(), info['transport'], "
    source += "info['ip']]))"
    notebook = write_notebook(beside / "a.ipynb", source)
    (beside / "helper.py").write_text("FOUND = 'beside'")
    monkeypatch.chdir(current)
    execute_in_other(notebook, tmp_path / "out.ipynb")
    mark, directory, found, temporary, transport, sockets = json.loads(outputs(tmp_path / "out.ipynb"))
    assert (mark, directory, found, transport) == ("of other", str(current), "beside", "ipc")
    assert Path(temporary).parts[-3].startswith("techco-")
    assert Path(sockets).parts[-3].startswith("techco-")
    assert not Path(temporary).exists()
    assert not Path(sockets).parent.exists()
    assert kernel_processes() == []


def execute_in_other(notebook: Path, output: Path) -> None:
    with Kernels([notebook], spec=find_kernel("other")) as kernels:
        execute_notebook(notebook, output, {}, kernels=kernels)


def test_a_run_has_the_kernel_in_its_record_and_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    source = "import os\nprint(os.environ['MARK'])"
    templates = write_templates(tmp_path / "templates", join=f"{source}\n1 / 0")
    monkeypatch.setenv("TECHCO_TEMPLATES", str(templates))
    words = ["run", "--storage", str(tmp_path / "shop"), "--period", "2023-08", "--steps", "join", "--json"]
    result = CliRunner().invoke(app, [*words, "--kernel", "other", "--out", str(tmp_path)])
    failed = json.loads(result.stdout)
    assert "--kernel other" in failed["provenance"]["command"]
    assert failed["provenance"]["kernel"] == "other"
    write_notebook(templates / "join.ipynb", source)
    result = CliRunner().invoke(app, ["resume", failed["run_id"], "--json", "--out", str(tmp_path)])
    record = json.loads(result.stdout)
    assert (record["status"], outputs(Path(record["steps"][0]["notebook"]))) == ("completed", "of other\n")
    assert "<dt>Kernel</dt><dd>other</dd>" in Path(record["report"]).read_text()


def test_a_kernel_that_does_not_start_says_why(tmp_path: Path) -> None:
    install(tmp_path, "other", [sys.executable, "-S", *LAUNCH])  # without its libraries
    words = "^The kernel ended as it started: ModuleNotFoundError: No module named 'ipykernel'.$"
    with pytest.raises(StepFailed, match=words) as failed:
        execute_in_other(write_notebook(tmp_path / "a.ipynb"), tmp_path / "out.ipynb")
    assert "Traceback" in failed.value.trace
    assert kernel_processes() == []


def test_no_process_of_another_kernel_outlives_a_run(tmp_path: Path) -> None:
    started = tmp_path / "started"
    source = "import os, pathlib, subprocess, time\n"
    source += "child = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
    source += f"pathlib.Path({str(started)!r}).write_text(f'{{os.getpid()}} {{child.pid}}')\ntime.sleep(60)"
    notebook = write_notebook(tmp_path / "a.ipynb", source)
    code = "import sys; sys.path.insert(0, 'tests/runs'); from pathlib import Path; "
    code += "from test_kernelspecs import execute_in_other; execute_in_other(*map(Path, sys.argv[1:]))"
    words = [sys.executable, "-c", code, str(notebook), str(tmp_path / "out.ipynb")]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2]) as process:
        left = [int(pid) for pid in wait_for_text(started).split()]
        process.kill()
    deadline = time.monotonic() + 10
    while any(map(is_running, left)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in left if is_running(pid)]
