"""The doctor: what passes and fails where, which remedy is named, and that nothing of its probing stays."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from techco import open_shop
from techco.cli.printing import print_checks
from techco.doctor import machine
from techco.doctor.checks import Check, Examination, Skip, make_checks
from techco.doctor.doctor import DoctorRequest, examine
from techco.engines.java import java_version
from techco.ingest import ingest
from techco.storage.folder import Folder
from tests.support.azurite import KEY
from tests.support.doctor import (
    ANSI,
    CONTENT,
    LOGS,
    MACHINE,
    STORAGE,
    assert_no_secrets,
    doctor,
    examined,
    failed,
    files_in,
    found_by,
    skipped,
)
from tests.support.needs import missing
from tests.support.shops import CUSTOMERS, write_shop
from tests.support.tiny_notebooks import write_notebook, write_templates


@pytest.mark.slow
def test_a_user_reads_one_line_per_check_and_finds_the_folder_as_it_was(small_shop: Folder, tmp_path: Path) -> None:
    before = files_in(small_shop)
    command = [sys.executable, "-m", "techco", "doctor", "--storage", small_shop.url, "--out", str(tmp_path / "out")]
    # An organisation's proxy must not be asked for this machine, where the engine is.
    env = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    result = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert result.stderr == ""
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    status = {
        name: line[0]
        for line in lines
        if line
        for name in MACHINE + STORAGE + CONTENT
        if line[1].startswith(name + " ")
    }
    assert list(status) == MACHINE + STORAGE + CONTENT
    assert [name for name in status if status[name] == "skipped"] == ["java", "credential", "key vault"]
    assert [name for name in status if status[name] == "failed"] in ([], ["other users"])
    assert result.returncode == (1 if "failed" in status.values() else 0)
    assert re.fullmatch(r"1[67] passed, (1 failed, )?3 skipped", result.stdout.splitlines()[-1])
    assert files_in(small_shop) == before
    assert not (tmp_path / "out").exists()


def test_json_is_one_object_with_the_number_of_failures(no_other_users: None, tmp_path: Path) -> None:
    result = doctor("--storage", str(tmp_path / "nowhere"), "--json", "--out", str(tmp_path))
    assert result.exit_code == 1
    printed = json.loads(result.stdout)
    assert (set(printed), printed["failed"]) == ({"checks", "failed"}, 1)
    assert [check["name"] for check in printed["checks"]] == MACHINE + STORAGE + CONTENT
    assert [check for check in printed["checks"] if check["status"] == "failed"] == [
        {
            "name": "storage",
            "status": "failed",
            "detail": f"The storage {tmp_path}/nowhere does not exist.",
            "remedy": "Give the folder that holds customer_data.csv, product_data.csv and web_logs.json.",
        }
    ]
    assert {check["detail"] for check in printed["checks"][len(MACHINE) + 3 :]} == {"needs storage"}


def test_without_a_storage_this_machine_is_checked(no_other_users: None, tmp_path: Path) -> None:
    result = doctor("--out", str(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        "skipped storage            none is given\n        To do: Check one too: techco doctor --storage URL"
        in result.stdout
    )
    assert result.stdout.endswith("\n7 passed, 2 skipped\n")


def test_the_storage_may_come_from_the_settings(monkeypatch: pytest.MonkeyPatch, small_shop: Folder) -> None:
    monkeypatch.setenv("TECHCO_STORAGE", small_shop.url)
    monkeypatch.setattr("techco.doctor.doctor._of_machine", lambda _: [])
    result = doctor()
    assert result.exit_code == 0
    assert f"{small_shop.url} is there" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--engine snail", "engine is 'snail'. Allowed: sail"),
        ("--storage ftp://host/shop", "storage is 'ftp://host/shop'. Allowed: a local folder"),
        ("--key-vault kv-shop", "--key-vault is given without --secret"),
        ("--account shop", "--container is not given"),
        ("--storage shop --account shop --container data", "Give either the URL, or its parts"),
        (f"--key-vault kv-shop --secret {KEY}", "--secret is not the name of a secret"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_checked(arguments: str, words: str) -> None:
    result = doctor(*arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert_no_secrets(result.stderr)


def test_long_lines_are_broken_where_a_terminal_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [
        Check("credential", "passed", "word " * 30 + "end"),
        Check("write", "failed", "It may not.", "Grant it. " * 20 + "abfss://" + "x" * 40),
        Check("delete", "skipped", "needs write"),
    ]
    for name, value in {"TTY_COMPATIBLE": "1", "FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    print_checks(checks)
    coloured = capsys.readouterr().out
    assert ANSI.search(coloured)
    lines = ANSI.sub("", coloured).splitlines()
    assert max(map(len, lines)) <= 80
    assert {line[:7] for line in lines if line[:1].strip()} == {"passed ", "failed ", "skipped", "1 passe"}
    assert all(line.startswith(" " * 27 + "word") for line in lines[1:3])
    assert next(line for line in lines if "To do" in line).startswith("        To do: Grant it. ")


def test_in_a_pipe_each_check_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_checks([Check("write", "failed", "long " * 40 + "end", "mend " * 40 + "it")])
    first, second, _, last = capsys.readouterr().out.splitlines()
    assert first.startswith("failed  write              long long")
    assert first.endswith("end")
    assert second.startswith("        To do: mend mend")
    assert last == "1 failed"


def test_whatever_goes_wrong_in_a_check_is_its_result() -> None:
    def broken() -> str:
        raise LookupError(f"no such thing \x1b[31m AccountKey={KEY}\nand a second line")

    def never() -> str:
        raise AssertionError("it needs what failed")

    examinations = [
        Examination("first", broken),
        Examination("second", never, ("first",)),
        Examination("third", never, ("second",)),
        Examination("fourth", lambda: "fine"),
    ]
    first, second, third, fourth = make_checks(examinations)
    assert (first.status, first.detail) == ("failed", "LookupError: no such thing \ufffd[31m AccountKey=[hidden]")
    assert "Please report it" in first.remedy
    assert (second.status, second.detail, third.detail) == ("skipped", "needs first", "needs first")
    assert (fourth.status, fourth.detail) == ("passed", "fine")


def test_a_check_that_does_not_apply_blocks_no_other() -> None:
    def not_here() -> str:
        raise Skip("not here", "Go there.")

    first, second = make_checks([Examination("first", not_here), Examination("second", lambda: "fine", ("first",))])
    assert first == Check("first", "skipped", "not here", "Go there.")
    assert second.status == "passed"


def test_packages_that_are_missing_or_of_another_version_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    demanded = ["pandas>=2.2,<3", "pyspark<4", "no-such-package>=1", "another ; extra == 'dev'"]
    monkeypatch.setattr(machine, "requires", lambda _: demanded)
    check = found_by(machine.packages)
    assert re.fullmatch(r"pyspark is 4\.\d\.\d, allowed is <4; no-such-package is missing\.", check.detail)
    assert (check.status, check.remedy) == ("failed", "Install what is needed: pip install --upgrade techco")


def test_java_is_needed_by_apache_spark_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found_by(partial(machine.java, "sail")) == Check("it", "skipped", "only Apache Spark needs it")
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    check = found_by(partial(machine.java, "spark://host:7077"))
    assert (check.status, check.detail) == ("failed", "There is no Java, and Apache Spark needs 17 or newer.")
    assert "apt-get install openjdk-17" in check.remedy


@pytest.mark.parametrize(
    ("told", "number"), [('java version "1.8.0_392"', 8), ('openjdk version "21" 2023-09-19', 21), ("", None)]
)
def test_java_says_its_version_in_more_than_one_way(
    told: str, number: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java_version() == number


@pytest.mark.spark
def test_the_java_of_this_machine_is_found() -> None:
    if not shutil.which("java"):
        missing("No Java on this machine")
    version = java_version()
    assert version is not None
    assert version >= 8


def test_templates_must_be_there_and_declare_the_parameters(tmp_path: Path) -> None:
    templates = write_templates(tmp_path / "templates")
    assert found_by(partial(machine.templates, templates)).status == "passed"
    write_notebook(templates / "join.ipynb", "1", parameters='storage: str = ""')
    check = found_by(partial(machine.templates, templates))
    assert (check.status, check.detail) == (
        "failed",
        "join.ipynb has no parameter start_date, end_date, engine, run_id.",
    )
    (templates / "ingest.ipynb").unlink()
    assert found_by(partial(machine.templates, templates)).detail == f"There is no notebook {templates}/ingest.ipynb."


def test_the_templates_of_the_settings_are_checked(
    no_other_users: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TECHCO_TEMPLATES", str(tmp_path))
    result = doctor("--out", str(tmp_path))
    assert result.exit_code == 1
    assert (
        f"failed  templates          There is no notebook {tmp_path}/ingest.ipynb.\n        To do: Allowed"
        in result.stdout
    )


def test_an_output_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    assert found_by(partial(machine.output_folder, tmp_path / "new" / "out")).status == "passed"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "reports").touch()
    check = found_by(partial(machine.output_folder, tmp_path))
    assert (check.status, check.detail) == ("failed", f"{tmp_path}/reports cannot be written: Not a directory.")
    assert check.remedy == "Give a folder that you may write to with `out`."


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run a process as another user")
def test_other_people_on_the_machine_are_a_risk() -> None:
    with subprocess.Popen(["sleep", "60"], user=12345) as process:
        check = found_by(machine.other_users)
        process.kill()
    assert check.status == "failed"
    assert re.search(r"processes here \(.*12345.*\)\.$", check.detail)
    assert check.remedy.endswith("Use one user per machine or container.")


def test_other_people_that_cannot_be_seen_are_not_denied(tmp_path: Path) -> None:
    check = found_by(partial(machine.other_users, tmp_path))
    assert (check.status, check.detail) == ("skipped", "the processes of others cannot be seen here")


def test_a_shop_under_any_name_passes(storage: Folder) -> None:
    write_shop(storage, LOGS)
    checks = examined(storage.url)
    assert (failed(checks), skipped(checks)) == ([], ["credential", "key vault"])
    assert checks["customer_data.csv"].detail == "137 bytes, has its 5 columns"
    assert checks["web logs"].detail.startswith("web_logs.json, JSON array, ")
    assert checks["tables"].detail == "none yet"


def test_existing_tables_are_named_and_compared_with_this_version(small_shop: Folder) -> None:
    ingest(open_shop(small_shop.url, "2023-08"))
    before = files_in(small_shop)
    assert examined(small_shop.url)["tables"].detail == "customers, products, web_logs, quarantine"
    assert files_in(small_shop) == before
    shutil.copytree(small_shop.path("tables/customers"), small_shop.path("tables/full_data"))
    check = examined(small_shop.url)["tables"]
    assert (check.status, check.remedy) == ("failed", "Move the table away and ingest its periods again.")
    assert "full_data has other columns than this version writes: customer_id, first_name" in check.detail


@pytest.mark.parametrize(
    ("name", "content", "check", "words"),
    [
        ("customer_data.csv", CUSTOMERS.replace("email", "mail"), "customer_data.csv", "has no column email. Found: "),
        ("customer_data.csv", None, "customer_data.csv", "No customer_data.csv in SHOP. Found: product_data.csv,"),
        ("product_data.csv", "", "product_data.csv", "product_data.csv in SHOP is empty (0 bytes). Put the"),
        ("web_logs.json", None, "web logs", "No web_logs.json in SHOP. Expected web_logs.json or a folder web_logs/."),
        ("web_logs.json", '[{"id": 1}, {"id": 2}]', "web logs", "has no log_id with a timestamp in its first 2 "),
        ("web_logs.json", "<xml/>", "web logs", "web_logs.json is not JSON: it begins with '<xml/>'. Expected"),
    ],
)  # fmt: skip
def test_a_raw_file_that_is_not_right_is_named(
    small_shop: Folder, name: str, content: str | None, check: str, words: str
) -> None:
    if content is None:
        small_shop.path(name).unlink()
    else:
        small_shop.path(name).write_text(content)
    checks = examined(small_shop.url)
    assert failed(checks) == [check]
    assert words.replace("SHOP", small_shop.url) in f"{checks[check].detail} {checks[check].remedy}"


def test_logs_may_be_many_files_of_lines_some_of_them_broken(small_shop: Folder) -> None:
    small_shop.path("web_logs.json").unlink()
    for day in ("2023-08-01", "2023-08-02"):
        folder = small_shop.path(f"web_logs/date={day}")
        folder.mkdir(parents=True)
        (folder / "part.jsonl").write_text("not JSON {\n" + json.dumps(LOGS[0]) + "\n")
    assert re.fullmatch(r"2 files in web_logs/, JSON lines, \d+ bytes", examined(small_shop.url)["web logs"].detail)


def test_a_folder_that_cannot_be_written_fails_at_that_alone(small_shop: Folder) -> None:
    small_shop.path("tables").touch()  # root may write anywhere, but not into a file
    checks = examined(small_shop.url)
    assert failed(checks) == ["write"]
    assert checks["read"].detail == "read the beginning of customer_data.csv"
    assert checks["delete"].detail == "needs write"
    assert checks["write"].remedy == "Grant write permission there, or move away what is in the way."


def test_a_probe_is_removed_when_the_checks_are_interrupted(
    monkeypatch: pytest.MonkeyPatch, small_shop: Folder
) -> None:
    monkeypatch.setattr("techco.doctor.doctor._of_machine", lambda _: [])
    before = files_in(small_shop)
    checks = examine(DoctorRequest(small_shop.url))
    while next(checks).name != "write":
        pass
    assert len(files_in(small_shop)) == len(before) + 2
    checks.close()  # type: ignore[attr-defined]  # it is a generator
    assert files_in(small_shop) == before
