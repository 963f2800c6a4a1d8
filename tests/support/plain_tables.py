"""What the tables of a shop must hold after each step of a run, in plain Python, and which runs must be refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

from tests.support.plain_shop import (
    Customer,
    Judged,
    Log,
    Product,
    RawShop,
    Record,
    judge_customers,
    judge_logs,
    judge_products,
)
from tests.support.plain_words import span


class Refused(Exception):
    """Raised where a step must fail; the text is part of what it must say."""


@dataclass(frozen=True)
class Days:
    """A period: first and last day, both included."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(n) for n in range(len(self)))

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def before(self) -> Days:
        """Return the period of the same length that ends the day before."""
        return Days(self.first - timedelta(len(self)), self.first - timedelta(1))

    def shared_with(self, other: Days) -> Days | None:
        """Return the days of both."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Days(first, last) if first <= last else None


@dataclass(frozen=True)
class Joined:
    """A web log with its customer and its product, as they were known when it was joined."""

    log: Log
    customer: Customer | None
    product: Product | None

    @property
    def price(self) -> Decimal | None:
        """The price of a known product."""
        return self.product.price if self.product else None

    @property
    def sales(self) -> Decimal | None:
        """What a purchase of a known product sold."""
        if self.log.action != "purchase" or not self.product:
            return None
        return self.product.price * (self.log.quantity or 0)


@dataclass(frozen=True)
class Tables:
    """The tables at one moment; those by day have each day that was written, with rows or without."""

    customers: Mapping[int, Customer] | None = None
    products: Mapping[int, Product] | None = None
    web_logs: Mapping[date, tuple[Log, ...]] = field(default_factory=dict)
    quarantine: Mapping[date | None, Mapping[str, int]] = field(default_factory=dict)
    """How many records of each raw file are refused; None stands for those without a day."""
    full_data: Mapping[date, tuple[Joined, ...]] = field(default_factory=dict)


@dataclass
class Ingested:
    """What an ingest of a run must say; `sizes` has the bytes of each raw file that it reads."""

    logs: Judged
    customers: Judged
    products: Judged
    days_in_files: tuple[date, ...] | None
    sizes: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Analysed:
    """What an analysis of a run must speak of.

    Attributes
    ----------
    before
        The rows of the period before, None if a day of it is not in the tables.
    missing_before
        Those days, and `days_in_files` what is known of the files: None if nothing is, empty if they have no day.
    refused
        Of each raw file how many records were refused of how many, if this run has no ingest that tells it.
    """

    rows: list[Joined]
    nameless: frozenset[int]
    before: list[Joined] | None
    missing_before: list[date]
    days_in_files: tuple[date, ...] | None
    refused: list[tuple[int, int]]


@dataclass
class PlainRun:
    """A run: what it was asked for, which tables it speaks of, and what its steps must say."""

    period: Days
    steps: tuple[str, ...]
    compare: bool = True
    pinned: dict[str, object] = field(default_factory=dict)
    ingested: Ingested | None = None
    joined: list[Joined] | None = None
    analysed: Analysed | None = None
    done: list[str] = field(default_factory=list)
    refusal: str | None = None

    def begin(self) -> None:
        """Begin, or go on after a failure: what was read counts only as long as a step has completed."""
        self.refusal = None
        if not self.done:
            self.pinned.clear()

    @property
    def left(self) -> list[str]:
        """The steps that have not completed."""
        return [step for step in self.steps if step not in self.done]


class PlainShop:
    """The raw files and the tables of a shop; runs do to them what they must do to the real ones."""

    def __init__(self, raw: RawShop) -> None:
        self.raw = raw
        self.tables = Tables()
        self.noted: tuple[Record, ...] | None = None
        """The web logs of which it is known which days they have."""
        self.fresh: set[Days] = set()
        """The periods of which full_data was made from the tables as they are."""

    def copy(self) -> PlainShop:
        """Return the shop to try something on."""
        other = PlainShop(self.raw)
        other.tables, other.noted, other.fresh = self.tables, self.noted, set(self.fresh)
        return other

    def change(self, raw: RawShop) -> None:
        """Replace the raw files."""
        self.raw = raw
        self.fresh.clear()

    def step(self, run: PlainRun, name: str, *, reused: bool) -> None:
        """Do a step of a run.

        Parameters
        ----------
        reused
            Whether the step said that nothing was to be done.

        Raises
        ------
        Refused
            When it must fail.
        """
        if name == "ingest":
            self._ingest(run, reused)
        elif name == "join":
            self._join(run, reused)
        else:
            self._analyse(run)

    def ingest_each(self, periods: Sequence[Days], compare: bool, steps: Sequence[str]) -> None:
        """Make the tables of several periods from one reading of the raw files, as far as each can be made."""
        try:
            if "ingest" in steps:
                if self.raw.shape == "days":
                    return
                self._replace_logs(periods, compare)
        except Refused:
            return
        if "join" not in steps:
            return
        have = [one for one in periods if not self._missing("web_logs", one)]
        before = self._unjoined(have, self.tables, compare)
        if have or before:
            self._write_joined([day for one in have for day in one] + before, self.tables)

    def _ingest(self, run: PlainRun, reused: bool) -> None:
        if not reused:
            self.fresh.clear()
        logs, customers, products = self._replace_logs([run.period], run.compare)
        tables = self.tables
        names = ("customers", "products", "web_logs", "quarantine")
        run.pinned = {name: getattr(tables, name) for name in names}
        run.ingested = Ingested(logs[0], customers, products, self._days_in_files() or None)

    def _replace_logs(self, periods: Sequence[Days], compare: bool) -> tuple[list[Judged], Judged, Judged]:
        """Replace the days of the periods and those before them that are not there yet, as far as the files go."""
        raw = self.raw
        first, last = min(one.first for one in periods), max(one.last for one in periods)
        before = self._not_ingested_before(periods) if compare and raw.shape != "days" else []
        files = raw.read_for(first, last)
        records = [record for part in files.values() for record in part]
        if not all(any(isinstance(record, dict) for record in part) for part in files.values()):
            raise Refused("is not JSON: it begins with")
        if raw.shape != "days":
            self.noted = raw.logs
        customers, products = judge_customers(raw.customers), judge_products(raw.products)
        for snapshot in (customers, products):
            if snapshot.read and not snapshot.accepted:
                raise Refused(f"is accepted as {snapshot.source}, so no table was changed.")
        judged = {one: judge_logs(records, one.first, one.last) for one in (*periods, *before)}
        good = {one: found for one, found in judged.items() if not found.is_nothing}
        if not any(one in good for one in periods):
            named = span(periods[0].first, periods[0].last)
            raise Refused(f"Nothing of {named} in ")
        found_logs = judged[periods[0]]  # those without a day are the same for all
        days = {day: [log for log in found.accepted if log.day == day] for one, found in good.items() for day in one}
        undated = {one.source: one.quarantined - one.refused_days.total() for one in (found_logs, customers, products)}
        refused = {day: {"web_logs": found.refused_days[day]} for one, found in good.items() for day in one}
        self.tables = replace(
            self.tables,
            quarantine={**self.tables.quarantine, **refused, None: undated},
            customers={one.number: one for one in customers.accepted},
            products={one.number: one for one in products.accepted},
            web_logs={**self.tables.web_logs, **{day: tuple(logs) for day, logs in days.items()}},
        )
        return [judged[one] for one in periods], customers, products

    def _not_ingested_before(self, periods: Sequence[Days]) -> list[Days]:
        days = {day for one in periods for day in one.before()} - {day for one in periods for day in one}
        found = self.raw.days()
        parts = (one.shared_with(Days(*found)) for one in stretches(days - self.tables.web_logs.keys()) if found)
        return [part for part in parts if part]

    def _days_in_files(self) -> tuple[date, ...] | None:
        """Return what is known of the days in the files; empty if they have none, None if nothing is known."""
        if self.raw.shape == "days" or self.noted is self.raw.logs:
            return self.raw.days() or ()
        return None

    def _join(self, run: PlainRun, reused: bool) -> None:
        now = self.tables
        pinned = replace(
            now,
            customers=run.pinned.get("customers", now.customers),  # type: ignore[arg-type]
            products=run.pinned.get("products", now.products),  # type: ignore[arg-type]
            web_logs=run.pinned.get("web_logs", now.web_logs),  # type: ignore[arg-type]
            full_data=run.pinned.get("full_data", now.full_data),  # type: ignore[arg-type]
        )
        self._require("web_logs", run.period, pinned)
        before = self._unjoined([run.period], pinned, run.compare)
        full_data = pinned.full_data
        if not reused or before:
            days = before if reused else [*run.period, *before]
            self._write_joined(days, pinned)
            full_data = self.tables.full_data
            if not reused:  # for other readers it is made of the newest
                self._write_joined(days, self.tables)
        run.joined = [row for day in run.period for row in _join_day(day, pinned)]
        found = [row for day in run.period for row in full_data.get(day, ())]
        assert sorted(found, key=str) == sorted(run.joined, key=str), "a join was reused that is not of these tables"
        names = ("customers", "products", "web_logs")
        run.pinned = {
            **{name: getattr(pinned, name) for name in names},
            "full_data": full_data,
            "quarantine": run.pinned.get("quarantine", now.quarantine),
        }
        is_newest = all(getattr(pinned, name) is getattr(self.tables, name) for name in names)
        if is_newest:
            self.fresh = {one for one in self.fresh if not one.shared_with(run.period)} | {run.period}

    def _write_joined(self, days: Iterable[date], sources: Tables) -> None:
        written = {day: _join_day(day, sources) for day in days}
        self.tables = replace(self.tables, full_data={**self.tables.full_data, **written})

    def _unjoined(self, periods: Sequence[Days], tables: Tables, compare: bool) -> list[date]:
        """Return the days before some periods that are ingested, but not joined."""
        if not compare:
            return []
        days = {day for one in periods for day in one.before()} - {day for one in periods for day in one}
        return sorted(day for day in days if day not in tables.full_data and day in tables.web_logs)

    def _analyse(self, run: PlainRun) -> None:
        full_data = run.pinned.get("full_data", self.tables.full_data)
        customers = run.pinned.get("customers", self.tables.customers)
        assert isinstance(full_data, dict)
        if "ingest" in run.steps and "join" not in run.steps and not self._is_joined_as_ingested(run, full_data):
            raise Refused("was not made from what this run has ingested. Run all steps:")
        self._require("full_data", run.period, replace(self.tables, full_data=full_data))
        assert isinstance(customers, dict)
        refused = [] if "ingest" in run.steps else self._refused(run)
        run.pinned |= {"full_data": full_data, "customers": customers}
        before = run.period.before()
        missing = [day for day in before if day not in full_data]
        run.analysed = Analysed(
            [row for day in run.period for row in full_data[day]],
            frozenset(number for number, one in customers.items() if one.is_nameless),
            None if missing else [row for day in before for row in full_data[day]],
            missing,
            self._days_in_files(),
            refused,
        )

    def _refused(self, run: PlainRun) -> list[tuple[int, int]]:
        """Return how many records of each raw file were refused of how many that the tables hold of the period."""
        tables = replace(self.tables, **{name: table for name, table in run.pinned.items() if name != "full_data"})  # type: ignore[arg-type] # fmt: skip
        counts = {"web_logs": sum(len(tables.web_logs[day]) for day in run.period)}
        counts |= {"customers": len(tables.customers or {}), "products": len(tables.products or {})}
        parts = [tables.quarantine[day] for day in (*run.period, None)]
        refused = {source: sum(part.get(source, 0) for part in parts) for source in counts}
        return [(number, number + counts[source]) for source, number in refused.items()]

    def _is_joined_as_ingested(self, run: PlainRun, full_data: Mapping[date, tuple[Joined, ...]]) -> bool:
        """Return whether the rows of full_data are those that a join of what was ingested would make."""
        sources = replace(self.tables, **run.pinned)  # type: ignore[arg-type]
        return all(full_data.get(day) == _join_day(day, sources) for day in run.period)

    def _missing(self, table: str, days: Iterable[date], tables: Tables | None = None) -> list[date]:
        there = getattr(tables or self.tables, table)
        return [day for day in days if day not in there]

    def _require(self, table: str, period: Days, tables: Tables) -> None:
        missing = self._missing(table, period, tables)
        if not missing:
            return
        is_only_joined = table == "full_data" and not self._missing("web_logs", missing, tables)
        done, named = "joined" if is_only_joined else "ingested", span(period.first, period.last)
        if len(missing) == len(period):
            raise Refused(f"{named} is not {done} in ")
        verb = "is" if len(missing) == 1 else "are"
        raise Refused(f"{len(missing)} of the {len(period)} days of {named} {verb} not {done} in ")


def stretches(days: Iterable[date]) -> list[Days]:
    """Join days that follow each other."""
    found: list[Days] = []
    for day in sorted(days):
        if found and day == found[-1].last + timedelta(1):
            found[-1] = Days(found[-1].first, day)
        else:
            found.append(Days(day, day))
    return found


def _join_day(day: date, tables: Tables) -> tuple[Joined, ...]:
    customers, products = tables.customers or {}, tables.products or {}
    return tuple(
        Joined(log, customers.get(log.customer or -1), products.get(log.product or -1))
        for log in tables.web_logs.get(day, ())
    )
