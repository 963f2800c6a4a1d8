"""Who may read what a run writes, who can talk to it, and whose code it runs."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from pathlib import Path

import psutil
import pytest

from techco.sample.generate import SampleSpec, generate
from techco.system.files import write_whole
from tests.support.processes import Started, marked
from tests.support.tiny_notebooks import outputs, wait_for_text, write_notebook, write_templates

pytestmark = pytest.mark.slow  # each starts kernels or whole runs

RUN = ["run", "--storage", "shop", "--period", "2023-08", "--out", "out"]
SMALL = SampleSpec(customers=20, products=5, logs=200)


@pytest.fixture(params=[0o077, 0o027, 0o022], ids=["077", "027", "022"])
def mask(request: pytest.FixtureRequest) -> int:
    """A umask that users have."""
    return int(request.param)


def test_files_are_as_public_as_the_user_wants(tmp_path: Path, mask: int) -> None:
    generate(tmp_path / "shop", SMALL)
    before = os.umask(mask)
    try:
        run = Started(tmp_path, *RUN, "--steps", "ingest" if mask != 0o027 else "ingest,join,analysis")
        assert run.wait().code == 0
    finally:
        os.umask(before)
    for folder in ("out/runs", "out/reports", "shop/tables"):
        paths = [tmp_path / folder, *(tmp_path / folder).rglob("*")]
        assert len(paths) > 3
        for path in paths:
            wanted = (0o777 if path.is_dir() else 0o666) & ~mask
            assert stat.S_IMODE(path.stat().st_mode) == wanted, f"{path} {path.stat().st_mode:o}"


def test_a_page_takes_the_place_of_a_link_and_not_of_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "page.html").symlink_to(tmp_path / "other")
    write_whole(tmp_path / "page.html", "ours")
    assert (tmp_path / "other").read_text() == "theirs"
    assert not (tmp_path / "page.html").is_symlink()


WAITING = """
import pathlib, time
from techco import Period, open_shop
shop = open_shop(storage, Period.of(start_date, end_date), engine=engine, run_id=run_id)
shop.spark.sql("SELECT 1").collect()
pathlib.Path("started").write_text("x")
deadline = time.monotonic() + 60  # also if the test has failed
while not pathlib.Path("go").exists() and time.monotonic() < deadline:
    time.sleep(0.05)
"""


def test_while_a_step_runs_only_its_engine_and_its_output_listen_and_only_to_this_machine(tmp_path: Path) -> None:
    generate(tmp_path / "shop", SMALL)
    without = "import pathlib, time\npathlib.Path('first').write_text('x')\ntime.sleep(4)"
    templates = write_templates(tmp_path / "templates", ingest=without, join=WAITING)
    run = Started(tmp_path, *RUN, TECHCO_TEMPLATES=str(templates))
    wait_for_text(tmp_path / "first")
    time.sleep(1)  # the next kernel starts
    assert len(listening(run)) == 2, "by a port each, kernels take what processes print that a cell forks"
    wait_for_text(tmp_path / "started")
    assert len(marked(run.mark)) == 4, "the run, the forkserver, the kernel and the next one, which waits"
    found = listening(run)
    assert len(found) == 3, "the engine, too"
    assert {address for address, _ in found} == {"127.0.0.1"}
    check_private(run.temporary)
    (tmp_path / "go").touch()
    assert run.wait().code == 0
    for place in found:
        with socket.socket() as probe:
            assert probe.connect_ex(place)


def listening(run: Started) -> list[tuple[str, int]]:
    """Where the processes of a run listen."""
    pids = [int(line.split()[0]) for line in marked(run.mark)]
    found = [one for pid in pids for one in psutil.Process(pid).net_connections("inet")]
    return [(one.laddr.ip, one.laddr.port) for one in found if one.status == psutil.CONN_LISTEN or not one.status]


def check_private(folder: Path) -> None:
    """That nobody else can look into what lies in a folder."""
    paths = list(folder.iterdir())
    assert paths
    for path in paths:
        assert path.is_dir(), path
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    assert any(path.is_socket() for path in folder.rglob("*"))


HOSTILE = "import os, pathlib\npathlib.Path(os.environ['TECHCO_TEST_RAN']).touch()\nraise SystemExit('hostile')\n"
MODULES = (
    "json", "random", "typing", "logging", "site", "sitecustomize", "usercustomize", "conftest", "numpy", "pandas",
    "pyspark", "pysail", "papermill", "nbconvert", "ipykernel", "IPython", "matplotlib", "deltalake", "pyarrow",
    "ipython_config", "ipython_kernel_config", "jupyter_config", "jupyter_nbconvert_config", "hostile",
)  # fmt: skip
PLUGIN = "[papermill.engine]\ntechco = hostile:Engine\n[papermill.io]\nshop = hostile:Io\n"
TEMPLATE = "{{ lipsum.__globals__['os'].system('touch ' + lipsum.__globals__['os'].environ['TECHCO_TEST_RAN']) }}"


def plant(folder: Path) -> None:
    """Fill a folder with all that some program runs or obeys when it finds it in the current directory."""
    for name in MODULES:
        (folder / f"{name}.py").write_text(HOSTILE)
    for place in ("techco", ".ipython/profile_default/startup", "profile_default/startup", "hostile-1.dist-info"):
        (folder / place).mkdir(parents=True)
    (folder / "hostile-1.dist-info" / "entry_points.txt").write_text(PLUGIN)
    (folder / "hostile-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1\n")
    for path in ("techco/__init__.py", ".ipython/profile_default/startup/00.py", "profile_default/startup/00.py"):
        (folder / path).write_text(HOSTILE)
    for place in (".", "templates", "runs/20230901T060000-2023-08-01_2023-08-31"):
        for step in ("ingest", "join", "analysis"):
            write_notebook(folder / place / f"{step}.ipynb", HOSTILE)
    for place in ("notebook", "base", "lab", "classic"):
        (folder / place).mkdir()
        (folder / place / "index.html.j2").write_text(TEMPLATE)
        (folder / place / "conf.json").write_text('{"base_template": "base"}')
    (folder / "matplotlibrc").write_text("backend: module://hostile\nfigure.facecolor: red\n")
    (folder / ".env").write_text("TECHCO_TEMPLATES=templates\n")


def test_nothing_that_lies_in_a_storage_is_executed(tmp_path: Path) -> None:
    shop, ran = tmp_path / "shop", tmp_path / "ran"
    expected = generate(shop, SMALL)
    plant(shop)
    words = ["run", "--storage", ".", "--period", "2023-08", "--out", str(tmp_path / "out"), "--json", "--no-progress"]
    ended = Started(shop, *words, TECHCO_TEST_RAN=str(ran)).wait()
    assert (ended.code, ended.stderr) == (0, "")
    assert not ran.exists()
    assert json.loads(ended.stdout)["metrics"]["total_sales"] == expected.total_sales


def test_a_notebook_may_import_what_lies_beside_it_and_is_nowhere_else(tmp_path: Path) -> None:
    generate(tmp_path / "shop", SMALL)
    templates = write_templates(tmp_path / "mine", join="import helper, json\nprint(helper.WORD, json.dumps([1]))")
    (templates / "helper.py").write_text("WORD = 'mine'")
    (templates / "json.py").write_text(HOSTILE)
    assert Started(tmp_path, *RUN, "--steps", "join", TECHCO_TEMPLATES="mine").wait().code == 0
    assert outputs(next(tmp_path.glob("out/runs/*/join.ipynb"))).startswith("mine [1]\n")
