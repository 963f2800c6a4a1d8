"""Open a shop to look into by hand: its tables, SQL, and each of the six questions one call away."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from techco import analysis, findings, ingest, join
from techco.contract import TABLES
from techco.display.columns import Column
from techco.display.shown import Figures, Finding, Table
from techco.display.wording import span
from techco.errors import ParameterError
from techco.period import Period
from techco.raw.days_in_files import days_in_files
from techco.redact import without_credentials
from techco.sample.default_shop import SAMPLE_PERIOD
from techco.shop import Shop, open_shop
from techco.storage.base import SAMPLE
from techco.tables.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from pyspark.sql import Row

    from techco.redact import Pii
    from techco.storage.access import Access


class Explorer(Shop):
    """A `Shop` that answers by itself; a cell that ends with it shows which tables there are.

    Its tables are Spark DataFrames, `shop.full_data`. What a question returns is a `Finding`, which a notebook shows as
    headline, plot and table; `finding.headline`, `finding.table` and `finding.save_plot(path)` give its parts.
    """

    def sql(self, query: str) -> pd.DataFrame:
        """Answer a query over the tables, which go by their names and show the days of the period, as they are now.

        Raises
        ------
        NotIngested
            When a table of the query is not there yet, or lacks a day of the period; says how to make it.
        """
        named = [name for name in TABLES if re.search(rf"\b{name}\b", query, re.IGNORECASE)]
        self.make_views(named)  # those of the session may be of another shop, or older than the tables
        try:
            return self.spark.sql(query).toPandas()
        except AnalysisException:
            for name in named:
                self.table(name)
            raise

    def _remedy(self, steps: Sequence[str]) -> str:
        made = "shop.join()" if steps else "shop.ingest() and shop.join()"
        return f"Make it with {made}, or with: {shlex.join([*self.command(), *steps])}"

    def ingest(self) -> Figures:
        """Read the raw files and replace the period in the tables, unless nothing has changed since that was done.

        Returns
        -------
        Figures
            How many records were read, and what became of them; the refused ones are in `quarantine`.
        """
        return ingest.ingest(self).records

    def join(self) -> Figures:
        """Replace the period in `full_data` and `product_sales`, unless nothing has changed since that was done."""
        return join.join(self)

    def key_figures(self) -> Figures:
        """Return total sales, purchases, average purchase line, unique customers, logs and conversion of the period."""
        return analysis.summarize(self).key_figures

    def action_frequency(self) -> Finding:
        """How often does each action happen?"""
        return findings.action_frequency(analysis.action_frequency(self.full_data))

    def unique_customers(self) -> Finding:
        """How many different customers were active?"""
        return findings.unique_customers(analysis.unique_customers(self.full_data))

    def sales_by_category(self) -> Finding:
        """How much does each category earn?"""
        return findings.sales_by_category(analysis.sales_by_category(self.full_data))

    def sales_by_day(self) -> Finding:
        """What were the total sales, and how did they come in day by day?"""
        return findings.sales_by_day(analysis.sales_by_day(self.full_data))

    def sales_by_product(self) -> Finding:
        """How much does each product earn?"""
        return findings.sales_by_product(analysis.sales_by_product(self.full_data), self._totals().total_sales)

    def spend_by_customer(self) -> Finding:
        """How much does each customer spend? Names are initials, unless the shop was opened with `pii="show"`."""
        totals, spend = self._totals(), analysis.spend_by_customer(self.full_data)
        return findings.spend_by_customer(spend, totals.total_sales, totals.buyers, self.pii)

    def _totals(self) -> Row:
        return analysis.totals(self.full_data).collect()[0]

    def _shown(self) -> Table:
        """Return the tables with their rows and days, by the tables' logs: no query is made for it."""
        rows = [self._row(name) for name in self.existing()]
        title = f"{self.storage.url}, {span(self.period.first, self.period.last)}"
        if days := days_in_files(self.storage):
            title += f". The files have {span(days.first, days.last)}"
        if missing := self.tables.missing_days("full_data", self.period):
            title += f". {self.describe_missing('full_data', missing)}"
        columns = [Column("table"), Column("rows", "integer"), Column("days", "integer")]
        return Table.of("tables", columns, rows, title)

    def _row(self, name: str) -> tuple[str, int | None, int | None]:
        """Return a table, its rows, and its number of days; None for what the log does not say, or has no days."""
        files = self.files(name)
        days = len({file.day for file in files}) if TABLES[name].by_day else None
        if TABLES[name].undated:
            files += [file for file in self.tables.data_files(name) if file.day is None]
        counts = [file.rows for file in files if file.rows is not None]
        return name, sum(counts) if len(counts) == len(files) else None, days


def open(  # noqa: A001 - as `techco.open`
    storage: str | None = None,
    period: str | Period | None = None,
    *,
    engine: str | None = None,
    access: Access | None = None,
    pii: Pii | None = None,
    refresh: bool | None = None,
    spark_conf: Mapping[str, str] | None = None,
) -> Explorer:
    """Open a shop to look into it.

    Without anything given it is the sample shop in August 2023, which is made, ingested and joined if it is not yet.

    Parameters
    ----------
    storage
        A local folder, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net[/PREFIX]`, or `sample`; None takes it from the
        settings, else the sample.
    period
        A `Period`, or text such as `2023`, `2023-Q3`, `2023-08`, `2023-W31`, `last-month` or
        `2023-08-01..2023-08-15`, both ends included; only the sample shop needs none.
    engine
        Where the Spark code runs, as `open_shop` has it; None takes it from the settings.
    access, pii, refresh, spark_conf
        As `open_shop` has them.

    Raises
    ------
    ParameterError, StorageError, EngineError
        As `open_shop`; a `ParameterError` also when a shop needs a period.
    """
    from techco.settings import load_settings

    settings = load_settings()
    storage = storage or settings.storage or SAMPLE
    if period is None and storage != SAMPLE:
        shown = without_credentials(storage)
        raise ParameterError(
            f'No period is given for the shop {shown}. Say which days: techco.open("{shown}", "2023-08").'
        )
    shop = open_shop(
        storage,
        period or SAMPLE_PERIOD,
        engine=engine or settings.engine,
        access=access,
        pii=pii,
        refresh=refresh,
        spark_conf=spark_conf,
    )
    explorer = Explorer(**vars(shop))
    if not shop.state.file:  # by hand it answers as the tables are at that time
        explorer = replace(explorer, state=State(fixed=False))
    if shop.storage.is_sample:
        explorer.ingest()
        explorer.join()
    return explorer
