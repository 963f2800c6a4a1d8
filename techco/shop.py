"""A shop opened for a period: its tables as attributes and as SQL views."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Self

from pyspark.errors import PySparkException

from techco.contract import TABLES
from techco.display.shown import Figures, Shown
from techco.display.wording import date_ranges, span
from techco.engines.names import parse_engine
from techco.engines.session import open_session
from techco.errors import NotIngested, TableError
from techco.period import Period, stretches
from techco.redact import Pii, check_pii
from techco.settings import load_settings
from techco.storage.access import Access
from techco.storage.base import TABLES_FOLDER, Storage
from techco.storage.open import open_storage
from techco.system.fingerprint import code_fingerprint
from techco.tables.data_files import DataFile
from techco.tables.receipts import data_files_digest
from techco.tables.scratch import Scratch
from techco.tables.state import State, open_state
from techco.tables.stored_files import damaged
from techco.tables.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_BY_JOIN = ("full_data", "product_sales")


@dataclass(frozen=True, repr=False)
class Shop:
    """A storage, a period and the session that reads it.

    The tables by day show the days of the period only. Each is also a temporary view of the same name, as long as the
    table exists: `shop.spark.sql("SELECT count(*) FROM full_data")`. `pii` says whether what the steps show hides
    personal data; the tables hold it either way. With `refresh` steps do their work even if nothing has changed.
    `access` is how the storage was opened; of `days_around` days before and after the period an ingest reads folders.
    With `compare` ingest and join bring the period before into the tables as well, if it is not there.
    `state` says in which version each table is read, whatever others write meanwhile; by default as it is now.
    """

    storage: Storage
    period: Period
    spark: SparkSession
    run_id: str
    pii: Pii = "mask"
    engine: str = "sail"
    refresh: bool = False
    access: Access = field(default_factory=Access)
    days_around: int = 0
    compare: bool = False
    state: State = field(default_factory=lambda: State(fixed=False), compare=False)

    @property
    def tables(self) -> Tables:
        """Reads and writes whole tables."""
        return Tables(self.spark, self.storage, self.state)

    def at_one_state(self) -> Self:
        """Return this shop so that each table is read in one version from now on."""
        return self if self.state.fixed else replace(self, state=State(storage=self.storage.url))

    def begin_step(self, *, first: bool = False) -> Self:
        """Return this shop for a step: at the state that the steps of its run before have left, else at that of now.

        Parameters
        ----------
        first
            Whether this is where a run begins, whatever was read before.
        """
        shop = self.at_one_state()
        if first or not shop.state.file:
            shop.state.clear()
        return shop

    def keep_state(self, *, read: Sequence[str] = (), made: Sequence[str] = ()) -> None:
        """Keep for the next steps of a run which versions of these tables it speaks of; by hand nothing is kept."""
        state = self.state
        for name in set(read).difference(state.made):
            state.data_files[name] = data_files_digest(name, self.tables.data_files(name), self.period)
        state.made.extend(made)
        state.code = code_fingerprint()
        state.save([*read, *made])

    @property
    def brings_what_is_missing(self) -> bool:
        """Whether join and analysis do the steps before them for missing days: by hand, and always on the sample shop.

        In a run they do not, as its user has chosen the steps.
        """
        return not self.state.file or self.storage.is_sample

    def days_to_compare(self, name: str, periods: Sequence[Period]) -> list[Period]:
        """Return the days before each of some periods that a table by day lacks, without those of the periods."""
        if not self.compare:
            return []
        before = {day for one in periods if (earlier := one.before()) for day in earlier}
        return stretches(self.tables.missing_days(name, before.difference(*periods)))

    def spanning(self, periods: Sequence[Period]) -> Shop:
        """Return the same shop for the shortest period that has all of these."""
        return replace(self, period=Period(min(one.first for one in periods), max(one.last for one in periods)))

    def table(self, name: str) -> DataFrame:
        """Read one table, of those by day the period.

        Raises
        ------
        NotIngested
            When it is not there yet, or lacks a day of the period; names the days and the command that brings them.
        """
        try:
            return self._read(name)
        except NotIngested as error:
            raise NotIngested(self.describe_missing(name, error.days), error.days) from None

    def _read(self, name: str) -> DataFrame:
        return self.tables.read(name, self.period if TABLES[name].by_day else None)

    def describe_missing(self, name: str, days: Sequence[date]) -> str:
        """Say which days a table lacks, and how they are brought into it; no days stand for the whole table."""
        only_join = name in _BY_JOIN and not self.tables.missing_days("web_logs", days)
        done, steps = ("joined", ["--steps", "join,analysis"]) if only_join else ("ingested", [])
        if not days:
            return f"There is no table {name} in {self.storage.url} yet. {self._remedy(steps)}"
        period = span(self.period.first, self.period.last)
        what = f"{len(days):,} of the {self.period.days:,} days of {period} {'is' if len(days) == 1 else 'are'}"
        if len(days) == self.period.days:
            what = f"{period} is"
        which = "" if len(days) == self.period.days else f": {date_ranges(days)}"
        return f"{what} not {done} in {self.storage.url}{which}. {self._remedy(steps)}"

    def _remedy(self, steps: Sequence[str]) -> str:
        """Say how what is missing is brought into the tables: last comes a command that works as printed."""
        return f"Bring this into the tables: {shlex.join([*self.command(), *steps])}"

    def command(self) -> list[str]:
        """Return the words that run all steps for this shop and period from any directory."""
        days = ["--from", str(self.period.first), "--to", str(self.period.last)]
        return ["techco", "run", "--storage", self.storage.url, *days, *self.access.options(), "--engine", self.engine]

    def files(self, name: str) -> list[DataFile]:
        """List the data files of one table, of those by day the period's; none if it is not there yet."""
        files = self.tables.data_files(name)
        return [file for file in files if not TABLES[name].by_day or file.day in self.period]

    def check_files(self, *names: str) -> None:
        """Check that the data files of these tables are as they were written, for a table by day those of the period.

        Raises
        ------
        TableError
            Names the first one that another program has cut, rewritten or removed, and how to make it again.
        """
        for name in names:
            if found := damaged(self.storage, name, self.files(name)):
                raise TableError(self._damage(name, found))

    @property
    def customers(self) -> DataFrame:
        """`customer_id` long (unique), `first_name`, `last_name`, `email`, `phone` string."""
        return self.table("customers")

    @property
    def products(self) -> DataFrame:
        """`product_id` long (unique), `product_name`, `category` string, `price` decimal(12,2)."""
        return self.table("products")

    @property
    def web_logs(self) -> DataFrame:
        """`log_id` long (unique), `event_time`, `event_date`, `customer_id`, `product_id`, `action`, `quantity`."""
        return self.table("web_logs")

    @property
    def quarantine(self) -> DataFrame:
        """The refused records of the period, and those without a day, which belong to every period.

        `event_date` (null without a day), `source`, `reason`, `raw`, `run_id`.
        """
        return self.table("quarantine")

    @property
    def full_data(self) -> DataFrame:
        """The web logs with customer, product and `sales` decimal(22,2), null unless a known product was bought."""
        return self.table("full_data")

    @property
    def product_sales(self) -> DataFrame:
        """`event_date`, `product_id`, `quantity` long, `sales` decimal(32,2), `purchases` long."""
        return self.table("product_sales")

    def _damage(self, name: str, files: list[DataFile]) -> str:
        days = [file.day for file in files if file.day]
        again = Period(min(days), max(days)) if days else self.period
        what = f"{len(files):,} of the data files" if len(files) > 1 else "a data file"
        return (
            f"The table {name} in {self.storage.url} cannot be read as it was written: another program has cut, "
            f"rewritten or removed {what}, first {TABLES_FOLDER}/{name}/{files[0].path}. Make it again from the raw "
            f"files: {shlex.join([*replace(self, period=again).command(), '--refresh'])}"
        )

    def scratch(self) -> Scratch:
        """Make a folder for intermediate results, beside the tables if the engine does not see this machine's files."""
        return Scratch(self.spark, None if parse_engine(self.engine).is_local else self.storage)

    def existing(self) -> list[str]:
        """Names of the tables that have been made."""
        return [name for name in TABLES if self.tables.exists(name)]

    def make_views(self, names: Iterable[str] = TABLES) -> None:
        """Make a temporary view of each table, as it is now; of one that is not there yet there is none."""
        for name in names:
            try:
                self._read(name).createOrReplaceTempView(name)
            except TableError:
                with suppress(PySparkException):  # most have none, but another shop of the session may have made one
                    self.spark.catalog.dropTempView(name)

    def __repr__(self) -> str:
        return repr(self._shown())

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self._shown()._repr_mimebundle_()

    def _shown(self) -> Shown:
        tables = ", ".join(self.existing()) or "none yet"
        return Figures("shop", {"storage": self.storage.url, "period": str(self.period), "tables": tables})


def open_shop(
    storage: str,
    period: str | Period,
    *,
    engine: str = "sail",
    run_id: str = "",
    access: Access | None = None,
    pii: Pii | None = None,
    refresh: bool | None = None,
    compare: bool | None = None,
    spark_conf: Mapping[str, str] | None = None,
) -> Shop:
    """Open a shop for a period; its tables are read as they are now, or as the steps before have left them in a run.

    Parameters
    ----------
    storage
        A local folder, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net[/PREFIX]`, or `sample` for the sample shop,
        which is made when it is used first.
    period
        A `Period`, or text such as `2023`, `2023-Q3`, `2023-08`, `2023-W31`, `2023-08-02` or
        `2023-08-01..2023-08-15`, both ends included.
    engine
        `sail`; `spark`, Apache Spark on this machine; `spark://HOST:PORT`, the master of a standalone Spark cluster; or
        `sc://HOST:PORT`, a Spark Connect server, whose token is in the setting `TECHCO_SPARK_TOKEN`.
    run_id
        Recorded with quarantined records; empty for work by hand.
    access
        How to reach a storage account; None takes it from the settings. The engine keeps the credential that it finds
        now: after an hour with an identity, open the shop again.
    pii
        `mask` to hide personal data in what the steps show, or `show`; None takes it from the settings.
    refresh
        Whether steps do their work even if nothing has changed since they last did; None takes it from the settings.
    compare
        Whether ingest and join bring the period before into the tables as well, if it is not there; None takes it from
        the settings.
    spark_conf
        Settings of Apache Spark; None takes them from the settings. They count when the engine is opened first.

    Raises
    ------
    ParameterError
        When a value is not allowed; names what is.
    StorageError
        When the storage does not exist or cannot be read, or there is no credential for it.
    EngineError
        When the engine does not start or answer, or does not see the storage.
    """
    parse_engine(engine)  # before what takes longer
    settings = load_settings()
    shown = settings.pii if pii is None else check_pii(pii)
    days = period if isinstance(period, Period) else Period.parse(period)
    run_id = run_id or f"by-hand-{datetime.now():%Y%m%dT%H%M%S}"
    way = settings.access if access is None else access
    place = open_storage(storage, way)
    conf = settings.spark_conf_for(engine) if spark_conf is None else spark_conf
    shop = Shop(
        place,
        days,
        open_session(engine, place, conf),
        run_id,
        shown,
        engine,
        settings.refresh if refresh is None else refresh,
        way,
        settings.days_around,
        settings.compare if compare is None else compare,
        open_state(place.url),
    )
    shop.make_views()
    return shop
