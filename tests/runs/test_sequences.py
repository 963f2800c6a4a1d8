"""Whatever happens to a shop, each page has the right figures or the run says why not.

Random shops, runs of all kinds, changes of their raw files and interruptions follow each other. After each run every
number of its page is compared with what plain Python computes from the raw records. A seed repeats its sequence:
`SEQUENCES=1 FIRST_SEED=24 pytest -m soak tests/runs/test_sequences.py`. Most of the very many sequences execute the
cells of notebooks in this process, which takes less time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from techco.notebooks.forkserver import ForkServer
from techco.notebooks.templates import templates_dir
from techco.records.record import STEPS
from tests.support.cells_here import execute_here
from tests.support.random_runs import Action, Trial, random_actions

_FEW, _WITH_KERNELS = 8, 25
_MANY, _FIRST = (int(os.environ.get(name, default)) for name, default in (("SEQUENCES", "500"), ("FIRST_SEED", "1")))


@pytest.fixture(scope="module")
def forkservers() -> Iterator[tuple[ForkServer, ForkServer]]:
    """Where kernels come from: those of runs, and those of runs that come between the steps of others."""
    templates = [templates_dir() / f"{step}.ipynb" for step in STEPS]
    servers = ForkServer(templates), ForkServer(templates)
    yield servers
    for server in servers:
        server.stop()


def failure_of(seed: int, actions: list[Action], folder: Path, servers: tuple[ForkServer, ForkServer]) -> str:
    """Let actions happen one after the other; returns what has happened up to the first that leaves something wrong."""
    trial = Trial(seed, folder, servers)
    try:
        for action in actions:
            trial.do(action)
    except Exception as error:
        return "\n".join(
            [f"seed {seed}: {', '.join(map(str, actions))}", *trial.told, f"{type(error).__name__}: {error}"]
        )
    return ""


def check(seed: int, folder: Path, servers: tuple[ForkServer, ForkServer]) -> str:
    """Return the failure of the sequence of a seed with the fewest actions that still fail; empty if all is right."""
    actions = random_actions(seed)
    found = failure_of(seed, actions, folder, servers)
    place = 0
    while found and place < len(actions):
        fewer = [*actions[:place], *actions[place + 1 :]]
        if shorter := failure_of(seed, fewer, folder, servers):
            found, actions = shorter, fewer
        else:
            place += 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, _FEW + 1))
def test_pages_have_the_right_figures_whatever_happens(
    seed: int, tmp_path: Path, forkservers: tuple[ForkServer, ForkServer]
) -> None:
    failure = check(seed, tmp_path / "trial", forkservers)
    assert not failure, failure


@pytest.mark.soak
def test_pages_have_the_right_figures_in_very_many_sequences(
    tmp_path: Path, forkservers: tuple[ForkServer, ForkServer], capsys: pytest.CaptureFixture[str]
) -> None:
    failures = []
    for seed in range(_FIRST, _FIRST + _MANY):
        with pytest.MonkeyPatch.context() as patch:
            if seed % _WITH_KERNELS:
                execute_here(patch)
            failure = check(seed, tmp_path / "trial", forkservers)
        with capsys.disabled():
            print(failure or f"seed {seed}: right", flush=True)  # noqa: T201
        failures += [failure] if failure else []
    assert not failures, "\n\n".join(failures)
