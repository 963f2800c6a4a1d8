"""Finds the one credential for a storage account: Key Vault, else the variables of the Azure CLI, else an identity."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from techco.errors import CredentialError
from techco.redact import register_secret
from techco.storage.access import Access
from techco.storage.azure.credential import AccountKey, Credential, Identity, Signature
from techco.storage.azure.urls import Place
from techco.storage.azure.vault import read_secret

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
KEY = "AZURE_STORAGE_KEY"
SAS = "AZURE_STORAGE_SAS_TOKEN"
ACCOUNT = "AZURE_STORAGE_ACCOUNT"
_EMULATOR = ("devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1")
# Published for the emulator: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
_EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


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
    """Read what a secret holds: a connection string, a SAS or an account key."""
    text = text.strip()
    register_secret(text)
    if re.search(r"(?i)\b(AccountKey|SharedAccessSignature|UseDevelopmentStorage)=", text):
        return _from_connection_string(text, source, place)
    make = _signature if "sig=" in text else _account_key
    return Found(make(text, source), place.endpoint)


def _account_key(text: str, source: str) -> AccountKey:
    register_secret(text)
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CredentialError(
            f"What {source} holds is no account key, SAS or connection string ({len(text)} characters). "
            "Copy it anew: az storage account keys list --account-name ACCOUNT."
        ) from None
    return AccountKey(source, text)


def _signature(text: str, source: str) -> Signature:
    query = (urlsplit(text).query if "://" in text else text).lstrip("?")
    fields = parse_qs(query)
    register_secret(text, query, *fields.get("sig", []))
    if "sig" not in fields:
        raise CredentialError(f"What {source} holds is no SAS: it has no part sig=. Copy it anew, as a whole.")
    expires = fields.get("se", [""])[0]
    if _is_past(expires):
        raise CredentialError(
            f"The SAS of {source} expired at {expires}. Make a new one: az storage container generate-sas "
            "--account-name ACCOUNT --name CONTAINER --permissions racwdl --expiry DAY."
        )
    return Signature(source, query)


def _is_past(moment: str) -> bool:
    """Return whether an ISO moment, in UTC unless it says otherwise, has passed; one that cannot be read has not."""
    try:
        time = datetime.fromisoformat(moment)
    except ValueError:
        return False
    return (time if time.tzinfo else time.replace(tzinfo=UTC)) <= datetime.now(UTC)


def _from_connection_string(text: str, source: str, place: Place) -> Found:
    """Read `Name=value;…`: https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string."""
    parts = {name.strip().lower(): value.strip() for name, _, value in (p.partition("=") for p in text.split(";"))}
    register_secret(text, parts.get("accountkey", ""))
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
