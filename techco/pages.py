"""Make HTML pages: the Jinja templates under `techco/web`, one style sheet, one script and a strict content policy.

A page holds all it needs and asks the network for nothing. Jinja escapes every value; the policy allows no script but
ours, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from techco.display import Column, Table, Value, format_value
from techco.record import write_whole
from techco.wording import one_line

SHOWN_ROWS = 15
_LONG_WORD = 30  # characters; longer ones may be broken anywhere, or a table would outgrow the page


@dataclass(frozen=True)
class Link:
    """An entry of the line of pages on top; without `href` it is only said."""

    label: str
    href: str = ""
    here: bool = False


@dataclass(frozen=True)
class Entry:
    """An entry of the table of contents: a heading of level 2 or 3 and its id."""

    label: str
    id: str
    level: int = 2


@dataclass(frozen=True)
class Cell:
    """A cell as it is shown; `key` is what it is sorted by if not its text, empty for unknown."""

    text: str
    align: str
    key: str | None = None


@dataclass(frozen=True)
class TableView:
    """A sortable table of a page; `caption` says whether its label is shown above it."""

    label: str
    heads: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    caption: bool = False
    limit: int = SHOWN_ROWS


def page(template: str, links: Sequence[Link], contents: Sequence[Entry] = (), **context: Any) -> str:
    """Render one page.

    Parameters
    ----------
    template
        Name of a template under `techco/web`.
    links
        The pages this one belongs to.
    contents
        Its headings, in order; empty for a page without a table of contents.
    context
        What the template asks for; everything is escaped.
    """
    frame = {"csp": _policy(), "css": Markup(_asset("style.css")), "script": Markup(_asset("page.js"))}
    return _environment().get_template(template).render(**frame, links=links, contents=contents, **context)


def write_page(path: Path, html: str) -> None:
    """Write a page; what UTF-8 cannot hold, such as half of a surrogate pair, becomes a question mark."""
    write_whole(path, html.encode("utf-8", "replace").decode("utf-8"))


def table_view(table: Table, label: str, *, caption: bool = False, null: str = "–") -> TableView:
    """A table of the report as it is shown: numbers right-aligned, text on one line.

    Parameters
    ----------
    table
        The table as a notebook has shown it.
    label
        What it is, for people and screen readers.
    caption
        Whether the label is shown above the table.
    null
        How null is shown in a column of text; `{}` stands for the column's label in lower case.
    """
    heads = [Cell(column.label, _align(column)) for column in table.columns]
    rows = [[_cell(value, c, null) for value, c in zip(row, table.columns, strict=True)] for row in table.rows]
    return TableView(label, heads, rows, caption)


def _cell(value: Value, column: Column, null: str) -> Cell:
    align = _align(column)
    if value is None:
        name = column.label[:1].lower() + column.label[1:]
        return Cell(null.format(name) if column.kind == "text" else "–", f"{align} none", "")
    text = format_value(value, column.kind)
    if column.kind == "text" and isinstance(value, str):
        text = one_line(text)
        if any(len(word) > _LONG_WORD for word in text.split()):
            align += " long"
    return Cell(text, align, str(value) if align == "number" else None)


def _align(column: Column) -> str:
    return "number" if column.kind in ("integer", "money") or column.name.endswith("_id") else "text"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = PackageLoader("techco", "web")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@lru_cache
def _asset(name: str) -> str:
    return (files("techco") / "web" / name).read_text(encoding="utf-8")


def _policy() -> str:
    """The content security policy: no network, inline styles, and one script known by its hash."""
    digest = base64.b64encode(hashlib.sha256(_asset("page.js").encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
