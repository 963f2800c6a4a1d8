"""A command that is interrupted, at whatever moment, ends soon, says so, and leaves nothing half done."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from deltalake import DeltaTable

from techco.records.find import recorded_runs
from techco.records.record import RunRecord
from techco.sample.generate import Expected, SampleSpec, generate
from tests.support.needs import missing
from tests.support.processes import Ended, Started, marked, wait_until_gone
from tests.support.stand_ins import free_port
from tests.support.tiny_notebooks import wait_for_text, write_templates

pytestmark = pytest.mark.slow  # each starts kernels or whole runs

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOLD = "Error: Interrupted. Nothing is left running."
# A run ends within three seconds on a quiet machine; here others may work, too.
_ENDS_WITHIN_S = 10
_MOMENTS = 4
_SOAK_MOMENTS, _SOAK_SEED = (int(os.environ.get(name, "150")) for name in ("SOAK_MOMENTS", "SOAK_SEED"))


@dataclass
class Trial:
    """A sample shop that runs are tried on, and how long one takes."""

    folder: Path
    expected: Expected
    seconds: float

    def words(self) -> list[str]:
        """The command line of a run that does all work again."""
        return ["run", "--storage", "shop", "--period", "2023-08", "--out", "out", "--refresh"]

    def interrupt(self, moment: float, number: int, group: bool, again_after_s: float = 0) -> Ended:
        """Interrupt a new run at a moment of its duration."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        started = Started(self.folder, *self.words())
        time.sleep(moment)
        return started.interrupt(number, group=group, again_after_s=again_after_s)

    def check(self, ended: Ended, number: int, quick: bool = False) -> None:
        """All that must be so after an interruption; a `quick` one had no time for a report."""
        assert (ended.processes, ended.temporary) == ([], [])
        assert ended.seconds < _ENDS_WITHIN_S
        out = self.folder / "out"
        assert [path for path in out.rglob(".*") if path.name != ".lock"] == []
        assert all((path / "run.json").is_file() for path in out.glob("runs/[!.]*"))
        records = recorded_runs(out)
        if ended.code == 0:  # it was there first
            assert [record.is_completed for record in records] == [True]
        else:
            assert ended.code == 128 + number, ended
            outcomes = [record.outcome for record in records]
            # In the last moment a run prints what it has found, and its Python ends: too late to make it fail.
            is_completed = [record.is_completed for record in records] == [True]
            assert is_completed or outcomes in ([], ["failed (interrupted)"])
            if not is_completed:
                self._check_told(ended, bool(records))
            assert "Traceback" not in ended.stderr or not records
            assert quick or all(Path(str(record.report)).is_file() for record in records)
        self.check_tables()

    def _check_told(self, ended: Ended, has_run: bool) -> None:
        lines = [
            line for line in ended.stderr.splitlines() if not line.startswith(("ingest: ", "join: ", "analysis: "))
        ]
        if has_run:
            told = [line.removeprefix("Error: " * line.count("Error: ")) for line in lines if line]
            assert {line for line in told if not line.startswith("Report: ")} == {TOLD[7:]}, ended.stderr
        elif TOLD not in lines:  # Python itself was starting, and did not know of techco
            assert "/techco/cli/app.py" not in ended.stderr, ended.stderr

    def check_tables(self) -> None:
        """Every table can be read, and nothing lies beside the tables."""
        for table in (self.folder / "shop" / "tables").glob("[!_]*"):
            if (table / "_delta_log").is_dir():
                DeltaTable(str(table)).to_pyarrow_table()
        assert list((self.folder / "shop").glob("tables/_scratch-*")) == []

    def completed(self) -> RunRecord:
        """A run that was not interrupted."""
        if [record.is_completed for record in recorded_runs(self.folder / "out")] != [True]:
            shutil.rmtree(self.folder / "out", ignore_errors=True)
            self.check_next()
        (record,) = recorded_runs(self.folder / "out")
        return record

    def check_next(self) -> None:
        """The next run finds what is true."""
        ended = Started(self.folder, *self.words(), "--json").wait()
        assert (ended.code, ended.processes, ended.temporary) == (0, [], [])
        metrics = json.loads(ended.stdout)["metrics"]
        assert metrics["total_sales"] == self.expected.total_sales
        assert metrics["records"]["accepted"] == self.expected.records["accepted"]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A small sample shop, and how long a run of the shipped templates takes on it."""
    folder = tmp_path_factory.mktemp("trial")
    expected = generate(folder / "shop", SampleSpec(customers=100, products=10, logs=2000))
    trial = Trial(folder, expected, 0)
    trial.check_next()
    begun = time.monotonic()
    trial.check_next()
    trial.seconds = time.monotonic() - begun
    return trial


def test_a_run_can_be_interrupted_at_any_moment(trial: Trial) -> None:
    dice = random.Random(7)
    for turn in range(_MOMENTS):
        number = SIGNALS[turn % len(SIGNALS)]
        moment = trial.seconds * (turn + dice.random()) / _MOMENTS
        ended = trial.interrupt(moment, number, group=turn % 2 == 0)
        trial.check(ended, number)
    trial.check_next()


def test_a_second_ctrl_c_does_not_wait(trial: Trial) -> None:
    dice = random.Random(8)
    for turn in range(2):
        ended = trial.interrupt(trial.seconds * (0.3 + 0.3 * turn), signal.SIGINT, True, 0.35 + 0.3 * dice.random())
        trial.check(ended, signal.SIGINT, quick=True)
    trial.check_next()


@pytest.mark.soak
def test_a_run_can_be_interrupted_at_very_many_moments(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    dice, seconds = random.Random(_SOAK_SEED), []
    for turn in range(_SOAK_MOMENTS):
        number, group, twice = dice.choice(SIGNALS), dice.random() < 0.5, dice.random() < 0.3
        moment, again = dice.uniform(0, trial.seconds * 1.1), dice.uniform(0.31, 1.5) if twice else 0
        ended = trial.interrupt(moment, number, group, again)
        with capsys.disabled():
            what = f"{_SOAK_SEED} {turn}: {number} at {moment:.3f} s, group {group}, again {again:.2f} s"
            print(f"{what}: {ended.code} in {ended.seconds:.2f} s")  # noqa: T201
        trial.check(ended, number, quick=twice)
        if not twice and ended.code:
            seconds.append(ended.seconds)
        if turn % 10 == 9:
            trial.check_next()
    with capsys.disabled():
        places = statistics.quantiles(seconds, n=20)
        print(f"median {statistics.median(seconds):.2f} s, 95 % {places[-1]:.2f} s, longest {max(seconds):.2f} s")  # noqa: T201


@pytest.mark.parametrize("end", ["time.sleep(600)", ""])
def test_what_a_cell_has_started_goes_with_the_run(tmp_path: Path, end: str) -> None:
    started = tmp_path / "started"
    source = f"""
import pathlib, subprocess, time
subprocess.Popen(["sleep", "600"])
subprocess.Popen(["sh", "-c", "sleep 600 & setsid sleep 600 & wait"], start_new_session=True)
time.sleep(0.3)
pathlib.Path({str(started)!r}).write_text("x")
time.sleep(2)  # until it has been seen
{end}
"""
    write_templates(tmp_path / "templates", join=source)
    (tmp_path / "shop").mkdir()
    run = Started(tmp_path, *RUN_JOIN, TECHCO_TEMPLATES=str(tmp_path / "templates"))
    wait_for_text(started)
    assert len([line for line in marked(run.mark) if "sleep" in line]) >= 3
    ended = run.interrupt() if end else run.wait()
    assert (ended.code, ended.processes, ended.temporary) == (130 if end else 0, [], [])


RUN_JOIN = ["run", "--storage", "shop", "--period", "2023-08", "--out", "out", "--steps", "join"]


def test_a_run_that_is_killed_leaves_no_process_and_no_rows_among_temporary_files(trial: Trial) -> None:
    for share in (0.2, 0.5):
        run = Started(trial.folder, *trial.words())
        time.sleep(trial.seconds * share)
        run.process.kill()
        run.process.communicate()
        assert wait_until_gone(run.mark, run.temporary) == ([], [])
        trial.check_tables()


def test_a_killed_run_takes_with_it_what_a_cell_has_put_aside(tmp_path: Path) -> None:
    started = tmp_path / "started"
    source = f"""
import pathlib, subprocess, tempfile, time
pathlib.Path(tempfile.mkdtemp(), "rows").write_text("ann@example.com")
subprocess.Popen(["sleep", "600"], start_new_session=True)
pathlib.Path({str(started)!r}).write_text(tempfile.gettempdir())
time.sleep(600)
"""
    write_templates(tmp_path / "templates", join=source)
    (tmp_path / "shop").mkdir()
    run = Started(tmp_path, *RUN_JOIN, TECHCO_TEMPLATES=str(tmp_path / "templates"))
    aside = Path(wait_for_text(started))
    assert aside.is_relative_to(run.temporary)
    assert list(aside.rglob("rows"))
    run.process.kill()
    run.process.communicate()
    assert wait_until_gone(run.mark, run.temporary) == ([], [])


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_sample_shop_that_is_interrupted_is_not_there(tmp_path: Path, share: float) -> None:
    words = ["generate", "shop", "--logs", "400000", "--format", "folder"]
    begun = time.monotonic()
    assert Started(tmp_path, *words).wait().code == 0
    whole = time.monotonic() - begun
    shutil.rmtree(tmp_path / "shop")
    run = Started(tmp_path, *words)
    time.sleep(whole * share)
    ended = run.interrupt()
    assert (ended.code, ended.processes, ended.temporary) == (130, [], [])
    assert ended.stderr == f"{TOLD}\n"
    assert [path.name for path in tmp_path.glob("shop/*")] == []


def test_pages_that_are_interrupted_are_whole_and_can_be_made_again(trial: Trial) -> None:
    record = trial.completed()
    for moment in (0.3, 0.8):
        run = Started(trial.folder, "render", record.run_id, "--out", "out")
        time.sleep(moment)
        ended = run.interrupt(signal.SIGTERM)
        assert ended.code in (0, 143)
        assert "Traceback" not in ended.stderr
        assert all(path.read_text().rstrip().endswith("</html>") for path in trial.folder.glob("out/reports/**/*.html"))
    assert Started(trial.folder, "render", record.run_id, "--out", "out").wait().code == 0
    assert [one.is_completed for one in recorded_runs(trial.folder / "out")] == [True]


def test_doctor_can_be_interrupted(trial: Trial) -> None:
    tables = sorted(path for path in (trial.folder / "shop").rglob("*"))
    for moment in (0.4, 1.4, 2.4):
        run = Started(trial.folder, "doctor", "--storage", "shop", "--out", "out")
        time.sleep(moment)
        ended = run.interrupt()
        assert ended.code in (0, 130)
        assert ended.seconds < _ENDS_WITHIN_S
        assert (ended.processes, ended.temporary) == ([], [])
        assert ended.stderr in ("", f"{TOLD}\n")
        assert sorted(path for path in (trial.folder / "shop").rglob("*")) == tables


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A server that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", free_port()))
        listening.listen(100)
        yield listening.getsockname()[1]


def test_publishing_to_what_does_not_answer_can_be_interrupted(trial: Trial, silent_server: int) -> None:
    record = trial.completed()
    target = "abfss://data@myshop.dfs.core.windows.net"
    words = ["publish", record.run_id, "--out", "out", "--to", target]
    endpoint = f"http://127.0.0.1:{silent_server}/myshop"
    run = Started(trial.folder, *words, TECHCO_ENDPOINT=endpoint, AZURE_STORAGE_KEY="a2V5")
    time.sleep(3)
    ended = run.interrupt(signal.SIGTERM)
    assert (ended.code, ended.stderr, ended.processes) == (143, f"{TOLD}\n", [])
    assert ended.seconds < _ENDS_WITHIN_S
    assert recorded_runs(trial.folder / "out") == [record]


def test_a_run_that_ignores_hang_ups_goes_on(tmp_path: Path) -> None:
    started = tmp_path / "started"
    write_templates(tmp_path / "templates", join=f"import pathlib, time\npathlib.Path({str(started)!r}).touch()")
    (tmp_path / "shop").mkdir()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = Started(tmp_path, *RUN_JOIN, TECHCO_TEMPLATES=str(tmp_path / "templates"))
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    time.sleep(1)
    assert run.interrupt(signal.SIGHUP).code == 0


def test_the_list_tells_an_interrupted_run_from_a_broken_one(tmp_path: Path) -> None:
    started = tmp_path / "started"
    stopped = f"import pathlib, time\npathlib.Path({str(started)!r}).write_text('x')\ntime.sleep(600)"
    (tmp_path / "shop").mkdir()
    for source, code in (("1 / 0", 1), (stopped, 143)):
        write_templates(tmp_path / "templates", join=source)
        run = Started(tmp_path, *RUN_JOIN, TECHCO_TEMPLATES=str(tmp_path / "templates"))
        if source == stopped:
            wait_for_text(started)
            run.process.send_signal(signal.SIGTERM)
        assert run.wait().code == code
    listed = Started(tmp_path, "list", "--out", "out").wait().stdout.splitlines()
    assert ["failed (interrupted)" in line for line in listed] == [True, False]
    assert all("  failed" in line for line in listed)
    assert "interrupted in join" in (tmp_path / "out" / "reports" / "index.html").read_text()


@pytest.mark.spark
def test_apache_spark_ends_with_a_run_that_is_interrupted_while_it_starts_or_killed_later(tmp_path: Path) -> None:
    if not shutil.which("java"):
        missing("No Java on this machine: Apache Spark needs Java 17 or newer")
    started = tmp_path / "started"
    source = f"import pathlib, time\npathlib.Path({str(started)!r}).write_text('x')\ntime.sleep(600)"
    write_templates(tmp_path / "templates", join=source)
    generate(tmp_path / "shop", SampleSpec(customers=5, products=3, logs=20))
    words, variables = [*RUN_JOIN, "--engine", "spark"], {"TECHCO_TEMPLATES": str(tmp_path / "templates")}
    run = Started(tmp_path, *words, **variables)
    while not any("java" in line and "SparkSubmit" in line for line in marked(run.mark)):
        assert run.process.poll() is None
        time.sleep(0.05)
    ended = run.interrupt()
    assert (ended.code, ended.stderr, ended.processes, ended.temporary) == (130, f"{TOLD}\n", [], [])
    run = Started(tmp_path, *words, **variables)
    wait_for_text(started, timeout_s=120)
    assert list(run.temporary.glob("techco-*/blockmgr-*")), "Spark's files are among those of the run"
    run.process.kill()
    run.process.communicate()
    assert wait_until_gone(run.mark, run.temporary, timeout_s=20) == ([], [])
