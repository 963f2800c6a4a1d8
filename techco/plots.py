"""Draw the plots of the findings as inline SVG: text stays text, colours follow the page, nothing is global.

Seaborn draws the marks, matplotlib lays them out and writes the SVG. Words never pass through it: every label is drawn
as a placeholder and set afterwards, so `$`, `<`, emoji and control characters in a product's name reach the page as
exactly that text.
"""

from __future__ import annotations

import datetime
import io
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal
from xml.etree import ElementTree

import matplotlib
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from techco.period import Period
from techco.wording import one_line, short_day

WIDTH = 460
MOST_BARS = 15

_ROW, _FONT, _GLYPH = 26, 13, 8.0
_LABEL_GLYPHS = 22
_DAYS_HEIGHT = 260
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
    """One bar: what it stands for, its length, and the number written at its end."""

    label: str
    length: float
    value: str


def bars(name: str, rows: Sequence[Bar], alt: str, rest: Bar | None = None) -> str:
    """Draw horizontal bars, the first on top, each with its number.

    Parameters
    ----------
    name
        Prefix of the ids in the SVG, unique on a page.
    rows
        One to `MOST_BARS` bars, lengths not negative, sorted as they shall appear.
    alt
        The plot in words.
    rest
        What is not drawn, as a line of text below the bars: a bar for it would dwarf the others.

    Returns
    -------
    str
        One `<svg>` element.
    """
    lines = [*rows, rest] if rest else list(rows)
    left = _GLYPH * max(_glyphs(_shorten(line.label)) for line in lines) + 10
    right = _GLYPH * max(_glyphs(line.value) for line in lines) + 10
    canvas = _Canvas(name, alt, _ROW * len(lines) + 4)
    ax = canvas.axes(left, 2, WIDTH - left - right, _ROW * len(lines))
    places, lengths = list(range(len(rows))), [row.length for row in rows]
    look: dict[str, Any] = {"color": _ACCENT, "saturation": 1, "linewidth": 0, "clip_on": False}
    sns.barplot(x=lengths, y=places, orient="y", width=1 - 8 / _ROW, native_scale=True, errorbar=None, ax=ax, **look)
    ax.set_xlim(0, max(lengths) or 1)
    ax.set_ylim(len(lines) - 0.5, -0.5)
    ax.plot([0, 0], [-0.5, len(rows) - 0.5], color=_INK, linewidth=1, alpha=0.4, clip_on=False)
    for place, line in enumerate(lines):
        faded = line is rest
        base = canvas.height - 2 - _ROW * (place + 0.5) - _FONT * 0.35
        canvas.text(left - 8, base, _shorten(line.label), "right", faded=faded, hint=f"{line.label}: {line.value}")
        end = 0 if faded else line.length / ax.get_xlim()[1] * (WIDTH - left - right)
        canvas.text(left + end + 6, base, line.value, "left", faded=faded)
    return canvas.svg()


def days(name: str, points: Sequence[tuple[datetime.date, float]], alt: str, best: str = "") -> str:
    """Draw a line over days; days without a point break it.

    Parameters
    ----------
    name
        Prefix of the ids in the SVG, unique on a page.
    points
        Day and value, at least one, sorted by day; values not negative.
    alt
        The plot in words.
    best
        What is written at the highest point; empty for nothing.

    Returns
    -------
    str
        One `<svg>` element.
    """
    canvas = _Canvas(name, alt, _DAYS_HEIGHT)
    known = dict(points)
    span = list(Period(points[0][0], points[-1][0]))
    values = [known.get(day, float("nan")) for day in span]
    top = max(known.values()) or 1.0
    ticks = _ticks(top) if max(known.values()) else [0.0]
    gutter = _GLYPH * max(len(axis_number(tick, top)) for tick in ticks) + 10
    ax = canvas.axes(gutter, 26, WIDTH - gutter - 4, _DAYS_HEIGHT - 34)
    _set_limits(ax, len(span), top)
    for tick in ticks:
        ax.axhline(tick, color=_INK, linewidth=1, alpha=0.15 if tick else 0.45, clip_on=False)
        canvas.text(gutter - 6, canvas.position(ax, 0, tick)[1] - 4, axis_number(tick, top), "right", faded=True)
    ax.fill_between(range(len(span)), values, color=_ACCENT, alpha=0.15, linewidth=0)
    stretches = list(accumulate(int(value != value) for value in values))  # one line each, or it would bridge a gap
    sns.lineplot(
        x=range(len(span)), y=values, units=stretches, estimator=None, color=_ACCENT, linewidth=2, clip_on=False, ax=ax
    )
    _set_limits(ax, len(span), top)  # seaborn has moved them
    lonely = [n for n in range(len(span)) if values[n] == values[n] and _alone(values, n)]
    ax.plot(lonely, [values[n] for n in lonely], "o", color=_ACCENT, markersize=4, linewidth=0, clip_on=False)
    _day_labels(canvas, ax, span)
    if best:
        n = span.index(max(points, key=lambda point: point[1])[0])
        ax.plot([n], [values[n]], "o", color=_ACCENT, markersize=7, clip_on=False)
        x, y = canvas.position(ax, n, values[n])
        side = x / WIDTH
        align: Align = "left" if side < 0.3 else "right" if side > 0.7 else "center"
        canvas.text(min(max(x, 4), WIDTH - 4), y + 9, best, align)
    return canvas.svg()


def _set_limits(ax: Axes, days: int, top: float) -> None:
    ax.set_xlim((-0.5, 0.5) if days == 1 else (0, days - 1))
    ax.set_ylim(0, top * 1.18)


Align = Literal["left", "center", "right"]


class _Canvas:
    """A figure measured in SVG units, whose words are set when the SVG is written."""

    def __init__(self, name: str, alt: str, height: float) -> None:
        self.name, self.alt, self.height = name, alt, height
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        self.words: dict[str, tuple[str, str]] = {}

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Add axes without frame and ticks."""
        ax = self.figure.add_axes((left / WIDTH, bottom / self.height, width / WIDTH, height / self.height))
        ax.set_axis_off()
        return ax

    def text(self, x: float, y: float, words: str, align: Align, *, faded: bool = False, hint: str = "") -> None:
        """Put words at a place; `y` is the height of their baseline above the lower edge."""
        gid = f"word{len(self.words)}"
        self.words[gid] = (words, hint)
        self.figure.text(
            x / WIDTH,
            y / self.height,
            "0",
            ha=align,
            va="baseline",
            color=_INK,
            fontsize=_FONT,
            gid=gid,
            alpha=0.7 if faded else None,
        )

    def position(self, ax: Axes, x: float, y: float) -> tuple[float, float]:
        """Where a point of the data lies, from the lower left corner."""
        place = ax.transData.transform((x, y))
        return float(place[0]), float(place[1])

    def svg(self) -> str:
        """Write the figure as one element that fits into any page."""
        file = io.StringIO()
        with _RC_LOCK, matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            self.figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        root = ElementTree.fromstring(file.getvalue())
        _strip(root)
        _set_words(root, self.words)
        _rename_ids(root, self.name)
        for element in root.iter():
            _restyle(element)
        attributes = {"role": "img", "aria-label": one_line(self.alt), "viewBox": f"0 0 {WIDTH} {self.height:g}"}
        root.attrib.clear()
        root.attrib.update(attributes, width=str(WIDTH), height=f"{self.height:g}")
        root.set("style", "max-width: 100%; height: auto; overflow: visible; stroke-linejoin: round")
        root.set("font-family", _FAMILY)
        return _serialize(root)


def _ticks(top: float) -> list[float]:
    """Round values from zero up to about `top`."""
    ticks = MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(0, top)
    return [float(tick) for tick in ticks if 0 <= tick <= top * 1.05]


def _day_labels(canvas: _Canvas, ax: Axes, span: Sequence[datetime.date]) -> None:
    """At most five days below the line, first and last among them."""
    last = len(span) - 1
    years = span[0].year != span[-1].year
    count = min(3 if years else 4, last)
    for n in sorted({round(last * k / count) for k in range(count + 1)} if count else {0}):
        align: Align = "center" if last == 0 else "left" if n == 0 else "right" if n == last else "center"
        words = short_day(span[n], year=years)
        canvas.text(canvas.position(ax, n, 0)[0], 8, words, align)


def axis_number(value: float, top: float) -> str:
    """A round value beside an axis that ends at `top`: `2,500`, `1.5 M`, `0.25`."""
    for size, sign in ((1e12, " T"), (1e9, " bn"), (1e6, " M")):
        if top >= size:
            return f"{value / size:,.2f}".rstrip("0").rstrip(".") + sign
    return f"{value:,.0f}" if top >= 5 else f"{value:,.4f}".rstrip("0").rstrip(".")


def _alone(values: Sequence[float], n: int) -> bool:
    """Whether a point has no neighbour, so that no line would show it."""
    around = [values[k] for k in (n - 1, n + 1) if 0 <= k < len(values)]
    return all(value != value for value in around)


def _glyphs(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _shorten(text: str) -> str:
    """Text cut to the width of the label column."""
    text = one_line(text)
    if _glyphs(text) <= _LABEL_GLYPHS:
        return text
    while _glyphs(text) > _LABEL_GLYPHS - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def _strip(root: ElementTree.Element) -> None:
    """Drop metadata, and the style sheet whose `*` would reach beyond the plot."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{_SVG}}}defs" and not len(child):
                parent.remove(child)


def _set_words(root: ElementTree.Element, words: dict[str, tuple[str, str]]) -> None:
    for group in root.iter(f"{{{_SVG}}}g"):
        text, hint = words.get(group.get("id", ""), ("", ""))
        for element in group.iter(f"{{{_SVG}}}text") if text else ():
            element.text = one_line(text)
            if hint:
                ElementTree.SubElement(element, f"{{{_SVG}}}title").text = one_line(hint)


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


def _restyle(element: ElementTree.Element) -> None:
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
    """The element without XML prolog and namespace prefixes, as HTML wants it."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        if element.tag not in ("text", "title"):
            element.text = None
        element.tail = None
    text: Any = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    return str(text)
