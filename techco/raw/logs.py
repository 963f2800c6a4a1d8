"""Reads web logs: JSON text of any form and size into one row per record.

The engine cuts the text, in parallel: JSON lines at line breaks, arrays at each `}`. Both are parsed in batches by
`techco.raw.json_batches`. For an array that is exact as long as each piece turns out to be a whole object: a brace in a
string or a nested object leaves pieces that are not. Such a file is read again by `techco.raw.json_stream`, exactly and
in one stream. So is one of several arrays or of objects over several lines, one with pieces that would take much
memory, and one that the engine cannot read though it is text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING, Literal

from techco.engines.dialects import dialect
from techco.errors import RawFileError
from techco.raw import json_stream, text_reader
from techco.raw.json_batches import parse_records
from techco.storage.base import LOGS_FOLDER, RawFile, Storage
from techco.tables.scratch import Scratch

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

RECORDS_DDL = f"raw STRING, is_object BOOLEAN, {', '.join(f'{name} STRING' for name in json_stream.FIELDS)}"
Form = Literal["array", "lines", "objects"]
Judge = Callable[["DataFrame"], "DataFrame"]
"""What is made of records before they are put aside; keeps the columns `part` and `files`."""

# What a piece of an array begins with, up to its `}`. An array's end has none.
_BLANK = r"[ \t\r\n]*"
_FIRST = rf"^\x{{FEFF}}?{_BLANK}\[{_BLANK}\{{"
_NEXT = rf"^{_BLANK},{_BLANK}\{{"
_END = rf"^(?:\x{{FEFF}}?{_BLANK}\[)?{_BLANK}\]{_BLANK}\z"
_AROUND = " \t\r\n\ufeff"
_REPLACED = "\ufffd"  # what readers of text put in place of bytes that are not UTF-8


@dataclass(frozen=True)
class LogReader:
    """Reads log files of one storage through one session; what it puts aside lasts as long as the scratch folder.

    `numbers` says of which set of files a name is, if that shall be known of the records.
    """

    storage: Storage
    scratch: Scratch
    numbers: Mapping[str, str] = field(default_factory=dict)

    def read(self, files: list[RawFile], judge: Judge) -> DataFrame:
        """Read all records of some files, and put aside what is made of them.

        Parameters
        ----------
        judge
            Gets one row per record, unsorted: `raw` string, its text; `is_object` boolean, whether it is a JSON object;
            `log_id`, `timestamp`, `customer_id`, `product_id`, `quantity` string, as written, and `action`, as it is
            compared, null where null or absent; `part` and `files` string, to be kept.

        Returns
        -------
        DataFrame
            What `judge` returns, without `part`; `files` is the number of the file's set, null if it has none.

        Raises
        ------
        RawFileError
            When a file is not UTF-8 (names the byte), damaged, or holds no JSON at all.
        """
        groups: dict[tuple[Form, bool], list[RawFile]] = {}
        for file in files:  # Sail does not read compressed and other files together
            groups.setdefault((form_of(self.storage, file), file.name.endswith(".gz")), []).append(file)
        frames = [frame for (form, _), group in groups.items() for frame in self._read_group(group, form, judge)]
        return reduce(lambda a, b: a.unionByName(b), frames or [self._read_alone(None, judge)]).drop("part")

    def _read_group(self, files: list[RawFile], form: Form, judge: Judge) -> list[DataFrame]:
        """Read files together, but those with long pieces, which the engine would hold in memory as a whole."""
        if form == "objects":
            return [self._read_alone(file, judge) for file in files]
        is_array = form == "array"
        separator = b"}" if is_array else b"\n"
        alone = [file for file in files if text_reader.has_long_piece(self.storage, file, separator)]
        together = [file for file in files if file not in alone]
        frames = self._read_together(together, is_array, judge) if together else []
        return [*frames, *(self._read_alone(file, judge) for file in alone)]

    def _read_together(self, files: list[RawFile], is_array: bool, judge: Judge) -> list[DataFrame]:
        """Read files together; if the engine cannot, each on its own, unless one of them is not text."""
        from pyspark.errors import PySparkException

        try:
            return self._read_arrays(files, judge) if is_array else [self._read_lines(files, judge)]
        except PySparkException:
            for file in files:
                text_reader.check_readable(self.storage, file)
            # Sail refuses zeros after a compressed file, and Arrow a batch of more than 2 GB.
            return [self._read_alone(file, judge) for file in files]

    def _read_arrays(self, files: list[RawFile], judge: Judge) -> list[DataFrame]:
        """Read files of one array each: together if all pieces are objects, else in halves, down to the odd file."""
        from pyspark.sql import functions as F

        text = F.col("value")
        # The most frequent one first: the others are looked for in what is left.
        part = F.when(text.rlike(_NEXT), "next").when(text.rlike(_FIRST), "first").when(text.rlike(_END), "end")
        raw = F.concat(F.ltrim(text, F.lit(_AROUND + "[,")), F.lit("}"))
        pieces = self._text(files, "}").select(raw.alias("raw"), part.alias("part"), "files")
        whole = F.col("is_object") & ~_is_doubtful("raw")
        parsed = parse_records(pieces).withColumn("part", F.when(whole | (F.col("part") == "end"), F.col("part")))
        judged = self.scratch.materialize(judge(parsed))
        found = {row[0]: row[1] for row in judged.groupBy("part").count().collect()}
        # An array without objects has no first one, and is read as quickly the other way.
        if None not in found and found.get("first") == len(files) == found.get("end"):
            return [judged.where("part <> 'end'")]
        if len(files) > 1:
            middle = len(files) // 2
            return self._read_arrays(files[:middle], judge) + self._read_arrays(files[middle:], judge)
        return [self._read_alone(files[0], judge)]

    def _read_lines(self, files: list[RawFile], judge: Judge) -> DataFrame:
        """Read files of JSON lines, whatever is in them."""
        from pyspark.sql import functions as F

        raw = F.trim(F.col("value"), F.lit(_AROUND)).alias("raw")
        part = F.when(_is_doubtful("raw"), "doubtful").otherwise("line").alias("part")
        lines = self._text(files, "\n").select(raw, "files").where("raw <> ''").select("raw", part, "files")
        judged = self.scratch.materialize(judge(parse_records(lines)))
        if not judged.where("part = 'doubtful'").isEmpty():
            for file in files:
                text_reader.check_readable(self.storage, file)
        return judged

    def _read_alone(self, file: RawFile | None, judge: Judge) -> DataFrame:
        """Read a file exactly and in one stream; None gives no records."""
        records = _parse(self.storage, file) if file else ()
        same = {"part": "stream", "files": self.numbers.get(file.name) if file else None}
        rows: Iterator[dict[str, object]] = (
            {**same, "raw": r.raw, "is_object": r.values is not None, **(r.values or {})} for r in records
        )
        return self.scratch.materialize(
            judge(self.scratch.write_rows(rows, f"{RECORDS_DDL}, part STRING, files STRING"))
        )

    def _text(self, files: list[RawFile], separator: str) -> DataFrame:
        """Read pieces of text into `value`, and the number of their set into `files`."""
        from pyspark.sql import functions as F

        engine = dialect(self.scratch.spark)
        sets: dict[str | None, list[str]] = {}
        for file in files:
            sets.setdefault(self.numbers.get(file.name), []).append(engine.path_to_read(self.storage, file.name))
        reader = self.scratch.spark.read.option("lineSep", separator)
        frames = [
            reader.text(paths).select("value", F.lit(number).cast("string").alias("files"))
            for number, paths in sets.items()
        ]
        return reduce(lambda a, b: a.unionByName(b), frames)


def _is_doubtful(text: str) -> Column:
    """Return whether text may be from bytes that are not UTF-8: Sail refuses these, Apache Spark keeps them."""
    from pyspark.sql import functions as F

    return F.contains(text, F.lit(_REPLACED)) | ~F.is_valid_utf8(text)


def form_of(storage: Storage, file: RawFile) -> Form:
    """Return how the records of a file stand: in an `array`, in `lines`, or as `objects` that go over lines.

    Only the beginning of the file is read.

    Raises
    ------
    RawFileError
        When it is none of these.
    """
    start = text_reader.read_start(storage, file)
    if not start and file.name.partition("/")[0] != LOGS_FOLDER:
        raise RawFileError(f"{file.name} is empty: it has blanks only. Put the shop's file there and run again.")
    if start and "{" not in start and not start[1:].lstrip(_AROUND).startswith("]"):
        raise RawFileError(
            f"{file.name} is not JSON: it begins with {start[:40]!r}. "
            "Expected one JSON array of objects, or one object per line."
        )
    if start.startswith("["):
        return "array"
    return "objects" if json_stream.goes_over_lines(start) else "lines"


def first_records(storage: Storage, file: RawFile, count: int) -> list[json_stream.RawRecord]:
    """Read the first records of a file, fewer if it has fewer, and little more than these.

    Raises
    ------
    RawFileError
        As `LogReader.read`.
    """
    return list(islice(_parse(storage, file), count))


def _parse(storage: Storage, file: RawFile) -> Iterator[json_stream.RawRecord]:
    """Read the records of a file exactly and in one stream."""
    form = form_of(storage, file)
    with text_reader.open_text(storage, file, newline="\n") as stream:
        if form == "lines":
            yield from json_stream.parse_lines(text_reader.lines(stream, json_stream.MAX_RECORD_CHARS, "\n"))
        else:
            yield from json_stream.parse_array(stream)
