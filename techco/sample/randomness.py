"""Random numbers that depend on the seed alone.

Only uniform numbers are drawn and all else is made from them by comparison and plain arithmetic: NumPy promises the
bit stream of `PCG64`, not what its distributions make of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CHUNK = 20_000
"""Records made at once: what bounds the memory."""

_STREAMS = {"logs": 0, "odd logs": 1, "customers": 2, "products": 3}


def stream(seed: int, name: Literal["logs", "odd logs", "customers", "products"]) -> np.random.Generator:
    """Make random numbers of their own for each part, so that one part does not change another."""
    return np.random.Generator(np.random.PCG64([seed, _STREAMS[name]]))


def draw(rng: np.random.Generator, cumulative: Floats, size: int) -> Ints:
    """Draw indices by weight; `cumulative` is the running sum of the weights."""
    found: Ints = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right").astype(np.int64)
    return found.clip(max=len(cumulative) - 1)


def integers(rng: np.random.Generator, stop: int, size: int) -> Ints:
    """Draw whole numbers from 0 to `stop` - 1, each as likely as the other."""
    return np.minimum((rng.random(size) * stop).astype(np.int64), stop - 1)


def permutation(rng: np.random.Generator, size: int) -> Ints:
    """Return the numbers from 0 to `size` - 1 in random order."""
    return np.argsort(rng.random(size), kind="stable").astype(np.int64)


def chunks(total: int) -> Iterator[tuple[int, int]]:
    """Cut `total` records into pieces of nearly equal length, at most `CHUNK`: first (from 0) and end of each."""
    pieces = -(-total // CHUNK)
    return ((total * n // pieces, total * (n + 1) // pieces) for n in range(pieces))
