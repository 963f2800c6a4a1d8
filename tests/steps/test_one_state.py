"""Every number of a report comes from one known state of the shop, whatever other runs write between its steps."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from techco import analysis
from techco.errors import TableError
from techco.explore import open as open_by_hand
from techco.ingest import ingest
from techco.join import join
from techco.period import Period
from techco.shop import Shop, open_shop
from techco.storage.folder import Folder
from techco.tables.state import FILE, VARIABLE, read_state
from techco.tables.tables import Tables
from tests.support.shops import log, write_shop
from tests.support.step_by_step import DAY, NEW, OLD, Run, put_new, put_old

pytestmark = pytest.mark.slow  # each does the steps of several runs


@pytest.fixture
def runs(sail: SparkSession, storage: Folder, tmp_path: Path) -> tuple[Run, Run]:
    """Two runs of one period; the raw files are the old ones."""
    put_old(storage)
    return Run(storage, tmp_path / "one"), Run(storage, tmp_path / "other")


def replace_all(other: Run) -> None:
    put_new(other.storage)
    other.all()


def check_tables(sail: SparkSession, storage: Folder, expected: dict[str, Any]) -> None:
    """The tables as others find them later fit together, and are of the newest raw files."""
    shop = Shop(storage, Period.parse(DAY), sail, "later")
    prices = {row.price for row in shop.full_data.collect()}
    assert (shop.web_logs.count(), shop.full_data.count()) == (expected["logs"], expected["logs"])
    assert prices == {row.price for row in shop.products.where("product_id = 1").collect()}


@pytest.mark.parametrize("gap", [0, 1, 2, 3])
def test_a_run_speaks_of_one_state_though_another_replaces_all_between_two_of_its_steps(
    sail: SparkSession, runs: tuple[Run, Run], gap: int
) -> None:
    one, other = runs
    for number, step in enumerate((one.ingest, one.join, one.analysis)):
        if number == gap:
            replace_all(other)
        step()
    if gap == len(one.said):
        replace_all(other)
    assert one.speaks_of() == (NEW if gap == 0 else OLD)
    assert other.speaks_of() == NEW
    check_tables(sail, one.storage, NEW)


ORDERS = sorted(set(itertools.permutations("aaabbb")))
FEW = ["abbaab", "baabab"]


@pytest.mark.parametrize(
    "order",
    [pytest.param(order, marks=[] if order in FEW else pytest.mark.slow) for order in map("".join, ORDERS)],
)
def test_two_runs_at_once_speak_of_one_state_each_in_whatever_order_their_steps_come(
    sail: SparkSession, runs: tuple[Run, Run], order: str
) -> None:
    """Run a reads the old files, b the new ones, unless b is the first that ingests."""
    steps = {"a": iter((runs[0].ingest, runs[0].join, runs[0].analysis))}
    steps["b"] = iter((lambda: (put_new(runs[1].storage), runs[1].ingest()), runs[1].join, runs[1].analysis))  # type: ignore[arg-type]
    for run in order:
        next(steps[run])()
    assert [run.speaks_of() for run in runs] == [OLD if order[0] == "a" else NEW, NEW]
    check_tables(sail, runs[0].storage, NEW)


@pytest.mark.parametrize("table", ["customers", "products", "web_logs", "quarantine", "full_data", "product_sales"])
def test_a_run_speaks_of_one_state_though_another_comes_between_two_of_its_commits(
    sail: SparkSession, runs: tuple[Run, Run], monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    one, other = runs
    commit, done = Tables._commit, []

    def then_the_other(self: Tables, contract: Any, *rest: Any) -> int:
        version = commit(self, contract, *rest)
        if contract.name == table and not done:
            done.append(table)
            replace_all(other)
        return version

    monkeypatch.setattr(Tables, "_commit", then_the_other)
    one.all()
    assert done
    assert (one.speaks_of(), other.speaks_of()) == (OLD, NEW)
    if table in ("customers", "products", "web_logs", "quarantine"):  # tables of two ingests, which the next one mends
        Run(one.storage, one.folder.with_name("next")).all()
    check_tables(sail, one.storage, NEW)


@pytest.mark.parametrize("steps", ["join,analysis", "analysis"])
def test_without_ingest_the_first_step_finds_the_state_of_which_all_speak(runs: tuple[Run, Run], steps: str) -> None:
    one, other = runs
    Run(one.storage, other.folder.with_name("before")).all()
    if "join" in steps:
        one.join()
        replace_all(other)
        one.analysis()
    else:
        one.analysis(between=lambda: replace_all(other))
    assert one.speaks_of() == OLD


@pytest.mark.parametrize("steps", ["join,analysis", "analysis"])
def test_what_earlier_runs_have_refused_is_of_the_state_that_the_first_step_found(
    runs: tuple[Run, Run], steps: str
) -> None:
    one, other = runs

    def refuse(logs: int) -> None:
        write_shop(one.storage, [log(1, DAY), *(log(f"a{number}", DAY) for number in range(logs))])
        other.all()

    refuse(1)
    if "join" in steps:
        one.join()
        refuse(2)
    shop = one.shop()
    analysis.period_logs(shop)
    refuse(3)
    warnings = analysis.summarize(shop).warnings.rows
    assert [count for code, _, count, _ in warnings if code == "refused"] == [1]


def test_ingest_and_analysis_without_a_join_of_what_was_ingested_are_refused(runs: tuple[Run, Run]) -> None:
    one, other = runs
    other.all()
    put_new(one.storage)
    one.ingest()
    with pytest.raises(TableError, match=f"full_data of {DAY}..{DAY} was not made from what this run has ingested"):
        one.analysis()
    other.all()
    again = Run(one.storage, one.folder.with_name("again"))
    again.ingest()
    again.analysis()
    assert again.speaks_of() == NEW


def test_a_run_of_overlapping_days_takes_nothing_from_another(runs: tuple[Run, Run]) -> None:
    one, other = runs
    other.period = "2023-08"
    one.ingest()
    replace_all(other)
    one.join()
    replace_all(other)
    one.analysis()
    assert (one.speaks_of(), other.speaks_of()) == (OLD, NEW)


def test_a_run_whose_state_is_gone_says_so(runs: tuple[Run, Run]) -> None:
    one, other = runs
    other.all()
    put_new(one.storage)
    one.ingest()
    shutil.rmtree(one.storage.path("tables/web_logs"))
    other.all()
    with pytest.raises(TableError, match=r"web_logs has no version \d+ any more.*Run the period again"):
        one.join()


def test_by_hand_each_step_begins_with_the_tables_as_they_are(runs: tuple[Run, Run]) -> None:
    one, other = runs
    other.all()
    shop = open_shop(one.storage.url, DAY)
    ingest(shop)
    join(shop)
    replace_all(other)
    assert join(shop).values["logs"] == NEW["logs"]
    explorer = open_by_hand(one.storage.url, DAY)
    put_old(one.storage)
    Run(one.storage, other.folder.with_name("third")).all()
    assert explorer.key_figures().values["logs"] == OLD["logs"]


def test_the_state_of_one_storage_is_not_taken_for_that_of_another(
    sail: SparkSession, runs: tuple[Run, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = runs
    one.all()
    (tmp_path / "second").mkdir()
    second = Folder(str(tmp_path / "second"))
    put_new(second)
    Run(second, tmp_path / "run of the second").all()
    monkeypatch.setenv(VARIABLE, str(one.folder / FILE))
    shop = open_shop(second.url, DAY)
    assert analysis.period_logs(shop).count() == NEW["logs"]
    assert read_state(one.folder / FILE).storage == one.storage.url


def test_a_run_keeps_what_its_report_was_made_from_and_no_text_of_the_shop(runs: tuple[Run, Run]) -> None:
    runs[0].all()
    text = (runs[0].folder / FILE).read_text()
    state = json.loads(text)
    assert sorted(state["versions"]) == sorted(state["made"])
    assert len(state["versions"]) == 6
    assert list(state["raw_files"]) == [f"{DAY}..{DAY}"]
    assert "Ann" not in text


# Data files that another program has touched


def data_file(storage: Folder, table: str) -> Path:
    return next(path for path in storage.path(f"tables/{table}").rglob("*.parquet") if "_delta_log" not in path.parts)


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(300)


def rewrite(path: Path) -> None:
    """Another content of the same size, under the same name."""
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("change", [cut, rewrite, Path.unlink])
@pytest.mark.parametrize("table", ["customers", "products", "web_logs", "quarantine", "full_data", "product_sales"])
def test_what_another_program_has_cut_or_rewritten_is_made_again(
    runs: tuple[Run, Run], table: str, change: Callable[[Path], object]
) -> None:
    write_shop(runs[0].storage, [log(1, DAY, "purchase"), log(2, DAY, action="")])
    runs[0].all()
    change(data_file(runs[0].storage, table))
    runs[1].all()
    assert runs[1].speaks_of() == OLD


@pytest.mark.parametrize("change", [cut, Path.unlink])
@pytest.mark.parametrize(("table", "step"), [("web_logs", "join"), ("products", "join"), ("full_data", "analysis")])
def test_a_step_that_would_read_a_damaged_file_names_it_and_the_command_that_makes_it_again(
    runs: tuple[Run, Run], table: str, step: str, change: Callable[[Path], object]
) -> None:
    one, other = runs
    one.all()
    path = data_file(one.storage, table)
    change(path)
    with pytest.raises(TableError) as raised:
        getattr(other, step)()
    assert path.relative_to(one.storage.path("")).as_posix() in str(raised.value)
    assert f"--from {DAY} --to {DAY} --engine sail --refresh" in str(raised.value)


def test_a_damaged_log_of_a_table_is_told_in_a_sentence(runs: tuple[Run, Run]) -> None:
    one, other = runs
    one.all()
    next(one.storage.path("tables/web_logs/_delta_log").glob("*1.json")).write_text("{")
    with pytest.raises(TableError, match=r"The log of the table .*web_logs is damaged. Move that folder away"):
        other.ingest()
