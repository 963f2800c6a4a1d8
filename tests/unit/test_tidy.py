"""What counts as blank around a value, and as the same text."""

from __future__ import annotations

import unicodedata

import pytest

from techco.raw.tidy import AROUND, action_word, tidy


def test_white_space_and_controls_of_all_kinds_are_around_a_value_not_in_it() -> None:
    codes = map(chr, range(0x110000))
    blank = {char for char in codes if char.isspace() or unicodedata.category(char) in ("Cc", "Zs", "Zl", "Zp")}
    assert blank <= set(AROUND)
    assert not any(char.isprintable() and char.isascii() and char != " " for char in AROUND)


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\v", "\u200b", "\ufeff", "\u00ad", "\u2060", "\u3164"])
def test_what_nobody_sees_around_a_text_is_no_part_of_it(blank: str) -> None:
    assert tidy(f"{blank} \tone{blank}two\r\n{blank}") == f"one{blank}two"
    assert tidy(blank) == ""


@pytest.mark.parametrize("text", ["❤️", "👩‍🚀", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "नमस्ते", "Zoë", "٣"])
def test_what_is_seen_stays(text: str) -> None:
    assert tidy(f" {text} ") == text


def test_a_letter_and_its_mark_are_one_character() -> None:
    assert tidy("Cafe\u0301 \u212b") == "Café Å"


def test_actions_are_compared_in_lower_case_and_one_form() -> None:
    assert [action_word(text) for text in ("PURCHASE\v", "\u200bPurchase", "\u212aLICK", "E\u0301TOILE")] == [
        "purchase", "purchase", "klick", "étoile",
    ]  # fmt: skip
