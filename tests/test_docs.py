"""Documents that cannot drift from the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import techco
from techco import contract
from techco.cli import app
from techco.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", sorted(path.stem for path in Path(techco.__file__).parent.glob("[!_]*.py")))
def test_every_module_is_in_the_guide(module: str) -> None:
    assert f"`{module}`" in GUIDE


def test_the_guide_names_no_module_that_is_gone() -> None:
    rows = re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE)
    for name in re.findall(r"`([^`]+)`", " ".join(rows)):
        package = ROOT / "techco" / name
        assert package.with_suffix(".py").is_file() or package.is_dir() or (ROOT / name).is_dir(), name


def test_the_readme_names_every_table_and_setting() -> None:
    for name in (*contract.TABLES, *(f"TECHCO_{field.upper()}" for field in Settings.model_fields)):
        assert f"`{name}`" in README, name


def test_links_in_documents_resolve() -> None:
    for document in (README, GUIDE):
        for target in re.findall(r"(?:\]\(|src(?:set)?=\")(?!https?:)([^)#\"]+)", document):
            assert (ROOT / target).exists(), target


def test_the_environment_lists_no_dependency_of_its_own() -> None:
    environment = (ROOT / "environment.yml").read_text(encoding="utf-8")
    names = re.findall(r"^ +- ([a-z]+)", environment, re.MULTILINE)
    assert sorted(names) == ["conda", "nodejs", "openjdk", "pip", "pip", "python"]
    assert "- -e ." in environment


def _commands(document: str) -> list[str]:
    """The techco commands in the shell blocks of a document."""
    blocks = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return sorted({line.strip() for line in lines if line.strip().startswith("techco ")})


@pytest.mark.parametrize("command", _commands(README))
def test_the_readme_uses_commands_and_options_that_exist(command: str) -> None:
    result = CliRunner().invoke(app, [*shlex.split(command)[1:], "--help"])
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_readme_names_every_command() -> None:
    for command in get_command(app).commands:  # type: ignore[attr-defined]
        assert f"techco {command}" in README
