"""Documents that cannot drift from the code; test_readme.py runs the commands that they show."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from typer.main import get_command

from techco import contract
from techco.cli.app import app
from techco.settings import Settings
from tests.support.documents import (
    DOCUMENTS,
    GUIDE,
    MANUAL,
    PAGES,
    README,
    ROOT,
    Block,
    anchors,
    blocks,
    commands,
    examples,
    links,
    prose,
)

MOST_BYTES = 15_000
COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = [
    (name, option)
    for name, command in COMMANDS.items()
    for option in command.params
    if option.param_type_name == "option" and not option.hidden
]


def of_help(name: str) -> list[list[str]]:
    """The examples in the `--help` of a command."""
    return [words for line in (COMMANDS[name].epilog or "").splitlines() for words in commands(line)]


def written(name: str) -> list[list[str]]:
    """The examples of a command in its `--help`, in the README and in docs/."""
    return [*of_help(name), *(words for words in examples(MANUAL) if words[0] == name)]


def parse(words: list[str]) -> None:
    """Read the words of a command as the command line does, without doing what they say."""
    assert words[0] in COMMANDS, f"There is no command {words[0]}"
    COMMANDS[words[0]].make_context(words[0], [word for word in words[1:] if word not in ("…", "--help")])


def test_the_guide_has_every_room_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE)
    told = [name.rstrip("/") for name in re.findall(r"`([^`]+)`", " ".join(rows))]
    there = {path.stem for path in (ROOT / "techco").iterdir() if path.name[0] not in "_." and path.name != "py.typed"}
    assert sorted(told) == sorted(there)


def test_rooms_use_only_what_stands_below_them() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_readme_is_short_and_leads_to_every_page() -> None:
    assert len(README.encode()) <= MOST_BYTES
    assert {f"docs/{path.name}" for path in PAGES} <= {target.partition("#")[0] for target in links(README)}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_each_page_begins_with_what_it_is_for(path: Path) -> None:
    assert re.match(r"# .+\n\nThis page ", path.read_text(encoding="utf-8"))


def test_the_readme_names_every_table_and_docs_every_setting() -> None:
    for name in contract.TABLES:
        assert f"`{name}`" in README, name
    for field in Settings.__dataclass_fields__:
        assert f"`TECHCO_{field.upper()}`" in DOCUMENTS["docs/settings.md"], field


def test_the_times_in_the_readme_are_those_of_the_page_about_speed() -> None:
    rows = re.findall(r"^\| \d+ .* s .*\|$", README, re.MULTILINE)
    assert rows
    assert set(rows) <= set(DOCUMENTS["docs/speed.md"].splitlines())


def test_the_environment_lists_no_dependency_of_its_own() -> None:
    environment = (ROOT / "environment.yml").read_text(encoding="utf-8")
    names = re.findall(r"^ +- ([a-z]+)", environment, re.MULTILINE)
    assert sorted(names) == ["conda", "nodejs", "openjdk", "pip", "pip", "python"]
    assert "- -e ." in environment


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme_and_has_an_example_in_its_help(name: str) -> None:
    assert f"techco {name}" in README
    assert of_help(name)


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=lambda part: getattr(part, "name", part))
def test_every_option_is_in_an_example_of_its_command(name: str, option: Any) -> None:
    spelled = {*option.opts, *option.secondary_opts}
    used = {word.partition("=")[0] for words in written(name) for word in words}
    assert spelled & used, f"no example of {' or '.join(spelled)}, neither in the help of {name} nor in the documents"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_examples_in_documents_are_understood(document: str) -> None:
    for words in examples(DOCUMENTS[document]):
        parse(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_in_help_are_understood(name: str) -> None:
    for words in of_help(name):
        parse(words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_that_the_text_mentions_are_there(document: str) -> None:
    assert set(re.findall(r"`techco ([a-z]+)", prose(DOCUMENTS[document]))) <= set(COMMANDS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_within_the_project_resolve(document: str) -> None:
    for target in links(DOCUMENTS[document]):
        if urlsplit(target).scheme:
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / document).parent / path if path else ROOT / document).resolve()
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(DOCUMENTS[file.relative_to(ROOT).as_posix()]), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_to_others_are_well_formed(document: str) -> None:
    """Whether there is something behind them cannot be seen from here."""
    outside = [urlsplit(target) for target in links(DOCUMENTS[document]) if urlsplit(target).scheme]
    assert [url.geturl() for url in outside if url.scheme != "https" or "." not in (url.hostname or "")] == []


def check_shell(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def check_python(text: str) -> None:
    compile(text, "documents", "exec")


def check_yaml(text: str) -> None:
    assert isinstance(yaml.safe_load(text), dict)


def check_dockerfile(text: str) -> None:
    """It copies what is there, and the command that it starts is one of techco's."""
    steps = dict[str, list[str]]()
    for line in text.replace("\\\n", " ").splitlines():
        instruction, _, rest = line.partition(" ")
        steps.setdefault(instruction, []).append(rest)
    assert "FROM" in steps
    for files in steps.get("COPY", []):
        for source in files.split()[:-1]:
            assert (ROOT / source).exists(), source
    if steps.get("ENTRYPOINT") == ['["techco"]']:
        parse(json.loads(steps["CMD"][0]))


def check_crontab(text: str) -> None:
    """Comments, variables, and lines with five fields before their command, in which % would be a line break."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    jobs = [line for line in lines if not re.match(r"[A-Z_]+=", line)]
    assert jobs
    for line in jobs:
        fields = line.split(maxsplit=5)
        assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields[:5]), line
        assert "%" not in fields[5]


def check_systemd(text: str) -> None:
    units = configparser.RawConfigParser(strict=False)
    units.optionxform = str  # type: ignore[assignment, method-assign]
    units.read_string(text)
    assert set(units.sections()) <= {"Unit", "Service", "Timer", "Install"}


CHECKS: dict[str, Callable[[str], object]] = {
    "sh": check_shell,
    "python": check_python,
    "yaml": check_yaml,
    "json": json.loads,
    "dockerfile": check_dockerfile,
    "crontab": check_crontab,
    "ini": check_systemd,
}


@pytest.mark.parametrize("block", blocks(MANUAL + GUIDE), ids=lambda block: block[0])
def test_code_blocks_are_what_they_say(block: Block) -> None:
    language, text = block
    CHECKS[language](text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and plots without a screen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    return tmp_path


def run_python(sources: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Execute code one after the other; it prints what the comments beside `print` say."""
    names = dict[str, Any]()
    for source in sources:
        exec(source, names)
        printed = capsys.readouterr().out
        for said in re.findall(r"print\(.*\)  # ([^,\n]+)", source):
            assert said in printed
    return names


def test_the_readmes_first_python_works_as_it_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_python([text for language, text in blocks(README) if language == "python"][:1], capsys)
    assert ET.parse("categories.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert (folder / "hours.png").stat().st_size > 1000


def test_what_takes_the_place_of_databricks_works_as_it_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = DOCUMENTS["docs/coming-from-databricks.md"]
    python = [text for language, text in blocks(page) if language == "python"]
    elsewhere = ("dbutils", "/mnt/data", "abfss://")  # needs Databricks, or a storage account
    names = run_python([text for text in python if not any(word in text for word in elsewhere)], capsys)
    answers = re.findall(r"\| ([^|]+\?) \| `shop\.(\w+)\(\)` \|", page)
    assert len(answers) == len({name for _, name in answers}) == 6
    for question, name in answers:
        assert getattr(names["shop"], name)().question == question
    assert (folder / "actions.png").stat().st_size > 1000
