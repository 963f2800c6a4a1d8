"""Credentials: found in one order, recognised by their form, and refused with a remedy but never repeated."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from techco.errors import CredentialError, ParameterError
from techco.redact import HIDDEN, scrub
from techco.storage.access import Access
from techco.storage.azure.credential import AccountKey, Identity, Signature
from techco.storage.azure.find_credential import Found, find_credential
from techco.storage.azure.urls import Place
from techco.storage.azure.vault import vault_url
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
    key_vault,
    make_token,
    serve,
)

SHOP = Place("shop", "data")
SAS = azurite.make_sas()
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={KEY};EndpointSuffix=core.windows.net"


@pytest.fixture
def vault(certificates: Certificates, identity_service: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A Key Vault and an identity that may read it."""
    for name, value in identity_variables(identity_service.url).items():
        monkeypatch.setenv(name, value)
    secrets = {
        "key": KEY,
        "key-with-a-line-break": f"{KEY}\n",
        "sas": SAS,
        "sas-with-a-question-mark": f"?{SAS}",
        "sas-url": f"https://shop.blob.core.windows.net/data?{SAS}",
        "connection-string": CONNECTION,
        "blank": " ",
        "password": "correct horse battery staple",
    }
    with serve(key_vault(secrets), certificates) as service:
        yield service


def found(variables: dict[str, str], place: Place = SHOP, **access: str) -> Found:
    return find_credential(place, Access(**access), variables)


def secret_of(credential: object) -> str:
    if isinstance(credential, AccountKey):
        return credential.key
    assert isinstance(credential, Signature)
    return credential.query


def test_variables_count_in_the_order_of_the_azure_cli() -> None:
    variables = {
        "AZURE_STORAGE_CONNECTION_STRING": CONNECTION,
        "AZURE_STORAGE_KEY": base64.b64encode(b"another").decode(),
        "AZURE_STORAGE_SAS_TOKEN": SAS,
    }
    sources = []
    for name in list(variables):
        sources.append(found(variables).credential.source)
        del variables[name]
    assert sources == [
        "the variable AZURE_STORAGE_CONNECTION_STRING",
        "the variable AZURE_STORAGE_KEY",
        "the variable AZURE_STORAGE_SAS_TOKEN",
    ]
    assert isinstance(found(variables).credential, Identity)
    assert isinstance(found({"AZURE_STORAGE_KEY": " "}).credential, Identity)


def test_a_key_vault_goes_before_the_variables(vault: StandIn) -> None:
    chosen = found({"AZURE_STORAGE_KEY": "bm90IHRoaXM="}, key_vault=vault.url, secret="key")
    assert chosen.credential.source == f"the secret key of the Key Vault {vault.url}"
    assert secret_of(chosen.credential) == KEY
    assert scrub(f"it is {KEY}") == f"it is {HIDDEN}"


@pytest.mark.parametrize(
    ("secret", "value"),
    [
        ("key", KEY),
        ("key-with-a-line-break", KEY),
        ("sas", SAS),
        ("sas-with-a-question-mark", SAS),
        ("sas-url", SAS),
        ("connection-string", KEY),
    ],
)
def test_what_a_secret_holds_is_recognised(vault: StandIn, secret: str, value: str) -> None:
    assert secret_of(found({}, key_vault=vault.url, secret=secret).credential) == value


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (
            "nope",
            r"The secret nope of the Key Vault https://127.* does not exist\. See its secrets: az keyvault secret",
        ),
        ("forbidden", r"may not be read by this identity\. Grant it the role Key Vault Secrets User: az role"),
        ("blank", r"is empty\. Set it: az keyvault secret set"),
        ("password", r"is no account key, SAS or connection string \(28 characters\)\. Copy it anew"),
    ],
)
def test_a_secret_that_is_no_credential_is_told_without_repeating_it(vault: StandIn, secret: str, words: str) -> None:
    with pytest.raises(CredentialError, match=words) as caught:
        found({}, key_vault=vault.url, secret=secret)
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (403, "Client address is not authorized and so on.", "the vault's firewall forbids it"),
        (403, "Public network access is disabled.", "the vault's firewall forbids it. Allow this machine's address"),
        (503, "Busy.", r"could not be read: the vault is busy \(503\)\. Try again later"),
        (400, "No sig=cGxhbnRlZA%3D", r"could not be read: 400 .*sig=\[hidden\]"),
    ],
)  # fmt: skip
def test_what_a_key_vault_answers_has_its_words(
    vault: StandIn, certificates: Certificates, status: int, message: str, words: str
) -> None:
    challenge = key_vault({})

    def answer(request: Request) -> Answer:
        asked = challenge(request)
        body = json.dumps({"error": {"code": "Forbidden", "message": message}}).encode()
        return asked if asked.status == 401 else Answer(status, body, {"Content-Type": "application/json"})

    with serve(answer, certificates) as service, pytest.raises(CredentialError, match=words):
        found({}, key_vault=service.url, secret="key")


def test_a_key_vault_that_nobody_knows_is_told() -> None:
    with pytest.raises(CredentialError, match=r"There is no host nowhere\.invalid\. Check the name of the Key Vault"):
        found({}, key_vault="https://nowhere.invalid", secret="key")


def test_a_key_vault_needs_an_identity(certificates: Certificates) -> None:
    with (
        serve(key_vault({}), certificates) as service,
        pytest.raises(CredentialError, match=r"There is no identity to ask Azure with\. Sign in with az login"),
    ):
        found({}, key_vault=service.url, secret="key")


def test_a_vault_is_named_shortly_in_the_cloud_of_the_storage() -> None:
    assert vault_url("kv-shop", "core.windows.net") == "https://kv-shop.vault.azure.net"
    assert vault_url("kv-shop", "core.usgovcloudapi.net") == "https://kv-shop.vault.usgovcloudapi.net"
    assert vault_url("https://kv-shop.vault.azure.cn/", "core.windows.net") == "https://kv-shop.vault.azure.cn"


@pytest.mark.parametrize(
    ("access", "words"),
    [
        ({"key_vault": "kv-shop"}, "`key_vault` is given without `secret`"),
        ({"secret": "key"}, "`secret` is given without `key_vault`"),
        ({"key_vault": "kv-shop", "secret": KEY}, "`secret` is not the name of a secret"),
        ({"key_vault": "kv-shop", "secret": SAS}, "`secret` is not the name of a secret"),
        ({"key_vault": "kv_shop", "secret": "key"}, "`key_vault` is neither the name of a Key Vault nor its URL"),
        ({"key_vault": "http://kv-shop.vault.azure.net", "secret": "key"}, "`key_vault` is neither"),
        ({"endpoint": "shop.blob.core.windows.net"}, "`endpoint` is not the URL of a blob service"),
        ({"endpoint": f"https://shop.blob.core.windows.net?{SAS}"}, "`endpoint` is not the URL .* without credentials"),
        ({"endpoint": "https://x:y"}, "`endpoint` is not the URL"),
    ],
)
def test_names_that_can_be_none_are_refused_and_not_repeated(access: dict[str, str], words: str) -> None:
    with pytest.raises(ParameterError, match=words) as caught:
        Access(**access)
    assert KEY not in str(caught.value)
    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (CONNECTION, "https://shop.blob.core.windows.net"),
        (f"AccountName=shop;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn", "https://shop.blob.core.chinacloudapi.cn"),
        (f"AccountName=shop;AccountKey={KEY};DefaultEndpointsProtocol=http;", "http://shop.blob.core.windows.net"),
        (f"AccountKey={KEY};BlobEndpoint=https://10.0.0.4/shop/", "https://10.0.0.4/shop"),
        (f"SharedAccessSignature={SAS};BlobEndpoint=https://shop.privatelink.example", "https://shop.privatelink.example"),
        (f"accountname=shop; accountkey={KEY}", "https://shop.blob.core.windows.net"),
    ],
)  # fmt: skip
def test_a_connection_string_says_where_the_account_is(text: str, endpoint: str) -> None:
    chosen = found({"AZURE_STORAGE_CONNECTION_STRING": text})
    assert chosen.endpoint == endpoint
    assert secret_of(chosen.credential) in (KEY, SAS)


def test_an_endpoint_that_is_given_goes_before_that_of_a_connection_string() -> None:
    chosen = found({"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}, endpoint="https://10.0.0.4/shop/")
    assert chosen.endpoint == "https://10.0.0.4/shop"


def test_the_emulator_is_known_by_its_short_connection_string() -> None:
    variables = {"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"}
    chosen = found(variables, Place("devstoreaccount1", "data"))
    assert chosen.endpoint == "http://127.0.0.1:10000/devstoreaccount1"
    assert isinstance(chosen.credential, AccountKey)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AZURE_STORAGE_CONNECTION_STRING": CONNECTION.replace("shop", "other")}, "is for the account other, but the"),
        ({"AZURE_STORAGE_CONNECTION_STRING": "AccountName=shop"}, "has neither AccountKey nor SharedAccessSignature"),
        ({"AZURE_STORAGE_CONNECTION_STRING": "nonsense"}, "has neither AccountKey nor SharedAccessSignature"),
        ({"AZURE_STORAGE_KEY": KEY, "AZURE_STORAGE_ACCOUNT": "other"}, "AZURE_STORAGE_ACCOUNT=other, but the storage"),
        ({"AZURE_STORAGE_KEY": "p455w0rd!"}, "AZURE_STORAGE_KEY holds is no account key"),
        ({"AZURE_STORAGE_SAS_TOKEN": "sv=2024-01-01&se=2099"}, "is no SAS: it has no part sig="),
        ({"AZURE_STORAGE_SAS_TOKEN": azurite.make_sas(valid=timedelta(hours=-1))}, "expired at 20.*Make a new one"),
    ],
)
def test_a_variable_that_cannot_be_right_is_told_without_repeating_it(variables: dict[str, str], words: str) -> None:
    with pytest.raises(CredentialError, match=words) as caught:
        found(variables)
    for secret in (KEY, "p455w0rd!", "sig=" + SAS.partition("sig=")[2]):
        assert secret not in str(caught.value)


def test_a_token_is_not_sent_over_http() -> None:
    with pytest.raises(CredentialError, match=r"http://10\.0\.0\.4/shop is not encrypted, so no token is sent there"):
        found({}, endpoint="http://10.0.0.4/shop")


def test_an_identity_gives_the_engine_a_token_of_now(
    identity_service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in identity_variables(identity_service.url).items():
        monkeypatch.setenv(name, value)
    before = len(identity_service.requests)
    token = found({}).credential.for_engine()["AZURE_STORAGE_TOKEN"]
    assert token.count(".") == 2
    assert [request.query["resource"] for request in identity_service.requests[before:]] == [
        "https://storage.azure.com"
    ]
    assert scrub(token) == HIDDEN


@pytest.mark.parametrize("kind", ["EnvironmentCredential", "WorkloadIdentityCredential"])
def test_a_service_principal_and_a_workload_are_identities(
    kind: str, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(make_token())
    with serve(entra(), certificates) as service:
        own = {
            "EnvironmentCredential": {"AZURE_CLIENT_SECRET": "client-secret"},
            "WorkloadIdentityCredential": {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")},
        }
        for name, value in {**entra_variables(service.url), **own[kind]}.items():
            monkeypatch.setenv(name, value)
        token = found({}).credential.for_engine()["AZURE_STORAGE_TOKEN"]
    asked = service.requests[-1]
    assert token.count(".") == 2
    assert asked.form["scope"].startswith("https://storage.azure.com/.default")
    assert ("client_secret" in asked.form) == (kind == "EnvironmentCredential")


def test_a_service_principal_with_a_wrong_secret_is_told_so(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(entra(), certificates) as service:
        for name, value in {**entra_variables(service.url), "AZURE_CLIENT_SECRET": "PLANTED-wrong"}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(CredentialError, match=r"EnvironmentCredential: .*AADSTS7000215") as caught:
            found({}).credential.check()
    assert "PLANTED" not in str(caught.value)


def test_az_login_is_an_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "az"
    token = make_token()
    answer = f'{{"accessToken": "{token}", "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": 4070908800}}'
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    assert found({}).credential.for_engine() == {"AZURE_STORAGE_TOKEN": token}


def test_an_identity_that_is_refused_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "az"
    program.write_text(
        "#!/bin/sh\necho 'ERROR: AADSTS50076: Due to a configuration change you must use MFA.' >&2; exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CredentialError, match=r"Azure refused the identity: AzureCliCredential: .*AADSTS50076"):
        found({}).credential.check()


def test_without_any_identity_the_ways_to_one_are_named() -> None:
    with pytest.raises(CredentialError, match=r"^There is no identity to ask Azure with\. Sign in with az login"):
        found({}).credential.check()
