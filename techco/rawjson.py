"""Cuts JSON text into records exactly, in one stream, with the standard library's parser.

This is the slow path of `techco.rawlogs`: it decides what a record is where the engine's quick cut could be wrong. What
cannot be parsed becomes a record too, so that it can be counted and quarantined.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

FIELDS = ("log_id", "timestamp", "customer_id", "product_id", "action", "quantity")

# A record longer than this is taken for broken; it bounds the memory that a broken file can cost.
MAX_RECORD_CHARS = 16 * 2**20
_CHUNK_CHARS = 2**20
_BLANK = re.compile(r"[\s\ufeff]*")
_BETWEEN = re.compile(r"[\s,\]]*")
_NEXT_OBJECT = re.compile(r"[,\[\n]\s*(?=\{)")
_PERHAPS_NEXT = re.compile(r"[,\[\n]\s*\Z")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class RawRecord:
    """One record as it came.

    Attributes
    ----------
    raw
        Its text.
    values
        The fields of the contract as text, None where null or absent; None as a whole if it is not a JSON object.
    """

    raw: str
    values: dict[str, str | None] | None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")  # NaN and Infinity, which Python would accept


class _Decoder(json.JSONDecoder):
    """Numbers stay the text they were written with, so that integers of any length are exact."""

    def __init__(self) -> None:
        super().__init__(parse_int=str, parse_float=str, parse_constant=_no_constant)

    def __reduce__(self) -> tuple[type[_Decoder], tuple[()]]:
        return _Decoder, ()  # its scanner cannot travel to another machine, and is made anew there


_DECODER = _Decoder()


def parse_line(text: str) -> RawRecord:
    """Read one line of JSON lines as one record, whatever is in it."""
    text = text.strip(" \t\r\n\ufeff")
    try:
        return _record(text, _DECODER.decode(text))
    except (ValueError, RecursionError):
        return RawRecord(_clean(text), None)


def parse_array(stream: TextIO) -> Iterator[RawRecord]:
    """Read the elements of one JSON array, in order, with bounded memory.

    What is between two elements and cannot be parsed is one broken record, up to the next `{` that follows a comma, a
    `[` or a line break; so a record that was cut off does not take the good ones after it along.

    Parameters
    ----------
    stream
        The text from its beginning; a byte order mark, and whatever follows the array, is passed over.
    """
    window = _Window(stream)
    if window.skip(_BLANK) == "[":
        window.position += 1
    while window.skip(_BETWEEN):
        yield _next_record(window)


class _Window:
    """A piece of the text, from the current position on, that grows on demand."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.text, self.position, self.complete = stream, "", 0, False

    def grow(self) -> None:
        """Read on, twice as much each time a record does not fit."""
        kept = self.text[self.position :]
        more = self.stream.read(max(_CHUNK_CHARS, len(kept)))
        self.text, self.position, self.complete = kept + more, 0, not more

    def skip(self, what: re.Pattern[str]) -> str:
        """Pass over characters of a kind; returns the one after them, nothing at the end of the text."""
        while True:
            match = what.match(self.text, self.position)
            assert match is not None
            self.position = match.end()
            if self.position < len(self.text) or self.complete:
                return self.text[self.position : self.position + 1]
            self.grow()

    def remaining(self) -> int:
        return len(self.text) - self.position


def _next_record(window: _Window) -> RawRecord:
    while True:
        try:
            value, end = _DECODER.raw_decode(window.text, window.position)
            if end < len(window.text) or window.complete:  # a number at the edge may go on
                raw, window.position = window.text[window.position : end], end
                return _record(raw, value)
        except (ValueError, RecursionError) as error:
            if window.complete or not _cut_off(error, window) or window.remaining() > MAX_RECORD_CHARS:
                return RawRecord(_clean(_skip_broken(window)), None)
        window.grow()


def _cut_off(error: Exception, window: _Window) -> bool:
    """Whether the parser failed because the window ends, not because the text is wrong."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(window.text) - 16


def _skip_broken(window: _Window) -> str:
    """Pass over a record that cannot be parsed; returns its text, of a huge one only the beginning."""
    kept = ""
    while True:
        found = _NEXT_OBJECT.search(window.text, window.position + (0 if kept else 1))
        if found:
            text = kept + window.text[window.position : found.start()]
            window.position = found.start()
            return text.strip().rstrip(",").rstrip()
        if window.complete:
            text = kept + window.text[window.position :]
            window.position = len(window.text)
            return re.sub(r"[\s,]*\]?[\s,]*$", "", text)
        perhaps = _PERHAPS_NEXT.search(window.text, window.position + (0 if kept else 1))
        edge = perhaps.start() if perhaps else len(window.text)
        kept = (kept + window.text[window.position : edge])[:MAX_RECORD_CHARS]
        window.position = edge
        window.grow()


def _record(raw: str, value: Any) -> RawRecord:
    if not isinstance(value, dict):
        return RawRecord(_clean(raw), None)
    return RawRecord(_clean(raw), {name: _text(value.get(name)) for name in FIELDS})


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value and _clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _clean(text: str) -> str:
    """Text that UTF-8 can hold: JSON may name half a surrogate pair, which is no character."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def parse_lines(lines: Iterable[str]) -> Iterator[RawRecord]:
    """Read lines of JSON lines; blank ones are no records."""
    return (parse_line(line) for line in lines if line.strip(" \t\r\n\ufeff"))
