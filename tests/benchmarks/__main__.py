"""The command line of the benchmark."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path
from typing import Annotated

import platformdirs
import typer
from rich.console import Console

from tests.benchmarks.answers import WrongAnswers
from tests.benchmarks.contenders import PEERS, contenders, missing, of_one_day
from tests.benchmarks.machine import busy, commit, machine, versions
from tests.benchmarks.measure import CommandFailed
from tests.benchmarks.one_day import DAY, MIN_LOGS
from tests.benchmarks.rounds import rounds, warm_up
from tests.benchmarks.show import Benchmark, print_results, write_json

_FAILED, _INTERRUPTED = 1, 130
_WORK = platformdirs.user_cache_path("techco-benchmarks")


def main(
    logs: Annotated[list[int] | None, typer.Option(min=1, help="Web logs of a shop; again for another shop.")] = None,
    day_of: Annotated[
        list[int] | None, typer.Option(min=MIN_LOGS, help=f"Web logs of a shop whose {DAY} is measured; again too.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="How often each contender has its turn.")] = 3,
    peers: Annotated[str, typer.Option(help="Who is compared, with commas between.")] = ",".join(PEERS),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every measurement to a file.")] = None,
    work: Annotated[Path, typer.Option(metavar="DIR", help="Where shops are kept, and runs take place.")] = _WORK,
    warm: Annotated[bool, typer.Option("--warm-up/--no-warm-up", help="Run all on a tiny shop first.")] = True,
) -> None:
    """Measure techco, a notebook on DuckDB and notebooks on Apache Spark in turn, on shops of 50,000 logs or as given.

    With --day-of techco is measured on one day of a shop, and on that day in a shop that has no other. Each must find
    the figures that the generator of the shop knows.

    Exit codes: 0 done, 1 a contender failed or is wrong, 2 wrong usage, 130 interrupted.
    """
    wanted = [peer for peer in peers.split(",") if peer]
    if unknown := set(wanted) - set(PEERS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))} is unknown. Allowed: {', '.join(PEERS)}.")
    sizes = logs or ([] if day_of else [50_000])
    skipped = {peer: why for peer in wanted if sizes and (why := missing(peer))}
    benchmark = Benchmark(
        datetime.now().astimezone().isoformat(timespec="seconds"), commit(), machine(), versions(), sizes,
        day_of or [], repeat, skipped, busy(),
    )  # fmt: skip
    raise typer.Exit(_run(benchmark, [peer for peer in wanted if peer not in skipped], work, json, warm))


def _run(benchmark: Benchmark, peers: list[str], work: Path, json: Path | None, warm: bool) -> int:
    """Measure, and tell whatever has been measured; returns the exit code."""
    if benchmark.warning:
        _tell(f"Warning: {benchmark.warning}")
    code = _measure(benchmark, peers, work, warm)
    if json:
        write_json(benchmark, json)
    print_results(benchmark, Console())
    if benchmark.failure:
        _tell(f"Error: {benchmark.failure}")
    return code


def _measure(benchmark: Benchmark, peers: list[str], work: Path, warm: bool) -> int:
    """Add measurements as they are made; what ends them early is kept as the failure."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        turns = [(benchmark.sizes, contenders(peers)), (benchmark.day_of, of_one_day())]
        if warm:
            warm_up(work, [one for sizes, chosen in turns if sizes for one in chosen], _tell)
        for sizes, chosen in turns:
            for done in rounds(work, sizes, benchmark.repeat, chosen, _tell):
                benchmark.measurements.append(done)
    except (CommandFailed, WrongAnswers) as error:
        benchmark.failure = str(error)
        return _FAILED
    except KeyboardInterrupt:
        benchmark.failure = "Interrupted. Nothing is left running."
        return _INTERRUPTED
    return 0


def _tell(text: str) -> None:
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
