"""A period: first and last calendar day, both included, without a time zone."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

from techco.errors import ParameterError

Unit = Literal["day", "week", "month", "quarter", "year"]

WORDS = ("yesterday", "last-week", "last-month", "last-quarter")
"""Periods that are counted from today: the whole day, ISO week, month or quarter before it."""
ALLOWED = f"2023, 2023-Q3, 2023-08, 2023-W31, 2023-08-02, 2023-08-01..2023-08-15, {', '.join(WORDS)}"


@dataclass(frozen=True, order=True)
class Period:
    """First and last calendar day, both included.

    Raises
    ------
    ParameterError
        When the last day lies before the first.
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ParameterError(
                f"The period ends before it starts: {self.first} to {self.last}. Give the earlier day first."
            )

    @classmethod
    def parse(cls, text: str, today: date | None = None) -> Period:
        """Read a period from text.

        Parameters
        ----------
        text
            A year, quarter, month, ISO week, day, one of `WORDS`, or `a..b` of any two of those.
        today
            What the words are counted from; None takes the day of this machine's clock and time zone.

        Raises
        ------
        ParameterError
            When the text has another form, does not exist in the calendar, or ends before it starts.
        """
        first, dots, last = text.strip().partition("..")
        today = today or date.today()  # once, though midnight may pass between the two ends
        return cls(_span(first, today)[0], _span(last if dots else first, today)[1])

    @classmethod
    def of(cls, start_date: str, end_date: str) -> Period:
        """Make a period of two ISO days, `YYYY-MM-DD`."""
        return cls(parse_day(start_date, "start_date"), parse_day(end_date, "end_date"))

    @property
    def days(self) -> int:
        """Number of days, at least 1."""
        return (self.last - self.first).days + 1

    def each(self, unit: str) -> list[Period]:
        """Cut it into the calendar's units; the first and the last end where this period does.

        Parameters
        ----------
        unit
            `day`, `week` (ISO, from Monday), `month`, `quarter` or `year`.

        Raises
        ------
        ParameterError
            When the unit is another.
        """
        if unit not in get_args(Unit):
            raise ParameterError(f"`each` is {unit!r}. Allowed: {', '.join(get_args(Unit))}.")
        found: list[Period] = []
        for day in self:
            if found and _start(day, unit) <= found[-1].first:
                found[-1] = Period(found[-1].first, day)
            else:
                found.append(Period(day, day))
        return found

    def before(self) -> Period | None:
        """The period of the same length that ends the day before this one; None before the calendar's first day."""
        try:
            return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1))
        except OverflowError:
            return None

    def shared_with(self, other: Period) -> Period | None:
        """The days that both have; None if there are none."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Period(first, last) if first <= last else None

    def with_days_around(self, days: int) -> Period:
        """The period with so many days before and after it, as far as the calendar has them."""
        first = max(self.first.toordinal() - days, date.min.toordinal())
        last = min(self.last.toordinal() + days, date.max.toordinal())
        return Period(date.fromordinal(first), date.fromordinal(last))

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range(self.days))

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


def stretches(days: Iterable[date]) -> list[Period]:
    """Join days that follow each other: the fewest periods that have just these days, in order."""
    found: list[Period] = []
    for day in sorted(days):
        if found and (day - found[-1].last).days <= 1:
            found[-1] = Period(found[-1].first, day)
        else:
            found.append(Period(day, day))
    return found


def parse_day(text: str, name: str) -> date:
    """Read one ISO day.

    Parameters
    ----------
    text
        `YYYY-MM-DD`.
    name
        What the error calls the value.

    Raises
    ------
    ParameterError
        When the text has another form, or the day does not exist.
    """
    # A notebook's parameter may be of any type, whatever its annotation says.
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise ParameterError(
            f"{name} is {text!r}, which is not a day. Write it as YYYY-MM-DD, for instance 2023-08-02."
        )
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ParameterError(f"{name} is {text!r}, a day that does not exist in the calendar.") from None


def is_relative(text: str) -> bool:
    """Whether the text of a period means other days tomorrow."""
    return any(end.strip().lower() in WORDS for end in text.split(".."))


def _span(text: str, today: date) -> tuple[date, date]:
    """First and last day of one calendar unit."""
    text = text.strip()
    try:
        if text.lower() in WORDS:
            return _before(text.lower(), today)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            day = parse_day(text, "period")
            return day, day
        return _unit(text)
    except (ValueError, OverflowError) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(f"period is {text!r}, which does not exist in the calendar. Allowed: {ALLOWED}.") from None


def _start(day: date, unit: str) -> date:
    """The first day of the calendar's unit that a day is in."""
    if unit == "week":
        return date.fromordinal(max(day.toordinal() - day.weekday(), 1))
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}.get(unit)
    return day if month is None else date(day.year, month, 1)


def _before(word: str, today: date) -> tuple[date, date]:
    """The unit before the one that today is in."""
    if word == "last-week":
        monday = today - timedelta(days=today.weekday() + 7)
        return monday, monday + timedelta(days=6)
    first = {
        "yesterday": today,
        "last-month": today.replace(day=1),
        "last-quarter": date(today.year, (today.month - 1) // 3 * 3 + 1, 1),
    }[word]
    last = first - timedelta(days=1)
    months = {"yesterday": 0, "last-month": 1, "last-quarter": 3}[word]
    return (last.replace(month=last.month - months + 1, day=1) if months else last), last


def _unit(text: str) -> tuple[date, date]:
    """A year, quarter, month or ISO week."""
    unit = re.fullmatch(r"(\d{4})(?:-(?:Q([1-4])|W(\d{2})|(\d{2})))?", text, re.ASCII | re.IGNORECASE)
    if not unit:
        raise ParameterError(f"period is {text!r}. Allowed: {ALLOWED}.")
    year, quarter, week, month = (int(part) if part else None for part in unit.groups())
    assert year is not None
    if week is not None:
        return date.fromisocalendar(year, week, 1), date.fromisocalendar(year, week, 7)
    first_month, last_month = (1, 12) if quarter is None else (3 * quarter - 2, 3 * quarter)
    if month is not None:
        first_month = last_month = month
    return date(year, first_month, 1), date(year, last_month, calendar.monthrange(year, last_month)[1])
