"""Well-formed web logs of a shop that looks alive: busy weekends and evenings, a slow growth, favourites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from techco.sample.randomness import Floats, Ints, chunks, draw, permutation, stream
from techco.sample.spec import SampleSpec

ACTIONS = ("view", "add_to_cart", "purchase")
VIEW, ADD_TO_CART, PURCHASE = range(3)
MAX_QUANTITY = 10

_SHARES = np.cumsum([0.70, 0.20, 0.10])
_QUANTITIES = np.cumsum([1 / n for n in range(1, MAX_QUANTITY + 1)])
_WEEKDAYS = (0.90, 0.88, 0.92, 0.97, 1.12, 1.45, 1.35)
_HOURS = (4, 2, 1, 1, 1, 2, 5, 10, 16, 20, 23, 26, 30, 27, 24, 24, 26, 30, 37, 45, 48, 40, 25, 12)
_GROWTH = 0.25


@dataclass(frozen=True)
class Logs:
    """Accepted logs as arrays of one length.

    Attributes
    ----------
    day
        Days since the first of the period.
    customer
        Number of the customer, 0 for anonymous visitors.
    product
        Number of the product, -1 where there is none.
    action
        Index into the names of the actions.
    quantity
        0 where there is none.
    """

    day: Ints
    customer: Ints
    product: Ints
    action: Ints
    quantity: Ints

    def __len__(self) -> int:
        return len(self.day)


@dataclass(frozen=True)
class Chunk:
    """Logs with consecutive ids from `first_id` on, in order of time; `second` is the second of the day."""

    first_id: int
    second: Ints
    logs: Logs

    def days(self) -> Iterator[tuple[int, int, int]]:
        """Yield the stretches of one day each: the day, first and end position."""
        cuts = [0, *(np.flatnonzero(np.diff(self.logs.day)) + 1).tolist(), len(self.logs)]
        return ((int(self.logs.day[a]), a, b) for a, b in pairwise(cuts))


def well_formed_logs(spec: SampleSpec) -> Iterator[Chunk]:
    """Make the logs piece by piece, ids from 1 on.

    Returns
    -------
    Iterator of Chunk
        Every log has a customer and a product of the shop, views have no quantity.
    """
    rng = stream(spec.seed, "logs")
    hours = _busy_hours(spec, rng)
    customers, customer_weights = _favourites(rng, spec.customers, 0.05)
    products, product_weights = _favourites(rng, spec.products, 0.2)
    for first, end in chunks(spec.logs):
        size = end - first
        # One log in each of as many slices of the total weight: in order of time without sorting all of them.
        day, second = _moments(hours, (np.arange(first, end) + rng.random(size)) / spec.logs)
        action = draw(rng, _SHARES, size)
        quantity = np.where(action == VIEW, 0, draw(rng, _QUANTITIES, size) + 1)
        customer = customers[draw(rng, customer_weights, size)]
        product = products[draw(rng, product_weights, size)]
        yield Chunk(first + 1, second, Logs(day, customer, product, action, quantity))


def _busy_hours(spec: SampleSpec, rng: np.random.Generator) -> Floats:
    """Return the running sum of the weight of each hour of the period."""
    jitter = (0.85 + 0.3 * rng.random(spec.period.days)).tolist()
    days = [
        _WEEKDAYS[day.weekday()] * (1 + _GROWTH * n / spec.period.days) * jitter[n] for n, day in enumerate(spec.period)
    ]
    return np.cumsum(np.outer(days, _HOURS).ravel())


def _moments(hours: Floats, fraction: Floats) -> tuple[Ints, Ints]:
    """Return day and second of the day where the given fraction of all weight is reached."""
    reached = fraction * hours[-1]
    hour = np.minimum(np.searchsorted(hours, reached, side="right"), len(hours) - 1)
    before = np.where(hour > 0, hours[hour - 1], 0.0)
    second = ((reached - before) / (hours[hour] - before) * 3600).astype(np.int64)
    return (hour // 24).astype(np.int64), hour % 24 * 3600 + np.minimum(second, 3599)


def _favourites(rng: np.random.Generator, size: int, flatness: float) -> tuple[Ints, Floats]:
    """Return numbers from 1 to `size` in order of popularity, and the running sum of their weights."""
    weights = 1.0 / (np.arange(size) + 1 + flatness * size)
    return permutation(rng, size) + 1, np.cumsum(weights)
