"""Numbers, days and shares as reports write them, made anew from how the documents describe it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def amount(value: Decimal) -> str:
    """Write money: `1,234.50`."""
    return f"{value:,.2f}"


def rounded(value: Fraction, decimals: int) -> str:
    """Round half up."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return str(exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def share(part: Decimal | int, whole: Decimal | int) -> str:
    """Write a part of a whole: `34 %`, `3.4 %`, `less than 0.1 %`."""
    if not part or not whole:
        return "0 %"
    per_cent = 100 * Fraction(part) / Fraction(whole)
    if per_cent < Fraction(1, 10):
        return "less than 0.1 %"
    if per_cent < Fraction("9.95"):
        return rounded(per_cent, 1).removesuffix(".0") + " %"
    return "over 99 %" if part != whole and rounded(per_cent, 0) == "100" else f"{rounded(per_cent, 0)} %"


def change(now: Decimal, then: Decimal) -> str:
    """Write how a figure has changed."""
    if now == then:
        return "unchanged"
    if not then:
        return "was 0"
    ratio = Fraction(now) / Fraction(then)
    if ratio >= 3:
        return f"{Decimal(rounded(ratio, 1 if ratio < 10 else 0)):,} times as much"
    per_cent = 100 * abs(ratio - 1)
    if per_cent < Fraction(1, 10):
        return "almost unchanged"
    shown = rounded(per_cent, 1 if per_cent < Fraction("9.95") else 0)
    if Decimal(shown) == 100 and 0 < now < then:
        return "almost −100 %"
    return f"{'+' if ratio > 1 else '−'}{shown.removesuffix('.0')} %"


def span(first: date, last: date) -> str:
    """Write a period: `1 to 31 August 2023`."""
    month = f"{MONTHS[last.month - 1]} {last.year}"
    if first == last:
        return f"{last.day} {month}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {last.day} {month}"
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {MONTHS[first.month - 1]}{year} to {last.day} {month}"


def date_ranges(days: Iterable[date]) -> str:
    """Write days, neighbours joined; after ten of these only their number."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day == found[-1][1] + timedelta(1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    words = [span(*one) for one in found[:10]]
    return "; ".join([*words, f"and {len(found) - 10} more spans"] if len(found) > 10 else words)


def plural(count: int, one: str) -> str:
    """Write a number with its noun."""
    return f"{count:,} {one if count == 1 else one + 's'}"
