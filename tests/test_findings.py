"""The six answers: sentences for every kind of data, tables as the CSV has them, plots that are safe in any page."""

from __future__ import annotations

import base64
import datetime
import html
import re
import threading
from decimal import Decimal
from xml.etree import ElementTree

import pandas as pd
import pytest

from techco import findings
from techco.display import Finding
from techco.errors import TableError

HOSTILE = '<script>alert(1)</script> & "x" $a_1$ 😀\x00\n#010203'
DAY = datetime.date(2023, 8, 5)


def frame(columns: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=columns.split())


def actions(**counts: int) -> Finding:
    return findings.action_frequency(frame("action count", *counts.items()))


def customers(**counts: int) -> Finding:
    return findings.unique_customers(frame("action unique_customers", *counts.items()))


def categories(*rows: tuple[str | None, str]) -> Finding:
    return findings.sales_by_category(frame("category sales", *((name, Decimal(sales)) for name, sales in rows)))


def day_sales(*sales: str) -> Finding:
    rows = [(DAY + datetime.timedelta(n), Decimal(value)) for n, value in enumerate(sales)]
    return findings.sales_by_day(frame("event_date sales", *rows))


def products(*rows: tuple[object, ...], total: str) -> Finding:
    data = frame("product_id product_name category quantity sales", *rows)
    return findings.sales_by_product(data, Decimal(total))


def spend(*rows: tuple[object, ...], total: str, count: int) -> Finding:
    data = frame("customer_id purchases quantity sales", *rows)
    return findings.spend_by_customer(data, Decimal(total), count)


def one_of_each(text: str) -> list[Finding]:
    return [
        actions(**{text: 3, "purchase": 1}),
        customers(**{"all": 4, text: 3}),
        categories((text, "5.00"), (None, "1.00")),
        day_sales("1.00", "2.00"),
        products((1, text, text, 2, Decimal("5.00")), (2, None, None, 1, Decimal("1.00")), total="6.00"),
        spend((1, 1, 1, Decimal("5.00")), (None, 1, 1, Decimal("1.00")), total="6.00", count=1),
    ]


EMPTY = [
    lambda: actions(),
    lambda: customers(),
    lambda: customers(all=0, view=0),
    lambda: categories(),
    lambda: day_sales(),
    lambda: products(total="0"),
    lambda: spend(total="0", count=0),
]


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"view": 35000, "add_to_cart": 10000, "purchase": 5000},
         "Views are 70 % of 50,000 actions; one action in ten is a purchase."),
        ({"view": 880, "purchase": 120}, "Views are 88 % of 1,000 actions; about one action in eight is a purchase."),
        ({"view": 3, "add_to_cart": 1}, "Views are 75 % of 4 actions; none is a purchase."),
        ({"view": 6, "purchase": 4}, "Views are 60 % of 10 actions; 40 % are purchases."),
        ({"view": 2, "purchase": 2}, "Views and purchases are equally frequent, 50 % each of 4 actions."),
        ({"view": 7}, "All 7 actions are views."),
        ({"purchase": 1}, "The only action is one purchase."),
        ({"wish": 3, "view": 1}, "“wish” actions are 75 % of 4 actions; none is a purchase."),
        ({"view": 10**12, "purchase": 1},
         "Views are over 99 % of 1,000,000,000,001 actions; one action in 1,000,000,000,000 is a purchase."),
        ({}, "There are no logs in this period."),
    ],
)  # fmt: skip
def test_action_frequency_names_the_most_frequent_action_and_the_share_of_purchases(
    counts: dict[str, int], sentence: str
) -> None:
    assert actions(**counts).sentence == sentence


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"all": 9931, "view": 9711, "purchase": 3954},
         "9,931 different customers were active; 3,954 of them (40 %) bought something."),
        ({"all": 5, "purchase": 5}, "5 different customers were active; all of them bought something."),
        ({"all": 5, "view": 5}, "5 different customers were active; none of them bought anything."),
        ({"all": 1, "purchase": 1}, "One customer was active and bought something."),
        ({"all": 1, "view": 1}, "One customer was active and bought nothing."),
        ({"all": 0}, "No customer known by number was active in this period."),
    ],
)  # fmt: skip
def test_unique_customers_says_how_many_of_them_bought(counts: dict[str, int], sentence: str) -> None:
    assert customers(**counts).sentence == sentence


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([("Books", "60.00"), ("Toys", "40.00")], "Books earned the most: 60.00, 60 % of 100.00."),
        ([("Books", "50.00"), ("Toys", "50.00")], "Books and Toys earned the most, 50.00 each of 100.00."),
        ([(name, "1.00") for name in "abcde"], "a, b and 3 others earned the most, 1.00 each of 5.00."),
        ([("Books", "12.50"), ("Toys", "0.00")], "Books earned everything: 12.50."),
        ([("Books", "0.00")], "No category earned anything in this period."),
        ([(None, "2.00"), ("Toys", "1.00")], "(no category) earned the most: 2.00, 67 % of 3.00."),
        ([("Big", "9" * 26 + ".99"), ("Tiny", "0.01")],
         f"Big earned the most: {int('9' * 26):,}.99, over 99 % of 100{',000' * 8}.00."),
        ([], "There are no purchases of known products in this period."),
    ],
)  # fmt: skip
def test_sales_by_category_names_the_best(rows: list[tuple[str | None, str]], sentence: str) -> None:
    assert categories(*rows).sentence == sentence


@pytest.mark.parametrize(
    ("sales", "sentence"),
    [
        (["1000.00", "500.50"],
         "Total sales were 1,500.50; the best day was Saturday, 5 August 2023, with 1,000.00."),
        (["1.00", "1.00", "0.50"],
         "Total sales were 2.50; the best days were Saturday, 5 August 2023 and Sunday, 6 August 2023 with 1.00 each."),
        (["1.00", "1.00", "1.00", "0.10"], "Total sales were 3.10; 3 days tie for the best with 1.00 each."),
        (["2.00", "2.00"], "Total sales were 4.00, the same 2.00 on each of 2 days."),
        (["0.00", "7.00"], "Total sales were 7.00, all on Sunday, 6 August 2023."),
        (["7.00"], "Total sales were 7.00, all on Saturday, 5 August 2023."),
        (["0.00", "0.00"], "Total sales were 0.00: nothing was sold in this period."),
        ([], "There are no logs in this period."),
    ],
)  # fmt: skip
def test_sales_by_day_states_total_and_best_day(sales: list[str], sentence: str) -> None:
    assert day_sales(*sales).sentence == sentence


def test_sales_by_product_tells_namesakes_and_nameless_products_apart() -> None:
    rows = [(1, "Chair", "Home", 1, Decimal(3)), (2, "Chair", "Home", 1, Decimal(3)), (3, None, None, 1, Decimal(3))]
    found = products(*rows, total="9.00")
    assert found.sentence == "Chair 1, Chair 2 and (no product name) 3 earned the most, 3.00 each of 9.00."


def test_sales_by_product_says_what_the_ten_best_earn_of_all_sales() -> None:
    rows = [(n, f"P{n}", "c", 1, Decimal(100 - n)) for n in range(1, 31)]
    found = products(*rows, total="4000.00")
    assert found.sentence == "P1 earned the most: 99.00, 2.5 % of 4,000.00; the ten best products together 24 %."


@pytest.mark.parametrize(
    ("rows", "total", "count", "sentence"),
    [
        ([(4, 1, 1, "60.00"), (7, 2, 2, "30.00")], "90.00", 2,
         "2 customers spent 45.00 on average; customer 4 spent the most, 60.00."),
        ([(4, 1, 1, "5.00"), (7, 1, 1, "5.00"), (9, 1, 1, "2.00")], "12.00", 3,
         "3 customers spent 4.00 on average; customer 4 and customer 7 spent the most, 5.00 each."),
        ([(4, 1, 1, "5.00"), (7, 1, 1, "5.00")], "10.00", 2, "Each of 2 customers spent 5.00."),
        ([(4, 1, 1, "5.00")], "5.00", 1, "One customer, 4, spent 5.00."),
        ([(4, 1, 1, "0.00")], "0.00", 1, "1 customer bought, but nothing with a price above zero."),
        ([(None, 9, 9, "8.00"), (4, 1, 1, "5.00")], "13.00", 2,
         "One customer, 4, spent 5.00. Visitors without a customer number spent 8.00."),
        ([(None, 9, 9, "8.00")], "8.00", 1, "Visitors without a customer number spent 8.00."),
        ([], "0.00", 0, "Nobody bought a known product in this period."),
    ],
)  # fmt: skip
def test_spend_by_customer_states_average_and_best(
    rows: list[tuple[object, ...]], total: str, count: int, sentence: str
) -> None:
    found = spend(*((*row[:3], Decimal(str(row[3]))) for row in rows), total=total, count=count)
    assert found.sentence == sentence


@pytest.mark.parametrize("make", EMPTY)
def test_nothing_to_show_is_said_without_a_plot(make: object) -> None:
    found = make()  # type: ignore[operator]
    assert found.sentence.endswith("in this period.")
    assert (found.svg, found.alt) == ("", "")


def test_tables_have_the_columns_of_the_csv_files() -> None:
    names = {found.name: [column.name for column in found.table.columns] for found in one_of_each("x")}
    assert names == {
        "action_frequency": ["action", "count"],
        "unique_customers": ["action", "unique_customers"],
        "sales_by_category": ["category", "sales"],
        "sales_by_day": ["event_date", "sales"],
        "sales_by_product": ["product_id", "product_name", "category", "quantity", "sales"],
        "spend_by_customer": ["customer_id", "purchases", "quantity", "sales"],
    }
    assert all(found.table.name == found.name for found in one_of_each("x"))


def test_nulls_of_any_kind_are_null_and_ids_beside_them_stay_whole_numbers() -> None:
    rows = [
        (12.0, 2, 3, Decimal("1.5")),
        (float("nan"), 1, 1, Decimal("NaN")),
        (pd.NA, 1, 1, None),
        (pd.NaT, 1, 1, None),
    ]
    found = spend(*rows, total="1.50", count=1)
    assert [[row[0], row[3]] for row in found.table.rows] == [[12, "1.50"], [None, None], [None, None], [None, None]]


def test_timestamps_are_read_as_days() -> None:
    found = findings.sales_by_day(frame("event_date sales", (pd.Timestamp("2023-08-05"), Decimal(1))))
    assert found.table.rows == [["2023-08-05", "1.00"]]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(TableError, match=r"lacks sales\. It needs the columns category, sales\."):
        findings.sales_by_category(frame("category", ("Books",)))


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
    root = ElementTree.fromstring(categories((HOSTILE, "5.00")).svg)
    hints = [title.text for title in root.iter("title")]
    assert hints == ['<script>alert(1)</script> & "x" $a_1$ 😀 #010203: 5.00']


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


def test_the_average_of_a_cut_list_counts_all_customers_but_not_the_anonymous() -> None:
    rows = [(None, 9, 9, Decimal(1000)), *((n, 1, 1, Decimal(2)) for n in range(findings.MOST_ROWS - 1))]
    found = spend(*rows, total="5000.00", count=2001)
    # 2,000 customers with a number spent the 4,000.00 that anonymous visitors did not
    assert found.sentence.startswith("2,000 customers spent 2.00 on average; customer 0, customer 1 and 997 others")
    assert "1,986 others" in found.svg


def test_bars_after_the_fifteenth_are_summed_in_one_line() -> None:
    rows = [(n, f"P{n}", "c", 1, Decimal(50 - n)) for n in range(1, 21)]
    texts = [text.text for text in ElementTree.fromstring(products(*rows, total="1000.00").svg).iter("text")]
    assert "P15" in texts
    assert "P16" not in texts
    # 1000.00 less the first fifteen, 49 to 35
    assert texts[-2:] == ["5 others", "370.00"]


def test_a_cut_list_does_not_pretend_to_know_how_many_others_there_are() -> None:
    rows = [(n, f"P{n}", "c", 1, Decimal(1)) for n in range(findings.MOST_ROWS)]
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
