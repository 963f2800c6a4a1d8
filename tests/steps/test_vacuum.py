"""What is removed from among the tables, and what stays for whoever may still need it."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from typer.testing import CliRunner

from techco.cli.app import app
from techco.contract import WEB_LOGS
from techco.engines.session import open_session
from techco.period import Period
from techco.storage.base import Storage
from techco.storage.folder import Folder
from techco.storage.open import open_storage
from techco.tables.scratch import PREFIX
from techco.tables.tables import Tables
from techco.tables.vacuum import Removed, vacuum
from tests.support.azurite import Azurite

AUGUST = Period.parse("2023-08")
NONE = timedelta()


@pytest.fixture
def tables(sail: SparkSession, storage: Folder) -> Tables:
    """A table of one day that was replaced twice."""
    tables = Tables(sail, storage)
    for number in (1, 2, 3):
        write(tables, number)
    return tables


def write(tables: Tables, number: int, day: str = "2023-08-01") -> None:
    row = (number, datetime.fromisoformat(day), date.fromisoformat(day), 1, None, "view", None)
    frame: DataFrame = tables.spark.createDataFrame([row], WEB_LOGS.schema)
    tables.replace_period("web_logs", frame, AUGUST, "run")


def ids(tables: Tables) -> list[int]:
    return sorted(row.log_id for row in tables.read("web_logs").collect())


def data_files(storage: Storage) -> list[str]:
    return [file.name for file in storage.files("tables") if file.name.endswith(".parquet")]


def removed(found: list[Removed]) -> dict[str, int]:
    return {one.name: one.files for one in found}


def leave(storage: Folder, name: str, days_ago: float) -> Path:
    """What a run that was killed some days ago left behind."""
    path = storage.path(f"tables/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"12345")
    then = time.time() - days_ago * 86400
    os.utime(path, (then, then))
    return path


def test_files_that_were_replaced_within_seven_days_stay(tables: Tables, storage: Folder) -> None:
    opened_before = tables.read("web_logs")
    write(tables, 4)
    for path in storage.path("tables/web_logs").rglob("*.parquet"):  # old they may be: they were needed until now
        os.utime(path, (0, 0))
    assert removed(vacuum(storage)) == {"web_logs": 0, "put aside": 0}
    assert [row.log_id for row in opened_before.collect()] == [3]
    assert len(data_files(storage)) == 8  # of each write one with the row, and one for the days without


def test_what_nobody_reads_any_more_is_removed_with_its_folders(tables: Tables, storage: Folder) -> None:
    size = sum(storage.path(name).stat().st_size for name in data_files(storage)) * 2 // 3
    told = vacuum(storage, NONE, dry_run=True)
    assert len(data_files(storage)) == 6
    found = vacuum(storage, NONE)
    assert (removed(found), removed(told)) == ({"web_logs": 4, "put aside": 0},) * 2
    assert found[0].size == pytest.approx(size, abs=30)
    assert len(data_files(storage)) == 2
    assert ids(tables) == [3]
    assert len(list(storage.path("tables/web_logs").iterdir())) == 2  # the log, and the folder of one write


def test_a_table_may_be_cleaned_again_and_again(tables: Tables, storage: Folder) -> None:
    opened_first = tables.read("web_logs")
    for number in range(4, 12):
        write(tables, number)
        write(tables, number)
        assert removed(vacuum(storage, NONE))["web_logs"] >= 2
        assert (ids(tables), len(data_files(storage))) == ([number], 2)
        assert storage.find("tables/web_logs/_delta_log/_last_checkpoint") is None
    assert removed(vacuum(storage, NONE)) == {"web_logs": 0, "put aside": 0}
    with pytest.raises(Exception, match="No such file"):  # its files are gone, but not its version
        opened_first.collect()


def test_what_no_commit_names_is_removed_only_when_it_is_old(tables: Tables, storage: Folder) -> None:
    name = "0000/event_date=2023-08-01/part-0.parquet"
    being_written = leave(storage, f"web_logs/{'1' * 32}/{name}", days_ago=6.9)
    orphan = leave(storage, f"web_logs/{'2' * 32}/{name}", days_ago=7.1)
    assert removed(vacuum(storage)) == {"web_logs": 1, "put aside": 0}
    assert being_written.exists()
    assert not orphan.parents[2].exists()
    assert ids(tables) == [3]


def test_rows_that_a_killed_run_had_put_aside_are_removed_when_they_are_old(storage: Folder) -> None:
    scratch = PREFIX.removeprefix("tables/")
    old = leave(storage, f"{scratch}old/001/part-0.parquet", days_ago=8)
    in_use = leave(storage, f"{scratch}young/001/part-0.parquet", days_ago=8)
    leave(storage, f"{scratch}young/002/part-0.parquet", days_ago=1)
    probe = leave(storage, ".probe-1", days_ago=8)
    assert vacuum(storage, dry_run=True) == vacuum(storage) == [Removed("put aside", 2, 10)]
    assert not old.parents[1].exists()
    assert not probe.exists()
    assert in_use.exists()


def test_where_there_is_nothing_to_remove_nothing_is_written(tables: Tables, storage: Folder) -> None:
    before = sorted(storage.path("tables").rglob("*"))
    vacuum(storage)
    assert sorted(storage.path("tables").rglob("*")) == before
    empty = Folder(str(storage.path("tables/web_logs")))
    assert vacuum(empty) == [Removed("put aside", 0, 0)]


def test_writers_and_vacuum_at_once_lose_nothing(tables: Tables, storage: Folder) -> None:
    days = [f"2023-08-{day:02d}" for day in range(1, 9)]
    stop = threading.Event()

    def keep_removing() -> None:
        while not stop.is_set():
            vacuum(storage)

    def replace(day: str) -> None:
        row = (int(day[-2:]), datetime.fromisoformat(day), date.fromisoformat(day), 1, None, "view", None)
        frame = tables.spark.createDataFrame([row], WEB_LOGS.schema)
        tables.replace_period("web_logs", frame, Period.parse(day), "run")

    for number in range(20):  # so that there is something to remove all the time
        leave(storage, f"web_logs/{number}/part-0.parquet", days_ago=8)
    remover = threading.Thread(target=keep_removing)
    writers = [threading.Thread(target=replace, args=(day,)) for day in days]
    for thread in (remover, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    remover.join()
    assert ids(tables) == list(range(1, 9))


def test_the_command_says_what_it_removed(tables: Tables, storage: Folder) -> None:
    leave(storage, "web_logs/killed/part-0.parquet", days_ago=8)

    def command(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["vacuum", *words])
        return done.exit_code, done.stdout + done.stderr

    shop = ("--storage", storage.url)
    assert command(*shop, "--dry-run") == (
        0,
        "web_logs             1 files         0.0 MB\n1 files would be removed, 0.0 MB.\n",
    )
    assert command(*shop, "--keep-days", "9") == (0, "Nothing to remove.\n")
    removed_by_now = json.loads(command(*shop, "--json")[1])["removed"]
    assert removed_by_now == [{"name": "web_logs", "files": 1, "size": 5}, {"name": "put aside", "files": 0, "size": 0}]
    assert command(*shop) == (0, "Nothing to remove.\n")
    assert command("--storage", str(storage.path("nowhere")))[0] == 1
    assert command() == (2, "Error: No storage is given. Say which one to clean: --storage URL.\n")
    code, words = command(*shop, "--keep-days", "6")
    assert (code, "greater than or equal to 7" in words) == (2, True)


def test_a_container_is_cleaned_as_a_folder_is(storage_account: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)
    storage_account.container("vacuum")
    storage = open_storage(storage_account.url("vacuum", uuid.uuid4().hex))
    tables = Tables(open_session("sail", storage), storage)
    for number in (1, 2, 3):
        write(tables, number)
    storage.write("tables/_scratch-killed/001.parquet", b"12345")
    assert removed(vacuum(storage)) == {"web_logs": 0, "put aside": 0}
    time.sleep(1.1)  # a container knows the times of its files to the second
    assert removed(vacuum(storage, NONE)) == {"web_logs": 4, "put aside": 1}
    assert len(data_files(storage)) == 2
    assert ids(tables) == [3]
    assert storage.find("tables/_scratch-killed/001.parquet") is None
    for number in (4, 5):
        write(tables, number)
        time.sleep(1.1)
        assert removed(vacuum(storage, NONE))["web_logs"] == 2
        assert (ids(tables), len(data_files(storage))) == ([number], 2)
