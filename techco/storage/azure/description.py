"""Describes the credential of a storage account in words, without the credential itself."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from techco.storage.azure.credential import AccountKey, Identity, Signature
from techco.storage.azure.find_credential import Found
from techco.storage.azure.identity import STORAGE_SCOPE, token

# Of a user, of a service, and what every identity has: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
_USER = ("upn", "unique_name", "preferred_username")
_APPLICATION = ("appid", "azp")


def describe(found: Found) -> str:
    """Describe a credential: its kind, where it was found, when it ends; of an identity, who it is.

    Raises
    ------
    CredentialError
        When an identity gets no token.
    """
    credential = found.credential
    if isinstance(credential, Identity):
        return describe_identity(credential.suffix, STORAGE_SCOPE)
    kind = "account key" if isinstance(credential, AccountKey) else "SAS"
    if found.is_connection_string:
        kind = f"connection string with {'an' if kind == 'account key' else 'a'} {kind}"
    limits = _limits(credential) if isinstance(credential, Signature) else ""
    return f"{kind} in {credential.source}{limits}"


def describe_identity(suffix: str, scope: str) -> str:
    """Describe who an identity is to Azure, as its token says, and how long the token is valid.

    Raises
    ------
    CredentialError
        When it gets no token.
    """
    claims = _claims(token(suffix, scope))
    parts = ["DefaultAzureCredential", *_who(claims)]
    if isinstance(claims.get("exp"), int):
        parts.append(f"token valid until {_moment(claims['exp'])}")
    return ", ".join(parts)


def _limits(signature: Signature) -> str:
    permits = f"permits {signature.permissions}" if signature.permissions else "permits what a policy says"
    return f", {permits}" + (f", valid until {signature.expires}" if signature.expires else "")


def _claims(text: str) -> dict[str, Any]:
    """Read what a JSON web token says of its owner; nothing of a token of another form."""
    try:
        payload = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


def _who(claims: dict[str, Any]) -> list[str]:
    """Return the name of an identity, and its object id, which a role is granted to."""
    parts = [f"user {claims[name]}" for name in _USER if claims.get(name)][:1]
    parts = parts or [f"application {claims[name]}" for name in _APPLICATION if claims.get(name)][:1]
    if claims.get("oid"):
        parts.append(f"object id {claims['oid']}")
    return parts


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
