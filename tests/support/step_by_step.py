"""Runs whose steps a test does one by one in this process, on a shop of which there are two states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from techco import analysis
from techco.ingest import ingest
from techco.join import join
from techco.shop import Shop, open_shop
from techco.storage.folder import Folder
from techco.tables.state import FILE, VARIABLE
from tests.support.shops import CUSTOMERS, PRODUCTS, log, write_shop

DAY = "2023-08-01"
OLD = {"logs": 1, "total_sales": "10.10", "logs_unknown_customer": 0}
NEW = {"logs": 9, "total_sales": "180.00", "logs_unknown_customer": 9}


def put_old(storage: Folder) -> None:
    write_shop(storage, [log(1, DAY, "purchase")])


def put_new(storage: Folder) -> None:
    """More logs, another price, and the customer that has them all is gone."""
    logs = [log(number, DAY, "purchase") for number in range(1, 10)]
    write_shop(storage, logs, CUSTOMERS.replace("CUST1", "CUST3"), PRODUCTS.replace("10.10", "20.00"))


@dataclass
class Run:
    """One run, whose steps are done one by one, each as in a kernel of its own.

    `said` has what each has shown, `accepted` the number of records by source.
    """

    storage: Folder
    folder: Path
    period: str = DAY
    compare: bool = True
    said: dict[str, dict[str, Any]] = field(default_factory=dict)
    accepted: dict[str, Any] = field(default_factory=dict)

    def shop(self) -> Shop:
        self.folder.mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, str(self.folder / FILE))
            return open_shop(self.storage.url, self.period, run_id=self.folder.name, compare=self.compare)

    def ingest(self) -> None:
        self.accepted = {row[0]: row[2] for row in ingest(self.shop()).by_source.rows}
        self.said["ingest"] = {"logs": self.accepted["web_logs"]}

    def join(self) -> None:
        values = join(self.shop()).values
        self.said["join"] = {name: values[name] for name in ("logs", "total_sales")}

    def analysis(self, between: Callable[[], object] = lambda: None) -> None:
        shop = self.shop()
        logs = analysis.period_logs(shop)
        between()
        summary = analysis.summarize(shop)
        by_category = sum((row.sales for row in analysis.sales_by_category(logs).collect()), Decimal("0.00"))
        values = {**summary.key_figures.values, **summary.data_quality.values}
        assert str(by_category) == values["total_sales"]
        self.said["analysis"] = {name: values[name] for name in OLD}

    def all(self) -> None:
        self.ingest()
        self.join()
        self.analysis()

    def speaks_of(self) -> dict[str, Any]:
        """What all of its steps have said, if they have said the same."""
        whole = self.said["analysis"]
        for step, said in self.said.items():
            assert said == {name: whole[name] for name in said}, step
        return whole
