"""Records that are parsed in batches come out as if each were parsed alone."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from techco.raw import json_batches, json_stream
from techco.raw.json_batches import parse_records

USUAL = [
    {"log_id": n, "timestamp": f"2023-08-01 10:00:{n:02}", "customer_id": "CUST1", "action": "view", "quantity": None}
    for n in range(60)
]
# Each is something that a parser may take for what it is not; the first ones are JSON objects.
ODD = [
    '{"log_id": "7"}', '{"log_id": 3.0, "quantity": 1e2}', '{"log_id": 12345678901234567890123}', "{}",
    '{"log_id": 1, "log_id": 2}', '{"x": {"log_id": 9}, "log_id": true}', '{"action": ["a", {"b": null}]}',
    r'{"action": "} { \" \\ \u00e9 \ud83d\ude00 \u0000"}', r'{"log\u005fid": 5}', '{"action": "2023-08-01"}',
    r'{"action": "\ud800"}', r'{"action": "\udc00"}', '{"customer_id": 12, "product_id": 0}', '{"customer_id": -0}',
    '{"log_id": -0, "quantity": "-0"}', '{"action": " \u00a0Caf\u0065\u0301 "}', '{"x": 1e400}',
    '{"x": NaN}', '{"x": [-Infinity]}', '{"action": "NaN Infinity"}', '{"x": 01}', '{"x": 1.}', '{"x": 1,}',
    '{"action": "a\nb"}', '{"action": "a\tb"}', '{"action": "a\x00b"}', '{"log_id": 1}\x00', '{"x": 1\xa0}',
    '{"a": "x}', '{", "b": 1}', '{"log_id": 1}{"log_id": 2}', '{"log_id": 1} {"log_id": 2}', '{"a": {"b": 1}', "{", "}",
    "[]", "1", "null", '"{}"', "{'a': 1}", '{"x": 1/*c*/}', '{"x": tru}', '{"x": "\\q"}', '{"a" 1}', "", "{{}}",
]  # fmt: skip


def parse(texts: list[str]) -> list[tuple[Any, ...]]:
    parts = [f"part {n}" for n in range(len(texts))]
    batch = pa.RecordBatch.from_pydict({"raw": texts, "part": parts, "files": ["1"] * len(texts)})
    found = pa.Table.from_batches(json_batches._parse_batches(iter([batch]))).to_pydict()
    assert found["raw"] == texts
    assert found["part"] == parts
    return list(zip(found["is_object"], *(found[name] for name in json_stream.FIELDS), strict=True))


def alone(text: str) -> tuple[Any, ...]:
    values = json_stream.parse_line(text).values
    return (values is not None, *((values or {}).get(name) for name in json_stream.FIELDS))


@pytest.mark.parametrize("text", ODD)
def test_an_odd_record_changes_nothing_for_those_beside_it(text: str) -> None:
    texts = [json.dumps(record) for record in USUAL]
    texts.insert(20, text)
    assert parse(texts) == [alone(one) for one in texts]


def test_a_batch_in_which_all_is_odd_is_read_right() -> None:
    texts = ODD * 20
    assert parse(texts) == [alone(text) for text in texts]


def test_a_record_with_a_break_in_it_and_one_that_is_two_do_not_make_up_for_each_other() -> None:
    texts = ['{"action": "x}', '{", "log_id": 1}', '{"log_id": 2}{"log_id": 3}']
    assert [is_object for is_object, *_ in parse(texts)] == [False, False, False]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1", "{", "}", "NaN"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
records = st.dictionaries(st.sampled_from([*json_stream.FIELDS, "x"]), values, max_size=7)
texts = st.builds(json.dumps, records, ensure_ascii=st.booleans(), indent=st.none() | st.just(1))
fragments = st.lists(st.sampled_from(["{", "}", '"', ",", ":", '"log_id"', "1", " ", "\\", "null", "-0"]), max_size=9)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(found=st.lists(texts | fragments.map("".join), max_size=90))
def test_whatever_records_come_together_each_is_read_as_if_alone(found: list[str]) -> None:
    found = [json_stream._clean(text).strip(" \t\r\n\ufeff") for text in found]
    if found:
        assert parse(found) == [alone(text) for text in found]


def test_ids_written_as_numbers_are_parsed_as_quickly_as_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_batches, "parse_line", None)
    records = [{"log_id": str(n), "customer_id": n, "product_id": 7, "action": "view"} for n in range(500)]
    assert [row[1:4] for row in parse([json.dumps(record) for record in records])] == [
        (str(n), None, str(n)) for n in range(500)
    ]


def test_records_are_parsed_the_same_on_every_engine(spark: SparkSession) -> None:
    texts = [text for text in ODD if "\x00" not in text] + [json.dumps(record) for record in USUAL]
    rows = [(text, str(n), None) for n, text in enumerate(texts)]
    frame = spark.createDataFrame(rows, "raw STRING, part STRING, files STRING")
    found = sorted(parse_records(frame).collect(), key=lambda row: int(row.part))
    assert [tuple(row)[3:] for row in found] == [alone(text) for text in texts]
