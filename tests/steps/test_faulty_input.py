"""Whatever bytes are in the raw files, each record is accounted for, or the file is refused in words."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from techco import open_shop
from techco.errors import TechcoError
from techco.period import Period
from techco.raw import csv_rows, json_stream
from techco.shop import Shop
from techco.storage.folder import Folder
from tests.support.azurite import Azurite
from tests.support.faulty_shops import (
    CSV_TEXTS,
    LOG_TEXTS,
    Faulty,
    changes,
    compressed_files,
    csv_files,
    ingested,
    log_files,
    model_of_csv,
    model_of_logs,
)

_FEW = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
_MANY = settings(_FEW, max_examples=3000)
_FEWER, _SOME = settings(_FEW, max_examples=10), settings(_FEW, max_examples=500)
AUGUST = Period.parse("2023-08")


Put = Callable[[Faulty], Shop]
"""Writes the raw files of a shop, and opens it."""


@pytest.fixture
def in_folder(sail: SparkSession, storage: Folder) -> Put:
    shop = Shop(storage, AUGUST, sail, "run-1", refresh=True)

    def put(faulty: Faulty) -> Shop:
        faulty.write(storage)
        return shop

    return put


@pytest.fixture
def in_account(storage_account: Azurite, monkeypatch: pytest.MonkeyPatch) -> Put:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)
    return lambda faulty: open_shop(faulty.upload(storage_account), AUGUST)


def check_logs(shop: Shop, faulty: Faulty) -> None:
    outcome, text = ingested(shop, "web_logs"), faulty.text()
    if isinstance(outcome, TechcoError):
        assert faulty.name.partition("/")[0] in str(outcome)
        return
    assert text is not None
    assert all(raw in text for raw in outcome.raw)
    if (expected := model_of_logs(text)) and faulty.compressed is None:
        assert (outcome.read, outcome.accepted, outcome.duplicates, outcome.quarantined, outcome.outside) == expected


def check_csv(shop: Shop, faulty: Faulty) -> None:
    outcome, text = ingested(shop, faulty.name.partition("_")[0] + "s"), faulty.text()
    if isinstance(outcome, TechcoError):
        assert faulty.name in str(outcome)
        return
    assert text is not None
    assert all(raw in text for raw in outcome.raw)
    assert model_of_csv(text) in (None, outcome.read)


@pytest.mark.slow
@_FEW
@given(faulty=log_files)
def test_logs_of_whatever_bytes_are_counted_as_the_standard_library_reads_them(in_folder: Put, faulty: Faulty) -> None:
    check_logs(in_folder(faulty), faulty)


@pytest.mark.slow
@_FEW
@given(faulty=compressed_files)
def test_compressed_logs_of_whatever_bytes_are_counted_or_refused(in_folder: Put, faulty: Faulty) -> None:
    check_logs(in_folder(faulty), faulty)


@pytest.mark.slow
@_FEW
@given(faulty=csv_files)
def test_csv_files_of_whatever_bytes_are_counted_or_refused(in_folder: Put, faulty: Faulty) -> None:
    check_csv(in_folder(faulty), faulty)


@pytest.mark.soak
@_MANY
@given(faulty=log_files)
def test_many_logs_of_whatever_bytes_are_counted(in_folder: Put, faulty: Faulty) -> None:
    check_logs(in_folder(faulty), faulty)


@pytest.mark.soak
@_MANY
@given(faulty=compressed_files)
def test_many_compressed_logs_of_whatever_bytes_are_counted(in_folder: Put, faulty: Faulty) -> None:
    check_logs(in_folder(faulty), faulty)


@pytest.mark.soak
@_MANY
@given(faulty=csv_files)
def test_many_csv_files_of_whatever_bytes_are_counted(in_folder: Put, faulty: Faulty) -> None:
    check_csv(in_folder(faulty), faulty)


every_file = st.tuples(st.just(check_logs), log_files | compressed_files) | st.tuples(st.just(check_csv), csv_files)


@_FEWER
@given(tried=every_file)
def test_files_of_whatever_bytes_in_a_storage_account_are_counted_or_refused(
    in_account: Put, tried: tuple[Callable[[Shop, Faulty], None], Faulty]
) -> None:
    check, faulty = tried
    check(in_account(faulty), faulty)


@pytest.mark.soak
@_SOME
@given(tried=every_file)
def test_many_files_of_whatever_bytes_in_a_storage_account_are_counted(
    in_account: Put, tried: tuple[Callable[[Shop, Faulty], None], Faulty]
) -> None:
    check, faulty = tried
    check(in_account(faulty), faulty)


def changed(text: str, found: list[Callable[[bytes], bytes]]) -> str:
    content = text.encode()
    for change in found:
        content = change(content)
    return content.decode("utf-8", "replace")


def assert_nothing_between(text: str, raws: list[str], separators: str) -> None:
    """The texts are all of the text, in order, but for separators."""
    place = 0
    for raw in raws:
        start = text.index(raw, place)
        assert re.fullmatch(separators, text[place:start])
        place = start + len(raw)
    assert re.fullmatch(separators, text[place:])


pieces = st.lists(st.sampled_from([*'{}[],:"\\ \n1a', '{"a":1}', ',{"', "[" * 600, "]" * 600, "\ufeff"]), max_size=30)
texts = st.builds(changed, st.sampled_from(LOG_TEXTS), changes) | pieces.map("".join)


@settings(max_examples=300, deadline=None)
@given(text=texts, chunk=st.sampled_from([1, 7, 100, 2**16]))
def test_whatever_is_in_an_array_is_in_one_of_its_records(text: str, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK_CHARS", chunk)
        raws = [record.raw for record in json_stream.parse_array(io.StringIO(text))]
    if raws[-1:] == ["["]:  # the sign of an array that was cut off
        del raws[-1]
    assert_nothing_between(text, raws, r"[\s\ufeff,\[\]]*")


@settings(max_examples=300, deadline=None)
@given(text=st.builds(changed, st.sampled_from(CSV_TEXTS["customer_data.csv"]), changes), width=st.integers(1, 6))
def test_whatever_is_in_a_csv_file_is_in_one_of_its_records(text: str, width: int) -> None:
    raws = [raw for raw, _ in csv_rows._records(io.StringIO(text, newline=""), width)]
    assert_nothing_between(text, raws, r"[ \t\r\n]*")
