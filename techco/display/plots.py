"""Draw the plots of the findings as inline SVG: text stays text, colours follow the page, nothing is global.

Seaborn draws the marks, matplotlib lays them out and writes the SVG. Labels never pass through it: each is drawn
as a placeholder and set afterwards, so `$`, `<`, emoji and control characters in a product's name reach the page as
exactly that text.

A plot is made for a narrow page. On a telephone the page sets the words in `_LARGEST` units instead of `_FONT`, and
all places for words are measured for that.
"""

from __future__ import annotations

import datetime
import io
import re
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal
from xml.etree import ElementTree

import matplotlib
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from techco.display.wording import ZERO_WIDTH_JOINER, first_graphemes, isolated, one_line, short_day
from techco.period import Period

WIDTH = 400
MOST_BARS = 15

_ROW, _FONT, _LARGEST = 26, 13, 16
_TITLE = 22
_LABEL, _SHORTEST = 208.0, 90.0
_DAYS_HEIGHT = 250
# A number at the end of a label tells namesakes apart.
_TRAILING_NUMBER = re.compile(r" (\(?[0-9]+\)?)$")
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
# Matplotlib knows neither currentColor nor variables: these stand for them until the SVG is written.
_INK, _ACCENT = "#010203", "#040506"
_COLOURS = {_INK: "currentColor", _ACCENT: "var(--techco-plot, #0173b2)"}
_FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
# rcParams are one for the process; the lock keeps two threads from mixing their settings.
_RC_LOCK = threading.Lock()


@dataclass(frozen=True)
class Bar:
    """One bar: what it stands for, its length, the number written at its end, and that number in full."""

    label: str
    length: float
    value: str = ""
    exact: str = ""

    @property
    def hint(self) -> str:
        """The tooltip: nothing in it is cut or rounded."""
        return f"{self.label}: {self.exact}" if self.exact else self.label


def bar_chart(name: str, title: str, rows: Sequence[Bar], alt: str, texts: Sequence[Bar] = ()) -> str:
    """Draw horizontal bars, the first on top, each with its number.

    Parameters
    ----------
    name
        Prefix of the ids in the SVG, unique on a page.
    title
        What the bar_chart are, written above them.
    rows
        One to `MOST_BARS` bars, lengths not negative, sorted as they shall appear.
    alt
        The plot in words.
    texts
        What is not drawn, each as a line of text below the bars: a bar for it would dwarf the others.

    Returns
    -------
    str
        One `<svg>` element.
    """
    lines = [*rows, *texts]
    right = max(_width(line.value) for line in lines) + 10
    labels = [_shorten(line.label, min(_LABEL, WIDTH - _SHORTEST - right - 12)) for line in lines]
    left = max(_width(label) for label in labels) + 12
    canvas = _Canvas(name, alt, _TITLE + _ROW * len(lines) + 4)
    longest = _draw_bars(canvas.axes(left, 2, WIDTH - left - right, _ROW * len(lines)), rows, len(lines))
    canvas.text(left, canvas.height - 15, title, "left", faded=True)
    for row, (line, label) in enumerate(zip(lines, labels, strict=True)):
        base = canvas.height - _TITLE - 2 - _ROW * (row + 0.5) - _FONT * 0.35
        canvas.text(left - 8, base, label, "right", faded=row >= len(rows), hint=line.hint)
        end = line.length / longest * (WIDTH - left - right)
        canvas.text(left + end + 6, base, line.value, "left", faded=row >= len(rows))
    return canvas.svg()


def _draw_bars(ax: Axes, rows: Sequence[Bar], lines: int) -> float:
    """Draw bars into the first of so many lines; return the length that fills the width."""
    positions, lengths = list(range(len(rows))), [row.length for row in rows]
    look: dict[str, Any] = {"color": _ACCENT, "saturation": 1, "linewidth": 0, "clip_on": False}
    sns.barplot(x=lengths, y=positions, orient="y", width=1 - 8 / _ROW, native_scale=True, errorbar=None, ax=ax, **look)
    longest = max(lengths) or 1.0
    ax.set_xlim(0, longest)
    ax.set_ylim(lines - 0.5, -0.5)
    ax.plot([0, 0], [-0.5, len(rows) - 0.5], color=_INK, linewidth=1, alpha=0.4, clip_on=False)
    return longest


def line_chart(name: str, title: str, points: Sequence[tuple[datetime.date, float]], alt: str, peak: str = "") -> str:
    """Draw a line over days; days without a point break it.

    Parameters
    ----------
    name
        Prefix of the ids in the SVG, unique on a page.
    title
        What the line is, written above it.
    points
        Day and value, at least one, sorted by day; values not negative.
    alt
        The plot in words.
    peak
        What is written at the highest point; empty for nothing.

    Returns
    -------
    str
        One `<svg>` element.
    """
    canvas = _Canvas(name, alt, _DAYS_HEIGHT)
    values_by_day = dict(points)
    span = list(Period(points[0][0], points[-1][0]))
    values = [values_by_day.get(day, float("nan")) for day in span]
    top = max(values_by_day.values()) or 1.0
    ticks = {tick: axis_number(tick, top) for tick in (_ticks(top) if max(values_by_day.values()) else [0.0])}
    gutter = max(_width(text) for text in ticks.values()) + 10
    ax = canvas.axes(gutter, 26, WIDTH - gutter - 6, _DAYS_HEIGHT - 30 - _TITLE)
    _set_limits(ax, len(span), top)
    canvas.text(0, canvas.height - 15, title, "left", faded=True)
    for tick, text in ticks.items():
        ax.axhline(tick, color=_INK, linewidth=1, alpha=0.15 if tick else 0.45, clip_on=False)
        canvas.text(gutter - 6, canvas.position(ax, 0, tick)[1] - 4, text, "right", faded=True)
    _draw_line(ax, values)
    _set_limits(ax, len(span), top)  # seaborn has moved them
    _label_days(canvas, ax, span)
    if peak:
        _mark_point(canvas, ax, values.index(top), top, peak)
    return canvas.svg()


def _draw_line(ax: Axes, values: Sequence[float]) -> None:
    """Draw the line and the area below it; a day between two unknown ones is a dot."""
    days = range(len(values))
    ax.fill_between(days, values, color=_ACCENT, alpha=0.15, linewidth=0)
    segments = list(accumulate(int(value != value) for value in values))  # one line each, or it would bridge a gap
    look: dict[str, Any] = {"color": _ACCENT, "linewidth": 2, "clip_on": False}
    sns.lineplot(x=days, y=values, units=segments, estimator=None, ax=ax, **look)
    single_days = [n for n in days if values[n] == values[n] and _is_single(values, n)]
    ax.plot(single_days, [values[n] for n in single_days], "o", color=_ACCENT, markersize=4, linewidth=0, clip_on=False)


def _mark_point(canvas: _Canvas, ax: Axes, day_number: int, value: float, text: str) -> None:
    """Mark a point, with text above it that stays beside the numbers of the axis and within the plot."""
    ax.plot([day_number], [value], "o", color=_ACCENT, markersize=7, clip_on=False)
    x, y = canvas.position(ax, day_number, value)
    half = _width(text) / 2
    align: Align = "left" if x - half < ax.bbox.x0 else "right" if x + half > WIDTH else "center"
    canvas.text(x, y + 9, text, align)


def _set_limits(ax: Axes, days: int, top: float) -> None:
    ax.set_xlim((-0.5, 0.5) if days == 1 else (0, days - 1))
    ax.set_ylim(0, top * 1.18)


Align = Literal["left", "center", "right"]


class _Canvas:
    """A figure measured in SVG units, whose texts are set when the SVG is written."""

    def __init__(self, name: str, alt: str, height: float) -> None:
        self.name, self.alt, self.height = name, alt, height
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        self.texts: dict[str, tuple[str, str]] = {}

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Add axes without frame and ticks."""
        ax = self.figure.add_axes((left / WIDTH, bottom / self.height, width / WIDTH, height / self.height))
        ax.set_axis_off()
        return ax

    def text(self, x: float, y: float, text: str, align: Align, *, faded: bool = False, hint: str = "") -> None:
        """Put text at a point; `y` is the height of their baseline above the lower edge."""
        gid = f"text{len(self.texts)}"
        self.texts[gid] = (text, hint)
        look: dict[str, Any] = {"color": _INK, "fontsize": _FONT, "alpha": 0.7 if faded else None}
        self.figure.text(x / WIDTH, y / self.height, "0", ha=align, va="baseline", gid=gid, **look)

    def position(self, ax: Axes, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the data lies, from the lower left corner."""
        point = ax.transData.transform((x, y))
        return float(point[0]), float(point[1])

    def svg(self) -> str:
        """Write the figure as one element that fits into any page."""
        file = io.StringIO()
        with _RC_LOCK, matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            self.figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        root = ElementTree.fromstring(file.getvalue())
        _drop_unwanted(root)
        _set_texts(root, self.texts)
        _rename_ids(root, self.name)
        for element in root.iter():
            _restore_style(element)
        attributes = {"role": "img", "aria-label": one_line(self.alt), "viewBox": f"0 0 {WIDTH} {self.height:g}"}
        root.attrib.clear()
        root.attrib.update(attributes, width=str(WIDTH), height=f"{self.height:g}")
        root.set("style", "max-width: 100%; height: auto; overflow: visible; direction: ltr; stroke-linejoin: round")
        root.set("font-family", _FAMILY)
        return _serialize(root)


def _ticks(top: float) -> list[float]:
    """Return round values from zero up to about `top`."""
    ticks = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(0, top)
    return [float(tick) for tick in ticks if 0 <= tick <= top * 1.05]


def _label_days(canvas: _Canvas, ax: Axes, span: Sequence[datetime.date]) -> None:
    """Write as many days below the line as have room, first and last among them."""
    last = len(span) - 1
    years = span[0].year != span[-1].year
    widest = max(_width(short_day(date, year=years)) for date in span)
    most = min(int(ax.bbox.width / (1.5 * widest + 12)), last)  # the outer labels stand beside their day, not below it
    count = next((k for k in range(most, 1, -1) if last % k == 0), min(most, 3))
    for n in sorted({round(last * k / count) for k in range(count + 1)} if count else {0}):
        align: Align = "center" if last == 0 else "left" if n == 0 else "right" if n == last else "center"
        canvas.text(canvas.position(ax, n, 0)[0], 8, short_day(span[n], year=years), align)


def axis_number(value: float, top: float) -> str:
    """Write a round value beside an axis that ends at `top`: `2,500`, `1.5 M`, `0.25`, `5e+24`."""
    if not value or top >= 1e18:
        return f"{value:.4g}"
    for size, sign in ((1e12, " T"), (1e9, " bn"), (1e6, " M")):
        if top >= size:
            return f"{value / size:,.2f}".rstrip("0").rstrip(".") + sign
    return f"{value:,.0f}" if top >= 5 else f"{value:,.4f}".rstrip("0").rstrip(".")


def _is_single(values: Sequence[float], n: int) -> bool:
    """Whether a point has no neighbour, so that no line would show it."""
    return all(value != value for value in (*values[max(n - 1, 0) : n], *values[n + 1 : n + 2]))


def _width(text: str) -> float:
    """Return how wide a text is at most, in usual fonts at `_LARGEST`."""
    return _LARGEST * sum(
        _width_in_ems(character) for before, character in pairwise(" " + text) if before != ZERO_WIDTH_JOINER
    )


def _width_in_ems(character: str) -> float:
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):
        return 0
    if category in ("So", "Cn"):  # emoji that are younger than this Python have no category
        return 1.3
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in "MWmw@%—…":
        return 0.97
    if character in " .,:;'|!iIjlft()[]/-":
        return 0.36
    return 0.72 if character.isupper() else 0.64 if character.isdigit() else 0.6


def _shorten(text: str, room: float) -> str:
    """Cut text to a width; a number at its end stays."""
    text = one_line(text)
    if _width(text) <= room:
        return text
    tail = _TRAILING_NUMBER.search(text)
    if tail and _width(f"ab…{tail[0]}") <= room:
        return _truncate(text[: tail.start()], room - _width(tail[0])) + tail[0]
    number = tail[1].strip("()") if tail else ""
    return number if number and _width(number) <= room else _truncate(text, room)


def _truncate(text: str, room: float) -> str:
    count = len(text)
    while count and _width(text[:count] + "…") > room:
        count -= 1
    return first_graphemes(text, count).rstrip() + "…"


def _drop_unwanted(root: ElementTree.Element) -> None:
    """Drop metadata, and the style sheet whose `*` would reach beyond the plot."""
    for parent in reversed(list(root.iter())):  # children first: <defs> without its style sheet is empty
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")) or (child.tag == f"{{{_SVG}}}defs" and not len(child)):
                parent.remove(child)


def _set_texts(root: ElementTree.Element, texts: dict[str, tuple[str, str]]) -> None:
    for group in root.iter(f"{{{_SVG}}}g"):
        text, hint = texts.get(group.get("id", ""), ("", ""))
        for element in group.iter(f"{{{_SVG}}}text") if text else ():
            element.text = _isolate_name(one_line(text))
            if hint:
                ElementTree.SubElement(element, f"{{{_SVG}}}title").text = one_line(hint)


def _isolate_name(text: str) -> str:
    """Isolate the name in a label: written from right to left, it would move the number after it."""
    tail = _TRAILING_NUMBER.search(text)
    return isolated(text[: tail.start()]) + tail[0] if tail else isolated(text)


def _rename_ids(root: ElementTree.Element, name: str) -> None:
    """Keep the ids something refers to, under a prefix of their own; drop the others."""
    link = f"{{{_XLINK}}}href"
    clips = [element.get("clip-path", "")[5:-1] for element in root.iter()]
    used = {element.get(link, "")[1:] for element in root.iter()} | set(clips)
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in used:
            element.set("id", f"{name}-{own}")
        if link in element.attrib:
            element.set("href", f"#{name}-{element.attrib.pop(link)[1:]}")
        if "clip-path" in element.attrib:
            element.set("clip-path", f"url(#{name}-{element.get('clip-path', '')[5:-1]})")


def _restore_style(element: ElementTree.Element) -> None:
    style = element.get("style", "")
    if element.tag == f"{{{_SVG}}}text":
        parts = [part.strip() for part in style.split(";")]
        kept = [part for part in parts if part and not part.startswith("font")]
        style = "; ".join([f"font-size: {_FONT}px", *kept])
    for stand_in, colour in _COLOURS.items():
        style = style.replace(stand_in, colour)
    if style:
        element.set("style", style)


def _serialize(root: ElementTree.Element) -> str:
    """Write the element without XML prolog and namespace prefixes, as HTML wants it."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        if element.tag not in ("text", "title"):
            element.text = None
        element.tail = None
    return str(ElementTree.tostring(root, encoding="unicode", short_empty_elements=True))
