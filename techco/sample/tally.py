"""Counts what becomes of each record while it is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from techco.sample.expected import Expected, Row
from techco.sample.randomness import Bools, Ints
from techco.sample.spec import SampleSpec
from techco.sample.traffic import PURCHASE, Logs

TOP = 1000
ACCEPTED, DUPLICATE, OUTSIDE = "accepted", "duplicates", "outside_period"


@dataclass(frozen=True)
class Product:
    """A product as the table must show it; the price in cents."""

    product_id: int
    name: str | None
    category: str | None
    cents: int


@dataclass
class Outcomes:
    """How many records of a raw file came to which end: `ACCEPTED`, `DUPLICATE`, `OUTSIDE` or a reason."""

    counts: Counter[str] = field(default_factory=Counter)

    def summary(self, *, periods: bool) -> dict[str, int]:
        """Count records read, accepted, duplicates, quarantined and, with `periods`, outside the period."""
        ends = {ACCEPTED: self.counts[ACCEPTED], DUPLICATE: self.counts[DUPLICATE]}
        ends["quarantined"] = sum(self.reasons(()).values())
        if periods:
            ends[OUTSIDE] = self.counts[OUTSIDE]
        return {"read": self.counts.total(), **ends}

    def reasons(self, order: tuple[str, ...]) -> dict[str, int]:
        """Count quarantined records by reason, first those in `order`."""
        found = {str(name): n for name, n in self.counts.items() if name not in (ACCEPTED, DUPLICATE, OUTSIDE)}
        return {name: found[name] for name in (*(n for n in order if n in found), *found)}


@dataclass(frozen=True)
class RawTables:
    """What the two small raw files hold.

    Attributes
    ----------
    products
        Accepted products by id.
    customers
        Accepted customers: True at their number, as long as the greatest number that a log may name, plus one.
    extra_products
        Ids of accepted products that only a messy shop has.
    unpriced_product
        Id of a quarantined product, 0 if there is none.
    customer_outcomes, product_outcomes
        What became of the rows.
    """

    products: dict[int, Product]
    customers: Bools
    extra_products: list[int]
    unpriced_product: int
    customer_outcomes: Outcomes
    product_outcomes: Outcomes


class Tally:
    """Running sums over the accepted logs; their size depends on the shop and the period, not on the logs."""

    def __init__(self, spec: SampleSpec, shop: RawTables, actions: tuple[str, ...]) -> None:
        self.spec, self.shop, self.actions = spec, shop, actions
        self.outcomes = Outcomes()
        slots = max([1000, *shop.products, shop.unpriced_product]) + 1
        # The last slot is the one that index -1, "no product", finds.
        self.price = np.full(slots + 1, -1, dtype=np.int64)
        for product in shop.products.values():
            self.price[product.product_id] = product.cents
        self.product_quantity = np.zeros(slots, dtype=np.int64)
        people = len(shop.customers)
        self.spent = np.zeros((3, people), dtype=np.int64)  # purchases, quantity, cents
        self.seen = np.zeros((len(actions), people), dtype=np.bool_)
        self.counts = np.zeros(len(actions), dtype=np.int64)
        self.by_day = np.zeros((2, spec.period.days), dtype=np.int64)  # logs, cents
        self.unknown: Counter[str] = Counter()

    def accept(self, logs: Logs) -> None:
        """Add accepted logs."""
        self.outcomes.counts[ACCEPTED] += len(logs)
        np.add.at(self.counts, logs.action, 1)
        np.add.at(self.by_day[0], logs.day, 1)
        self.seen[logs.action, logs.customer] = True
        price = self.price[logs.product]
        bought = logs.action == PURCHASE
        self._count_unknown(logs, price, bought)
        sold = bought & (price >= 0)
        quantity, customer = logs.quantity[sold], logs.customer[sold]
        cents = price[sold] * quantity
        np.add.at(self.product_quantity, logs.product[sold], quantity)
        np.add.at(self.by_day[1], logs.day[sold], cents)
        for sums, amount in zip(self.spent, (np.ones_like(cents), quantity, cents), strict=True):
            np.add.at(sums, customer, amount)

    def _count_unknown(self, logs: Logs, price: Ints, bought: Bools) -> None:
        missing = (logs.product >= 0) & (price < 0)
        self.unknown["product_logs"] += int(missing.sum())
        self.unknown["product_purchases"] += int((missing & bought).sum())
        self.unknown["customer_logs"] += int(((logs.customer > 0) & ~self.shop.customers[logs.customer]).sum())

    def expected(self, reasons: tuple[str, ...], source_reasons: tuple[str, ...]) -> Expected:
        """Return the figures after the last log; reasons are listed in the given order."""
        sources = {"customers": self.shop.customer_outcomes, "products": self.shop.product_outcomes}
        return Expected(
            records=self.outcomes.summary(periods=True),
            quarantine=self.outcomes.reasons(reasons),
            sources={name: outcomes.summary(periods=False) for name, outcomes in sources.items()},
            source_quarantine={name: outcomes.reasons(source_reasons) for name, outcomes in sources.items()},
            total_sales=_money(int(self.by_day[1].sum())),
            unique_customers=int(self.seen[:, 1:].any(axis=0).sum()),
            action_frequency=self._action_frequency(),
            unique_customers_by_action=self._unique_customers(),
            sales_by_category=self._sales_by_category(),
            sales_by_day=self._sales_by_day(),
            sales_by_product=self._sales_by_product(),
            spend_by_customer=self._spend_by_customer(),
            unknown_product_logs=self.unknown["product_logs"],
            unknown_product_purchases=self.unknown["product_purchases"],
            unknown_customer_logs=self.unknown["customer_logs"],
        )

    def _action_frequency(self) -> list[Row]:
        counted = [(action, int(n)) for action, n in zip(self.actions, self.counts, strict=True) if n]
        return [{"action": action, "count": n} for action, n in sorted(counted, key=lambda row: (-row[1], row[0]))]

    def _unique_customers(self) -> list[Row]:
        everyone = int(self.seen[:, 1:].any(axis=0).sum())
        each = self.seen[:, 1:].sum(axis=1)
        counted = [(a, int(u)) for a, u, n in zip(self.actions, each, self.counts, strict=True) if n]
        rows = [("all", everyone), *sorted(counted, key=lambda row: (-row[1], row[0]))]
        return [{"action": action, "unique_customers": n} for action, n in rows]

    def _sold(self) -> list[tuple[int, int, Product]]:
        """Return cents, quantity and product, highest first."""
        sold = [(int(n), self.shop.products[i]) for i, n in enumerate(self.product_quantity) if n]
        return sorted(((p.cents * n, n, p) for n, p in sold), key=lambda row: (-row[0], row[2].product_id))

    def _sales_by_product(self) -> list[Row]:
        return [
            {
                "product_id": product.product_id,
                "product_name": product.name,
                "category": product.category,
                "quantity": quantity,
                "sales": _money(cents),
            }
            for cents, quantity, product in self._sold()[:TOP]
        ]

    def _sales_by_category(self) -> list[Row]:
        sums: Counter[str | None] = Counter()
        for cents, _, product in self._sold():
            sums[product.category] += cents
        ordered = sorted(sums.items(), key=lambda row: (-row[1], row[0] or ""))
        return [{"category": category, "sales": _money(cents)} for category, cents in ordered]

    def _sales_by_day(self) -> list[Row]:
        first = self.spec.period.first
        logs, cents = self.by_day.tolist()
        return [
            {"event_date": (first + timedelta(days=n)).isoformat(), "sales": _money(cents[n])}
            for n in range(len(logs))
            if logs[n]
        ]

    def _spend_by_customer(self) -> list[Row]:
        purchases, quantity, cents = self.spent
        buyers = np.flatnonzero(purchases)
        ordered = buyers[
            np.lexsort((buyers, -cents[buyers], buyers > 0))
        ]  # anonymous ones, number 0, are among the top
        highest = sorted(ordered[:TOP].tolist(), key=lambda number: (-cents[number], number == 0, number))
        return [
            {
                "customer_id": number or None,
                "purchases": int(purchases[number]),
                "quantity": int(quantity[number]),
                "sales": _money(int(cents[number])),
            }
            for number in highest
        ]


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
