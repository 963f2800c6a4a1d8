"""Who is measured: techco, what a user would write instead, and the steps of both without notebooks."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.answers import ANSWERS, Answers
from tests.benchmarks.measure import Command
from tests.benchmarks.one_day import day_alone, day_of_all
from tests.benchmarks.place import Place
from tests.benchmarks.shops import Sample, sample

TECHCO, TECHCO_AGAIN, TECHCO_STEPS = "techco run", "techco run again", "techco steps, script"
TECHCO_DAY, TECHCO_DAY_ALONE = "techco run, one day of all", "techco run, that day alone"
DUCKDB, DUCKDB_STEPS = "DuckDB notebook", "DuckDB script"
SPARK = "Spark notebooks"
PEERS = ("duckdb", "spark")

_PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Contender:
    """One way to answer the six questions.

    Attributes
    ----------
    runs
        Names of its runs in one place, one after the other; the first finds the raw files and nothing else.
    commands
        What a user types, for a place.
    answers
        What it has found out, from what it wrote in a place.
    shop
        Makes or finds the shop that it runs on, in a folder and for a number of logs.
    """

    runs: tuple[str, ...]
    commands: Callable[[Place], Sequence[Command]]
    answers: Callable[[Place], Answers]
    shop: Callable[[Path, int], Sample] = sample


def contenders(peers: Sequence[str]) -> list[Contender]:
    """Those that are measured with these of `PEERS`, in the order of their turns."""
    chosen = [Contender((TECHCO, TECHCO_AGAIN), _techco, _printed)]
    if "duckdb" in peers:
        chosen.append(Contender((DUCKDB,), _duckdb_notebook, _written))
    if "spark" in peers:
        chosen.append(Contender((SPARK,), _spark_notebooks, _written))
    chosen.append(Contender((TECHCO_STEPS,), lambda place: [_script("techco_script.py", place)], _written))
    if "duckdb" in peers:
        chosen.append(Contender((DUCKDB_STEPS,), lambda place: [_script("duckdb_script.py", place)], _written))
    return chosen


def of_one_day() -> list[Contender]:
    """Those that are measured for one day, in the order of their turns."""
    return [
        Contender((TECHCO_DAY,), _techco, _printed, day_of_all),
        Contender((TECHCO_DAY_ALONE,), _techco, _printed, day_alone),
    ]


def missing(peer: str) -> str:
    """What a peer lacks on this machine, in words; empty if nothing."""
    if peer == "duckdb" and find_spec("duckdb") is None:
        return 'DuckDB is not installed: pip install -e ".[benchmark]"'
    if peer == "spark" and shutil.which("java") is None:
        return "there is no Java: Apache Spark needs Java 17 or newer"
    return ""


def _techco(place: Place) -> list[Command]:
    period = str(place.sample.period)
    return [_tool("techco", "run", "--storage", str(place.shop), "--period", period, "--out", str(place.out), "--json")]


def _duckdb_notebook(place: Place) -> list[Command]:
    return [
        _papermill("duckdb_notebook", place),
        _tool("jupyter", "nbconvert", "--to", "html", "duckdb_notebook.ipynb"),
    ]


def _spark_notebooks(place: Place) -> list[Command]:
    steps = ["spark_ingest", "spark_join", "spark_analysis"]
    executed = [f"{step}.ipynb" for step in steps]
    return [*(_papermill(step, place) for step in steps), _tool("jupyter", "nbconvert", "--to", "html", *executed)]


def _papermill(name: str, place: Place) -> Command:
    values = zip(("storage", "out", "start_date", "end_date"), _parameters(place), strict=True)
    options = [word for parameter, value in values for word in ("-r", parameter, value)]
    return _tool("papermill", str(_PROGRAMS / f"{name}.ipynb"), f"{name}.ipynb", *options)


def _script(name: str, place: Place) -> Command:
    return [sys.executable, str(_PROGRAMS / name), *_parameters(place)]


def _parameters(place: Place) -> list[str]:
    period = place.sample.period
    return [str(place.shop), str(place.out), str(period.first), str(period.last)]


def _tool(name: str, *words: str) -> Command:
    """A command of the environment that this runs in, whatever is on the PATH."""
    return [str(Path(sysconfig.get_path("scripts")) / name), *words]


def _printed(place: Place) -> Answers:
    return Answers.printed(place.stdout)


def _written(place: Place) -> Answers:
    return Answers.written(place.out / ANSWERS)
