"""Hides what identifies people in text that a report shows: e-mail addresses, telephone numbers, names of customers.

The tables keep everything; only what notebooks show and pages repeat is hidden, unless a run was asked to show it.
"""

from __future__ import annotations

import os
import re
from typing import Literal, cast, get_args

from techco.errors import ParameterError

Pii = Literal["mask", "show"]
"""Whether reports hide personal data or show it."""
VARIABLE = "TECHCO_PII"
"""The setting, for the kernels of a run."""


def check_pii(value: str, name: str = "pii") -> Pii:
    """The value, if it is allowed.

    Raises
    ------
    ParameterError
        Says what is.
    """
    if value not in get_args(Pii):
        raise ParameterError(
            f"{name} is {value!r}. Allowed: mask, which hides e-mail addresses, telephone numbers and names, or show."
        )
    return cast(Pii, value)


def chosen_pii(given: str | None) -> Pii:
    """What is given, else what the environment says, else `mask`.

    Raises
    ------
    ParameterError
        When it is neither `mask` nor `show`.
    """
    # Not by techco.settings: its library takes a quarter of a second to import, in each kernel.
    return check_pii(given, "pii") if given is not None else check_pii(os.environ.get(VARIABLE) or "mask", VARIABLE)


_EMAIL = re.compile(r"([\w.+-])[\w.+-]*@([\w-])[\w.-]*", re.ASCII)
_INTERNATIONAL = re.compile(r"(?<![\w.])\+\d(?:[ ().-]{0,2}\d){7,14}(?!\w)", re.ASCII)
_WORD = re.compile(r"[^\s,;:\"'(){}\[\]<>@.]{2,}")
_KEY = re.compile(r"(?:cust)?\d+", re.ASCII | re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d\s()./x-]{7,}\d(?![\w])", re.ASCII)


def mask(text: str) -> str:
    """Hide e-mail addresses and telephone numbers in text that people will see."""
    text = _EMAIL.sub(r"\1…@\2…", text)
    return _PHONE.sub(lambda phone: phone[0] if _is_timestamp(phone[0]) else "…" + phone[0][-2:], text)


def mask_output(text: str) -> str:
    """Hide e-mail addresses and international telephone numbers in what a cell printed; its columns of numbers stay."""
    text = _EMAIL.sub(r"\1…@\2…", text)
    return _INTERNATIONAL.sub(lambda phone: "…" + phone[0][-2:], text)


def mask_customer(text: str) -> str:
    """Hide all that a line of the customer file says of a person: of each word its first letter stays, keys stay."""
    return _WORD.sub(lambda word: word[0] if _says_nothing(word[0]) else word[0][0] + "…", mask(text))


def mask_record(source: str, text: str) -> str:
    """Hide personal data in a record as it came; `source` says of which raw file it is."""
    return mask_customer(text) if source == "customers" else mask(text)


def _says_nothing(word: str) -> bool:
    return _KEY.fullmatch(word) is not None or "…" in word or not any(letter.isalpha() for letter in word)


def _is_timestamp(text: str) -> bool:
    return re.match(r"\d{4}-\d{2}-\d{2}(\s|\.\.|$)", text) is not None
