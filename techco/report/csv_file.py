"""Write a table as CSV that spreadsheet programs read as data: nothing in it acts as a formula."""

from __future__ import annotations

from techco.display.columns import Value
from techco.display.shown import Table

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_csv(table: Table) -> str:
    """Return the table as CSV: a header, LF, fields quoted where needed, null as an empty field.

    Text that a spreadsheet would run (it starts with `=`, `+`, `-`, `@`, a tab or a line break) gets a leading `'`.
    Numbers, money and days are written as they are.
    """
    numbers = [number for number, column in enumerate(table.columns) if column.in_csv]
    lines = [[table.columns[number].name for number in numbers]]
    lines += [[_field(row[number], table.columns[number].kind == "text") for number in numbers] for row in table.rows]
    return "".join(",".join(line) + "\n" for line in lines)


def _field(value: Value, is_text: bool) -> str:
    if value is None:
        return ""
    text = str(value)
    if is_text and isinstance(value, str) and text.startswith(_FORMULA_STARTS):
        text = f"'{text}"
    if any(sign in text for sign in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
