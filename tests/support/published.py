"""Reports in a storage account."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from azure.storage.blob import ContainerClient

from techco.period import Period
from techco.runs.publish import publish_run
from techco.storage.access import Access

USAGE = 2
AUGUST, JULY = (Period(date(2023, month, 1), date(2023, month, 31)) for month in (8, 7))


def published(run_dir: Path, target: str | None, access: Access | None = None) -> str:
    """Publish a run, as `techco publish` does; its URL."""
    return publish_run(str(run_dir), Path(), target, access or Access())


def stored(client: ContainerClient) -> dict[str, bytes]:
    """All blobs, by the part of their name after `reports/`."""
    return {
        name.partition("reports/")[2]: bytes(client.download_blob(name).readall())
        for name in client.list_blob_names()
        if "reports/" in name
    }


def listed(client: ContainerClient) -> list[str]:
    """The runs to which the published list has links, in its order."""
    page = stored(client).get("index.html", b"").decode()
    return re.findall(r'href="([^"/]+)/index\.html"', page)
