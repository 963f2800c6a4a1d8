"""What a notebook cell shows, and what the report reads back from the executed notebook.

Every object here is shown in two forms at once: HTML for whoever looks at the notebook, and a JSON payload of type
`MIME` for `techco.report.render`, which makes the pages and CSV files from the executed notebooks alone. A payload is
`{"kind": "table" | "finding" | "figures", ...}` with the fields of the class of that name. Payloads hold only JSON
values: money is a string such as `"1234.50"`, a day is `YYYY-MM-DD`, unknown is null.
"""

from __future__ import annotations

import base64
import datetime
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from techco.display.wording import WEEKDAYS, amount, short_day
from techco.errors import TableError

MIME = "application/vnd.techco+json"
SHOWN_ROWS = 20

ColumnKind = Literal["text", "integer", "money", "percent", "date"]
Value = str | int | None
_NUMBERS = ("integer", "money", "percent")
_LEFT = "text-align: left"


@dataclass(frozen=True)
class Column:
    """A column of a table: `name` as in the CSV, `kind` decides alignment and number format.

    With `in_csv` False it is shown only, and the CSV file does not have it.
    """

    name: str
    kind: ColumnKind = "text"
    in_csv: bool = True

    @property
    def label(self) -> str:
        """The name as people read it: `unique_customers` becomes `Unique customers`."""
        return self.name.replace("_", " ").capitalize().replace(" id", " ID").replace("Etag", "ETag")


class Shown:
    """Base of everything a cell can show: one mime bundle with HTML, plain text and the payload."""

    kind: str

    def payload(self) -> dict[str, Any]:
        """The JSON payload, with the kind."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]

    def to_html(self) -> str:
        """The HTML shown in the notebook; all data in it is escaped."""
        raise NotImplementedError

    def notebook_html(self) -> str:
        """The HTML that is saved in the notebook."""
        return self.to_html()

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self.notebook_html(), MIME: self.payload()}


@dataclass(frozen=True, repr=False)
class Table(Shown):
    """A table small enough to be read: at most a few thousand rows.

    Attributes
    ----------
    name
        Name of the CSV file without suffix, snake_case.
    columns
        Name and kind of each column.
    rows
        One sequence per row, one value per column: str, int or None; money and days as strings.
    title
        Heading of the table for people; may be empty.
    """

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    title: str = ""
    kind = "table"

    @classmethod
    def of(cls, name: str, columns: Sequence[Column], rows: Iterable[Sequence[object]], title: str = "") -> Table:
        """Make a table of Python values: Decimal and date become strings, everything else is kept."""
        return cls(name, list(columns), [[to_json(value) for value in row] for row in rows], title)

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Table:
        """Read a table back from its payload."""
        columns = [Column(**column) for column in payload["columns"]]
        return cls(payload["name"], columns, payload["rows"], payload.get("title", ""))

    def to_html(self, limit: int | None = SHOWN_ROWS) -> str:
        """An HTML table with at most `limit` rows (all if None) and a line that says how many are left out."""
        head = "".join(f'<th scope="col" {_style(c.kind)}>{html.escape(c.label)}</th>' for c in self.columns)
        body = "".join(f"<tr>{self._cells(row)}</tr>" for row in self.rows[:limit])
        left = len(self.rows) - len(self.rows[:limit])
        more = f'<p class="more">… and {left:,} more rows</p>' if left else ""
        if not self.rows:
            more = '<p class="more">None.</p>'
        caption = (
            f'<caption style="{_LEFT}; white-space: nowrap">{html.escape(self.title)}</caption>' if self.title else ""
        )
        return f'<table class="techco">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}'

    def _cells(self, row: Sequence[Value]) -> str:
        cells = zip(row, self.columns, strict=True)
        return "".join(f"<td {_style(c.kind)}>{html.escape(format_value(v, c.kind))}</td>" for v, c in cells)

    def __repr__(self) -> str:
        shown = self.rows[:SHOWN_ROWS]
        columns = [
            _aligned([c.label, *(format_value(row[place], c.kind) for row in shown)], c.kind)
            for place, c in enumerate(self.columns)
        ]
        lines = [self.title, *("  ".join(line).rstrip() for line in zip(*columns, strict=True))]
        left = len(self.rows) - len(shown)
        return "\n".join([*filter(None, lines), *([f"… and {left:,} more rows"] if left else [])])


@dataclass(frozen=True, repr=False)
class Finding(Shown):
    """The answer to one question: a headline that states it, a sentence, a plot and a table.

    Attributes
    ----------
    name
        snake_case, fixed by the design: `action_frequency`, `unique_customers`, `sales_by_category`, `sales_by_day`,
        `sales_by_product`, `spend_by_customer`.
    question
        What was asked, for people.
    headline
        The finding in a few words, computed from the data, without a full stop.
    sentence
        What the headline leaves out, with the numbers; empty where there is nothing more to say.
    table
        The numbers behind it; its name is the name of the CSV.
    svg
        The plot as one `<svg>` element, empty where there is nothing to plot.
    alt
        What the plot shows, in words, with its main numbers.
    """

    name: str
    question: str
    headline: str
    sentence: str
    table: Table
    svg: str = ""
    alt: str = ""
    kind = "finding"

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Finding:
        """Read a finding back from its payload."""
        fields = {"headline": "", **{key: value for key, value in payload.items() if key not in ("kind", "table")}}
        return cls(table=Table.from_payload(payload["table"]), **fields)

    def save_plot(self, path: str | Path) -> None:
        """Write the plot as an SVG file, which browsers and word processors show.

        Raises
        ------
        TableError
            When there is nothing to plot.
        """
        if not self.svg:
            raise TableError(f"There is no plot to save: {self.headline}.")
        Path(path).write_text(_standalone(self.svg), encoding="utf-8")

    def to_html(self) -> str:
        """Headline, sentence, plot and the first rows of the table, if it has any."""
        return self._html(self.svg)

    def notebook_html(self) -> str:
        """The same with the plot as an image: JupyterLab removes inline SVG from a notebook that it did not run."""
        if not self.svg:
            return self._html("")
        image = base64.b64encode(_standalone(self.svg).encode()).decode("ascii")
        return self._html(f'<img alt="{html.escape(self.alt)}" src="data:image/svg+xml;base64,{image}">')

    def _html(self, plot: str) -> str:
        table = self.table.to_html() if self.table.rows else ""
        sentence = f"<p>{html.escape(self.sentence)}</p>" if self.sentence else ""
        return f"<p><strong>{html.escape(self.headline)}</strong></p>{sentence}{plot}{table}"

    def __repr__(self) -> str:
        return "\n".join(filter(None, [self.headline, self.sentence, repr(self.table)]))


@dataclass(frozen=True, repr=False)
class Figures(Shown):
    """Named numbers: what was read and refused, the key figures.

    Attributes
    ----------
    name
        What the numbers are about, for instance `records` or `key_figures`.
    values
        Name to number; money as string, unknown is null.
    title
        Heading for people.
    units
        Name to the sign after the number, for instance `%`.
    """

    name: str
    values: dict[str, Value] = field(default_factory=dict)
    title: str = ""
    units: dict[str, str] = field(default_factory=dict)
    kind = "figures"

    def payload(self) -> dict[str, Any]:
        """The JSON payload, with the order of the names, which notebook files do not keep."""
        return {**super().payload(), "order": list(self.values)}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Figures:
        """Read figures back from their payload."""
        values = payload["values"]
        ordered = {name: values[name] for name in payload.get("order", values)}
        return cls(payload["name"], ordered, payload.get("title", ""), payload.get("units", {}))

    def to_html(self) -> str:
        """A table of two columns."""
        return self._table().to_html(limit=None)

    @property
    def said(self) -> list[tuple[str, str]]:
        """Label and value of each as people read them."""
        return [(Column(name).label, self._said(name, value)) for name, value in self.values.items()]

    def _said(self, name: str, value: Value) -> str:
        text = format_value(value, _kind_of(value))
        return f"{text} {self.units[name]}" if name in self.units and value is not None else text

    def _table(self) -> Table:
        rows = [list(pair) for pair in self.said]
        kinds = {_kind_of(value) for value in self.values.values() if value is not None}
        value = Column("value", "text" if kinds == {"text"} else "integer")
        return Table(self.name, [Column("name"), value], rows, self.title)

    def __repr__(self) -> str:
        return repr(self._table())


def _aligned(cells: Sequence[str], kind: ColumnKind) -> list[str]:
    """The cells of a column, all as wide as the widest: numbers to the right."""
    width = max(map(len, cells))
    return [cell.rjust(width) if kind in _NUMBERS else cell.ljust(width) for cell in cells]


def _style(kind: ColumnKind) -> str:
    """The attributes of a cell: JupyterLab aligns all to the right."""
    return f'class="{kind}"' if kind in _NUMBERS else f'class="{kind}" style="{_LEFT}"'


def _standalone(svg: str) -> str:
    """An inline SVG as a file of its own: an image knows nothing of the colours of the page around it."""
    svg = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    svg = re.sub(r"(<svg [^>]*>)", r'\1<rect width="100%" height="100%" fill="white"/>', svg, count=1)
    svg = svg.replace("currentColor", "#1b1f27")
    return re.sub(r"var\([\w-]+, ?([^)]*)\)", r"\1", svg)


def to_json(value: object) -> Value:
    """One value as JSON: None, int and str stay; Decimal and date become strings.

    Raises
    ------
    TypeError
        For a float or anything else that has no exact JSON form here.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if hasattr(value, "__index__") and not isinstance(value, bool):
        return int(value)  # NumPy integers too
    raise TypeError(f"A table holds text, whole numbers, Decimal and days, not {type(value).__name__}.")


def format_value(value: Value, kind: ColumnKind) -> str:
    """One value as people read it: thousands separators, two decimals for money, an en dash for unknown."""
    if value is None:
        return "–"
    if kind == "date":
        date = datetime.date.fromisoformat(str(value))
        return f"{WEEKDAYS[date.weekday()][:3]} {short_day(date, year=True)}"
    if kind == "integer":
        return f"{value:,}" if isinstance(value, int) else value
    if kind == "money":
        return amount(Decimal(value))
    return f"{value} %" if kind == "percent" else str(value)


def _kind_of(value: Value) -> ColumnKind:
    if isinstance(value, int):
        return "integer"
    return "money" if value and re.fullmatch(r"-?\d+\.\d\d", value) else "text"
