"""A storage that is a container of an Azure storage account, or a folder in one: the one user of azure-storage-blob."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from techco.errors import ParameterError, RawFileError, StepFailed, StorageAway, StorageError
from techco.redact import without_credentials
from techco.storage.access import Access
from techco.storage.azure.credential import Credential
from techco.storage.azure.failures import engine_failure, storage_failure
from techco.storage.azure.find_credential import find_credential
from techco.storage.azure.hadoop import hadoop_settings
from techco.storage.azure.urls import WEBSITE, Place
from techco.storage.base import TABLES_FOLDER, RawFile, Storage, is_hidden

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient

# Whoever waits for a command is told within 15 seconds what is wrong: three tries of 2.5 seconds at most, with waits of
# at most 0.8 and 1.6 seconds between them.
_FIRST_CONTACT: dict[str, Any] = {"connection_timeout": 2.5, "read_timeout": 2.5, "retry_total": 2}
_CONNECTION_TIMEOUT_S = 3
_READ_TIMEOUT_S = 20
_CHUNK_BYTES = 4 * 2**20
_ENGINE_VARIABLES = ("AZURE_", "AZURITE_")
_LIBRARIES = ("azure.storage.blob", "azure.identity", "azure.keyvault.secrets")
_one_environment = threading.RLock()  # the environment belongs to all threads


@dataclass(frozen=True)
class Container(Storage):
    """A container, or a folder in it, that holds a shop; `url` is `abfss://…`.

    Attributes
    ----------
    place
        Account, container and folder.
    endpoint
        URL of the account's blob service.
    credential
        What opens it.
    client
        The container in azure-storage-blob.
    """

    place: Place = field(kw_only=True)
    endpoint: str = field(kw_only=True)
    credential: Credential = field(kw_only=True, repr=False)
    client: ContainerClient = field(kw_only=True, repr=False, compare=False)

    @property
    def credential_source(self) -> str:
        """Where its credential was found, and a private endpoint."""
        endpoint = "" if self.endpoint == self.place.endpoint else f", at {without_credentials(self.endpoint)}"
        return f"{self.credential.source}{endpoint}"

    @property
    def libraries(self) -> tuple[str, ...]:
        """This module, and those of Azure's that were needed in this process."""
        return (__name__, *(name for name in _LIBRARIES if name in sys.modules))

    def open(self, file: RawFile) -> BinaryIO:
        """Open a file for reading; one that is not as it was found is refused."""
        return io.BufferedReader(_Blob(self, file), _CHUNK_BYTES)

    def find(self, name: str) -> RawFile | None:
        """Find one file; return None where there is none of that name."""
        from azure.core.exceptions import ResourceNotFoundError

        with self.failures(f"look for {name}"):
            try:
                found = self.client.get_blob_client(self.place.blob(name)).get_blob_properties()
            except ResourceNotFoundError as error:
                if str(getattr(error, "error_code", "")) == "ContainerNotFound":
                    raise
                return None
        return None if _is_folder(found) else self._describe(found)

    def files(self, folder: str, hidden: bool = False) -> list[RawFile]:
        """List all files below a folder."""
        start = f"{self.place.blob(folder)}/"
        with self.failures(f"list {folder}/"):
            found = list(self.client.list_blobs(name_starts_with=start, include=["metadata"]))
        shown = (b for b in found if hidden or not any(map(is_hidden, b.name.removeprefix(start).split("/"))))
        return sorted((self._describe(blob) for blob in shown if not _is_folder(blob)), key=lambda file: file.name)

    def names(self) -> list[str]:
        """List the names at the root."""
        start = self.place.blob("")
        with self.failures("list files"):
            found = {blob.name.removeprefix(start).strip("/") for blob in self.client.walk_blobs(start, delimiter="/")}
        return sorted(name for name in found if name and not name.startswith("."))

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        with self.failures("write files"):
            self.client.get_blob_client(self.place.blob(name)).upload_blob(content, overwrite=True, **_FIRST_CONTACT)

    def delete(self, name: str) -> None:
        """Delete a file; a container has no empty folders."""
        from azure.core.exceptions import ResourceNotFoundError

        # Asked again because its answer was lost, the account has no such file any more.
        with self.failures("delete files"), suppress(ResourceNotFoundError):
            self.client.get_blob_client(self.place.blob(name)).delete_blob(**_FIRST_CONTACT)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder; with a hierarchical namespace folders are there on their own, after what is in them."""
        from azure.core.exceptions import AzureError

        with suppress(AzureError):
            for blob in sorted(
                self.client.list_blob_names(name_starts_with=f"{self.place.blob(folder)}/"), reverse=True
            ):
                with suppress(AzureError):
                    self.client.delete_blob(blob)

    def check_writable(self, folder: str = TABLES_FOLDER) -> None:
        """Write a file among the tables, and delete it."""
        probe = f"{folder}/.probe-{uuid.uuid4().hex}"
        self.write(probe, b"")
        self.delete(probe)

    def check_readable(self) -> None:
        """Ask for the first name in the container.

        Raises
        ------
        StorageError
            When account or container are not there, or not for this credential.
        """
        self.credential.check()
        with self.failures("list files"):
            next(self.client.list_blob_names(results_per_page=1, **_FIRST_CONTACT), None)

    @property
    def engine_root(self) -> str:
        """The URL by which engines know it."""
        return self.place.engine_root

    def delta_root(self) -> str:
        """Return the same URL: a place has plain characters only."""
        return self.place.engine_root

    @contextmanager
    def engine_environment(self) -> Iterator[None]:
        """Let the process have the variables of this storage's credential, and no others of Azure's.

        Engine and Delta Lake read the environment when they open the container, and prefer what they find there in an
        order of their own. Nothing of it stays: what the notebook starts or prints later has no credential in it.
        """
        variables = {"AZURE_STORAGE_ENDPOINT": self.endpoint, **self.credential.for_engine()}
        if self.endpoint.startswith("http:"):
            variables["AZURE_ALLOW_HTTP"] = "true"
        with _one_environment:
            others = {name: value for name, value in os.environ.items() if name.startswith(_ENGINE_VARIABLES)}
            for name in others:
                del os.environ[name]
            os.environ.update(variables)
            try:
                yield
            finally:
                for name in variables:
                    os.environ.pop(name, None)
                os.environ.update(others)

    def hadoop_settings(self) -> dict[str, str]:
        """Return the Hadoop settings that open the container with this credential."""
        with _one_environment:  # of an identity it tells what the environment says
            return hadoop_settings(self.place, self.endpoint, self.credential)

    def explain_failure(self, words: str) -> str:
        """Adds that the account could not be reached, or was busy for too long."""
        return super().explain_failure(words) or engine_failure(words, self.place, self.endpoint)

    def recovered_from(self, failure: StepFailed) -> bool:
        """Asks for the first name in the container."""
        if failure.kind != StorageAway.__name__ and not engine_failure(failure.words, self.place, self.endpoint):
            return False
        try:
            with self.failures("list files"):
                next(self.client.list_blob_names(results_per_page=1), None)
        except StorageError:
            return False
        return True

    @contextmanager
    def failures(self, doing: str) -> Iterator[None]:
        """Say in plain words what azure-storage-blob raises while `doing` something, such as `list files`.

        Raises
        ------
        StorageError
            Without the original error, which may show a signature.
        """
        from azure.core.exceptions import AzureError

        try:
            yield
        except AzureError as error:
            raise storage_failure(error, self.place, self.endpoint, self.credential, doing) from None

    def _describe(self, blob: BlobProperties) -> RawFile:
        name = blob.name.removeprefix(self.place.blob(""))
        assert isinstance(blob.last_modified, datetime)
        return RawFile(name, blob.size, blob.last_modified.replace(microsecond=0), str(blob.etag).strip('"'))


def open_container(place: Place, access: Access) -> Container:
    """Open a container that is there and can be read.

    Parameters
    ----------
    access
        How to reach it.

    Raises
    ------
    StorageError
        When it cannot be opened; says within 15 seconds why.
    """
    if place.container == WEBSITE:
        raise ParameterError(
            f"The container {WEBSITE} is a public web site, where raw files and tables would be for all to see. "
            "Name another one; reports can be published there: techco publish RUN --to '$web'."
        )
    container = connect_container(place, access)
    container.check_readable()
    return container


def connect_container(place: Place, access: Access) -> Container:
    """Return a container with the credential for it; ask nothing of it yet.

    Raises
    ------
    CredentialError
        When there is no credential.
    """
    from azure.storage.blob import BlobServiceClient

    from techco.storage.azure.retry import RetryPolicy

    # Azure's libraries log failures as warnings, which would go to stderr; they are in what is raised as well.
    if not (logger := logging.getLogger("azure")).handlers:
        logger.addHandler(logging.NullHandler())
    found = find_credential(place, access)
    service = BlobServiceClient(
        found.endpoint,
        found.credential.for_client(place.account),
        connection_timeout=_CONNECTION_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retry_policy=RetryPolicy(),
    )
    return Container(
        place.url,
        place=place,
        endpoint=found.endpoint,
        credential=found.credential,
        client=service.get_container_client(place.container),
    )


class _Blob(io.RawIOBase):
    """The bytes of one version of a blob, read in ranges."""

    def __init__(self, container: Container, file: RawFile) -> None:
        super().__init__()
        self._container, self._file, self._position = container, file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        from techco.storage.azure.retry import retry_options

        length = min(len(buffer), self._file.size - self._position)
        if length <= 0:
            return 0
        blob = self._container.client.get_blob_client(self._container.place.blob(self._file.name))
        with self._container.failures(f"read {self._file.name}"):
            try:
                as_found: dict[str, Any] = {
                    "etag": f'"{self._file.etag}"',
                    "match_condition": MatchConditions.IfNotModified,
                }
                download = blob.download_blob(self._position, length, **as_found, **retry_options())
                content = download.readall()
            except (ResourceModifiedError, ResourceNotFoundError):
                raise RawFileError(
                    f"{self._file.name} changed while it was read. Run again when it is complete."
                ) from None
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def _is_folder(blob: BlobProperties) -> bool:
    """Return whether a blob stands for a folder, as with a hierarchical namespace."""
    return blob.name.endswith("/") or (blob.metadata or {}).get("hdi_isfolder", "").lower() == "true"
