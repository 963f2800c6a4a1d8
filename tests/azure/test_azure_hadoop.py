"""Settings of Hadoop's ABFS driver: each credential under the driver's own names, or refused before Spark is asked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from azure.identity import EnvironmentCredential

from techco.errors import CredentialError, EngineError
from techco.redact import HIDDEN, scrub
from techco.storage.access import Access
from techco.storage.azure.container import connect_container
from techco.storage.azure.credential import AccountKey, Identity
from techco.storage.azure.find_credential import find_credential
from techco.storage.azure.hadoop import hadoop_settings
from techco.storage.azure.urls import Place
from tests.support import azurite
from tests.support.azurite import KEY
from tests.support.stand_ins import (
    Answer,
    Certificates,
    Request,
    StandIn,
    entra,
    entra_variables,
    identity_variables,
    make_token,
    serve,
)

SHOP = Place("shop", "data", "2023")
HOST = "shop.dfs.core.windows.net"
SAS = azurite.make_sas()
PROVIDERS = "org.apache.hadoop.fs.azurebfs.oauth2"
SECRET = "PLANTED-client-secret"


@pytest.fixture
def entra_service(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Microsoft Entra ID, named in the environment together with an application; how that proves itself comes to it."""
    with serve(entra(SECRET), certificates) as service:
        for name, value in entra_variables(service.url).items():
            monkeypatch.setenv(name, value)
        yield service


@pytest.fixture
def metadata_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The metadata service of a virtual machine that has a managed identity.

    https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
    """

    def answer(request: Request) -> Answer:
        if request.headers.get("Metadata") != "true":
            return Answer(400)
        body = {"access_token": make_token(), "expires_in": "3600", "expires_on": str(int(time.time()) + 3600)}
        return Answer(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    with serve(answer) as service:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", service.url)
        yield service


def settings(place: Place = SHOP, variables: dict[str, str] | None = None, **access: str) -> dict[str, str]:
    """What is found, as settings; without `variables` it is found in the environment."""
    found = find_credential(place, Access(**access), variables)
    return hadoop_settings(place, found.endpoint, found.credential)


def test_an_account_key_is_a_shared_key() -> None:
    assert settings(variables={"AZURE_STORAGE_KEY": KEY}) == {
        f"fs.azure.account.auth.type.{HOST}": "SharedKey",
        f"fs.azure.account.key.{HOST}": KEY,
    }


@pytest.mark.parametrize("given", [SAS, f"?{SAS}", f"https://shop.blob.core.windows.net/data?{SAS}"])
def test_a_sas_is_a_fixed_token_without_its_question_mark(given: str) -> None:
    assert settings(variables={"AZURE_STORAGE_SAS_TOKEN": given}) == {
        f"fs.azure.account.auth.type.{HOST}": "SAS",
        f"fs.azure.sas.fixed.token.{HOST}": SAS,
        "fs.abfss.impl.disable.cache": "true",
    }


def test_a_connection_string_counts_by_what_is_in_it() -> None:
    text = f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={KEY};EndpointSuffix=core.windows.net"
    by_key = settings(variables={"AZURE_STORAGE_KEY": KEY})
    assert settings(variables={"AZURE_STORAGE_CONNECTION_STRING": text}) == by_key
    # The driver encrypts whatever the scheme is.
    assert settings(variables={"AZURE_STORAGE_CONNECTION_STRING": text.replace("https", "http")}) == by_key


def test_settings_are_for_the_account_in_the_url_that_the_engine_reads() -> None:
    host = urlsplit(SHOP.engine_root).hostname
    assert all(name.endswith(f".{host}") for name in settings(variables={"AZURE_STORAGE_KEY": KEY}))


def test_a_service_principal_gives_its_secret_to_the_driver(
    entra_service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    given = entra_variables(entra_service.url)
    endpoint = f"{entra_service.url}/{given['AZURE_TENANT_ID']}/oauth2/token"
    assert settings() == {
        f"fs.azure.account.auth.type.{HOST}": "OAuth",
        f"fs.azure.account.oauth.provider.type.{HOST}": f"{PROVIDERS}.ClientCredsTokenProvider",
        f"fs.azure.account.oauth2.client.endpoint.{HOST}": endpoint,
        f"fs.azure.account.oauth2.client.id.{HOST}": given["AZURE_CLIENT_ID"],
        f"fs.azure.account.oauth2.client.secret.{HOST}": SECRET,
    }
    assert scrub(f"it is {SECRET}") == f"it is {HIDDEN}"


@pytest.mark.parametrize(
    ("host", "authority"),
    [
        ("https://login.example/", "https://login.example/"),
        ("login.example", "https://login.example/"),
        ("", "https://login.microsoftonline.com/"),
    ],
)
def test_tokens_come_from_the_authority_of_the_environment_or_microsofts(
    entra_service: StandIn, monkeypatch: pytest.MonkeyPatch, host: str, authority: str
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    settings()  # the identity has its token now, and keeps it
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", host)
    tenant = entra_variables(entra_service.url)["AZURE_TENANT_ID"]
    assert settings()[f"fs.azure.account.oauth2.client.endpoint.{HOST}"] == f"{authority}{tenant}/oauth2/token"


def test_a_workload_gives_its_file_to_the_driver(
    entra_service: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(make_token("PLANTED"))
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    given = entra_variables(entra_service.url)
    assert settings() == {
        f"fs.azure.account.auth.type.{HOST}": "OAuth",
        f"fs.azure.account.oauth.provider.type.{HOST}": f"{PROVIDERS}.WorkloadIdentityTokenProvider",
        f"fs.azure.account.oauth2.msi.authority.{HOST}": f"{entra_service.url}/",
        f"fs.azure.account.oauth2.msi.tenant.{HOST}": given["AZURE_TENANT_ID"],
        f"fs.azure.account.oauth2.client.id.{HOST}": given["AZURE_CLIENT_ID"],
        f"fs.azure.account.oauth2.token.file.{HOST}": str(tmp_path / "token"),
    }


@pytest.mark.parametrize("client", ["", "5dd5e2b4-0f0e-4f5b-8d0b-6a7b6b1d3c55"])
def test_a_virtual_machine_has_the_driver_ask_its_metadata_service(
    metadata_service: StandIn, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    if client:
        monkeypatch.setenv("AZURE_CLIENT_ID", client)
    one_of_several = {f"fs.azure.account.oauth2.client.id.{HOST}": client} if client else {}
    assert settings() == {
        f"fs.azure.account.auth.type.{HOST}": "OAuth",
        f"fs.azure.account.oauth.provider.type.{HOST}": f"{PROVIDERS}.MsiTokenProvider",
        f"fs.azure.account.oauth2.msi.endpoint.{HOST}": f"{metadata_service.url}/metadata/identity/oauth2/token",
        **one_of_several,
    }
    assert metadata_service.requests[-1].query.get("client_id", "") == client


def test_the_metadata_service_has_the_address_that_azure_gives_it(
    metadata_service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings()  # the identity has its token now, and keeps it
    monkeypatch.delenv("AZURE_POD_IDENTITY_AUTHORITY_HOST")
    endpoint = settings()[f"fs.azure.account.oauth2.msi.endpoint.{HOST}"]
    assert endpoint == "http://169.254.169.254/metadata/identity/oauth2/token"


def test_az_login_is_refused_with_what_to_do_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, token = tmp_path / "az", make_token("PLANTED")
    answer = f'{{"accessToken": "{token}", "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": 4070908800}}'
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    words = (
        r"^The credential is AzureCliCredential by DefaultAzureCredential, which Apache Spark cannot use .* "
        r"It takes an account key, a SAS, .* Use `engine='sail'`, or set AZURE_STORAGE_KEY "
    )
    with pytest.raises(CredentialError, match=words) as caught:
        settings()
    assert token not in str(caught.value)


def test_the_managed_identity_of_an_app_service_is_refused(
    identity_service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in identity_variables(identity_service.url).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CredentialError, match=r"ManagedIdentityCredential of a service other than a virtual machine"):
        settings()


def test_a_service_principal_with_a_certificate_is_refused(
    entra_service: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = trustme.CA().issue_cert("app.example", key_type=trustme.KeyType.RSA)
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "app.pem")
    monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PATH", str(tmp_path / "app.pem"))
    with pytest.raises(
        CredentialError, match=r"EnvironmentCredential with a certificate or a password .* `engine='sail'`"
    ):
        settings()


def test_an_identity_of_a_kind_that_azure_identity_does_not_tell_is_refused(
    entra_service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    assert Identity(SHOP.suffix).kind() == "EnvironmentCredential"
    alone = EnvironmentCredential()  # no chain, as one that keeps its members to itself
    monkeypatch.setattr("techco.storage.azure.credential.identity", lambda _: alone)
    with pytest.raises(CredentialError, match="an identity of unknown kind") as caught:
        settings()
    assert SECRET not in str(caught.value)


def test_without_any_identity_the_ways_to_one_are_named() -> None:
    with pytest.raises(CredentialError, match=r"^There is no identity to ask Azure with\. Sign in with az login"):
        settings()


@pytest.mark.parametrize(
    ("place", "endpoint"),
    [
        (SHOP, "https://shop.privatelink.blob.core.windows.net"),
        (SHOP, "https://10.0.0.4/shop"),
        (SHOP, "https://other.blob.core.windows.net"),
        (Place("devstoreaccount1", "data"), "http://127.0.0.1:10000/devstoreaccount1"),
        (Place("shop", "data", suffix="core.chinacloudapi.cn"), "https://shop.blob.core.chinacloudapi.cn"),
    ],
)
def test_an_account_that_is_elsewhere_is_refused_before_the_driver_shows_its_key_to_another(
    place: Place, endpoint: str
) -> None:
    with pytest.raises(EngineError, match=r"is to be reached at .* only\. Use `engine='sail'`; or, for a") as caught:
        settings(place, {"AZURE_STORAGE_KEY": KEY}, endpoint=endpoint)
    assert f"{place.url} is to be reached at {endpoint}, " in str(caught.value)
    assert f" at https://{place.account}.dfs.core.windows.net only" in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_container_gives_the_settings_of_its_own_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    container = connect_container(SHOP, Access())
    assert isinstance(container.credential, AccountKey)
    assert container.hadoop_settings() == settings(variables={"AZURE_STORAGE_KEY": KEY})


def test_a_container_at_a_private_endpoint_has_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    with pytest.raises(EngineError, match="Apache Spark finds a storage account at"):
        connect_container(SHOP, Access(endpoint="https://10.0.0.4/shop")).hadoop_settings()
