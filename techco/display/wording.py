"""Write numbers, days, shares and names for people, the same way in every sentence, plot and page.

No locale is asked: the same data give the same words on every machine.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

from techco.period import stretches

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ACTIONS = {
    "view": ("view", "views"),
    "add_to_cart": ("addition to the cart", "additions to the cart"),
    "purchase": ("purchase", "purchases"),
}
# The largest size comes last; what outgrows it by far is written with an exponent.
_MAGNITUDES = ((10**6, "M"), (10**9, "bn"), (10**12, "T"))
_FRACTIONS = {
    25: "a quarter", 33: "a third", 48: "almost half", 49: "almost half", 50: "half", 51: "more than half",
    52: "more than half", 67: "two thirds", 75: "three quarters",
}  # fmt: skip
_NUMBER_WORDS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# Sums of decimal(28,2) outgrow the 28 digits of the default context.
_EXACT_CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)
_THREE_DIGIT_CONTEXT = Context(prec=3, rounding=ROUND_HALF_UP)
_CENT = Decimal("0.01")
# What stands for nothing, for all or for the rest where names of the shop stand.
_OWN_WORDS = re.compile(
    r"–|all|any action|all others|[\d,]+ others?|without a number|products without a category|"
    r"(Product \d+ )?\(no [a-z]+\)",
    re.IGNORECASE | re.ASCII,
)
ZERO_WIDTH_JOINER = "\u200d"
_SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
# Embeddings, overrides and isolates of the bidirectional algorithm.
_BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def cents(value: Decimal) -> Decimal:
    """Round money half up to two decimals, however large."""
    return value.quantize(_CENT, context=_EXACT_CONTEXT)


def total(values: Iterable[Decimal | None]) -> Decimal:
    """Return the exact sum of money; null counts as nothing."""
    with localcontext(_EXACT_CONTEXT):
        return cents(sum((value for value in values if value is not None), Decimal(0)))


def amount(value: Decimal) -> str:
    """Write money for people, without a currency, which nobody has told us: `154,464.34`."""
    return f"{cents(value):,.2f}"


def average(whole: Decimal, count: int) -> str:
    """Divide money by a count, and write it as `amount`; never 0.00 unless exactly so."""
    with localcontext(_EXACT_CONTEXT):
        mean = whole / count
    return "less than 0.01" if mean and not cents(mean) else amount(mean)


def short_amount(value: Decimal) -> str:
    """Write money for a plot, at most ten characters: `812.50`, `1,205,773`, `12.3 M`, `1.2 T`, `1.00e+25`."""
    return amount(value) if abs(cents(value)) < 1000 else short_count(value)


def short_count(count: int | Decimal) -> str:
    """Write a whole number for a plot: in full up to ten million, with three digits beyond: `35,040`, `12.3 M`."""
    value = Decimal(count).quantize(Decimal(1), context=_EXACT_CONTEXT)
    if abs(value) <= 10**7:
        return f"{value:,}"
    rounded = _THREE_DIGIT_CONTEXT.plus(value)
    if rounded.adjusted() >= 18:
        return f"{rounded:.2e}"
    size, sign = [(size, sign) for size, sign in _MAGNITUDES if abs(rounded) >= size][-1]
    return f"{(rounded / size).normalize():,f} {sign}"


def share(part: int | Decimal, whole: int | Decimal) -> str:
    """Write a part as a percentage: `70 %`, `3.4 %`, `less than 0.1 %`; never 0 % or 100 % unless exactly so."""
    if not part or not whole:
        return "0 %"
    with localcontext(_EXACT_CONTEXT):
        per_cent = 100 * Decimal(part) / Decimal(whole)
        if per_cent < Decimal("0.1"):
            return "less than 0.1 %"
        if per_cent < Decimal("9.95"):
            return f"{per_cent.quantize(Decimal('0.1')):f}".removesuffix(".0") + " %"
        rounded = per_cent.quantize(Decimal(1))
    return "over 99 %" if rounded == 100 and part != whole else f"{rounded} %"


def short_share(part: int | Decimal, whole: int | Decimal) -> str:
    """Write a share for a plot: `70 %`, `<0.1 %`, `>99 %`."""
    return share(part, whole).replace("less than ", "<").replace("over ", ">")


def fraction(part: int | Decimal, whole: int | Decimal) -> str:
    """Write a share as a fraction in words: `half`, `a third`, `two thirds`, `more than half`, or as `share`.

    A word stands only for a share that rounds to it at whole percent: 33 % is a third, 32 % is not. Almost half are 48
    and 49 %, more than half 51 and 52 %. `all` and `none` are exactly so.
    """
    if not part or not whole:
        return "none"
    if part == whole:
        return "all"
    with localcontext(_EXACT_CONTEXT):
        rounded = (100 * Decimal(part) / Decimal(whole)).quantize(Decimal(1))
    return _FRACTIONS.get(int(rounded)) or share(part, whole)


def change(now: Decimal, before: Decimal) -> str:
    """Write how a figure has changed: `+12 %`, `−3.4 %`, `4.2 times as much`, `unchanged`, `was 0`; `−100 %` only if
    nothing is left.
    """
    if now == before:
        return "unchanged"
    if not before:
        return "was 0"
    with localcontext(_EXACT_CONTEXT):
        ratio, per_cent = now / before, 100 * abs(now - before) / before
        if ratio >= 3:
            return f"{ratio.quantize(Decimal('0.1') if ratio < 10 else Decimal(1)):,} times as much"
        if per_cent < Decimal("0.1"):
            return "almost unchanged"
        shown = per_cent.quantize(Decimal("0.1") if per_cent < Decimal("9.95") else Decimal(1))
    if shown == 100 and 0 < now < before:
        return "almost −100 %"
    return f"{'+' if now > before else '−'}{f'{shown:f}'.removesuffix('.0')} %"


def ratio_in_words(part: int, whole: int) -> str:
    """Write a small share as a ratio: `one action in ten`, `about one action in 1,200`."""
    ratio = whole / part
    unit = 10 ** max(len(str(int(ratio))) - 2, 0)
    near = round(ratio / unit) * unit
    about = "about " if abs(near * part - whole) > 0.02 * whole else ""
    return f"{about}one action in {_NUMBER_WORDS[near] if near < len(_NUMBER_WORDS) else f'{near:,}'}"


def plural(count: int, one: str, many: str = "") -> str:
    """Write a number with its noun: `1 day`, `2 days`, `1,200 days`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def verb(count: int, one: str, many: str) -> str:
    """Return the form of a verb that suits a count."""
    return one if count == 1 else many


def day(date: datetime.date) -> str:
    """Write a day in full: `Saturday, 5 August 2023`."""
    return f"{WEEKDAYS[date.weekday()]}, {date.day} {MONTHS[date.month - 1]} {date.year}"


def short_day(date: datetime.date, *, year: bool = False) -> str:
    """Write a day for an axis: `5 Aug`, or `5 Aug 2023`."""
    return f"{date.day} {MONTHS[date.month - 1][:3]}" + (f" {date.year}" if year else "")


def span(first: datetime.date, last: datetime.date) -> str:
    """Write a period in words: `1 to 31 August 2023`, `28 July to 3 August 2023`, `5 August 2023`."""
    month = f"{MONTHS[last.month - 1]} {last.year}"
    if first == last:
        return f"{last.day} {month}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {last.day} {month}"
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {MONTHS[first.month - 1]}{year} to {last.day} {month}"


def date_ranges(days: Iterable[datetime.date]) -> str:
    """Write days in words, neighbours joined: `1 August 2023; 5 to 8 August 2023`."""
    ranges = stretches(days)
    words = [span(one.first, one.last) for one in ranges[:10]]
    return "; ".join([*words, f"and {len(ranges) - 10:,} more spans"] if len(ranges) > 10 else words)


def duration(seconds: float) -> str:
    """Write a length of time: `0.8 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def size(count: int) -> str:
    """Write a number of bytes: `812 bytes`, `1.5 MB`."""
    if count < 1000:
        return plural(count, "byte")
    power = min((len(str(count)) - 1) // 3, 4)
    number = count / 1000**power
    return f"{number:,.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def listed(names: Sequence[str], most: int = 3, *, at_least: bool = False) -> str:
    """Write names in a row: `A`, `A and B`, `A, B and 4 others`; with `at_least`, `A, B and at least 4 others`."""
    if len(names) > most:
        least = "at least " if at_least else ""
        return ", ".join(names[: most - 1]) + f" and {least}{plural(len(names) - most + 1, 'other')}"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def one_line(text: str, limit: int = 0) -> str:
    """Put text on one line without control characters, cut to `limit` characters if given.

    Characters that would turn the text after them around go too.
    """
    visible = (" " if _is_control(c) else c for c in text if c not in _BIDI_CONTROLS)
    line = " ".join("".join(visible).split())
    return first_graphemes(line, limit - 1).rstrip() + "…" if limit and len(line) > limit else line


def _is_control(character: str) -> bool:
    # Noncharacters, which no XML holds, have the same category as letters and emoji younger than this Python.
    code = ord(character)
    is_no_character = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return is_no_character or unicodedata.category(character) in ("Cc", "Cs") or character in "\u2028\u2029"


def first_graphemes(text: str, count: int) -> str:
    """Return at most `count` characters without cutting a grapheme: letters keep marks, emoji their parts."""
    while 0 < count < len(text) and (_continues(text[count]) or text[count - 1] == ZERO_WIDTH_JOINER):
        count -= 1
    return text[: max(count, 0)]


def _continues(character: str) -> bool:
    """Whether a character is part of the grapheme before it: marks, variation selectors, joiners and skin colours."""
    return character == ZERO_WIDTH_JOINER or character in _SKIN_TONES or unicodedata.category(character).startswith("M")


def isolated(text: str) -> str:
    """Wrap text with right-to-left letters in marks that keep it from reordering the words and numbers around it."""
    is_right_to_left = any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text)
    return f"\u2068{text}\u2069" if is_right_to_left else text


def name_or_placeholder(name: str | None, what: str) -> str:
    """Return a name from the raw files, at most 60 characters; `(no category)` where there is none.

    A name that reads like words of ours is in quotation marks.
    """
    shown = isolated(one_line(name or "", 60))
    return quoted(shown) if _OWN_WORDS.fullmatch(shown) else shown or f"(no {what})"


def quoted(name: str) -> str:
    """Write a name of the shop that reads like words of ours: `“(no category)”`."""
    return f"“{name}”"


def initials(names: Sequence[str]) -> str:
    """Return the first letter or digit of each name in upper case: `A. L.`; empty if none has one."""
    letters = [next(filter(str.isalnum, unicodedata.normalize("NFC", name)), "") for name in names]
    return " ".join(f"{letter.upper()}." for letter in letters if letter)


def actions(action: str | None, count: int = 2) -> str:
    """Write a kind of action as a noun: `views`, `purchase`, `“wishlist” actions`."""
    if action in _ACTIONS:
        return _ACTIONS[action][count != 1]
    return f"“{name_or_placeholder(action, 'name')}” action{'s' if count != 1 else ''}"


def sentence_case(text: str) -> str:
    """Return text with its first letter in upper case, the rest untouched."""
    return text[:1].upper() + text[1:]


def accounted(records: Mapping[str, int]) -> str:
    """Write how the records read add up, in one line: `4 read = 3 accepted + 1 duplicates + …`."""
    parts = ("accepted", "duplicates", "quarantined", "outside_period")
    terms = [f"{records[part]:,} {part}" for part in parts if part in records]
    return f"{records['read']:,} read = {' + '.join(terms)}".replace("outside_period", "outside the period")


def moment(started: str, *, zone: bool = False) -> str:
    """Write an ISO moment for people: `5 Nov 2023, 08:15`, with its offset from UTC if asked; empty if unknown."""
    try:
        time = datetime.datetime.fromisoformat(started)
    except ValueError:
        return started
    offset = time.strftime("%z") if zone else ""
    return f"{short_day(time, year=True)}, {time:%H:%M}" + (f" (UTC{offset[:3]}:{offset[3:5]})" if offset else "")
