"""The doctor: what passes and fails where, which remedy is named, and that nothing of its probing stays."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from techco import open_shop
from techco.cli.app import app
from techco.cli.printing import print_checks
from techco.doctor import machine
from techco.doctor.checks import Check, Examination, Skip, make_checks
from techco.doctor.doctor import DoctorRequest, examine
from techco.doctor.storage import StorageChecks
from techco.engines.java import java_version
from techco.ingest import ingest
from techco.storage.access import Access
from techco.storage.folder import Folder
from tests.support import azurite
from tests.support.azurite import KEY, Azurite
from tests.support.shops import CUSTOMERS, log, write_shop
from tests.support.stand_ins import (
    Answer,
    Certificates,
    Request,
    StandIn,
    free_port,
    identity_variables,
    key_vault,
    make_token,
    managed_identity,
    serve,
    silence,
    storage_error,
)
from tests.support.tiny_notebooks import write_notebook, write_templates

LOGS = [log(1), log(2, "2023-08-31", "purchase")]
MACHINE = ["python", "packages", "engine", "java", "templates", "kernel", "output folder", "other users"]
STORAGE = ["credential", "key vault", "storage", "list", "write", "read", "engine reads", "delete"]
CONTENT = ["customer_data.csv", "product_data.csv", "web logs", "tables"]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever else works on the machine that runs the tests is not seen."""
    monkeypatch.setattr(machine, "other_users", lambda: "no other user has a process here")


@pytest.fixture
def shop(tmp_path: Path) -> Folder:
    """A good shop."""
    (tmp_path / "shop").mkdir()
    return write_shop(Folder(str(tmp_path / "shop")), LOGS)


@pytest.fixture
def set_variables(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Set variables of the environment for one test."""

    def set_all(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def doctor(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, ["doctor", *arguments])


def examined(storage: str, **access: str) -> dict[str, Check]:
    """The checks of a storage by name, in which no secret may ever be."""
    checks = list(make_checks(StorageChecks(storage, "sail", Access(**access)).examinations()))
    assert_no_secrets(str(checks))
    return {check.name: check for check in checks}


def found_by(find: Callable[[], str]) -> Check:
    """One check."""
    return next(make_checks([Examination("it", find)]))


def failed(checks: dict[str, Check]) -> list[str]:
    return [name for name, check in checks.items() if check.status == "failed"]


def skipped(checks: dict[str, Check]) -> list[str]:
    return [name for name, check in checks.items() if check.status == "skipped"]


def assert_no_secrets(text: str) -> None:
    for secret in (KEY, KEY[:24], "PLANTED", "sig=", "eyJ", "header-of-the-test"):
        assert secret not in text.replace("sig=[hidden]", ""), text


def names_in(account: Azurite, container: str) -> list[str]:
    return sorted(account.container(container).list_blob_names())


def files_in(folder: Folder) -> list[str]:
    return sorted(path.relative_to(folder.url).as_posix() for path in Path(folder.url).rglob("*"))


def test_a_user_reads_one_line_per_check_and_finds_the_folder_as_it_was(shop: Folder, tmp_path: Path) -> None:
    before = files_in(shop)
    command = [sys.executable, "-m", "techco", "doctor", "--storage", shop.url, "--out", str(tmp_path / "out")]
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
    assert files_in(shop) == before
    assert not (tmp_path / "out").exists()


def test_json_is_one_object_with_the_number_of_failures(alone: None, tmp_path: Path) -> None:
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


def test_without_a_storage_this_machine_is_checked(alone: None, tmp_path: Path) -> None:
    result = doctor("--out", str(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        "skipped storage            none is given\n        To do: Check one too: techco doctor --storage URL"
        in result.stdout
    )
    assert result.stdout.endswith("\n7 passed, 2 skipped\n")


def test_the_storage_may_come_from_the_settings(monkeypatch: pytest.MonkeyPatch, shop: Folder) -> None:
    monkeypatch.setenv("TECHCO_STORAGE", shop.url)
    monkeypatch.setattr("techco.doctor.doctor._of_machine", lambda _: [])
    result = doctor()
    assert result.exit_code == 0
    assert f"{shop.url} is there" in result.stdout


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


@pytest.mark.skipif(not shutil.which("java"), reason="no Java on this machine")
def test_the_java_of_this_machine_is_found() -> None:
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
    alone: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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
    assert check.remedy == "Give a folder that you may write to with --out."


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


def test_existing_tables_are_named_and_compared_with_this_version(shop: Folder) -> None:
    ingest(open_shop(shop.url, "2023-08"))
    before = files_in(shop)
    assert examined(shop.url)["tables"].detail == "customers, products, web_logs, quarantine"
    assert files_in(shop) == before
    shutil.copytree(shop.path("tables/customers"), shop.path("tables/full_data"))
    check = examined(shop.url)["tables"]
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
    shop: Folder, name: str, content: str | None, check: str, words: str
) -> None:
    if content is None:
        shop.path(name).unlink()
    else:
        shop.path(name).write_text(content)
    checks = examined(shop.url)
    assert failed(checks) == [check]
    assert words.replace("SHOP", shop.url) in f"{checks[check].detail} {checks[check].remedy}"


def test_logs_may_be_many_files_of_lines_some_of_them_broken(shop: Folder) -> None:
    shop.path("web_logs.json").unlink()
    for day in ("2023-08-01", "2023-08-02"):
        folder = shop.path(f"web_logs/date={day}")
        folder.mkdir(parents=True)
        (folder / "part.jsonl").write_text("not JSON {\n" + json.dumps(LOGS[0]) + "\n")
    assert re.fullmatch(r"2 files in web_logs/, JSON lines, \d+ bytes", examined(shop.url)["web logs"].detail)


def test_a_folder_that_cannot_be_written_fails_at_that_alone(shop: Folder) -> None:
    shop.path("tables").touch()  # root may write anywhere, but not into a file
    checks = examined(shop.url)
    assert failed(checks) == ["write"]
    assert checks["read"].detail == "read the beginning of customer_data.csv"
    assert checks["delete"].detail == "needs write"
    assert checks["write"].remedy == "Grant write permission there, or move away what is in the way."


def test_a_probe_is_removed_when_the_checks_are_interrupted(monkeypatch: pytest.MonkeyPatch, shop: Folder) -> None:
    monkeypatch.setattr("techco.doctor.doctor._of_machine", lambda _: [])
    before = files_in(shop)
    checks = examine(DoctorRequest(shop.url))
    while next(checks).name != "write":
        pass
    assert len(files_in(shop)) == len(before) + 2
    checks.close()  # type: ignore[attr-defined]  # it is a generator
    assert files_in(shop) == before


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("key", "account key in the variable AZURE_STORAGE_KEY"),
        ("sas", "SAS in the variable AZURE_STORAGE_SAS_TOKEN, permits rwdlac, valid until 20"),
        ("connection_string", "connection string with an account key in the variable AZURE_STORAGE_CONNECTION_STRING"),
        ("identity", "DefaultAzureCredential, token valid until 20"),
    ],
)
def test_every_credential_passes_every_check(
    kind: str,
    words: str,
    shop: Folder,
    https_account: Azurite,
    identity_service: StandIn,
    set_variables: Callable[[dict[str, str]], None],
) -> None:
    kinds = {
        "key": {"AZURE_STORAGE_KEY": KEY},
        "sas": {"AZURE_STORAGE_SAS_TOKEN": azurite.make_sas()},
        "connection_string": {"AZURE_STORAGE_CONNECTION_STRING": https_account.connection_string},
        "identity": identity_variables(identity_service.url),
    }
    set_variables(kinds[kind])
    url = https_account.upload(Path(shop.url), "doctor", kind)
    before = names_in(https_account, "doctor")
    checks = examined(url, endpoint=https_account.endpoint)
    assert (failed(checks), skipped(checks)) == ([], ["key vault"])
    assert checks["credential"].detail.startswith(words)
    assert names_in(https_account, "doctor") == before


def test_the_command_passes_on_an_account_and_shows_no_secret(
    alone: None, shop: Folder, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)
    storage_account.upload(Path(shop.url), "command", "a/b")
    named = ["--account", azurite.ACCOUNT, "--container", "command", "--prefix", "a/b", "--out", str(tmp_path)]
    result = doctor(*named)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"abfss://command@{azurite.ACCOUNT}.dfs.core.windows.net/a/b is there" in result.stdout
    assert_no_secrets(result.stdout)
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azurite.make_sas("rl"))
    result = doctor(*named, "--endpoint", storage_account.endpoint)
    assert result.exit_code == 1
    assert "failed  write " in result.stdout
    assert_no_secrets(result.output)


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("key", "account key in the secret key of the Key Vault https://127.0.0.1:"),
        ("sas", "SAS in the secret sas of the Key Vault https://127.0.0.1:"),
        ("text", "connection string with an account key in the secret text of the Key Vault"),
    ],
)
def test_a_key_vault_is_checked_if_one_is_named(
    secret: str,
    words: str,
    shop: Folder,
    https_account: Azurite,
    certificates: Certificates,
    identity_service: StandIn,
    set_variables: Callable[[dict[str, str]], None],
) -> None:
    set_variables(identity_variables(identity_service.url))
    url = https_account.upload(Path(shop.url), "vault")
    before = names_in(https_account, "vault")
    secrets = {"key": KEY, "sas": azurite.make_sas(), "text": https_account.connection_string}
    with serve(key_vault(secrets), certificates) as vault:
        checks = examined(url, key_vault=vault.url, secret=secret, endpoint=https_account.endpoint)
    assert (failed(checks), skipped(checks)) == ([], [])
    assert checks["credential"].detail.startswith("DefaultAzureCredential, token valid until 20")
    assert checks["key vault"].detail.startswith(words)
    assert names_in(https_account, "vault") == before


def test_a_secret_that_may_not_be_read_names_the_role(
    https_account: Azurite,
    certificates: Certificates,
    identity_service: StandIn,
    set_variables: Callable[[dict[str, str]], None],
) -> None:
    set_variables(identity_variables(identity_service.url))
    with serve(key_vault({}), certificates) as vault:
        checks = examined(https_account.url("vault"), key_vault=vault.url, secret="forbidden")
    assert failed(checks) == ["key vault"]
    assert "Grant it the role Key Vault Secrets User" in checks["key vault"].remedy
    assert {checks[name].detail for name in skipped(checks)} == {"needs key vault"}


def test_an_identity_is_named_as_its_token_does(
    https_account: Azurite, set_variables: Callable[[dict[str, str]], None]
) -> None:
    def named() -> str:
        return token_of({"upn": "ann@example.com", "oid": "5dd5e2b4", "appid": "04b07795", "exp": 4070908800})

    https_account.container("identity")
    with serve(managed_identity(named)) as service:
        set_variables(identity_variables(service.url))
        checks = examined(https_account.url("identity"), endpoint=https_account.endpoint)
    assert checks["credential"].detail == (
        "DefaultAzureCredential, user ann@example.com, object id 5dd5e2b4, token valid until 2099-01-01 00:00 UTC"
    )


def token_of(claims: dict[str, Any]) -> str:
    """A token that says this of its owner."""
    head, _, mark = make_token("PLANTED-token").split(".")
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{mark}"


def test_without_a_credential_the_ways_to_one_are_named(https_account: Azurite) -> None:
    checks = examined(https_account.url("nobody"), endpoint=https_account.endpoint)
    assert failed(checks) == ["credential"]
    assert checks["credential"].remedy.startswith("Sign in with az login")
    assert {checks[name].detail for name in skipped(checks)} == {"needs credential"}


def test_a_sas_that_may_only_read_fails_at_writing(
    shop: Folder, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azurite.make_sas("rl"))
    url = storage_account.upload(Path(shop.url), "reader")
    checks = examined(url, endpoint=storage_account.endpoint)
    assert (failed(checks), skipped(checks)) == (["write"], ["key vault", "delete"])
    assert checks["read"].detail == "read the beginning of customer_data.csv"
    assert checks["engine reads"].detail.startswith("sail read the first line of customer_data.csv in ")
    assert "does not permit the variable AZURE_STORAGE_SAS_TOKEN to write files in reader" in checks["write"].detail
    assert checks["write"].remedy.startswith("The SAS is too narrow: it permits 'rl' and needs racwdl")


def test_a_probe_that_may_not_be_deleted_is_named(
    shop: Folder, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azurite.make_sas("rlcw"))
    url = storage_account.upload(Path(shop.url), "keeper")
    before = names_in(storage_account, "keeper")
    checks = examined(url, endpoint=storage_account.endpoint)
    assert failed(checks) == ["delete"]
    stays = [name for name in names_in(storage_account, "keeper") if name not in before]
    assert len(stays) == 1
    assert checks["delete"].remedy.endswith(f"The file {stays[0]} stays there; delete it when you may.")


def test_a_sas_that_may_not_list_fails_at_that(
    shop: Folder, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azurite.make_sas("rwdc"))
    url = storage_account.upload(Path(shop.url), "blind")
    before = names_in(storage_account, "blind")
    checks = examined(url, endpoint=storage_account.endpoint)
    assert failed(checks) == ["list"]
    assert [checks[name].status for name in ("write", "read", "delete")] == ["passed"] * 3
    assert names_in(storage_account, "blind") == before


@pytest.mark.parametrize(
    ("container", "key", "words"),
    [
        ("absent", KEY, "There is no container absent in the storage account techcotest. Check the name, or make it"),
        ("there", base64.b64encode(b"PLANTED-another".ljust(64)).decode(), "does not accept the account key in the"),
    ],
)
def test_an_account_that_cannot_be_opened_says_why(
    container: str, key: str, words: str, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", key)
    storage_account.container("there")
    checks = examined(storage_account.url(container), endpoint=storage_account.endpoint)
    assert failed(checks) == ["storage"]
    assert words in f"{checks['storage'].detail} {checks['storage'].remedy}"
    assert {checks[name].detail for name in skipped(checks)} - {checks["key vault"].detail} == {"needs storage"}


@pytest.mark.parametrize("answers", ["refused", "silent"])
def test_an_account_that_is_out_of_reach_is_waited_for_once(
    answers: str, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    started = time.monotonic()
    with silence() as quiet:
        endpoint = quiet if answers == "silent" else f"http://127.0.0.1:{free_port()}"
        checks = examined(storage_account.url("far"), endpoint=endpoint)
    assert failed(checks) == ["storage"]
    assert ("does not answer" if answers == "silent" else "refuses connections") in checks["storage"].detail
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("refused", ["all", "writing"])
def test_an_identity_without_the_role_is_told_which(
    refused: str,
    certificates: Certificates,
    identity_service: StandIn,
    storage_account: Azurite,
    set_variables: Callable[[dict[str, str]], None],
) -> None:
    def answer(request: Request) -> Answer:
        if refused == "all" or request.method in ("PUT", "DELETE"):
            return storage_error(403, "AuthorizationPermissionMismatch")
        if request.query.get("comp") == "list":
            return Answer(body=_NOTHING, headers={"Content-Type": "application/xml"})
        return storage_error(404, "BlobNotFound")

    set_variables(identity_variables(identity_service.url))
    with serve(answer, certificates) as account:
        access = Access(endpoint=f"{account.url}/{azurite.ACCOUNT}")
        checks = make_checks(StorageChecks(storage_account.url("role"), "sail", access).examinations())
        first = next(check for check in checks if check.status == "failed")
    assert first.name == ("storage" if refused == "all" else "write")
    assert "does not permit DefaultAzureCredential" in first.detail
    assert "Grant it the role Storage Blob Data Contributor: az role assignment create" in first.remedy
    assert_no_secrets(str(first))


_NOTHING = b'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs /><NextMarker /></EnumerationResults>'
