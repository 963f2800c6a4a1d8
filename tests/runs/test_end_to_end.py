"""The main job as a user runs it: a messy shop in, the figures that its generator expects out."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from techco import open_shop
from techco.contract import LogReason
from techco.sample.generate import Form
from techco.storage.folder import Folder
from tests.support.shops import CUSTOMERS, log, write_shop
from tests.support.tiny_notebooks import outputs

TABLES = (
    "action_frequency", "unique_customers", "sales_by_category", "sales_by_day", "sales_by_product",
    "spend_by_customer",
)  # fmt: skip


Keep = Callable[[Path], tuple[str, dict[str, str]]]


def techco(folder: Path, *words: str, **variables: str) -> dict[str, Any]:
    """What a command prints with --json."""
    command = [sys.executable, "-m", "techco", *words, "--json"]
    env = {**os.environ, **variables}
    env.pop("PYTEST_CURRENT_TEST", None)  # ipykernel heeds it: what libraries write on stderr would not be in notebooks
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def written(path: str) -> list[list[str]]:
    """The rows of a CSV of the report; what was neutralised for spreadsheets as it came."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return [header, *([cell.removeprefix("'") for cell in row] for row in rows)]


def expected(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [list(rows[0]), *(["" if value is None else str(value) for value in row.values()] for row in rows)]


@pytest.mark.parametrize(
    ("keep", "form"),
    [
        ("folder", "array"),
        *(pytest.param("folder", form, marks=pytest.mark.slow) for form in get_args(Form) if form != "array"),
        ("storage account", "array"),
        ("storage account", "folder"),
    ],
    indirect=["keep"],  # other forms lie there as one file too, which the engine reads as it reads the array
)
def test_a_messy_shop_gives_the_figures_its_generator_expects(tmp_path: Path, form: str, keep: Keep) -> None:
    wanted = techco(tmp_path, "generate", "shop", "--logs", "3000", "--customers", "300", "--messy", "--format", form)
    storage, variables = keep(tmp_path / "shop")
    run = techco(tmp_path, "run", "--storage", storage, "--period", "2023-08", **variables)
    metrics = run["metrics"]
    assert run["status"] == "completed with warnings"  # much of a messy shop is refused
    assert metrics["records"] == wanted["records"]
    of_logs = {reason: count for reason, count in metrics["quarantine"].items() if reason in set(LogReason)}
    assert of_logs == wanted["quarantine"]
    assert metrics["total_sales"] == wanted["total_sales"]
    assert metrics["unique_customers"] == wanted["unique_customers"]
    for source in ("customers", "products"):
        parts = {part: metrics["sources"][source][part] for part in wanted["sources"][source]}
        assert parts == wanted["sources"][source]
    for name in TABLES:
        rows = wanted["unique_customers_by_action" if name == "unique_customers" else name]
        assert written(metrics["tables"][name]) == expected(rows), name


@pytest.mark.slow
def test_a_period_without_logs_gives_a_report_that_says_so(tmp_path: Path) -> None:
    techco(tmp_path, "generate", "shop", "--logs", "100", "--customers", "10")
    run = techco(tmp_path, "run", "--storage", "shop", "--period", "2022-01")
    assert run["metrics"]["records"] == {
        "read": 100, "accepted": 0, "duplicates": 0, "quarantined": 0, "outside_period": 100,
    }  # fmt: skip
    assert run["metrics"]["total_sales"] == "0.00"
    assert "There are no logs in this period" in Path(run["report"]).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("pii", ["mask", "show"])
def test_personal_data_are_in_the_tables_and_in_the_report_only_if_asked_for(tmp_path: Path, pii: str) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    broken = "X,Eve,Foxworth,eve.foxworth@example.com,+1-202-555-0199\n"
    write_shop(Folder(str(folder)), [log(1, action="purchase")], CUSTOMERS.replace("Lee", "Leeworth") + broken)
    run = techco(tmp_path, "run", "--storage", "shop", "--period", "2023-08", "--pii", pii)
    made = [*tmp_path.glob("reports/**/*.html"), *tmp_path.glob("runs/**/*.ipynb")]
    assert len(made) == 8
    everything = " ".join(path.read_text(encoding="utf-8") for path in made)
    for personal in ("Foxworth", "Leeworth", "eve.foxworth@example.com", "555-0199"):
        assert (personal in everything) == (pii == "show"), personal
    assert ("--pii show" in run["provenance"]["command"]) == (pii == "show")
    spend = Path(run["metrics"]["tables"]["spend_by_customer"]).read_text()
    assert spend == "customer_id,purchases,quantity,sales\n1,1,1,10.10\n"
    shop = open_shop(str(folder), "2023-08")
    assert shop.quarantine.count() == 1  # it has no day, so belongs to every period
    assert shop.tables.read("quarantine").collect()[0].raw == broken.strip()
    assert shop.customers.where("customer_id = 1").collect()[0].last_name == "Leeworth"


@pytest.mark.slow
def test_the_notebooks_of_a_shop_without_tables_print_no_messages(tmp_path: Path, keep: Keep) -> None:
    techco(tmp_path, "generate", "shop", "--logs", "100", "--customers", "10")
    storage, variables = keep(tmp_path / "shop")
    techco(tmp_path, "run", "--storage", storage, "--period", "2023-08", **variables)
    made = {path.stem: outputs(path) for path in tmp_path.glob("runs/*/*.ipynb")}
    assert made == {"ingest": "", "join": "", "analysis": ""}


@pytest.mark.slow
def test_a_second_run_of_an_unchanged_period_reuses_the_first_and_says_so(tmp_path: Path, keep: Keep) -> None:
    techco(tmp_path, "generate", "shop", "--logs", "500", "--customers", "50", "--messy", "--format", "folder")
    storage, variables = keep(tmp_path / "shop")
    command = ("run", "--storage", storage, "--period", "2023-08")
    first = techco(tmp_path, *command, **variables)
    again = techco(tmp_path, *command, **variables)
    anew = techco(tmp_path, *command, "--refresh", **variables)
    reused = f"ingest and join of {first['run_id']}: nothing that this depends on has changed"
    for run, says_so in ((first, False), (again, True), (anew, False)):
        assert (reused in Path(run["report"]).read_text(encoding="utf-8")) is says_so
        assert {**run["metrics"], "tables": None} == {**first["metrics"], "tables": None}
        for name in TABLES:
            assert written(run["metrics"]["tables"][name]) == written(first["metrics"]["tables"][name])
