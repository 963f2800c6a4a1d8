"""A run is called completed only if every code cell of every step ran, whatever its notebooks do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import nbformat
import pytest

from techco.period import Period
from techco.records.find import recorded_runs
from techco.records.record import RunRecord
from techco.runs.run import RunRequest, run
from tests.support.needs import missing
from tests.support.processes import Started
from tests.support.tiny_notebooks import outputs, statuses, write_notebook, write_templates

pytestmark = pytest.mark.slow  # each starts kernels or whole runs

AUGUST = Period(date(2023, 8, 1), date(2023, 8, 31))
DIED = "The kernel died in cell 3 of 4"
OUT_OF_MEMORY = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
rows = bytearray(4 << 30)
"""
# A library that meets the end of memory where it cannot tell Python of it ends the process.
OUT_OF_MEMORY_BELOW_PYTHON = """
import os, resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    rows = bytearray(4 << 30)
except MemoryError:
    os.abort()
"""


def request(folder: Path, **steps: str) -> RunRequest:
    """A request for two steps, with a tiny notebook for each."""
    (folder / "shop").mkdir(exist_ok=True)
    templates = write_templates(folder / "templates", **steps)
    wanted = ("join", "analysis")
    return RunRequest(AUGUST, storage=str(folder / "shop"), out=folder / "out", templates=templates, steps=wanted)


def assert_failed(record: RunRecord, words: str) -> None:
    """That a run failed in its first step, on disk, in its page and in the list of runs."""
    assert record.status == "failed"
    assert record.error is not None
    assert words in record.error.message
    assert (record.error.step, record.error.interrupted) == ("join", False)
    assert [step.status for step in record.steps] == ["failed", "pending"]
    page = Path(str(record.report))
    assert page.is_file()
    assert "Not run: analysis." in page.read_text()
    (saved,) = recorded_runs(page.parents[2])
    assert saved == record
    assert 'class="badge failed"' in (page.parents[1] / "index.html").read_text()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import sys\nsys.exit(0)", "Cell [3] ended the notebook with SystemExit(0)"),
        pytest.param("import sys\nsys.exit()", "Cell [3] ended the notebook with SystemExit()", marks=pytest.mark.soak),
        pytest.param("import sys\nsys.exit('why')", "Cell [3] failed: SystemExit: why", marks=pytest.mark.soak),
        pytest.param("raise SystemExit", "Cell [3] ended the notebook with SystemExit()", marks=pytest.mark.soak),
        ("raise KeyboardInterrupt", "Cell [3] failed: KeyboardInterrupt"),
        ("exit()", "Cell [3] ended the notebook with exit() or quit(); success means that every cell ran."),
        ("quit()\nprint(1)", "Cell [3] ended the notebook with exit() or quit()"),
        pytest.param("import os\nos._exit(0)", DIED, marks=pytest.mark.soak),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", DIED),
        pytest.param(
            "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nimport time\ntime.sleep(60)",
            DIED,
            marks=pytest.mark.soak,
        ),
        (OUT_OF_MEMORY, "Cell [3] failed: MemoryError"),
        (OUT_OF_MEMORY_BELOW_PYTHON, DIED),
        ("import os\nos.closerange(3, 1000)", "The kernel "),
        pytest.param("%%script false\nx", "Cell [3] failed: CalledProcessError", marks=pytest.mark.soak),
        ("%no_such_magic", "Cell [3] failed: UsageError"),
        pytest.param("1 +", "Cell [3] failed: SyntaxError", marks=pytest.mark.soak),
        pytest.param(
            "await __import__('asyncio').sleep(0)\n1 / 0", "Cell [3] failed: ZeroDivisionError", marks=pytest.mark.soak
        ),
    ],
)
def test_a_notebook_that_stops_early_has_failed(tmp_path: Path, source: str, words: str) -> None:
    assert_failed(run(request(tmp_path, join=source)), words)


def test_cells_without_code_that_fails_stop_nothing(tmp_path: Path) -> None:
    wanted = request(tmp_path)
    cells = ("", "\n \n", "# only a comment", "%%script true\nx", "get_ipython().ask_exit", "print('the end')")
    write_notebook(tmp_path / "templates" / "join.ipynb", *cells)
    record = run(wanted)
    assert record.status == "completed"
    assert outputs(Path(str(record.steps[0].notebook))) == "the end\n"


@pytest.mark.parametrize(
    "harm",
    [
        "shutil.rmtree(run)",
        pytest.param("(run / 'join.ipynb').unlink()", marks=pytest.mark.soak),
        "(run / 'join.ipynb').write_text('{')",
        pytest.param("(run / 'run.json').unlink()", marks=pytest.mark.soak),
        "(run / 'run.json').write_text('{\"status\": \"completed\"}')",
    ],
)
def test_what_a_cell_does_to_the_files_of_its_run_cannot_make_it_look_completed(tmp_path: Path, harm: str) -> None:
    source = f"import pathlib, shutil\nrun = pathlib.Path({str(tmp_path)!r}, 'out/runs', run_id)\n{harm}\n1 / 0"
    record = run(request(tmp_path, join=source))
    assert_failed(record, "Cell [3] failed: ZeroDivisionError")
    assert statuses(Path(str(record.steps[0].notebook))) == ["completed", "completed", "failed", "pending"]


def test_a_cell_that_is_tagged_may_fail(tmp_path: Path) -> None:
    wanted = request(tmp_path)
    path = write_notebook(tmp_path / "templates" / "join.ipynb", "1 / 0", "print('after')")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].metadata.tags = ["raises-exception"]
    nbformat.write(notebook, path)
    record = run(wanted)
    assert (record.status, record.error) == ("completed", None)
    page = Path(str(record.steps[0].report)).read_text()
    assert "ZeroDivisionError" in page
    assert "This cell is allowed to fail, and did: " in page
    assert 'class="badge failed"' not in page


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "techco", folder], check=False)
    if mounted.returncode:
        missing("tmpfs cannot be mounted: tests are not run by root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


# The record and the first cell still fit, or not even these.
@pytest.mark.parametrize("left_kb", [0, 40])
def test_a_full_disk_never_leaves_a_completed_run(tmp_path: Path, small_disk: Path, left_kb: int) -> None:
    (tmp_path / "shop").mkdir()
    templates = write_templates(tmp_path / "templates", join="print('x' * 60_000)")
    size = shutil.disk_usage(small_disk).free - left_kb * 1024
    (small_disk / "filling").write_bytes(b"x" * size)
    words = ["run", "--storage", "shop", "--period", "2023-08", "--out", str(small_disk), "--no-progress"]
    ended = Started(tmp_path, *words, TECHCO_TEMPLATES=str(templates)).wait()
    assert (ended.code, ended.stdout, ended.processes, ended.temporary) == (1, "", [], [])
    assert "Error: Files cannot be written" in ended.stderr
    assert "No space left on device. Make room, or give another folder with --out." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path for path in small_disk.rglob(".*") if path.name != ".lock"] == []
    assert {record.status for record in recorded_runs(small_disk)} <= {"failed"}


def test_a_user_whose_home_cannot_be_written_leaves_no_temporary_files(tmp_path: Path) -> None:
    """Libraries then put their caches aside, also in the process that kernels are forked from."""
    (tmp_path / "shop").mkdir()
    templates = write_templates(
        tmp_path / "templates", join="import matplotlib, techco.display.plots\nprint(matplotlib.get_configdir())"
    )
    words = ["run", "--storage", "shop", "--period", "2023-08", "--out", "out", "--steps", "join", "--no-progress"]
    ended = Started(tmp_path, *words, TECHCO_TEMPLATES=str(templates), HOME="/dev/null").wait()
    assert (ended.code, ended.processes, ended.temporary) == (0, [], [])
    (notebook,) = tmp_path.glob("out/runs/*/join.ipynb")
    assert "/matplotlib-" in outputs(notebook)
