"""What the measurements say: medians, and the ratios for which there is a target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.contenders import (
    DUCKDB,
    DUCKDB_STEPS,
    SPARK,
    TECHCO,
    TECHCO_AGAIN,
    TECHCO_DAY,
    TECHCO_DAY_ALONE,
    TECHCO_STEPS,
)
from tests.benchmarks.rounds import Measurement

_TARGETS: dict[tuple[str, str], dict[int, float]] = {
    (TECHCO, DUCKDB): {50_000: 0.8, 5_000_000: 1.0},
    (TECHCO, SPARK): {50_000: 0.06, 5_000_000: 0.12},
    (TECHCO_AGAIN, TECHCO): {5_000_000: 0.3},
    (TECHCO_STEPS, DUCKDB_STEPS): {},
    (TECHCO_DAY, TECHCO_DAY_ALONE): {20_000_000: 1.2},
}
"""Seconds of the first over seconds of the second: at most this, for a number of logs."""

_SMALL, _LARGE = 5_000_000, 20_000_000
_MEMORY_GROWS, _MEMORY_GB = 1.3, 3.0


@dataclass(frozen=True)
class Summary:
    """All runs of a contender on one shop: medians, and the shortest time."""

    logs: int
    contender: str
    runs: int
    median_seconds: float
    min_seconds: float
    median_peak_bytes: float
    median_written_bytes: float


@dataclass(frozen=True)
class Ratio:
    """A figure beside its target, which is the most that it may be; None where there is no target."""

    what: str
    logs: int
    value: float
    target: float | None

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached, None without one."""
        return None if self.target is None else self.value <= self.target


def summarize(measurements: Sequence[Measurement]) -> list[Summary]:
    """Sum up the runs of each contender on each shop, in the order in which they were measured."""
    groups: dict[tuple[int, str], list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.logs, one.contender), []).append(one)
    return [
        Summary(
            logs,
            contender,
            len(runs),
            median(run.seconds for run in runs),
            min(run.seconds for run in runs),
            median(run.peak_bytes for run in runs),
            median(run.written_bytes for run in runs),
        )
        for (logs, contender), runs in groups.items()
    ]


def ratios(summaries: Iterable[Summary]) -> list[Ratio]:
    """Compare medians, those of time on one shop and those of memory on two, as far as all parts were measured."""
    found = {(one.logs, one.contender): one for one in summaries}
    times = [
        Ratio(f"{above} / {below}", logs, _over(found[logs, above].median_seconds, found[logs, below].median_seconds),
              targets.get(logs))
        for logs in dict.fromkeys(logs for logs, _ in found)
        for (above, below), targets in _TARGETS.items()
        if (logs, above) in found and (logs, below) in found
    ]  # fmt: skip
    return [*times, *_memory(found.get((_SMALL, TECHCO)), found.get((_LARGE, TECHCO)))]


def _memory(small: Summary | None, large: Summary | None) -> list[Ratio]:
    if large is None:
        return []
    peak = Ratio(f"{TECHCO}, peak memory in GB", _LARGE, round(large.median_peak_bytes / 1e9, 2), _MEMORY_GB)
    if small is None:
        return [peak]
    grows = _over(large.median_peak_bytes, small.median_peak_bytes)
    return [Ratio(f"{TECHCO}, peak memory / that of {_SMALL:,} logs", _LARGE, grows, _MEMORY_GROWS), peak]


def _over(above: float, below: float) -> float:
    return round(above / below, 3)
