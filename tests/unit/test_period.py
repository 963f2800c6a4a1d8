"""Periods: what can be written, and what is refused in words."""

from __future__ import annotations

import time
from datetime import date, timedelta

import pytest

from techco.errors import ParameterError
from techco.period import WORDS, Period, is_relative


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


@pytest.mark.parametrize(
    ("text", "today", "first", "last"),
    [
        ("yesterday", "2024-03-01", "2024-02-29", "2024-02-29"),
        ("yesterday", "2024-01-01", "2023-12-31", "2023-12-31"),
        ("last-week", "2023-08-07", "2023-07-31", "2023-08-06"),  # a Monday
        ("last-week", "2023-08-13", "2023-07-31", "2023-08-06"),  # the Sunday of that week
        ("last-week", "2021-01-03", "2020-12-21", "2020-12-27"),
        ("last-month", "2024-03-31", "2024-02-01", "2024-02-29"),
        ("last-month", "2024-01-15", "2023-12-01", "2023-12-31"),
        ("last-quarter", "2024-02-10", "2023-10-01", "2023-12-31"),
        ("last-quarter", "2024-06-30", "2024-01-01", "2024-03-31"),
        ("Last-Month..Yesterday", "2024-03-15", "2024-02-01", "2024-03-14"),
        ("2024 .. yesterday", "2024-03-15", "2024-01-01", "2024-03-14"),
        ("2023-08", "2024-03-15", "2023-08-01", "2023-08-31"),
    ],
)
def test_words_are_counted_from_a_day(text: str, today: str, first: str, last: str) -> None:
    assert Period.parse(text, date.fromisoformat(today)) == Period.of(first, last)


def test_words_are_counted_from_the_clock_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    yesterday = Period.parse("yesterday")
    assert yesterday.last in (date.today() - timedelta(days=1), date.today() - timedelta(days=2))
    try:
        monkeypatch.setenv("TZ", "Etc/GMT-14")  # where the day is over first
        time.tzset()
        first = Period.parse("yesterday").last
        monkeypatch.setenv("TZ", "Etc/GMT+12")
        time.tzset()
        assert first - Period.parse("yesterday").last >= timedelta(days=1)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_before_the_first_day_of_the_calendar_there_is_none() -> None:
    for word in WORDS:
        with pytest.raises(ParameterError, match="does not exist"):
            Period.parse(word, date.min)


def test_words_alone_mean_other_days_tomorrow() -> None:
    assert [is_relative(text) for text in ("LAST-week", "2023..yesterday", "2023-08", "")] == [True, True, False, False]


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
