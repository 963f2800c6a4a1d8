"""What the tables know of days: those without logs are there, those that no run has written are not."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

import techco
from techco import analysis
from techco.contract import PRODUCT_SALES
from techco.engines.dialects import delta_path
from techco.errors import NotIngested, TechcoError
from techco.ingest import ingest, ingest_each
from techco.join import join, join_each
from techco.period import Period, stretches
from techco.shop import Shop
from techco.storage.access import Access
from techco.storage.folder import Folder
from techco.tables.data_files import DataFile, gaps, path_without_rows
from techco.tables.state import FILE, State
from techco.tables.tables import Tables
from tests.support.shops import log, write_shop

AUGUST = Period.parse("2023-08")


def sold(spark: SparkSession, *days: int) -> DataFrame:
    rows = [(date(2023, 8, day), 1, 1, None, 1) for day in days]
    return spark.createDataFrame(rows, PRODUCT_SALES.schema)


def missing(tables: Tables, period: Period = AUGUST) -> list[int]:
    return [day.day for day in tables.missing_days("product_sales", period)]


def write(tables: Tables, period: str, *days: int) -> None:
    tables.replace_period("product_sales", sold(tables.spark, *days), Period.parse(period), "run")


def part(shop: Shop, period: str) -> Shop:
    return replace(shop, period=Period.parse(period))


def in_run(shop: Shop) -> Shop:
    """The shop as a run opens it that was asked for some of the steps."""
    return replace(shop, state=State(file=Path(shop.storage.url).parent / FILE))


def test_days_that_were_written_without_rows_are_known(tables: Tables) -> None:
    assert len(missing(tables)) == 31
    write(tables, "2023-08-02..2023-08-05", 3)
    assert missing(tables) == [1, *range(6, 32)]
    write(tables, "2023-08-07")
    assert missing(tables) == [1, 6, *range(8, 32)]
    assert tables.read("product_sales").count() == 1
    assert [file.rows for file in tables.data_files("product_sales")] == [1]


def test_what_is_missing_between_any_files_is_found() -> None:
    first = AUGUST.first
    for seed in range(500):
        choose = random.Random(seed)
        starts = [first + timedelta(days=choose.randrange(20)) for _ in range(choose.randrange(6))]
        empty = [Period(day, day + timedelta(days=choose.choice([0, 0, 1, 5]))) for day in starts]
        files = [DataFile(f"batch/{path_without_rows(one)}", 1, 0, one.first) for one in empty]
        files += [DataFile("batch/part", 1, 9, choose.choice([first, None]))]
        days = frozenset(first + timedelta(days=choose.randrange(25)) for _ in range(choose.randrange(12)))
        for asked in (days, Period(first, first + timedelta(days=choose.randrange(25)))):
            written = {file.day for file in files} | {day for one in empty for day in one}
            assert gaps(files, asked) == stretches(set(asked) - written)


def test_days_stay_known_if_some_of_those_without_rows_are_written_again(tables: Tables) -> None:
    write(tables, "2023-08", 1)
    for period, days in (("2023-08-02..2023-08-09", (4,)), ("2023-08-20", (20,)), ("2023-08-30..2023-08-31", ())):
        write(tables, period, *days)
        assert not missing(tables)
    assert sorted(row.event_date.day for row in tables.read("product_sales", AUGUST).collect()) == [1, 4, 20]


def test_a_write_that_dies_before_its_commit_has_written_no_day(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Tables, "_commit", die)
    with pytest.raises(KeyboardInterrupt):
        write(tables, "2023-08", 1)
    assert len(missing(tables)) == 31


def test_a_table_of_an_earlier_version_knows_only_its_days_with_rows(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tables, "_write_without_rows", lambda *_: [])
    write(tables, "2023-08", 1, 3)
    assert missing(tables) == [2, *range(4, 32)]
    monkeypatch.undo()
    write(tables, "2023-08", 1, 3)
    assert not missing(tables)


def test_a_part_is_never_shown_as_the_whole(any_shop: Shop) -> None:
    logs = [log(1, action="purchase"), log(2, day="2023-08-02", action="purchase"), log(3, day="2023-08-05")]
    write_shop(any_shop.storage, logs)
    two_days = part(any_shop, "2023-08-01..2023-08-02")
    ingest(two_days)
    join(two_days)
    any_shop.make_views()
    words = (
        r"29 of the 31 days of 1 to 31 August 2023 are not ingested in .*: 3 to 31 August 2023\. Bring .*: techco run "
    )
    for ask in (
        lambda shop: join(in_run(shop)),
        lambda shop: analysis.period_logs(in_run(shop)),
        analysis.summarize,
        lambda shop: shop.web_logs,
        lambda shop: shop.quarantine,
    ):
        with pytest.raises(NotIngested, match=words):
            ask(any_shop)
    with pytest.raises(PySparkException, match="full_data"):
        any_shop.spark.sql("SELECT sum(sales) FROM full_data").collect()
    with pytest.raises(NotIngested, match=r"5 August 2023 is not ingested"):
        analysis.summarize(part(any_shop, "2023-08-05"))
    assert analysis.summarize(two_days).total_sales == analysis.summarize(part(any_shop, "2023-08-02")).total_sales * 2


def test_a_day_without_logs_is_there(any_shop: Shop) -> None:
    write_shop(any_shop.storage, [log(1)])
    ingest(any_shop)
    with pytest.raises(NotIngested, match=r"1 to 31 August 2023 is not joined in .* --steps join,analysis$"):
        any_shop.full_data.count()
    join(any_shop)
    day = part(any_shop, "2023-08-05")
    assert (day.full_data.count(), day.product_sales.count(), day.quarantine.count()) == (0, 0, 0)
    assert analysis.summarize(day).days_without_data.rows == [["2023-08-05"]]


def test_the_command_that_brings_days_says_how_the_storage_is_opened(shop: Shop) -> None:
    given = replace(shop, access=Access("kv-shop", "storage-key"), engine="spark")
    with pytest.raises(NotIngested) as error:
        given.full_data.count()
    assert str(error.value).endswith(
        f": techco run --storage '{shop.storage.url}' --from 2023-08-01 --to 2023-08-31 "
        "--key-vault kv-shop --secret storage-key --engine spark"
    )


def test_an_ingest_that_dies_between_its_tables_has_ingested_no_day(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shop(shop.storage, [log(1), "not a log"])
    replace_period = Tables.replace_period
    order: list[str] = []

    def die_at_the_last(tables: Tables, name: str, *given: object) -> object:
        order.append(name)
        if len(order) == 2:
            raise KeyboardInterrupt
        return replace_period(tables, name, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Tables, "replace_period", die_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        ingest(shop)
    assert order == ["quarantine", "web_logs"]
    assert len(shop.tables.missing_days("web_logs", AUGUST)) == 31
    monkeypatch.undo()
    assert ingest(shop).records.values["accepted"] == 1


def test_days_that_another_program_has_deleted_are_ingested_again(sail: SparkSession, small_shop: Folder) -> None:
    shop = Shop(small_shop, AUGUST, sail, "run")
    ingest(shop)
    DeltaTable(delta_path(small_shop, "web_logs")).delete("event_date = '2023-08-31'")
    assert shop.tables.missing_days("web_logs", AUGUST) == [date(2023, 8, 31)]
    assert ingest(shop).made_by.values["reused"] == "no"
    assert shop.web_logs.count() == 2


def test_of_several_periods_those_are_joined_that_are_ingested(shop: Shop) -> None:
    write_shop(shop.storage, [log(1), log(2, day="2023-08-03")])
    days = [Period.parse(f"2023-08-0{day}") for day in (1, 3)]
    ingest(part(shop, "2023-08-01"))
    join_each(shop, days)
    assert [day.day for day in shop.tables.missing_days("full_data", AUGUST)] == list(range(2, 32))
    ingest(part(shop, "2023-08-03"))
    join_each(shop, days)
    assert len(shop.tables.missing_days("full_data", AUGUST)) == 29


def test_nothing_is_compared_with_a_part_of_the_period_before(shop: Shop) -> None:
    write_shop(
        shop.storage, [log(n, day, "purchase") for n, day in enumerate(("2023-07-05", "2023-07-31", "2023-08-01"))]
    )
    for one in (part(shop, "2023-07-30..2023-07-31"), shop):
        ingest(one)
        join(one)
    summary = analysis.summarize(shop)
    before = summary.before.values
    assert before["days_not_ingested"] == 29
    assert summary.warnings.rows[-1:] == [
        [
            "before_incomplete",
            "29 of the 31 days of 1 to 31 July 2023 are not ingested, so no changes are shown.",
            29,
            f"Ingest this, then run again: {before['command']}",
        ]
    ]
    assert str(before["command"]).endswith("--from 2023-07-01 --to 2023-07-31 --engine " + shop.engine)
    assert "total_sales" not in before
    ingest(part(shop, "2023-07"))
    join(part(shop, "2023-07"))
    before = analysis.summarize(shop).before.values
    assert (before["days_not_ingested"], before["total_sales"]) == (0, "20.20")


def test_a_shop_tells_which_days_its_files_have(shop: Shop) -> None:
    write_shop(shop.storage, [log(1, day="2023-06-30"), log(2), log(3, day="2024-01-01"), log(4, timestamp="?")])
    url = shop.storage.url
    assert "The files have" not in repr(techco.open(url, "2023-08")), "nothing has read them yet"
    for _ in range(2):
        days = ingest(shop).days_in_files.values
        assert (days["first_day"], days["last_day"]) == ("2023-06-30", "2024-01-01")
    assert "The files have 30 June 2023 to 1 January 2024" in repr(techco.open(url, "2023-08"))
    write_shop(shop.storage, [log(1)])
    assert "The files have" not in repr(techco.open(url, "2023-08")), "others than were read"
    assert ingest(part(shop, "2023-09")).days_in_files.values["last_day"] == "2023-08-01"


def test_a_shop_whose_files_have_no_day_has_no_data_before(shop: Shop) -> None:
    write_shop(shop.storage, [])
    ingest(shop)
    join(shop)
    summary = analysis.summarize(shop)
    assert summary.before.values["days_not_ingested"] == 31
    assert "command" not in summary.before.values
    assert "before_incomplete" not in [row[0] for row in summary.warnings.rows]


@pytest.fixture
def by_day(shop: Shop) -> Shop:
    """A shop with a folder for each day, each of which has a log of the next day."""
    write_shop(shop.storage, [])
    Folder(shop.storage.url).path("web_logs.json").unlink()
    for day in (1, 2, 3):
        folder = Folder(shop.storage.url).path(f"web_logs/date=2023-08-0{day}")
        folder.mkdir(parents=True)
        logs = [log(day * 2, f"2023-08-0{day}", "purchase"), log(day * 2 + 1, f"2023-08-0{day + 1}", "purchase")]
        folder.joinpath("a.json").write_text("\n".join(map(json.dumps, logs)), encoding="utf-8")
    return part(shop, "2023-08-02")


def test_logs_in_a_folder_of_another_day_are_counted(by_day: Shop) -> None:
    for _ in range(2):
        ingested = ingest(by_day)
        assert ingested.records.values["accepted"] == 1
        assert list(ingested.days_in_files.values.values()) == ["2023-08-01", "2023-08-03"]
        assert ingested.warnings.rows == [
            [
                "other_folders",
                "1 web log lies in a folder of another day, up to 1 day away. Logs of this period may lie in folders "
                "that were not read.",
                1,
                "Read the folders of 1 day before and after as well: set TECHCO_DAYS_AROUND=1.",
            ]
        ]
    assert [row[2] for row in ingest(part(by_day, "2023-08")).warnings.rows] == [3]


def test_folders_around_the_period_are_read_if_that_is_set(by_day: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ingested = ingest(replace(by_day, days_around=1))
    assert ingested.records.values["accepted"] == 2
    assert not ingested.warnings.rows
    monkeypatch.setenv("TECHCO_DAYS_AROUND", "1")
    assert techco.open_shop(by_day.storage.url, "2023-08-02").days_around == 1
    monkeypatch.setenv("TECHCO_DAYS_AROUND", "-1")
    with pytest.raises(TechcoError, match="TECHCO_DAYS_AROUND is '-1'"):
        techco.open_shop(by_day.storage.url, "2023-08-02")


JULY_TO_SEPTEMBER = [
    log(1, "2023-07-05", "purchase"),
    log(1, "2023-07-06", "purchase", quantity=2),  # of one log_id, also in August
    log(1, action="purchase", quantity=4),
    log(2, "2023-09-01", "purchase"),
    log(3, "2023-07-07", action=None),
    log(4, "2023-08-07", action=None),
]


@pytest.fixture
def comparing(shop: Shop) -> Shop:
    """August of a shop with logs from July to September, of which ingest and join bring July as well."""
    write_shop(shop.storage, JULY_TO_SEPTEMBER)
    return replace(shop, compare=True)


def test_the_period_before_is_brought_into_the_tables_as_far_as_the_files_have_it(any_shop: Shop) -> None:
    comparing = replace(any_shop, compare=True)
    write_shop(comparing.storage, [*JULY_TO_SEPTEMBER, log(5, timestamp="?")])
    records = ingest(comparing).records.values
    assert records == {"read": 7, "accepted": 1, "duplicates": 0, "quarantined": 2, "outside_period": 4}
    assert join(comparing).values["total_sales"] == "40.40"
    july = part(comparing, "2023-07-05..2023-07-31")
    assert july.full_data.count() == july.web_logs.count() == 1, "of two logs with one log_id one is refused"
    assert july.quarantine.where("event_date IS NOT NULL").count() == 2
    assert [day.day for day in comparing.tables.missing_days("full_data", Period.parse("2023-07"))] == [1, 2, 3, 4]
    assert comparing.tables.missing_days("web_logs", Period.parse("2023-09-01")), "what comes after is left"


def test_what_the_period_before_brings_is_what_its_own_run_would(comparing: Shop) -> None:
    days, before = part(comparing, "2023-07-08..2023-07-09"), part(comparing, "2023-07-06..2023-07-07")
    ingest(days)
    join(days)
    assert ingest(before).made_by.values["reused"] == join(before).values["reused"] == "yes"
    figures = analysis.summarize(days).before.values
    assert (figures["days_not_ingested"], figures["total_sales"]) == (0, "20.20")


def test_the_period_before_is_brought_once(comparing: Shop) -> None:
    for _ in range(2):
        ingest(comparing)
        join(comparing)
    files = {name: comparing.tables.data_files(name) for name in ("web_logs", "full_data")}
    assert ingest(comparing).made_by.values["reused"] == join(comparing).values["reused"] == "yes"
    assert files == {name: comparing.tables.data_files(name) for name in files}
    write_shop(comparing.storage, [log(9)])
    ingest(comparing)
    july = part(comparing, "2023-07-05..2023-07-31")
    assert july.web_logs.count() == 1, "days that are in the tables stay, also if the files have lost them"


def test_the_period_before_is_brought_though_nothing_else_is_to_be_done(comparing: Shop) -> None:
    alone = replace(comparing, compare=False)
    ingest(alone)
    join(alone)
    assert len(comparing.tables.missing_days("web_logs", Period.parse("2023-07"))) == 31
    assert ingest(comparing).made_by.values["reused"] == join(comparing).values["reused"] == "yes"
    assert len(comparing.tables.missing_days("full_data", Period.parse("2023-07"))) == 4


def test_the_days_that_are_missing_of_the_period_itself_are_named_first(comparing: Shop) -> None:
    ingest(part(comparing, "2023-07"))
    with pytest.raises(NotIngested, match="1 to 31 August 2023 is not ingested"):
        join(in_run(comparing))


def test_several_periods_bring_what_is_before_the_first(comparing: Shop) -> None:
    days = [Period.parse(f"2023-07-0{day}") for day in (6, 8, 9)]
    one = part(comparing, "2023-07-06..2023-07-09")
    assert ingest_each(one, days)
    join_each(one, days)
    assert not comparing.tables.missing_days("full_data", [date(2023, 7, day) for day in (5, 6, 8, 9)])
    assert [str(row.sales) for row in part(comparing, "2023-07-05").full_data.collect()] == ["10.10"]


def test_folders_by_day_that_are_not_read_are_not_brought(by_day: Shop) -> None:
    ingest(replace(by_day, compare=True))
    assert by_day.tables.missing_days("web_logs", [date(2023, 8, 1)])
