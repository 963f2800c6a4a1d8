"""Changes in words: never a made-up percentage."""

from __future__ import annotations

from decimal import Decimal

import pytest

from techco.wording import change


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        ("112", "100", "+12 %"),
        ("96.64", "100", "−3.4 %"),
        ("0", "100", "−100 %"),
        ("104", "100", "+4 %"),
        ("299", "100", "+199 %"),
        ("300", "100", "3.0 times as much"),
        ("420", "100", "4.2 times as much"),
        ("123456", "1", "123,456 times as much"),
        ("100.05", "100", "almost unchanged"),
        ("100", "100", "unchanged"),
        ("0.00", "0", "unchanged"),
        ("5", "0", "was 0"),
    ],
)
def test_a_change_is_said_in_words(now: str, before: str, words: str) -> None:
    assert change(Decimal(now), Decimal(before)) == words
