"""Numbers, shares and names in words: never a made-up percentage, never half a sign."""

from __future__ import annotations

from decimal import Decimal

import pytest

from techco.display.wording import (
    average,
    change,
    first_graphemes,
    fraction,
    initials,
    isolated,
    listed,
    name_or_placeholder,
    one_line,
    short_amount,
    short_count,
    short_share,
)


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


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 7, "none"), (7, 7, "all"), (0, 0, "none"),
        (1, 3, "a third"), (2, 3, "two thirds"), (1, 4, "a quarter"), (3, 4, "three quarters"), (1, 2, "half"),
        (245, 1000, "a quarter"), (244, 1000, "24 %"), (254, 1000, "a quarter"), (255, 1000, "26 %"),
        (325, 1000, "a third"), (324, 1000, "32 %"), (334, 1000, "a third"), (335, 1000, "34 %"),
        (474, 1000, "47 %"), (475, 1000, "almost half"), (494, 1000, "almost half"), (495, 1000, "half"),
        (504, 1000, "half"), (505, 1000, "more than half"), (524, 1000, "more than half"), (525, 1000, "53 %"),
        (665, 1000, "two thirds"), (664, 1000, "66 %"), (675, 1000, "68 %"), (745, 1000, "three quarters"),
        (755, 1000, "76 %"), (999, 1000, "over 99 %"), (1, 2000, "less than 0.1 %"),
        (Decimal("0.01"), Decimal("0.03"), "a third"), (10**30 - 1, 10**30, "over 99 %"),
    ],
)  # fmt: skip
def test_a_fraction_is_a_word_only_where_the_share_rounds_to_it(
    part: int | Decimal, whole: int | Decimal, words: str
) -> None:
    assert fraction(part, whole) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0", "0.00"), ("0.01", "0.01"), ("999.99", "999.99"), ("999.995", "1,000"), ("1000", "1,000"),
        ("1234.5", "1,235"), ("180003.49", "180,003"), ("1205773.31", "1,205,773"), ("9999999.49", "9,999,999"),
        ("10000000.49", "10,000,000"), ("10000000.50", "10 M"), ("12345678.90", "12.3 M"), ("999499999", "999 M"),
        ("999500000", "1 bn"), ("4561234567.89", "4.56 bn"), ("1200000000000", "1.2 T"),
        ("999400" + "0" * 12, "999,000 T"),
        ("1" + "0" * 18, "1.00e+18"), ("123456" + "0" * 20, "1.23e+25"), ("9" * 26 + ".99", "1.00e+26"),
    ],
)  # fmt: skip
def test_money_in_plots_is_short(value: str, words: str) -> None:
    assert short_amount(Decimal(value)) == words
    assert len(words) <= 10


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0"), (999, "999"), (35040, "35,040"), (10**7, "10,000,000"), (12345678, "12.3 M"), (10**20, "1.00e+20")],
)
def test_counts_in_plots_are_short_and_whole(count: int, words: str) -> None:
    assert short_count(count) == words


def test_a_share_in_plots_is_short() -> None:
    assert [short_share(part, 10000) for part in (1, 340, 7000, 9999)] == ["<0.1 %", "3.4 %", "70 %", ">99 %"]


def test_an_average_is_zero_only_if_exactly_so() -> None:
    assert average(Decimal("0.01"), 3) == "less than 0.01"
    assert average(Decimal("0.00"), 3) == "0.00"
    assert average(Decimal("10.01"), 2) == "5.01"
    assert average(Decimal("1" + "0" * 30 + ".02"), 2) == f"500{',000' * 9}.01"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["ann", "Lee"], "A. L."), (["Ann"], "A."), ([], ""), (["", "  "], ""), (["?!", "O'Hara"], "O."),
        (["e\u0301mile", "3M"], "É. 3."), (["李", "明"], "李. 明."), (["😀", "שרה"], "ש."),
    ],
)  # fmt: skip
def test_initials_are_the_first_letter_or_digit_of_each_name(names: list[str], text: str) -> None:
    assert initials(names) == text


def test_a_text_is_not_cut_within_a_sign() -> None:
    family = "👨\u200d👩\u200d👧"
    assert [first_graphemes(f"a{family}b", count) for count in (5, 6, 7)] == ["a", f"a{family}", f"a{family}b"]
    assert first_graphemes("cafe\u0301s", 4) == "caf"
    assert first_graphemes("👍🏽!", 1) == ""
    assert first_graphemes("\u0301" * 5, 3) == ""
    assert one_line("x" * 58 + "e\u0301x", 60) == "x" * 58 + "…"


def test_names_lose_what_would_turn_the_text_after_them() -> None:
    assert one_line("a\u202eb\u2069 c") == "ab c"
    assert name_or_placeholder("\u202e", "category") == "(no category)"


def test_names_from_right_to_left_are_kept_apart() -> None:
    assert isolated("ספרים 2") == "\u2068ספרים 2\u2069"
    assert isolated("Books") == "Books"
    assert name_or_placeholder("كتب", "category") == "\u2068كتب\u2069"


def test_names_in_a_row_may_be_the_least_there_are() -> None:
    assert listed(["a", "b", "c", "d"], at_least=True) == "a, b and at least 2 others"
    assert listed(["a", "b", "c"], at_least=True) == "a, b and c"


@pytest.mark.parametrize("text", ["Pink \U0001fa77 mug", "\U0001fae8", "\U0001f6d8", "\U000323b0", "\ue000"])
def test_text_is_shown_as_it_is_even_if_this_python_is_older_than_its_letters(text: str) -> None:
    assert one_line(text) == name_or_placeholder(text, "name") == text


@pytest.mark.parametrize("char", ["\0", "\x1b", "\x85", "\ud800", "\ufffe", "\U0010ffff", "\ufdd0", "\u2028"])
def test_only_what_is_no_character_of_a_text_becomes_a_blank(char: str) -> None:
    assert one_line(f"a{char}b") == "a b"
