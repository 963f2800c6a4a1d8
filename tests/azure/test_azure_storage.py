"""A storage in a storage account: every credential opens it, and it behaves as a folder does."""

from __future__ import annotations

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from techco import Access, Period, open_shop
from techco.contract import WEB_LOGS
from techco.errors import ParameterError, RawFileError, TableError
from techco.ingest import ingest
from techco.join import join
from techco.raw import csv_rows
from techco.raw.files import check_unchanged, log_files, raw_file
from techco.raw.logs import LogReader
from techco.raw.text_reader import open_text
from techco.shop import Shop
from techco.storage.azure.container import Container
from techco.storage.folder import Folder
from techco.storage.open import open_storage
from techco.tables.scratch import Scratch
from techco.tables.tables import Tables
from tests.support import azurite
from tests.support.azurite import KEY, Azurite
from tests.support.shops import CUSTOMERS, PRODUCTS, log, write_shop
from tests.support.stand_ins import StandIn, identity_variables

AUGUST = Period.parse("2023-08")
LOGS = [log(1), log(2, "2023-08-31", "purchase"), log(3, "2023-09-01")]


@pytest.fixture
def credential(
    request: pytest.FixtureRequest, https_account: Azurite, identity_service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> str:
    """One kind of credential in the environment; its name."""
    kinds = {
        "key": {"AZURE_STORAGE_KEY": KEY},
        "sas": {"AZURE_STORAGE_SAS_TOKEN": azurite.make_sas()},
        "container_sas": {"AZURE_STORAGE_SAS_TOKEN": azurite.make_container_sas("every-credential")},
        "connection_string": {"AZURE_STORAGE_CONNECTION_STRING": https_account.connection_string},
        "identity": identity_variables(identity_service.url),
    }
    for name, value in kinds[request.param].items():
        monkeypatch.setenv(name, value)
    return str(request.param)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A folder in the container for one test."""
    return "".join(letter if letter.isalnum() else "_" for letter in request.node.name)


@pytest.fixture
def container(storage_account: Azurite, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Container:
    """An empty storage, beside whose folder is another of a name that begins alike."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)
    storage_account.container("storages").upload_blob(f"{prefix}2/web_logs.json", b"[]", overwrite=True)
    opened = open_storage(storage_account.url("storages", prefix))
    assert isinstance(opened, Container)
    return opened


def put(container: Container, name: str, content: bytes | str, **options: Any) -> None:
    """Write one file."""
    container.client.upload_blob(container.place.blob(name), content, overwrite=True, **options)


def put_shop(container: Container, logs: object) -> None:
    """Write the three raw files."""
    put(container, "customer_data.csv", CUSTOMERS)
    put(container, "product_data.csv", PRODUCTS)
    put(container, "web_logs.json", json.dumps(logs))


def stored(container: Container, folder: str = "") -> list[str]:
    """The names of all files, hidden ones too."""
    start = container.place.blob(folder)
    return sorted(container.client.list_blob_names(name_starts_with=start))


def _azure_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("AZURE_", "AZURITE_"))}


@pytest.mark.parametrize("credential", ["key", "sas", "container_sas", "connection_string", "identity"], indirect=True)
def test_every_credential_opens_it_for_reading_and_writing(
    credential: str, https_account: Azurite, tmp_path: Path
) -> None:
    write_shop(Folder(str(tmp_path)), LOGS)
    url = https_account.upload(tmp_path, "every-credential", credential)
    before = _azure_variables()
    shop = open_shop(url, AUGUST, access=Access(endpoint=https_account.endpoint))
    for _ in range(2):
        records = ingest(shop).records.values
        joined = join(shop).values
    assert (records["read"], records["accepted"], records["outside_period"]) == (3, 2, 1)
    assert (joined["logs"], joined["total_sales"]) == (2, "10.10")
    assert sorted(row.log_id for row in shop.web_logs.collect()) == [1, 2]
    assert _azure_variables() == before


def test_the_credential_is_not_in_the_environment_of_what_runs_later(container: Container) -> None:
    put_shop(container, LOGS)
    del os.environ["AZURE_STORAGE_CONNECTION_STRING"]
    shop = Shop(container, AUGUST, open_session(container), "run")
    ingest(shop)
    assert KEY not in "".join(os.environ.values())
    assert KEY not in repr(container)
    assert KEY not in repr(container.credential)


def open_session(container: Container) -> Any:
    from techco.engines.session import open_session

    return open_session("sail", container)


def test_variables_that_stand_beside_the_credential_do_not_mislead_the_engine(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_shop(container, LOGS)
    # Engines would prefer these: they look for a token first, for a SAS last.
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"SharedAccessSignature={azurite.make_sas()}")
    monkeypatch.setenv("AZURE_STORAGE_TOKEN", "no.such.token")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "bm8gc3VjaCBrZXk=")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "another")
    shop = open_shop(container.url, AUGUST, access=Access(endpoint=container.endpoint))
    assert ingest(shop).records.values["accepted"] == 2
    assert shop.web_logs.count() == 2


def test_a_sovereign_cloud_is_found_by_its_endpoint(container: Container) -> None:
    put_shop(container, LOGS)
    shop = open_shop(container.url.replace("core.windows.net", "core.usgovcloudapi.net"), AUGUST)
    assert shop.storage.url.startswith("abfss://storages@techcotest.dfs.core.usgovcloudapi.net/")
    ingest(shop)
    assert shop.web_logs.count() == 2


def test_opening_it_again_takes_up_the_credential_of_now(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    put_shop(container, LOGS)
    ingest(open_shop(container.url, AUGUST))
    sas = f"SharedAccessSignature={azurite.make_sas('rl')}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"{sas};BlobEndpoint={container.endpoint}")
    reader = open_shop(container.url, AUGUST)
    assert reader.web_logs.count() == 2
    with pytest.raises(Exception, match=r"(?i)403|privileges|not authorized|permission"):
        reader.spark.range(1).write.parquet(f"{container.engine_root}/tables/forbidden")


def test_files_are_listed_with_size_time_and_etag(container: Container) -> None:
    put_shop(container, LOGS)
    ingested = ingest(open_shop(container.url, AUGUST))
    properties = container.client.get_blob_client(container.place.blob("web_logs.json")).get_blob_properties()
    assert [column.name for column in ingested.raw_files.columns] == ["file", "bytes", "modified", "etag"]
    assert list(ingested.raw_files.rows[0]) == [
        "web_logs.json",
        properties.size,
        f"{properties.last_modified:%Y-%m-%d %H:%M:%S} UTC",
        properties.etag.strip('"'),
    ]


def test_a_missing_raw_file_names_what_is_there(container: Container) -> None:
    put(container, "customers.csv", "")
    put(container, "web_logs/x.json", "[]")
    with pytest.raises(RawFileError, match=r"No customer_data\.csv in abfss://.*Found: customers\.csv, web_logs\."):
        raw_file(container, "customer_data.csv")


def test_an_empty_storage_says_so(container: Container) -> None:
    with pytest.raises(RawFileError, match=r"No web_logs\.json in .*It is empty\."):
        log_files(container, AUGUST)


def test_two_forms_of_logs_are_refused(container: Container) -> None:
    put(container, "web_logs.json", "[]")
    put(container, "web_logs/a.json", "[]")
    with pytest.raises(RawFileError, match=r"Both web_logs\.json and web_logs in abfss://"):
        log_files(container, AUGUST)


def test_a_folder_of_logs_of_every_form_and_name_is_read(container: Container) -> None:
    line = json.dumps
    put(container, "web_logs/date=2023-08-01/part [1] {a,b}* é%20.json", line(log(1)))
    put(container, "web_logs/date=2023-08-02/array.json", line([log(2), log(3, note={"nested": "{"})]))
    put(container, "web_logs/date=2023-08-03/lines.jsonl.gz", gzip.compress(line(log(4)).encode()))
    put(container, "web_logs/date=2023-09-01/next.json", line(log(5)))
    put(container, "web_logs/_hidden/gone.json", line(log(6)))
    put(container, "web_logs/.part.json", line(log(7)))
    put(container, "web_logs/date=2023-08-04", b"", metadata={"hdi_isfolder": "true"})  # as with folders of their own
    spark = open_session(container)
    with Scratch(spark) as scratch:
        rows = LogReader(container, scratch).read(log_files(container, AUGUST), lambda records: records).collect()
    assert sorted(row.log_id for row in rows) == ["1", "2", "3", "4"]


def test_a_file_is_read_in_pieces_at_any_position(container: Container) -> None:
    content = bytes(range(256)) * 40_000  # more than one piece
    put(container, "big", content)
    with container.open(raw_file(container, "big")) as stream:
        assert stream.read(10) == content[:10]
        stream.seek(-5, os.SEEK_END)
        assert stream.read() == content[-5:]
        stream.seek(5_000_000)
        assert stream.read(300_000) == content[5_000_000:5_300_000]
        stream.seek(0)
        assert stream.read() == content


def test_a_file_that_changes_while_it_is_read_is_refused(container: Container) -> None:
    put(container, "big", b"a" * 9_000_000)
    with container.open(raw_file(container, "big")) as stream:
        stream.read(10)
        put(container, "big", b"b" * 9_000_000)
        with pytest.raises(RawFileError, match="big changed while it was read"):
            stream.read()


def test_a_file_that_has_changed_since_it_was_listed_is_refused(container: Container) -> None:
    put_shop(container, LOGS)
    files = log_files(container, AUGUST)
    check_unchanged(container, files)
    put(container, "web_logs.json", json.dumps(LOGS))  # the same size within the same second: only the ETag tells
    with pytest.raises(RawFileError, match=r"web_logs\.json changed while it was read"):
        check_unchanged(container, files)


def test_bytes_that_are_not_utf_8_are_named_there_too(container: Container) -> None:
    put_shop(container, LOGS)
    put(container, "web_logs.json", b'[{"log_id": 1, "action": "\xff"}]')
    with pytest.raises(RawFileError, match=r"web_logs\.json is not UTF-8: byte 0xff at position 26"):
        ingest(open_shop(container.url, AUGUST))
    file = raw_file(container, "web_logs.json")
    with pytest.raises(RawFileError), open_text(container, file) as stream:
        stream.read()


def test_a_period_is_replaced_and_nothing_else(container: Container) -> None:
    put_shop(container, [log(1), log(2, "2023-08-02"), log(3, "2023-08-03")])
    ingest(open_shop(container.url, AUGUST))
    put_shop(container, [log(20, "2023-08-02"), log(30, "2023-08-03")])
    ingest(open_shop(container.url, "2023-08-02"))
    days = sorted((str(row.event_date), row.log_id) for row in open_shop(container.url, AUGUST).web_logs.collect())
    assert days == [("2023-08-01", 1), ("2023-08-02", 20), ("2023-08-03", 3)]


def test_a_table_of_many_commits_is_read_from_its_last_checkpoint(container: Container) -> None:
    spark = open_session(container)
    tables = Tables(spark, container)
    for number in range(12):
        tables.replace_period("web_logs", web_logs(spark, ("2023-08-01", number)), AUGUST, "run")
    assert [row.log_id for row in tables.read("web_logs").collect()] == [11]
    assert any(name.endswith(".checkpoint.parquet") for name in stored(container, "tables/web_logs/_delta_log"))


def test_a_write_that_fails_leaves_no_files(container: Container) -> None:
    spark = open_session(container)
    tables = Tables(spark, container)
    before = stored(container)
    with pytest.raises(TableError, match="lie outside the period"):
        tables.replace_period("web_logs", web_logs(spark, ("2023-07-01", 1)), AUGUST, "run")
    assert [name for name in stored(container) if "_delta_log" not in name] == before


def web_logs(spark: Any, *days_and_ids: tuple[str, int]) -> Any:
    rows = [
        (log_id, datetime.fromisoformat(day), date.fromisoformat(day), 1, None, "view", None)
        for day, log_id in days_and_ids
    ]
    return spark.createDataFrame(rows, WEB_LOGS.schema)


def test_writers_at_once_on_one_empty_period_leave_one_of_them_whole(container: Container) -> None:
    spark = open_session(container)

    def write(number: int) -> None:
        frame = web_logs(spark, ("2023-08-01", number), ("2023-08-02", number))
        Tables(spark, container).replace_period("web_logs", frame, AUGUST, f"run {number}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    left = Tables(spark, container).read("web_logs").select("event_date", "log_id").collect()
    assert len(left) == 2
    assert left[0].log_id == left[1].log_id


def test_a_large_csv_is_read_by_the_engine_itself(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "PARALLEL_FROM_BYTES", 0)
    put(container, "product_data.csv", "price,product_id,x\n1.50,PROD1,\n2,PROD2,y\n")
    monkeypatch.setattr(Scratch, "write_rows", None)  # what the standard library would read goes there
    with Scratch(open_session(container)) as scratch:
        file = raw_file(container, "product_data.csv")
        rows = csv_rows.read_csv(container, file, ["product_id", "price"], scratch).collect()
    assert sorted((row.product_id, row.price) for row in rows) == [("PROD1", "1.50"), ("PROD2", "2")]


def test_checking_that_it_can_be_written_leaves_nothing_there(container: Container) -> None:
    before = stored(container)
    container.check_writable()
    assert stored(container) == before


def test_a_folder_beside_it_is_not_touched(container: Container) -> None:
    put(container, "tables/x/1", b"")
    container.client.upload_blob(container.place.blob("tables/xy"), b"", overwrite=True)
    container.remove_folder("tables/x")
    assert stored(container, "tables") == [container.place.blob("tables/xy")]


def test_the_web_site_of_an_account_is_no_place_for_a_shop(storage_account: Azurite) -> None:
    with pytest.raises(ParameterError, match="public web site"):
        open_storage(storage_account.url("$web"))
