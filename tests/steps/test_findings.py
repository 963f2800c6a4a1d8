"""The six answers: words for every kind of data, tables as the CSV has them, plots that are safe in any page."""

from __future__ import annotations

import base64
import datetime
import html
import re
import threading
import unicodedata
from decimal import Decimal
from xml.etree import ElementTree

import pandas as pd
import pytest

from techco import findings
from techco.display.columns import Column
from techco.display.shown import Finding
from techco.errors import TableError
from techco.redact import Pii
from techco.report.csv_file import to_csv

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


def named(*rows: tuple[object, ...], total: str, count: int, pii: Pii = "mask") -> Finding:
    data = frame("customer_id first_name last_name purchases quantity sales", *rows)
    return findings.spend_by_customer(data, Decimal(total), count, pii)


def said(found: Finding) -> tuple[str, str]:
    return found.headline, found.sentence


def words(found: Finding) -> list[str]:
    """What is written in the plot, from left to right and from top to bottom as it is drawn."""
    return [text.text or "" for text in ElementTree.fromstring(found.svg).iter("text")]


def hints(found: Finding) -> list[str | None]:
    return [title.text for title in ElementTree.fromstring(found.svg).iter("title")]


def widest_bar(found: Finding) -> float:
    paths = [p for p in ElementTree.fromstring(found.svg).iter("path") if "fill: var(" in p.get("style", "")]
    numbers = [[float(x) for x in re.findall(r"[ML] ([-\d.]+)", path.get("d", ""))] for path in paths]
    return max(max(xs) - min(xs) for xs in numbers)


def ascii_start(text: str) -> str:
    return ascii(text[:2])


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
    ("counts", "headline", "sentence"),
    [
        ({"view": 35040, "add_to_cart": 9960, "purchase": 5000},
         "Views are 70 % of all actions", "35,040 of 50,000 actions are views; one action in ten is a purchase."),
        ({"view": 880, "purchase": 120}, "Views are 88 % of all actions",
         "880 of 1,000 actions are views; about one action in eight is a purchase."),
        ({"view": 3, "add_to_cart": 1}, "Views are three quarters of all actions",
         "3 of 4 actions (75 %) are views; none is a purchase."),
        ({"view": 6, "purchase": 4}, "Views are 60 % of all actions",
         "6 of 10 actions are views; 40 % are purchases."),
        ({"purchase": 4, "view": 3, "wish": 2}, "Purchases are the most frequent action, 44 % of all",
         "4 of 9 actions are purchases."),
        ({"view": 2, "add_to_cart": 1, "purchase": 1}, "Views are half of all actions",
         "2 of 4 actions (50 %) are views; one action in four is a purchase."),
        ({"view": 2, "purchase": 2}, "Views and purchases are equally frequent",
         "Each accounts for 2 of 4 actions (50 %)."),
        ({"view": 2, "add_to_cart": 2, "wish": 1}, "Views and additions to the cart are the most frequent actions",
         "Each accounts for 2 of 5 actions (40 %); none is a purchase."),
        (dict.fromkeys("abcd", 1), "“a” actions, “b” actions and 2 others are equally frequent",
         "Each accounts for 1 of 4 actions (25 %); none is a purchase."),
        ({"view": 7}, "All 7 actions are views", ""),
        ({"purchase": 1}, "One purchase is the only action", ""),
        ({"wish": 3, "view": 1}, "“wish” actions are three quarters of all actions",
         "3 of 4 actions (75 %) are “wish” actions; none is a purchase."),
        ({"view": 10**12, "purchase": 1}, "Views are over 99 % of all actions",
         "1,000,000,000,000 of 1,000,000,000,001 actions are views; one action in 1,000,000,000,000 is a purchase."),
        ({"view": 2, **{f"a{n}": 1 for n in range(3000)}},
         "Views are the most frequent action, less than 0.1 % of all",
         "2 of 3,002 actions are views; none is a purchase."),
        ({}, "There are no logs in this period", ""),
    ],
)  # fmt: skip
def test_action_frequency_names_the_most_frequent_action_and_the_share_of_purchases(
    counts: dict[str, int], headline: str, sentence: str
) -> None:
    assert said(actions(**counts)) == (headline, sentence)


def test_an_action_without_a_name_is_said_so() -> None:
    found = findings.action_frequency(frame("action count", (None, 2), ("view", 1)))
    assert found.headline == "“(no name)” actions are two thirds of all actions"


@pytest.mark.parametrize(
    ("counts", "headline", "sentence"),
    [
        ({"all": 9259, "view": 9000, "purchase": 3324}, "Of the active customers, 36 % bought something",
         "9,259 different customers were active; 3,324 of them bought."),
        ({"all": 9000, "purchase": 3000}, "A third of the active customers bought something",
         "9,000 different customers were active; 3,000 of them (33 %) bought."),
        ({"all": 100, "purchase": 49}, "Almost half of the active customers bought something",
         "100 different customers were active; 49 of them (49 %) bought."),
        ({"all": 10**20, "purchase": 1}, "Of the active customers, less than 0.1 % bought something",
         "100,000,000,000,000,000,000 different customers were active; 1 of them bought."),
        ({"all": 1001, "purchase": 1000}, "Of the active customers, over 99 % bought something",
         "1,001 different customers were active; 1,000 of them bought."),
        ({"all": 5, "purchase": 5}, "Every active customer bought something", "5 different customers were active."),
        ({"all": 5, "view": 5}, "None of the active customers bought anything", "5 different customers were active."),
        ({"all": 1, "purchase": 1}, "The only active customer bought something", ""),
        ({"all": 1, "view": 1}, "The only active customer bought nothing", ""),
        ({"all": 0}, "No customer known by number was active in this period", ""),
    ],
)  # fmt: skip
def test_unique_customers_says_how_many_of_them_bought(counts: dict[str, int], headline: str, sentence: str) -> None:
    assert said(customers(**counts)) == (headline, sentence)


@pytest.mark.parametrize(
    ("rows", "headline", "sentence"),
    [
        ([("Sports", "1205773.31"), ("Books", "1075213.39"), ("Home", "900000.00"), ("Toys", "526102.42")],
         "Sports brings a third of the sales",
         "Sports earned 1,205,773.31 of 3,707,089.12 (33 %), followed by Books with 1,075,213.39 (29 %)."),
        ([("Books", "60.00"), ("Toys", "40.00")], "Books brings 60 % of the sales",
         "Books earned 60.00 of 100.00, followed by Toys with 40.00 (40 %)."),
        ([("Books", "60.00"), ("Toys", "20.00"), ("Home", "20.00")], "Books brings 60 % of the sales",
         "Books earned 60.00 of 100.00, followed by Toys and Home with 20.00 each (20 %)."),
        ([(name, "6.00" if name == "a" else "5.00") for name in "abcdef"], "A brings the most, 19 % of the sales",
         "A earned 6.00 of 31.00, followed by b, c and 3 others with 5.00 each (16 %)."),
        ([("Books", "50.00"), ("Toys", "50.00")], "Books and Toys bring half of the sales each",
         "Each earned 50.00 of 100.00 (50 %)."),
        ([("Sports", "30.00"), ("Books", "30.00"), ("Toys", "25.00"), ("Home", "15.00")],
         "Sports and Books bring the most, 30 % of the sales each",
         "Each earned 30.00 of 100.00, followed by Toys with 25.00 (25 %)."),
        ([(name, "1.00") for name in "abcde"], "A, b and 3 others bring the most, 20 % of the sales each",
         "Each earned 1.00 of 5.00."),
        ([("Books", "12.50"), ("Toys", "0.00")], "All sales come from Books", "Total sales are 12.50."),
        ([(None, "12.50")], "All sales come from products without a category", "Total sales are 12.50."),
        ([("Books", "0.00"), ("Toys", "0.00")], "No category earned anything in this period", ""),
        ([(None, "2.00"), ("Toys", "1.00")], "Products without a category bring two thirds of the sales",
         "Products without a category earned 2.00 of 3.00 (67 %), followed by Toys with 1.00 (33 %)."),
        ([("Big", "9" * 26 + ".99"), ("Tiny", "0.01")], "Big brings over 99 % of the sales",
         f"Big earned {int('9' * 26):,}.99 of 100{',000' * 8}.00, followed by Tiny with 0.01 (less than 0.1 %)."),
        ([("a", "0.02"), *((f"b{n}", "0.01") for n in range(3000))],
         "A brings the most, less than 0.1 % of the sales",
         "A earned 0.02 of 30.02, followed by b0, b1 and 2,998 others with 0.01 each (less than 0.1 %)."),
        ([], "There are no purchases of known products in this period", ""),
    ],
)  # fmt: skip
def test_sales_by_category_names_the_best_and_the_next(
    rows: list[tuple[str | None, str]], headline: str, sentence: str
) -> None:
    assert said(categories(*rows)) == (headline, sentence)


@pytest.mark.parametrize(
    ("sales", "headline", "sentence"),
    [
        (["1000.00", "500.50"], "Total sales are 1,500.50",
         "The best day was Saturday, 5 August 2023, with 1,000.00; the average of 2 days with logs is 750.25."),
        (["1.00", "1.00", "0.50"], "Total sales are 2.50",
         "The best days were Saturday, 5 August 2023 and Sunday, 6 August 2023, with 1.00 each; the average of 3 days "
         "with logs is 0.83."),
        (["1.00", "1.00", "1.00", "0.10"], "Total sales are 3.10",
         "3 days tie for the best with 1.00 each; the average of 4 days with logs is 0.78."),
        (["2.00", "2.00"], "Total sales are 4.00", "Each of 2 days with logs earned the same 2.00."),
        (["0.00", "7.00"], "Total sales are 7.00",
         "All of this was earned on Sunday, 6 August 2023; the average of 2 days with logs is 3.50."),
        (["7.00"], "Total sales are 7.00",
         "All of this was earned on Saturday, 5 August 2023, the only day with logs."),
        (["0.01", "0.00", "0.00"], "Total sales are 0.01",
         "All of this was earned on Saturday, 5 August 2023; the average of 3 days with logs is less than 0.01."),
        (["1" + "0" * 26, "0.01"], f"Total sales are 100{',000' * 8}.01",
         f"The best day was Saturday, 5 August 2023, with 100{',000' * 8}.00; the average of 2 days with logs is "
         f"50{',000' * 8}.01."),
        # Something may have been sold at a price of zero.
        (["0.00", "0.00"], "Nothing was earned in this period", "Total sales are 0.00 on 2 days with logs."),
        ([], "There are no logs in this period", ""),
    ],
)  # fmt: skip
def test_sales_by_day_states_total_best_day_and_average(sales: list[str], headline: str, sentence: str) -> None:
    assert said(day_sales(*sales)) == (headline, sentence)


@pytest.mark.parametrize(
    ("rows", "total", "headline", "sentence"),
    [
        ([("Desk", "58.00"), ("Lamp", "42.00")], "1000.00", "The best seller is Desk, with 5.8 % of the sales",
         "It earned 58.00 of 1,000.00."),
        ([("Desk", "2.00"), ("Lamp", "1.00")], "3.00", "The best seller is Desk, with two thirds of the sales",
         "It earned 2.00 of 3.00 (67 %)."),
        ([("Desk", "9.00"), ("Free", "0.00")], "9.00", "All sales come from Desk", "Total sales are 9.00."),
        ([("Free", "0.00")], "0.00", "No product earned anything in this period", ""),
        ([(None, "1.00")], "4.00", "The best seller is Product 1 (no name), with a quarter of the sales",
         "It earned 1.00 of 4.00 (25 %)."),
        ([("Desk", "0.01")], "1000000.00", "The best seller is Desk, with less than 0.1 % of the sales",
         "It earned 0.01 of 1,000,000.00."),
        ([("Desk", "2.00"), ("Lamp", "2.00")], "5.00",
         "The best sellers are Desk and Lamp, with 40 % of the sales each", "Each earned 2.00 of 5.00."),
    ],
)  # fmt: skip
def test_sales_by_product_names_the_best_seller(
    rows: list[tuple[str | None, str]], total: str, headline: str, sentence: str
) -> None:
    found = products(*((n, name, "c", 1, Decimal(sales)) for n, (name, sales) in enumerate(rows, 1)), total=total)
    assert said(found) == (headline, sentence)


def test_sales_by_product_tells_namesakes_and_nameless_products_apart() -> None:
    rows = [(1, "Chair", "Home", 1, Decimal(3)), (2, "Chair", "Home", 1, Decimal(3)), (3, None, None, 1, Decimal(3))]
    found = products(*rows, total="9.00")
    names = "Chair 1, Chair 2 and Product 3 (no name)"
    assert found.headline == f"The best sellers are {names}, with a third of the sales each"
    assert found.sentence == "Each earned 3.00 of 9.00 (33 %)."


def test_sales_by_product_says_what_the_ten_best_earn_of_all_sales() -> None:
    rows = [(n, f"P{n}", "c", 1, Decimal(100 - n)) for n in range(1, 31)]
    found = products(*rows, total="4000.00")
    assert found.headline == "The best seller is P1, with 2.5 % of the sales"
    assert found.sentence == "It earned 99.00 of 4,000.00; the ten best products earned 24 % together."


def test_a_tie_that_goes_beyond_a_cut_list_is_not_counted() -> None:
    rows = [(n, f"P{n}", "c", 1, Decimal(1)) for n in range(findings.MOST_ROWS)]
    assert products(*rows, total="5000.00").headline.startswith("The best sellers are P0, P1 and at least 998 others,")
    assert products(*rows[:-1], total="5000.00").headline.startswith("The best sellers are P0, P1 and 997 others,")


@pytest.mark.parametrize(
    ("rows", "total", "count", "headline", "sentence"),
    [
        ([(4, 1, 1, "60.00"), (7, 2, 2, "30.00")], "90.00", 2, "A customer spends 45.00 on average",
         "2 customers bought something; customer 4 spent the most, 60.00."),
        ([(4, 1, 1, "5.00"), (7, 1, 1, "5.00"), (9, 1, 1, "2.00")], "12.00", 3, "A customer spends 4.00 on average",
         "3 customers bought something; customer 4 and customer 7 spent the most, 5.00 each."),
        ([(4, 1, 1, "5.00"), (7, 1, 1, "5.00")], "10.00", 2, "Every customer spent the same, 5.00",
         "2 customers bought something."),
        ([(4, 1, 1, "5.00")], "5.00", 1, "Customer 4 spent 5.00", "No other customer bought anything."),
        ([(4, 1, 1, "0.01"), (7, 1, 1, "0.00"), (8, 1, 1, "0.00")], "0.01", 3,
         "A customer spends less than 0.01 on average",
         "3 customers bought something; customer 4 spent the most, 0.01."),
        ([(4, 1, 1, "1" + "0" * 26), (7, 1, 1, "0.01")], "1" + "0" * 26 + ".01", 2,
         f"A customer spends 50{',000' * 8}.01 on average",
         f"2 customers bought something; customer 4 spent the most, 100{',000' * 8}.00."),
        ([(4, 1, 1, "0.00")], "0.00", 1, "No customer spent anything",
         "1 customer bought, but nothing with a price above zero."),
        ([(None, 9, 9, "8.00"), (4, 1, 1, "0.00"), (7, 1, 1, "0.00")], "8.00", 3,
         "No customer known by number spent anything",
         "2 customers known by number bought, but nothing with a price above zero. "
         "Visitors without a customer number spent 8.00."),
        ([(None, 9, 9, "8.00"), (4, 1, 1, "5.00")], "13.00", 2, "Customer 4 spent 5.00",
         "No other customer known by number bought anything. Visitors without a customer number spent 8.00."),
        ([(None, 9, 9, "8.00"), (4, 1, 1, "5.00"), (7, 1, 1, "4.00")], "17.00", 3,
         "A customer spends 4.50 on average",
         "2 customers known by number bought something; customer 4 spent the most, 5.00. "
         "Visitors without a customer number spent 8.00."),
        ([(None, 9, 9, "0.00"), (4, 1, 1, "5.00")], "5.00", 2, "Customer 4 spent 5.00",
         "No other customer known by number bought anything."),
        ([(None, 9, 9, "8.00")], "8.00", 1, "Only visitors without a customer number bought something",
         "They spent 8.00."),
        ([(None, 9, 9, "0.00")], "0.00", 1, "Only visitors without a customer number bought something",
         "They spent 0.00."),
        ([], "0.00", 0, "Nobody bought a known product in this period", ""),
    ],
)  # fmt: skip
def test_spend_by_customer_states_average_and_best(
    rows: list[tuple[object, ...]], total: str, count: int, headline: str, sentence: str
) -> None:
    found = spend(*((*row[:3], Decimal(str(row[3]))) for row in rows), total=total, count=count)
    assert said(found) == (headline, sentence)


@pytest.mark.parametrize("text", [HOSTILE, "x" * 500, " ", "IPhone", "ספרים", "\u202egnp.exe\u2069"])
def test_a_headline_has_a_capital_and_no_full_stop_and_a_sentence_has_a_full_stop(text: str) -> None:
    for found in one_of_each(text):
        first = next((c for c in found.headline if c.isalpha()), "A")
        assert first == first.upper() or found.headline[0] in "“<"
        assert not found.headline.endswith(".")
        assert found.sentence.endswith(".")
        assert len(found.headline) < 200
        assert not re.search("[\x00\n\u202e]", found.headline + found.sentence)


def test_a_name_from_right_to_left_does_not_turn_the_numbers_after_it() -> None:
    assert categories(("ספרים", "3.00"), ("Toys", "1.00")).headline.startswith("\u2068ספרים\u2069 brings")


def test_names_are_said_as_initials() -> None:
    rows = [
        (5570, "ann", "lee", 1, 1, Decimal(60)),
        (7, None, "Øre", 1, 1, Decimal(20)),
        (8, "?", None, 1, 1, Decimal(1)),
    ]
    found = named(*rows, total="81.00", count=3)
    assert found.sentence == "3 customers bought something; A. L. (customer 5570) spent the most, 60.00."
    assert found.alt == "Bars of spend, longest first: A. L. (5570) 60.00; Ø. (7) 20.00; Customer 8 1.00."
    assert [word for word in words(found) if "(" in word or "C" in word] == ["A. L. (5570)", "Ø. (7)", "Customer 8"]
    assert [row[:2] for row in found.table.rows] == [[5570, "A. L."], [7, "Ø."], [8, None]]


def test_whole_names_are_said_where_that_is_wanted() -> None:
    row = (5570, "Ann", "Lee\n\x00", 1, 1, Decimal(60))
    found = named(row, total="60.00", count=1, pii="show")
    assert said(found) == ("Ann Lee (customer 5570) spent 60.00", "No other customer bought anything.")
    assert found.table.rows == [[5570, "Ann Lee", 1, 1, "60.00"]]
    assert "Ann Lee (5570)" in words(found)
    assert (
        named((1, "x" * 99, None, 1, 1, Decimal(1)), total="1", count=1, pii="show").table.rows[0][1] == "x" * 59 + "…"
    )


def test_masked_names_are_nowhere_in_the_payload() -> None:
    rows = [(5570, "Annabel", "Leeward", 1, 1, Decimal(60)), (None, "Ghost", "Ghost", 1, 1, Decimal(1))]
    payload = str(named(*rows, total="61.00", count=2)._repr_mimebundle_())
    assert not re.search("(?i)annabel|leeward|ghost|first_name", payload)


def test_names_are_in_a_column_of_their_own_that_the_csv_does_not_have() -> None:
    table = named((5570, "Ann", "Lee", 1, 2, Decimal(60)), total="60.00", count=1, pii="show").table
    assert table.columns[1] == Column("name", in_csv=False)
    assert to_csv(table) == "customer_id,purchases,quantity,sales\n5570,1,2,60.00\n"


def test_visitors_without_a_number_have_no_name() -> None:
    found = named((None, pd.NA, float("nan"), 1, 1, Decimal(8)), total="8.00", count=1)
    assert found.table.rows == [[None, None, 1, 1, "8.00"]]
    assert "(no customer)" in words(found)


def test_without_buyers_the_table_has_the_same_columns() -> None:
    found = named(total="0", count=0)
    assert [column.name for column in found.table.columns] == [
        "customer_id",
        "name",
        "purchases",
        "quantity",
        "sales",
    ]


@pytest.mark.parametrize("make", EMPTY)
def test_nothing_to_show_is_said_without_a_plot(make: object) -> None:
    found = make()  # type: ignore[operator]
    assert found.headline.endswith("in this period")
    assert (found.sentence, found.svg, found.alt) == ("", "", "")


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


def test_the_average_of_a_cut_list_counts_all_customers_but_not_the_anonymous() -> None:
    rows = [(None, 9, 9, Decimal(1000)), *((n, 1, 1, Decimal(3)) for n in range(findings.MOST_ROWS - 1))]
    found = spend(*rows, total="5000.00", count=2001)
    # 2,000 customers with a number spent the 4,000.00 that anonymous visitors did not
    assert found.headline == "A customer spends 2.00 on average"
    assert found.sentence.startswith(
        "2,000 customers known by number bought something; customer 0, customer 1 and at least 997 others"
    )
    assert "1,986 others" in words(found)


def test_a_cut_list_of_customers_that_spend_the_same_stands_for_all_if_the_total_says_so() -> None:
    rows = [(n, 1, 1, Decimal(2)) for n in range(findings.MOST_ROWS)]
    found = spend(*rows, total="4000.00", count=2000)
    assert said(found) == ("Every customer spent the same, 2.00", "2,000 customers bought something.")


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
