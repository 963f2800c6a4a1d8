"""What goes wrong with a storage account is told in plain words, within 15 seconds, and nothing is written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from techco.errors import CredentialError, StorageError
from techco.storage.access import Access
from techco.storage.azure.container import open_container
from techco.storage.azure.identity import identity
from techco.storage.azure.urls import Place
from techco.storage.folder import Folder
from tests.support import azurite
from tests.support.azurite import ACCOUNT, KEY, Azurite
from tests.support.shops import log, write_shop
from tests.support.stand_ins import (
    Answer,
    Certificates,
    Request,
    StandIn,
    entra_variables,
    free_port,
    identity_variables,
    key_vault,
    serve,
    silence,
    storage_error,
)

PLACE = Place(ACCOUNT, "data")
LIMIT_S = 15
EMPTY_LIST = b'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs /><NextMarker /></EnumerationResults>'


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)


def refused_run(tmp_path: Path, *options: str, container: str = "data", **variables: str) -> str:
    """What `techco run` says on stderr as it refuses; it must have made nothing."""
    env = {name: value for name, value in os.environ.items() if variables.get(name) != ""}
    words = [
        "run",
        "--account",
        ACCOUNT,
        "--container",
        container,
        "--period",
        "2023-08",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "techco", *words, *options],
        env={**env, **{name: value for name, value in variables.items() if value}},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
    return done.stderr.removeprefix("Error: ").rstrip()


def test_an_account_that_nobody_knows(tmp_path: Path) -> None:
    assert refused_run(tmp_path, "--endpoint", "https://nosuchaccount.invalid") == (
        "There is no host nosuchaccount.invalid. Check the name of the storage account techcotest, "
        "or name its private endpoint with --endpoint."
    )


def test_an_endpoint_that_refuses(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}/{ACCOUNT}"
    said = refused_run(tmp_path, "--endpoint", endpoint)
    assert said == f"{endpoint} refuses connections. Check the address, and that the service runs."


@pytest.mark.slow
def test_an_endpoint_that_hangs(tmp_path: Path) -> None:
    with silence() as url:
        said = refused_run(tmp_path, "--endpoint", f"{url}/{ACCOUNT}")
    assert said.startswith(f"{url}/{ACCOUNT} does not answer. Check the address, the network")


@pytest.mark.slow
def test_an_identity_service_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with silence() as url:
        variables = {**entra_variables(url.replace("http:", "https:")), "AZURE_CLIENT_SECRET": "PLANTED-secret"}
        said = refused_run(tmp_path, AZURE_STORAGE_KEY="", **variables)
    assert said.startswith("Azure refused the identity: EnvironmentCredential: ")
    assert "PLANTED" not in said


def test_an_endpoint_that_is_busy_is_asked_again_and_then_told(tmp_path: Path) -> None:
    with serve(lambda _: storage_error(503, "ServerBusy")) as service:
        said = refused_run(tmp_path, "--endpoint", f"{service.url}/{ACCOUNT}")
    assert said == (
        "The storage account techcotest is too busy or out of order (503 ServerBusy); it was asked several times to "
        "list files. Try again later."
    )
    assert len(service.requests) == 3


def test_an_endpoint_that_is_busy_for_a_moment_is_no_failure() -> None:
    answers = iter([storage_error(503, "ServerBusy"), storage_error(500, "InternalError")])

    def answer(_: Request) -> Answer:
        return next(answers, Answer(body=EMPTY_LIST, headers={"Content-Type": "application/xml"}))

    with serve(answer) as service:
        assert open_container(PLACE, Access(endpoint=f"{service.url}/{ACCOUNT}")).url == PLACE.url


def test_a_container_that_is_not_there(tmp_path: Path, storage_account: Azurite) -> None:
    said = refused_run(tmp_path, "--endpoint", storage_account.endpoint, container="nowhere")
    assert said == (
        "There is no container nowhere in the storage account techcotest. Check the name, or make it: "
        "az storage container create --account-name techcotest --name nowhere --auth-mode login."
    )


def test_a_wrong_key(tmp_path: Path, storage_account: Azurite) -> None:
    wrong = KEY.replace("U", "V")
    said = refused_run(tmp_path, "--endpoint", storage_account.endpoint, AZURE_STORAGE_KEY=wrong)
    assert said.startswith(
        "The storage account techcotest does not accept the account key in the variable AZURE_STORAGE_KEY. "
        "It is another account's, or has been replaced. Copy it anew: az storage account keys list"
    )


def test_a_sas_with_another_signature(tmp_path: Path, storage_account: Azurite) -> None:
    forged = f"{azurite.make_sas().partition('&sig=')[0]}&sig=UExBTlRFRC1TSUdOQVRVUkUtUExBTlRFRC1TSUdOQVQ%3D"
    options = ("--endpoint", storage_account.endpoint)
    said = refused_run(tmp_path, *options, AZURE_STORAGE_KEY="", AZURE_STORAGE_SAS_TOKEN=forged)
    assert said.startswith("The storage account techcotest does not accept the SAS in the variable AZURE_STORAGE_SAS_")
    assert "UExBTlRFRC1" not in said


def test_a_sas_that_permits_too_little(tmp_path: Path, storage_account: Azurite) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    storage_account.upload(tmp_path, "narrow")
    before = list(storage_account.container("narrow").list_blob_names())
    options = ("--endpoint", storage_account.endpoint)
    variables = {"AZURE_STORAGE_KEY": "", "AZURE_STORAGE_SAS_TOKEN": azurite.make_sas("rl")}
    said = refused_run(tmp_path, *options, container="narrow", **variables)
    assert said == (
        "The storage account techcotest does not permit the variable AZURE_STORAGE_SAS_TOKEN to write files in narrow "
        "(AuthorizationPermissionMismatch). The SAS is too narrow: it permits 'rl' and needs racwdl on the container: "
        "read, add, create, write, delete, list."
    )
    assert list(storage_account.container("narrow").list_blob_names()) == before


def test_an_identity_without_the_role(tmp_path: Path, certificates: Certificates, identity_service: StandIn) -> None:
    with serve(lambda _: storage_error(403, "AuthorizationPermissionMismatch"), certificates) as service:
        variables = {"AZURE_STORAGE_KEY": "", **identity_variables(identity_service.url)}
        said = refused_run(tmp_path, "--endpoint", f"{service.url}/{ACCOUNT}", **variables)
    assert "does not permit DefaultAzureCredential to list files in data (AuthorizationPermissionMismatch)." in said
    assert "Grant it the role Storage Blob Data Contributor: az role assignment create --role 'Storage Blob" in said


@pytest.mark.slow
def test_a_key_vault_that_hangs(tmp_path: Path, identity_service: StandIn) -> None:
    with silence() as url:
        vault = url.replace("http:", "https:")
        options = ("--key-vault", vault, "--secret", "key")
        said = refused_run(tmp_path, *options, **identity_variables(identity_service.url))
    assert said.startswith(f"{vault} does not answer.")


def test_a_secret_that_is_not_there(tmp_path: Path, certificates: Certificates, identity_service: StandIn) -> None:
    with serve(key_vault({}), certificates) as vault:
        options = ("--key-vault", vault.url, "--secret", "nope")
        said = refused_run(tmp_path, *options, **identity_variables(identity_service.url))
    assert said.startswith(f"The secret nope of the Key Vault {vault.url} does not exist. See its secrets: az keyvault")


def test_certificates_that_nobody_vouches_for(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name)
    with serve(lambda _: Answer(), certificates) as service:
        said = refused_run(tmp_path, "--endpoint", f"{service.url}/{ACCOUNT}")
    assert said.startswith("The certificate of 127.0.0.1 is not trusted. If your organisation has certificates")


@pytest.fixture
def answering(certificates: Certificates) -> Iterator[Callable[[Answer], Access]]:
    """Makes a storage account that always gives one answer."""
    answers: list[Answer] = []
    with serve(lambda _: answers[-1]) as service:

        def answer(given: Answer) -> Access:
            answers.append(given)
            return Access(endpoint=f"{service.url}/{ACCOUNT}")

        yield answer


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AuthenticationFailed", "does not accept the account key in the variable AZURE_STORAGE_KEY"),
        (403, "AuthorizationFailure", "does not let this machine in.*Allow this machine's address or network in the"),
        (
            403,
            "KeyBasedAuthenticationNotPermitted",
            "permits neither account keys nor SAS .* Use an identity",
        ),
        (403, "AccountIsDisabled", "is disabled"),
        (409, "ContainerBeingDeleted", "Someone is deleting the container data"),
        (400, "InvalidAuthenticationInfo", "does not accept the account key in the variable AZURE_STORAGE_KEY"),
        (404, "", r"http://127.* does not answer as a blob service does \(404\)\. Check the address"),
        (400, "InvalidHeaderValue", "Could not list files in the container data .*: 400 InvalidHeaderValue"),
    ],
)
def test_each_refusal_of_a_storage_account_has_its_words(
    answering: Callable[[Answer], Access], status: int, code: str, words: str
) -> None:
    with pytest.raises(StorageError, match=words) as caught:
        open_container(PLACE, answering(storage_error(status, code)))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_token_of_another_tenant_is_told(
    certificates: Certificates, identity_service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity.cache_clear()
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    for name, value in identity_variables(identity_service.url).items():
        monkeypatch.setenv(name, value)
    with serve(lambda _: storage_error(401, "InvalidAuthenticationInfo"), certificates) as service:
        words = "does not accept the token of DefaultAzureCredential. It is for another cloud or tenant"
        with pytest.raises(CredentialError, match=words):
            open_container(PLACE, Access(endpoint=f"{service.url}/{ACCOUNT}"))
