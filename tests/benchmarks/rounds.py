"""The order of the runs: all contenders in turn, round after round, each checked before it counts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.contenders import Contender
from tests.benchmarks.measure import measure
from tests.benchmarks.place import fresh_place
from tests.benchmarks.shops import Sample

WARM_UP_LOGS = 1000
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Measurement:
    """One run of one contender.

    `round` counts from 1; `load_before` is the load average of the last minute when it began, over all cores.
    """

    logs: int
    contender: str
    round: int
    seconds: float
    peak_bytes: int
    written_bytes: int
    load_before: float


def warm_up(work: Path, contenders: Sequence[Contender], tell: Tell) -> None:
    """Run all once on a tiny shop, so that nobody is the first to load a library; shows early who does not work.

    Raises
    ------
    CommandFailed, WrongAnswers
        As `rounds`.
    """
    tell("Warming up")
    for contender in contenders:
        for _ in _runs(work, contender.shop(work, WARM_UP_LOGS), contender, 0):
            pass


def rounds(
    work: Path, sizes: Sequence[int], repeat: int, contenders: Sequence[Contender], tell: Tell
) -> Iterator[Measurement]:
    """Measure all contenders in turn, `repeat` times for each size; yields each run when it is done.

    Raises
    ------
    CommandFailed
        When a contender does not do its work.
    WrongAnswers
        When one has found other figures than the generator of the shop knows; its run is not yielded.
    """
    for logs in sizes:
        tell(f"A shop with {logs:,} logs")
        shops = [contender.shop(work, logs) for contender in contenders]
        for number in range(1, repeat + 1):
            for contender, shop in zip(contenders, shops, strict=True):
                for done in _runs(work, shop, contender, number):
                    tell(f"{logs:,} logs, round {number} of {repeat}: {done.contender} {done.seconds:.2f} s")
                    yield done


def _runs(work: Path, shop: Sample, contender: Contender, number: int) -> Iterator[Measurement]:
    with fresh_place(work, shop) as place:
        for name in contender.runs:
            load = round(os.getloadavg()[0], 2)
            cost = measure(contender.commands(place), place)
            contender.answers(place).check(shop.expected, name)
            yield Measurement(shop.logs, name, number, cost.seconds, cost.peak_bytes, cost.written_bytes, load)
