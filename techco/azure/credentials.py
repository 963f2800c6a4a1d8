"""Finds the one credential for a storage account: Key Vault, else the variables of the Azure CLI, else an identity."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from techco.access import Access
from techco.azure.identity import ROLE, STORAGE_SCOPE, identity, token
from techco.azure.urls import Place
from techco.azure.vault import read_secret
from techco.errors import CredentialError
from techco.scrub import hide

if TYPE_CHECKING:
    from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential, TokenCredential

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
KEY = "AZURE_STORAGE_KEY"
SAS = "AZURE_STORAGE_SAS_TOKEN"
ACCOUNT = "AZURE_STORAGE_ACCOUNT"
_EMULATOR = ("devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1")
# Published for the emulator: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
_EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Credential(Protocol):
    """What opens a storage account."""

    @property
    def source(self) -> str:
        """Where it was found, in words, without the credential."""

    def check(self) -> None:
        """Find out what can be known of it before it is used.

        Raises
        ------
        CredentialError
            When it cannot be had.
        """

    def not_accepted(self) -> str:
        """What to say, and to do, where an account does not accept it; begins with a verb."""

    def to_permit(self, place: Place) -> str:
        """What to do where an account accepts it, but does not permit what was tried."""

    def for_client(self, account: str) -> AzureNamedKeyCredential | AzureSasCredential | TokenCredential:
        """As azure-storage-blob takes it."""

    def for_engine(self) -> dict[str, str]:
        """As variables of the environment, which the engine and Delta Lake read alike."""


@dataclass(frozen=True)
class AccountKey:
    """One of the two keys of an account."""

    source: str
    key: SecretStr

    def check(self) -> None:
        """Nothing: only the account knows its keys."""

    def not_accepted(self) -> str:
        """It is a wrong one."""
        return (
            f"does not accept the account key in {self.source}. It is another account's, or has been replaced. "
            "Copy it anew: az storage account keys list --account-name ACCOUNT."
        )

    def to_permit(self, place: Place) -> str:
        """A key may do everything, unless the account forbids that."""
        return f"Look in Azure's portal for locks and policies of the account {place.account}."

    def for_client(self, account: str) -> AzureNamedKeyCredential:
        """A named key."""
        from azure.core.credentials import AzureNamedKeyCredential

        return AzureNamedKeyCredential(account, self.key.get_secret_value())

    def for_engine(self) -> dict[str, str]:
        """The key."""
        return {"AZURE_STORAGE_ACCOUNT_KEY": self.key.get_secret_value()}


@dataclass(frozen=True)
class Signature:
    """A shared access signature (SAS)."""

    source: str
    query: SecretStr

    def check(self) -> None:
        """Nothing: its form and its end were checked when it was found."""

    def not_accepted(self) -> str:
        """It is a wrong one, or too old."""
        return (
            f"does not accept the SAS in {self.source}. It was changed, has expired, or its key has been replaced. "
            "Make a new one: az storage container generate-sas --permissions racwdl."
        )

    def to_permit(self, place: Place) -> str:
        """It needs more letters."""
        given = f"it permits {self.permissions!r} and " if self.permissions else "it "
        return f"The SAS is too narrow: {given}needs racwdl on the container: read, add, create, write, delete, list."

    def for_client(self, account: str) -> AzureSasCredential:
        """A signature."""
        from azure.core.credentials import AzureSasCredential

        return AzureSasCredential(self.query.get_secret_value())

    def for_engine(self) -> dict[str, str]:
        """The signature."""
        return {"AZURE_STORAGE_SAS_KEY": self.query.get_secret_value()}

    @cached_property
    def permissions(self) -> str:
        """The letters of what it permits, as in its `sp`; empty where a policy on the container says so."""
        return parse_qs(self.query.get_secret_value()).get("sp", [""])[0]

    @cached_property
    def expires(self) -> str:
        """When it expires, as in its `se`; empty where a policy on the container says so."""
        return parse_qs(self.query.get_secret_value()).get("se", [""])[0]


@dataclass(frozen=True)
class Identity:
    """Whatever identity azure-identity finds; tokens are made anew when they are asked for and have grown old."""

    suffix: str
    source: str = "DefaultAzureCredential"

    def check(self) -> None:
        """Get a token; azure-storage-blob would ask for it again and again."""
        token(self.suffix, STORAGE_SCOPE)

    def not_accepted(self) -> str:
        """Its token is for others, or too old."""
        return (
            f"does not accept the token of {self.source}. It is for another cloud or tenant, or has expired. "
            "Sign in again: az login."
        )

    def to_permit(self, place: Place) -> str:
        """It needs the role."""
        return (
            f"Grant it the role {ROLE}: az role assignment create --role '{ROLE}' --assignee WHO --scope SCOPE, where "
            f"SCOPE is the id of the account {place.account} or of its container. It takes up to ten minutes to work."
        )

    def for_client(self, account: str) -> TokenCredential:
        """The credential itself, which renews its tokens."""
        return identity(self.suffix)

    def for_engine(self) -> dict[str, str]:
        """A token that is valid now; the engine does not renew it."""
        return {"AZURE_STORAGE_TOKEN": token(self.suffix, STORAGE_SCOPE)}

    def kind(self) -> str:
        """The class in azure-identity that gives its tokens, such as `AzureCliCredential`; empty if that is unknown.

        Raises
        ------
        CredentialError
            When it gets no token.
        """
        self.check()
        # The chain has no public name for the one of its members that answered.
        answered = getattr(identity(self.suffix), "_successful_credential", None)
        return type(answered).__name__ if answered else ""


@dataclass(frozen=True)
class Found:
    """A credential, the blob service it opens, and whether it came as a connection string."""

    credential: Credential
    endpoint: str
    is_connection_string: bool = False


def find_credential(place: Place, access: Access, variables: Mapping[str, str] | None = None) -> Found:
    """Find the credential for a storage account; the first of these that is there, and no other.

    1. The secret of a Key Vault that `access` names.
    2. The variables of the Azure CLI: `AZURE_STORAGE_CONNECTION_STRING`, `AZURE_STORAGE_KEY`,
       `AZURE_STORAGE_SAS_TOKEN` (https://learn.microsoft.com/cli/azure/azure-cli-configuration).
    3. An identity, by `DefaultAzureCredential`.

    Parameters
    ----------
    variables
        The environment; None is that of this process.

    Raises
    ------
    CredentialError
        When what is there is no credential, or belongs to another account. An identity is not tried here.
    """
    found = _explicit(place, access, os.environ if variables is None else variables)
    if access.endpoint:
        found = replace(found, endpoint=access.endpoint.rstrip("/"))
    if isinstance(found.credential, Identity) and not found.endpoint.startswith("https:"):
        raise CredentialError(
            f"{found.endpoint} is not encrypted, so no token is sent there. Give an https endpoint, "
            f"or an account key in {KEY}."
        )
    return found


def _explicit(place: Place, access: Access, variables: Mapping[str, str]) -> Found:
    if access.secret:
        source = f"the secret {access.secret} of the Key Vault {access.key_vault}"
        return _recognise(read_secret(access, place.suffix), source, place)
    if text := variables.get(CONNECTION_STRING, "").strip():
        return _from_connection_string(text, f"the variable {CONNECTION_STRING}", place)
    for name, make in ((KEY, _account_key), (SAS, _signature)):
        if text := variables.get(name, "").strip():
            if (account := variables.get(ACCOUNT, "").strip()) and account != place.account:
                raise CredentialError(
                    f"{name} is set together with {ACCOUNT}={account}, but the storage is in the account "
                    f"{place.account}. Set both for that account, or unset them to use an identity."
                )
            return Found(make(text, f"the variable {name}"), place.endpoint)
    return Found(Identity(place.suffix), place.endpoint)


def _recognise(text: str, source: str, place: Place) -> Found:
    """What a secret holds: a connection string, a SAS or an account key."""
    text = text.strip()
    hide(text)
    if re.search(r"(?i)\b(AccountKey|SharedAccessSignature|UseDevelopmentStorage)=", text):
        return _from_connection_string(text, source, place)
    make = _signature if "sig=" in text else _account_key
    return Found(make(text, source), place.endpoint)


def _account_key(text: str, source: str) -> AccountKey:
    hide(text)
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CredentialError(
            f"What {source} holds is no account key, SAS or connection string ({len(text)} characters). "
            "Copy it anew: az storage account keys list --account-name ACCOUNT."
        ) from None
    return AccountKey(source, SecretStr(text))


def _signature(text: str, source: str) -> Signature:
    query = (urlsplit(text).query if "://" in text else text).lstrip("?")
    fields = parse_qs(query)
    hide(text, query, *fields.get("sig", []))
    if "sig" not in fields:
        raise CredentialError(f"What {source} holds is no SAS: it has no part sig=. Copy it anew, as a whole.")
    expires = fields.get("se", [""])[0]
    if _is_past(expires):
        raise CredentialError(
            f"The SAS of {source} expired at {expires}. Make a new one: az storage container generate-sas "
            "--account-name ACCOUNT --name CONTAINER --permissions racwdl --expiry DAY."
        )
    return Signature(source, SecretStr(query))


def _is_past(moment: str) -> bool:
    """Whether an ISO moment, in UTC unless it says otherwise, has passed; one that cannot be read has not."""
    try:
        time = datetime.fromisoformat(moment)
    except ValueError:
        return False
    return (time if time.tzinfo else time.replace(tzinfo=UTC)) <= datetime.now(UTC)


def _from_connection_string(text: str, source: str, place: Place) -> Found:
    """Read `Name=value;…`: https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string."""
    parts = {name.strip().lower(): value.strip() for name, _, value in (p.partition("=") for p in text.split(";"))}
    hide(text, parts.get("accountkey", ""))
    account, endpoint = parts.get("accountname", ""), parts.get("blobendpoint", "").rstrip("/")
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        account, endpoint = _EMULATOR
        parts["accountkey"] = _EMULATOR_KEY
    if account and account != place.account:
        raise CredentialError(
            f"The connection string of {source} is for the account {account}, but the storage is in the account "
            f"{place.account}. Give that of {place.account}."
        )
    if not endpoint:
        suffix = parts.get("endpointsuffix") or place.suffix
        endpoint = f"{parts.get('defaultendpointsprotocol', 'https')}://{place.account}.blob.{suffix}"
    if key := parts.get("accountkey"):
        return Found(_account_key(key, source), endpoint, is_connection_string=True)
    if signature := parts.get("sharedaccesssignature"):
        return Found(_signature(signature, source), endpoint, is_connection_string=True)
    raise CredentialError(
        f"The connection string of {source} has neither AccountKey nor SharedAccessSignature. Copy it anew: "
        "az storage account show-connection-string --name ACCOUNT."
    )
