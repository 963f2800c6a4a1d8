"""Web logs are read right in every raw-file form, and no record is lost on the way."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from techco.errors import RawFileError, StorageError
from techco.period import Period
from techco.raw import json_stream, text_reader
from techco.raw.files import log_files
from techco.raw.logs import LogReader
from techco.storage.folder import Folder
from techco.tables.scratch import Scratch

AUGUST = Period.parse("2023-08")
PLAIN = [
    {"log_id": n, "timestamp": f"2023-08-0{n} 10:00:00", "customer_id": "CUST1", "action": "view", "quantity": None}
    for n in range(1, 5)
]
COMPRESSED = gzip.compress(b'{"log_id": 1}' * 1000, mtime=0)
ODD = [
    {"log_id": 1, "action": 'a } { ] [ , " \\ b'},
    {"extra": {"log_id": 9, "list": [{"log_id": 8}]}, "log_id": 2},
    {"log_id": 12345678901234567890123, "action": "\u2028 ü 😀"},
    {"log_id": 3.0, "quantity": 1e2, "customer_id": 7},
    {"action": True, "log_id": "4"},
    {},
]


@pytest.fixture
def scratch(engine_here: tuple[str, SparkSession]) -> Iterator[Scratch]:
    with Scratch(engine_here[1]) as scratch:
        yield scratch


@pytest.fixture
def sail_scratch(sail: SparkSession) -> Iterator[Scratch]:
    with Scratch(sail) as scratch:
        yield scratch


def write(storage: Folder, name: str, content: bytes | str) -> None:
    path = storage.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def read(storage: Folder, scratch: Scratch, period: Period = AUGUST) -> list[tuple[str, bool, str | None]]:
    """Text, whether it is an object, and log_id of each record, sorted."""
    frame = LogReader(storage, scratch).read(log_files(storage, period), lambda records: records)
    return sorted((row.raw, row.is_object, row.log_id) for row in frame.collect())


def forms(objects: list[Any]) -> dict[str, str]:
    pretty = json.dumps(objects, indent=2, ensure_ascii=False)
    lines = "\n".join(json.dumps(o, ensure_ascii=False) for o in objects) + "\n"
    return {
        "pretty array": pretty,
        "array with CRLF and byte order mark": "\ufeff" + pretty.replace("\n", "\r\n") + "\r\n",
        "array on one line": json.dumps(objects),
        "lines": lines,
        "lines with CRLF, byte order mark and blanks": "\ufeff" + lines.replace("\n", "\r\n\r\n  \r\n"),
        "lines without the last break": lines.rstrip(),
    }


def normal(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


@pytest.mark.parametrize("objects", [PLAIN, ODD], ids=["ordinary", "odd"])
@pytest.mark.parametrize("form", forms(PLAIN))
def test_every_form_gives_the_same_records(
    storage: Folder, scratch: Scratch, form: str, objects: list[dict[str, Any]]
) -> None:
    write(storage, "web_logs.json", forms(objects)[form])
    records = read(storage, scratch)
    assert sorted(normal(raw) for raw, _, _ in records) == sorted(normal(json.dumps(o)) for o in objects)
    assert all(is_object for _, is_object, _ in records)


def test_fields_come_as_they_were_written(storage: Folder, scratch: Scratch) -> None:
    for form in ("array on one line", "lines"):
        write(storage, "web_logs.json", forms(ODD)[form])
        found = {log_id for _, _, log_id in read(storage, scratch)}
        assert found == {"1", "2", "12345678901234567890123", "3.0", "4", None}


@pytest.mark.parametrize("form", ["array on one line", "lines"])
def test_values_of_any_kind_come_as_their_text(storage: Folder, scratch: Scratch, form: str) -> None:
    digits = "9" * 5000  # more than Python converts to an integer
    texts = {
        "true": "true", "false": "false", digits: digits, "100000000000000000000.50": "100000000000000000000.50",
        '["é", {"a": [null]}]': '["é",{"a":[null]}]', '"x"': "x", "null": None,
    }  # fmt: skip
    objects = ", ".join(f'{{"action": {text}}}' for text in texts)
    write(storage, "web_logs.json", f"[{objects}]" if form != "lines" else objects.replace("}, {", "}\n{"))
    actions = (
        LogReader(storage, scratch).read(log_files(storage, AUGUST), lambda records: records).select("action").collect()
    )
    assert sorted(map(str, (row.action for row in actions))) == sorted(map(str, texts.values()))


def test_a_record_that_is_cut_by_a_chunk_is_read_whole(
    storage: Folder, scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK_CHARS", 10)
    text = "} " * 100  # far more than what could be left of a word
    write(storage, "web_logs.json", json.dumps([1234567890123456, {"log_id": "1", "action": text}, {"log_id": "2"}]))
    assert [(is_object, log_id) for _, is_object, log_id in read(storage, scratch)] == [
        (False, None), (True, "1"), (True, "2"),
    ]  # fmt: skip


def test_a_broken_record_is_recognized_without_reading_on() -> None:
    stream = io.StringIO('[{"log_id": NaN},' + '{"log_id": 1},' * 10**6 + "]")
    assert next(json_stream.parse_array(stream)).values is None
    assert stream.tell() < 2 * 2**20


def test_a_compressed_file_reads_the_same(storage: Folder, scratch: Scratch) -> None:
    write(storage, "web_logs.json.gz", gzip.compress(forms(PLAIN)["pretty array"].encode()))
    assert [log_id for _, _, log_id in read(storage, scratch)] == ["1", "2", "3", "4"]


def test_a_folder_may_mix_all_forms(storage: Folder, scratch: Scratch) -> None:
    for number, (form, text) in enumerate(forms(PLAIN).items()):
        write(storage, f"web_logs/sub {form}/part [{number}].json", text)
        write(storage, f"web_logs/part-{number}.{'nd' * (number % 2)}json.gz", gzip.compress(text.encode()))
    write(storage, "web_logs/ODD.NDJson", forms(ODD)["pretty array"])
    write(storage, "web_logs/empty.json", "")
    write(storage, "web_logs/empty.json.gz", b"")
    write(storage, "web_logs/_SUCCESS", "")
    write(storage, "web_logs/.DS_Store", "x")
    write(storage, "web_logs/_old/a.json", '{"log_id": 9}')
    assert len(read(storage, scratch)) == 2 * len(forms(PLAIN)) * len(PLAIN) + len(ODD)


def test_date_folders_outside_the_period_are_not_read(storage: Folder, scratch: Scratch) -> None:
    for day in ("2023-07-31", "2023-08-01", "2023-08-02", "2023-08-03"):
        write(storage, f"web_logs/date={day}/a.json", f'{{"log_id": {day[-2:].lstrip("0")}}}')
    write(storage, "web_logs/date=2023-02-30/a.json", '{"log_id": 99}')
    found = read(storage, scratch, Period(date(2023, 8, 1), date(2023, 8, 2)))
    assert [log_id for _, _, log_id in found] == ["1", "2", "99"]


def test_a_period_whose_date_folders_are_missing_has_no_records(storage: Folder, scratch: Scratch) -> None:
    write(storage, "web_logs/date=2023-07-31/a.json", '{"log_id": 1}')
    assert read(storage, scratch) == []


@pytest.mark.parametrize(
    "broken", ["oops", '{"log_id": 9, "action": }', '{"log_id": 9', '{"log_id": 9, "action": "cut', "17", '["log_id"]']
)
@pytest.mark.parametrize("form", ["array", "pretty", "lines"])
def test_a_broken_record_is_one_record_that_is_no_object(
    storage: Folder, scratch: Scratch, form: str, broken: str
) -> None:
    good = ['{"log_id": 1}', '{"log_id": 2}']
    separator = {"array": ", ", "pretty": ",\n  ", "lines": "\n"}[form]
    text = separator.join([good[0], broken, good[1]])
    write(storage, "web_logs.json", text if form == "lines" else f"[{text}]")
    records = read(storage, scratch)
    assert [(raw, is_object) for raw, is_object, _ in records if not is_object] == [(broken, False)]
    assert [log_id for _, is_object, log_id in records if is_object] == ["1", "2"]


@pytest.mark.slow
def test_a_file_that_ends_in_mid_record_loses_only_that_record(storage: Folder, sail_scratch: Scratch) -> None:
    whole = forms(PLAIN)["pretty array"]
    for end in range(whole.rindex("{") + 1, whole.rindex("}")):
        write(storage, "web_logs.json", whole[:end])
        records = read(storage, sail_scratch)
        assert [(is_object, log_id) for _, is_object, log_id in records if is_object] == [
            (True, str(n)) for n in (1, 2, 3)
        ]
        assert len(records) == 4


@pytest.mark.parametrize("broken", ['{"log_id": 1}}, {"log_id": 2}', '{"log_id": 1} [{"log_id": 2}'])
def test_the_quick_cut_takes_nothing_broken_for_ordinary(storage: Folder, scratch: Scratch, broken: str) -> None:
    text = f'[{{"log_id": 0}}, {broken}]'
    write(storage, "web_logs.json", text)
    expected = [
        (r.raw, r.values is not None, (r.values or {}).get("log_id"))
        for r in json_stream.parse_array(io.StringIO(text))
    ]
    assert read(storage, scratch) == sorted(expected)


def test_ordinary_files_are_not_read_in_one_stream(
    storage: Folder, scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "parse_array", None)
    for text in forms(PLAIN).values():
        write(storage, "web_logs.json", text)
        assert len(read(storage, scratch)) == len(PLAIN)


def test_an_empty_array_has_no_records(storage: Folder, scratch: Scratch) -> None:
    for text in ("[]", "\ufeff[\r\n]\r\n"):
        write(storage, "web_logs.json", text)
        assert read(storage, scratch) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("web_logs.json", b"", "is empty"),
        ("web_logs.json", b" \n\n ", "is empty"),
        ("web_logs.json", b'{"log_id": "\xff"}', "not UTF-8: byte 0xff at position 12"),
        ("web_logs.json", b'[{"log_id": "\xc3"}]', "not UTF-8: byte 0xc3 at position 13"),
        ("web_logs.json", '[{"log_id": 1}]'.encode("utf-16"), "encoded in UTF-16"),
        ("web_logs.json", '\ufeff[{"log_id": 1}]'.encode("utf-16-be"), "encoded in UTF-16"),
        ("web_logs.json", '[{"log_id": 1}]'.encode("utf-32"), "encoded in UTF-32"),
        ("web_logs.json", b"log_id;timestamp\n1;2023-08-01", "is not JSON: it begins with 'log_id;timestamp"),
        ("web_logs.json", b"[1, 2, 3]", "is not JSON"),
        ("web_logs.json", gzip.compress(b'{"log_id": 1}', mtime=0), "compressed, though its name does not end in .gz"),
        ("web_logs.json.gz", b'{"log_id": 1}', "not compressed, though its name ends in .gz"),
        ("web_logs.json.gz", COMPRESSED[:-9], "is damaged"),
        (
            "web_logs.json.gz",
            COMPRESSED[:-8] + bytes(8),
            "is damaged: CRC check failed",
        ),
        ("web_logs.json.gz", COMPRESSED[:10] + b"\xff" * 30, "is damaged"),
        ("web_logs.json", b'{"log_id": 1}\n\xc3', "not UTF-8: byte 0xc3 at position 14"),
        ("web_logs/data.parquet", b"PAR1", "not a log file by its name"),
        ("web_logs/empty.json", b"", "No logs in"),
    ],
)
def test_a_file_that_is_no_log_file_is_named_with_the_remedy(
    storage: Folder, scratch: Scratch, name: str, content: bytes, words: str
) -> None:
    write(storage, name, content)
    with pytest.raises(RawFileError, match=words) as caught:
        read(storage, scratch)
    assert name.partition("/")[0] in str(caught.value)


def test_the_place_of_a_wrong_byte_is_exact_in_a_large_file(
    storage: Folder, scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_reader, "_CHUNK_BYTES", 4)
    for before in range(1, 9):  # the character before lies across two chunks in some of them
        content = b'{"a": "' + b"x" * before + "😀".encode() + b'\xe9"}'
        write(storage, "web_logs.json", content)
        with pytest.raises(RawFileError, match=f"byte 0xe9 at position {11 + before}\\."):
            read(storage, scratch)


def test_a_missing_file_names_what_was_found(storage: Folder) -> None:
    write(storage, "weblogs.json", "[]")
    with pytest.raises(RawFileError, match=r"No web_logs\.json .*Found: weblogs\.json\. Is it weblogs\.json"):
        log_files(storage, AUGUST)


def test_a_linked_folder_of_logs_is_read(storage: Folder, scratch: Scratch, tmp_path: Path) -> None:
    elsewhere = Folder(str(tmp_path / "elsewhere"))
    write(elsewhere, "date=2023-08-01/a.json", '{"log_id": 1}')
    write(storage, "web_logs/b.json", '{"log_id": 2}')
    storage.path("web_logs/date=2023-08-01").symlink_to(elsewhere.path("date=2023-08-01"))
    assert [log_id for _, _, log_id in read(storage, scratch)] == ["1", "2"]


def test_a_log_file_that_is_a_link_to_nothing_is_named(storage: Folder) -> None:
    write(storage, "web_logs/a.json", '{"log_id": 1}')
    storage.path("web_logs/b.json").symlink_to(storage.path("gone.json"))
    with pytest.raises(RawFileError, match=r"b\.json"):
        log_files(storage, AUGUST)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_folder_of_logs_that_cannot_be_read_is_named(storage: Folder) -> None:
    write(storage, "web_logs/a.json", '{"log_id": 1}')
    write(storage, "web_logs/date=2023-08-01/a.json", '{"log_id": 2}')
    closed = storage.path("web_logs/date=2023-08-01")
    closed.chmod(0)
    try:
        with pytest.raises(StorageError, match="date=2023-08-01"):
            log_files(storage, AUGUST)
    finally:
        closed.chmod(0o700)


def test_two_forms_at_once_are_refused(storage: Folder) -> None:
    write(storage, "web_logs.json", "[]")
    write(storage, "web_logs/a.json", "[]")
    with pytest.raises(RawFileError, match="Keep one"):
        log_files(storage, AUGUST)


pieces = st.sampled_from(
    [
        *'{}[],:"\\ \n\t',
        '"log_id"',
        ": 1",
        "null",
        '{"log_id": 1}',
        '{"a": "}"}',
        "é",
        "\ufeff",
        "\\ud800",
        "1e9",
        "\x00",
    ]
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(pieces, max_size=40).map("".join), is_array=st.booleans())
def test_whatever_text_comes_the_quick_cut_and_the_exact_one_agree(
    storage: Folder, sail_scratch: Scratch, text: str, is_array: bool, tmp_path: Path
) -> None:
    text = f'[{{"log_id": 0}},{text}]' if is_array else f'{{"log_id": 0}}\n{text}'
    write(storage, "web_logs.json", text)
    with storage.path("web_logs.json").open(encoding="utf-8-sig", newline="\n") as stream:
        records = (
            json_stream.parse_array(stream) if is_array else json_stream.parse_lines((line, False) for line in stream)
        )
        expected = sorted((r.raw, r.values is not None, (r.values or {}).get("log_id")) for r in records)
    assert read(storage, sail_scratch) == [(raw, is_object, log_id) for raw, is_object, log_id in expected]
