"""The command line: what users read, where it goes, and the exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from techco import Access, __version__
from techco.cli.app import app
from techco.cli.options import AccessOptions
from techco.errors import ParameterError
from techco.records.record import RunRecord
from techco.settings import load_settings
from tests.support.tiny_notebooks import write_templates

DESIGN_KEYS = {
    "run_id", "status", "storage", "engine", "start_date", "end_date", "seconds", "report", "steps", "metrics",
}  # fmt: skip
USAGE = 2


def techco(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, with output that is no terminal."""
    env = {
        **os.environ,
        "TECHCO_STORAGE": "",
        "TECHCO_ENGINE": "",
        "TECHCO_OUT": "",
        "TECHCO_TEMPLATES": "",
        **variables,
    }
    command = [sys.executable, "-m", "techco", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A storage that exists."""
    (tmp_path / "shop").mkdir()
    return str(tmp_path / "shop")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("run --storage SHOP", "No period is given for the storage SHOP. Say which days: --period 2023-08, or --from"),
        ("run --period 2023-08 --from 2023-08-01", "Give either --period, or --from and --to"),
        ("run --period 2023-08 --to 2023-08-01", "Give either --period, or --from and --to"),
        ("run --from 2023-08-01", "--from is given without --to"),
        ("run --to 2023-08-01", "--to is given without --from"),
        ("run --from 2023-08-02 --to 2023-08-01", "The period ends before it starts: 2023-08-02 to 2023-08-01"),
        ("run --from 2023-02-30 --to 2023-03-01", "--from is '2023-02-30', a day that does not exist"),
        ("run --from 2023-02-01 --to 1.3.2023", "--to is '1.3.2023', which is not a day. Write it as YYYY-MM-DD"),
        ("run --period 2023-13", "period is '2023-13', which does not exist"),
        ("run --period soon", "period is 'soon'. Allowed: 2023, 2023-Q3"),
        (
            "run --period 2023-08 --as-of 2023-09-01",
            "--as-of is given without a --period that is counted from it: yest",
        ),
        ("run --from 2023-08-01 --to 2023-08-02 --as-of 2023-09-01", "--as-of is given without a --period"),
        ("run --period yesterday --as-of soon", "--as-of is 'soon', which is not a day"),
        (
            "run --storage SHOP --period 2023-08 --steps ingest,joyn",
            "'joyn' is not a step. Allowed: ingest, join, analysis",
        ),
        ("run --storage SHOP --period 2023-08 --steps join,join", "The step join is given twice"),
        ("run --storage SHOP --period 2023-08 --steps ,", "'' is not a step"),
        ("run --storage SHOP --period 2023-08 --engine snail", "engine is 'snail'. Allowed: sail"),
        ("run --storage SHOP --period 2023-08 --steps join --out /proc/1/x", "Runs cannot be written to /proc/1/x"),
        ("run --storage SHOP --account shop", "--storage comes together with --account, --container or --prefix"),
        ("run --account shop", "--container is not given. Name a container with --account NAME --container NAME"),
        ("run --container data", "--account is not given. Name a container with --account NAME --container NAME"),
        ("run --prefix north", "--account is not given"),
        ("run --account Shop --container data", "The storage account is 'Shop'. Allowed: its name, 3 to 24"),
        ("run --account shop --container data", "No period is given for the storage abfss://data@shop.dfs.core"),
        ("run --account shop --container data --prefix /a/b/", "storage abfss://data@shop.dfs.core.windows.net/a/b."),
        ("run --storage SHOP --period 2023-08 --secret key", "--secret is given without --key-vault. Give both"),
        ("run --storage SHOP --period 2023-08 --key-vault kv", "--key-vault is given without --secret. Give both"),
        ("run --storage SHOP --period 2023-08 --pii hide", "--pii is 'hide'. Allowed: mask, which hides"),
        ("run --storage SHOP --period 2023-08 --endpoint x", "--endpoint is not the URL of a blob service"),
        ("run --storage s3://shop --period 2023-08", "storage is 's3://shop'. Allowed: a local folder, the word"),
        ("render nope --out SHOP", "There is no run nope in SHOP/runs. There are none: techco run."),
        ("generate SHOP --logs 0", "logs is 0"),
        ("generate SHOP --format yaml", "form is 'yaml'. Allowed: array, compact, lines, folder"),
        ("generate SHOP --from 2023-08-02 --to 2023-08-01", "The period ends before it starts"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence_with_exit_code_2(shop: str, arguments: str, words: str) -> None:
    result = CliRunner().invoke(app, [shop if word == "SHOP" else word for word in arguments.split()])
    assert (result.exit_code, result.stdout) == (USAGE, "")
    assert words.replace("SHOP", shop) in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["run", "--stroage", "x"], ["runn"], ["render"], ["run", "extra"]])
def test_unknown_words_are_wrong_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (USAGE, "")
    assert "Usage: " in result.stderr


def test_storage_that_does_not_exist_fails_before_anything_is_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["run", "--storage", str(tmp_path / "nowhere"), "--period", "2023-08", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert f"Error: The storage {tmp_path}/nowhere does not exist." in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TECHCO_ENGINE", "snail", "TECHCO_ENGINE is 'snail': engine is 'snail'. Allowed: sail"),
        ("TECHCO_TEMPLATES", "/nowhere", "TECHCO_TEMPLATES is '/nowhere': There is no such folder"),
    ],
)
def test_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str) -> None:
    monkeypatch.setenv(variable, value)
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == USAGE
    assert words in result.stderr


def test_user_without_a_home_is_told_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(user: int) -> None:
        raise KeyError(user)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    result = CliRunner().invoke(app, ["run"])
    assert (result.exit_code, result.stdout) == (USAGE, "")
    assert result.stderr.startswith("Error: HOME is not set, and this machine knows no user")


def test_option_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TECHCO_OUT", str(tmp_path / "variable"))
    assert f"{tmp_path}/variable/runs" in CliRunner().invoke(app, ["list"]).stdout
    assert f"{tmp_path}/option/runs" in CliRunner().invoke(app, ["list", "--out", str(tmp_path / "option")]).stdout


def test_account_of_the_azure_cli_is_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "myshop")
    result = CliRunner().invoke(app, ["run", "--container", "data"])
    assert "No period is given for the storage abfss://data@myshop.dfs.core.windows.net." in result.stderr


def test_options_of_a_key_vault_go_before_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TECHCO_KEY_VAULT", "kv-one")
    monkeypatch.setenv("TECHCO_SECRET", "one")
    settings = load_settings()
    assert AccessOptions().choose_access(settings) == Access("kv-one", "one")
    assert AccessOptions(None, "two", "https://10.0.0.4").choose_access(settings) == Access(
        "kv-one", "two", "https://10.0.0.4"
    )
    assert AccessOptions("kv-two", "two").choose_access(settings) == Access("kv-two", "two")
    with pytest.raises(ParameterError, match="`key_vault` is given without `secret`"):
        AccessOptions("kv-two").choose_access(settings)


def test_storage_of_the_variable_needs_a_period_too(monkeypatch: pytest.MonkeyPatch, shop: str) -> None:
    monkeypatch.setenv("TECHCO_STORAGE", shop)
    result = CliRunner().invoke(app, ["run"])
    assert (result.exit_code, result.stdout) == (USAGE, "")
    assert f"No period is given for the storage {shop}" in result.stderr


@pytest.mark.parametrize("text", ["", " "])
def test_storage_without_a_name_is_told_to_be_wrong(text: str) -> None:
    result = CliRunner().invoke(app, ["run", "--storage", text])
    assert result.exit_code == USAGE
    assert f"Error: --storage is {text!r}. Give the folder" in result.stderr


def test_error_shows_no_credentials() -> None:
    result = CliRunner().invoke(app, ["run", "--storage", "./shop?sig=c2VjcmV0", "--period", "2023-08"])
    assert result.exit_code == 1
    assert "Error: The storage shop?sig=[hidden] does not exist." in result.stderr


@pytest.mark.parametrize("name", [os.fsdecode(b"latin-\xe4"), "two\nlines"])
def test_path_that_no_record_can_hold_is_refused(tmp_path: Path, shop: str, name: str) -> None:
    (tmp_path / name).mkdir()
    for storage, out in ((str(tmp_path / name), shop), (shop, str(tmp_path / name))):
        result = techco("run", "--storage", storage, "--period", "2023-08", "--out", out)
        assert (result.returncode, result.stdout) == (USAGE, "")
        assert "with bytes that are not UTF-8 or with control characters. Rename the folder" in result.stderr
    assert list((tmp_path / name).iterdir()) == []


def test_list_survives_what_it_cannot_read_or_print(tmp_path: Path) -> None:
    for name, text in (("1", RunRecord("1", "/ä", "sail", "2023-08-01", "2023-08-02").to_json()), ("2", "{")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text(text)
    result = techco("list", "--out", str(tmp_path), PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["2", "unreadable"],
        ["1", "2023-08-01..2023-08-02", "failed", r"/\xe4"],
    ]


@pytest.mark.slow
def test_json_is_json_in_any_encoding(tmp_path: Path) -> None:
    templates = write_templates(tmp_path / "templates")
    (tmp_path / "shöp").mkdir()
    options = ("--storage", str(tmp_path / "shöp"), "--period", "2023-08", "--out", str(tmp_path), "--steps", "join")
    result = techco("run", *options, "--json", TECHCO_TEMPLATES=str(templates), PYTHONIOENCODING="ascii")
    assert json.loads(result.stdout)["storage"] == str(tmp_path / "shöp")


def test_folder_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["list", "--out", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (0, f"No runs in {tmp_path}/runs. Make one: techco run\n")


def test_unexpected_error_asks_for_a_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise LookupError("no such thing, sig=c2VjcmV0")

    monkeypatch.setattr("techco.records.find.read_records", broken)
    result = CliRunner().invoke(app, ["list", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith(
        f"Error: This is a bug in techco {__version__}: LookupError: no such thing, sig=[hidden]. Please report it"
    )
    assert "c2VjcmV0" not in result.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "-h"]])
def test_version_and_help_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from techco.cli.app import app; app(sys.argv[1:], standalone_mode=False); "
        "heavy = {'pandas', 'matplotlib', 'pyspark', 'papermill', 'nbconvert', 'jupyter_client'} & set(sys.modules); "
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"techco {__version__}\n")


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(
        f" {command} " in result.stdout for command in ("run", "generate", "render", "list", "publish", "doctor")
    )


def test_generate_prints_what_a_report_must_show(tmp_path: Path) -> None:
    options = ["generate", str(tmp_path / "shop"), "--customers", "5", "--products", "3", "--logs", "40", "--json"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["records"]["read"] == 40
    made = {path.name for path in (tmp_path / "shop").iterdir()}
    assert {"customer_data.csv", "product_data.csv", "web_logs.json"} <= made


@pytest.mark.slow
def test_run_writes_results_to_stdout_and_one_line_per_step_to_stderr(tmp_path: Path, shop: str) -> None:
    templates = write_templates(
        tmp_path / "templates", ingest="import os\nos.write(1, b'noise from below')\nprint('cell')"
    )
    options = ("--storage", shop, "--period", "2023-08", "--out", str(tmp_path), "--steps", "ingest,join")
    result = techco("run", *options, TECHCO_TEMPLATES=str(templates))
    assert result.returncode == 0
    report = next(tmp_path.glob("reports/*/index.html"))
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Completed in ")
    assert lines[-1].split() == ["Report", str(report)]
    told = [line.split(" in ")[0] for line in result.stderr.splitlines()]
    assert told == ["ingest: started", "ingest: completed", "join: started", "join: completed"]

    listed = techco("list", "--out", str(tmp_path))
    assert listed.stdout.startswith(f"{report.parent.name}  2023-08-01..2023-08-31  completed  ")
    rendered = techco("render", report.parent.name, "--out", str(tmp_path))
    assert (rendered.returncode, rendered.stdout, rendered.stderr) == (0, f"{report}\n", "")


@pytest.mark.slow
def test_a_period_that_is_counted_from_a_day_is_shown_and_recorded_as_days(tmp_path: Path, shop: str) -> None:
    templates = write_templates(tmp_path / "templates")
    options = ("--storage", shop, "--period", "last-month", "--as-of", "2024-03-31", "--out", str(tmp_path))
    result = techco("run", *options, "--steps", "join", "--json", TECHCO_TEMPLATES=str(templates))
    assert result.stderr.splitlines()[0] == "Period 2024-02-01 to 2024-02-29"
    record = json.loads(result.stdout)
    assert (record["start_date"], record["end_date"]) == ("2024-02-01", "2024-02-29")
    assert "--from 2024-02-01 --to 2024-02-29" in record["provenance"]["command"]


def test_a_shell_completes_the_words_for_periods() -> None:
    words = {"_TECHCO_COMPLETE": "complete_bash", "COMP_WORDS": "techco run --period last-", "COMP_CWORD": "3"}
    assert techco(**words).stdout.split() == ["last-week", "last-month", "last-quarter"]


def test_json_prints_one_object_and_the_same_as_the_record(tmp_path: Path, shop: str) -> None:
    templates = write_templates(tmp_path / "templates")
    options = ("--storage", shop, "--period", "2023-08-01..2023-08-15", "--out", str(tmp_path), "--steps", "join")
    result = techco("run", *options, "--json", "--no-progress", TECHCO_TEMPLATES=str(templates))
    assert (result.returncode, result.stderr) == (0, "")
    printed = json.loads(result.stdout)
    assert set(printed) >= DESIGN_KEYS
    assert (printed["status"], printed["start_date"], printed["end_date"]) == ("completed", "2023-08-01", "2023-08-15")
    assert set(printed["steps"][0]) == {"name", "status", "seconds", "notebook", "report"}
    assert printed == json.loads((tmp_path / "runs" / printed["run_id"] / "run.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "The step join failed: Cell [3] failed: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(0)", "The step join failed: Cell [3] ended the notebook with SystemExit(0)"),
        ("import os\nos._exit(0)", "The step join failed: The kernel died in cell 3 of 4"),
    ],
)
def test_failed_run_says_why_and_where_its_report_is(tmp_path: Path, shop: str, source: str, words: str) -> None:
    templates = write_templates(tmp_path / "templates", join=source)
    options = ("--storage", shop, "--period", "2023-08", "--out", str(tmp_path), "--steps", "join,analysis", "--json")
    result = techco("run", *options, TECHCO_TEMPLATES=str(templates))
    assert result.returncode == 1
    assert f"Error: {words}" in result.stderr
    assert result.stderr.splitlines()[-1] == f"Report: {next(tmp_path.glob('reports/*/index.html'))}"
    assert "Traceback" not in result.stderr
    printed = json.loads(result.stdout)
    assert (printed["status"], [step["status"] for step in printed["steps"]]) == ("failed", ["failed", "pending"])
    assert Path(printed["steps"][0]["notebook"]).is_file()


@pytest.mark.slow
def test_report_that_cannot_be_written_is_no_bug(tmp_path: Path, shop: str) -> None:
    templates = write_templates(tmp_path / "templates")
    (tmp_path / "reports").touch()
    options = ("--storage", shop, "--period", "2023-08", "--out", str(tmp_path), "--steps", "join", "--no-progress")
    result = techco("run", *options, TECHCO_TEMPLATES=str(templates))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: Files cannot be written in {tmp_path}/reports/")
    assert result.stderr.endswith(": Not a directory. Make room, or give another folder with --out.\n")
    assert "  failed  " in techco("list", "--out", str(tmp_path)).stdout


@pytest.mark.slow
def test_terminal_sees_a_live_display(tmp_path: Path, shop: str) -> None:
    templates = write_templates(tmp_path / "templates")
    command = [sys.executable, "-m", "techco", "run", "--storage", shop, "--period", "2023-08", "--steps", "analysis"]
    env = {**os.environ, "TERM": "xterm-256color", "TECHCO_TEMPLATES": str(templates), "TECHCO_OUT": str(tmp_path)}
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=env) as process:
        os.close(theirs)
        shown = read_to_end(ours)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "cell 1 of 4" in shown
    assert "completed" in shown
    assert b"Report" in stdout
    assert b"cell" not in stdout


def read_to_end(terminal: int) -> str:
    """All that is written to a terminal until the last process has closed it."""
    parts = []
    with contextlib.suppress(OSError):  # Linux says so with an input/output error
        while part := os.read(terminal, 4096):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()
