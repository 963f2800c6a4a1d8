"""Opens the storage that a text names: a folder, the sample shop, or a container of an Azure storage account."""

from __future__ import annotations

import re
from pathlib import Path

from techco.errors import ParameterError
from techco.sample.default_shop import sample_folder, sample_shop
from techco.storage.access import Access
from techco.storage.base import SAMPLE, Storage
from techco.storage.folder import open_folder

_FROM_ENVIRONMENT = Access()
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:")  # two letters or more: C: is a drive


def open_storage(text: str, access: Access = _FROM_ENVIRONMENT) -> Storage:
    """Open a storage.

    Parameters
    ----------
    text
        A local folder, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net[/PREFIX]` or another URL of a storage account
        (see `techco.storage.azure.urls`), or `sample` for the sample shop, which is made when it is used first.
    access
        How to reach a storage account; by default with what the Azure CLI's variables hold, else with an identity.

    Raises
    ------
    ParameterError
        When the text is empty or has a URL scheme that is not known.
    StorageError
        When the storage does not exist or cannot be read.
    CredentialError
        When there is no credential for a storage account.
    """
    if text == SAMPLE:
        return open_folder(sample_shop(), is_sample=True)
    if not isinstance(text, str) or not text.strip():
        raise ParameterError(
            f"storage is {text!r}. Give the folder that holds the shop's raw files, for instance ./shop, "
            "or the URL of a container, for instance abfss://data@account.dfs.core.windows.net."
        )
    if is_url(text):
        from techco.storage.azure.urls import parse_url

        place = parse_url(text)
        from techco.storage.azure.container import open_container  # Azure's libraries take a while to import

        return open_container(place, access)
    folder = Path(text).expanduser()
    return open_folder(folder, is_sample=folder.resolve() == sample_folder().resolve())


def is_url(text: str) -> bool:
    """Return whether a storage is named by a URL; one that is not is a folder of this machine."""
    return _SCHEME.match(text) is not None
