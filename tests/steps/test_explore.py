"""A shop to look into by hand: what `techco.open` returns."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import techco
from techco import Explorer, Period
from techco.display.shown import Finding
from techco.errors import NotIngested, ParameterError, TableError
from techco.storage.folder import Folder
from tests.support.shops import log, write_shop

LOGS = [
    log(1, action="purchase", quantity=2),
    log(2, "2023-08-02", action="purchase", product_id="PROD002", customer_id="CUST2"),
    log(3, "2023-08-02"),
    log(4, "2023-09-01"),
    "not a log",
]


def new_shop(folder: Path, logs: list[object]) -> str:
    folder.mkdir()
    return write_shop(Folder(str(folder)), logs).url


def made(storage: str, period: str) -> Explorer:
    shop = techco.open(storage, period)
    shop.ingest()
    shop.join()
    return shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    """A shop with two purchases and a view in August, and one log in September."""
    return made(new_shop(tmp_path_factory.mktemp("explore") / "shop", LOGS), "2023-08")


@pytest.mark.parametrize(
    ("ask", "headline", "rows"),
    [
        (Explorer.action_frequency, "Purchases are two thirds of all actions", [["purchase", 2], ["view", 1]]),
        (
            Explorer.unique_customers,
            "Every active customer bought something",
            [["all", 2], ["purchase", 2], ["view", 1]],
        ),
        (Explorer.sales_by_category, "Home brings half of the sales", [["Home", "20.20"], ["Books", "20.00"]]),
        (Explorer.sales_by_day, "Total sales are 40.20", [["2023-08-01", "20.20"], ["2023-08-02", "20.00"]]),
        (
            Explorer.sales_by_product,
            "The best seller is Lamp, with half of the sales",
            [[1, "Lamp", "Home", 2, "20.20"], [2, "Book", "Books", 1, "20.00"]],
        ),
        (
            Explorer.spend_by_customer,
            "A customer spends 20.10 on average",
            [[1, "A. L.", 1, 2, "20.20"], [2, "B. R.", 1, 1, "20.00"]],
        ),
    ],
)
def test_each_question_is_one_call(
    shop: Explorer, ask: Callable[[Explorer], Finding], headline: str, rows: list[list[object]]
) -> None:
    finding = ask(shop)
    assert (finding.headline, finding.table.rows) == (headline, rows)
    assert finding.svg.startswith("<svg")


def test_a_finding_without_anything_to_plot_has_no_plot_to_save(shop: Explorer, tmp_path: Path) -> None:
    empty = made(shop.storage.url, "2022-01").sales_by_day()
    with pytest.raises(TableError, match="no plot to save: There are no logs"):
        empty.save_plot(tmp_path / "plot.svg")
    assert not list(tmp_path.iterdir())


def test_key_figures_are_one_call(shop: Explorer) -> None:
    figures = shop.key_figures().values
    assert (figures["total_sales"], figures["purchases"], figures["logs"]) == ("40.20", 2, 3)


def test_tables_are_attributes_and_names_in_sql(shop: Explorer) -> None:
    assert shop.full_data.count() == 3
    answer = shop.sql("SELECT product_name, sales FROM full_data WHERE sales > 0 ORDER BY sales")
    assert isinstance(answer, pd.DataFrame)
    assert [(name, str(sales)) for name, sales in answer.itertuples(index=False)] == [
        ("Book", "20.00"), ("Lamp", "20.20"),
    ]  # fmt: skip


def test_a_shop_shows_its_tables_with_their_rows_and_days(shop: Explorer) -> None:
    lines = repr(shop).splitlines()
    assert lines[0] == f"{shop.storage.url}, 1 to 31 August 2023. The files have 1 August to 1 September 2023"
    assert [line.split() for line in lines[1:]] == [
        ["Table", "Rows", "Days"], ["customers", "2", "–"], ["products", "2", "–"], ["web_logs", "3", "2"],
        ["quarantine", "1", "0"], ["full_data", "3", "2"], ["product_sales", "2", "2"],
    ]  # fmt: skip
    assert len(set(map(len, lines[1:]))) == 1, "numbers are below each other"
    html = shop._repr_mimebundle_()["text/html"]
    assert '<td style="text-align: left">full_data</td><td>3</td>' in str(html)


def test_two_shops_that_are_open_at_once_answer_each_for_itself_and_as_they_are_now(
    shop: Explorer, tmp_path: Path
) -> None:
    query = "SELECT count(*) AS logs FROM full_data"
    other = techco.open(new_shop(tmp_path / "other", [log(1)]), "2023-08")
    with pytest.raises(TableError, match=r"not ingested in .*/other\. Make it with shop\.ingest"):
        other.sql(query)
    assert shop.sql(query).logs.tolist() == [3]
    made(other.storage.url, "2023-08")
    assert [one.sql(query).logs.tolist() for one in (shop, other, shop)] == [[3], [1], [3]]


def test_what_is_not_there_yet_says_how_it_is_made(tmp_path: Path) -> None:
    shop = techco.open(new_shop(tmp_path / "shop", [log(1)]), "2023-08")
    assert "1 to 31 August 2023 is not ingested" in repr(shop)
    for ask in (shop.key_figures, shop.sales_by_day, lambda: shop.full_data):
        with pytest.raises(TableError, match=r"Make it with shop\.ingest\(\) and shop\.join\(\)"):
            ask()
    assert shop.ingest().values["accepted"] == 1
    with pytest.raises(NotIngested, match=r"not joined in .*\. Make it with shop\.join\(\), or with: techco run "):
        shop.key_figures()
    assert shop.join().values["logs"] == 1
    assert "not ingested" not in repr(shop)
    assert "1 to 30 September 2023 is not ingested" in repr(techco.open(shop.storage.url, "2023-09"))


def test_a_shop_needs_a_period_and_takes_the_rest_from_the_settings(
    shop: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TECHCO_STORAGE", shop.storage.url)
    with pytest.raises(ParameterError, match=r'No period is given .* techco.open\(".*/shop", "2023-08"\)'):
        techco.open()
    assert techco.open(period=Period.parse("2023-09")).storage == shop.storage
    monkeypatch.setenv("TECHCO_ENGINE", "duckdb")
    with pytest.raises(ParameterError, match="TECHCO_ENGINE is 'duckdb'"):
        techco.open(period="2023-09")


def test_open_is_offered_by_completion_but_not_put_in_the_place_of_pythons_own() -> None:
    assert {"open", "open_shop", "Explorer"} <= set(dir(techco))
    names: dict[str, object] = {}
    exec("from techco import *\nused = open", names)
    assert names["used"] is builtins.open
    assert {"full_data", "sql", "sales_by_day"} <= set(dir(Explorer))
