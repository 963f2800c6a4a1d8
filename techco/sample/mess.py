"""Places the inconsistencies of web logs among the well-formed ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np

from techco.contract import LogReason
from techco.sample import odd_logs
from techco.sample.odd_logs import ABSENT, ALL_ACTIONS, OTHER_ACTIONS, Changes, Log
from techco.sample.randomness import permutation, stream
from techco.sample.spec import SampleSpec
from techco.sample.tables import STRANGERS
from techco.sample.tally import ACCEPTED, DUPLICATE, OUTSIDE, RawTables
from techco.sample.traffic import ACTIONS, Chunk, Logs


@dataclass(frozen=True)
class OddLog:
    """One record that stands before the well-formed log at position `anchor` of its chunk.

    Attributes
    ----------
    record
        A JSON object, or text that is none.
    day
        Day of its timestamp if that lies in the period, else None.
    outcome
        `ACCEPTED`, `DUPLICATE`, `OUTSIDE` or the reason for quarantine.
    meaning
        What the tables must show of an accepted log.
    """

    anchor: int
    record: dict[str, Any] | str
    day: date | None
    outcome: str
    meaning: Log | None = None

    @property
    def ascii_only(self) -> bool:
        """Every other record is written with escapes instead of letters beyond ASCII."""
        return self.anchor % 2 == 0


class OddLogMaker:
    """Makes the odd logs of a shop, chunk by chunk; their ids follow those of the well-formed logs."""

    def __init__(self, spec: SampleSpec, shop: RawTables) -> None:
        self._spec, self._shop = spec, shop
        self._rng = stream(spec.seed, "odd logs")
        self._ids = itertools.count(spec.logs + 1)
        self._turn = itertools.count()

    def odd_logs(self, chunk: Chunk) -> list[OddLog]:
        """Make every inconsistency as often as is due in this chunk, in order of their anchors.

        A broken record always has well-formed ones on both sides.
        """
        total, first, size = self._spec.rounds(self._spec.logs), chunk.first_id - 1, len(chunk.logs)
        rounds = total * (first + size) // self._spec.logs - total * first // self._spec.logs
        self._chunk, self._found = chunk, list[OddLog]()
        order = permutation(self._rng, size).tolist()
        # Conflicts come first: no two of them may be about the same well-formed log.
        self._anchors = itertools.cycle(order)
        for case in (self._conflicts_with_usual, self._pairs, self._accepted, self._faults, self._outside):
            for _ in range(rounds):
                case()
        broken = self._broken(iter(order), rounds)
        return sorted([*self._found, *broken], key=lambda odd: (odd.anchor, isinstance(odd.record, str)))

    def _put(self, outcome: str, log: Log, changes: Changes | None = None, anchor: int | None = None) -> None:
        """Add a record; without an anchor it comes anywhere in the chunk."""
        record = log.record(changes or {})
        dated = outcome not in (OUTSIDE, LogReason.TIMESTAMP)
        place = next(self._anchors) if anchor is None else anchor
        meaning = log if outcome == ACCEPTED else None
        self._found.append(OddLog(place, record, log.time.date() if dated else None, outcome, meaning))

    def _usual(self) -> tuple[int, Log]:
        """Return the next well-formed log and its position."""
        at, logs = next(self._anchors), self._chunk.logs
        start = datetime.combine(self._spec.start_date, time())
        moment = start + timedelta(days=int(logs.day[at]), seconds=int(self._chunk.second[at]))
        return at, Log(
            self._chunk.first_id + at,
            moment,
            int(logs.customer[at]),
            int(logs.product[at]),
            ACTIONS[int(logs.action[at])],
            int(logs.quantity[at]) or None,
        )

    def _fresh(self, **changes: Any) -> tuple[int, Log]:
        """Make a valid log with an id of its own, like the next well-formed one but put into the cart."""
        at, log = self._usual()
        usual: dict[str, Any] = {"log_id": next(self._ids), "action": "add_to_cart", "quantity": log.quantity or 2}
        return at, replace(log, **(usual | changes))

    def _conflicts_with_usual(self) -> None:
        at, log = self._usual()
        self._put(LogReason.CONFLICT, replace(log, quantity=(log.quantity or 0) + 1), anchor=at)
        _, log = self._usual()
        loser = replace(log, time=self._later(log.time), quantity=(log.quantity or 0) + 1)
        self._put(LogReason.CONFLICT, loser)
        self._put(DUPLICATE, loser, odd_logs.WRITINGS[3](loser))

    def _later(self, moment: datetime) -> datetime:
        """Return a moment after the given one, most often on another day of the period."""
        last = datetime.combine(self._spec.end_date, time(23, 59, 59))
        return max(moment, min(moment + timedelta(days=1, seconds=1), last))

    def _pairs(self) -> None:
        at, log = self._usual()
        self._put(DUPLICATE, log, anchor=at)
        self._put(DUPLICATE, log, odd_logs.WRITINGS[next(self._turn) % len(odd_logs.WRITINGS)](log))
        self._put(OUTSIDE, log, {"timestamp": f"{self._spec.end_date + timedelta(days=1)} 00:00:00"})
        self._put(LogReason.ACTION, log, {"action": None})
        at, log = self._fresh()
        self._put(ACCEPTED, log, {"customer_id": f"cust{log.customer}"}, at)
        self._put(DUPLICATE, log, {"action": " Add_To_Cart"})
        self._put(DUPLICATE, log, {"browser": "Firefox"})
        at, log = self._fresh(customer=None)
        self._put(LogReason.CONFLICT, replace(log, customer=1))
        self._put(ACCEPTED, log, {}, at)
        at, log = self._fresh(product=10)
        self._put(LogReason.CONFLICT, log)
        self._put(ACCEPTED, replace(log, product=9), {}, at)
        self._put(LogReason.CONFLICT, replace(log, product=9, action="view"))
        self._put(LogReason.CONFLICT, replace(log, product=9, quantity=(log.quantity or 0) + 1))

    def _accepted(self) -> None:
        for writing in odd_logs.WRITINGS:
            at, log = self._fresh(action=ACTIONS[next(self._turn) % 3])
            self._put(ACCEPTED, log, writing(log), at)
        turn = next(self._turn)
        none = dict.fromkeys(("customer_id", "product_id", "quantity"), ABSENT)
        self._put_fresh(none, customer=None, product=None, action="view", quantity=None)
        self._put_fresh(customer=None, action="purchase")
        self._put_fresh(quantity=None)
        for action in OTHER_ACTIONS:
            self._put_fresh(action=action)
        self._put_fresh(customer=None, product=None, action=OTHER_ACTIONS[0], quantity=None)
        for action in ("purchase", "view"):
            for product in (0, 1000, self._shop.unpriced_product):
                self._put_fresh(action=action, product=product)
            extra = self._shop.extra_products
            self._put_fresh(action=action, product=extra[turn % len(extra)])
            self._put_fresh(action=action, customer=len(self._shop.customers) - 1 - turn % STRANGERS)
        self._edges()

    def _put_fresh(self, written: Changes | None = None, **meaning: Any) -> None:
        at, log = self._fresh(**meaning)
        self._put(ACCEPTED, log, written, at)

    def _edges(self) -> None:
        first, last = self._spec.start_date, self._spec.end_date
        self._put_fresh(time=datetime.combine(first, time()))
        self._put_fresh(time=datetime.combine(last, time(23, 59, 59, 999_999)))
        self._put_fresh({"timestamp": f"{last}T23:30:00-05:00"}, time=datetime.combine(last, time(23, 30)))
        self._put_fresh({"timestamp": f"{first}T00:30:00+02:00"}, time=datetime.combine(first, time(0, 30)))

    def _faults(self) -> None:
        for reason, changes in odd_logs.FAULTS:
            at, log = self._fresh()
            self._put(reason, log, changes, at)

    def _outside(self) -> None:
        before, after = self._spec.start_date - timedelta(days=1), self._spec.end_date + timedelta(days=1)
        for faults in odd_logs.OUTSIDE_FAULTS:
            long_ago = before - timedelta(days=9000)
            for moment in (
                f"{before} 23:59:59",
                f"{after}T00:00:00",
                f"{after}T00:30:00+02:00",
                f"{long_ago} 12:00:00",
            ):
                at, log = self._fresh()
                self._put(OUTSIDE, log, faults | {"timestamp": moment}, at)

    def _broken(self, places: Iterator[int], rounds: int) -> Iterator[OddLog]:
        for _ in range(rounds):
            for text in odd_logs.broken_texts(next(self._ids), line_breaks=self._spec.form != "compact"):
                yield OddLog(next(places), text, None, LogReason.NOT_JSON)


def meanings(odd: list[OddLog], spec: SampleSpec) -> Logs:
    """Return the accepted ones of the odd logs as arrays."""
    logs = [one.meaning for one in odd if one.meaning]
    rows = [
        (
            (log.time.date() - spec.start_date).days,
            log.customer or 0,
            -1 if log.product is None else log.product,
            ALL_ACTIONS.index(log.action),
            log.quantity or 0,
        )
        for log in logs
    ]
    day, customer, product, action, quantity = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return Logs(day, customer, product, action, quantity)
