"""What counts as blank around a value of a raw file, and in which form its text is kept.

Text that looks the same shall be the same: it would be counted apart otherwise, and a purchase would be none.
"""

from __future__ import annotations

import unicodedata

_INVISIBLE = (
    (0x0000, 0x0020), (0x007F, 0x00A0), (0x00AD, 0x00AD), (0x061C, 0x061C), (0x1680, 0x1680), (0x180E, 0x180E),
    (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x2800, 0x2800), (0x3000, 0x3000), (0x3164, 0x3164),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB),
)  # fmt: skip
AROUND = "".join(chr(code) for first, last in _INVISIBLE for code in range(first, last + 1))
"""Characters that nobody sees at the ends of a value: white space of all kinds, control characters, zero-width and
directional marks, blank letters. Within a value they stay, and so does what an emoji ends with."""


def tidy(text: str) -> str:
    """Return text without what nobody sees around it, with each letter and its marks as one character (NFC)."""
    text = text.strip(AROUND)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def action_word(text: str) -> str:
    """Return a kind of action as it is compared: tidy and in lower case, which engines know for fewer letters."""
    return unicodedata.normalize("NFC", tidy(text).lower())
