"""The exact cut of JSON text into records."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from techco.raw import json_stream
from techco.raw.json_stream import parse_array, parse_line, parse_lines


def array(text: str) -> list[tuple[str, str | None]]:
    """Each element's text and log_id, `-` for what is no object."""
    return [
        (record.raw, record.values["log_id"] if record.values else "-") for record in parse_array(io.StringIO(text))
    ]


@pytest.fixture(params=[1, 7, 2**20], ids=lambda size: f"chunks of {size}")
def chunk_chars(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(json_stream, "_CHUNK_CHARS", request.param)
    return int(request.param)


@pytest.mark.parametrize("text", ["", " \n", "[]", "\ufeff [ ]\r\n"])
def test_an_empty_array_has_no_records(text: str, chunk_chars: int) -> None:
    assert array(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"log_id": 1},\n{"log_id": 2}]', [('{"log_id": 1}', "1"), ('{"log_id": 2}', "2")]),
        ('\ufeff[{"log_id": "a}{],[\\"b"}]', [('{"log_id": "a}{],[\\"b"}', 'a}{],["b')]),
        ('[{"x": {"log_id": 9, "y": [{}]}, "log_id": 1}]', [('{"x": {"log_id": 9, "y": [{}]}, "log_id": 1}', "1")]),
        ('[{"log_id": 12345678901234567890123}]', [('{"log_id": 12345678901234567890123}', "12345678901234567890123")]),
        ("\ufeff[{}]\n\ufeff", [("{}", None)]),
        ("[{},\ufeff{}\ufeff]", [("{}", None), ("{}", None)]),
        ('[{"log_id": null}, {}]', [('{"log_id": null}', None), ("{}", None)]),
    ],
)
def test_any_valid_json_is_read_right(text: str, expected: list[tuple[str, str | None]], chunk_chars: int) -> None:
    assert array(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"log_id": 1}, oops, {"log_id": 2}]', [("1",), ("oops", "-"), ("2",)]),
        ('[{"log_id": 1, "a": }, {"log_id": 2}]', [('{"log_id": 1, "a": }', "-"), ("2",)]),
        ('[{"log_id": 1, "a": "cut\n  {"log_id": 2}]', [('{"log_id": 1, "a": "cut', "-"), ("2",)]),
        ('[{"log_id": 1}, {"log_id": 2', [("1",), ('{"log_id": 2', "-")]),
        ('[{"log_id": NaN}, {"log_id": 2}]', [('{"log_id": NaN}', "-"), ("2",)]),
        ('[5, "x", null, [1, 2], {"log_id": 2}]', [("5", "-"), ('"x"', "-"), ("null", "-"), ("[1, 2]", "-"), ("2",)]),
        ('\ufeff[{"log_id": 1}]\n\ufeff[{"log_id": 2}]', [("1",), ("2",)]),
        ('[[{"log_id": 1}], {"log_id": 2}]', [('[{"log_id": 1}]', "-"), ("2",)]),
        ("[" * 100_000 + ', {"log_id": 2}]', [("[" * 99_999, "-"), ("2",)]),
    ],
)
def test_a_broken_record_does_not_take_the_next_along(
    text: str, expected: list[tuple[str, ...]], chunk_chars: int
) -> None:
    found = [(log_id,) if log_id != "-" else (raw, "-") for raw, log_id in array(text)]
    assert found == expected


def test_a_record_that_never_ends_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_RECORD_CHARS", 1000)
    monkeypatch.setattr(json_stream, "_CHUNK_CHARS", 100)
    (broken, kept), good = array('[{"log_id": "' + "x" * 50_000 + ', {"log_id": 2}]')
    assert kept == "-"
    assert len(broken) < 5000
    assert good == ('{"log_id": 2}', "2")


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    record = parse_line('{"action": "\\ud800x"}')
    assert record.values is not None
    assert record.values["action"] == "\ufffdx"


@pytest.mark.parametrize("line", ["oops", "5", "[]", "{", '{"a": 1} {"b": 2}', '{"a": 01}', "{'a': 1}", "[" * 100_000])
def test_a_line_that_is_no_object_is_kept_as_text(line: str) -> None:
    assert parse_line(line).raw == line
    assert parse_line(line).values is None


def test_blank_lines_are_no_records() -> None:
    lines = [(line, False) for line in ("\ufeff{}\r\n", "\n", "  \r\n", "x")]
    assert [record.raw for record in parse_lines(lines)] == ["{}", "x"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
keys = st.text(max_size=3) | st.sampled_from(json_stream.FIELDS)


@pytest.mark.slow
@given(st.lists(st.dictionaries(keys, json_values, max_size=3), max_size=4), st.sampled_from([None, 1]))
def test_every_array_of_objects_gives_as_many_records(objects: list[dict[str, Any]], indent: int | None) -> None:
    records = list(parse_array(io.StringIO(json.dumps(objects, indent=indent, ensure_ascii=False))))
    assert [json.loads(record.raw) for record in records] == objects
    assert all(record.values is not None for record in records)


@given(st.text(alphabet='{}[],:"\\ \n1ax'))
def test_any_text_is_cut_without_an_error(text: str) -> None:
    assert all(record.raw for record in parse_array(io.StringIO(text)))
