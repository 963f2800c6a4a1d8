"""How results are told: tables in a terminal, and a file of JSON with every single measurement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from techco.system.files import write_whole
from tests.benchmarks.results import Ratio, Summary, ratios, summarize
from tests.benchmarks.rounds import Measurement


@dataclass
class Benchmark:
    """One benchmark, complete or not; `failure` says why it ended early, `skipped` which peers are missing and why."""

    date: str
    commit: str
    machine: dict[str, str | int]
    versions: dict[str, str]
    sizes: Sequence[int]
    day_of: Sequence[int]
    repeat: int
    skipped: dict[str, str] = field(default_factory=dict)
    warning: str = ""
    failure: str = ""
    measurements: list[Measurement] = field(default_factory=list)


def write_json(benchmark: Benchmark, path: Path) -> None:
    """Write everything, with medians and ratios, as one JSON object."""
    summaries = summarize(benchmark.measurements)
    compared = [{**asdict(ratio), "reached": ratio.reached} for ratio in ratios(summaries)]
    facts = {**asdict(benchmark), "medians": [asdict(one) for one in summaries], "ratios": compared}
    write_whole(path, json.dumps(facts, indent=2) + "\n")


def print_results(benchmark: Benchmark, screen: Console) -> None:
    """Print machine and versions, a table of medians for each shop, and the ratios beside their targets."""
    summaries = summarize(benchmark.measurements)
    for logs in dict.fromkeys(one.logs for one in summaries):
        screen.print(_medians(logs, [one for one in summaries if one.logs == logs]))
    if compared := ratios(summaries):
        screen.print(_ratios(compared))
    for line in _circumstances(benchmark):
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


def _medians(logs: int, summaries: Sequence[Summary]) -> Table:
    table = _table(f"{logs:,} logs, median of {max(one.runs for one in summaries)}")
    for name in ("seconds", "shortest", "peak memory, MB", "written, MB"):
        table.add_column(name, justify="right")
    for one in summaries:
        sizes = (f"{value / 1e6:,.1f}" for value in (one.median_peak_bytes, one.median_written_bytes))
        table.add_row(one.contender, f"{one.median_seconds:.2f}", f"{one.min_seconds:.2f}", *sizes)
    return table


def _ratios(compared: Sequence[Ratio]) -> Table:
    table = _table("Ratios of medians")
    for name in ("logs", "ratio", "target"):
        table.add_column(name, justify="right")
    table.add_column("")
    told = {True: Text("reached", "green"), False: Text("missed", "red"), None: Text("")}
    for ratio in compared:
        target = "–" if ratio.target is None else f"≤ {ratio.target:g}"
        table.add_row(ratio.what, f"{ratio.logs:,}", f"{ratio.value:.3g}", target, told[ratio.reached])
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    return table


def _circumstances(benchmark: Benchmark) -> list[str]:
    machine = benchmark.machine
    memory = int(machine["memory_bytes"]) / 2**30
    lines = [
        f"{benchmark.date}, commit {benchmark.commit or 'unknown'}",
        f"{machine['cpu']}, {machine['cores']} cores, {memory:.0f} GiB",
        f"{machine['kernel']}, Python {machine['python']}",
        ", ".join(f"{name} {version}" for name, version in benchmark.versions.items()),
        *(f"Skipped: {peer}, because {why}" for peer, why in benchmark.skipped.items()),
    ]
    return [*lines, f"Warning: {benchmark.warning}"] if benchmark.warning else lines
