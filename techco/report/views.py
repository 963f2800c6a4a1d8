"""What pages show of what a cell has displayed: the same on the first page and on those of the notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from techco.display.shown import Column, Figures, Finding, Shown, Table, Value, format_value
from techco.display.wording import one_line
from techco.report.pages import fragment

SHOWN_ROWS = 15
_LONG_WORD = 15  # characters; longer ones may be broken anywhere, or a table would outgrow the page


@dataclass(frozen=True)
class Head:
    """The header of a column; `kind` is `number` or `text`, which decides how it is aligned and sorted."""

    text: str
    kind: str


@dataclass(frozen=True)
class Cell:
    """A cell as it is shown; `key` is what it is sorted by if that is not its text, `css` its classes if it has any."""

    text: str
    css: str = ""
    key: str | None = None


@dataclass(frozen=True)
class TableView:
    """A sortable table of a page; `caption` says whether its label is shown above it."""

    label: str
    heads: Sequence[Head]
    rows: Sequence[Sequence[Cell]]
    caption: bool = False
    limit: int = SHOWN_ROWS

    @property
    def numbers(self) -> str:
        """Classes that name the columns of numbers: on the table once, as on each cell they would double the page."""
        return "".join(f" n{place}" for place, head in enumerate(self.heads, 1) if head.kind == "number")


@dataclass(frozen=True)
class FindingView:
    """A finding of a page; `table` has no rows where there is nothing to show, `csv` is the link to its numbers."""

    id: str
    question: str
    headline: str
    sentence: str
    svg: Markup
    table: TableView
    csv: str


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
    heads = [Head(column.label, _kind(column)) for column in table.columns]
    rows = [[_cell(value, c, null) for value, c in zip(row, table.columns, strict=True)] for row in table.rows]
    return TableView(label, heads, rows, caption)


def finding_view(finding: Finding) -> FindingView:
    """A finding as it is shown; one of an earlier version has its sentence as headline."""
    return FindingView(
        finding.name.replace("_", "-"),
        finding.question,
        finding.headline or finding.sentence,
        finding.sentence if finding.headline else "",
        Markup(finding.svg),  # drawn by techco.display.plots, which sets every word as text
        table_view(finding.table, f"The numbers: {finding.question}", null="(no {})"),
        f"data/{finding.table.name}.csv",
    )


def shown_html(shown: Shown, csv: bool = True) -> str:
    """What a cell of a notebook shows, for the notebook's page; `csv` says whether findings link to their numbers."""
    if isinstance(shown, Finding):
        view = finding_view(shown)
        return fragment("shown.html.j2", finding=view if csv else replace(view, csv=""))
    if isinstance(shown, Figures):
        return fragment("shown.html.j2", figures=shown)
    assert isinstance(shown, Table), "there are three kinds"
    return fragment("shown.html.j2", table=table_view(shown, shown.title or Column(shown.name).label, caption=True))


def _cell(value: Value, column: Column, null: str) -> Cell:
    if value is None:
        name = column.label[:1].lower() + column.label[1:]
        return Cell(null.format(name) if column.kind == "text" else "–", "none")
    text = format_value(value, column.kind)
    if column.kind == "text" and isinstance(value, str):
        text = one_line(text)
        return Cell(text, "long" if any(len(word) > _LONG_WORD for word in text.split()) else "")
    return Cell(text, key=str(value) if column.kind == "date" else None)


def _kind(column: Column) -> str:
    return "number" if column.kind in ("integer", "money", "percent") or column.name.endswith("_id") else "text"
