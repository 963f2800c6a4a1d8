"""Azurite, Microsoft's emulator of a storage account, as a process of its own with one account."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)

from tests.support.stand_ins import Certificates, free_port

ACCOUNT = "techcotest"
# Recognisable wherever it turns up, and a key by its form: 64 bytes.
KEY = base64.b64encode(b"PLANTED-ACCOUNT-KEY/".ljust(64, b"\xfb")).decode()
ALL = "racwdl"
_STARTS_WITHIN_S = 30


@dataclass(frozen=True)
class Azurite:
    """A storage account that is up; `endpoint` is the URL of its blob service."""

    endpoint: str

    @property
    def connection_string(self) -> str:
        """As `az storage account show-connection-string` prints it."""
        return f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint}"

    def container(self, name: str) -> ContainerClient:
        """A container, made if it is not there."""
        client = BlobServiceClient(self.endpoint, AzureNamedKeyCredential(ACCOUNT, KEY)).get_container_client(name)
        if not client.exists():
            client.create_container()
        return client

    def url(self, container: str, prefix: str = "") -> str:
        """What users call the storage."""
        return f"abfss://{container}@{ACCOUNT}.dfs.core.windows.net{'/' if prefix else ''}{prefix}"

    def upload(self, folder: Path, container: str, prefix: str = "") -> str:
        """Copy the files of a folder into a container; returns the URL of the storage."""
        client = self.container(container)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            client.upload_blob(f"{prefix}/{name}" if prefix else name, path.read_bytes(), overwrite=True)
        return self.url(container, prefix)


def make_sas(permissions: str = ALL, valid: timedelta = timedelta(hours=1)) -> str:
    """A shared access signature for the whole account."""
    return generate_account_sas(
        ACCOUNT,
        KEY,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions.from_string(permissions),
        datetime.now(UTC) + valid,
        start=datetime.now(UTC) - timedelta(days=1),
    )


def make_container_sas(container: str, permissions: str = ALL) -> str:
    """A shared access signature for one container, as `az storage container generate-sas` makes it."""
    return generate_container_sas(
        ACCOUNT,
        container,
        account_key=KEY,
        permission=ContainerSasPermissions.from_string(permissions),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )


def program() -> str | None:
    """Where Azurite is, None if it is not installed."""
    folder = Path(__file__).parents[1] / "node_modules" / ".bin"
    return shutil.which("azurite-blob", path=f"{folder}{os.pathsep}{os.environ.get('PATH', '')}")


@contextmanager
def run(certificates: Certificates | None = None, key: str = KEY) -> Iterator[Azurite]:
    """Start Azurite, over https with tokens if there are certificates; end it with the block."""
    port, azurite = free_port(), program()
    assert azurite
    words = [azurite, "--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
    words += ["--silent"]
    if certificates:
        words += ["--cert", str(certificates.chain), "--key", str(certificates.key), "--oauth", "basic"]
    env = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    process = subprocess.Popen(
        words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait_for(port, process)
        yield Azurite(f"{'https' if certificates else 'http'}://127.0.0.1:{port}/{ACCOUNT}")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"Azurite did not start on port {port}; it ended with {process.poll()}.")
