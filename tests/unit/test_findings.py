"""The six answers: words for every kind of data, and tables as the CSV has them."""

from __future__ import annotations

import re
from decimal import Decimal

import pandas as pd
import pytest

from techco import findings
from techco.display.columns import Column
from techco.errors import TableError
from techco.report.csv_file import to_csv
from tests.support.findings import (
    EMPTY,
    HOSTILE,
    actions,
    categories,
    customers,
    day_sales,
    frame,
    named,
    one_of_each,
    products,
    said,
    spend,
    words,
)


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
        ([(name, "6.00" if name == "a" else "5.00") for name in "abcdef"], "a brings the most, 19 % of the sales",
         "a earned 6.00 of 31.00, followed by b, c and 3 others with 5.00 each (16 %)."),
        ([("eBooks", "60.00"), ("Toys", "40.00")], "eBooks brings 60 % of the sales",
         "eBooks earned 60.00 of 100.00, followed by Toys with 40.00 (40 %)."),
        ([("(no category)", "3.00"), (None, "1.00")], "“(no category)” brings three quarters of the sales",
         "“(no category)” earned 3.00 of 4.00 (75 %), followed by products without a category with 1.00 (25 %)."),
        ([("Books", "50.00"), ("Toys", "50.00")], "Books and Toys bring half of the sales each",
         "Each earned 50.00 of 100.00 (50 %)."),
        ([("Sports", "30.00"), ("Books", "30.00"), ("Toys", "25.00"), ("Home", "15.00")],
         "Sports and Books bring the most, 30 % of the sales each",
         "Each earned 30.00 of 100.00, followed by Toys with 25.00 (25 %)."),
        ([(name, "1.00") for name in "abcde"], "a, b and 3 others bring the most, 20 % of the sales each",
         "Each earned 1.00 of 5.00."),
        ([("Books", "12.50"), ("Toys", "0.00")], "All sales come from Books", "Total sales are 12.50."),
        ([(None, "12.50")], "All sales come from products without a category", "Total sales are 12.50."),
        ([("Books", "0.00"), ("Toys", "0.00")], "No category earned anything in this period", ""),
        ([(None, "2.00"), ("Toys", "1.00")], "Products without a category bring two thirds of the sales",
         "Products without a category earned 2.00 of 3.00 (67 %), followed by Toys with 1.00 (33 %)."),
        ([("Big", "9" * 26 + ".99"), ("Tiny", "0.01")], "Big brings over 99 % of the sales",
         f"Big earned {int('9' * 26):,}.99 of 100{',000' * 8}.00, followed by Tiny with 0.01 (less than 0.1 %)."),
        ([("a", "0.02"), *((f"b{n}", "0.01") for n in range(3000))],
         "a brings the most, less than 0.1 % of the sales",
         "a earned 0.02 of 30.02, followed by b0, b1 and 2,998 others with 0.01 each (less than 0.1 %)."),
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
    rows = [(n, f"P{n}", "c", 1, Decimal(1)) for n in range(findings.MOST_ROWS + 1)]
    cut = products(*rows, total="5000.00")
    assert cut.headline.startswith("The best sellers are P0, P1 and at least 998 others,")
    assert cut.alt.endswith("P4 1.00; and all others.")
    assert len(cut.table.rows) == findings.MOST_ROWS
    assert products(*rows[:-1], total="1000.00").headline.startswith("The best sellers are P0, P1 and 998 others,")


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
        is_name = found.name == "sales_by_category"  # which stays as the shop writes it
        assert is_name or first == first.upper() or found.headline[0] in "“<"
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
    nobody = (None, pd.NA, float("nan"), 1, 1, Decimal(8))
    found = named(nobody, (7, "Ann", None, 1, 1, Decimal(1)), total="9.00", count=2)
    assert [row[:2] for row in found.table.rows] == [[None, None], [7, "A."]]
    assert found.alt == "Bars of spend, longest first: A. (7) 1.00. Without a number: 8.00."
    assert words(found)[-2:] == ["Without a number", "8.00"]
    assert named(nobody, total="8.00", count=1).svg == ""  # there is no customer to draw a bar of


@pytest.mark.parametrize("name", ["(no name)", "all others", "985 others", "–", "Product 1 (no name)"])
def test_a_name_of_the_shop_is_never_taken_for_words_of_ours(name: str) -> None:
    found = products((1, name, name, 1, Decimal(2)), (2, None, None, 1, Decimal(1)), total="3.00")
    assert found.headline == f"The best seller is “{name}”, with two thirds of the sales"
    assert words(found).count(f"“{name}”") == 1
    assert "Product 2 (no name)" in words(found)


def test_in_tables_a_name_that_reads_like_nothing_is_quoted() -> None:
    html = categories(("(no category)", "3.00"), (None, "1.00"), ("Toys", "1.00")).to_html()
    assert html.count(">“(no category)”<") == html.count(">(no category)<") == html.count(">Toys<") == 1


def test_an_action_that_is_called_as_a_row_of_ours_is_told_apart_from_it() -> None:
    rows = [("all", 3), ("all", 2), ("any action", 1)]
    found = findings.unique_customers(frame("action unique_customers", *rows))
    assert [row[0] for row in found.table.rows] == ["all", "“all”", "any action"]
    assert [word for word in words(found) if "a" in word][:3] == ["any action", "“all”", "“any action”"]


def test_a_product_that_is_called_as_another_one_with_its_id_has_its_own_id_too() -> None:
    rows = [(1, "Pen", "c", 1, Decimal(3)), (2, "Pen", "c", 1, Decimal(2)), (3, "Pen 1", "c", 1, Decimal(1))]
    assert "Pen 1 3.00; Pen 2 2.00; Pen 1 3 1.00" in products(*rows, total="6.00").alt


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


def test_the_average_of_a_cut_list_counts_all_customers_but_not_the_anonymous() -> None:
    rows = [(None, 9, 9, Decimal(1000)), *((n, 1, 1, Decimal(3)) for n in range(findings.MOST_ROWS - 1))]
    found = spend(*rows, total="5000.00", count=2001)
    # 2,000 customers with a number spent the 4,000.00 that anonymous visitors did not
    assert found.headline == "A customer spends 2.00 on average"
    assert found.sentence.startswith(
        "2,000 customers known by number bought something; customer 0, customer 1 and at least 997 others"
    )
    assert "1,985 others" in words(found)


def test_a_cut_list_of_customers_that_spend_the_same_stands_for_all_if_the_total_says_so() -> None:
    rows = [(n, 1, 1, Decimal(2)) for n in range(findings.MOST_ROWS)]
    found = spend(*rows, total="4000.00", count=2000)
    assert said(found) == ("Every customer spent the same, 2.00", "2,000 customers bought something.")
