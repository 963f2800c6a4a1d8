"""A shop whose raw files change from one state to another, in a storage of either kind, and what its tables hold."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from techco.contract import PARTITION, TABLES
from techco.engines.dialects import delta_path
from techco.period import Period
from techco.sample.generate import SampleSpec, generate
from techco.storage.base import Storage
from techco.storage.open import open_storage
from techco.tables.data_files import active_files
from techco.tables.stored_files import open_table
from tests.support.azurite import Azurite

AUGUST = Period.parse("2023-08")
KINDS = ("folder", "storage account")
_FIRST, _LAST = date(2023, 7, 1), date(2023, 9, 15)

Contents = dict[str, str]
"""A checksum of each part of each table that is there: `before`, `period`, `after`, `undated`, or `all`."""


@dataclass
class Changing:
    """A shop in a storage; its raw files are in one of two states, each with its own customers, products and logs.

    Attributes
    ----------
    url, variables
        What `--storage` names, and the environment for it.
    put
        Replaces the raw files by those of a folder.
    out
        Where runs and reports go.
    whole, metrics
        What the tables hold after a run of August, and what that run says, for each state.
    lasts_s
        How long such a run takes.
    """

    url: str
    variables: dict[str, str]
    put: Callable[[Path], None]
    states: tuple[Path, Path]
    out: Path
    whole: list[Contents] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    lasts_s: float = 0

    @cached_property
    def storage(self) -> Storage:
        """The storage, opened in this process, whose environment has what that needs."""
        return open_storage(self.url)

    def command(self, *options: str, period: str = "2023-08") -> list[str]:
        """The words of a run."""
        words = ["--storage", self.url, "--period", period, "--out", str(self.out)]
        return [sys.executable, "-m", "techco", "run", *words, "--json", "--no-progress", *options]

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """A process of its own, whose output can be read."""
        pipe = subprocess.PIPE
        env = {**os.environ, **self.variables}
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env, start_new_session=True)

    def run(self, *options: str, period: str = "2023-08") -> dict[str, Any]:
        """What a run prints that must succeed."""
        process = self.start(self.command(*options, period=period))
        stdout, stderr = process.communicate()
        assert process.returncode == 0, stderr
        printed: dict[str, Any] = json.loads(stdout)
        return printed

    def settle(self) -> None:
        """Run July to September in the first state; then August in both, and keep what each must look like."""
        self.put(self.states[0])
        self.run(period="2023-07-01..2023-09-15")
        for state in (1, 0):
            self.put(self.states[state])
            started = time.monotonic()
            self.metrics.insert(0, figures(self.run()))
            self.lasts_s = time.monotonic() - started
            self.whole.insert(0, contents(self.storage))


def figures(printed: dict[str, Any]) -> dict[str, Any]:
    """The metrics of a run, and the bytes of its CSVs in place of their paths."""
    tables = {name: Path(path).read_text() for name, path in printed["metrics"]["tables"].items()}
    return {**printed["metrics"], "tables": tables}


def contents(storage: Storage) -> Contents:
    """Read every row of every table, by another library than the one that wrote it."""
    found = {}
    for name, contract in TABLES.items():
        with storage.engine_environment():
            location = delta_path(storage, name)
            table = DeltaTable(location) if DeltaTable.is_deltatable(location) else None
        if table is None:
            continue
        parts: dict[str, list[str]] = {}
        for row in table.to_pyarrow_table().to_pylist():
            row.pop("run_id", None)
            parts.setdefault(_part(row.get(PARTITION)) if contract.by_day else "all", []).append(repr(row))
        for part, rows in parts.items():
            text = "\n".join(sorted(rows))
            found[f"{name} {part}"] = f"{len(rows)} rows {hashlib.sha256(text.encode()).hexdigest()}"
    return found


def named_files(storage: Storage) -> set[str]:
    """The data files that the tables consist of now, those for days without rows too."""
    tables = (name for name in TABLES if storage.files(f"tables/{name}"))
    return {f"tables/{name}/{file.path}" for name in tables for file in active_files(open_table(storage, name))}


def _part(day: date | None) -> str:
    if day is None:
        return "undated"
    return "period" if day in AUGUST else "before" if day < AUGUST.first else "after"


def make_states(folder: Path, logs: int) -> tuple[Path, Path]:
    """Two shops of ten weeks, with everything that can be wrong in raw files."""
    made = []
    for seed in (1, 2):
        spec = SampleSpec(60, 20, logs, seed, start_date=_FIRST, end_date=_LAST, messy=True)
        generate(folder / str(seed), spec)
        made.append(folder / str(seed))
    return made[0], made[1]


def in_kind(request: pytest.FixtureRequest, folder: Path, states: tuple[Path, Path]) -> Changing:
    """The shop in the kind of storage that a fixture is parametrized by, which this process may open."""
    if request.param == "folder":
        return in_folder(folder, states)
    made = in_account(folder, states, request.getfixturevalue("storage_account"))
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in made.variables.items():
        patch.setenv(name, value)
    return made


def in_folder(folder: Path, states: tuple[Path, Path]) -> Changing:
    """The shop in a folder of this machine."""
    place = folder / "shop"

    def put(state: Path) -> None:
        shutil.copytree(state, place, dirs_exist_ok=True)

    put(states[0])
    return Changing(str(place), {}, put, states, folder)


def in_account(folder: Path, states: tuple[Path, Path], account: Azurite) -> Changing:
    """The shop in a storage account."""
    prefix = uuid.uuid4().hex
    url = account.upload(states[0], "changing", prefix)

    def put(state: Path) -> None:
        account.upload(state, "changing", prefix)

    return Changing(url, {"AZURE_STORAGE_CONNECTION_STRING": account.connection_string}, put, states, folder)
