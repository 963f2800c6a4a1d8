"""Names of containers: understood in every form that people use, and never with a credential."""

from __future__ import annotations

import pytest

from techco.errors import ParameterError
from techco.storage.azure.urls import Place, parse_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("abfss://data@shop.dfs.core.windows.net", "abfss://data@shop.dfs.core.windows.net"),
        ("abfss://data@shop.dfs.core.windows.net/", "abfss://data@shop.dfs.core.windows.net"),
        ("abfss://data@shop.dfs.core.windows.net/a/b-1.x/", "abfss://data@shop.dfs.core.windows.net/a/b-1.x"),
        ("ABFSS://data@SHOP.dfs.core.windows.net", "abfss://data@shop.dfs.core.windows.net"),
        ("abfs://data@shop.dfs.core.windows.net/a", "abfss://data@shop.dfs.core.windows.net/a"),
        ("wasbs://data@shop.blob.core.windows.net/a", "abfss://data@shop.dfs.core.windows.net/a"),
        ("wasb://data@shop.blob.core.windows.net", "abfss://data@shop.dfs.core.windows.net"),
        ("https://shop.blob.core.windows.net/data/a", "abfss://data@shop.dfs.core.windows.net/a"),
        ("https://shop.dfs.core.windows.net/data", "abfss://data@shop.dfs.core.windows.net"),
        ("abfss://data@shop.dfs.core.usgovcloudapi.net/a", "abfss://data@shop.dfs.core.usgovcloudapi.net/a"),
        ("https://shop.blob.core.chinacloudapi.cn/data", "abfss://data@shop.dfs.core.chinacloudapi.cn"),
    ],
)
def test_every_form_of_a_url_names_the_same_container(text: str, url: str) -> None:
    assert parse_url(text).url == url


def test_a_sovereign_cloud_has_endpoints_of_its_own_and_one_name_for_the_engine() -> None:
    place = parse_url("abfss://data@shop.dfs.core.usgovcloudapi.net/a")
    assert place.endpoint == "https://shop.blob.core.usgovcloudapi.net"
    assert place.engine_root == "abfss://data@shop.dfs.core.windows.net/a"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://bucket/x", r"Allowed: a local folder, the word sample, or a container as abfss://CONTAINER@ACCOUNT"),
        ("az://data/x", r"Write it as|Allowed: .* abfss://CONTAINER@ACCOUNT"),
        ("abfss://shop.dfs.core.windows.net/x", r"Allowed: .* abfss://CONTAINER@ACCOUNT"),
        ("abfss://data@shop", r"Allowed: .* abfss://CONTAINER@ACCOUNT"),
        ("abfss://data@shop.dfs.core.windows.net:1/x", r"Allowed: .* abfss://CONTAINER@ACCOUNT"),
        ("abfss://data@shop.dfs.core.windows.net:x", "which is no URL"),
        ("https://shop.blob.core.windows.net", r"names no container\. Write abfss://CONTAINER@shop\.dfs\.core"),
        ("http://127.0.0.1:10000/devstoreaccount1/data", "Name a private endpoint or an emulator with `endpoint`"),
        ("abfss://Data@shop.dfs.core.windows.net", "The container is 'Data'"),
        ("abfss://a--b@shop.dfs.core.windows.net", "The container is 'a--b'"),
        ("abfss://data@my-shop.dfs.core.windows.net", "The storage account is 'my-shop'. Allowed: its name, 3 to 24"),
        ("abfss://data@shop.dfs.core.windows.net/a b", "The prefix is 'a b'. Allowed: letters, digits"),
        ("abfss://data@shop.dfs.core.windows.net/a/../b", r"The prefix is 'a/\.\./b'"),
        ("abfss://data@shop.dfs.core.windows.net/a//b", "The prefix is 'a//b'"),
        ("abfss://data@shop.dfs.core.windows.net/é", "The prefix is 'é'"),
    ],
)
def test_what_is_no_container_is_refused_with_the_right_form(text: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        parse_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.blob.core.windows.net/data?sv=2024-01-01&sig=cGxhbnRlZA%3D%3D",
        "abfss://data@shop.dfs.core.windows.net/x?sig=cGxhbnRlZA%3D%3D",
        "abfss://data:cGxhbnRlZA@shop.dfs.core.windows.net/x",
        "https://shop.blob.core.windows.net/data#cGxhbnRlZA",
    ],
)
def test_a_credential_in_a_url_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ParameterError, match="A storage is named without credentials") as caught:
        parse_url(text)
    assert "cGxhbnRlZA" not in str(caught.value)


def test_a_prefix_stands_before_each_name() -> None:
    assert Place("shop", "data", "a/b").blob("tables") == "a/b/tables"
    assert Place("shop", "data").blob("tables") == "tables"
