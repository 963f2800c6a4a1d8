"""Explains what Azure's libraries raise: what happened, and what to do next; never with a credential.

Codes of storage: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from techco.errors import CredentialError, StorageAway, StorageError
from techco.redact import scrub, without_credentials
from techco.storage.azure.identity import ROLE, no_identity

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError, HttpResponseError

    from techco.storage.azure.credential import Credential
    from techco.storage.azure.urls import Place

_NO_HOST = ("failed to resolve", "name or service not known", "getaddrinfo", "nodename nor servname", "nameresolution")
_ENGINE_BUSY = re.compile(r"(?i)status code(?:\W|\x1b\[\d+m)+((?:408|429|5\d\d) [a-z ]+[a-z])")
_ENGINE_AWAY = (
    "error sending request",
    "connection closed before message completed",
    "response body",
    "operation timed out",
)
_BROKEN_OFF = ("connection aborted", "connection broken", "connection reset", "incompleteread")
_BUSY = 500
_TOO_MANY = 429


def connection_failure(error: AzureError, url: str, hint: str) -> str:
    """Explain why a service could not be reached, or did not answer.

    Parameters
    ----------
    url
        Of the service.
    hint
        What to check if there is no such host.
    """
    text, where = f"{error}".lower(), without_credentials(url)
    host = urlsplit(where).hostname or where
    if any(words in text for words in _NO_HOST):
        return f"There is no host {host}. {hint}"
    if "certificate" in text and ("verify" in text or "hostname" in text):
        return (
            f"The certificate of {host} is not trusted. If your organisation has certificates of its own, name their "
            "file in the variables REQUESTS_CA_BUNDLE and SSL_CERT_FILE."
        )
    if any(words in text for words in _BROKEN_OFF):
        return f"{where} breaks connections off. Check the network, and what stands in front of it; then run again."
    if "refused" in text:
        return f"{where} refuses connections. Check the address, and that the service runs."
    if "timed out" in text or "timeout" in text:
        return (
            f"{where} does not answer. Check the address, the network, and the firewall in front of it; then run again."
        )
    return (
        f"{where} cannot be reached: {scrub(str(error)).partition(chr(10))[0][:300]}. Check the network and run again."
    )


def engine_failure(words: str, place: Place, endpoint: str) -> str:
    """Explain an engine's or Delta Lake's words of a storage account that did not answer; empty if they are not.

    They have asked ten times, or for three minutes, when they say so.
    """
    if busy := _ENGINE_BUSY.search(words):
        return f"The storage account {place.account} is too busy or out of order ({busy[1]}). Try again later."
    if not any(said in words.lower() for said in _ENGINE_AWAY):
        return ""
    return (
        f"{without_credentials(endpoint)} did not answer the engine, or broke connections off. Check the network, and "
        "what stands in front of it; then run again. The tables are whole."
    )


def storage_failure(error: AzureError, place: Place, endpoint: str, credential: Credential, doing: str) -> StorageError:
    """Explain what a storage account refused, and why.

    Parameters
    ----------
    doing
        What was tried, such as `list files`.
    """
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    if isinstance(error, ClientAuthenticationError) and error.response is None:
        return no_identity(error)
    if not isinstance(error, HttpResponseError) or error.response is None:
        hint = f"Check the name of the storage account {place.account}, or name its private endpoint with `endpoint`."
        return StorageAway(connection_failure(error, endpoint, hint))
    return _answered(error, place, endpoint, credential, doing)


def _answered(
    error: HttpResponseError, place: Place, endpoint: str, credential: Credential, doing: str
) -> StorageError:
    """Explain what the account, or whatever is at its endpoint, answered with a status of failure."""
    status, code = error.status_code or 0, _code(error)
    account, where = f"the storage account {place.account}", f"the container {place.container}"
    if code == "ContainerNotFound":
        return StorageError(
            f"There is no container {place.container} in {account}. Check the name, or make it: "
            f"az storage container create --account-name {place.account} --name {place.container} --auth-mode login."
        )
    if code == "ContainerBeingDeleted":
        return StorageError(f"Someone is deleting {where} of {account}. Wait a minute, make it again, and run again.")
    if status in (401, 403) or code == "InvalidAuthenticationInfo":
        return CredentialError(_refused(code, str(error), place, credential, doing))
    if status >= _BUSY or status == _TOO_MANY:
        return StorageAway(
            f"The storage account {place.account} is too busy or out of order ({status} {code or 'no reason given'}); "
            f"it was asked several times to {doing}. Try again later."
        )
    if not code:
        return StorageError(
            f"{without_credentials(endpoint)} does not answer as a blob service does ({status}). "
            "Check the address that was given with `endpoint`, TECHCO_ENDPOINT or a connection string."
        )
    return StorageError(f"Could not {doing} in {where} of {account}: {status} {code}. {_first_line(error)}".rstrip())


def _refused(code: str, text: str, place: Place, credential: Credential, doing: str) -> str:
    """Explain an answer of 401 or 403; Azurite calls every wrong credential AuthorizationFailure."""
    account = f"The storage account {place.account}"
    if code == "AccountIsDisabled":
        return f"{account} is disabled. Enable its subscription in Azure's portal."
    if code == "KeyBasedAuthenticationNotPermitted":
        return (
            f"{account} permits neither account keys nor SAS signed with them (found in {credential.source}). "
            f"Use an identity: az login, and the role {ROLE}."
        )
    not_authenticated = "authenticate the request" in text or code in (
        "AuthenticationFailed",
        "InvalidAuthenticationInfo",
    )
    if not_authenticated:
        return f"{account} {credential.not_accepted()}"
    if code == "AuthorizationFailure":
        return (
            f"{account} does not let this machine in: its network rules or the rights of {credential.source} forbid to "
            f"{doing}. Allow this machine's address or network in the account's firewall, or use its private endpoint."
        )
    return (
        f"{account} does not permit {credential.source} to {doing} in {place.container} ({code or '403'}). "
        + credential.to_permit(place)
    )


def _code(error: HttpResponseError) -> str:
    """Return the service's own code, such as `AuthorizationPermissionMismatch`; empty if it sent none."""
    code = getattr(error, "error_code", None)
    if not code and (headers := getattr(error.response, "headers", None)) is not None:
        code = headers.get("x-ms-error-code")
    return str(getattr(code, "value", code) or "")


def _first_line(error: HttpResponseError) -> str:
    return re.sub(r"\s+", " ", scrub(error.message.partition("\n")[0]))[:300]
