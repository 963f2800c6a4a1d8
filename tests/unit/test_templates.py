"""The shipped templates: thin, without outputs, with the same parameters, and each runs alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from techco.errors import TechcoError
from techco.notebooks.parameters import read_template
from techco.notebooks.templates import templates_dir
from techco.records.record import STEPS
from techco.storage.folder import Folder
from tests.support.shops import log, write_shop

PARAMETERS = {"storage": "str", "start_date": "str", "end_date": "str", "engine": "str", "run_id": "str"}


@pytest.fixture(params=STEPS)
def template(request: pytest.FixtureRequest) -> Path:
    return templates_dir() / f"{request.param}.ipynb"


def code_cells(template: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(template, as_version=4).cells if cell.cell_type == "code"]


def test_a_template_is_valid_and_holds_no_outputs(template: Path) -> None:
    notebook = nbformat.read(template, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(template))


def test_all_templates_declare_the_same_parameters_with_their_meaning(template: Path) -> None:
    assert read_template(template).declared == PARAMETERS
    inferred = papermill.inspect_notebook(str(template))
    assert all(parameter["help"] for parameter in inferred.values())
    assert all(parameter["inferred_type_name"] == "str" for parameter in inferred.values())


def test_a_template_is_thin(template: Path) -> None:
    for cell in code_cells(template):
        assert len(cell.source.splitlines()) <= 6, cell.source
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(ast.parse(cell.source)))


def test_a_template_begins_with_its_purpose_and_ends_with_what_to_know(template: Path) -> None:
    cells = [cell for cell in nbformat.read(template, as_version=4).cells if cell.cell_type == "markdown"]
    assert cells[0].source.startswith("# ")
    assert cells[-1].source.startswith("## Keep in mind")


def test_only_analysis_shows_a_query(template: Path) -> None:
    has_query = any("spark.sql(" in cell.source for cell in code_cells(template))
    assert has_query == (template.stem == "analysis")


@pytest.mark.slow
def test_a_template_runs_alone_on_the_sample_shop_with_plain_papermill(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache of its own"))
    run_with_plain_papermill(template, tmp_path)


@pytest.mark.slow
def test_a_template_runs_alone_with_plain_papermill_on_a_shop_of_which_nothing_was_run(
    template: Path, tmp_path: Path
) -> None:
    (tmp_path / "shop").mkdir()
    shop = write_shop(Folder(str(tmp_path / "shop")), [log(1), log(2, "2023-08-31", "purchase")])
    printed = run_with_plain_papermill(template, tmp_path, "-p", "storage", shop.url)
    assert ("so its raw files were ingested now." in printed) == (template.stem != "ingest")


def run_with_plain_papermill(template: Path, folder: Path, *options: str) -> str:
    """Run a template to its end, and return what its cells have printed."""
    output = folder / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "--cwd", str(folder), str(template), str(output)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cells = [cell for cell in nbformat.read(output, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    outputs = [out for cell in cells for out in cell.outputs]
    assert not any(out.output_type == "error" for out in outputs)
    return "".join(out.text for out in outputs if out.output_type == "stream")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("start_date", "2023-02-30", "a day that does not exist"),
        ("start_date", 20230801, "not a day"),
        ("end_date", "2023-07-01", "ends before it starts"),
        ("engine", "duckdb", "Allowed: sail"),
        ("storage", "./nowhere", "does not exist"),
        ("storage", 7, "storage is 7"),
    ],
)
def test_a_template_checks_its_parameters_before_anything_else(
    template: Path, storage: Folder, monkeypatch: pytest.MonkeyPatch, name: str, value: object, words: str
) -> None:
    write_shop(storage, [log(1)])
    notebook = parameterize_notebook(load_notebook_node(str(template)), {"storage": storage.url, name: value})
    opening = [cell.source for cell in notebook.cells if cell.cell_type == "code"][:3]
    with pytest.raises(TechcoError, match=words):
        exec("\n".join(opening), {})
    assert not storage.path("tables").exists()


def test_a_template_file_ends_with_a_line_break_and_has_stable_cell_ids(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    ids = [cell["id"] for cell in json.loads(text)["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(id_.replace("-", "").isalpha() for id_ in ids)
