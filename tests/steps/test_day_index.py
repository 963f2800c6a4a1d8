"""Files that are known to have nothing of a period are not read for it, and what is counted stays the same."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from techco.ingest import Ingested, ingest
from techco.period import Period
from techco.raw.logs import LogReader
from techco.shop import Shop
from techco.storage.folder import Folder
from techco.tables import receipts
from tests.support.shops import log, write_shop

MAY, AUGUST = Period.parse("2023-05"), Period.parse("2023-08")


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """A shop with a file for each month of 2023, of several forms."""
    storage: Folder = shop.storage  # type: ignore[assignment]
    write_shop(storage, "")
    storage.path("web_logs.json").unlink()
    storage.path("web_logs").mkdir()
    for month in range(1, 13):
        write_month(storage, month)
    return replace(shop, period=MAY, run_id="first")


def write_month(storage: Folder, month: int, *more: object) -> None:
    logs = [log(10 * month + n, f"2023-{month:02}-{n:02}") for n in range(1, 4)] + list(more)
    lines = "\n".join(map(json.dumps, logs))
    if month % 3 == 0:
        (storage.path("web_logs") / f"{month:02}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    else:
        text = json.dumps(logs) if month % 3 == 1 else lines
        (storage.path("web_logs") / f"{month:02}.json").write_text(text)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files with logs that were read, in their order."""
    names: list[str] = []
    real = LogReader.read

    def note(self: LogReader, files: list[object], judge: object) -> object:
        names.extend(Path(file.name).name[:2] for file in files)  # type: ignore[attr-defined]
        return real(self, files, judge)  # type: ignore[arg-type]

    monkeypatch.setattr(LogReader, "read", note)
    return names


def run(shop: Shop, period: Period, **changes: object) -> Ingested:
    return ingest(replace(shop, period=period, run_id=str(period), **changes))  # type: ignore[arg-type]


def figures(ingested: Ingested) -> list[object]:
    return [ingested.records.payload(), ingested.by_source.payload(), ingested.reasons.payload()]


def test_another_period_reads_its_own_files_only_and_counts_all(shop: Shop, read: list[str]) -> None:
    run(shop, MAY)
    assert len(read) == 12
    read.clear()
    august = run(shop, AUGUST)
    assert read == ["08"]
    assert august.made_by.values["files_passed_over"] == 11
    assert list(august.records.values.values()) == [36, 3, 0, 0, 33]
    assert figures(august) == figures(run(shop, AUGUST, refresh=True))


def test_a_period_without_any_file_reads_none(shop: Shop, read: list[str]) -> None:
    run(shop, MAY)
    read.clear()
    nothing = run(shop, Period.parse("2024"))
    assert read == []
    assert list(nothing.records.values.values()) == [36, 0, 0, 0, 36]


CHANGES: dict[str, Callable[[Folder], object]] = {
    "changed": lambda storage: write_month(storage, 2, log(99, "2023-08-09")),
    "changed, though as large and as old": lambda storage: as_large_and_old(storage.path("web_logs/02.json")),
    "added": lambda storage: storage.path("web_logs/02b.json").write_text(json.dumps([log(99, "2023-08-09")])),
}


def as_large_and_old(path: Path) -> None:
    stat = path.stat()
    path.write_text(path.read_text().replace("2023-02-01", "2023-08-09"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_is_not_as_it_was_is_read(shop: Shop, read: list[str], change: str) -> None:
    run(shop, MAY)
    CHANGES[change](shop.storage)  # type: ignore[arg-type]
    read.clear()
    august = run(shop, AUGUST)
    assert read == ["02", "08"]
    assert august.records.values["accepted"] == 4


@pytest.mark.slow
def test_a_file_with_a_record_without_a_day_is_always_read(shop: Shop, read: list[str]) -> None:
    write_month(shop.storage, 2, log(99, timestamp="?"))  # type: ignore[arg-type]
    write_month(shop.storage, 4, "no object")  # type: ignore[arg-type]
    run(shop, MAY)
    read.clear()
    august = run(shop, AUGUST)
    assert read == ["02", "04", "08"]
    assert figures(august) == figures(run(shop, AUGUST, refresh=True))


def test_of_many_files_some_are_known_together_and_each_run_knows_more(
    sail: SparkSession, storage: Folder, read: list[str]
) -> None:
    write_shop(storage, "")
    storage.path("web_logs.json").unlink()
    storage.path("web_logs").mkdir()
    for number in range(48):
        day = f"2023-{1 + number // 4:02}-{1 + number % 4:02}"
        (storage.path("web_logs") / f"{number:02}.json").write_text(json.dumps([log(number, day)]))
    shop = Shop(storage, MAY, sail, "first")
    for period, expected in (("2023-05", 48), ("2023-08-01", 3), ("2023-08-02", 1), ("2023-07-04", 1)):
        read.clear()
        assert run(shop, Period.parse(period)).records.values["read"] == 48
        assert len(read) == expected


@pytest.mark.slow
@pytest.mark.parametrize("what", ["another version", "another engine", "a damaged file", "refresh"])
def test_what_is_known_is_not_used_where_it_may_be_wrong(
    shop: Shop, read: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    run(shop, MAY)
    read.clear()
    if what == "another version":
        monkeypatch.setattr("techco.raw.day_index.code_fingerprint", lambda: "another")
        monkeypatch.setattr(receipts, "code_fingerprint", lambda: "another")
    if what == "a damaged file":
        path = Path(shop.storage.url) / "tables/_receipts/day_index.json"
        path.write_text(path.read_text()[:-5])
    run(shop, AUGUST, engine="sc://another:15002" if what == "another engine" else "sail", refresh=what == "refresh")
    assert len(read) == 12
