"""CSV files are read right, whatever the writer quoted, and by both readers alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from techco.errors import RawFileError
from techco.raw import csv_rows
from techco.raw.csv_rows import read_csv
from techco.raw.files import raw_file
from techco.storage.folder import Folder
from techco.tables import scratch as scratch_module
from techco.tables.scratch import Scratch

NAME = "product_data.csv"
COLUMNS = ("id", "name")


@pytest.fixture
def scratch(engine_here: tuple[str, SparkSession]) -> Iterator[Scratch]:
    with Scratch(engine_here[1]) as scratch:
        yield scratch


@pytest.fixture
def sail_scratch(sail: SparkSession) -> Iterator[Scratch]:
    with Scratch(sail) as scratch:
        yield scratch


@pytest.fixture(params=["in one stream", "in parallel"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in parallel":
        monkeypatch.setattr(csv_rows, "PARALLEL_FROM_BYTES", 0)


def read(storage: Folder, scratch: Scratch, content: str | bytes) -> list[tuple[str, bool, str | None, str | None]]:
    storage.path(NAME).write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = read_csv(storage, raw_file(storage, NAME), COLUMNS, scratch).collect()
    return sorted((row.raw, row.is_whole, row.id, row.name) for row in rows)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id,name\n1,Lamp\n2,Bed\n", [("1,Lamp", True, "1", "Lamp"), ("2,Bed", True, "2", "Bed")]),
        ("\ufeffid,name\r\n1,Lamp\r\n", [("1,Lamp", True, "1", "Lamp")]),
        ("id,name\n1,Lamp", [("1,Lamp", True, "1", "Lamp")]),
        ("x,name,ID \n9, Lamp ,1\n", [("9, Lamp ,1", True, "1", "Lamp")]),
        ("id,name\n\n1,\n \n", [("1,", True, "1", None)]),
        ("id,name\n1\n1,2,3\n", [("1", False, None, None), ("1,2,3", False, None, None)]),
        ("id,name\nid,name\n1,Lamp\n", [("1,Lamp", True, "1", "Lamp"), ("id,name", True, "id", "name")]),
        ('id,name\n1,"a, ""b""\nc"\n', [('1,"a, ""b""\nc"', True, "1", 'a, "b"\nc')]),
        ('id,name\r\n1,"a\r\nb"\r\n', [('1,"a\r\nb"', True, "1", "a\r\nb")]),
        ('"id","name"\n"1","Lamp"\n', [('"1","Lamp"', True, "1", "Lamp")]),
        ("id,name\n1,<b>é 😀\n", [("1,<b>é 😀", True, "1", "<b>é 😀")]),
        ("id,name\n", []),
        ("id,name\n1,Lamp\r2,Bed\n", [("1,Lamp", True, "1", "Lamp"), ("2,Bed", True, "2", "Bed")]),
        # quotes that open and close in other fields than one record has
        (
            'id,name\n1,"a\n2,b\n3,c",x\n4,d\n',
            [
                ('1,"a', False, None, None),
                ("2,b", True, "2", "b"),
                ('3,c",x', False, None, None),
                ("4,d", True, "4", "d"),
            ],
        ),
        (
            'id,name\n1,"Best lamp\n2,Bed\n3,"Nice cup\n',
            [('1,"Best lamp', False, None, None), ("2,Bed", True, "2", "Bed"), ('3,"Nice cup', False, None, None)],
        ),
    ],
)
def test_records_are_cut_at_the_right_places(
    storage: Folder, scratch: Scratch, content: str, expected: list[tuple[str, bool, str, str]]
) -> None:
    assert read(storage, scratch, content) == expected


def test_rows_are_put_aside_in_batches(storage: Folder, scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_module, "_ROWS_PER_BATCH", 2)
    for rows in (3, 4):
        lines = "".join(f"{n},Lamp\n" for n in range(rows))
        assert [number for _, _, number, _ in read(storage, scratch, f"id,name\n{lines}")] == ["0", "1", "2", "3"][
            :rows
        ]


@pytest.mark.usefixtures("reader")
def test_a_quote_that_is_never_closed_costs_one_line(storage: Folder, scratch: Scratch) -> None:
    records = read(storage, scratch, 'id,name\n1,"Lamp\n2,Bed\n3,Cup\n')
    assert records == [('1,"Lamp', False, None, None), ("2,Bed", True, "2", "Bed"), ("3,Cup", True, "3", "Cup")]


def test_a_huge_field_costs_one_line(storage: Folder, scratch: Scratch) -> None:
    huge = '1,"' + "x" * (csv.field_size_limit() + 1) + '"'
    records = read(storage, scratch, f"id,name\n{huge}\n2,Bed\n")
    assert [(is_whole, name) for _, is_whole, _, name in records] == [(False, None), (True, "Bed")]


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"id,title\n1,Lamp\n", "has no column name. Found: id, title. Expected, in any order: id, name"),
        (b"id;name\n1;Lamp\n", "has no column id, name. Found: id;name"),
        (b"id,name,name\n1,a,b\n", "has the column name twice"),
        (b"\n\n", "Found: nothing"),
        (b"id,name\n1,caf\xe9\n", "not UTF-8: byte 0xe9 at position 13"),
        ("id,name\n".encode("utf-16"), "encoded in UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_remedy(
    storage: Folder, scratch: Scratch, content: bytes, words: str
) -> None:
    with pytest.raises(RawFileError, match=words) as caught:
        read(storage, scratch, content)
    assert NAME in str(caught.value)


def test_a_missing_file_is_named(storage: Folder) -> None:
    with pytest.raises(RawFileError, match=r"No product_data\.csv .*It is empty\."):
        raw_file(storage, NAME)


fields = st.text(alphabet='ab ,"\n\r1é', max_size=4)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 9).map(str), fields), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_wrote_is_read_back(
    storage: Folder, sail_scratch: Scratch, rows: list[tuple[str, str]], line_break: str
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator=line_break, quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])
    found = [(number, name) for _, _, number, name in read(storage, sail_scratch, text.getvalue())]
    assert sorted(found, key=str) == sorted(((n, name.strip(" \t\r\n") or None) for n, name in rows), key=str)


def test_a_large_plain_file_is_split_by_the_engine(
    storage: Folder, scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "\ufeffid,name\r\n1,Lamp\r\n"
    storage.path(NAME).write_bytes(content.encode())
    monkeypatch.setattr(csv_rows, "PARALLEL_FROM_BYTES", len(content.encode()))
    monkeypatch.setattr(csv_rows, "_rows", None)
    assert read(storage, scratch, content) == [("1,Lamp", True, "1", "Lamp")]


@pytest.mark.usefixtures("reader")
def test_bytes_that_are_not_utf_8_are_found_anywhere_in_the_file(storage: Folder, scratch: Scratch) -> None:
    content = b"id,name\n" + b"1,Lamp\n" * 20_000 + b"2,caf\xe9\n"
    with pytest.raises(RawFileError, match="byte 0xe9 at position 140,013"):
        read(storage, scratch, content)


@pytest.mark.usefixtures("reader")
def test_a_line_of_blanks_of_any_kind_is_no_record(storage: Folder, scratch: Scratch) -> None:
    assert read(storage, scratch, "id,name\n\t\n1,a\n") == [("1,a", True, "1", "a")]
