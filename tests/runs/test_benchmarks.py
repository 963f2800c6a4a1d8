"""The benchmark measures what it says, and takes no wrong answer. No time is asserted: machines differ."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.needs import missing

pytestmark = pytest.mark.slow  # what measures runs, makes them

ROOT = Path(__file__).parents[2]
if find_spec("duckdb") is None or find_spec("psutil") is None:
    pytestmark = pytest.mark.skip(reason="the extra `benchmark` is not installed")
    if os.environ.get("CI"):
        missing("The extra `benchmark` is not installed")
else:
    import psutil

    from tests.benchmarks.answers import ANSWERS, Answers, WrongAnswers
    from tests.benchmarks.contenders import Contender, contenders
    from tests.benchmarks.contenders import missing as lacks
    from tests.benchmarks.measure import CommandFailed, measure
    from tests.benchmarks.one_day import DAY, day_alone, day_of_all
    from tests.benchmarks.place import fresh_place
    from tests.benchmarks.processes import MARK
    from tests.benchmarks.results import ratios, summarize
    from tests.benchmarks.rounds import Measurement, rounds
    from tests.benchmarks.shops import sample

LOGS = 2000
PROGRAMS = ROOT / "tests" / "benchmarks" / "programs"
NAMES = ["techco run", "techco run again", "DuckDB notebook", "techco steps, script", "DuckDB script"]
HOLD_100_MB = """
import os, time
if os.fork() == 0:
    os.setsid()
    kept = bytearray(os.urandom(1024)) * 100_000
    time.sleep(1)
    os._exit(0)
os.wait()
"""


def command(work: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks", "--work", str(work), "--no-warm-up", *words]


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What a small benchmark wrote and printed; it fails unless all find the figures that the generator expects."""
    work = tmp_path_factory.mktemp("benchmark")
    words = command(work, "--logs", str(LOGS), "--repeat", "1", "--peers", "duckdb", "--json", str(work / "b.json"))
    env = {**os.environ, "TECHCO_STORAGE": "/nowhere", "COLUMNS": "120"}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list((work / "runs").iterdir())
    facts: dict[str, Any] = json.loads((work / "b.json").read_text(encoding="utf-8"))
    return facts, done.stdout


def test_every_contender_is_measured_and_agrees(benchmark: tuple[dict[str, Any], str]) -> None:
    facts, _ = benchmark
    assert (facts["failure"], facts["skipped"], facts["sizes"], facts["repeat"]) == ("", {}, [LOGS], 1)
    assert [one["contender"] for one in facts["measurements"]] == NAMES
    for one in facts["measurements"]:
        assert set(one) == {
            "logs", "contender", "round", "seconds", "peak_bytes", "written_bytes", "load_before",
        }  # fmt: skip
        assert one["seconds"] > 0
        assert one["peak_bytes"] > 20e6
        assert one["written_bytes"] > 50e3


def test_the_file_says_on_what_it_was_measured(benchmark: tuple[dict[str, Any], str]) -> None:
    facts, _ = benchmark
    assert set(facts["machine"]) == {"cpu", "cores", "memory_bytes", "kernel", "python"}
    assert set(facts["versions"]) >= {"techco", "pysail", "pyspark", "duckdb", "papermill"}
    assert {"date", "commit", "warning"} <= set(facts)
    assert [one["contender"] for one in facts["medians"]] == NAMES
    assert [one["what"] for one in facts["ratios"]] == [
        "techco run / DuckDB notebook", "techco run again / techco run", "techco steps, script / DuckDB script",
    ]  # fmt: skip


def test_the_tables_name_contenders_and_ratios(benchmark: tuple[dict[str, Any], str]) -> None:
    facts, printed = benchmark
    assert "2,000 logs, median of 1" in printed
    for name in (*NAMES, *(ratio["what"] for ratio in facts["ratios"])):
        assert re.search(rf"^│ {re.escape(name)} +│", printed, re.MULTILINE), name
    assert f"duckdb {facts['versions']['duckdb']}" in printed


def answering(change: Callable[[dict[str, Any]], object], work: Path) -> Contender:
    """A contender that writes the expected figures with a change."""
    from dataclasses import asdict

    answers = asdict(Answers.expected(sample(work, 100).expected))
    change(answers)
    writes = f"import pathlib; pathlib.Path({ANSWERS!r}).write_text({json.dumps(answers)!r})"
    return Contender(("quick",), lambda _: [[sys.executable, "-c", writes]], lambda p: Answers.written(p.out / ANSWERS))


def measured(work: Path, contender: Contender, repeat: int = 1) -> list[Measurement]:
    return list(rounds(work, [100], repeat, [contender], lambda _: None))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a: a.update(total_sales="1.00"), r"quick is wrong: total_sales is 1\.00, must be \d+\.\d\d"),
        (lambda a: a.update(unique_customers=0), r"unique_customers is 0, must be \d+"),
        (lambda a: a["actions"].pop("view"), r"actions is \{.*\}, must be \{'view': \d+"),
        (lambda a: a["sales_by_category"].update(Toys="0.01"), r"sales_by_category is \{.*'Toys': '0\.01'"),
        (lambda a: a["records"].update(read=101), r"records is \{'read': 101, .*\}, must be \{'read': 100, "),
    ],
)
def test_a_wrong_figure_ends_the_benchmark(tmp_path: Path, change: Callable[[Any], object], told: str) -> None:
    with pytest.raises(WrongAnswers, match=told):
        measured(tmp_path, answering(change, tmp_path))
    assert not list((tmp_path / "runs").iterdir())


def test_right_figures_count_once_per_round(tmp_path: Path) -> None:
    found = measured(tmp_path, answering(lambda _: None, tmp_path), repeat=2)
    assert [(one.logs, one.contender, one.round) for one in found] == [(100, "quick", 1), (100, "quick", 2)]
    written = len(json.dumps({**vars(Answers.expected(sample(tmp_path, 100).expected))}))
    assert {one.written_bytes for one in found} == {written}


def test_who_counts_no_records_needs_none(tmp_path: Path) -> None:
    assert len(measured(tmp_path, answering(lambda a: a.pop("records"), tmp_path))) == 1


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    fails = Contender(("broken",), lambda _: [[sys.executable, "-c", "exit('no disk')"]], Answers.written)
    with pytest.raises(CommandFailed, match=r"(?s)ended with exit code 1:.*no disk"):
        measured(tmp_path, fails)


def test_memory_of_a_child_in_its_own_session_counts(tmp_path: Path) -> None:
    with fresh_place(tmp_path, sample(tmp_path, 100)) as place:
        cost = measure([[sys.executable, "-c", HOLD_100_MB]], place)
    assert 100e6 < cost.peak_bytes < 160e6


def test_what_a_command_leaves_running_is_ended(tmp_path: Path) -> None:
    stays = "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True); sys.exit(1)"
    with fresh_place(tmp_path, sample(tmp_path, 100)) as place:
        with pytest.raises(CommandFailed):
            measure([[sys.executable, "-c", stays]], place)
        assert not of_runs(place.root)


def test_ctrl_c_leaves_nothing_running_and_keeps_what_was_measured(tmp_path: Path) -> None:
    words = command(tmp_path, "--logs", "100", "--peers", "", "--json", str(tmp_path / "b.json"))
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 30
    while len(of_runs(tmp_path)) < 2 and time.monotonic() < deadline:  # the command, and a kernel of it
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 130, printed
    assert "Interrupted. Nothing is left running." in printed
    assert not of_runs(tmp_path)
    assert not list((tmp_path / "runs").iterdir())
    facts = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert (facts["failure"], facts["measurements"]) == ("Interrupted. Nothing is left running.", [])


def of_runs(work: Path) -> list[psutil.Process]:
    """The processes of runs in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(str(work.resolve())):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_a_shop_is_made_once_and_again_where_it_is_not_complete(tmp_path: Path) -> None:
    shop = sample(tmp_path, 100)
    logs = shop.folder / "web_logs.json"
    made = logs.stat().st_mtime_ns
    assert sample(tmp_path, 100) == shop
    assert logs.stat().st_mtime_ns == made
    logs.unlink()
    assert sample(tmp_path, 100) == shop
    assert logs.is_file()


@pytest.mark.soak
def test_one_day_is_measured_in_a_large_shop_and_alone(tmp_path: Path) -> None:
    words = command(tmp_path, "--day-of", "100", "--repeat", "1", "--json", str(tmp_path / "b.json"))
    env = {**os.environ, "PATH": "", "COLUMNS": "120"}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert (facts["sizes"], facts["day_of"], facts["skipped"]) == ([], [100], {})
    names = ["techco run, one day of all", "techco run, that day alone"]
    assert [one["contender"] for one in facts["measurements"]] == names
    assert [(one["what"], one["target"]) for one in facts["ratios"]] == [(" / ".join(names), None)]
    for name in (*names, " / ".join(names)):
        assert re.search(rf"^│ {re.escape(name)} +│", done.stdout, re.MULTILINE), name


def test_a_day_alone_is_the_same_file_beside_the_same_customers_and_products(tmp_path: Path) -> None:
    whole, alone = day_of_all(tmp_path, LOGS), day_alone(tmp_path, LOGS)
    assert len(list((whole.folder / "web_logs").iterdir())) == 31
    names = [str(path.relative_to(alone.folder)) for path in alone.raw_files()]
    assert names == ["customer_data.csv", "product_data.csv", f"web_logs/date={DAY}/part-0000.json"]
    assert all((whole.folder / name).read_bytes() == (alone.folder / name).read_bytes() for name in names)
    assert (whole.folder / names[-1]).samefile(alone.folder / names[-1])


def test_of_a_day_the_figures_of_that_day_are_expected(tmp_path: Path) -> None:
    whole, alone = day_of_all(tmp_path, LOGS), day_alone(tmp_path, LOGS)
    assert (whole.expected, whole.period) == (alone.expected, alone.period)
    logs = [json.loads(line) for line in alone.raw_files()[-1].read_text(encoding="utf-8").splitlines()]
    assert {log["timestamp"][:10] for log in logs} == {str(DAY)}
    assert alone.expected.records == {
        "read": len(logs), "accepted": len(logs), "duplicates": 0, "quarantined": 0, "outside_period": 0,
    }  # fmt: skip
    assert alone.expected.unique_customers == len({log["customer_id"] for log in logs})
    by_day = {row["event_date"]: row["sales"] for row in sample(tmp_path, LOGS, "folder").expected.sales_by_day}
    assert alone.expected.total_sales == by_day[str(DAY)]


def test_a_day_alone_is_made_again_where_it_is_not_complete(tmp_path: Path) -> None:
    alone = day_alone(tmp_path, 100)
    made = (alone.folder / "customer_data.csv").stat().st_mtime_ns
    assert day_alone(tmp_path, 100) == alone
    assert (alone.folder / "customer_data.csv").stat().st_mtime_ns == made
    (alone.folder / "sample.json").unlink()
    (alone.folder / "product_data.csv").unlink()
    assert day_alone(tmp_path, 100) == alone
    assert (alone.folder / "product_data.csv").is_file()


def test_a_place_has_the_raw_files_in_their_folders_and_nothing_else(tmp_path: Path) -> None:
    shop = day_of_all(tmp_path, 100)
    with fresh_place(tmp_path, shop) as place:
        found = sorted(path for path in place.shop.rglob("*") if path.is_file())
        assert [path.relative_to(place.shop) for path in found] == [
            path.relative_to(shop.folder) for path in shop.raw_files()
        ]
        assert not (place.shop / "sample.json").exists()


def test_a_peer_whose_parts_are_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert lacks("spark") == "there is no Java: Apache Spark needs Java 17 or newer"
    assert lacks("duckdb") == ""
    assert [name for one in contenders([]) for name in one.runs] == [
        "techco run", "techco run again", "techco steps, script",
    ]  # fmt: skip


def test_an_unknown_peer_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path, "--peers", "duckdb,polars"), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "polars is unknown" in done.stderr


def test_ratios_are_of_medians_beside_their_targets() -> None:
    def runs(logs: int, name: str, *seconds: float, peak: int = 10**9) -> list[Measurement]:
        return [Measurement(logs, name, n, value, peak, 0, 0.0) for n, value in enumerate(seconds, 1)]

    found = ratios(
        summarize(
            [
                *runs(50_000, "techco run", 9.0, 2.0, 1.0),
                *runs(50_000, "DuckDB notebook", 2.0, 4.0, 5.0),
                *runs(5_000_000, "techco run", 10.0),
                *runs(5_000_000, "techco run again", 4.0),
                *runs(20_000_000, "techco run", 40.0, peak=2 * 10**9),
                *runs(100_000, "techco run, one day of all", 6.0),
                *runs(100_000, "techco run, that day alone", 4.0),
                *runs(20_000_000, "techco run, one day of all", 6.0),
                *runs(20_000_000, "techco run, that day alone", 4.0),
            ]
        )
    )
    assert [(one.what, one.logs, one.value, one.target, one.reached) for one in found] == [
        ("techco run / DuckDB notebook", 50_000, 0.5, 0.8, True),
        ("techco run again / techco run", 5_000_000, 0.4, 0.3, False),
        ("techco run, one day of all / techco run, that day alone", 20_000_000, 1.5, 1.2, False),
        ("techco run, one day of all / techco run, that day alone", 100_000, 1.5, None, None),
        ("techco run, peak memory / that of 5,000,000 logs", 20_000_000, 2.0, 1.3, False),
        ("techco run, peak memory in GB", 20_000_000, 2.0, 3.0, True),
    ]


@pytest.mark.parametrize("path", sorted(PROGRAMS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_of_peers_have_parameters_and_no_outputs(path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["metadata"].get("tags") for cell in cells if cell["metadata"]] == [["parameters"]]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)


def test_the_script_asks_duckdb_what_the_notebook_asks() -> None:
    script = (PROGRAMS / "duckdb_script.py").read_text(encoding="utf-8")
    cells = json.loads((PROGRAMS / "duckdb_notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    notebook = "\n".join("".join(cell["source"]) for cell in cells)
    queries = re.findall(r'(?s)duckdb\.sql\(f?("""|")(.*?)\1\)', script)
    assert len(queries) == 8
    for _, query in queries:
        assert query in notebook
