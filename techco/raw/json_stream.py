"""Cuts JSON text into records exactly, in one stream, with the standard library's parser.

This is the slow path of `techco.raw.logs`: it decides what a record is where the engine's quick cut could be wrong.
What cannot be parsed becomes a record too, so that it can be counted and quarantined.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn, TextIO

from techco.raw.tidy import action_word

FIELDS = ("log_id", "timestamp", "customer_id", "product_id", "action", "quantity")

# A record longer than this is taken for broken; it bounds the memory that a broken file can cost.
MAX_RECORD_CHARS = 16 * 2**20
# A record nested deeper than this is taken for broken, however it is read: each parser gives up at a depth of its own.
MAX_DEPTH = 500
# So far the end of such a record is looked for.
_DEEP_CHARS = 2**20
_CHUNK_CHARS = 2**16  # an error of the parser costs a look at all of it
_BLANK = re.compile(r"[\s\ufeff]*")
_BETWEEN = re.compile(r"[\s\ufeff,\]]*")
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
_AROUND = " \t\r\n\ufeff"
_AFTER_RECORD = " \t\r\n\f\v,"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class RawRecord:
    """One record as it came.

    Attributes
    ----------
    raw
        Its text.
    values
        The fields of the contract as text, as written but for the action, which is a `tidy.action_word`; None where
        null or absent; None as a whole if it is not a JSON object.
    """

    raw: str
    values: dict[str, str | None] | None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")  # NaN and Infinity, which Python would accept


def _integer(text: str) -> str:
    return "0" if text == "-0" else text  # as a parser that makes numbers of them has it


class _Decoder(json.JSONDecoder):
    """Numbers stay the text they were written with, so that integers of any length are exact."""

    def __init__(self) -> None:
        super().__init__(parse_int=_integer, parse_float=str, parse_constant=_no_constant)

    def __reduce__(self) -> tuple[type[_Decoder], tuple[()]]:
        return _Decoder, ()  # its scanner cannot travel to another machine, and is made anew there


_DECODER = _Decoder()


def parse_line(text: str) -> RawRecord:
    """Read one line of JSON lines as one record, whatever is in it."""
    text = text.strip(_AROUND)
    try:
        return _record(text, _DECODER.decode(text))
    except (ValueError, RecursionError):
        return RawRecord(_clean(text), None)


def parse_array(stream: TextIO) -> Iterator[RawRecord]:
    """Read the elements of JSON arrays, or objects, one after the other, in order and with bounded memory.

    What is between two elements and cannot be parsed is one broken record, up to the next `{` that follows a comma, a
    `[` or a line break; so a record that was cut off does not take the good ones after it along. An array that ends
    after a record without its `]` was cut off as well: its `[` is one broken record.

    Parameters
    ----------
    stream
        The text from its beginning. Byte order marks around elements, which files have inside that were put together
        of several, are passed over; what follows the array is broken.
    """
    window = _Window(stream)
    is_whole = window.skip(_BLANK) != "["
    if not is_whole:
        window.position += 1
    while following := window.skip(_BETWEEN):
        if following == "[" and window.is_closed:  # files were put together, and the next array begins
            window.position, window.is_closed, is_whole = window.position + 1, False, False
            continue
        record = _next_record(window)
        is_whole = is_whole or record.values is None
        yield record
    if not is_whole and not window.is_closed:
        yield RawRecord("[", None)


def goes_over_lines(text: str) -> bool:
    """Return whether text begins with an object that another one or nothing follows, but is no line of its own."""
    try:
        _DECODER.decode(text.partition("\n")[0])
    except (ValueError, RecursionError):
        try:
            first, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return False
        return isinstance(first, dict) and text[end:].lstrip(_AFTER_RECORD + _AROUND)[:1] in ("", "{")
    return False


class _Window:
    """A piece of the text, from the current position on, that grows on demand."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.text, self.position, self.complete = stream, "", 0, False
        self._rest = io.StringIO()  # what was read and is not in the text
        self.is_closed = False  # a `]` was passed over
        self.is_endless = False  # brackets were opened that are never closed

    def grow(self) -> None:
        """Read on, twice as much each time a record does not fit."""
        kept = self.text[self.position :]
        size = max(_CHUNK_CHARS, len(kept))
        more = self._rest.read(size) or self.stream.read(size)
        self.text, self.position, self.complete = kept + more, 0, not more

    def shrink(self) -> None:
        """Put back what a record that proved broken has made it read on; each error of the parser looks at all text."""
        edge = self.position + _CHUNK_CHARS
        if edge < len(self.text):
            self._rest = io.StringIO(self.text[edge:] + self._rest.read())
            self.text, self.complete = self.text[:edge], False

    def skip(self, what: re.Pattern[str]) -> str:
        """Pass over characters of a kind; returns the one after them, nothing at the end of the text."""
        while True:
            match = what.match(self.text, self.position)
            assert match is not None
            self.position = match.end()
            self.is_closed = self.is_closed or "]" in match[0]
            if self.position < len(self.text) or self.complete:
                return self.text[self.position : self.position + 1]
            self.grow()

    def take(self, end: int) -> str:
        """Go on to a place in the text; returns what is before it."""
        taken, self.position = self.text[self.position : end], end
        return taken

    def remaining(self) -> int:
        return len(self.text) - self.position


def _next_record(window: _Window) -> RawRecord:
    broken = 1  # so many characters are surely broken
    while True:
        try:
            value, end = _DECODER.raw_decode(window.text, window.position)
            if end < len(window.text) or window.complete:  # a number at the edge may go on
                return _record(window.take(end), value)
            is_cut = True
        except ValueError as error:
            is_cut = _ends_too_early(error, window)
        except RecursionError:
            if not window.is_endless and (end := _place_of_depth(0, window)):
                return RawRecord(_clean(window.take(end)), None)
            window.is_endless |= window.complete or window.remaining() > _DEEP_CHARS
            is_cut = not window.is_endless
            broken = _place_of_depth(MAX_DEPTH, window) - window.position
        if window.complete or not is_cut or window.remaining() > MAX_RECORD_CHARS:
            window.shrink()
            return RawRecord(_clean(_skip_broken(window, broken)), None)
        window.grow()


def _ends_too_early(error: ValueError, window: _Window) -> bool:
    """Return whether the parser failed because the window ends, not because the text is wrong."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(window.text) - 16


def _place_of_depth(depth: int, window: _Window) -> int:
    """Return the place after the bracket with which a value is nested so deep, 0 for its end; 0 if there is none."""
    depths = 0
    for token in _TOKEN.finditer(window.text, window.position):
        depths += _STEP.get(token[0], 0)
        if depths == depth:
            return token.end()
    return 0


def is_deep(text: str) -> bool:
    """Return whether the brackets of a JSON text are nested deeper than `MAX_DEPTH`."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depths = accumulate(_STEP.get(token[0], 0) for token in _TOKEN.finditer(text))
    return any(depth > MAX_DEPTH for depth in depths)


def _skip_broken(window: _Window, broken: int) -> str:
    """Pass over a record that cannot be parsed; returns its text, of a huge one only the beginning.

    `broken` is how many characters are surely part of it.
    """
    kept = ""
    while True:
        edge, is_next = _next_object(window, window.position + (0 if kept else broken))
        taken = window.take(edge)
        kept = (kept + taken)[:MAX_RECORD_CHARS] if len(kept) < MAX_RECORD_CHARS else kept
        if is_next:
            return kept.strip().rstrip(",").rstrip()
        if window.complete:
            return kept.rstrip(_AFTER_RECORD).removesuffix("]").rstrip(_AFTER_RECORD)
        window.grow()


def _next_object(window: _Window, start: int) -> tuple[int, bool]:
    """Return where the gap before the next object begins in the window, or may do so, and whether it does."""
    text = window.text
    while (brace := text.find("{", start)) >= 0:
        if (gap := _separator_before(text, start, brace)) >= 0:
            return gap, True
        start = brace + 1
    gap = _separator_before(text, start, len(text))
    if gap < 0 or window.complete or window.remaining() >= MAX_RECORD_CHARS:
        gap = len(text)
    return gap, False


def _separator_before(text: str, start: int, end: int) -> int:
    """Return where the comma, `[` or line break begins that only blanks separate from a place; -1 for none."""
    edge = start + len(text[start:end].rstrip())
    if text[start:edge].endswith((",", "[")):
        return edge - 1
    return edge if "\n" in text[edge:end] else -1


def _record(raw: str, value: Any) -> RawRecord:
    if not isinstance(value, dict) or is_deep(raw):
        return RawRecord(_clean(raw), None)
    values = {name: _text(value.get(name)) for name in FIELDS}
    return RawRecord(_clean(raw), {**values, "action": values["action"] and action_word(values["action"])})


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value and _clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _clean(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _clean(text: str) -> str:
    """Make text that UTF-8 can hold: JSON may name half a surrogate pair, which is no character."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def parse_lines(lines: Iterable[tuple[str, bool]]) -> Iterator[RawRecord]:
    """Read lines of JSON lines, each with whether it was cut off, which makes it broken; blank ones are no records."""
    for line, is_cut in lines:
        if text := line.strip(_AROUND):
            yield RawRecord(_clean(text), None) if is_cut else parse_line(text)
