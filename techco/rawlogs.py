"""Reads web logs: JSON text of any form and size into one row per record, nothing judged yet.

The engine cuts the text itself, in parallel: JSON lines at line breaks, arrays at each `}`. That is exact for records
of the ordinary kind, an object of plain values without braces in strings. A first pass finds out whether all are. What
is not is read exactly by `techco.rawjson`, in one stream, and put aside as rows: the unusual lines of JSON lines, a
whole file with an array.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from itertools import islice
from typing import TYPE_CHECKING

from techco import rawjson, rawtext
from techco.errors import RawFileError
from techco.scratch import Scratch
from techco.storage import LOGS_FOLDER, RawFile, Storage

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_VALUES_DDL = ", ".join(f"{name} STRING" for name in rawjson.FIELDS)
RECORDS_DDL = f"raw STRING, is_object BOOLEAN, {_VALUES_DDL}"

# One JSON object of plain values, the part that both the engine's cut and every engine's from_json read alike. Left out
# on purpose: braces in strings, nested values, numbers of more than 15 digits (Sail reads them as floats) or with an
# exponent, half a surrogate pair, the replacement character (which Spark puts in place of bytes that are not UTF-8).
_BLANK = r"[ \t\r\n]*"
_ESCAPE = (
    r'\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CeE][0-9a-fA-F]{3}|[fF][0-9a-eA-E][0-9a-fA-F]{2}|[dD][0-7][0-9a-fA-F]{2}'
    r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
_PLAIN = r'[^"\\{}\x00-\x1f\x{FFFD}]*'
_STRING = f'"{_PLAIN}(?:{_ESCAPE}{_PLAIN})*"'
_FRACTION = (
    r"-?(?:[1-9][0-9]{0,5}\.[0-9]{1,9}|0\.(?:0|0{0,2}[1-9][0-9]{0,8}))"  # what no engine writes with an exponent
)
_VALUE = rf"(?:{_STRING}|0|-?[1-9][0-9]{{0,14}}|{_FRACTION}|true|false|null)"
_PAIR = f"{_BLANK}{_STRING}{_BLANK}:{_BLANK}{_VALUE}{_BLANK}"
_OBJECT = rf"\{{{_PAIR}(?:,{_PAIR})*"
_ORDINARY_LINE = rf"^\x{{FEFF}}?{_BLANK}{_OBJECT}\}}{_BLANK}\z"
_ORDINARY_PIECE = rf"^(?:\x{{FEFF}}?{_BLANK}\[|{_BLANK},){_BLANK}{_OBJECT}\z"
_START_OF_ARRAY = rf"^\x{{FEFF}}?{_BLANK}\["
_END_OF_ARRAY = rf"^(?:\x{{FEFF}}?{_BLANK}\[)?{_BLANK}\]{_BLANK}\z"
_BLANK_LINE = r"^\x{FEFF}?[ \t\r]*\z"
_AROUND = " \t\r\n\ufeff"


@dataclass(frozen=True)
class LogReader:
    """Reads log files of one storage through one session; what it puts aside lasts as long as the scratch folder."""

    storage: Storage
    scratch: Scratch

    def read(self, files: list[RawFile]) -> DataFrame:
        """Read all records of some files.

        Returns
        -------
        DataFrame
            One row per record, unsorted: `raw` string, its text; `is_object` boolean, whether it is a JSON object;
            `log_id`, `timestamp`, `customer_id`, `product_id`, `action`, `quantity` string, as written, null where null
            or absent.

        Raises
        ------
        RawFileError
            When a file is not UTF-8 (names the byte), damaged, or holds no JSON at all.
        """
        groups: dict[tuple[bool, bool], list[RawFile]] = {}
        for file in files:  # Sail does not read compressed and other files together
            groups.setdefault((is_array(self.storage, file), file.name.endswith(".gz")), []).append(file)
        frames = [frame for (is_array, _), group in groups.items() for frame in self._read_group(group, is_array)]
        return reduce(lambda a, b: a.unionByName(b), frames) if frames else self._nothing()

    def _read_group(self, files: list[RawFile], is_array: bool) -> list[DataFrame]:
        """Read files together; if the engine cannot, say which of them is not text."""
        from pyspark.errors import PySparkException

        try:
            return self._read_arrays(files) if is_array else self._read_lines(files)
        except PySparkException:
            for file in files:
                rawtext.check_readable(self.storage, file)
            raise

    def _read_arrays(self, files: list[RawFile]) -> list[DataFrame]:
        """Files with one array each: together if all are ordinary, else halves, down to the one that is not."""
        from pyspark.sql import functions as F

        pieces = self._text(files, "}")
        ends = F.col("value").rlike(_END_OF_ARRAY)
        unusual, started, ended = pieces.agg(
            F.count_if(~(F.col("value").rlike(_ORDINARY_PIECE) | ends)),
            F.count_if(F.col("value").rlike(_START_OF_ARRAY)),
            F.count_if(ends),
        ).first() or (0, 0, 0)
        if not unusual and started == len(files) and ended == len(files):
            text = F.concat(_trim(F.col("value"), _AROUND + "[,"), F.lit("}"))
            return [_parse(pieces.where(F.col("value").rlike(r"\{")), text)]
        if len(files) > 1:
            middle = len(files) // 2
            return self._read_arrays(files[:middle]) + self._read_arrays(files[middle:])
        return [self._put(self._parse_array(files[0]))]

    def _read_lines(self, files: list[RawFile]) -> list[DataFrame]:
        """Files of JSON lines; the lines that are not ordinary are parsed one by one."""
        from pyspark.sql import functions as F

        lines = self._text(files, "\n").where(~F.col("value").rlike(_BLANK_LINE))
        is_ordinary = F.col("value").rlike(_ORDINARY_LINE)
        ordinary = _parse(lines.where(is_ordinary), _trim(F.col("value"), _AROUND))
        if not (lines.agg(F.count_if(~is_ordinary)).first() or [0])[0]:
            return [ordinary]
        if any("\ufffd" in row.value for row in lines.where(F.contains("value", F.lit("\ufffd"))).limit(1).collect()):
            for file in files:
                rawtext.check_readable(self.storage, file)
        unusual = self.scratch.put(lines.where(~is_ordinary))
        return [ordinary, self._put(rawjson.parse_lines(row.value for row in unusual.toLocalIterator()))]

    def _parse_array(self, file: RawFile) -> Iterator[rawjson.RawRecord]:
        with rawtext.open_text(self.storage, file) as stream:
            yield from rawjson.parse_array(stream)

    def _put(self, records: Iterable[rawjson.RawRecord]) -> DataFrame:
        rows: Iterator[dict[str, object]] = (
            {"raw": r.raw, "is_object": r.values is not None, **(r.values or {})} for r in records
        )
        return self.scratch.put_rows(rows, RECORDS_DDL)

    def _text(self, files: list[RawFile], separator: str) -> DataFrame:
        paths = [self.storage.engine_url(file.name) for file in files]
        return self.scratch.spark.read.option("lineSep", separator).text(paths).select("value")

    def _nothing(self) -> DataFrame:
        return self.scratch.put_rows([], RECORDS_DDL)


def is_array(storage: Storage, file: RawFile) -> bool:
    """Whether a file is one JSON array, else it has JSON lines; reads its beginning only.

    Raises
    ------
    RawFileError
        When it is neither.
    """
    start = rawtext.head(storage, file)
    if not start and file.name.partition("/")[0] != LOGS_FOLDER:
        raise RawFileError(f"{file.name} is empty: it has blanks only. Put the shop's file there and run again.")
    if start and "{" not in start and not start[1:].lstrip(_AROUND).startswith("]"):
        raise RawFileError(
            f"{file.name} is not JSON: it begins with {start[:40]!r}. "
            "Expected one JSON array of objects, or one object per line."
        )
    return start.startswith("[")


def first_records(storage: Storage, file: RawFile, count: int) -> list[rawjson.RawRecord]:
    """The first records of a file, fewer if it has fewer; reads little more than these.

    Raises
    ------
    RawFileError
        As `LogReader.read`.
    """
    whole = is_array(storage, file)
    with rawtext.open_text(storage, file) as stream:
        if whole:
            records = rawjson.parse_array(stream)
        else:
            records = rawjson.parse_lines(iter(partial(stream.readline, rawjson.MAX_RECORD_CHARS), ""))
        return list(islice(records, count))


def _parse(pieces: DataFrame, text: Column) -> DataFrame:
    """Parse ordinary objects: columns as in `LogReader.read`."""
    from pyspark.sql import functions as F

    parsed = pieces.select(text.alias("raw"), F.lit(True).alias("is_object"), F.from_json(text, _VALUES_DDL).alias("v"))
    return parsed.select("raw", "is_object", *(F.col(f"v.{name}").alias(name) for name in rawjson.FIELDS))


def _trim(text: Column, characters: str) -> Column:
    """Without some characters at both ends; a quarter of the cost of a regular expression."""
    from pyspark.sql import functions as F

    return F.trim(text, F.lit(characters))
