"""Outside of runs, join and analysis bring the days that they need into the tables, and say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from techco import analysis
from techco.errors import NotIngested, RawFileError, StorageError
from techco.ingest import ingest
from techco.join import join
from techco.period import Period
from techco.shop import Shop
from techco.storage.folder import Folder
from tests.support.shops import log, write_shop


def part(shop: Shop, period: str) -> Shop:
    return replace(shop, period=Period.parse(period))


def test_by_hand_a_step_does_the_steps_before_it_for_days_that_are_missing(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shop(shop.storage, [log(1, action="purchase"), log(2, day="2023-08-05", action="purchase")])
    ingest(part(shop, "2023-08-01..2023-08-02"))
    assert join(shop).values["logs"] == 2
    said = "The tables lacked days of 1 to 31 August 2023, so its raw files were ingested now.\n"
    assert capsys.readouterr().out == said
    assert analysis.period_logs(shop).count() == 2
    assert capsys.readouterr().out == "", "nothing is missing any more"
    assert analysis.period_logs(part(shop, "2023-07")).count() == 0
    assert capsys.readouterr().out == said.replace("August", "July")


def test_by_hand_what_is_ingested_already_is_only_joined(shop: Shop) -> None:
    write_shop(shop.storage, [log(1)])
    ingest(shop)
    write_shop(shop.storage, [log(1), log(2)])
    assert analysis.period_logs(shop).count() == 1


def test_where_nothing_may_be_written_the_missing_days_are_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("The storage cannot be written.")

    write_shop(shop.storage, [log(1)])
    monkeypatch.setattr(Folder, "check_writable", refuse)
    for step in (join, analysis.period_logs):
        with pytest.raises(
            NotIngested, match=r"^The storage cannot .* 1 to 31 August 2023 is not ingested in .*: techco "
        ):
            step(shop)


def test_by_hand_a_shop_whose_raw_files_cannot_be_read_says_why(shop: Shop) -> None:
    write_shop(shop.storage, [log(1)])
    (Path(shop.storage.url) / "product_data.csv").unlink()
    with pytest.raises(RawFileError, match=r"product_data\.csv"):
        analysis.period_logs(shop)
