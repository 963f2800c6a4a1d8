"""Parses JSON records in batches, with Arrow's parser; what that refuses, with the standard library's.

It runs within a query, on whichever machine has the batch. Arrow's parser checks all that JSON demands and takes two
thirds of the time of `from_json` with a check before it, but wants one type a field and gives up on a whole text at the
first flaw, so a refused batch is cut into ever smaller parts. The result is that of
`techco.raw.json_stream.parse_line` for each text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from pyspark import cloudpickle

from techco.raw import json_stream
from techco.raw.json_stream import FIELDS, MAX_DEPTH, parse_line
from techco.raw.tidy import action_word
from techco.raw.tidy_batches import change_each

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_KINDS = {int: pa.int64(), str: pa.string(), bool: pa.bool_()}
_USUAL = tuple(_KINDS[int if name in ("log_id", "quantity") else str] for name in FIELDS)
_PASSED = ("raw", "part", "files")
_FEW = 64
_PARTS = 16
# Arrow takes these for numbers, JSON does not. They are looked for in the text as a whole: in a string they only cost
# time.
_NO_JSON = (b"NaN", b"Inf")

# The machines of a cluster need not have this package: its functions travel by value.
for _module in (json_stream, sys.modules[__name__]):
    cloudpickle.register_pickle_by_value(_module)  # type: ignore[no-untyped-call]


def parse_records(texts: DataFrame) -> DataFrame:
    """Parse each text as one JSON record.

    Parameters
    ----------
    texts
        `raw` string, without blanks around it and not null; `part` and `files` string, which are passed through.

    Returns
    -------
    DataFrame
        These columns; `is_object` boolean, whether the text is one JSON object; the fields of the contract as strings,
        as `techco.raw.json_stream.RawRecord` has them.
    """
    fields = ", ".join(f"{name} STRING" for name in FIELDS)
    schema = f"raw STRING, part STRING, files STRING, is_object BOOLEAN, {fields}"
    return texts.select(*_PASSED).mapInArrow(_parse_batches, schema)


def _parse_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    values = ["is_object", *FIELDS]
    for batch in batches:
        if not len(batch):
            continue
        passed = [column.cast(pa.string()) for column in batch.columns]
        parsed = pa.concat_tables(_parse(passed[0], _USUAL)).combine_chunks()
        columns = [parsed[name].combine_chunks() for name in values]
        yield pa.RecordBatch.from_arrays([*passed, *columns], [*_PASSED, *values])


def _parse(texts: pa.StringArray, kinds: tuple[pa.DataType, ...]) -> Iterator[pa.Table]:
    found = _by_arrow(texts, kinds)
    if found is None and kinds == _USUAL and (own := _kinds(texts[0].as_py())) != kinds:
        kinds, found = own, _by_arrow(texts, own)
    if found is not None:
        yield found
    elif len(texts) <= _FEW:
        yield _one_by_one(texts)
    else:
        step = -(-len(texts) // _PARTS)
        for start in range(0, len(texts), step):
            yield from _parse(texts.slice(start, step), kinds)


def _by_arrow(texts: pa.StringArray, kinds: tuple[pa.DataType, ...]) -> pa.Table | None:
    """Parse all texts at once; None if one is not an object of fields of these types.

    If as many objects are found as there are texts, each text is one. For a text that begins with `{` and ends with
    `}`, broken off, cannot be completed by the next one: after it comes a line break, which no string may have, and a
    `{` where only a comma or a bracket could follow.
    """
    whole = pc.all(pc.and_(pc.starts_with(texts, "{"), pc.ends_with(texts, "}")))
    if not whole.as_py():
        return None
    one_text = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    data = pc.binary_join(one_text, "\n")[0].as_buffer()
    content = data.to_pybytes()
    if _mentions_no_json(content) or (_may_be_deep(content, len(texts)) and _is_deep(texts)):
        return None
    options = pj.ParseOptions(
        explicit_schema=pa.schema(list(zip(FIELDS, kinds, strict=True))),
        newlines_in_values=True,
        unexpected_field_behavior="ignore",
    )
    try:
        found = pj.read_json(
            pa.BufferReader(data), pj.ReadOptions(use_threads=False, block_size=len(data) + 1), options
        )
    except pa.ArrowInvalid:
        return None
    if len(found) != len(texts):
        return None
    columns = {name: found[name].cast(pa.string()) for name in FIELDS}
    columns["action"] = change_each(columns["action"], action_word)
    return pa.table({"is_object": pa.repeat(True, len(texts)), **columns})


def _mentions_no_json(data: bytes) -> bool:
    return any(word[:1] in data and word in data for word in _NO_JSON)  # one letter is found much faster than a word


def _may_be_deep(data: bytes, records: int) -> bool:
    return data.count(b"{") + data.count(b"[") > records + MAX_DEPTH


def _is_deep(texts: pa.StringArray) -> bool:
    """Return whether a text has so many brackets that it may be nested deeper than is allowed."""
    most = pc.max(pc.add(pc.count_substring(texts, "{"), pc.count_substring(texts, "[")))
    return bool(most.as_py() > MAX_DEPTH)


def _kinds(text: str) -> tuple[pa.DataType, ...]:
    """Return the types of the fields of a record, the usual ones where it does not tell."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    values = record if isinstance(record, dict) else {}
    return tuple(_KINDS.get(type(values.get(name)), kind) for name, kind in zip(FIELDS, _USUAL, strict=True))


def _one_by_one(texts: pa.StringArray) -> pa.Table:
    records = [parse_line(text) for text in texts.to_pylist()]
    rows = [{"is_object": record.values is not None, **(record.values or {})} for record in records]
    return pa.Table.from_pylist(rows, pa.schema([("is_object", pa.bool_()), *((n, pa.string()) for n in FIELDS)]))
