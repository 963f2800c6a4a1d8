"""Reads a CSV file of any size into one row per record, nothing judged yet.

The standard library's reader decides what a record is (RFC 4180: quoted commas, quotes and line breaks). A large file
without any quote is split by the engine, in parallel, which is then the same.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from techco.engines.dialects import dialect
from techco.errors import RawFileError
from techco.raw import text_reader
from techco.raw.tidy import AROUND, tidy
from techco.storage.base import RawFile, Storage
from techco.tables.scratch import Scratch

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PARALLEL_FROM_BYTES = 64 * 2**20
# A longer line is broken; so is a longer record of several lines.
MAX_LINE_CHARS = 16 * 2**20
MAX_RECORD_CHARS = 2**20
# How much may be read again after a quote that is never closed: some, and so many times what was read.
_AGAIN_CHARS = 16 * 2**20
_AGAIN_TIMES = 8
_SHOWN_CHARS = 300
_OTHER_SIGNS = (";", "\t", "|")  # by which fields are separated in files that are not read
_BREAKS = "\r\n"
_BLANKS = " \t\r\n"


def read_csv(storage: Storage, file: RawFile, columns: Sequence[str], scratch: Scratch) -> DataFrame:
    """Read all records of a CSV file with a header.

    Parameters
    ----------
    columns
        The columns needed; the file has them in any order, and others that are passed over.

    Returns
    -------
    DataFrame
        One row per record, unsorted: `raw` string, its text; `is_whole` boolean, whether it has as many fields as the
        header; then the columns as strings, tidy, null where empty. Blank lines are no records.

    Raises
    ------
    RawFileError
        When a column is missing (names it and those found), or the file is not UTF-8 (names the byte).
    """
    header = _header(storage, file)
    places = _places(file, header, columns)
    ddl = "raw STRING, is_whole BOOLEAN, " + ", ".join(f"{name} STRING" for name in columns)
    if file.size >= PARALLEL_FROM_BYTES and not text_reader.has_long_piece(storage, file, b"\n"):
        frame = _read_in_parallel(storage, file, header, places, scratch)
        if frame is not None:
            return frame
    return scratch.write_rows(_rows(storage, file, len(header), places), ddl)


def check_columns(storage: Storage, file: RawFile, columns: Sequence[str]) -> None:
    """Refuse a file whose header lacks a column; reads no further.

    Raises
    ------
    RawFileError
        As `read_csv`.
    """
    _places(file, _header(storage, file), columns)


def _header(storage: Storage, file: RawFile) -> list[str]:
    """Read the fields of the first record, none in a blank file."""
    text_reader.read_start(storage, file)
    with text_reader.open_text(storage, file) as stream:
        raw, fields = next(_records(stream), ("", []))
    if raw and not fields:
        raise RawFileError(
            f"The first line of {file.name} is no header: it has a quote that is not closed, or a very long field. "
            f"It begins with {raw[:40]!r}. Expected the names of columns, separated by commas."
        )
    return fields


def _places(file: RawFile, header: list[str], columns: Sequence[str]) -> dict[str, int]:
    """Find the place of each needed column in the header."""
    found = [tidy(name).lower() for name in header]
    missing = [name for name in columns if found.count(name) != 1]
    if missing:
        twice = [name for name in missing if name in found]
        what = f"has the column {twice[0]} twice" if twice else f"has no column {', '.join(missing)}"
        shown = _shown(", ".join(found)) or "nothing"
        raise RawFileError(
            f"{file.name} {what}. Found: {shown}. Expected, in any order: {', '.join(columns)}."
            f"{_near_miss(found, missing)}"
        )
    return {name: found.index(name) for name in columns}


def _near_miss(found: Sequence[str], missing: Sequence[str]) -> str:
    """Return what to do about a header that only looks otherwise; empty if nothing is like what is missing."""
    for sign in _OTHER_SIGNS:
        if set(missing) & {tidy(part) for name in found for part in name.split(sign)}:
            shown = "tabs" if sign == "\t" else repr(sign)
            return f" The columns are separated by {shown}: save the file with commas."
    by_letters = {re.sub(r"[^a-z0-9]", "", name): name for name in found}
    pairs = []
    for name in missing:
        if near := difflib.get_close_matches(name.replace("_", ""), by_letters, 1, 0.8):
            pairs.append(f"{_shown(by_letters[near[0]])} to {name}")
    return f" Rename {' and '.join(pairs)}, if that is what is meant." if pairs else ""


def _shown(text: str) -> str:
    """Shorten text of a raw file for a message, and write what cannot be seen as Python does."""
    short = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]} …"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in short)


def _rows(storage: Storage, file: RawFile, width: int, places: dict[str, int]) -> Iterator[dict[str, object]]:
    with text_reader.open_text(storage, file) as stream:
        records = _records(stream, width)
        next(records, None)
        for raw, fields in records:
            row: dict[str, object] = {"raw": raw, "is_whole": len(fields) == width}
            if row["is_whole"]:
                row.update((name, tidy(fields[place]) or None) for name, place in places.items())
            yield row


def _records(stream: TextIO, width: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield text and fields of each record that is not blank.

    A quote that is never closed would swallow all lines after it. So a record over several lines that never ends, or
    has not `width` fields, is taken for one broken line without fields, and what follows is read again.
    """
    lines = _Lines(stream)
    while True:
        try:
            fields = next(csv.reader(lines.of_record(), strict=True), [])
            is_broken = lines.are_short
        except csv.Error:  # text after a closing quote, or a field longer than csv.field_size_limit
            is_broken = True
        if not lines.used:
            return
        if is_broken or (len(lines.used) > 1 and width is not None and len(fields) != width):
            lines.give_back()
            fields = []
        raw = "".join(text for text, _ in lines.used).rstrip(_BREAKS)
        if raw.strip(_BLANKS):
            yield raw, fields


class _Lines:
    """The lines of a file, for one record after the other; all but the first line of one can be given back."""

    def __init__(self, stream: TextIO) -> None:
        self.used: list[tuple[str, bool]] = []
        self.are_short = False  # the reader wants more than there is, or than it may have
        self._source = text_reader.lines(stream, MAX_LINE_CHARS)
        self._waiting: deque[tuple[str, bool]] = deque()
        self._may_again = _AGAIN_CHARS

    def of_record(self) -> Iterator[str]:
        """Begin a record: one line, and more if the reader asks for them."""
        self.used.clear()
        self.are_short = False
        size = 0
        while line := self._next():
            self.used.append(line)
            text, is_cut = line
            size += len(text)
            if is_cut or (len(self.used) > 1 and (size > MAX_RECORD_CHARS or self._may_again < 0)):
                break
            yield text
        self.are_short = True

    def give_back(self) -> None:
        """Read all lines of this record but the first again."""
        self._may_again -= sum(len(text) for text, _ in self.used[1:])
        self._waiting.extendleft(reversed(self.used[1:]))
        del self.used[1:]

    def _next(self) -> tuple[str, bool] | None:
        if self._waiting:
            return self._waiting.popleft()
        line = next(self._source, None)
        self._may_again += _AGAIN_TIMES * len(line[0]) if line else 0
        return line


def _read_in_parallel(
    storage: Storage, file: RawFile, header: list[str], places: dict[str, int], scratch: Scratch
) -> DataFrame | None:
    """Split lines at commas; None where that would not be exact."""
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F

    from techco.raw.tidy_batches import tidy_columns

    value = F.col("value")
    path = dialect(scratch.spark).path_to_read(storage, file.name)
    text = scratch.spark.read.option("lineSep", "\n").text(path)
    lines = text.select(F.rtrim(value, F.lit("\r")).alias("value")).where(F.trim(value, F.lit(_BLANKS)) != "")
    is_header = F.ltrim(value, F.lit("\ufeff")) == ",".join(header)
    # Quotes, breaks within a line, bytes that are not UTF-8, and what the standard library's reader refuses.
    is_odd = value.rlike(r'["\r\x{FFFD}]') | (F.length(value) > csv.field_size_limit())
    unusual = is_odd | (value.contains("\ufeff") & ~is_header)
    is_ascii = F.octet_length(value) == F.length(value)
    try:
        counts = lines.agg(F.count_if(unusual), F.count_if(is_header), F.count_if(~is_ascii)).first()
    except PySparkException:
        text_reader.check_readable(storage, file)
        raise
    if counts is None or counts[0] or counts[1] != 1:
        return None
    fields = lines.where(~is_header).select(value.alias("raw"), F.split(value, ",", -1).alias("fields"))
    is_whole = F.size("fields") == len(header)
    trimmed = {name: F.trim(F.get("fields", F.lit(place)), F.lit(AROUND)) for name, place in places.items()}
    rows = fields.select(
        "raw",
        is_whole.alias("is_whole"),
        *(F.when(is_whole & (text != ""), text).alias(name) for name, text in trimmed.items()),
    )
    return tidy_columns(rows, list(places)) if counts[2] else rows
