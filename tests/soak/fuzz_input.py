"""Looks for bytes that the readers of raw files do not survive, guided by the code that each input reaches.

`python -m tests.soak.fuzz_input readers` tries the readers that are plain Python, some hundred inputs a second;
`… ingest` a whole ingest, a few a second. Options after the target go to libFuzzer, such as
`-max_total_time=900`, or a folder where inputs that reached something new are kept. It ends at the first defect, and
writes its input to a file `crash-…`. Needs `pip install -e ".[fuzz]"`.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["techco", "json", "csv"]):
    from techco.raw import csv_rows, json_batches, json_stream, logs
    from techco.raw.files import raw_file
    from techco.storage.folder import Folder

import pyarrow as pa

from techco.errors import TechcoError
from tests.support.faulty_shops import CSV_TEXTS, LOG_TEXTS, Faulty, ingested, model_of_csv, model_of_logs

_NAMES = ("web_logs.json", "customer_data.csv", "product_data.csv", "web_logs.json.gz")
_WIDTH = 5


def fuzz_readers(data: bytes, storage: Folder) -> None:
    """Try one reader, which the first byte chooses."""
    kind, content = data[:1], data[1:]
    if kind < b"\x40":
        _try_array(content.decode("utf-8", "replace"))
    elif kind < b"\x80":
        _try_lines(content.decode("utf-8", "replace"))
    elif kind < b"\xc0":
        _try_csv(content.decode("utf-8", "replace"))
    else:
        _try_files(content, storage)


def _try_array(text: str) -> None:
    """Whatever is in the array is in one of its records, and valid ones are as many as the standard library finds."""
    records = list(json_stream.parse_array(io.StringIO(text)))
    raws = [record.raw for record in records]
    _all_is_in([raw for raw in raws if raw != "["], text, r"[\s\ufeff,\[\]]*")
    if text.lstrip(" \t\r\n\ufeff").startswith("["):
        try:
            expected = json.loads(text.strip(" \t\r\n\ufeff"), parse_constant=_no_constant, parse_int=str)
        except (ValueError, RecursionError):
            return
        assert len(records) == len(expected)


def _try_lines(text: str) -> None:
    """Both parsers say the same of each line."""
    lines = [line.strip(" \t\r\n\ufeff") for line in text.split("\n")]
    lines = [line for line in lines if line]
    found = list(json_stream.parse_lines(text.lines(io.StringIO(text, newline="\n"), 2**24, "\n")))
    assert [record.raw for record in found] == lines
    batch = pa.RecordBatch.from_pydict({"raw": lines, "part": lines, "files": lines})
    for table in json_batches._parse_batches(iter([batch])):
        rows = table.to_pylist()
        assert [row["is_object"] for row in rows] == [record.values is not None for record in found]
        for row, record in zip(rows, found, strict=True):
            values = record.values or dict.fromkeys(json_stream.FIELDS)
            assert all(
                row[name] == re.sub(r"^-0$", "0", value) if value else not row[name] for name, value in values.items()
            )


def _try_csv(text: str) -> None:
    raws = [raw for raw, _ in csv_rows._records(io.StringIO(text, newline=""), _WIDTH)]
    _all_is_in(raws, text, r"[ \t\r\n]*")


def _try_files(content: bytes, storage: Folder) -> None:
    """Files of whatever bytes are read, or refused in words."""
    for name in _NAMES:
        storage.path(name).write_bytes(content)
        try:
            file = raw_file(storage, name)
            logs.first_records(storage, file, 100)
            csv_rows.check_columns(storage, file, ["customer_id"])
        except TechcoError as error:
            assert name in str(error)  # noqa: PT017


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _all_is_in(raws: list[str], text: str, separators: str) -> None:
    """The texts are all of the text, in order, but for separators."""
    place = 0
    for raw in raws:
        start = text.index(raw, place)
        assert re.fullmatch(separators, text[place:start])
        place = start + len(raw)
    assert re.fullmatch(separators, text[place:])


def ingest_fuzzer(storage: Folder) -> Callable[[bytes], None]:
    """What tries a whole ingest; the first byte chooses the file."""
    from techco import open_shop

    shop = open_shop(storage.url, "2023-08", refresh=True)

    def fuzz(data: bytes) -> None:
        name = _NAMES[data[0] % 3 if data else 0]
        faulty = Faulty(name, data[1:])
        faulty.write(storage)
        is_log = name.startswith("web_logs")
        outcome, text = ingested(shop, "web_logs" if is_log else name.partition("_")[0] + "s"), faulty.text()
        if isinstance(outcome, TechcoError):
            assert name in str(outcome)
        elif is_log and text is not None and (expected := model_of_logs(text)):
            numbers = (outcome.read, outcome.accepted, outcome.duplicates, outcome.quarantined, outcome.outside)
            assert numbers == expected
        elif not is_log and text is not None:
            assert model_of_csv(text) in (None, outcome.read)

    return fuzz


def main() -> None:
    """Fuzz a target until a defect is found or the time is over."""
    target, *options = sys.argv[1:] or [""]
    with tempfile.TemporaryDirectory() as folder:
        storage = Folder(folder)
        seeds = Path(folder, ".seeds")
        seeds.mkdir()
        kinds = {"readers": b"\x00\x40\x80\xc0", "ingest": b"\x00\x01\x02"}
        if target not in kinds:
            raise SystemExit(f"The target is {target!r}. Allowed: {', '.join(kinds)}.")
        texts = [*LOG_TEXTS, *(text for found in CSV_TEXTS.values() for text in found)]
        for number, text in enumerate(texts):
            for kind in kinds[target]:
                seeds.joinpath(f"{number}-{kind}").write_bytes(bytes([kind]) + text.encode())
        one = ingest_fuzzer(storage) if target == "ingest" else lambda data: fuzz_readers(data, storage)
        atheris.Setup([sys.argv[0], *options, str(seeds)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
