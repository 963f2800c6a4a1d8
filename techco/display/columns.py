"""How a table is read: the text, the alignment and the order of its values, the same in notebooks and on pages."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from markupsafe import Markup, escape

from techco.display.wording import WEEKDAYS, amount, one_line, quoted, short_day

ColumnKind = Literal["text", "integer", "money", "percent", "date"]
Value = str | int | None
LEFT = "text-align: left"  # JupyterLab aligns all cells to the right
_UNKNOWN = "–"
_LONG_WORD = 15  # characters; longer ones may be broken anywhere, or a table would outgrow the page


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

    @property
    def is_number(self) -> bool:
        """Whether its values are right-aligned and sorted as numbers; ids are, although their kind is text."""
        return self.kind in ("integer", "money", "percent") or self.name.endswith("_id")


def format_value(value: Value, kind: ColumnKind) -> str:
    """Write a value for people: thousands separators, two decimals for money, an en dash for unknown."""
    if value is None:
        return _UNKNOWN
    if kind == "date":
        date = datetime.date.fromisoformat(str(value))
        return f"{WEEKDAYS[date.weekday()][:3]} {short_day(date, year=True)}"
    if kind == "integer":
        return f"{value:,}" if isinstance(value, int) else value
    if kind == "money":
        return amount(Decimal(value))
    return f"{value} %" if kind == "percent" else str(value)


def cell_text(value: Value, column: Column, null: str = _UNKNOWN) -> str:
    """Write a value of a column on one line; in `null`, the text for an unknown one, `{}` stands for the label."""
    if value is None and column.kind == "text":
        return null.format(column.label[:1].lower() + column.label[1:])
    text = format_value(value, column.kind)
    if column.kind != "text" or not isinstance(value, str):
        return text
    text = one_line(text)
    return quoted(text) if text in (_UNKNOWN, cell_text(None, column, null)) else text


def rows_html(
    columns: Sequence[Column], rows: Iterable[Sequence[Value]], null: str = _UNKNOWN, *, inline_style: bool = False
) -> Markup:
    """Make the `<tr>` elements of a table, with all data escaped.

    Parameters
    ----------
    columns, rows
        As `Table` has them.
    null
        The text for null in a column of text; `{}` stands for the column's label in lower case.
    inline_style
        Whether the cells align themselves, as they must where the style sheet of the pages is not there.
    """
    lines = (
        "".join(_cell_html(value, column, null, inline_style) for value, column in zip(row, columns, strict=True))
        for row in rows
    )
    return Markup("".join(f"<tr>{line}</tr>\n" for line in lines))


def _cell_html(value: Value, column: Column, null: str, inline_style: bool) -> str:
    text, attributes = cell_text(value, column, null), ""
    if value is None:
        attributes = ' class="none"'
    elif column.kind == "date":
        attributes = f' data-v="{escape(value)}"'
    elif column.kind == "text" and isinstance(value, str) and any(len(word) > _LONG_WORD for word in text.split()):
        attributes = ' class="long"'
    if inline_style and not column.is_number:
        attributes += f' style="{LEFT}"'
    return f"<td{attributes}>{escape(text)}</td>"
