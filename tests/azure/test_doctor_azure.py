"""The doctor on a storage account: what passes with which credential, and which remedy is named."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from techco.doctor.checks import make_checks
from techco.doctor.storage import StorageChecks
from techco.storage.access import Access
from techco.storage.folder import Folder
from tests.support import azurite
from tests.support.azurite import KEY, Azurite
from tests.support.doctor import (
    assert_no_secrets,
    doctor,
    examined,
    failed,
    names_in,
    skipped,
)
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
    small_shop: Folder,
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
    url = https_account.upload(Path(small_shop.url), "doctor", kind)
    before = names_in(https_account, "doctor")
    checks = examined(url, endpoint=https_account.endpoint)
    assert (failed(checks), skipped(checks)) == ([], ["key vault"])
    assert checks["credential"].detail.startswith(words)
    assert names_in(https_account, "doctor") == before


def test_the_command_passes_on_an_account_and_shows_no_secret(
    no_other_users: None, small_shop: Folder, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)
    storage_account.upload(Path(small_shop.url), "command", "a/b")
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
    small_shop: Folder,
    https_account: Azurite,
    certificates: Certificates,
    identity_service: StandIn,
    set_variables: Callable[[dict[str, str]], None],
) -> None:
    set_variables(identity_variables(identity_service.url))
    url = https_account.upload(Path(small_shop.url), "vault")
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
    small_shop: Folder, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azurite.make_sas("rl"))
    url = storage_account.upload(Path(small_shop.url), "reader")
    checks = examined(url, endpoint=storage_account.endpoint)
    assert (failed(checks), skipped(checks)) == (["write"], ["key vault", "delete"])
    assert checks["read"].detail == "read the beginning of customer_data.csv"
    assert checks["engine reads"].detail.startswith("sail read the first line of customer_data.csv in ")
    assert "does not permit the variable AZURE_STORAGE_SAS_TOKEN to write files in reader" in checks["write"].detail
    assert checks["write"].remedy.startswith("The SAS is too narrow: it permits 'rl' and needs racwdl")


def test_a_probe_that_may_not_be_deleted_is_named(
    small_shop: Folder, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azurite.make_sas("rlcw"))
    url = storage_account.upload(Path(small_shop.url), "keeper")
    before = names_in(storage_account, "keeper")
    checks = examined(url, endpoint=storage_account.endpoint)
    assert failed(checks) == ["delete"]
    stays = [name for name in names_in(storage_account, "keeper") if name not in before]
    assert len(stays) == 1
    assert checks["delete"].remedy.endswith(f"The file {stays[0]} stays there; delete it when you may.")


def test_a_sas_that_may_not_list_fails_at_that(
    small_shop: Folder, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azurite.make_sas("rwdc"))
    url = storage_account.upload(Path(small_shop.url), "blind")
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
