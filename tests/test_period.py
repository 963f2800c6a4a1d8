"""Periods: what can be written, and what is refused in words."""

from __future__ import annotations

from datetime import date

import pytest

from techco.errors import ParameterError
from techco.period import Period


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2023", "2023-01-01", "2023-12-31"),
        ("2023-Q3", "2023-07-01", "2023-09-30"),
        ("2023-q1", "2023-01-01", "2023-03-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2023-W31", "2023-07-31", "2023-08-06"),
        ("2020-W53", "2020-12-28", "2021-01-03"),
        ("2023-08-02", "2023-08-02", "2023-08-02"),
        ("2023-08-01..2023-08-15", "2023-08-01", "2023-08-15"),
        ("2023-08 .. 2023-Q4", "2023-08-01", "2023-12-31"),
        (" 2023-08 ", "2023-08-01", "2023-08-31"),
    ],
)
def test_a_period_is_its_first_and_last_day(text: str, first: str, last: str) -> None:
    assert Period.parse(text) == Period.of(first, last)


@pytest.mark.parametrize("text", ["", "..", "2023-8", "last-month-ish", "2023-Q5", "2023-13", "08-2023", "٢٠٢٣"])
def test_another_text_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ParameterError, match=r"2023-W31"):
        Period.parse(text)


@pytest.mark.parametrize("text", ["2023-00", "2023-W00", "2021-W53", "2023-02-29", "0000"])
def test_what_is_not_in_the_calendar_does_not_exist(text: str) -> None:
    with pytest.raises(ParameterError, match="does not exist"):
        Period.parse(text)


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(ParameterError, match="ends before it starts: 2023-08-02 to 2023-08-01"):
        Period.of("2023-08-02", "2023-08-01")


def test_a_day_names_its_parameter() -> None:
    with pytest.raises(ParameterError, match=r"end_date is '31\.08\.2023'"):
        Period.of("2023-08-01", "31.08.2023")


def test_both_ends_are_inside() -> None:
    period = Period.parse("2023-08-01..2023-08-03")
    assert [day in period for day in (date(2023, 7, 31), *period, date(2023, 8, 4))] == [False, True, True, True, False]
    assert (period.days, str(period)) == (3, "2023-08-01..2023-08-03")


def test_the_period_before_is_as_long_and_ends_the_day_before() -> None:
    assert str(Period.parse("2024-03").before()) == "2024-01-30..2024-02-29"
    assert str(Period.parse("2023-08-01").before()) == "2023-07-31..2023-07-31"
    assert Period.parse("0001").before() is None
