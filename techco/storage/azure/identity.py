"""Gets tokens for an identity: the one module that uses azure-identity."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from techco.errors import CredentialError
from techco.redact import register_secret, scrub

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

STORAGE_SCOPE = "https://storage.azure.com/.default"
"""For storage accounts of every cloud."""

ROLE = "Storage Blob Data Contributor"
"""What an identity needs to read and write a container."""
_AUTHORITIES = {"core.usgovcloudapi.net": "login.microsoftonline.us", "core.chinacloudapi.cn": "login.chinacloudapi.cn"}
_PUBLIC_AUTHORITY = "login.microsoftonline.com"
_TIMEOUT_S = 3
_PROGRAM_TIMEOUT_S = 8
# In what the chain says of a credential that is not there, other than of one that is refused.
_ABSENT = ("unavailable", "not found", "not be found", "not installed", "to be installed", "please run", "az login")
_WAYS = (
    "Sign in with az login, give the machine a managed identity, name a Key Vault secret with `key_vault` and "
    "`secret`, or set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN"
)


@cache
def identity(suffix: str) -> TokenCredential:
    """Return the credential chain for a cloud: environment, workload identity, managed identity, developer tools.

    Made once, so that its tokens are kept while they are valid.

    Parameters
    ----------
    suffix
        Of the cloud's storage endpoints, such as `core.windows.net`.
    """
    from azure.identity import DefaultAzureCredential

    given = os.environ.get("AZURE_AUTHORITY_HOST", "").removeprefix("https://").rstrip("/")
    authority = given or _AUTHORITIES.get(suffix, _PUBLIC_AUTHORITY)
    return DefaultAzureCredential(
        authority=authority,
        # An authority of a private cloud is not known to Microsoft's, which would be asked about it.
        disable_instance_discovery=authority not in (_PUBLIC_AUTHORITY, *_AUTHORITIES.values()),
        connection_timeout=_TIMEOUT_S,
        read_timeout=_TIMEOUT_S,
        retry_total=1,
        process_timeout=_PROGRAM_TIMEOUT_S,
    )


def token(suffix: str, scope: str) -> str:
    """Return an access token that is valid now.

    Raises
    ------
    CredentialError
        When no identity is found, or the one that is found is refused; says which.
    """
    from azure.core.exceptions import AzureError

    try:
        value = identity(suffix).get_token(scope).token
    except AzureError as error:
        raise no_identity(error) from None
    register_secret(value)
    return value


def no_identity(error: Exception) -> CredentialError:
    """Say in plain words why azure-identity has no token."""
    refused = _refusal(str(error))
    if refused:
        return CredentialError(f"Azure refused the identity: {refused} {_WAYS}.")
    return CredentialError(f"There is no identity to ask Azure with. {_WAYS}.")


def _refusal(text: str) -> str:
    """Return the line of the chain's message that says what was wrong with a credential; empty if none is there."""
    for line in text.splitlines():
        name, colon, reason = line.strip().partition(": ")
        is_attempt = bool(colon) and name.endswith("Credential")
        if is_attempt and not any(words in reason.lower() for words in _ABSENT):
            return f"{name}: {scrub(reason)[:300].rstrip('. ')}."
    return ""
