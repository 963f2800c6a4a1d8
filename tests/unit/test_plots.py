"""The plots of the six answers: safe in any page, and legible."""

from __future__ import annotations

import base64
import datetime
import html
import re
import threading
import unicodedata
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from techco import findings
from techco.display.shown import Finding
from tests.support.findings import (
    HOSTILE,
    actions,
    ascii_start,
    categories,
    day_sales,
    frame,
    hints,
    named,
    one_of_each,
    products,
    widest_bar,
    words,
)


@pytest.mark.parametrize("found", one_of_each(HOSTILE), ids=lambda found: found.name)
def test_every_plot_is_one_image_with_alternative_text(found: Finding) -> None:
    root = ElementTree.fromstring(found.svg)
    assert (root.tag, root.get("role"), root.get("aria-label")) == ("svg", "img", " ".join(found.alt.split()))
    assert found.alt
    assert "<?xml" not in found.svg


@pytest.mark.parametrize("found", one_of_each(HOSTILE), ids=lambda found: found.name)
def test_names_from_raw_files_stay_text_in_plots(found: Finding) -> None:
    root = ElementTree.fromstring(found.svg)
    assert {element.tag for element in root.iter()} <= {
        "svg",
        "g",
        "path",
        "text",
        "title",
        "defs",
        "use",
        "clipPath",
        "rect",
    }
    assert "<script" not in found.svg
    assert not re.search(r"\son\w+=", found.svg)


def test_a_name_is_drawn_as_it_is_written() -> None:
    assert hints(categories((HOSTILE, "5.00"))) == ['<script>alert(1)</script> & "x" $a_1$ 😀 #010203: 5.00']


def test_plots_follow_the_colour_of_the_page_and_bring_no_style_sheet() -> None:
    for found in one_of_each("x"):
        assert "currentColor" in found.svg
        assert "var(--techco-plot, #0173b2)" in found.svg
        assert not re.search(r"#0[14]0[25]0[36]|<style|<metadata|font-family: ", found.svg)


def test_six_plots_share_no_id() -> None:
    ids = [i for found in one_of_each("x") for i in set(re.findall(r' id="([^"]+)"', found.svg))]
    assert len(ids) == len(set(ids))


def test_plots_are_the_same_every_time_and_in_every_thread() -> None:
    expected = [found.svg for found in one_of_each("x")]
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append([f.svg for f in one_of_each("x")])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_bars_after_the_fifteenth_are_summed_in_one_line() -> None:
    rows = [(n, f"P{n}", "c", 1, Decimal(50 - n)) for n in range(1, 21)]
    texts = words(products(*rows, total="1000.00"))
    assert "P15" in texts
    assert "P16" not in texts
    # 1000.00 less the first fifteen, 49 to 35
    assert texts[-2:] == ["5 others", "370.00"]


def test_plots_say_their_unit_and_write_money_short() -> None:
    units = [words(found)[0] for found in one_of_each("x")]
    assert units == ["Actions", "Customers", "Sales", "Sales per day", "Sales", "Spend"]
    found = categories(("Sports", "12345678.90"), ("Books", "1205773.31"), ("Toys", "999.99"))
    assert words(found) == ["Sales", "Sports", "12.3 M", "Books", "1,205,773", "Toys", "999.99"]
    assert found.alt == "Bars of sales, longest first: Sports 12,345,678.90; Books 1,205,773.31; Toys 999.99."
    assert hints(found)[:2] == ["Sports: 12,345,678.90", "Books: 1,205,773.31"]


def test_the_best_day_is_marked_in_short_and_said_in_full() -> None:
    found = day_sales("12345678.90", "1.00")
    assert "12.3 M on 5 Aug" in words(found)
    assert "with 12,345,678.90" in found.alt
    assert [word for word in words(day_sales("5" + "0" * 25, "1")) if "e+" in word] == [
        "2e+25", "4e+25", "5.00e+25 on 5 Aug",
    ]  # fmt: skip


@pytest.mark.parametrize(("best", "anchor"), [(0, "start"), (5, "middle"), (10, "end")])
def test_the_mark_of_the_best_day_stays_within_the_plot_and_off_the_axis(best: int, anchor: str) -> None:
    found = day_sales(*("999999.99" if n == best else "1" for n in range(11)))
    style = next(t.get("style", "") for t in ElementTree.fromstring(found.svg).iter("text") if " on " in (t.text or ""))
    assert re.findall("text-anchor: ([a-z]+)", style) == [anchor]


@pytest.mark.parametrize(
    "name", ["Bluetooth loudspeakers", "W" * 99, "运动与户外用品" * 9, "ا" * 99, "👨‍👩‍👧‍👦" * 30], ids=ascii_start
)
def test_bars_keep_room_beside_long_names_and_numbers(name: str) -> None:
    for found in (
        categories((name, "9999999.99"), ("b", "1")),
        actions(**{name: 999_999, "b": 10**15}),
        named((9223372036854775807, name, name, 1, 1, Decimal("1e20")), total="1e20", count=1, pii="show"),
    ):
        assert widest_bar(found) > 89


def test_a_label_is_cut_but_not_the_number_at_its_end() -> None:
    rows = [(n, "An extraordinarily long name of a product", "c", 1, Decimal(9)) for n in (13, 14)]
    assert [w for w in words(products(*rows, total="18.00")) if "…" in w] == [
        "An extraordinarily… 13", "An extraordinarily… 14",
    ]  # fmt: skip
    row = (9223372036854775807, "Ann", "Lee", 1, 1, Decimal(60))
    assert words(named(row, total="60", count=1, pii="show"))[1] == "9223372036854775807"


@pytest.mark.parametrize("sign", ["👩🏽‍🚀", "कि", "e\u0301", "❤\ufe0f"])
def test_a_label_is_not_cut_within_a_sign(sign: str) -> None:
    for lead in range(4):
        label = next(w for w in words(categories(("x" * lead + sign * 30, "1"), ("b", "1"))) if "…" in w)
        shown = unicodedata.normalize("NFC", label.strip("x…"))
        whole = unicodedata.normalize("NFC", sign)
        assert shown == whole * (len(shown) // len(whole))


def test_labels_stand_where_they_shall_whatever_their_direction() -> None:
    found = categories(("ספרים", "3"), ("كتب\u202e", "1"))
    assert "direction: ltr" in found.svg
    assert {"\u2068ספרים\u2069", "\u2068كتب\u2069"} < set(words(found))
    person = named((9, "قاسم", "قباني", 1, 1, Decimal(60)), total="60", count=1)
    assert "\u2068ق. ق.\u2069 (9)" in words(person)


def test_days_below_a_line_are_evenly_apart_where_the_period_allows_it() -> None:
    def below(days: int) -> list[str]:
        return [
            word for word in words(day_sales(*["150000"] * days)) if word.endswith(("Aug", "Sep")) and "on" not in word
        ]

    assert below(31) == ["5 Aug", "15 Aug", "25 Aug", "4 Sep"]
    assert below(5) == ["5 Aug", "7 Aug", "9 Aug"]
    assert below(8) == ["5 Aug", "7 Aug", "10 Aug", "12 Aug"]
    assert below(2) == ["5 Aug", "6 Aug"]
    assert below(1) == ["5 Aug"]


def test_a_cut_list_does_not_pretend_to_know_how_many_others_there_are() -> None:
    rows = [(n, f"P{n}", "c", 1, Decimal(1)) for n in range(findings.MOST_ROWS + 1)]
    assert ">all others<" in products(*rows, total="5000.00").svg


def test_days_without_logs_break_the_line() -> None:
    dates = [datetime.date(2023, 8, day) for day in (1, 2, 5, 6)]
    whole = day_sales("1.00", "2.00", "3.00", "4.00")
    broken = findings.sales_by_day(frame("event_date sales", *((date, Decimal(1)) for date in dates)))
    line = "stroke-width: 2"

    def strokes(found: Finding) -> int:
        paths = [path for path in ElementTree.fromstring(found.svg).iter("path") if line in path.get("style", "")]
        return sum(path.get("d", "").count("M ") for path in paths)

    assert (strokes(whole), strokes(broken)) == (1, 2)


def test_in_a_notebook_the_plot_is_an_image_that_stands_alone() -> None:
    finding = findings.action_frequency(frame("action count", ("<b>view", 3), ("purchase", 1)))
    saved = finding._repr_mimebundle_()["text/html"]
    assert "<svg" not in saved  # JupyterLab would leave only its words
    image = re.search(r'<img alt="(.*?)" src="data:image/svg\+xml;base64,(.*?)">', saved)
    assert image is not None
    root = ElementTree.fromstring(base64.b64decode(image[2]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = ElementTree.tostring(root, encoding="unicode")
    assert "currentColor" not in text
    assert "var(" not in text
    assert html.unescape(image[1]) == finding.alt
