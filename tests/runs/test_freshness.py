"""What an earlier run has completed is left as it is only as long as a new run would make the same report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from techco.period import Period
from techco.records.record import RunRecord
from techco.runs import freshness
from techco.runs.freshness import Freshness, known_after, known_before
from techco.runs.plan import make_plan
from techco.runs.request import RunRequest
from techco.storage.folder import Folder
from techco.tables.state import FILE, read_state
from tests.support.shops import log, write_shop
from tests.support.step_by_step import DAY, Run, put_new
from tests.support.tiny_notebooks import write_notebook, write_templates

pytestmark = pytest.mark.slow  # each does the steps of several runs

PERIOD = Period.parse(DAY)
BEFORE = PERIOD.before() or PERIOD
AROUND = ("2023-07-31", "2023-08-02")
RAW, TABLES, NOTEBOOK = "the raw files have changed", "the tables have changed", "a notebook has changed"


class Made:
    """A report that was made, and whether it would be the same now."""

    def __init__(self, folder: Path, *steps: str, compare: bool = True, days_around: Sequence[str] = AROUND) -> None:
        (folder / "shop").mkdir(exist_ok=True)
        self.storage = Folder(str(folder / "shop"))
        write_shop(self.storage, [log(1, DAY, "purchase"), *(log(n, day) for n, day in enumerate(days_around, 2))])
        write_templates(folder / "templates")
        write_notebook(folder / "own.ipynb", "import beside")
        (folder / "beside.py").write_text("one = 1\n")
        own = (folder / "own.ipynb",)
        self.request = RunRequest(PERIOD, str(folder / "shop"), templates=folder / "templates", own_templates=own)
        if "ingest" not in steps:
            Run(self.storage, folder / "before").all()
        run = Run(self.storage, folder / "run", compare=compare)
        before = known_before(make_plan(self.request))
        for step in steps:
            getattr(run, step)()
        sources = {name: {"accepted": count} for name, count in run.accepted.items()}
        made_from = before | known_after(read_state(run.folder / FILE))
        self.record = RunRecord("run", "", "sail", DAY, DAY, metrics={"sources": sources}, made_from=made_from)

    def why_stale(self, **changes: object) -> str:
        plan = make_plan(replace(self.request, **changes))  # type: ignore[arg-type]
        return Freshness(plan).why_stale(self.record, PERIOD)


@pytest.fixture
def made(sail: SparkSession, tmp_path: Path) -> Made:
    return Made(tmp_path, "ingest", "join", "analysis")


def test_nothing_is_stale_that_has_not_changed_also_after_other_runs_of_these_days(made: Made, tmp_path: Path) -> None:
    assert not made.why_stale()
    for period in ("2023-07-31..2023-08-02", DAY, "2023-07"):
        Run(made.storage, tmp_path / "another", period).all()
        assert not made.why_stale(), period


@pytest.mark.usefixtures("sail")
@pytest.mark.parametrize("days_around", [AROUND, ()], ids=["with logs", "without logs"])
def test_a_report_is_made_again_if_the_day_before_was_ingested_meanwhile(
    tmp_path: Path, days_around: Sequence[str]
) -> None:
    made = Made(tmp_path, "ingest", "join", "analysis", compare=False, days_around=days_around)
    assert not made.why_stale()
    Run(made.storage, tmp_path / "another", str(BEFORE.first)).all()
    assert made.why_stale() == TABLES


def append(path: Path) -> None:
    path.write_text(path.read_text().replace("]", f", {log(4, DAY)}]".replace("'", '"').replace("None", "null")))


def in_place(path: Path) -> None:
    stat, text = path.stat(), path.read_text()
    path.write_text(text.replace("Lamp", "Pump"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def delete_rows(shop: Path) -> None:
    DeltaTable(shop / "tables/web_logs").delete("log_id = 1")


def cut(shop: Path) -> None:
    path = next((shop / "tables/full_data").rglob(f"*{DAY}/*.parquet"))
    path.write_bytes(path.read_bytes()[:300])


def remove_tables(shop: Path) -> None:
    for path in (shop / "tables").rglob("*.json"):
        path.unlink()


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "logs that came late": (lambda folder: append(folder / "shop/web_logs.json"), RAW),
    "other prices": (lambda folder: put_new(Folder(str(folder / "shop"))), RAW),
    "a raw file rewritten with size and time": (lambda folder: in_place(folder / "shop/product_data.csv"), RAW),
    "a raw file removed": (lambda folder: (folder / "shop/customer_data.csv").unlink(), "the shop has changed"),
    "rows deleted": (lambda folder: delete_rows(folder / "shop"), TABLES),
    "a customer deleted": (lambda folder: DeltaTable(folder / "shop/tables/customers").delete("customer_id=1"), TABLES),
    "a data file cut": (lambda folder: cut(folder / "shop"), TABLES),
    "all tables removed": (lambda folder: remove_tables(folder / "shop"), TABLES),
    "a template": (lambda folder: write_notebook(folder / "templates/join.ipynb", "print('other')"), NOTEBOOK),
    "a template of the user's own": (lambda folder: write_notebook(folder / "own.ipynb", "1"), NOTEBOOK),
    "a module beside it": (lambda folder: (folder / "beside.py").write_text("one = 2\n"), NOTEBOOK),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_report_is_made_again_after_a_change_of_what_it_was_made_from(
    made: Made, tmp_path: Path, change: str
) -> None:
    do, reason = CHANGES[change]
    do(tmp_path)
    assert made.why_stale() == reason


def test_another_version_and_other_settings_make_it_again(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"engine": "spark", "spark_conf": {"spark.sql.shuffle.partitions": "3"}}
    assert made.why_stale(**changed) == "the settings have changed"
    monkeypatch.setenv("TECHCO_DAYS_AROUND", "1")
    assert made.why_stale() == "the settings have changed"
    monkeypatch.delenv("TECHCO_DAYS_AROUND")
    monkeypatch.setattr(freshness, "code_fingerprint", lambda: "another")
    assert made.why_stale() == "techco or one of its libraries has changed"


def test_a_record_that_does_not_say_what_it_was_made_from_is_no_reason_to_skip_a_run(made: Made) -> None:
    made.record.made_from = {}
    assert made.why_stale() == "techco or one of its libraries has changed"


@pytest.mark.parametrize("steps", ["join analysis", "analysis"])
def test_what_was_read_of_tables_and_not_made_counts_file_by_file(
    sail: SparkSession, tmp_path: Path, steps: str
) -> None:
    made = Made(tmp_path, *steps.split())
    assert not made.why_stale()
    Run(made.storage, tmp_path / "another", "2023-09").all()
    assert not made.why_stale()
    put_new(made.storage)
    Run(made.storage, tmp_path / "another").all()
    assert made.why_stale() == TABLES


def test_a_report_without_ingest_is_made_again_if_other_records_were_refused(
    sail: SparkSession, tmp_path: Path
) -> None:
    made = Made(tmp_path, "analysis")
    write_shop(made.storage, [log(1, DAY, "purchase"), log(2, timestamp="?")])
    Run(made.storage, tmp_path / "another", "2023-09").all()
    assert made.why_stale() == TABLES


@pytest.mark.parametrize("day", [DAY, str(BEFORE.first)], ids=["its own", "compared with it"])
def test_of_folders_by_day_those_count_that_are_in_the_report(sail: SparkSession, tmp_path: Path, day: str) -> None:
    def put(day: str, number: int) -> None:
        path = tmp_path / f"shop/web_logs/date={day}/a.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{log(number, day)}".replace("'", '"').replace("None", "null"))

    Made(tmp_path)
    (tmp_path / "shop/web_logs.json").unlink()
    put(DAY, 1)
    made = Made.__new__(Made)
    made.storage, made.request = Folder(str(tmp_path / "shop")), RunRequest(PERIOD, str(tmp_path / "shop"))
    run = Run(made.storage, tmp_path / "by-day")
    run.ingest()
    made_from = known_before(make_plan(made.request)) | known_after(read_state(run.folder / FILE))
    made.record = RunRecord("run", "", "sail", DAY, DAY, made_from=made_from)
    put("2023-08-09", 2)
    assert not made.why_stale()
    put(day, 3)
    assert made.why_stale() == RAW


def test_unchanged_days_of_two_years_cost_next_to_nothing(made: Made) -> None:
    fresh, days = Freshness(make_plan(made.request)), Period.parse("2023..2024").each("day")
    began = time.process_time()
    for day in days:
        fresh.why_stale(made.record, day)
    assert (time.process_time() - began) / len(days) < 0.01
