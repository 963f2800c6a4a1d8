"""Odd values, names and files, each of which once went wrong somewhere: what becomes of them is said here."""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from techco import open_shop
from techco.contract import LogReason
from techco.errors import ParameterError, RawFileError
from techco.ingest import ingest
from techco.period import Period
from techco.raw import csv_rows, json_stream, text_reader
from techco.raw.files import raw_file
from techco.shop import Shop
from techco.storage.folder import Folder
from tests.support.shops import CUSTOMERS, PRODUCTS, log, write_shop

AUGUST = Period.parse("2023-08")
LOG = '{{"log_id": {}, "timestamp": "2023-08-01 10:00:00", "action": "view"{}}}'


@pytest.fixture(params=["sail", pytest.param("spark", marks=pytest.mark.soak)])  # dozens of runs of a whole step
def any_shop(request: pytest.FixtureRequest, storage: Folder) -> Shop:
    spark = request.getfixturevalue({"sail": "sail", "spark": "apache_spark"}[request.param])
    return Shop(storage, AUGUST, spark, "run-1", engine=request.param)


# Each way by which records are read: by Arrow, or by the standard library, as an odd record keeps Arrow away.
FORMS: dict[str, Callable[[list[str]], str]] = {
    "lines": "\n".join,
    "lines beside an odd one": lambda texts: "\n".join(["oops", *texts]),
    "array": lambda texts: f"[{', '.join(texts)}]",
    "array beside an odd one": lambda texts: f"[oops, {', '.join(texts)}]",
}


def became(shop: Shop, texts: list[str], form: str) -> list[str | None]:
    """What becomes of each log: None if it is accepted, else the reason."""
    write_shop(shop.storage, FORMS[form](texts))
    ingest(shop)
    refused = {row.raw: row.reason for row in shop.tables.read("quarantine").collect()}
    accepted = shop.web_logs.count()
    assert accepted + len(refused) == len(texts) + ("odd" in form)
    return [refused.get(text) for text in texts]


LONG = "9" * 400
NUMBERS = {
    "log_id": {
        None: ["9223372036854775807", "-9223372036854775808", "-0", "3.0", '"4"', "-5.000", '"+6"'],
        LogReason.LOG_ID: ["9223372036854775808", "-9223372036854775809", "1e2", "1E2", "0.5", LONG, "1e400", '"0x10"',
                           '"１２"', '"١٢"', '"1_0"', "true", "[1]", '{"a": 1}', '""', "null", "0.1e1"],
        LogReason.NOT_JSON: ["0x10", "01", "+1", ".5", "1.", "NaN", "Infinity", "-Infinity", "１２", "--1", "1,000"],
    },
    "quantity": {
        None: ["2147483647", "1.0", '"2"', "null", '""', '" \\u00a0"'],
        LogReason.QUANTITY: ["2147483648", "0", "-0", "-1", "1e2", LONG, "1e400", '"１"', "1.5", "[2]", "true"],
    },
    "customer_id": {
        None: ["0", '"CUST0000000000000000000012"', "999999999999999999", '" cust7 "', '"\\t7"', "null", '""', "-0",
               "1.0", '"17850.00"'],
        LogReason.CUSTOMER_ID: ["9223372036854775807", '"-0"', "-0.0", "1.5", "1e2", '"CU\\u017fT1"', LONG,
                                '"CUST１"', '"PROD1"', '"CUST-1"'],
    },
}  # fmt: skip


def with_number(number: int, name: str, text: str) -> str:
    return (
        LOG.format(text, f', "n": {number}') if name == "log_id" else LOG.format(1000 + number, f', "{name}": {text}')
    )


@pytest.mark.parametrize("form", FORMS)
def test_numbers_of_every_form_are_judged_the_same_whoever_reads_them(any_shop: Shop, form: str) -> None:
    cases = [
        (name, reason, text) for name, found in NUMBERS.items() for reason, texts in found.items() for text in texts
    ]
    texts = [with_number(number, name, text) for number, (name, _, text) in enumerate(cases)]
    assert became(any_shop, texts, form) == [reason for _, reason, _ in cases]


TIMES = {
    None: ["0001-01-01 00:00:00", "9999-12-31 23:59:59", "9999-12-31T23:59:59.999999999999Z", "2024-02-29 00:00:00",
           "1582-10-10 00:00:00", "0001-01-01T00:00:00+14:00", "2023-08-01 10:00:00.123456789012-12:00",
           "2023-08-01 10:00:00\\u0000"],
    LogReason.TIMESTAMP: ["0000-01-01 00:00:00", "10000-01-01 00:00:00", "-0001-01-01 00:00:00", "2023-02-29 00:00:00",
                          "1900-02-29 00:00:00", "2023-08-01 24:00:00", "2023-08-01 23:59:60", "２０２３-08-01 0:00:00",
                          "2023-08-01\\u00a010:00:00", "2023-08-01 10:00:00+1:00"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("form", ["lines", "array beside an odd one"])
def test_the_whole_calendar_is_a_period(any_shop: Shop, form: str) -> None:
    shop = replace(any_shop, period=Period.parse("0001-01-01..9999-12-31"))
    expected = [(reason, text) for reason, texts in TIMES.items() for text in texts]
    texts = [f'{{"log_id": {n}, "timestamp": "{text}", "action": "a"}}' for n, (_, text) in enumerate(expected)]
    assert became(shop, texts, form) == [reason for reason, _ in expected]


@pytest.mark.parametrize("form", FORMS)
def test_of_a_key_that_comes_twice_the_last_value_counts(any_shop: Shop, form: str) -> None:
    twice = LOG.format(1, ', "action": "wish", "log_id": 7')
    assert became(any_shop, [twice, LOG.format(1, "")], form) == [None, None]
    assert {row.log_id: row.action for row in any_shop.web_logs.collect()} == {7: "wish", 1: "view"}


def nested(depth: int, pair: str = "[]") -> str:
    """A log whose brackets are nested so deep, itself included."""
    inner = "[" * (depth - 1) + "]" * (depth - 1) if pair == "[]" else '{"a": ' * (depth - 1) + "1" + "}" * (depth - 1)
    return LOG.format(depth if pair == "[]" else -depth, f', "x": {inner}')


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_record_may_be_nested_to_one_depth_whoever_reads_it(any_shop: Shop, form: str) -> None:
    depths = [2, json_stream.MAX_DEPTH, json_stream.MAX_DEPTH + 1, 900, 5000, 100_000]
    found = became(any_shop, [nested(depth, pair) for pair in ("[]", "{}") for depth in depths], form)
    assert found == [None, None, *[LogReason.NOT_JSON] * 4] * 2


def test_what_lies_in_a_record_that_is_too_deep_is_no_record_of_its_own(shop: Shop) -> None:
    deep = LOG.format(1, ', "x": ' + "[" * 2000 + "]" * 2000 + f', "y": [{LOG.format(2, "")}]')
    assert became(shop, [deep, LOG.format(3, "")], "array") == [LogReason.NOT_JSON, None]


def test_many_brackets_side_by_side_are_not_deep(shop: Shop) -> None:
    flat = LOG.format(1, f', "x": [{", ".join(["[]"] * 5000)}]')
    assert became(shop, [flat], "lines") == became(shop, [flat], "array") == [None]


@pytest.mark.parametrize("form", FORMS)
def test_characters_that_no_text_should_have_come_through(any_shop: Shop, form: str) -> None:
    texts = ["\\ud800", "\\udc00\\ud800", "\\u0000", "\\ufeff", "\\ufffe", "\ufffe", "\u2028"]
    odd = [LOG.format(n, f', "x": "{text}"').replace("view", f"vi{text}ew") for n, text in enumerate(texts)]
    assert became(any_shop, odd, form) == [None] * len(odd)
    assert any_shop.web_logs.where("action LIKE 'vi_%ew'").count() == len(odd)


def test_zero_bytes_in_any_file_cost_at_most_their_record(any_shop: Shop) -> None:
    logs = f"{LOG.format(1, '')}\n\0\n{LOG.format(2, '').replace('view', 'vi' + chr(0))}\n{LOG.format(3, '')}\0"
    customers, products = CUSTOMERS + "3,N\0,Lee,,\n\0\n", PRODUCTS + "3,\0,\0,1\n4\0,Bed,Home,1\n"
    write_shop(any_shop.storage, logs, customers, products)
    by_source = [row[1:] for row in ingest(any_shop).by_source.rows]
    assert by_source == [[4, 1, 0, 3, 0], [4, 3, 0, 1, 0], [4, 4, 0, 0, 0]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[A", [1, "["]),
        ("[A, ", [1, "["]),
        ("[A,\n B ,", [2, "["]),
        ('[A, {"log_id": 3', [1, '{"log_id": 3']),
        ("[A] [B]", [2]),
        ("[A],[B]\n", [2]),
        ("[]\n[ A ]\r\n\ufeff[B][]", [2]),
        ("[A][[B]]", [1, "[B]"]),
        ("[A][B", [2, "["]),
        ("[A]B", [2]),
        ("[A]x", [1, "x"]),
        ("[A,,B,]", [2]),
        ("[[A], B]", [1, "[A]"]),
        ("A\n[B]", [1, "[B]"]),
        ("// c\nA", [1, "// c"]),
        ("[A // c\n,B]", [2, "// c"]),
        ("A\rB", [2]),
    ],
)
def test_an_array_that_is_none_loses_nothing_silently(shop: Shop, text: str, expected: list[Any]) -> None:
    one, two = LOG.format(1, ""), LOG.format(2, "")
    write_shop(shop.storage, text.replace("A", one).replace("B", two))
    accepted, *refused = expected
    ingest(shop)
    assert shop.web_logs.count() == accepted
    found = [row.raw for row in shop.tables.read("quarantine").collect()]
    assert found == [raw.replace("A", one).replace("B", two) for raw in refused]


PRETTY = json.dumps(log(1, note={"a": "}"}), indent=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PRETTY, [1]),
        (f"{PRETTY}\n{PRETTY}", [1]),
        (f"\ufeff{PRETTY},\r\n{PRETTY.replace('1', '2')}\n", [2]),
        (f"{PRETTY}\n{LOG.format(2, '')}\noops\n{LOG.format(3, '')}", [3, "oops"]),
        (LOG.format(1, "") + LOG.format(2, "") + "\n" + LOG.format(3, ""), [3]),
        (LOG.format(1, "") + " oops\n" + LOG.format(3, ""), [1, LOG.format(1, "") + " oops"]),
        (f'{{"log_id": 1,\n{LOG.format(2, "")}', [1, '{"log_id": 1,']),
    ],
)
def test_objects_one_after_the_other_need_no_line_each(any_shop: Shop, text: str, expected: list[Any]) -> None:
    accepted, *refused = expected
    write_shop(any_shop.storage, text)
    ingest(any_shop)
    assert any_shop.web_logs.count() == accepted
    assert [row.raw for row in any_shop.quarantine.collect()] == refused


@pytest.mark.parametrize("after", [b"", b"\0" * 100, gzip.compress(b"", mtime=0), gzip.compress(b"\n \n", mtime=0)])
@pytest.mark.parametrize("form", ["lines", "array"])
def test_a_compressed_file_may_have_several_parts_and_zeros_after_them(any_shop: Shop, form: str, after: bytes) -> None:
    content = FORMS[form]([LOG.format(n, "") for n in range(500)]).encode()
    write_shop(any_shop.storage, [])
    any_shop.storage.path("web_logs.json").unlink()
    parts = gzip.compress(content[:20_000]) + gzip.compress(content[20_000:])
    any_shop.storage.path("web_logs.json.gz").write_bytes(parts + after)
    assert list(ingest(any_shop).records.values.values()) == [500, 500, 0, 0, 0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["web_logs.json", "customer_data.csv"])
def test_an_encoding_is_recognized_without_a_mark(shop: Shop, name: str, encoding: str) -> None:
    write_shop(shop.storage, [log(1)])
    path = shop.storage.path(name)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    words = f"{name} seems to be encoded in {encoding[:6].upper()}: .* Save it as UTF-8 and run again"
    with pytest.raises(RawFileError, match=words):
        ingest(shop)


@pytest.mark.parametrize("form", ["lines", "array"])
def test_blanks_before_the_logs_do_not_count(shop: Shop, form: str) -> None:
    texts = [json.dumps(log(1), indent=None if form == "lines" else 2)]
    write_shop(shop.storage, " \n" * 100_000 + FORMS[form](texts))
    assert list(ingest(shop).records.values.values()) == [1, 1, 0, 0, 0]


HEADER = "customer_id,first_name,last_name,email,phone"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            f'"{HEADER}\n1,a,b,c,d\n',
            "The first line of customer_data.csv is no header: it has a quote that is not closed",
        ),
        ("x" * 200_000, "is no header: .* or a very long field. It begins with 'xxx"),
        ("," * 100_000, r"has no column customer_id, .* Found: , , .* …\. Expected"),
        (HEADER.replace("r_", "r\0"), r"has no column customer_id\. Found: customer\\x00id, first_name"),
        (HEADER.replace("r_", "r\ufeff"), r"Found: customer\\ufeffid"),
        (HEADER.replace(",", "\t"), r"Found: customer_id\\tfirst_name"),
        (f"{HEADER},Email\n", "has the column email twice"),
        (" \n\t\n", "Found: nothing"),
        ("\ufeff", "Found: nothing"),
    ],
)
def test_a_header_that_is_none_is_shown_as_far_as_it_helps(shop: Shop, content: str, words: str) -> None:
    write_shop(shop.storage, [log(1)], content)
    with pytest.raises(RawFileError, match=words) as caught:
        ingest(shop)
    assert len(str(caught.value)) < 700
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HEADER, [0, 0, 0, 0, 0]),
        (f"{HEADER}\n{HEADER}\n1,a,b,c,d\n", [2, 1, 0, 1, 0]),
        ("\ufeff Customer_ID , FIRST_NAME,Last_Name\t,email,phone\n1,a,b,c,d\n", [1, 1, 0, 0, 0]),
        (f"\n \n{HEADER},,\n1,a,b,c,d,,\n", [1, 1, 0, 0, 0]),
        (f"{HEADER}\n\ufeff1,a,b,c,d\n\u00a0\n\x0b\n2,a,b,c,d\n", [4, 2, 0, 2, 0]),
    ],
)
@pytest.mark.parametrize("parallel_from", [0, 2**26])
def test_headers_and_lines_of_any_look_are_counted_the_same_by_both_readers(
    any_shop: Shop, content: str, expected: list[int], parallel_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "PARALLEL_FROM_BYTES", parallel_from)
    write_shop(any_shop.storage, [log(1)], content)
    assert ingest(any_shop).by_source.rows[1][1:] == expected


def test_a_long_field_is_judged_the_same_by_both_readers(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shop(shop.storage, [log(1)], f"{HEADER}\n1,{'x' * 200_000},b,c,d\n2,a,b,c,d\n")
    for parallel_from in (0, 2**26):
        monkeypatch.setattr(csv_rows, "PARALLEL_FROM_BYTES", parallel_from)
        assert ingest(replace(shop, refresh=True)).by_source.rows[1][1:] == [2, 1, 0, 1, 0]


ODD_NAMES = [
    "a b", "a%20b", "%", "%zz", "a#b", "a?b", "é", "e\u0301", "日本", "a\\b", "a:b", "*", "[x]", "{a,b}", "a'b", 'a"b',
    "a+b", "a&b=c", "~", "a;b", "x" * 200, " first", "last ", "a..", "\u2028", "\ufeff", "date=2023-08-01", "<b>",
    "date=2023-02-30",
]  # fmt: skip


@pytest.mark.parametrize("is_folder", [False, True], ids=["files", "folders"])
def test_log_files_of_odd_names_are_read(any_shop: Shop, is_folder: bool) -> None:
    write_shop(any_shop.storage, "[]")
    any_shop.storage.path("web_logs.json").unlink()
    for number, name in enumerate(ODD_NAMES):
        path = any_shop.storage.path(f"web_logs/{name}/a.json" if is_folder else f"web_logs/{name}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(log(number)))
    for hidden in (".a.json", "_a.json"):
        any_shop.storage.path(f"web_logs/{hidden}").write_text("oops")
    count = len(ODD_NAMES)
    assert list(ingest(any_shop).records.values.values()) == [count, count, 0, 0, 0]


@pytest.mark.parametrize("name", [b"a\nb", b"a\tb", b"a\rb", b"\x7f", b"a\xffb"])
def test_a_log_file_whose_name_engines_cannot_read_is_named_with_the_remedy(shop: Shop, name: bytes) -> None:
    for place in (name + b".json", name + b"/a.json"):
        write_shop(shop.storage, "[]")
        shop.storage.path("web_logs.json").unlink()
        path = Path(os.fsdecode(os.fsencode(shop.storage.path("web_logs")) + b"/" + place))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        with pytest.raises(
            RawFileError, match=r"control characters or is not UTF-8\. Rename it, or its folder"
        ) as caught:
            ingest(shop)
        assert str(caught.value).isprintable()
        shop.storage.remove_folder("web_logs")


@pytest.mark.parametrize("name", [b"a\nb", b"a\xffb"])
def test_a_storage_whose_path_engines_cannot_read_is_refused(tmp_path: Path, name: bytes) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    folder.mkdir()
    with pytest.raises(ParameterError, match=r"not UTF-8 or with control characters.* Rename the folder"):
        open_shop(str(folder), "2023-08")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [a_folder, a_pipe, a_link_to_itself, a_device])
@pytest.mark.parametrize("name", ["web_logs.json", "customer_data.csv"])
def test_what_is_no_file_is_named_and_not_waited_for(shop: Shop, name: str, make: Callable[[Path], None]) -> None:
    write_shop(shop.storage, [log(1)])
    shop.storage.path(name).unlink()
    make(shop.storage.path(name))
    with pytest.raises(RawFileError, match=f"{name} in .* is not a file, but a folder, a pipe or a link to nothing"):
        ingest(shop)


@pytest.mark.parametrize("make", [a_pipe, a_link_to_itself, a_device])
def test_what_is_no_file_among_log_files_is_named(shop: Shop, make: Callable[[Path], None]) -> None:
    write_shop(shop.storage, "[]").path("web_logs.json").unlink()
    shop.storage.path("web_logs").mkdir()
    make(shop.storage.path("web_logs/a.json"))
    with pytest.raises(RawFileError, match=r"a\.json is not a file, or a link to nothing"):
        ingest(shop)


def test_a_file_in_the_place_of_the_folder_of_logs_is_named(shop: Shop) -> None:
    write_shop(shop.storage, "[]").path("web_logs.json").rename(shop.storage.path("web_logs"))
    with pytest.raises(RawFileError, match=r"web_logs is not a folder\. Name it web_logs\.json"):
        ingest(shop)


def test_a_folder_that_is_linked_into_itself_is_named(shop: Shop) -> None:
    write_shop(shop.storage, "[]").path("web_logs.json").unlink()
    inner = shop.storage.path("web_logs/a/b")
    inner.mkdir(parents=True)
    inner.joinpath("up").symlink_to(shop.storage.path("web_logs/a"))
    with pytest.raises(RawFileError, match=r"web_logs/a/b/up is a link to a folder that it lies in.* Remove the link"):
        ingest(shop)


def read_many(shop: Shop, files: int) -> None:
    write_shop(shop.storage, "[]").path("web_logs.json").unlink()
    shop.storage.path("web_logs").mkdir()
    for number in range(files):
        text = json.dumps([log(number)] if number % 2 else log(number))
        path, content = f"web_logs/{number}.json", text.encode()
        shop.storage.path(f"{path}.gz" if number % 3 else path).write_bytes(
            gzip.compress(content) if number % 3 else content
        )
    assert list(ingest(shop).records.values.values()) == [files, files, 0, 0, 0]


def test_hundreds_of_small_files_are_read(shop: Shop) -> None:
    read_many(shop, 300)


@pytest.mark.soak
def test_thousands_of_small_files_are_read(shop: Shop) -> None:
    read_many(shop, 10_000)


def test_a_file_that_grows_while_it_is_read_is_refused_or_read_whole(shop: Shop) -> None:
    path, line, done = shop.storage.path("web_logs.json"), LOG.format(1, "") + "\n", threading.Event()
    write_shop(shop.storage, line)

    def grow() -> None:
        while not done.is_set():
            with path.open("a") as stream:
                stream.write(line)
            time.sleep(0.001)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(RawFileError, match=r"web_logs\.json changed while it was read\. Run again"):
            ingest(shop)
    finally:
        done.set()
        writer.join()
    assert shop.existing() == []


SLOW = {
    "line breaks": "[x" + "\n" * 200_000 + "y",
    "blanks after a comma": "[x," + " \n" * 100_000 + "y",
    "commas": "[x" + "," * 200_000 + "y",
    "objects": "[x" + ",{" * 5000,
    "nested objects": "[" + '{"a":[' * 50_000,
    "strings": '[{"a":"' + "x,{" * 5000,
    "quotes": "[" + '["' * 1000 + '\\"' * 100_000,
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_the_time_for_a_broken_array_stays_in_proportion_to_its_size(text: str) -> None:
    start = time.process_time()
    assert list(json_stream.parse_array(io.StringIO(text)))
    assert time.process_time() - start < 20  # what took the square of the time took minutes


@pytest.mark.parametrize("line", ['a","\n', '"\n', '","\n', '1,"a\n'])
def test_the_time_for_broken_quotes_stays_in_proportion_to_their_number(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "_AGAIN_CHARS", 2**20)
    count = 40_000
    start = time.process_time()
    found = list(csv_rows._records(io.StringIO(line * count, newline=""), 5))
    assert "".join(raw for raw, _ in found).replace("\n", "") == line.strip() * count
    assert time.process_time() - start < 20


def test_a_record_of_several_lines_is_still_read_after_many_broken_quotes() -> None:
    text = '1,"a\n' * 2000 + '2,"b\nc"\n'
    *broken, good = csv_rows._records(io.StringIO(text, newline=""), 2)
    assert len(broken) == 2000
    assert good == ('2,"b\nc"', ["2", "b\nc"])


def test_of_a_line_that_is_too_long_the_beginning_is_kept() -> None:
    for breaks, newline in (("\n", "\n"), ("\r\n", "")):
        stream = io.StringIO("12345\n1234\n\n123456789\n12345", newline=newline)
        assert list(text_reader.lines(stream, 5, breaks)) == [
            ("12345", False), ("1234\n", False), ("\n", False), ("12345", True), ("12345", False),
        ]  # fmt: skip


@pytest.mark.parametrize("name", ["web_logs.json", "web_logs.json.gz"])
@pytest.mark.parametrize("form", ["lines", "array"])
def test_long_pieces_keep_the_engine_away_and_are_records_all_the_same(
    shop: Shop, name: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_reader, "_BLOCK_BYTES", 10_000)
    monkeypatch.setattr(text_reader, "_MOST_COMPRESSED", 10**6)
    monkeypatch.setattr(text_reader, "_CHUNK_BYTES", 1000)
    monkeypatch.setattr(json_stream, "MAX_RECORD_CHARS", 30_000)
    long, too_long = LOG.format(2, f', "x": "{"y" * 25_000}"'), LOG.format(3, f', "x": "{"y" * 90_000}"')
    content = FORMS[form]([LOG.format(1, ""), long, too_long, LOG.format(4, "")]).encode()
    write_shop(shop.storage, "[]").path("web_logs.json").unlink()
    shop.storage.path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert text_reader.has_long_piece(shop.storage, raw_file(shop.storage, name), b"}")
    ingest(shop)
    assert sorted(row.log_id for row in shop.web_logs.collect()) == [1, 2, 4]
    (refused,) = shop.tables.read("quarantine").collect()
    assert (refused.reason, len(refused.raw)) == (LogReason.NOT_JSON, 30_000)
    assert too_long.startswith(refused.raw)


def test_a_file_with_separators_in_each_block_has_no_long_piece(
    storage: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_reader, "_BLOCK_BYTES", 100)
    for content, expected in ((b"x" * 99 + b"\n", False), (b"x" * 100, True), (b"\n" * 200 + b"x" * 99, False)):
        storage.path("web_logs.json").write_bytes(content)
        assert text_reader.has_long_piece(storage, raw_file(storage, "web_logs.json"), b"\n") == expected
