"""The Hadoop settings that open a storage account to Apache Spark, by ABFS, the driver of `abfss://`.

The settings and what they take, of Hadoop 3.4.1 or newer: https://hadoop.apache.org/docs/stable/hadoop-azure/abfs.html;
their names, and which of them must be there: `ConfigurationKeys.java` and `AbfsConfiguration.java` in
https://github.com/apache/hadoop/tree/trunk/hadoop-tools/hadoop-azure/src/main/java/org/apache/hadoop/fs/azurebfs.
Spark takes them without a prefix in a session, and as `spark.hadoop.…` where it is started.
"""

from __future__ import annotations

import os

from techco.errors import CredentialError, EngineError
from techco.redact import register_secret, without_credentials
from techco.storage.azure.credential import AccountKey, Credential, Identity, Signature
from techco.storage.azure.urls import PUBLIC_SUFFIX, Place

_PROVIDERS = "org.apache.hadoop.fs.azurebfs.oauth2"
_AUTHORITY = "login.microsoftonline.com"
_METADATA_SERVICE = "http://169.254.169.254"
_METADATA_PATH = "/metadata/identity/oauth2/token"
# Where these are set, azure-identity asks them instead of the metadata service of a virtual machine; the driver, which
# knows that service alone, cannot give the secret header that most of them demand.
_OTHER_SERVICES = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT")


def hadoop_settings(place: Place, endpoint: str, credential: Credential) -> dict[str, str]:
    """Return the Hadoop settings that open an account with a credential, each of them for this account alone.

    With a SAS the driver needs an account with a hierarchical namespace.

    Parameters
    ----------
    endpoint
        URL of the blob service that the credential was found for.

    Returns
    -------
    dict[str, str]
        With the credential itself among its values.

    Raises
    ------
    EngineError
        When the account is elsewhere than where the driver looks for it.
    CredentialError
        When it is one that the driver does not take, or an identity that gets no token.
    """
    _check_endpoint(place, endpoint)
    if isinstance(credential, AccountKey):
        settings = {"account.auth.type": "SharedKey", "account.key": credential.key}
    elif isinstance(credential, Signature):
        settings = {"account.auth.type": "SAS", "sas.fixed.token": credential.query}
    elif isinstance(credential, Identity):
        settings = _identity(credential)
    else:
        raise _not_taken(f"{credential.source}, which is of another kind")
    named = {f"fs.azure.{name}.{_host(place)}": value for name, value in settings.items()}
    # Hadoop keeps an opened file system for all sessions of a server, and with it a SAS that another one has replaced.
    return {**named, "fs.abfss.impl.disable.cache": "true"} if isinstance(credential, Signature) else named


def _host(place: Place) -> str:
    """Return where the driver looks for an account: it takes that from the URL, and settings by that name."""
    return f"{place.account}.dfs.{PUBLIC_SUFFIX}"


def _check_endpoint(place: Place, endpoint: str) -> None:
    """Refuse other clouds, private endpoints and emulators.

    Else the driver would show the credential to whoever has an account of this name in the public cloud.
    """
    if endpoint.partition("://")[2] != f"{place.account}.blob.{PUBLIC_SUFFIX}":
        raise EngineError(
            f"{place.url} is to be reached at {without_credentials(endpoint)}, but Apache Spark finds a storage "
            f"account at https://{_host(place)} only. Use `engine='sail'`; or, for a private endpoint to which your "
            "network's DNS leads from that name, give no endpoint."
        )


def _identity(credential: Identity) -> dict[str, str]:
    """Return the settings of what azure-identity has found: only who it is, for the driver gets its tokens itself."""
    kind = credential.kind()
    if kind == "EnvironmentCredential" and os.environ.get("AZURE_CLIENT_SECRET"):
        return _client_secret()
    if kind == "WorkloadIdentityCredential":
        return _workload_identity()
    if kind == "ManagedIdentityCredential" and not any(os.environ.get(name) for name in _OTHER_SERVICES):
        return _managed_identity()
    with_what = {
        "EnvironmentCredential": " with a certificate or a password",
        "ManagedIdentityCredential": " of a service other than a virtual machine",
    }
    raise _not_taken(f"{kind or 'an identity of unknown kind'}{with_what.get(kind, '')} by {credential.source}")


def _client_secret() -> dict[str, str]:
    """Return those of a service principal."""
    secret = os.environ["AZURE_CLIENT_SECRET"]
    register_secret(secret)
    return _by(
        "ClientCredsTokenProvider",
        {
            # The first version of the endpoint: the driver names a resource, where the second one wants a scope.
            "client.endpoint": f"{_authority()}{os.environ['AZURE_TENANT_ID']}/oauth2/token",
            "client.id": os.environ["AZURE_CLIENT_ID"],
            "client.secret": secret,
        },
    )


def _workload_identity() -> dict[str, str]:
    """Return those of a pod in Kubernetes; the machine that the driver runs on must have the file."""
    return _by(
        "WorkloadIdentityTokenProvider",
        {
            "msi.authority": _authority(),
            "msi.tenant": os.environ["AZURE_TENANT_ID"],
            "client.id": os.environ["AZURE_CLIENT_ID"],
            "token.file": os.environ["AZURE_FEDERATED_TOKEN_FILE"],
        },
    )


def _managed_identity() -> dict[str, str]:
    """Return those of the virtual machine that the driver runs on; one of several is named by its client id."""
    service = (os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or _METADATA_SERVICE).strip("/")
    client = os.environ.get("AZURE_CLIENT_ID", "")
    return _by(
        "MsiTokenProvider",
        {"msi.endpoint": f"{service}{_METADATA_PATH}", **({"client.id": client} if client else {})},
    )


def _by(provider: str, settings: dict[str, str]) -> dict[str, str]:
    """Return the settings that have the driver ask one of its classes for tokens."""
    oauth2 = {f"account.oauth2.{name}": value for name, value in settings.items()}
    return {"account.auth.type": "OAuth", "account.oauth.provider.type": f"{_PROVIDERS}.{provider}", **oauth2}


def _authority() -> str:
    """Return who gives tokens, as a URL with a slash at its end; the variable may hold a host or a URL."""
    given = os.environ.get("AZURE_AUTHORITY_HOST", "").removeprefix("https://").rstrip("/")
    return f"https://{given or _AUTHORITY}/"


def _not_taken(what: str) -> CredentialError:
    return CredentialError(
        f"The credential is {what}, which Apache Spark cannot use for a storage account. It takes an account key, a "
        "SAS, a service principal with a client secret, a workload identity or the managed identity of a virtual "
        "machine. Use `engine='sail'`, or set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_TENANT_ID, "
        "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."
    )
