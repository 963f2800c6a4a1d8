"""Runs of two machines, to be published."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from techco.runs.run import RunRequest, run
from tests.support.azurite import ACCOUNT, Azurite
from tests.support.published import AUGUST, JULY
from tests.support.tiny_notebooks import write_notebook, write_templates

FINDING = """
from techco.display.columns import Column
from techco.display.shown import Figures, Finding, Table
table = Table("sales_by_day", [Column("event_date", "date"), Column("sales", "money")], [["2023-08-01", "12.50"]])
display(Figures("key_figures", {"total_sales": "12.50"}))
display(Finding("sales_by_day", "How much was sold?", "Sales were 12.50 €", "", table))
"""


@pytest.fixture(scope="session")
def outs(storage_account: Azurite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Output folders of two machines with one run each: `august` completed, with an own template, `july` failed."""
    storage_account.container("shops")
    folder = tmp_path_factory.mktemp("machines")
    templates = write_templates(folder / "templates", analysis=FINDING, join="print('é < &')")
    failing = write_templates(folder / "failing", join="1 / 0")
    mine = write_notebook(folder / "mine é 1.ipynb", "print('mine')", parameters="top: int = 5")
    url = storage_account.url("shops", "a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)
        run(RunRequest(AUGUST, url, out=folder / "august", templates=templates, own_templates=(mine,)))
        run(RunRequest(JULY, url, out=folder / "july", templates=failing, steps=("join",)))
    return {name: folder / name for name in ("august", "july")}


@pytest.fixture
def august(outs: dict[str, Path], tmp_path: Path) -> Path:
    """The folder of the completed run in `runs/`, in an output folder that has been moved."""
    return moved(outs["august"], tmp_path / "out [1] {a}")


@pytest.fixture
def july(outs: dict[str, Path], tmp_path: Path) -> Path:
    """The folder of the failed run, of another machine."""
    return moved(outs["july"], tmp_path / "other machine")


def moved(out: Path, to: Path) -> Path:
    """Copy an output folder; returns that of its run."""
    shutil.copytree(out, to)
    (run_dir,) = (to / "runs").glob("*/")
    return run_dir


@pytest.fixture
def credential(storage_account: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage account is opened by a connection string."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)


@pytest.fixture
def client(request: pytest.FixtureRequest, storage_account: Azurite) -> ContainerClient:
    """A container for one test, empty."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return storage_account.container(f"{name[:50].rstrip('-')}-{len(name)}")


@pytest.fixture
def target(client: ContainerClient) -> str:
    """What that container is called as a target: a folder in it."""
    return f"abfss://{client.container_name}@{ACCOUNT}.dfs.core.windows.net/team"


@pytest.fixture
def set_variables(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Set variables of the environment for one test."""

    def set_all(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all
