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
OTHERS = ("2023-07", "2023-08-01..2023-08-15", "2023-07-20..2023-08-10", "2023-W31")


def test_runs_at_once_are_as_exact_as_alone(changing: Changing, tmp_path: Path) -> None:
    run_at_once(changing, tmp_path, [SAME, OTHERS[2]], rounds=1 if changing.variables else 2)


@pytest.mark.soak
def test_eight_runs_at_once_are_as_exact_as_alone_time_and_again(changing: Changing, tmp_path: Path) -> None:
    run_at_once(changing, tmp_path, [*[SAME] * 4, *OTHERS], rounds=5)


def run_at_once(changing: Changing, folder: Path, periods: list[str], rounds: int) -> None:
    """Run periods at once in an empty storage, and again in the one that has them, beside other commands."""
    alone = in_folder(folder / "alone", changing.states)
    whole = "2023-07-01..2023-08-31"
    alone.run(period=whole)
    wanted = {period: figures(alone.run(period=period)) for period in set(periods)}
    for number in range(rounds):
        processes = [changing.start(changing.command("--refresh", period=period)) for period in periods]
        others = [changing.start(command) for command in beside(changing)]
        for period, process in zip(periods, processes, strict=True):
            assert figures(printed(process)) == wanted[period], f"{period}, round {number}"
        for process in others:
            _, stderr = process.communicate()
            assert process.returncode == 0, stderr
    changing.run(period=whole)
    assert contents(changing.storage) == contents(alone.storage)
    assert {run.status for run in recorded_runs(changing.out)} == {"completed"}
    listed = (changing.out / "reports" / "index.html").read_text()
    assert all(f"{run.run_id}/index.html" in listed for run in recorded_runs(changing.out))


def beside(changing: Changing) -> list[list[str]]:
    """Commands on an earlier run: its pages are made again, and published where that is possible."""
    earlier = [run.run_id for run in recorded_runs(changing.out) if run.status == "completed"][:1]
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
