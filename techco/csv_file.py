"""Write a table as CSV that spreadsheet programs read as data: nothing in it acts as a formula."""

from __future__ import annotations

from techco.display import Table, Value

_ACTIVE = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_csv(table: Table) -> str:
    """The table as CSV: a header, LF, fields quoted where needed, null as an empty field.

    Text that a spreadsheet would run (it starts with `=`, `+`, `-`, `@`, a tab or a line break) gets a leading `'`.
    Numbers, money and days are written as they are.
    """
    lines = [[column.name for column in table.columns]]
    kinds = [column.kind for column in table.columns]
    lines += [[_field(value, kind == "text") for value, kind in zip(row, kinds, strict=True)] for row in table.rows]
    return "".join(",".join(line) + "\n" for line in lines)


def _field(value: Value, is_text: bool) -> str:
    if value is None:
        return ""
    text = str(value)
    if is_text and isinstance(value, str) and text.startswith(_ACTIVE):
        text = f"'{text}"
    if any(sign in text for sign in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
