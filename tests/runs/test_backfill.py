"""Many periods at once: each comes out as if it had been run alone, and a failure stops none of the others."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from techco.cli.progress_display import LivePeriods
from techco.contract import TABLES
from techco.ingest import ingest, ingest_each
from techco.join import join, join_each
from techco.period import Period
from techco.records.find import recorded_runs
from techco.records.record import RunRecord
from techco.runs.events import BackfillStarted
from techco.runs.periods import PeriodRun
from techco.runs.workers import most_jobs
from techco.sample.generate import Expected, SampleSpec, generate
from techco.shop import Shop
from techco.storage.folder import Folder
from tests.support.needs import missing
from tests.support.processes import Started, wait_until_gone
from tests.support.shops import log, write_shop
from tests.support.storages import Changing, figures
from tests.support.tiny_notebooks import outputs, wait_for_text, write_notebook, write_templates

pytestmark = pytest.mark.slow  # each starts kernels or whole runs

SOME_FAILED, USAGE = 3, 2
_BY_DAY = [name for name, table in TABLES.items() if table.by_day]
# Fails some days of a real run, inside its kernel, as a shop's own trouble would; without the file all goes well.
_FAULT = """
import os
from pathlib import Path
if Path(os.environ["FAULT"]).exists():
    from techco import analysis
    summarize = analysis.summarize
    def failing(shop):
        if shop.period.first.toordinal() % 2:
            raise OSError("a fault was injected")
        return summarize(shop)
    analysis.summarize = failing
"""


# The tables of several periods, made at once


def test_periods_that_are_made_at_once_are_as_if_each_had_been_made_alone(
    engine_here: tuple[str, SparkSession], tmp_path: Path
) -> None:
    name, spark = engine_here
    folders = [tmp_path / "at-once", tmp_path / "alone"]
    for folder in folders:
        generate(folder, SampleSpec(40, 20, 1500, 3, messy=True))
    places = [Folder(str(folder)) for folder in folders]
    weeks = Period.parse("2023-08-02..2023-08-29").each("week")
    some = [weeks[0], weeks[1], weeks[3]]
    span = Shop(places[0], Period(some[0].first, some[-1].last), spark, "all", engine=name)
    assert ingest_each(span, some)
    join_each(span, some)
    for period in some if name == "sail" else some[:1]:
        at_once, alone = (Shop(place, period, spark, "all", engine=name) for place in places)
        ours, theirs = ingest(at_once), ingest(alone)
        assert (ours.made_by.values["reused"], theirs.made_by.values["reused"]) == ("yes", "no")
        assert ours.by_source == theirs.by_source
        assert ours.reasons == theirs.reasons
        assert join(at_once).values == {**join(alone).values, "reused": "yes"}
        assert [_rows(at_once, table) for table in TABLES] == [_rows(alone, table) for table in TABLES]
    assert span.tables.missing_days("web_logs", weeks[2]) == list(weeks[2])


def _rows(shop: Shop, table: str) -> list[str]:
    return sorted(str(row) for row in shop.table(table).collect())


def test_one_log_id_in_two_periods_is_no_conflict(sail: SparkSession, storage: Folder) -> None:
    write_shop(storage, [log(1), log(1, day="2023-08-02"), log(1, day="2023-08-02"), log(2, timestamp="?")])
    days = Period.parse("2023-08-01..2023-08-02").each("day")
    ingest_each(Shop(storage, Period(days[0].first, days[1].last), sail, "all"), days)
    found = [ingest(Shop(storage, day, sail, "run")).records.values for day in days]
    parts = ("read", "accepted", "duplicates", "quarantined", "outside_period")
    assert [[one[part] for part in parts] for one in found] == [[4, 1, 0, 1, 2], [4, 1, 1, 1, 1]]


def test_days_between_the_periods_stay_as_they_are(sail: SparkSession, storage: Folder) -> None:
    write_shop(storage, [log(day, day=f"2023-08-{day:02}") for day in (1, 2, 3)])
    august = Shop(storage, Period.parse("2023-08"), sail, "before")
    ingest(august)
    join(august)
    before = {table: august.tables.data_files(table) for table in _BY_DAY}
    days = Period.parse("2023-08-01..2023-08-03").each("day")
    span = Shop(storage, Period(days[0].first, days[2].last), sail, "all")
    write_shop(storage, [log(day + 10, day=f"2023-08-{day:02}", action="purchase") for day in (1, 2, 3)])
    ingest_each(span, [days[0], days[2]])
    join_each(span, [days[0], days[2]])
    for table in ("web_logs", "full_data"):
        kept = {file.path for file in before[table] if file.day == days[1].first}
        now = {file.path for file in august.tables.data_files(table) if file.day == days[1].first}
        assert kept == now, table
        assert sorted(row.log_id for row in august.tables.read(table).collect()) == [2, 11, 13]


def test_files_in_folders_by_day_are_left_to_each_day(sail: SparkSession, storage: Folder) -> None:
    write_shop(storage, [])
    storage.path("web_logs.json").unlink()
    for day in ("2023-08-01", "2023-08-02"):
        path = storage.path(f"web_logs/date={day}/logs.json")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(log(1, day=day)))
    days = Period.parse("2023-08-01..2023-08-02").each("day")
    assert not ingest_each(Shop(storage, Period(days[0].first, days[1].last), sail, "all"), days)


# The processes, with notebooks that need no engine


def each_day(folder: Path, *options: str, days: str = "2023-08-01..2023-08-04", **cells: str) -> list[str]:
    """The words of a backfill on an empty storage, with notebooks of one cell."""
    (folder / "shop").mkdir(exist_ok=True)
    if cells:
        write_templates(folder / "templates", **cells)
    place = ["--storage", str(folder / "shop"), "--out", str(folder / "out")]
    return ["run", *place, "--period", days, "--each", "day", *options]


def run(folder: Path, words: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    own = {"TECHCO_TEMPLATES": str(folder / "templates"), **variables}
    command = [sys.executable, "-m", "techco", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **own})


def periods(process: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(process.stdout)["periods"]
    return found


def test_a_failure_stops_no_other_period_and_the_same_command_does_only_what_failed(tmp_path: Path) -> None:
    flag = tmp_path / "mended"
    fault = f"import os\nassert start_date != '2023-08-02' or os.path.exists({str(flag)!r}), 'the second'"
    words = each_day(tmp_path, "--json", join=fault)
    first = run(tmp_path, words)
    assert first.returncode == SOME_FAILED
    assert [one["status"] for one in periods(first)] == ["completed", "failed", "completed", "completed"]
    assert "2023-08-02..2023-08-02: The step join failed" in first.stderr
    assert "the second" in periods(first)[1]["error"]
    assert "The same command again does only what is missing or failed." in first.stderr
    flag.touch()
    again = run(tmp_path, words)
    assert again.returncode == 0, again.stderr
    assert [one["earlier"] for one in periods(again)] == [True, False, True, True]
    assert {one["error"] for one in periods(again)} == {None}
    assert len(recorded_runs(tmp_path / "out")) == len(periods(first)) + 1
    assert "4 periods, 3 of them completed earlier" in again.stderr
    before = len(recorded_runs(tmp_path / "out"))
    anew = periods(run(tmp_path, [*words, "--refresh"]))
    assert len(recorded_runs(tmp_path / "out")) == before + len(anew)


def test_periods_whose_notebooks_have_changed_are_run_again_and_the_table_says_why(tmp_path: Path) -> None:
    days = "2023-08-01..2023-08-02"
    run(tmp_path, each_day(tmp_path, days=days, join="print('one')"))
    words = each_day(tmp_path, days=days, join="print('other')")
    again = run(tmp_path, words)
    assert "2 periods, 2 run again as a notebook has changed, " in again.stderr
    assert again.stdout.count("completed again, as a notebook has changed") == len(Period.parse(days).each("day"))
    unchanged = periods(run(tmp_path, [*words, "--json"]))
    assert [(one["earlier"], one["reason"]) for one in unchanged] == [(True, None)] * 2


def test_papermill_options_count_for_each_period(tmp_path: Path) -> None:
    words = each_day(tmp_path, days="2023-08-01..2023-08-02", ingest="print('printed', start_date)")
    prepared = run(tmp_path, [*words, "--prepare-only", "--json"])
    assert [one["status"] for one in periods(prepared)] == ["prepared"] * 2
    made = run(tmp_path, [*words, "--log-output"])
    assert made.returncode == 0, made.stderr
    for day in ("2023-08-01", "2023-08-02"):
        assert f"{day} ingest: printed {day}" in made.stderr
    assert "2 periods in" in made.stdout


@pytest.mark.spark
def test_all_periods_share_one_driver_of_apache_spark(tmp_path: Path) -> None:
    if not shutil.which("java"):
        missing("No Java on this machine: Apache Spark needs Java 17 or newer")
    where = "import os\nprint(os.environ['TECHCO_SPARK_READY'])"
    made = run(tmp_path, [*each_day(tmp_path, days="2023-08-01..2023-08-02", join=where), "--engine", "spark"])
    assert made.returncode == 0, made.stderr
    addresses = [outputs(path).split("\n")[0] for path in (tmp_path / "out" / "runs").glob("*/join.ipynb")]
    assert len(addresses) == made.stderr.count(": completed in")
    assert len(set(addresses)) == 1
    assert addresses[0].startswith("spark sc://localhost:")


def test_a_process_that_dies_fails_its_period_and_another_takes_its_place(tmp_path: Path) -> None:
    kill = "import os, psutil\nif start_date == '2023-08-01':\n    psutil.Process(os.getppid()).parent().kill()"
    made = run(tmp_path, each_day(tmp_path, "--json", "--jobs", "1", days="2023-08-01..2023-08-02", join=kill))
    assert made.returncode == SOME_FAILED
    assert [one["status"] for one in periods(made)] == ["failed", "completed"]
    assert "Its process ended in the middle" in periods(made)[0]["error"]
    assert periods(made)[0]["run_id"] in {record.run_id for record in recorded_runs(tmp_path / "out")}


def test_what_kernels_come_from_may_die_and_only_its_run_fails(tmp_path: Path) -> None:
    kill = "import os, psutil, time\nif start_date == '2023-08-01':\n    psutil.Process(os.getppid()).kill()\n"
    kill += "    time.sleep(60)  # kernels look for their parent every second, and may end a tiny notebook before"
    words = each_day(tmp_path, "--jobs", "1", "--json", days="2023-08-01..2023-08-02", join=kill)
    started = Started(tmp_path, *words, TECHCO_TEMPLATES=str(tmp_path / "templates"))
    ended = started.wait()
    found = json.loads(ended.stdout)["periods"]
    assert (ended.code, [one["status"] for one in found]) == (SOME_FAILED, ["failed", "completed"])
    assert "kernel" in found[0]["error"]
    assert (ended.processes, ended.temporary) == ([], [])


def test_what_a_cell_has_started_ends_with_its_run_though_others_follow(tmp_path: Path) -> None:
    left = f"""import subprocess
if start_date == "2023-08-01":
    process = subprocess.Popen(["sleep", "300"], start_new_session=True)
    open({str(tmp_path / "pid")!r}, "w").write(str(process.pid))
else:
    import os
    print(os.path.exists("/proc/" + open({str(tmp_path / "pid")!r}).read()))"""
    words = each_day(tmp_path, "--jobs", "1", days="2023-08-01..2023-08-02", ingest=left)
    made = run(tmp_path, words)
    assert made.returncode == 0, made.stderr
    assert "False" in outputs(next((tmp_path / "out" / "runs").glob("*2023-08-02_2023-08-02")) / "ingest.ipynb")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_backfill_ends_soon_marks_what_ran_and_goes_on_later(tmp_path: Path, number: int) -> None:
    sleep = f"open({str(tmp_path / 'there')!r}, 'w').write('x')\nimport time\ntime.sleep(60)"
    days = "2023-08-01..2023-08-02"
    words = each_day(tmp_path, "--jobs", "1", days=days, join=sleep)
    started = Started(tmp_path, *words, TECHCO_TEMPLATES=str(tmp_path / "templates"))
    wait_for_text(tmp_path / "there")
    ended = started.interrupt(number)
    assert (ended.code, ended.processes, ended.temporary) == (128 + number, [], [])
    assert "Error: Interrupted. Nothing is left running." in ended.stderr
    assert "1 failed, 1 pending" in ended.stdout
    assert [record.outcome for record in recorded_runs(tmp_path / "out")] == ["failed (interrupted)"]
    write_notebook(tmp_path / "templates" / "join.ipynb", "print('mended')")
    assert run(tmp_path, each_day(tmp_path, days=days)).returncode == 0


def test_nothing_outlives_a_backfill_that_is_killed(tmp_path: Path) -> None:
    sleep = f"open({str(tmp_path / 'there')!r}, 'w').write('x')\nimport time\ntime.sleep(60)"
    words = each_day(tmp_path, "--jobs", "1", join=sleep)
    started = Started(tmp_path, *words, TECHCO_TEMPLATES=str(tmp_path / "templates"))
    wait_for_text(tmp_path / "there")
    started.process.kill()
    started.process.communicate()
    assert wait_until_gone(started.mark, started.temporary) == ([], [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--each", "fortnight"], "--each is 'fortnight'. Allowed: day, week, month, quarter, year."),
        (["--jobs", "2"], "--jobs is given without --each."),
        (["--each", "day", "--period", "2001..2023"], "Allowed: 4,000"),
    ],
)
def test_what_makes_no_backfill_is_refused_before_anything_starts(
    tmp_path: Path, options: list[str], words: str
) -> None:
    (tmp_path / "shop").mkdir()
    place = ["--storage", str(tmp_path / "shop"), "--out", str(tmp_path / "out")]
    period = [] if "--period" in options else ["--period", "2023-08"]
    command = [sys.executable, "-m", "techco", "run", *place, *period, *options]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == USAGE
    assert words in refused.stderr
    assert not (tmp_path / "out").exists()


def test_there_are_never_more_jobs_than_cores() -> None:
    cores = len(os.sched_getaffinity(0))
    assert most_jobs(1) == 1
    assert 1 <= most_jobs(None) == most_jobs(1000) <= cores


def test_the_live_table_shows_where_work_is_if_a_terminal_has_too_few_lines() -> None:
    days = [PeriodRun(day) for day in Period.parse("2023-08").each("day")]
    for day in days[:20]:
        day.status, day.seconds, day.total_sales = "completed", 1.5, "1234.50"
    days[20].status, days[20].step = "running", "join"
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, height=20)
    live = LivePeriods(screen)
    live(BackfillStarted(days, 1))
    with screen.capture() as capture:
        screen.print(live.display.get_renderable())
    lines = capture.get().splitlines()
    assert len(lines) < screen.height
    assert any("2023-08-20" in line and "1.5 s" in line and "1,234.50" in line for line in lines)
    assert any("2023-08-21" in line and "running join" in line for line in lines)
    assert "20 of 31 done" in lines[-1]


# Whole runs of a real shop


@pytest.fixture
def faulty_kernels(tmp_path: Path) -> dict[str, str]:
    """Variables by which every kernel fails odd days, as long as the file `fault` is there."""
    (tmp_path / "fault").touch()
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-fault.py").write_text(_FAULT)
    return {"IPYTHONDIR": str(tmp_path / "ipython"), "FAULT": str(tmp_path / "fault")}


def backfill(folder: Path, period: str, each: str, shop: str = "shop", **variables: str) -> tuple[int, dict[str, Any]]:
    """A backfill of a shop in a folder, with the templates of the package."""
    place = ["--storage", str(folder / shop), "--out", str(folder / "out")]
    words = [sys.executable, "-m", "techco", "run", *place, "--period", period, "--each", each, "--json"]
    made = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **variables})
    assert made.returncode in (0, SOME_FAILED), made.stderr
    return made.returncode, json.loads(made.stdout)


def figures_of(folder: Path, run_id: str) -> dict[str, Any]:
    """The metrics of a run, and the bytes of its CSVs in place of their paths."""
    return figures(json.loads((folder / "out" / "runs" / run_id / "run.json").read_text()))


def alone(folder: Path, period: str, shop: str = "alone") -> dict[str, Any]:
    """The figures of a run of one period, on a copy of the shop that has seen no backfill."""
    place = ["--storage", str(folder / shop), "--out", str(folder / f"out-{shop}")]
    words = [sys.executable, "-m", "techco", "run", *place, "--period", period, "--json", "--no-progress"]
    return figures(json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout))


def make_shops(folder: Path, spec: SampleSpec) -> Expected:
    generate(folder / "alone", spec)
    return generate(folder / "shop", spec)


def test_days_and_months_of_which_half_failed_in_between_are_as_single_runs(
    tmp_path: Path, faulty_kernels: dict[str, str]
) -> None:
    first, last = Period.parse("2023-01-30").first, Period.parse("2023-02-02").last
    spec = SampleSpec(60, 20, 900, 5, start_date=first, end_date=last, messy=True)
    make_shops(tmp_path, spec)
    code, made = backfill(tmp_path, f"{first}..{last}", "day", **faulty_kernels)
    states = [one["status"].removesuffix(" with warnings") for one in made["periods"]]
    assert (code, sorted(states)) == (SOME_FAILED, ["completed"] * 2 + ["failed"] * 2)
    assert made["total_sales"] is None
    Path(faulty_kernels["FAULT"]).unlink()
    code, mended = backfill(tmp_path, f"{first}..{last}", "day", **faulty_kernels)
    assert (code, [one["earlier"] for one in mended["periods"]]) == (0, [state == "completed" for state in states])
    _, months = backfill(tmp_path, f"{first}..{last}", "month", **faulty_kernels)
    for part in (*mended["periods"][1:3], months["periods"][1]):
        period = f"{part['start_date']}..{part['end_date']}"
        assert figures_of(tmp_path, part["run_id"]) == alone(tmp_path, period), period


def test_a_backfill_replaces_what_was_there_in_every_kind_of_storage(changing: Changing) -> None:
    before = changing.run(period="2023-07-31..2023-08-02")
    changing.put(changing.states[1])
    made = changing.run("--each", "day", period="2023-07-31..2023-08-02")["periods"]
    after = changing.run(period="2023-07-31..2023-08-02")
    assert after["metrics"]["total_sales"] != before["metrics"]["total_sales"]
    assert str(sum(Decimal(day["total_sales"]) for day in made)) == after["metrics"]["total_sales"]
    runs = [record for record in recorded_runs(changing.out) if record.start_date == record.end_date]
    assert [_is_reused(record) for record in runs] == [True] * 3


def _is_reused(record: RunRecord) -> bool:
    return all('"reused": "yes"' in Path(str(step.notebook)).read_text() for step in record.steps[:2])


@pytest.mark.soak
@pytest.mark.parametrize("messy", [False, True], ids=["clean", "messy"])
def test_a_year_of_days_and_months_of_which_half_failed_in_between_is_as_single_runs(
    tmp_path: Path, faulty_kernels: dict[str, str], messy: bool
) -> None:
    year = Period.parse("2023")
    logs = int(os.environ.get("SOAK_LOGS", "200000"))
    expected = make_shops(tmp_path, SampleSpec(logs=logs, start_date=year.first, end_date=year.last, messy=messy))
    code, made = backfill(tmp_path, "2023", "day", **faulty_kernels)
    assert code == SOME_FAILED
    failed = sum(one["status"] == "failed" for one in made["periods"])
    assert failed in (182, 183)
    Path(faulty_kernels["FAULT"]).unlink()
    code, mended = backfill(tmp_path, "2023", "day", **faulty_kernels)
    _, months = backfill(tmp_path, "2023", "month", **faulty_kernels)
    print(f"days {made['seconds']} s, {failed} failed; again {mended['seconds']} s; months {months['seconds']} s")  # noqa: T201
    assert code == 0
    if not messy:  # else a log_id may come in two periods with other records, and each of them counts one
        assert mended["total_sales"] == months["total_sales"] == expected.total_sales
        sales = {row["event_date"]: row["sales"] for row in expected.sales_by_day}
        assert {one["start_date"]: one["total_sales"] for one in mended["periods"]} == sales
    some = random.Random(8).sample(mended["periods"], 12)
    for part in (*months["periods"], *some):
        period = f"{part['start_date']}..{part['end_date']}"
        assert figures_of(tmp_path, part["run_id"]) == alone(tmp_path, period), period


def test_units_cut_a_period_without_gaps_and_end_where_it_does() -> None:
    period = Period.parse("2023-08-16..2024-03-01")
    for unit, count in (("day", 199), ("week", 29), ("month", 8), ("quarter", 3), ("year", 2)):
        parts = period.each(unit)
        assert (len(parts), parts[0].first, parts[-1].last) == (count, period.first, period.last), unit
        assert all(one.last + timedelta(days=1) == other.first for one, other in pairwise(parts))
    assert [str(week) for week in Period.parse("2022-12-31..2023-01-09").each("week")] == [
        "2022-12-31..2023-01-01",
        "2023-01-02..2023-01-08",
        "2023-01-09..2023-01-09",
    ]
