"""Reads one secret of a Key Vault: the one module that uses azure-keyvault-secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from techco.errors import CredentialError
from techco.redact import register_secret, scrub
from techco.storage.access import Access
from techco.storage.azure.failures import connection_failure
from techco.storage.azure.identity import identity, no_identity

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

ROLE = "Key Vault Secrets User"
# How a vault begins to say ForbiddenByFirewall and ForbiddenByConnection: the code itself is not in the error.
_BY_NETWORK = ("client address is not authorized", "public network access is disabled")
_SUFFIXES = {"core.usgovcloudapi.net": "vault.usgovcloudapi.net", "core.chinacloudapi.cn": "vault.azure.cn"}
_PUBLIC_SUFFIX = "vault.azure.net"
_TIMEOUT_S = 3


def vault_url(key_vault: str, suffix: str) -> str:
    """Return the URL of a vault; one that is named shortly is in the cloud with this suffix."""
    if "://" in key_vault:
        return key_vault.rstrip("/")
    return f"https://{key_vault}.{_SUFFIXES.get(suffix, _PUBLIC_SUFFIX)}"


def vault_scope(suffix: str) -> str:
    """Return the scope of a token that opens the vaults of a cloud."""
    return f"https://{_SUFFIXES.get(suffix, _PUBLIC_SUFFIX)}/.default"


def read_secret(access: Access, suffix: str) -> str:
    """Read the newest value of the secret that `access` names.

    Raises
    ------
    CredentialError
        When vault or secret are not there, may not be read, or hold nothing; says what to do.
    """
    from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
    from azure.keyvault.secrets import SecretClient

    url = vault_url(access.key_vault, suffix)
    client = SecretClient(
        url,
        identity(suffix),
        connection_timeout=_TIMEOUT_S,
        read_timeout=_TIMEOUT_S,
        retry_total=2,
        retry_backoff_factor=0.5,
    )
    what = f"The secret {access.secret} of the Key Vault {url}"
    try:
        with client:
            value = client.get_secret(access.secret).value
    except ResourceNotFoundError:
        raise CredentialError(
            f"{what} does not exist. See its secrets: az keyvault secret list --vault-name "
            f"{(urlsplit(url).hostname or '').partition('.')[0]} --query [].name; make one: az keyvault secret set."
        ) from None
    except HttpResponseError as error:
        raise _refused(error, what, access) from None
    except AzureError as error:
        raise CredentialError(
            connection_failure(error, url, f"Check the name of the Key Vault {access.key_vault}.")
        ) from None
    if not value or not value.strip():
        raise CredentialError(f"{what} is empty. Set it: az keyvault secret set.")
    register_secret(value.strip())
    return value


def _refused(error: HttpResponseError, what: str, access: Access) -> CredentialError:
    """Explain why a vault did not give a secret."""
    if error.response is None:
        return no_identity(error)
    status, reason = error.status_code or 0, scrub(error.message).partition("\n")[0][:300]
    if any(words in reason.lower() for words in _BY_NETWORK):
        return CredentialError(
            f"{what} cannot be read from this machine: the vault's firewall forbids it. Allow this "
            "machine's address or network in the vault's networking settings."
        )
    if status in (401, 403):
        return CredentialError(
            f"{what} may not be read by this identity. Grant it the role {ROLE}: az role assignment create --role "
            f"'{ROLE}' --assignee WHO --scope SCOPE, where SCOPE is the id of the vault. It takes up to ten minutes to "
            "work."
        )
    if status >= 500 or status == 429:
        return CredentialError(f"{what} could not be read: the vault is busy ({status}). Try again later.")
    return CredentialError(f"{what} could not be read: {status} {reason}")
