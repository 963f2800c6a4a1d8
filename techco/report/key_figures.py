"""Make the tiles on top of a report: each key figure, its change and its course over the period."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from markupsafe import Markup

from techco.display.columns import ColumnKind, Value, format_value
from techco.display.read_back import NotebookResults
from techco.display.shown import Table
from techco.display.wording import change, span

_FIGURES: dict[str, tuple[str, ColumnKind, str]] = {
    "total_sales": ("Total sales", "money", ""),
    "purchases": ("Purchases", "integer", ""),
    "average_purchase_line": ("Average purchase line", "money", "per purchase of a known product"),
    "unique_customers": ("Active customers", "integer", ""),
    "conversion": ("Conversion", "percent", "of active customers bought"),
}
NOT_INGESTED = "earlier days not ingested"
NO_EARLIER_DATA = "no earlier data"
NO_EARLIER_LOGS = "no earlier logs"
_WIDTH, _HEIGHT = 120, 30


@dataclass(frozen=True)
class Tile:
    """One key figure: `change` in words, `direction` `up`, `down` or empty, `trend` an `<svg>` or empty."""

    label: str
    value: str
    note: str
    change: str
    direction: str
    trend: Markup


def tiles(shown: NotebookResults) -> list[Tile]:
    """Return the key figures of a run; those that no notebook has shown are left out."""
    values = shown.figures("joined") | shown.figures("key_figures")
    before, trend_table = shown.figures("key_figures_before"), shown.table("key_figures_over_time")
    return [_tile(name, values, before, trend_table) for name in _FIGURES if name in values]


def explanation(figures: Sequence[Tile], shown: NotebookResults) -> str:
    """Say what the figures are compared with, and what their lines show; empty if no notebook has shown it."""
    lines = _trend_explanation(shown) if any(tile.trend for tile in figures) else ""
    return " ".join(filter(None, [_comparison(shown.figures("key_figures_before")), lines]))


def _tile(name: str, values: Mapping[str, Value], before: Mapping[str, Value], trend_table: Table | None) -> Tile:
    label, kind, note = _FIGURES[name]
    now, then = values[name], before.get(name)
    words = _change_in_words(name, now, then, before) if before and now is not None else ""
    rise = 0 if now is None or then is None else Decimal(now).compare(Decimal(then))
    direction = "up" if rise > 0 else "down" if rise < 0 else ""
    trend = Markup(_trend(name, trend_table)) if trend_table else Markup()
    note = note if now is not None else "none in this period"
    return Tile(label, format_value(now, kind), note, words, direction, trend)


def _change_in_words(name: str, now: Value, then: Value, before: Mapping[str, Value]) -> str:
    """Say how a key figure has changed against the period before."""
    if before.get("days_not_ingested"):
        return NOT_INGESTED if before.get("command") else NO_EARLIER_DATA
    if not before.get("days_with_data"):
        return NO_EARLIER_LOGS
    if now is None or then is None:
        return "none before"
    if name == "conversion":  # a percentage of a percentage would be misread
        points = Decimal(now) - Decimal(then)
        return f"{points:+} points".replace("-", "−") if points else "unchanged"
    return change(Decimal(now), Decimal(then))


def _trend(name: str, trend_table: Table) -> str:
    """Draw the line of one figure; empty where there are not two points to join."""
    columns = [column.name for column in trend_table.columns]
    if name not in columns or len(trend_table.rows) < 2:
        return ""
    values = [row[columns.index(name)] for row in trend_table.rows]
    known = sorted((value for value in values if value is not None), key=Decimal)
    if len(known) < 2:
        return ""
    last = next(value for value in reversed(values) if value is not None)
    label, kind, _ = _FIGURES[name]
    least, most, last = (format_value(value, kind) for value in (known[0], known[-1], last))
    alt = f"{label} over the period: lowest {least}, highest {most}, last {last}"
    return trend_line([None if value is None else Decimal(value) for value in values], alt)


def _comparison(before: Mapping[str, Value]) -> str:
    if "start_date" not in before:
        return ""
    words = span(*(_date(before[end]) for end in ("start_date", "end_date")))
    with_logs, days, missing = (before.get(name) for name in ("days_with_data", "days", "days_not_ingested"))
    if missing:
        return f"No changes are shown: {_why_missing(before, words, missing)}"
    if not with_logs:
        return f"There are no logs of {words} to compare with."
    partly = f", of which only {with_logs:,} of {days:,} days have logs" if with_logs != days else ""
    return f"Changes are against {words}{partly}."


def _why_missing(before: Mapping[str, Value], words: str, missing: Value) -> str:
    """Say why the period before is not wholly in the tables."""
    ends = [before.get(f"{end}_day_in_files") for end in ("first", "last")]
    if all(ends):
        return f"the files have no data of {before.get('which_days', words)}, but of {span(*map(_date, ends))}."
    if not before.get("command"):
        return "the files have no web log with a readable day."
    days = before["days"]
    what = f"{missing} of the {days} days of {words} {'is' if missing == 1 else 'are'}"
    what = f"{words} is" if missing == days else what
    return f"{what} not ingested. Ingest them, then run this again: {before.get('command')}"


def _trend_explanation(shown: NotebookResults) -> str:
    trend_table = shown.table("key_figures_over_time")
    assert trend_table, "a line is drawn of it"
    days = (_date(trend_table.rows[1][0]) - _date(trend_table.rows[0][0])).days
    each = "day" if days == 1 else f"{days} days"
    return f"Each line shows the course over the period, a point for each {each}, on a scale from zero."


def _date(value: Value) -> datetime.date:
    return datetime.date.fromisoformat(str(value))


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
    points = [
        None if value is None else (round(n * step, 1), round(_HEIGHT - 1 - float(value / top) * (_HEIGHT - 2), 1))
        for n, value in enumerate(values)
    ]
    lines = [line for line in _unbroken_lines(points) if line]
    path = "".join(f"M{_path(line)}" + ("h0" if len(line) == 1 else "") for line in lines)
    area = "".join(f"M{line[0][0]:g} {_HEIGHT}L{_path(line)}L{line[-1][0]:g} {_HEIGHT}z" for line in lines)
    return (
        f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">'
        f'<path class="area" d="{area}"/><path class="line" d="{path}"/></svg>'
    )


def _unbroken_lines(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Split the points where one is unknown."""
    lines: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            lines.append([])
        else:
            lines[-1].append(point)
    return lines


def _path(line: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:g} {y:g}" for x, y in line)
