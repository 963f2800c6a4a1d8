"""What identifies people is hidden in what a report shows, unless it was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from techco import open_shop
from techco.display.columns import Column
from techco.display.read_back import mask_raw_text
from techco.display.shown import Table
from techco.errors import ParameterError
from techco.redact import check_pii, mask, mask_output, mask_record
from techco.settings import load_settings

LINE = 'CUST12,"Mary Ann",O\'Neill,mary.ann@example.com,+1-202-555-0101'


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("mary.ann@example.com", "m…@e…"),
        ("call +1-202-555-0101 now", "call …01 now"),
        ("(0351) 555 01 99", "…99"),
        ("2023-08-01 10:00:00", "2023-08-01 10:00:00"),
        ("2023-08-01..2023-08-31", "2023-08-01..2023-08-31"),
    ],
)
def test_addresses_and_numbers_are_hidden_and_times_are_not(text: str, hidden: str) -> None:
    assert mask(text) == hidden


def test_columns_of_numbers_that_a_cell_prints_stay() -> None:
    assert mask_output("10   20   30   40 a@b.de") == "10   20   30   40 a…@b…"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (LINE, 'CUST12,"M… A…",O\'N…,m…@e…,…01'),
        ("12,李小龙,王,x@y.cn,", "12,李…,王,x…@y…,"),
        ("cust7,राम,कृष्ण,,", "cust7,र…,क…,,"),
        ("7,محمد,علي,,", "7,م…,ع…,,"),
        ("", ""),
    ],
)
def test_a_line_of_the_customer_file_keeps_keys_and_first_letters(text: str, hidden: str) -> None:
    assert mask_record("customers", text) == hidden


def test_names_of_products_and_actions_are_no_personal_data() -> None:
    assert mask_record("products", "1,Desk Lamp,Home,ten") == "1,Desk Lamp,Home,ten"


def test_examples_are_hidden_again_when_a_page_is_made_of_a_notebook() -> None:
    columns = [Column("source"), Column("reason"), Column("raw")]
    table = Table(
        "quarantine_examples", columns, [["customers", "x", LINE], ["web_logs", "x", "a b"], ["products", "x", None]]
    )
    hidden = mask_raw_text(table)
    assert isinstance(hidden, Table)
    assert [row[2] for row in hidden.rows] == ['CUST12,"M… A…",O\'N…,m…@e…,…01', "a b", None]
    assert mask_raw_text(table, "show") is table


def test_raw_text_of_an_unknown_source_is_hidden_as_that_of_people() -> None:
    hidden = mask_raw_text(Table("mine", [Column("raw")], [["Mary"]]))
    assert isinstance(hidden, Table)
    assert hidden.rows == [["M…"]]


def test_what_is_given_goes_before_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_shop(str(tmp_path), "2023-08").pii == "mask"
    monkeypatch.setenv("TECHCO_PII", "show")
    assert open_shop(str(tmp_path), "2023-08").pii == "show"
    assert open_shop(str(tmp_path), "2023-08", pii="mask").pii == "mask"
    monkeypatch.setenv("TECHCO_PII", "")
    assert open_shop(str(tmp_path), "2023-08").pii == "mask"


def test_another_value_is_refused_with_those_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match=r"pii is 'no'\. Allowed: mask, .* or show"):
        check_pii("no")
    monkeypatch.setenv("TECHCO_PII", "hide")
    with pytest.raises(ParameterError, match=r"TECHCO_PII is 'hide'\. Allowed"):
        load_settings()
