"""What a sample shop is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from techco.errors import ParameterError
from techco.period import Period

Form = Literal["array", "compact", "lines", "folder"]

MESSY_MIN_LOGS = 50
"""With fewer logs there is no room to keep broken records apart."""

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)


@dataclass(frozen=True)
class SampleSpec:
    """Size and shape of a sample shop; the same spec gives the same bytes.

    Attributes
    ----------
    customers, products, logs
        Number of well-formed records of each raw file, at least 1. `messy` adds others to them.
    seed
        Start of all randomness, 0 or more.
    start_date, end_date
        Days of the logs, both included, from 1900 to 2199.
    form
        How `web_logs` is written: `array`, one pretty-printed JSON array; `compact`, the same on one line; `lines`,
        JSON lines; `folder`, a folder `web_logs/` of `date=YYYY-MM-DD` folders. The records are the same in each.
    messy
        Add every inconsistency that raw files may have, in known numbers.

    Raises
    ------
    ParameterError
        When a number is too small, the days are in the wrong order or out of range, or the form is unknown.
    """

    customers: int = 10_000
    products: int = 50
    logs: int = 50_000
    seed: int = 7
    start_date: date = date(2023, 8, 1)
    end_date: date = date(2023, 8, 31)
    form: Form = "array"
    messy: bool = False

    def __post_init__(self) -> None:
        for name, least in (("customers", 1), ("products", 1), ("logs", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name} is {getattr(self, name)}. Give a whole number of at least {least}.")
        if self.form not in get_args(Form):
            raise ParameterError(f"form is {self.form!r}. Allowed: {', '.join(get_args(Form))}.")
        if self.messy and self.logs < MESSY_MIN_LOGS:
            raise ParameterError(f"logs is {self.logs}. A messy shop needs at least {MESSY_MIN_LOGS}.")
        if self.period.first < FIRST_DAY or self.period.last > LAST_DAY:
            raise ParameterError(f"The period is {self.period}. Days from {FIRST_DAY} to {LAST_DAY} are allowed.")

    @property
    def period(self) -> Period:
        """The days of the logs."""
        return Period(self.start_date, self.end_date)

    def rounds(self, size: int) -> int:
        """Return how often each inconsistency occurs in a file of `size` well-formed records: 0.2 %, at least twice."""
        return max(2, size * 2 // 1000) if self.messy else 0
