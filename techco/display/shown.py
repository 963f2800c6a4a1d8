"""What a notebook cell shows, and what the report reads back from the executed notebook.

Every object here is shown in two forms at once: HTML for whoever looks at the notebook, and a JSON payload of type
`MIME` for `techco.report.render`, which makes the pages and CSV files from the executed notebooks alone. A payload is
`{"kind": "table" | "finding" | "figures", ...}` with the fields of the class of that name. Payloads hold only JSON
values: money is a string such as `"1234.50"`, a day is `YYYY-MM-DD`, unknown is null.
"""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from techco.display.columns import LEFT, Column, ColumnKind, Value, cell_text, format_value, rows_html
from techco.errors import TableError

MIME = "application/vnd.techco+json"
NAMELESS = "(no {})"
"""How the table of a finding shows null in a column of text, for `rows_html`."""
_SHOWN_ROWS = 20


class Shown:
    """Base of everything a cell can show: one mime bundle with HTML, plain text and the payload."""

    kind: str

    def payload(self) -> dict[str, Any]:
        """The JSON payload, with the kind."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]

    def to_html(self) -> str:
        """Make the HTML that a notebook shows, with all data escaped; it brings the little style that it needs."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self.to_html(), MIME: self.payload()}


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

    @property
    def label(self) -> str:
        """What the table is called where it has no title."""
        return Column(self.name).label

    @classmethod
    def of(cls, name: str, columns: Sequence[Column], rows: Iterable[Sequence[object]], title: str = "") -> Table:
        """Make a table of Python values: Decimal and date become strings, everything else is kept."""
        return cls(name, list(columns), [[to_json(value) for value in row] for row in rows], title)

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Table:
        """Read a table back from its payload."""
        columns = [Column(**column) for column in payload["columns"]]
        return cls(payload["name"], columns, payload["rows"], payload.get("title", ""))

    def to_html(self, null: str = "–") -> str:
        """Make a table of the first rows, and a line that says how many are left out; `null` as for `rows_html`."""
        head = "".join(f'<th scope="col"{_alignment(column)}>{escape(column.label)}</th>' for column in self.columns)
        body = rows_html(self.columns, self.rows[:_SHOWN_ROWS], null, inline_style=True)
        more = f'<p class="more">{self._more_rows or "None."}</p>' if self._more_rows or not self.rows else ""
        return f"<table>{_caption(self.title)}<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>{more}"

    @property
    def _more_rows(self) -> str:
        left_out = len(self.rows) - _SHOWN_ROWS
        return f"… and {left_out:,} more rows" if left_out > 0 else ""

    def __repr__(self) -> str:
        shown = self.rows[:_SHOWN_ROWS]
        columns = [
            _padded([column.label, *(cell_text(row[number], column) for row in shown)], column)
            for number, column in enumerate(self.columns)
        ]
        lines = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
        return "\n".join(filter(None, [self.title, *lines, self._more_rows]))


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
        """Read a finding back from its payload; one of an earlier version has its sentence as headline."""
        fields = {key: value for key, value in payload.items() if key not in ("kind", "table")}
        if not fields.get("headline"):
            fields |= {"headline": fields["sentence"], "sentence": ""}
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
        """Show headline, sentence, plot and the first rows of the table, if it has any.

        The plot is an image: JupyterLab removes inline SVG from a notebook that it did not run.
        """
        sentence = f"<p>{escape(self.sentence)}</p>" if self.sentence else ""
        table = self.table.to_html(null=NAMELESS) if self.table.rows else ""
        return f"<p><strong>{escape(self.headline)}</strong></p>{sentence}{self._image()}{table}"

    def _image(self) -> str:
        if not self.svg:
            return ""
        image = base64.b64encode(_standalone(self.svg).encode()).decode("ascii")
        return f'<img alt="{escape(self.alt)}" src="data:image/svg+xml;base64,{image}">'

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
        """Make a table of two columns, each row headed by a name."""
        return f"<table>{_caption(self.title)}<tbody>\n{self.rows_html(inline_style=True)}</tbody></table>"

    def rows_html(self, *, inline_style: bool = False) -> Markup:
        """Make the `<tr>` elements, with all data escaped; `inline_style` as for the rows of a table."""
        name, value = (_alignment(column) if inline_style else "" for column in self._columns)
        rows = (
            f'<tr><th scope="row"{name}>{escape(label)}</th><td{value}>{escape(text)}</td></tr>\n'
            for label, text in self._texts()
        )
        return Markup("".join(rows))

    def _texts(self) -> list[tuple[str, str]]:
        """Label and value of each as people read them."""
        texts = {name: format_value(value, _kind_of(value)) for name, value in self.values.items()}
        units = {name: f" {unit}" for name, unit in self.units.items() if self.values.get(name) is not None}
        return [(Column(name).label, text + units.get(name, "")) for name, text in texts.items()]

    @property
    def _columns(self) -> tuple[Column, Column]:
        """The columns for names and values: to the right unless all values are words."""
        kinds = {_kind_of(value) for value in self.values.values() if value is not None}
        return Column("name"), Column("value", "text" if kinds == {"text"} else "integer")

    def __repr__(self) -> str:
        return repr(Table(self.name, self._columns, self._texts(), self.title))


def _padded(cells: Sequence[str], column: Column) -> list[str]:
    """The cells of a column, all as wide as the widest."""
    width = max(map(len, cells))
    return [cell.rjust(width) if column.is_number else cell.ljust(width) for cell in cells]


def _alignment(column: Column) -> str:
    return "" if column.is_number else f' style="{LEFT}"'


def _caption(title: str) -> str:
    return f'<caption style="{LEFT}; white-space: nowrap">{escape(title)}</caption>' if title else ""


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


def _kind_of(value: Value) -> ColumnKind:
    if isinstance(value, int):
        return "integer"
    return "money" if value and re.fullmatch(r"-?\d+\.\d\d", value) else "text"
