"""The guard that keeps tests on this machine catches every kind of client that the package uses."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient
from deltalake import DeltaTable

from techco import Access
from techco.engines.session import open_session
from techco.errors import EngineError
from techco.storage.azure.container import connect_container
from techco.storage.azure.urls import Place
from tests.support.stand_ins import StandIn


def by_python() -> None:
    urllib.request.urlopen("http://elsewhere.example/", timeout=5)


def by_azure_storage_blob() -> None:
    client = ContainerClient("https://elsewhere.blob.core.windows.net", "data", credential="sig=x", retry_total=0)
    next(client.list_blob_names())


def by_delta_lake() -> None:
    DeltaTable("abfss://data@elsewhere.dfs.core.windows.net/table", storage_options={"azure_storage_sas_key": "sig=x"})


def by_the_engine() -> None:
    open_session("sail", connect_container(Place("elsewhere", "data"), Access()))


@pytest.mark.parametrize("ask", [by_python, by_azure_storage_blob, by_delta_lake, by_the_engine])
def test_a_client_that_asks_another_machine_is_caught(
    ask: Callable[[], None], off_the_network: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sig=x")
    before = len(off_the_network.requests)
    with pytest.raises((AzureError, OSError, EngineError)):
        ask()
    asked = off_the_network.requests[before:]
    del off_the_network.requests[before:]  # this test shall not fail for them
    assert asked
    assert all("elsewhere" in request.target for request in asked)
