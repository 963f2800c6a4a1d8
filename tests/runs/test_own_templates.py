"""Notebooks of a user's own run after the steps and have their pages in the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from techco import findings
from techco.cli.app import app
from techco.display.shown import Figures
from techco.errors import ParameterError
from techco.period import Period
from techco.report import render
from techco.runs.own_templates import check_names, read_own_template
from techco.runs.run import RunRequest
from tests.support.reports import Reader, analysis, ingest, make_record, step
from tests.support.tiny_notebooks import outputs, write_notebook, write_templates

pytestmark = pytest.mark.slow  # each starts kernels or whole runs

AUGUST = Period(date(2023, 8, 1), date(2023, 8, 31))
USAGE = 2


def run_as_user(folder: Path, *words: str) -> tuple[int, str, str]:
    """A command, from another folder than the one with the notebook."""
    env = {**os.environ, "TECHCO_TEMPLATES": str(folder / "templates"), "TECHCO_OUT": str(folder / "out")}
    command = [sys.executable, "-m", "techco", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A run of one step and two notebooks of the user's own, which lie in the shop; the last one fails at first."""
    folder = tmp_path_factory.mktemp("own")
    shop = folder / "shop"
    write_templates(folder / "templates")
    write_notebook(
        shop / "Top 1_customers.ipynb",
        "import helper",
        "print(helper.found(end_date, top))",
        parameters="top: int = 3\nend_date = ''",
    )
    (shop / "helper.py").write_text("def found(*values):\n    return values\n")
    write_notebook(shop / "late.ipynb", "print(left)\n1 / 0", parameters="left: float = 0.5")
    words = ["run", "--storage", "shop", "--period", "2023-08", "--steps", "join", "--no-progress", "--json"]
    words += ["--template", "shop/Top 1_customers.ipynb", "--template", "shop/late.ipynb", "-p", "top", "5"]
    code, stdout, stderr = run_as_user(folder, *words)
    assert code == 1, stderr
    assert "Error: The step late failed: Cell [2] failed: ZeroDivisionError: division by zero\n" in stderr
    write_notebook(shop / "late.ipynb", "print(left)", parameters="left: float = 0.5")
    failed = json.loads(stdout)
    code, stdout, stderr = run_as_user(folder, "resume", failed["run_id"], "--json")
    assert code == 0, stderr
    assert [line.split(" in ")[0] for line in stderr.splitlines()] == ["late: started", "late: completed"]
    return folder, failed, json.loads(stdout)


def test_they_run_after_the_steps_with_the_parameters_that_they_declare(made: tuple[Path, Any, Any]) -> None:
    _, failed, record = made
    assert [(one["name"], one["status"]) for one in failed["steps"]] == [
        ("join", "completed"), ("Top 1_customers", "completed"), ("late", "failed"),
    ]  # fmt: skip
    assert {one["status"] for one in record["steps"]} == {"completed"}
    assert outputs(Path(record["steps"][1]["notebook"])) == "('2023-08-31', 5)\n"
    assert outputs(Path(record["steps"][2]["notebook"])) == "0.5\n"


def test_the_command_that_repeats_the_run_has_them(made: tuple[Path, Any, Any]) -> None:
    folder, _, record = made
    template = f"--template '{folder}/shop/Top 1_customers.ipynb' --template {folder}/shop/late.ipynb -p top 5"
    assert record["provenance"]["command"].endswith(f"--steps join {template}")


def test_they_have_pages_that_are_linked_like_the_others(made: tuple[Path, Any, Any]) -> None:
    folder, _, record = made
    index = Reader(Path(record["report"]))
    assert {"join.html", "Top%201_customers.html", "late.html"} <= set(index.values("href"))
    assert "Top 1 customers completed" in index.text
    page = Reader(Path(record["report"]).with_name("Top 1_customers.html"))
    assert "('2023-08-31', 5)" in page.text
    Path(record["steps"][1]["report"]).unlink()
    assert run_as_user(folder, "render", record["run_id"])[0] == 0
    assert Path(record["steps"][1]["report"]).is_file()


def test_they_are_shown_and_listed(made: tuple[Path, Any, Any]) -> None:
    folder, _, record = made
    shown = CliRunner().invoke(app, ["show", record["run_id"], "--out", str(folder / "out")]).stdout
    assert "Top 1_customers: completed in " in shown
    assert "print(helper.found(end_date, top))" in shown
    listed = CliRunner().invoke(app, ["list", "--json", "--out", str(folder / "out")]).stdout
    assert json.loads(listed) == [record]
    assert "join, Top 1_customers and late only" in Reader(folder / "out" / "reports" / "index.html").text


def test_what_they_find_is_in_the_report_and_replaces_nothing(tmp_path: Path) -> None:
    def sales(amount: str) -> findings.Finding:
        return findings.sales_by_category(pd.DataFrame({"category": ["Toys"], "sales": [Decimal(amount)]}))

    mine = [Figures("key_figures", {"total_sales": "1.00"}), sales("1.00")]
    record = make_record(
        [step(tmp_path, "ingest", ingest()), step(tmp_path, "analysis", analysis()), step(tmp_path, "my_own", mine)]
    )
    render.render(record, tmp_path)
    assert record.metrics["total_sales"] == "12.50"
    assert "9.50" in Path(record.metrics["tables"]["sales_by_category"]).read_text()
    link = "data/sales_by_category.csv"
    assert link in Reader(Path(str(record.report))).values("href")
    assert link not in Reader(Path(str(record.steps[2].report))).values("href"), "its numbers are not in there"
    alone = make_record([step(tmp_path, "my_own", mine)])
    render.render(alone, tmp_path)
    assert "1.00" in Path(alone.metrics["tables"]["sales_by_category"]).read_text()
    assert "Toys" in Reader(Path(str(alone.report))).text


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["Join.ipynb"], "`own_templates` is Join.ipynb, but reports have a join of their own. Rename it."),
        (["a/index.ipynb"], "a/index.ipynb, but reports have a index"),
        (["a.ipynb", "b/A.ipynb"], "b/A.ipynb, but a.ipynb has the same name. Rename one of them."),
        (["a.py"], "`own_templates` is a.py. Allowed: a notebook, whose name ends in .ipynb."),
        ([".hidden.ipynb"], ".hidden.ipynb, and its page would have its name. Allowed: at most 50 letters"),
        (["what?.ipynb"], "Allowed: at most 50 letters"),
        ([f"{'a' * 51}.ipynb"], "Allowed: at most 50 letters"),
        (["a\n.ipynb"], "control characters"),
    ],
)
def test_names_that_no_page_can_have_are_refused(names: list[str], words: str) -> None:
    with pytest.raises(ParameterError) as refused:
        RunRequest(AUGUST, own_templates=tuple(map(Path, names)))
    assert words in str(refused.value)


def test_letters_of_any_language_name_a_page() -> None:
    check_names([Path("Übersicht 2023-08.ipynb"), Path("売上.ipynb"), Path("a.b_c.ipynb")])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (None, "There is no notebook .*. Give the path of one: `own_templates='my_analysis.ipynb'`"),
        ({"metadata": None}, "a.ipynb is not a valid notebook: None is not of type 'object'"),
        ({"cells": []}, "declares no parameters. Tag the cell"),
        ({"metadata": {"language_info": {"name": "R"}}}, "a.ipynb is a notebook in R. Allowed: Python"),
        ({"metadata": {"kernelspec": {"language": "julia", "name": "j", "display_name": "J"}}}, "a notebook in julia"),
    ],
)
def test_what_cannot_run_is_refused(tmp_path: Path, changes: dict[str, object] | None, words: str) -> None:
    path = tmp_path / "a.ipynb"
    if changes is not None:
        path.write_text(json.dumps(json.loads(write_notebook(path).read_text()) | changes))
    with pytest.raises(ParameterError, match=words):
        read_own_template(path)


def test_they_are_checked_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path / "mine.ipynb", parameters="top: int = 3")
    (tmp_path / "shop").mkdir()
    words = ["run", "--storage", "shop", "--period", "2023-08", "--steps", "none"]
    for more, message in (
        ([], "No step is given. Allowed: ingest, join, analysis"),
        (["--template", "mine.ipynb", "-p", "top", "many"], "top is 'many'. Allowed: a whole number."),
        (["--template", "mine.ipynb", "-p", "topp", "5"], "No notebook of this run declares topp. Allowed: top."),
        (["--template", "gone.ipynb"], "There is no notebook gone.ipynb"),
    ):
        result = CliRunner().invoke(app, [*words, *more])
        assert (result.exit_code, result.stdout) == (USAGE, "")
        assert message in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"mine.ipynb", "shop"}
