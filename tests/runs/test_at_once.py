"""Runs at once on one storage, from processes of their own: all are exact, and none takes anything from another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from techco.records.find import recorded_runs
from tests.support.storages import Changing, contents, figures, in_folder

SAME = "2023-08"
WHOLE = "2023-07-01..2023-08-31"
OTHERS = ("2023-07", "2023-08-01..2023-08-15", "2023-07-20..2023-08-10", "2023-W31")


class Alone:
    """The shop in a folder, where one run was made after the other."""

    def __init__(self, folder: Path, states: tuple[Path, Path]) -> None:
        self._shop = in_folder(folder, states)
        self._shop.run(period=WHOLE)
        self.contents = contents(self._shop.storage)
        self._figures: dict[str, dict[str, Any]] = {}

    def figures(self, period: str) -> dict[str, Any]:
        """What a run of a period says."""
        if period not in self._figures:
            self._figures[period] = figures(self._shop.run(period=period))
        return self._figures[period]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, states: tuple[Path, Path]) -> Alone:
    return Alone(tmp_path_factory.mktemp("alone"), states)


@pytest.mark.slow
def test_runs_at_once_are_as_exact_as_alone(changing: Changing, alone: Alone) -> None:
    run_at_once(changing, alone, [SAME, OTHERS[2]], rounds=1)


@pytest.mark.soak
def test_eight_runs_at_once_are_as_exact_as_alone_time_and_again(changing: Changing, alone: Alone) -> None:
    run_at_once(changing, alone, [*[SAME] * 4, *OTHERS], rounds=5)


def run_at_once(changing: Changing, alone: Alone, periods: list[str], rounds: int) -> None:
    """Run periods at once in an empty storage, and again in the one that has them, beside other commands."""
    wanted = {period: alone.figures(period) for period in periods}
    for number in range(rounds):
        processes = [changing.start(changing.command("--refresh", period=period)) for period in periods]
        others = [changing.start(command) for command in beside(changing)]
        for period, process in zip(periods, processes, strict=True):
            assert figures(printed(process)) == wanted[period], f"{period}, round {number}"
        for process in others:
            _, stderr = process.communicate()
            assert process.returncode == 0, stderr
    changing.run(period=WHOLE)
    assert contents(changing.storage) == alone.contents
    assert all(run.is_completed for run in recorded_runs(changing.out))
    listed = (changing.out / "reports" / "index.html").read_text()
    assert all(f"{run.run_id}/index.html" in listed for run in recorded_runs(changing.out))


def beside(changing: Changing) -> list[list[str]]:
    """Commands on an earlier run: its pages are made again, and published where that is possible."""
    earlier = [run.run_id for run in recorded_runs(changing.out) if run.is_completed][:1]
    names = ["render", "publish"] if changing.variables else ["render"]
    return [
        [sys.executable, "-m", "techco", name, run, "--out", str(changing.out)] for run in earlier for name in names
    ]


def printed(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a run says that must succeed."""
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    found: dict[str, Any] = json.loads(stdout)
    return found
