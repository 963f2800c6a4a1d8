"""Disks that are full, can only be read or go away: steps fail in plain words, and tables and records stay right."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from techco.contract import TABLES
from techco.errors import TechcoError
from techco.ingest import ingest
from techco.join import join
from techco.period import Period
from techco.records.find import recorded_runs
from techco.shop import Shop
from techco.storage.folder import Folder
from techco.tables.vacuum import vacuum
from tests.support.needs import missing
from tests.support.shops import log, write_shop
from tests.support.storages import named_files
from tests.support.tiny_notebooks import write_templates

pytestmark = pytest.mark.slow  # the short forms, too, take up to a minute

DAYS = ("2023-08-01", "2023-08-02", "2023-08-03")
SECOND = Period.parse(DAYS[1])
AUGUST = Period.parse("2023-08")
NO_ROOM = "No room is left on a disk: "


class Disk:
    """A disk of its own: `mount`, where it is."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount

    def leave(self, kilobytes: int) -> None:
        """Fill it until so much room is left; what filled it before goes first."""
        ballast = self.mount / "ballast"
        ballast.unlink(missing_ok=True)
        state = os.statvfs(self.mount)
        ballast.write_bytes(b"x" * max(0, state.f_bavail * state.f_bsize - kilobytes * 1024))

    def empty(self) -> None:
        """Make room."""
        (self.mount / "ballast").unlink(missing_ok=True)

    def remount(self, mode: str) -> bool:
        """Let it be read only (`ro`), or written again (`rw`); says whether that was possible at this moment."""
        words = ["mount", "-o", f"remount,{mode}", str(self.mount)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Eight megabytes in memory."""
    mount = tmp_path / "disk"
    mount.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(mount)]
    if os.getuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode != 0:
        missing("No right to mount a disk on this machine: run the tests as root")
    try:
        yield Disk(mount)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False, capture_output=True)


def logs_of(first: int) -> list[dict[str, Any]]:
    """Forty purchases of each day, with ids from `first`."""
    return [log(first + n, day, "purchase") for n, day in enumerate(DAYS * 40)]


def ids_of(first: int, day: int) -> list[int]:
    return [first + 3 * n + day for n in range(40)]


def held(shop: Shop, table: str) -> dict[str, list[int]]:
    """What a table holds: the ids of each day."""
    rows = shop.tables.read(table).select("event_date", "log_id").collect()
    return {day: sorted(row.log_id for row in rows if str(row.event_date) == day) for day in DAYS}


def data_files(storage: Folder) -> set[str]:
    """All data files on the disk, whether a table names them or not."""
    return {file.name for table in TABLES for file in storage.files(f"tables/{table}") if "_delta_log" not in file.name}


def fill_and_run(disk: Disk, sail: SparkSession, sizes: list[int]) -> list[str]:
    """Ingest and join one day again with little room left; checks what is left, and that the next try is right."""
    folder = disk.mount / "shop"
    folder.mkdir()
    storage = write_shop(Folder(str(folder)), logs_of(0))
    whole, day = Shop(storage, AUGUST, sail, "first"), Shop(storage, SECOND, sail, "again", refresh=True)
    ingest(whole)
    join(whole)
    said = []
    for number, size in enumerate(sizes, start=1):
        first = number * 1000
        write_shop(storage, logs_of(first))
        before = {table: held(whole, table) for table in ("web_logs", "full_data")}
        disk.leave(size)
        try:
            ingest(day)
            join(day)
            said.append("")
        except (TechcoError, PySparkException, OSError) as error:
            said.append(storage.explain_failure(str(error)) or str(error))
        disk.empty()
        for table, old in before.items():
            assert held(whole, table) in (old, {**old, DAYS[1]: ids_of(first, 1)}), (size, table)
        vacuum(storage, timedelta())  # a commit that failed may have been made, so its files are not removed at once
        assert data_files(storage) == named_files(storage), size
        assert ingest(day).records.values["accepted"] == 40, size
        assert join(day).values["total_sales"] == "404.00", size
        assert held(whole, "full_data") == {**before["full_data"], DAYS[1]: ids_of(first, 1)}, size
    return said


def test_a_storage_without_room_keeps_whole_tables(disk: Disk, sail: SparkSession) -> None:
    said = fill_and_run(disk, sail, [0, 8, 16, 28, 44, 400])
    assert said[0].startswith(NO_ROOM)
    assert said[-1] == ""
    assert all(words.startswith((NO_ROOM, "The storage")) or not words for words in said), said


@pytest.mark.soak
def test_a_storage_without_room_keeps_whole_tables_wherever_it_ends(disk: Disk, sail: SparkSession) -> None:
    said = fill_and_run(disk, sail, list(range(0, 160, 4)))
    print(Counter(words.partition(":")[0] for words in said))  # noqa: T201
    assert all(words.startswith((NO_ROOM, "The storage")) or not words for words in said), said


def techco(out: Path, storage: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A run as a process, to its end."""
    options = ["--storage", str(storage), "--period", "2023-08", "--out", str(out), "--no-progress", *words]
    command = [sys.executable, "-m", "techco", "run", *options]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)


def run_with_little_room_for_the_report(disk: Disk, folder: Path, kilobytes: int) -> subprocess.CompletedProcess[str]:
    """A run of tiny notebooks; what it leaves must fit what it says."""
    (folder / "shop").mkdir(exist_ok=True)
    templates = write_templates(folder / "templates", analysis="print('x' * 30_000)")
    out = disk.mount / f"out {kilobytes}"
    disk.leave(kilobytes)
    done = techco(out, folder / "shop", TECHCO_TEMPLATES=str(templates))
    assert "Traceback" not in done.stderr
    disk.empty()
    records = recorded_runs(out)
    if done.returncode == 0:
        assert [record.status for record in records] == ["completed"]
        assert all(Path(str(step.report)).is_file() for step in records[0].steps)
        shutil.rmtree(out)
        return done
    assert done.returncode == 1
    assert "No space left on device. Make room, or give another folder with --out." in done.stderr
    assert [record.status for record in records] in ([], ["failed"])
    for record in records:
        words = ["render", record.run_id, "--out", str(out)]
        subprocess.run([sys.executable, "-m", "techco", *words], check=True, capture_output=True)
    shutil.rmtree(out, ignore_errors=True)  # or the disk would be full of earlier ones
    return done


def test_a_report_without_room_is_no_completed_run(disk: Disk, tmp_path: Path) -> None:
    codes = [run_with_little_room_for_the_report(disk, tmp_path, size).returncode for size in (4, 12, 80, 160, 2000)]
    assert (codes[0], codes[-1]) == (1, 0)


@pytest.mark.soak
def test_a_report_without_room_is_no_completed_run_wherever_it_ends(disk: Disk, tmp_path: Path) -> None:
    sizes = list(range(0, 320, 4))
    codes = [run_with_little_room_for_the_report(disk, tmp_path, size).returncode for size in sizes]
    print(dict(zip(sizes, codes, strict=True)))  # noqa: T201
    assert {0, 1} == set(codes)


def test_no_room_for_temporary_files_is_told_in_plain_words(disk: Disk, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    write_shop(Folder(str(folder)), [log(n, DAYS[n % 3], "purchase") for n in range(3000)])
    disk.leave(24)
    done = techco(tmp_path / "out", folder, "--json", TMPDIR=str(disk.mount))
    assert (done.returncode, json.loads(done.stdout)["status"]) == (1, "failed"), done.stderr
    assert done.stderr.startswith(f"Error: The step ingest failed: {NO_ROOM}{folder} has ")
    assert f"{disk.mount} (temporary files) has 0." in done.stderr
    disk.empty()
    again = techco(tmp_path / "out", folder, "--json", TMPDIR=str(disk.mount))
    assert json.loads(again.stdout)["metrics"]["total_sales"] == "30300.00"


def run_and_meanwhile(disk: Disk, out: Path, seen: str, act: Any) -> tuple[int, str, Mapping[str, Any]]:
    """Start a run, and act as soon as there is a file that matches; its exit code, stderr and record."""
    options = [
        "--storage",
        str(disk.mount / "shop"),
        "--period",
        "2023-08",
        "--out",
        str(out),
        "--no-progress",
        "--json",
    ]
    command = [sys.executable, "-m", "techco", "run", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            if any(disk.mount.glob(seen)) and act():
                break
        stdout, stderr = process.communicate()
    return process.returncode, stderr, json.loads(stdout)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param("shop/tables/web_logs/_delta_log/*0.json", marks=pytest.mark.soak),
        "shop/tables/full_data/*/*/*/*.parquet",
    ],
)
def test_a_disk_that_becomes_read_only_is_told_and_mended_by_the_next_run(
    disk: Disk, tmp_path: Path, sail: SparkSession, seen: str
) -> None:
    folder = disk.mount / "shop"
    folder.mkdir()
    storage = write_shop(Folder(str(folder)), logs_of(0))
    code, said, record = run_and_meanwhile(disk, tmp_path / "out", seen, lambda: disk.remount("ro"))
    assert (code, record["status"]) == (1, "failed"), said
    assert "can only be read now: its file system has become read-only." in said
    assert "Traceback" not in said
    assert disk.remount("rw")
    again = techco(tmp_path / "out", folder, "--json")
    assert json.loads(again.stdout)["metrics"]["total_sales"] == "1212.00"
    assert held(Shop(storage, AUGUST, sail, ""), "full_data") == {day: ids_of(0, n) for n, day in enumerate(DAYS)}


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param("shop/tables/web_logs/_delta_log/*0.json", marks=pytest.mark.soak),
        "shop/tables/full_data/*/*/*/*.parquet",
    ],
)
def test_a_storage_that_goes_away_is_told_and_mended_by_the_next_run(
    disk: Disk, tmp_path: Path, sail: SparkSession, seen: str
) -> None:
    folder, elsewhere = disk.mount / "shop", disk.mount / "elsewhere"
    folder.mkdir()
    write_shop(Folder(str(folder)), logs_of(0))

    def move() -> bool:
        folder.rename(elsewhere)
        return True

    code, said, record = run_and_meanwhile(disk, tmp_path / "out", seen, move)
    assert (code, record["status"]) == (1, "failed"), said
    assert "Traceback" not in said
    assert re.search(rf"{folder}.* (has gone while it was used|cannot be read: No such)|No table \w+ in {folder}", said)
    with suppress(FileNotFoundError):
        folder.rename(disk.mount / "ghost")
    elsewhere.rename(folder)
    again = techco(tmp_path / "out", folder, "--json")
    assert json.loads(again.stdout)["metrics"]["total_sales"] == "1212.00"
    left = held(Shop(Folder(str(folder)), AUGUST, sail, ""), "full_data")
    assert left == {day: ids_of(0, n) for n, day in enumerate(DAYS)}
