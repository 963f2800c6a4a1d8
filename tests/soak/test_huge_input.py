"""Raw files of one huge piece, or that unpack to very much, end clearly and cost bounded memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from techco.storage.folder import Folder
from tests.support.shops import CUSTOMERS, log, write_shop

pytestmark = pytest.mark.slow  # the short forms, too, take up to a minute

_MB = 2**20
_ONE = json.dumps(log(1)).encode()
_OUTSIDE = json.dumps(log(1, day="2022-08-01")).encode()
_INGEST = """
import json, sys
from techco import open_shop
from techco.errors import TechcoError
from techco.ingest import ingest
try:
    found = [row[1:] for row in ingest(open_shop(sys.argv[1], "2023-08")).by_source.rows]
except TechcoError as error:
    found = str(error)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(json.dumps([found, int(peak.split()[1]) // 1024]))
"""

# What is in the file, of so many bytes; and the numbers of records, or the words of the refusal.
LOGS: dict[str, tuple[list[Any], list[int] | str]] = {
    "a value, in a line": ([_ONE + b'\n{"x": "', b"y", b'"}\n' + _ONE], [3, 1, 1, 1, 0]),
    "a value, in an array": ([b"[" + _ONE + b',{"x": "', b"y", b'"}]'], [2, 1, 0, 1, 0]),
    "a line of no JSON": ([_ONE + b"\n{", b"x", b"\n" + _ONE], [3, 1, 1, 1, 0]),
    "brackets in an array": ([b"[" + _ONE + b",", b"[", b""], [2, 1, 0, 1, 0]),
    "nested objects": ([b"[" + _ONE + b',{"x": ', b'{"a":', b""], [2, 1, 0, 1, 0]),
    "blanks in an array": ([b"[" + _ONE, b" ", b"]"], [1, 1, 0, 0, 0]),
    "blanks in a line": ([_ONE, b" ", b"\n" + _ONE], [2, 1, 0, 1, 0]),  # a line of more than 16 million is refused
    "zeros after the logs": ([_ONE + b"\n", b"\0", b""], [2, 1, 0, 1, 0]),
    "zeros": ([b"", b"\0", b""], "is not JSON"),
    "blanks": ([b"", b" ", b""], "is empty: it has blanks only"),
    "brackets": ([b"", b"[", b""], "is not JSON"),
}
BOMBS = ["zeros after the logs", "blanks in a line", "zeros", "blanks", "brackets", "brackets in an array"]
CUSTOMER_LINES: dict[str, tuple[list[Any], list[int] | str]] = {
    "a field": ([CUSTOMERS.encode() + b"7,a,", b"y", b""], [3, 2, 0, 1, 0]),
    "a quote that is not closed": ([CUSTOMERS.encode() + b'7,"', b"y", b""], [3, 2, 0, 1, 0]),
    "commas": ([CUSTOMERS.encode(), b",", b"\n3,a,b,c,d\n"], [4, 3, 0, 1, 0]),
    "a header": ([b"", b"y", b""], "The first line of customer_data.csv is no header"),
}


def write(path: Path, parts: list[bytes], size: int) -> None:
    """Write a beginning, copies of a piece until there are so many bytes, and an end."""
    beginning, piece, end = parts
    block = piece * (_MB // len(piece))
    with gzip.open(path, "wb", compresslevel=1) if path.suffix == ".gz" else path.open("wb") as stream:
        stream.write(beginning)
        for _ in range(size // len(block)):
            stream.write(block)
        stream.write(end)


def ingest_apart(storage: Folder) -> tuple[Any, int]:
    """What a process of its own ingests or says, and the most memory that it had, in MB."""
    run = subprocess.run([sys.executable, "-c", _INGEST, storage.url], capture_output=True, text=True, check=True)
    found, peak = json.loads(run.stdout)
    return found, peak


def check(storage: Folder, name: str, case: tuple[list[bytes], list[int] | str], size: int, most_mb: int) -> None:
    parts, expected = case
    write_shop(storage, [log(1)])
    if name != "customer_data.csv":
        storage.path("web_logs.json").unlink()
    write(storage.path(name), parts, size)
    found, peak = ingest_apart(storage)
    storage.path(name).unlink()
    if isinstance(expected, str):
        assert expected in found
    else:
        assert found[name == "customer_data.csv"] == expected
    assert peak < most_mb


@pytest.mark.parametrize("what", ["a value, in a line", "a value, in an array"])
def test_a_huge_piece_in_the_logs_costs_bounded_memory(storage: Folder, what: str) -> None:
    check(storage, "web_logs.json", LOGS[what], 150 * _MB, 1000)


@pytest.mark.parametrize("what", ["zeros after the logs", "blanks"])
def test_a_small_file_that_unpacks_to_very_much_costs_bounded_memory(storage: Folder, what: str) -> None:
    check(storage, "web_logs.json.gz", LOGS[what], 300 * _MB, 1000)


@pytest.mark.parametrize("what", ["a quote that is not closed", "commas"])
def test_a_huge_line_of_a_csv_file_costs_bounded_memory(storage: Folder, what: str) -> None:
    check(storage, "customer_data.csv", CUSTOMER_LINES[what], 150 * _MB, 1500)


@pytest.mark.soak
@pytest.mark.parametrize("what", LOGS)
def test_a_gigabyte_of_one_piece_in_the_logs_costs_bounded_memory(storage: Folder, what: str) -> None:
    check(storage, "web_logs.json", LOGS[what], 1024 * _MB, 2000)


@pytest.mark.soak
@pytest.mark.parametrize("what", BOMBS)
def test_ten_gigabytes_in_a_small_file_cost_bounded_memory(storage: Folder, what: str) -> None:
    check(storage, "web_logs.json.gz", LOGS[what], 10 * 1024 * _MB, 2000)


@pytest.mark.soak
def test_ten_gigabytes_of_valid_logs_in_a_small_file_cost_bounded_memory(storage: Folder) -> None:
    count = 10 * 1024 * (_MB // (len(_OUTSIDE) + 1))
    case = [b"", _OUTSIDE + b"\n", b""], [count, 0, 0, 0, count]
    check(storage, "web_logs.json.gz", case, 10 * 1024 * (_MB // (len(_OUTSIDE) + 1)) * (len(_OUTSIDE) + 1), 2000)


@pytest.mark.soak
@pytest.mark.parametrize("what", CUSTOMER_LINES)
def test_a_gigabyte_of_one_line_of_a_csv_file_costs_bounded_memory(storage: Folder, what: str) -> None:
    check(storage, "customer_data.csv", CUSTOMER_LINES[what], 1024 * _MB, 2000)
