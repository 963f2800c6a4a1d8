"""Parameters are given as with papermill, typed by what notebooks declare, recorded, and never a credential."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from papermill.cli import papermill
from typer.testing import CliRunner

import techco.redact
from techco.cli.app import app
from techco.cli.papermill_options import PapermillOptions, split_standard
from techco.errors import ParameterError
from techco.notebooks.parameters import read_template
from techco.notebooks.templates import templates_dir
from techco.records.record import STEPS
from techco.runs.parameters import as_options, given_parameters, refuse_credentials
from tests.support.tiny_notebooks import DECLARED, outputs, write_notebook, write_templates

USAGE = 2
KEY = "a" * 86 + "=="
STANDARD = "\n".join(f'{name}: str = ""' for name in DECLARED)
OWN = "top: int = 5\nrate: float = 0.5\nnames: list[str] = []\nlimit: int | None = None\nplain = 3\nfree = None"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "a.ipynb", parameters=OWN)


def test_pairs_go_before_yaml_and_yaml_before_files(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("a: 1\nb: 1\nc: 1\nd: 1\n")
    (tmp_path / "two.json").write_text('\t{"b": 2, "c": 2, "d": 2}')
    files = [tmp_path / "one.yaml", tmp_path / "two.json"]
    assert given_parameters(files, ["{c: 3, d: 3}", "d: 4\nday: 2023-08-01"], [("d", "5"), ("d", "006")]) == {
        "a": 1, "b": 2, "c": 3, "d": "006", "day": "2023-08-01",
    }  # fmt: skip
    assert given_parameters([], ["", "# nothing"], []) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "`parameters_yaml` does not map names to values. Write for instance: 'top: 5'"),
        ("1: 2", "`parameters_yaml` does not map names to values"),
        ("a: 1\nkey: [secret", r"`parameters_yaml` is not YAML, line 2\."),
        ("a: !!python/object:os.system {}", r"`parameters_yaml` is not YAML, line 1\."),
        ("a: .inf", "The parameter a has a value that JSON lacks. Allowed: text, numbers"),
        ("a: {1: b}", "The parameter a has a value that JSON lacks"),
        ("a: !!binary aGk=", "The parameter a has a value that JSON lacks"),
    ],
)
def test_what_is_no_mapping_of_names_is_refused_without_repeating_it(text: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words) as refused:
        given_parameters([], [text], [])
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.yaml", None, "gone.yaml of `parameters_file` cannot be read: No such file"),
        ("a.yaml", b"\xff", "a.yaml of `parameters_file` cannot be read: it is not UTF-8"),
        ("a.json", b"{\n,}", r"a\.json is not JSON, line 2\."),
    ],
)
def test_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ParameterError, match=words):
        given_parameters([tmp_path / name], [], [])


def test_values_become_what_the_notebook_declares(notebook: Path) -> None:
    as_text = {"top": "7", "rate": "1e3", "limit": "2", "plain": "-4", "free": "007"}
    assert read_template(notebook).bind(as_text) == {"top": 7, "rate": 1000.0, "limit": 2, "plain": -4, "free": "007"}
    as_yaml = {"top": 7, "rate": 1, "names": ["a"], "limit": None, "free": {"a": [1]}}
    assert read_template(notebook).bind(as_yaml) == as_yaml


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("top", True, "top is True. Allowed: a whole number"),
        ("top", None, "top is None. Allowed: a whole number"),
        ("top", 1.5, "top is 1.5. Allowed: a whole number"),
        ("rate", "nan", "rate is 'nan'. Allowed: a number"),
        ("names", "a", "names is 'a'. Allowed: a list, as YAML: `parameters_yaml`"),
        ("limit", "many", "limit is 'many'. Allowed: a whole number"),
        ("plain", "x", "plain is 'x'. Allowed: a whole number"),
    ],
)
def test_value_of_another_type_is_refused(notebook: Path, name: str, value: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        read_template(notebook).bind({name: value})


def test_number_is_no_text_as_its_zeros_would_be_lost(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "a.ipynb", parameters='code: str = ""')
    with pytest.raises(ParameterError, match=r"code is 7\. Allowed: text; in YAML, put quotes around it"):
        read_template(notebook).bind(given_parameters([], ["code: 007"], []))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a", "https://x.blob.core.windows.net/c?sv=1&sig=c2VjcmV0"),
        ("a", KEY),
        ("a", {"deep": [f"AccountKey={KEY}"]}),
        ("a", "Bearer abcdefghijk"),
        ("password", "hunter2"),
        ("a", "what was found in the vault"),
    ],
)
def test_a_credential_is_no_parameter(monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    monkeypatch.setattr("techco.redact._known", set())
    techco.redact.register_secret("what was found in the vault")
    with pytest.raises(ParameterError, match=f"^The parameter {name} looks like a credential, and .* a Key Vault") as e:
        refuse_credentials({"fine": "x", name: value})
    assert str(value) not in str(e.value)


def test_words_of_a_command_give_the_same_parameters_again() -> None:
    values = {"a": "-x y", "b": 5, "c": ["1", None], "d": "5", "e": {"k": 0.5}}
    words = shlex.split(shlex.join(as_options(values)))
    texts = [text for option, text in itertools.pairwise(words) if option == "-y"]
    assert given_parameters([], texts, [("a", "-x y"), ("d", "5")]) == values


def test_standard_parameters_are_the_same_as_the_options() -> None:
    given = PapermillOptions(
        parameters=["end_date\0" + "2023-08-02"], parameters_yaml=["{start_date: 2023-08-01, top: 5}"]
    )
    options = dict.fromkeys(("storage", "start_date", "end_date", "engine", "period"))
    standard, others = split_standard(given.read_parameters(), {**options, "engine": "spark"})
    assert standard == {
        "storage": None, "start_date": "2023-08-01", "end_date": "2023-08-02", "engine": "spark",
    }  # fmt: skip
    assert others == {"top": 5}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-p storage ./shop --storage ./shop", "The parameter storage comes together with --storage. Give one of them"),
        ("-p storage ./shop --account a", "The parameter storage comes together with --account."),
        ("-p start_date 2023-08-01 --from 2023-08-01", "The parameter start_date comes together with --from."),
        ("-p end_date 2023-08-01 --period 2023-08", "The parameter end_date comes together with --period."),
        ("-p engine sail --engine sail", "The parameter engine comes together with --engine."),
        ("-p run_id x", "The parameter run_id cannot be given: each run makes its own. Leave it out."),
        ("-y storage:\\ 5", "The parameter storage is 5. Allowed: text; in YAML, put quotes around it."),
        ("-p start_date 2023-08-01", "--from is given without --to"),
        ("-p engine snail", "engine is 'snail'. Allowed: sail"),
        ("-p top", "-p top has no value. Give both: -p NAME VALUE."),
        ("-p", "-p has no value. Give both: -p NAME VALUE."),
        ("-p topp 5", "No notebook of this run declares topp. Allowed: storage, start_date, end_date, engine."),
        ("-p note sig=c2VjcmV0", "The parameter note looks like a credential"),
        ("-f nowhere.yaml", "The file nowhere.yaml of -f cannot be read"),
    ],
)
def test_wrong_parameters_are_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    templates = write_templates(tmp_path / "templates")
    if "note" in words:
        write_notebook(templates / "join.ipynb", parameters=f'{STANDARD}\nnote: str = ""')
    monkeypatch.setenv("TECHCO_TEMPLATES", str(templates))
    result = CliRunner().invoke(app, ["run", *shlex.split(words)])
    assert (result.exit_code, result.stdout) == (USAGE, "")
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert "c2VjcmV0" not in result.stderr
    assert list(tmp_path.iterdir()) == [templates]


@pytest.mark.slow
def test_parameters_reach_the_notebooks_that_declare_them_and_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a run that is resumed."""
    (tmp_path / "shop").mkdir()
    templates = write_templates(tmp_path / "templates")
    declared = f"{STANDARD}\n{OWN}"
    write_notebook(templates / "join.ipynb", "print([top, names, start_date])\n1 / (top - 7)", parameters=declared)
    monkeypatch.setenv("TECHCO_TEMPLATES", str(templates))
    words = ["run", "-p", "storage", str(tmp_path / "shop"), "-p", "start_date", "2023-08-01"]
    words += ["-y", "end_date: 2023-08-02", "-p", "top", "7", "-y", "names: [é, -b]", "--steps", "ingest,join"]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path), "--json"])
    assert result.exit_code == 1, "join divides by nothing"
    record = json.loads(result.stdout)
    assert record["provenance"]["parameters"] == {"top": "7", "names": ["é", "-b"]}
    assert "-p top 7" in record["provenance"]["command"]
    assert "2023-08-02 " in record["provenance"]["command"]

    write_notebook(templates / "join.ipynb", "print([top, names, start_date])", parameters=declared)
    result = CliRunner().invoke(app, ["resume", record["run_id"], "--out", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert outputs(Path(record["steps"][1]["notebook"])) == "[7, ['é', '-b'], '2023-08-01']\n"
    page = Path(record["report"]).read_text(encoding="utf-8")
    assert "<dt>Parameters</dt><dd>names [&#39;é&#39;, &#39;-b&#39;], top 7</dd>" in page
    shown = CliRunner().invoke(app, ["show", record["run_id"], "--out", str(tmp_path)])
    assert "Parameters  names ['é', '-b'], top 7" in shown.stdout


@pytest.mark.parametrize("step", STEPS)
def test_papermill_explains_the_parameters_of_a_template(step: str) -> None:
    from click.testing import CliRunner as ClickRunner

    result = ClickRunner().invoke(papermill, ["--help-notebook", str(templates_dir() / f"{step}.ipynb")])
    assert result.exit_code == 0
    for name in DECLARED:
        assert re.search(rf'^  {name}: str \(default "[^"]*"\)\s+\w[\w ]{{4}}', result.stdout, re.MULTILINE), name
