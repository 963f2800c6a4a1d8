"""Runs that are killed at any moment: what they leave is whole, and the next run is exact."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta

import psutil
import pytest

from techco.contract import TABLES
from techco.records.find import recorded_runs
from techco.records.record import RunRecord
from techco.tables.vacuum import vacuum
from tests.support.storages import Changing, contents, figures

pytestmark = pytest.mark.slow  # the short forms, too, take up to a minute

_ENDS_WITHIN_S = 20
_SEED = 20231


@pytest.fixture
def changing(changing: Changing) -> Changing:
    """A shop whose tables are as runs of both its states leave them."""
    changing.settle()
    return changing


def test_a_run_that_is_killed_leaves_each_table_whole_and_the_next_is_exact(changing: Changing) -> None:
    kill_runs(changing, kills=2 if not changing.variables else 1)


@pytest.mark.soak
def test_fifty_runs_that_are_killed_leave_each_table_whole(changing: Changing) -> None:
    kill_runs(changing, kills=50)


def kill_runs(changing: Changing, kills: int) -> None:
    """Kill runs, each of which would replace the period by the other state, and look at what they leave."""
    moments, killed = random.Random(_SEED), 0
    for number in range(kills):
        old, new = number % 2, (number + 1) % 2
        changing.put(changing.states[new])
        earlier = {record.run_id for record in recorded_runs(changing.out)}
        when = at_random(moments, changing.lasts_s) if number % 2 else at_a_write(moments, changing)
        ended = kill(changing, when, with_children=moments.random() < 0.7)
        killed += not ended
        check_tables(changing, old, new)
        check_records(changing, new, [run for run in recorded_runs(changing.out) if run.run_id not in earlier], ended)
        assert figures(changing.run()) == changing.metrics[new], f"after kill {number}"
        assert contents(changing.storage) == changing.whole[new], f"after kill {number}"
    print(f"{killed} of {kills} runs were killed")  # noqa: T201 - the figure of the long version
    assert killed
    before = {file.name for file in changing.storage.files("tables")}
    removed = sum(one.files for one in vacuum(changing.storage, timedelta()))
    assert len(before) - len({file.name for file in changing.storage.files("tables")}) == removed > 0
    assert contents(changing.storage) == changing.whole[kills % 2]


def kill(changing: Changing, when: Callable[[subprocess.Popen[str]], None], with_children: bool) -> bool:
    """Start a run and kill it at a moment, alone or as when a machine goes down; whether it had ended before."""
    with changing.start(changing.command()) as process:
        when(process)
        everyone: list[psutil.Process] = []
        if ended := process.poll() is not None:
            process.communicate()
        else:
            parent = psutil.Process(process.pid)
            everyone = parent.children(recursive=True)
            for one in [parent, *(everyone if with_children else [])]:
                one.kill()
            process.communicate()
    _, left = psutil.wait_procs(everyone, timeout=_ENDS_WITHIN_S)
    assert not left, "processes of a killed run go on"
    return ended


def check_tables(changing: Changing, old: int, new: int) -> None:
    """Each part of each table is as it was or as it should become; other days are as they were."""
    found = contents(changing.storage)
    for part in changing.whole[old].keys() | changing.whole[new].keys():
        assert found.get(part) in (changing.whole[old].get(part), changing.whole[new].get(part)), part
        if part.endswith((" before", " after")):
            assert found[part] == changing.whole[old][part] == changing.whole[new][part]


def check_records(changing: Changing, new: int, runs: list[RunRecord], ended: bool) -> None:
    """A run that was killed before it had a record left none; any other is failed, unless all of it was done."""
    for run in runs:
        assert run.is_completed or (run.status == "failed" and not ended)
        if run.is_completed:
            assert {step.status for step in run.steps} == {"completed"}
            assert contents(changing.storage) == changing.whole[new]


def at_random(moments: random.Random, lasts_s: float) -> Callable[[subprocess.Popen[str]], None]:
    """Any moment of a run."""
    return lambda process: _sleep(process, moments.uniform(0, lasts_s))


def at_a_write(moments: random.Random, changing: Changing) -> Callable[[subprocess.Popen[str]], None]:
    """Just after a file of one of the tables has come: between the writing of rows and their commit, or during it."""
    table = moments.choice(sorted(TABLES))

    def names() -> list[str]:
        return [file.name for file in changing.storage.files(f"tables/{table}", hidden=True)]

    before, wait_s = names(), moments.uniform(0, 0.1)

    def wait(process: subprocess.Popen[str]) -> None:
        while process.poll() is None and names() == before:
            time.sleep(0.002)
        _sleep(process, wait_s)

    return wait


def _sleep(process: subprocess.Popen[str], seconds: float) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
