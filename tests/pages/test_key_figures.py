"""The tiles on top of a report: each figure, its change and its trend_table."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from techco.display.columns import Column, ColumnKind, Value
from techco.display.read_back import NotebookResults
from techco.display.shown import Figures, Table
from techco.report import render
from techco.report.key_figures import Tile, explanation, tiles, trend_line
from tests.support.reports import RUN, analysis, make_record, step

FIGURES: dict[str, Value] = {
    "total_sales": "12.50", "purchases": 3, "average_purchase_line": "4.17", "unique_customers": 2,
    "conversion": "12.3",
}  # fmt: skip
COURSE: dict[str, ColumnKind] = {
    "first_day": "date", "total_sales": "money", "purchases": "integer", "average_purchase_line": "money",
    "unique_customers": "integer", "conversion": "percent",
}  # fmt: skip
EARLIER: dict[str, Value] = {
    "start_date": "2023-07-01", "end_date": "2023-07-31", "days": 31, "days_with_data": 31, "total_sales": "10.00",
    "purchases": 3, "average_purchase_line": None, "unique_customers": 0, "logs": 100, "conversion": "13.3",
}  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def index_with(out: Path, before: dict[str, Value]) -> str:
    record = make_record([step(out, "analysis", [*analysis(), Figures("key_figures_before", before)])])
    render.render(record, out)
    return (out / "reports" / RUN / "index.html").read_text(encoding="utf-8")


def made(values: dict[str, Value], before: dict[str, Value] | None = None, *trend_table: list[Value]) -> list[Tile]:
    """The tiles of figures, those of the period before, and their trend_table."""
    shown = [Figures("key_figures", values), Figures("key_figures_before", before or {})]
    table = Table("key_figures_over_time", [Column(name, kind) for name, kind in COURSE.items()], trend_table)
    return tiles(NotebookResults([*shown, table]))


def test_key_figures_show_their_change_against_the_period_before(out: Path) -> None:
    page = index_with(out, EARLIER)
    changes = re.findall(r'<dd class="note change(.*?)">(.*?)</dd>', page)
    assert changes == [
        (" up", "+25 %"),
        ("", "unchanged"),
        ("", "none before"),
        (" up", "was 0"),
        (" down", "−1.0 points"),
    ]
    assert "Changes are against 1 to 31 July 2023." in page


def test_earlier_data_of_some_days_only_is_said(out: Path) -> None:
    assert "of which only 12 of 31 days have logs" in index_with(out, {**EARLIER, "days_with_data": 12})


def test_without_earlier_data_no_change_is_made_up(out: Path) -> None:
    days = {name: EARLIER[name] for name in ("start_date", "end_date", "days")}
    page = index_with(out, {**days, "days_with_data": 0})
    assert "There are no logs of 1 to 31 July 2023 to compare with." in page
    assert re.findall(r'<dd class="note change">(.*?)</dd>', page) == ["no earlier logs"] * 5


def test_a_period_before_that_is_not_wholly_ingested_is_not_compared_with(out: Path) -> None:
    days = {name: EARLIER[name] for name in ("start_date", "end_date", "days")}
    page = index_with(out, {**days, "days_not_ingested": 29, "command": "techco run --storage ./shop"})
    assert (
        "No changes are shown: 29 of the 31 days of 1 to 31 July 2023 are not ingested. Ingest them, then run this "
        "again: techco run --storage ./shop" in page
    )
    assert re.findall(r'<dd class="note change">(.*?)</dd>', page) == ["earlier days not ingested"] * 5
    page = index_with(out, {**days, "days_not_ingested": 31})
    assert "No changes are shown: the files have no web log with a readable day." in page
    assert re.findall(r'<dd class="note change">(.*?)</dd>', page) == ["no earlier data"] * 5
    files = {"first_day_in_files": "2023-08-02", "last_day_in_files": "2023-08-09"}
    page = index_with(out, {**days, "days_not_ingested": 31, **files})
    assert "No changes are shown: the files have no data of 1 to 31 July 2023, but of 2 to 9 August 2023." in page
    assert re.findall(r'<dd class="note change">(.*?)</dd>', page) == ["no earlier data"] * 5


def test_an_unknown_figure_has_no_change() -> None:
    tile = made({"average_purchase_line": None}, EARLIER)[0]
    assert (tile.value, tile.note, tile.change, tile.trend) == ("–", "none in this period", "", "")


@pytest.mark.parametrize(
    ("now", "then", "change", "direction"),
    [
        ("0.01", "0.01", "unchanged", ""),
        ("0.00", "0.01", "−100 %", "down"),
        ("3.00", "1000.00", "almost −100 %", "down"),
        ("5.00", "1000.00", "almost −100 %", "down"),
        ("5.01", "1000.00", "−99 %", "down"),
        ("0.01", "0.00", "was 0", "up"),
        ("90.00", "100.00", "−10 %", "down"),
        ("123456789012345678.90", "1.00", "123,456,789,012,345,679 times as much", "up"),
    ],
)
def test_changes_are_right_for_ties_falls_and_huge_and_tiny_sums(
    now: str, then: str, change: str, direction: str
) -> None:
    tile = made({"total_sales": now}, {**EARLIER, "total_sales": then})[0]
    assert (tile.change, tile.direction) == (change, direction)


def test_each_figure_has_a_line_that_tells_its_course() -> None:
    days: list[list[Value]] = [
        ["2023-08-01", "10.00", 1, "10.00", 1, "50.0"],
        ["2023-08-02", None, None, None, None, None],
        ["2023-08-03", "2.50", 2, "1.25", 2, "5.0"],
    ]
    found = made(FIGURES, EARLIER, *days)
    labels = [ElementTree.fromstring(tile.trend).get("aria-label") for tile in found]
    assert labels == [
        "Total sales over the period: lowest 2.50, highest 10.00, last 2.50",
        "Purchases over the period: lowest 1, highest 2, last 2",
        "Average purchase line over the period: lowest 1.25, highest 10.00, last 1.25",
        "Active customers over the period: lowest 1, highest 2, last 2",
        "Conversion over the period: lowest 5.0 %, highest 50.0 %, last 5.0 %",
    ]


@pytest.mark.parametrize("days", [1, 7])
def test_the_reader_is_told_what_a_point_is(days: int) -> None:
    trend_table = [[f"2023-08-{1 + n * days:02}", "1.00", 1, "1.00", 1, "1.0"] for n in range(3)]
    table = Table("key_figures_over_time", [Column(name, kind) for name, kind in COURSE.items()], trend_table)
    shown = NotebookResults([Figures("key_figures", FIGURES), table])
    assert f"a point for each {'day' if days == 1 else '7 days'}" in explanation(tiles(shown), shown)


def test_of_one_known_point_no_line_is_drawn_and_none_is_spoken_of() -> None:
    trend_table: list[list[Value]] = [["2023-08-01", "1.00", 1, "1.00", 1, "1.0"], ["2023-08-02", *[None] * 5]]
    table = Table("key_figures_over_time", [Column(name, kind) for name, kind in COURSE.items()], trend_table)
    shown = NotebookResults([Figures("key_figures", FIGURES), table])
    assert [tile.trend for tile in tiles(shown)] == [""] * 5
    assert explanation(tiles(shown), shown) == ""


def line_of(*values: str | None) -> str:
    svg = ElementTree.fromstring(trend_line([None if v is None else Decimal(v) for v in values], "alt"))
    return next(path.get("d", "") for path in svg if path.get("class") == "line")


def test_a_line_begins_at_zero_and_breaks_where_nothing_is_known() -> None:
    assert line_of("0", "10", "5") == "M0 29L60 1L120 15"
    assert line_of("4", None, "4", "4") == "M0 1h0M80 1L120 1"
    assert line_of("0", "0") == "M0 29L120 29"


def test_words_of_a_line_are_text() -> None:
    assert ElementTree.fromstring(trend_line([Decimal(1), Decimal(2)], '<x> & "y"')).get("aria-label") == '<x> & "y"'
