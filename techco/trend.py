"""Draw the small line of a key figure: its course over the period, without axes, on a scale from zero."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from html import escape

_WIDTH, _HEIGHT = 120, 30


def trend_line(values: Sequence[Decimal | None], alt: str) -> str:
    """Draw values at equal distances as one `<svg>` element that takes the width it is given.

    Parameters
    ----------
    values
        Two or more, none negative; None, which is unknown, breaks the line.
    alt
        The line in words.
    """
    top = max((value for value in values if value is not None), default=Decimal(0)) or Decimal(1)
    step = _WIDTH / (len(values) - 1)
    # One unit is left above and below, or the stroke would be cut.
    places = [
        None if value is None else (round(n * step, 1), round(_HEIGHT - 1 - float(value / top) * (_HEIGHT - 2), 1))
        for n, value in enumerate(values)
    ]
    lines = [line for line in _stretches(places) if line]
    path = "".join(f"M{_points(line)}" + ("h0" if len(line) == 1 else "") for line in lines)
    area = "".join(f"M{line[0][0]:g} {_HEIGHT}L{_points(line)}L{line[-1][0]:g} {_HEIGHT}z" for line in lines)
    return (
        f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">'
        f'<path class="area" d="{area}"/><path class="line" d="{path}"/></svg>'
    )


def _stretches(places: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """The points between the gaps."""
    found: list[list[tuple[float, float]]] = [[]]
    for place in places:
        if place is None:
            found.append([])
        else:
            found[-1].append(place)
    return found


def _points(line: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:g} {y:g}" for x, y in line)
