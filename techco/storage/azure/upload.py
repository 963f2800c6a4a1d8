"""Puts the files of a report into a container: what azure-storage-blob is asked for, not in which order."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from techco.errors import StorageError
from techco.redact import without_credentials
from techco.storage.azure.container import Container
from techco.storage.azure.urls import WEBSITE
from techco.storage.base import RawFile

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
}
# The time to connect is the time to send a whole file, too: a page of 2 MB takes 16 seconds over 1 Mbit/s.
_SENDING: dict[str, Any] = {"connection_timeout": 30}


def check_readable(container: Container) -> None:
    """Ask whether the container is there and can be read; says within 15 seconds why not.

    Raises
    ------
    StorageError
        When it is not there, or not for this credential.
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        container.check_readable()
    except StorageError as error:
        if container.place.container == WEBSITE and isinstance(error.__context__, ResourceNotFoundError):
            raise StorageError(_no_website(container.place.account)) from None
        raise


def put(container: Container, name: str, content: bytes) -> None:
    """Write a file, or replace it.

    Raises
    ------
    StorageError
        When it cannot be written.
    """
    with container.failures(f"write {name}"):
        _client(container, name).upload_blob(content, overwrite=True, **_headers(name), **_SENDING)


def put_unless_changed(container: Container, name: str, content: bytes, seen: RawFile | None) -> bool:
    """Write a file if it still is as it was `seen`, None for not there; says whether it was written.

    A connection that broke after the file was written may make this say no.

    Raises
    ------
    StorageError
        When it cannot be written for another reason.
    """
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

    condition: dict[str, Any] = {"overwrite": False}
    if seen:
        condition = {"overwrite": True, "etag": f'"{seen.etag}"', "match_condition": MatchConditions.IfNotModified}
    with container.failures(f"write {name}"):
        try:
            _client(container, name).upload_blob(content, **condition, **_headers(name), **_SENDING)
        except (ResourceExistsError, ResourceModifiedError):
            return False
        except ResourceNotFoundError as error:
            if str(getattr(error, "error_code", "")) == "ContainerNotFound":
                raise
            return False  # it was seen, and has been deleted
    return True


def read(container: Container, name: str) -> bytes | None:
    """Read all bytes of a small file, None where there is none.

    Raises
    ------
    StorageError
        When it cannot be read.
    """
    from azure.core.exceptions import IncompleteReadError, ResourceNotFoundError

    from techco.storage.azure.retry import retry_options

    with container.failures(f"read {name}"):
        for tries_left in (2, 1, 0):
            try:
                return bytes(_client(container, name).download_blob(**retry_options()).readall())
            except ResourceNotFoundError:
                return None
            except IncompleteReadError:  # of an answer that says why not; the library repeats any other
                if not tries_left:
                    raise
    return None


def delete(container: Container, name: str) -> None:
    """Delete a file; one that is gone already is fine.

    Raises
    ------
    StorageError
        When it cannot be deleted.
    """
    from azure.core.exceptions import ResourceNotFoundError

    with container.failures(f"delete {name}"):
        try:
            _client(container, name).delete_blob()
        except ResourceNotFoundError:
            return


def address(container: Container, name: str) -> str:
    """Return the URL of a file, without credentials; whether others may open it is up to the container."""
    path = quote(f"{container.place.container}/{container.place.blob(name)}")
    return f"{without_credentials(container.endpoint).rstrip('/')}/{path}"


def _client(container: Container, name: str) -> Any:
    return container.client.get_blob_client(container.place.blob(name))


def _headers(name: str) -> dict[str, Any]:
    from azure.storage.blob import ContentSettings

    media_type = _MEDIA_TYPES[PurePosixPath(name).suffix]
    return {"content_settings": ContentSettings(content_type=media_type, cache_control="no-cache")}


def _no_website(account: str) -> str:
    """Explain that the account's web site is a feature to be turned on, and no container to be made."""
    return (
        f"The storage account {account} has no web site: there is no container {WEBSITE} in it. Turn it on: "
        f"az storage blob service-properties update --account-name {account} --static-website "
        "--index-document index.html --auth-mode login."
    )
