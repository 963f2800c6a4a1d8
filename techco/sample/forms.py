"""The forms in which `web_logs` is written: text of a record, and the files the texts go to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from techco.sample.spec import SampleSpec
from techco.sample.traffic import ACTIONS, MAX_QUANTITY, Chunk


@dataclass(frozen=True)
class Style:
    """What stands before, between and after the records of one file, and how the text becomes bytes."""

    head: str = ""
    between: str = "\n"
    tail: str = "\n"
    bom: bool = False
    crlf: bool = False
    gzipped: bool = False


LINES = Style()
COMPACT = Style("[", ", ", "]")
PRETTY = Style("[\n", ",\n", "\n]")

_BATCH = 1000
"""Records made into bytes at once: one emoji makes Python keep all text around it in four bytes per letter."""


class Texts:
    """Writes the text of records, pretty-printed over several lines or on one."""

    def __init__(self, spec: SampleSpec) -> None:
        self.pretty = spec.form == "array"
        days, hours = spec.period, (f"{h:02d}:{m:02d}:{s:02d}" for h in range(24) for m in range(60) for s in range(60))
        self._days, self._seconds = [day.isoformat() for day in days], list(hours)
        self._products = [f"PROD{number:03d}" for number in range(spec.products + 1)]
        self._tails = [
            self.lines([f'"action": "{action}"', f'"quantity": {quantity or "null"}'])
            for action in ACTIONS
            for quantity in range(MAX_QUANTITY + 1)
        ]

    def lines(self, fields: Sequence[str]) -> str:
        """Write the last fields of a record and its end."""
        return ",\n    ".join(fields) + "\n  }" if self.pretty else ", ".join(fields) + "}"

    def usual(self, chunk: Chunk) -> list[str]:
        """Write well-formed logs, exactly as `json.dumps` writes them but ten times as fast."""
        logs = chunk.logs
        tails = (logs.action * (MAX_QUANTITY + 1) + logs.quantity).tolist()
        days, seconds, products, ends = self._days, self._seconds, self._products, self._tails
        columns = logs.day.tolist(), chunk.second.tolist(), logs.customer.tolist(), logs.product.tolist(), tails
        rows = zip(range(chunk.first_id, chunk.first_id + len(logs)), *columns, strict=True)
        if self.pretty:
            return [
                f'  {{\n    "log_id": {i},\n    "timestamp": "{days[d]} {seconds[s]}",\n    "customer_id": "CUST{c}",\n'
                f'    "product_id": "{products[p]}",\n    {ends[t]}'
                for i, d, s, c, p, t in rows
            ]
        return [
            f'{{"log_id": {i}, "timestamp": "{days[d]} {seconds[s]}", "customer_id": "CUST{c}", '
            f'"product_id": "{products[p]}", {ends[t]}'
            for i, d, s, c, p, t in rows
        ]

    def odd(self, record: dict[str, Any] | str, *, ascii_only: bool) -> str:
        """Write one record of a messy shop; text that is no JSON stays as it is."""
        if isinstance(record, str):
            return "  " + record if self.pretty else record
        encoder = _ASCII if ascii_only else _UNICODE
        return "  " + _indented(record, encoder, "\n  ") if self.pretty else encoder.encode(record)


_ASCII, _UNICODE = json.JSONEncoder(), json.JSONEncoder(ensure_ascii=False)


def _indented(value: Any, encoder: json.JSONEncoder, margin: str) -> str:
    """Write a value as `json.dumps` does, which leaves reference cycles behind for each: memory would swing."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        items = [f"{encoder.encode(key)}: {_indented(item, encoder, inner)}" for key, item in value.items()]
        return "{" + inner + ("," + inner).join(items) + margin + "}"
    if isinstance(value, list) and value:
        items = [_indented(item, encoder, inner) for item in value]
        return "[" + inner + ("," + inner).join(items) + margin + "]"
    return encoder.encode(value)


class Sink(Protocol):
    """Where the texts of the records go."""

    by_day: bool
    """Whether records of another day than the current one are to be written with `write_aside`."""

    def write(self, day: int, texts: Sequence[str]) -> None:
        """Write records of one day; days come in order."""

    def write_aside(self, texts: Sequence[str]) -> None:
        """Write records that belong to no day of the period, or to another day than the one being written."""


class OneFile:
    """A single `web_logs.json`."""

    by_day = False

    def __init__(self, folder: Path, spec: SampleSpec, stack: ExitStack) -> None:
        style = {"array": PRETTY, "compact": COMPACT, "lines": LINES}[spec.form]
        self._file = stack.enter_context(_LogFile(folder / "web_logs.json", _roughen(style, spec)))

    def write(self, day: int, texts: Sequence[str]) -> None:
        """Write records; the day does not matter."""
        self._file.write(texts)

    def write_aside(self, texts: Sequence[str]) -> None:
        """Write records like any other."""
        self._file.write(texts)


class DayFolders:
    """A folder `web_logs/` with one file per day, one of them a JSON array and every third gzipped."""

    by_day = True

    def __init__(self, folder: Path, spec: SampleSpec, stack: ExitStack) -> None:
        self._folder, self._spec, self._stack = folder / "web_logs", spec, stack
        self._array_day = min(1, spec.period.days - 1)
        self._day, self._today = -1, ExitStack()
        self._file: _LogFile | None = None
        self._aside: _LogFile | None = None
        stack.push(self._today)

    def write(self, day: int, texts: Sequence[str]) -> None:
        """Write records to the folder of their day."""
        if day != self._day:
            self._today.close()
            self._file = self._today.enter_context(self._open(day))
            self._day = day
        assert self._file is not None
        self._file.write(texts)

    def write_aside(self, texts: Sequence[str]) -> None:
        """Write records to a file that no period leaves out."""
        if texts and self._aside is None:
            path = self._folder / "part-0000.json"
            self._aside = self._stack.enter_context(_LogFile(path, _roughen(LINES, self._spec)))
        if self._aside is not None:
            self._aside.write(texts)

    def _open(self, day: int) -> _LogFile:
        date = self._spec.period.first + timedelta(days=day)
        style = COMPACT if day == self._array_day else replace(LINES, gzipped=day % 3 == 2)
        if day % 2:
            style = _roughen(style, self._spec)
        name = "part-0000.json.gz" if style.gzipped else "part-0000.json"
        return _LogFile(self._folder / f"date={date}" / name, style)


def open_sink(folder: Path, spec: SampleSpec, stack: ExitStack) -> Sink:
    """Open what the form asks for in an existing folder; `stack` closes it."""
    return DayFolders(folder, spec, stack) if spec.form == "folder" else OneFile(folder, spec, stack)


def _roughen(style: Style, spec: SampleSpec) -> Style:
    return replace(style, bom=True, crlf=True) if spec.messy else style


class _LogFile:
    """One file of records, an array or lines."""

    def __init__(self, path: Path, style: Style) -> None:
        self._path, self._style, self._started = path, style, False
        self._stack = ExitStack()

    def __enter__(self) -> _LogFile:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file: Any = self._stack.enter_context(self._path.open("wb"))
        if self._style.gzipped:
            packed = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=self._file, mtime=0)
            self._file = self._stack.enter_context(packed)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._stack:
            if kind is None and self._started:
                self._put(self._style.tail)

    def write(self, texts: Sequence[str]) -> None:
        for first in range(0, len(texts), _BATCH):
            start = self._style.between if self._started else "\ufeff" * self._style.bom + self._style.head
            self._started = True
            self._put(start + self._style.between.join(texts[first : first + _BATCH]))

    def _put(self, text: str) -> None:
        self._file.write((text.replace("\n", "\r\n") if self._style.crlf else text).encode())
