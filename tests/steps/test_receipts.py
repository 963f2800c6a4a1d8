"""What has not changed is not made again, and whatever changes is noticed."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from techco import ingest as ingest_module
from techco import settings
from techco.contract import TABLES
from techco.errors import ParameterError
from techco.ingest import Ingested, ingest
from techco.join import join
from techco.period import Period
from techco.shop import Shop
from techco.storage.folder import Folder
from techco.tables import receipts
from tests.support.shops import CUSTOMERS, PRODUCTS, log, write_shop

AUGUST, JULY = Period.parse("2023-08"), Period.parse("2023-07")
BAD_CUSTOMER = "?,Ann,Lee,,\n"


@pytest.fixture
def shop(sail: SparkSession, tmp_path: Path) -> Shop:
    """A shop with logs of two months in a folder, and refused records of every source, with a day and without."""
    (tmp_path / "shop").mkdir()  # not the fixture `storage`, under whose name deltalake deletes nothing
    storage = Folder(str(tmp_path / "shop"))
    write_shop(storage, "", CUSTOMERS + BAD_CUSTOMER)
    storage.path("web_logs.json").unlink()
    (folder := storage.path("web_logs")).mkdir()
    (folder / "a.json").write_text(json.dumps([log(1, action="purchase"), log(2, action=""), log(3, timestamp="?")]))
    (folder / "b.json").write_text(json.dumps([log(11, "2023-07-05", "purchase"), log(12, "2023-07-06", action="")]))
    return Shop(storage, AUGUST, sail, "first")


def again(shop: Shop, run_id: str = "second", **changes: object) -> Shop:
    return replace(shop, run_id=run_id, **changes)  # type: ignore[arg-type]


def ingested_by(shop: Shop) -> object:
    return ingest(shop).made_by.values["made_by_run"]


def joined_by(shop: Shop) -> object:
    return join(shop).values["made_by_run"]


def versions(shop: Shop) -> dict[str, int]:
    folder = Path(shop.storage.url) / "tables"
    return {name: DeltaTable(folder / name).version() for name in TABLES if (folder / name).is_dir()}


def shown(ingested: Ingested) -> list[object]:
    parts = (ingested.raw_files, ingested.records, ingested.by_source, ingested.reasons, ingested.examples)
    return [part.payload() for part in parts]


def test_a_second_run_of_an_unchanged_period_writes_nothing_and_shows_the_same(shop: Shop) -> None:
    first = ingest(shop)
    joined = join(shop)
    before = versions(shop)
    second = ingest(again(shop))
    joined_again = join(again(shop))
    assert versions(shop) == before
    assert shown(second) == shown(first)
    assert first.made_by.values == {"made_by_run": "first", "reused": "no", "files_passed_over": 0}
    assert second.made_by.values == {"made_by_run": "first", "reused": "yes"}
    assert joined_again.values == {**joined.values, "reused": "yes"}


def test_after_reuse_the_views_are_there(shop: Shop) -> None:
    ingest(shop)
    join(shop)
    for name in TABLES:
        shop.spark.catalog.dropTempView(name)
    ingest(again(shop))
    join(again(shop))
    assert {shop.spark.table(name).count() for name in ("web_logs", "full_data")} == {1}


def rewrite_keeping_its_time(path: Path) -> None:
    """As large as before, and as old as far as the clock of its content says."""
    stat, text = path.stat(), path.read_text()
    path.write_text(text.replace("purchase", "PURCHASE"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


RAW_CHANGES: dict[str, Callable[[Path], object]] = {
    "a log file changes, but not its size and time": lambda root: rewrite_keeping_its_time(root / "web_logs/a.json"),
    "a log file of another period changes": lambda root: (root / "web_logs/b.json").write_text("[]"),
    "a log file is added": lambda root: (root / "web_logs/c.json").write_text(json.dumps([log(4)])),
    "a log file is removed": lambda root: (root / "web_logs/b.json").unlink(),
    "a log file is renamed": lambda root: (root / "web_logs/b.json").rename(root / "web_logs/z.json"),
    "a log file is packed": lambda root: (
        (root / "web_logs/a.json.gz").write_bytes(gzip.compress((root / "web_logs/a.json").read_bytes())),
        (root / "web_logs/a.json").unlink(),
    ),
    "the customers change": lambda root: (root / "customer_data.csv").write_text(CUSTOMERS),
    "the products change": lambda root: (root / "product_data.csv").write_text(PRODUCTS + "3,Pen,Office,1\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", RAW_CHANGES)
def test_a_changed_raw_file_is_noticed(shop: Shop, change: str) -> None:
    ingest(shop)
    RAW_CHANGES[change](Path(shop.storage.url))
    assert ingested_by(again(shop)) == "second"


TABLE_CHANGES: dict[str, Callable[[Path], object]] = {
    "the logs are deleted": lambda tables: DeltaTable(tables / "web_logs").delete(),
    "the customers are deleted": lambda tables: DeltaTable(tables / "customers").delete(),
    "a customer is deleted": lambda tables: DeltaTable(tables / "customers").delete("customer_id = 1"),
    "what is in quarantine is deleted": lambda tables: DeltaTable(tables / "quarantine").delete(),
    "what has no day is deleted": lambda tables: DeltaTable(tables / "quarantine").delete("event_date IS NULL"),
    "a table is removed": lambda tables: shutil.rmtree(tables / "web_logs"),
    "all tables are removed": lambda tables: shutil.rmtree(tables),
    "data files are removed": lambda tables: [path.unlink() for path in (tables / "web_logs").rglob("*.parquet")],
    "the receipts are removed": lambda tables: shutil.rmtree(tables / "_receipts"),
    "a receipt is cut off": lambda tables: [
        path.write_text(path.read_text()[:-9]) for path in (tables / "_receipts").glob("ingest-*.json")
    ],
    "a receipt is something else": lambda tables: [
        path.write_text("[]") for path in (tables / "_receipts").glob("ingest-*.json")
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("change", TABLE_CHANGES)
def test_tables_that_are_not_as_they_were_left_are_made_again(shop: Shop, change: str) -> None:
    first = ingest(shop)
    TABLE_CHANGES[change](Path(shop.storage.url) / "tables")
    second = ingest(again(shop))
    assert second.made_by.values["made_by_run"] == "second"
    assert shown(second) == shown(first)
    assert (shop.web_logs.count(), shop.customers.count(), shop.tables.read("quarantine").count()) == (1, 2, 3)


def test_refresh_makes_all_again(shop: Shop) -> None:
    ingest(shop)
    join(shop)
    assert ingested_by(again(shop, refresh=True)) == "second"
    assert joined_by(again(shop, refresh=True)) == "second"


def test_another_version_makes_all_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(shop)
    join(shop)
    monkeypatch.setattr(receipts, "code_fingerprint", lambda: "another")
    assert ingested_by(again(shop)) == "second"
    assert joined_by(again(shop)) == "second"


def test_another_engine_makes_all_again(shop: Shop) -> None:
    ingest(shop)
    assert ingested_by(again(shop, engine="sc://another:15002")) == "second"


def test_each_period_is_remembered_also_after_others_were_run(shop: Shop) -> None:
    """One file of logs serves all periods, so the rows without a day are the same for each."""
    july = again(shop, "july", period=JULY)
    for one in (shop, july):
        ingest(one)
        join(one)
    for one, run in ((shop, "first"), (july, "july"), (shop, "first")):
        assert (ingested_by(again(one)), joined_by(again(one))) == (run, run)


def test_rows_without_a_day_are_those_of_the_days_that_were_read_last(shop: Shop) -> None:
    """With folders by day each period reads other files: what one has refused without a day, the next replaces."""
    root = Path(shop.storage.url) / "web_logs"
    for name, folder in (("a.json", "date=2023-08-01"), ("b.json", "date=2023-07-05")):
        (root / folder).mkdir()
        (root / name).rename(root / folder / name)
    july = again(shop, "july", period=JULY)
    ingest(shop)
    ingest(july)
    assert ingested_by(again(shop)) == "second"
    assert {row.run_id for row in shop.tables.read("quarantine").where("event_date IS NULL").collect()} == {"second"}


def test_folders_by_day_without_such_rows_are_remembered_each(shop: Shop) -> None:
    root = Path(shop.storage.url)
    (root / "customer_data.csv").write_text(CUSTOMERS)
    shutil.rmtree(root / "web_logs")
    for number, day in enumerate(("2023-07-05", "2023-08-01")):
        (folder := root / f"web_logs/date={day}").mkdir(parents=True)
        (folder / "a.json").write_text(json.dumps([log(number, day)]))
    july = again(shop, "july", period=JULY)
    ingest(shop)
    ingest(july)
    assert ingested_by(again(shop)) == "first"


def test_a_join_is_made_again_when_one_of_its_tables_has_changed(shop: Shop) -> None:
    ingest(shop)
    join(shop)
    shop.storage.path("product_data.csv").write_text(PRODUCTS.replace("10.10", "11.00"))
    ingest(again(shop))
    joined = join(again(shop))
    assert (joined.values["made_by_run"], joined.values["total_sales"]) == ("second", "11.00")


@pytest.mark.parametrize("name", ["full_data", "product_sales"])
def test_a_join_is_made_again_when_its_own_tables_have_changed(shop: Shop, name: str) -> None:
    ingest(shop)
    join(shop)
    DeltaTable(Path(shop.storage.url) / "tables" / name).delete()
    joined = join(again(shop))
    assert (joined.values["made_by_run"], joined.values["total_sales"]) == ("second", "10.10")


def test_a_raw_file_that_is_touched_while_it_is_read_is_read_again_next_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = shop.storage.path("web_logs/a.json"), ingest_module.check_unchanged

    def touched(storage: Folder, listed: list[object]) -> object:
        os.chmod(path, 0o600)  # noqa: PTH101
        return real(storage, listed)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest_module, "check_unchanged", touched)
    ingest(shop)
    monkeypatch.undo()
    assert ingested_by(again(shop)) == "second"


def test_customers_that_change_as_they_are_read_are_not_taken_for_those_that_were(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = shop.storage.path("customer_data.csv"), ingest_module.check_unchanged

    def changed(storage: Folder, listed: list[object]) -> object:
        stat = path.stat()
        path.write_text(path.read_text().replace("Bob", "Eve"))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return real(storage, listed)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest_module, "check_unchanged", changed)
    ingest(shop)
    monkeypatch.undo()
    ingest(again(shop))
    assert sorted(row.first_name for row in shop.customers.collect()) == ["Ann", "Eve"]


def test_receipts_that_cannot_be_written_only_cost_time(shop: Shop) -> None:
    (tables := Path(shop.storage.url) / "tables").mkdir()
    (tables / "_receipts").write_text("in the way")
    assert shown(ingest(shop)) == shown(ingest(again(shop)))


def test_no_receipt_holds_personal_data(shop: Shop) -> None:
    ingest(replace(shop, pii="show"))
    text = "".join(path.read_text() for path in (Path(shop.storage.url) / "tables/_receipts").iterdir())
    assert "Ann" not in text
    assert "@" not in text


@pytest.mark.parametrize(("text", "meaning"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_the_setting_says_yes_or_no(monkeypatch: pytest.MonkeyPatch, text: str, meaning: bool) -> None:
    monkeypatch.setenv("TECHCO_REFRESH", text)
    assert settings.load_settings().refresh is meaning


def test_a_setting_that_says_neither_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TECHCO_REFRESH", "maybe")
    with pytest.raises(ParameterError, match="TECHCO_REFRESH is 'maybe'"):
        settings.load_settings()
