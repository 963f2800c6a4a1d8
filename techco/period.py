"""A period: first and last calendar day, both included, without a time zone."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from techco.errors import ParameterError

ALLOWED = "2023, 2023-Q3, 2023-08, 2023-W31, 2023-08-02 or 2023-08-01..2023-08-15"


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
    def parse(cls, text: str) -> Period:
        """Read a period from text: a year, quarter, month, ISO week, day, or `a..b` of any two of those."""
        first, dots, last = text.strip().partition("..")
        return cls(_span(first)[0], _span(last if dots else first)[1])

    @classmethod
    def of(cls, start_date: str, end_date: str) -> Period:
        """Make a period of two ISO days, `YYYY-MM-DD`."""
        return cls(parse_day(start_date, "start_date"), parse_day(end_date, "end_date"))

    @property
    def days(self) -> int:
        """Number of days, at least 1."""
        return (self.last - self.first).days + 1

    def before(self) -> Period | None:
        """The period of the same length that ends the day before this one; None before the calendar's first day."""
        try:
            return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1))
        except OverflowError:
            return None

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range(self.days))

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


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


def _span(text: str) -> tuple[date, date]:
    """First and last day of one calendar unit."""
    text = text.strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        day = parse_day(text, "period")
        return day, day
    unit = re.fullmatch(r"(\d{4})(?:-(?:Q([1-4])|W(\d{2})|(\d{2})))?", text, re.ASCII | re.IGNORECASE)
    if not unit:
        raise ParameterError(f"period is {text!r}. Allowed: {ALLOWED}.")
    year, quarter, week, month = (int(part) if part else None for part in unit.groups())
    assert year is not None
    try:
        if week is not None:
            return date.fromisocalendar(year, week, 1), date.fromisocalendar(year, week, 7)
        first_month, last_month = (1, 12) if quarter is None else (3 * quarter - 2, 3 * quarter)
        if month is not None:
            first_month = last_month = month
        last_day = calendar.monthrange(year, last_month)[1]
        return date(year, first_month, 1), date(year, last_month, last_day)
    except (ValueError, OverflowError):
        raise ParameterError(f"period is {text!r}, which does not exist in the calendar. Allowed: {ALLOWED}.") from None
