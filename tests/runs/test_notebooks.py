"""Notebooks run to their last cell or fail in plain words, and leave no process behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from techco.errors import ParameterError, StepFailed
from techco.notebooks.execute import execute_notebook
from techco.notebooks.kernels import Kernels
from techco.notebooks.limits import Callbacks
from techco.notebooks.parameters import read_template
from techco.notebooks.preload import import_statements, shared_modules
from techco.notebooks.templates import templates_dir
from tests.support.tiny_notebooks import outputs, statuses, wait_for_text, write_notebook

pytestmark = pytest.mark.slow  # each starts kernels or whole runs

PARAMETERS = 'shop: str = "a"  # the shop\ncount: int = 3\nrate: float = 0.5\ndry: bool = False\nfree = None'


def test_templates_lie_beside_the_package_in_a_checkout() -> None:
    assert templates_dir() == Path(__file__).parents[2] / "templates"


def test_declared_parameters_come_with_their_types(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", parameters=PARAMETERS)
    assert read_template(notebook).declared == {
        "shop": "str", "count": "int", "rate": "float", "dry": "bool", "free": "None",
    }  # fmt: skip


def test_values_become_the_declared_types(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "{a}.ipynb", parameters=PARAMETERS)
    given = {"shop": "007", "count": "7", "rate": "1", "dry": "true", "free": "2024_01"}
    assert read_template(notebook).bind(given) == {
        "shop": "007",
        "count": 7,
        "rate": 1.0,
        "dry": True,
        "free": "2024_01",
    }


def test_unknown_parameter_names_the_known_ones(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", parameters=PARAMETERS)
    with pytest.raises(ParameterError, match=r"has no parameter shopp\. It declares: shop, count, rate, dry, free"):
        read_template(notebook).bind({"shopp": "x"})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("count", "nine", "a whole number"), ("rate", "much", "a number"), ("dry", "perhaps", "true or false")],
)
def test_value_of_another_type_is_refused(tmp_path: Path, name: str, value: str, words: str) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", parameters=PARAMETERS)
    with pytest.raises(ParameterError, match=f"{name} is '{value}'. Allowed: {words}"):
        read_template(notebook).bind({name: value})


def test_parameters_are_checked_before_a_kernel_starts(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", parameters=PARAMETERS)
    with pytest.raises(ParameterError):
        execute_notebook(notebook, tmp_path / "out.ipynb", {"shopp": "x"})
    assert not (tmp_path / "out.ipynb").exists()
    assert kernel_processes() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "There is no notebook"), ("{}", "not a notebook"), ("x", "not a note"), ("[]", "not a note")],
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(ParameterError, match=words):
        read_template(tmp_path / "a.ipynb")


@pytest.mark.parametrize("changes", [{"nbformat": 9}, {"metadata": None}])
def test_notebook_that_breaks_the_format_has_failed(tmp_path: Path, changes: dict[str, object]) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb")
    notebook.write_text(json.dumps(json.loads(notebook.read_text()) | changes))
    with pytest.raises(StepFailed, match=r"a\.ipynb is not a valid notebook: "):
        execute_notebook(notebook, tmp_path / "out.ipynb", {})
    assert kernel_processes() == []


def test_parameters_are_checked_without_papermill(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb")
    code = "import sys; from pathlib import Path; from techco.notebooks.parameters import read_template; "
    code += "read_template(Path(sys.argv[1])).bind({'storage': 'x'}); sys.exit('papermill' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, notebook], check=False).returncode == 0


def test_notebook_without_a_tagged_cell_is_refused(tmp_path: Path) -> None:
    notebook = nbformat.read(write_notebook(tmp_path / "a.ipynb"), as_version=4)
    notebook.cells[1].metadata.tags = []
    nbformat.write(notebook, tmp_path / "a.ipynb")
    with pytest.raises(ParameterError, match="Tag the cell that assigns them `parameters`"):
        read_template(tmp_path / "a.ipynb")


def test_notebook_runs_with_its_parameters(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    notebook = write_notebook(
        tmp_path / "{a}.ipynb",
        "print(shop, count)",
        "import os\nprint(os.getcwd())",
        "print(dir())",
        "import json",
        parameters=PARAMETERS,
    )
    seen: list[tuple[int, int]] = []
    output = tmp_path / "deep" / "{shop}.ipynb"
    execute_notebook(notebook, output, {"shop": 'it\'s "é"', "count": "7"}, Callbacks(lambda *cell: seen.append(cell)))
    assert outputs(output).startswith(f'it\'s "é" 7\n{Path.cwd()}\n')
    assert "'count'" in outputs(output)
    assert "json" not in outputs(output), "what the kernel imported in advance leaves no name behind"
    assert seen == [(n, 6) for n in range(1, 7)]
    assert statuses(output) == ["completed"] * 6
    assert nbformat.read(output, as_version=4).metadata.papermill.parameters == {"shop": 'it\'s "é"', "count": 7}
    assert list(output.parent.iterdir()) == [output]
    assert capfd.readouterr() == ("", "")
    assert kernel_processes() == []


def test_failing_cell_stops_the_notebook(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", "print('before')", "1 / 0", "print('after')")
    with pytest.raises(StepFailed, match=r"^Cell \[3\] failed: ZeroDivisionError: division by zero$") as failed:
        execute_notebook(notebook, tmp_path / "out.ipynb", {})
    assert "----> 1 1 / 0" in failed.value.trace
    assert "\x1b" not in failed.value.trace
    assert outputs(tmp_path / "out.ipynb") == "before\n"
    assert statuses(tmp_path / "out.ipynb") == ["completed", "completed", "failed", "pending"]
    assert kernel_processes() == []


def test_error_of_our_own_is_told_in_its_own_words_without_credentials(tmp_path: Path) -> None:
    source = "from techco.errors import StorageError\nraise StorageError('403 for ?sv=1&sig=c2VjcmV0.')"
    with pytest.raises(StepFailed) as failed:
        execute_notebook(write_notebook(tmp_path / "a.ipynb", source), tmp_path / "out.ipynb", {})
    assert str(failed.value) == "403 for ?sv=1&sig=[hidden]"
    assert "c2VjcmV0" not in failed.value.trace + (tmp_path / "out.ipynb").read_text()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import sys\nsys.exit(0)", r"ended the notebook with SystemExit\(0\)"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "The kernel died in cell 2 of 3"),
        ("import os\nos._exit(0)", "The kernel died in cell 2 of 3"),
    ],
)
def test_notebook_that_ends_early_has_failed(tmp_path: Path, source: str, words: str) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", source, "print('after')")
    with pytest.raises(StepFailed, match=words):
        execute_notebook(notebook, tmp_path / "out.ipynb", {})
    assert statuses(tmp_path / "out.ipynb") == ["completed", "failed", "pending"]
    assert kernel_processes() == []


@pytest.mark.parametrize("end", ["", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"])
def test_what_a_kernel_has_put_aside_goes_with_it(tmp_path: Path, end: str) -> None:
    kept = tmp_path / "kept"
    source = f"import pathlib, tempfile\npathlib.Path({str(kept)!r}).write_text(tempfile.mkdtemp())\n{end}"
    with contextlib.suppress(StepFailed):
        execute_notebook(write_notebook(tmp_path / "a.ipynb", source), tmp_path / "out.ipynb", {})
    assert Path(kept.read_text()).name.startswith("tmp")
    assert not Path(kept.read_text()).exists()


def test_next_kernel_is_there_in_advance(tmp_path: Path) -> None:
    with Kernels([tmp_path / "a.ipynb", tmp_path / "b.ipynb"]) as kernels:
        first = kernels.take_next()
        assert len(kernel_processes()) == 2, "the kernel, and what it is forked from"
        kernels.start_next()
        kernels.start_next()
        assert len(kernel_processes()) == 3
        assert kernels.take_next() is not first
    assert kernel_processes() == []


def run_all(folder: Path, *sources: str) -> list[str]:
    """What notebooks of one cell each print, whose kernels are forked from one process."""
    notebooks = [write_notebook(folder / f"{n}.ipynb", source) for n, source in enumerate(sources)]
    with Kernels(notebooks) as kernels:
        for notebook in notebooks:
            execute_notebook(
                notebook, folder / "out" / notebook.name, {}, Callbacks(lambda *_: kernels.start_next()), kernels
            )
    assert kernel_processes() == []
    return [outputs(folder / "out" / notebook.name) for notebook in notebooks]


def test_kernels_of_a_run_share_nothing_but_what_they_imported(tmp_path: Path) -> None:
    source = """
import os, random, tempfile, threading
import numpy, pandas
pandas.options.display.max_rows = (pandas.options.display.max_rows or 0) + 1
print(os.getpid(), os.getppid() == int(os.environ["JPY_PARENT_PID"]), pandas.options.display.max_rows, sep=",")
print(tempfile.gettempdir(), numpy.random.random(), random.random(), sep=",", end="")
"""
    first, second = (
        [*line.split(",")] for line in (text.replace("\n", ",") for text in run_all(tmp_path, source, source))
    )
    assert [one == other for one, other in zip(first, second, strict=True)] == [False, True, True, False, False, False]
    assert first[1] == "True"


def test_a_plot_shows_below_its_cell(tmp_path: Path) -> None:
    source = "import techco.findings\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    notebook = write_notebook(tmp_path / "a.ipynb", source)
    execute_notebook(notebook, tmp_path / "out.ipynb", {})
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert any("image/png" in out.get("data", {}) for cell in cells for out in cell.get("outputs", []))


def test_only_modules_that_may_be_forked_are_shared(tmp_path: Path) -> None:
    notebook = write_notebook(
        tmp_path / "a.ipynb", "import json, torch\nfrom techco import Period, ingest\nimport techco.join"
    )
    shared = [name for name in shared_modules(notebook) if name.startswith("techco")]
    assert shared == ["techco", "techco.Period", "techco.ingest", "techco.join"]
    code = "import sys, techco.notebooks.slim_imports, techco.ingest, techco.join, techco.analysis, techco.findings; "
    code += "sys.exit('deltalake' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sail_has_no_thread_before_it_is_started() -> None:
    code = "import os, pandas, pyspark.sql.connect.session as _; before = os.listdir('/proc/self/task'); "
    code += "import pysail.spark; assert os.listdir('/proc/self/task') == before"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_kernel_adds_nothing_to_the_history_of_what_the_user_has_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    assert run_all(tmp_path, "print(In[1][:7])") == ["storage\n"]
    assert (tmp_path / "ipython").is_dir()
    assert not list(tmp_path.rglob("history*"))


def test_a_kernel_has_no_debugger_and_a_notebook_may_have_it(tmp_path: Path) -> None:
    source = "import sys\nprint('debugpy' in sys.modules)\nprint(__import__('debugpy').__name__)"
    assert run_all(tmp_path, source) == ["False\ndebugpy\n"]


def test_a_notebook_has_failed_when_the_process_its_kernel_was_forked_from_dies(tmp_path: Path) -> None:
    source = "import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)"
    with pytest.raises(StepFailed, match="The kernel died in cell 2 of 2"):
        execute_notebook(write_notebook(tmp_path / "a.ipynb", source), tmp_path / "out.ipynb", {})
    assert kernel_processes() == []


def test_a_notebook_has_failed_when_no_kernel_can_be_forked(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb")
    with Kernels([notebook]) as kernels:
        for line in kernel_processes():
            os.kill(int(line.split()[0]), signal.SIGKILL)
        with pytest.raises(StepFailed, match="The process that kernels are forked from has died"):
            execute_notebook(notebook, tmp_path / "out.ipynb", {}, kernels=kernels)
    assert kernel_processes() == []


def test_no_process_outlives_one_that_is_killed(tmp_path: Path) -> None:
    started = tmp_path / "started"
    source = "import os, pathlib, time\n"
    source += f"pathlib.Path({str(started)!r}).write_text(f'{{os.getpid()}} {{os.getppid()}}')\ntime.sleep(60)"
    notebook = write_notebook(tmp_path / "a.ipynb", source)
    code = "import sys; from pathlib import Path; from techco.notebooks.execute import execute_notebook; "
    code += "execute_notebook(Path(sys.argv[1]), Path(sys.argv[2]), {})"
    with subprocess.Popen([sys.executable, "-c", code, notebook, tmp_path / "out.ipynb"]) as process:
        left = [int(pid) for pid in wait_for_text(started).split()]
        process.kill()
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in left) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in left if is_running(pid)]


def test_waiting_kernel_imports_what_its_notebook_imports(tmp_path: Path) -> None:
    (tmp_path / "b.ipynb").write_text("not a notebook")
    notebook = write_notebook(tmp_path / "a.ipynb", "%pip list", "import os, json\nfrom techco import Period\nx = 1")
    assert import_statements(notebook).splitlines()[-2:] == ["import os, json", "from techco import Period"]
    assert import_statements(tmp_path / "b.ipynb") == ""


def test_as_a_cell_starts_the_notebook_is_saved_with_all_cells_before(tmp_path: Path) -> None:
    output = tmp_path / "out.ipynb"
    look = f"import json\nfor cell in json.load(open({str(output)!r}))['cells'][2:]:\n"
    look += "    print(cell['metadata']['papermill']['status'], [out['text'] for out in cell['outputs']])"
    execute_notebook(write_notebook(tmp_path / "a.ipynb", "print('first')", look, "1"), output, {})
    assert outputs(output) == "first\ncompleted [['first\\n']]\nrunning []\npending []\n"
    assert statuses(output) == ["completed"] * 4


def test_interrupt_leaves_no_process_and_the_cells_so_far(tmp_path: Path) -> None:
    started, output = tmp_path / "started", tmp_path / "out.ipynb"
    source = f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    notebook = write_notebook(tmp_path / "a.ipynb", source)
    code = "import sys; from pathlib import Path; from techco.notebooks.execute import execute_notebook; "
    code += "execute_notebook(Path(sys.argv[1]), Path(sys.argv[2]), {})"
    with subprocess.Popen([sys.executable, "-c", code, notebook, output], stderr=subprocess.PIPE) as process:
        kernel = int(wait_for_text(started))
        os.kill(kernel, 0)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
    assert stderr.decode().rstrip().endswith("KeyboardInterrupt")
    assert b"never retrieved" not in stderr
    assert statuses(output) == ["completed", "failed"]
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def kernel_processes() -> list[str]:
    """The kernels that this process has started, and what they are forked from."""
    listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [
        line.split(maxsplit=3) for line in listed.stdout.splitlines() if "techco.notebooks.forkserver_process" in line
    ]
    nurseries = [pid for pid, parent, *_ in rows if parent == str(os.getpid())]
    return [" ".join(row) for row in rows if row[0] in nurseries or row[1] in nurseries]


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended; one that nobody waits for stays listed."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_papermill_is_imported_without_what_it_needs_for_clouds_and_these_stay_usable() -> None:
    code = (
        "import sys; from techco.notebooks.slim_imports import import_papermill; import_papermill(); "
        "print([name for name in ('rfc3987_syntax', 'papermill.abs', 'pyarrow') if name in sys.modules]); "
        "import papermill.abs, pyarrow.fs, azure.storage.blob"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"]
