"""Credentials leave a text, whatever form they come in."""

from __future__ import annotations

import base64
import json

import pytest

from techco.redact import HIDDEN, scrub

KEY = base64.b64encode(bytes(range(64))).decode()
SIGNATURE = "Zm9vYmFyYmF6cXV4%2BZm9v%2FYmFy%3D"
TOKEN = "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJodHRwczovL3N0.c2lnbmF0dXJl-X_y"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"AccountName=shop;AccountKey={KEY};EndpointSuffix=core.windows.net", KEY),
        (f"the key is {KEY}", KEY),
        (f"GET https://shop.blob.core.windows.net/data?sv=2024&sig={SIGNATURE}&se=2025 403", SIGNATURE),
        (f"sv%3D2024%26sig%3D{SIGNATURE}", SIGNATURE),
        (f"Authorization: Bearer {TOKEN}", TOKEN),
        ("Authorization: Bearer abcDEF123.~+/456==", "abcDEF123"),
        (f"token {TOKEN} expired", TOKEN),
        ("Authorization: SharedKey shop:abcdefgh12345678=", "abcdefgh12345678"),
        ("AZURE_CLIENT_SECRET=q8Q~abc.def-ghi", "q8Q~abc.def-ghi"),
        ("client_secret: 'q8Q~abc.def-ghi'", "q8Q~abc.def-ghi"),
        ('{"access_token": "opaque-0123"}', "opaque-0123"),
        ("https://me:hunter2@example.org/x", "hunter2"),
        ("password = hunter2", "hunter2"),
    ],
)
def test_credentials_are_hidden(text: str, secret: str) -> None:
    assert secret not in scrub(text)
    assert HIDDEN in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "abfss://data@shop.dfs.core.windows.net/prefix",
        "Sales of design=modern were 154,464.34; sigma=3, signed=yes",
        "No web_logs.json in ./shop. Make a sample: techco generate ./shop",
        "basic_statistics(frame) and the bearer of bad news",
        "AccountKey is missing",
        "mailto:jane@example.org",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert scrub(text) == text


def test_json_stays_well_formed() -> None:
    values = {
        "a": f'say "AccountKey={KEY}"',
        "b": f"?sig={SIGNATURE}\nnext",
        "c": {"password": "p w"},
        "d": ["Bearer abcdefghijk"],
    }
    scrubbed = json.loads(scrub(json.dumps(values)))
    assert scrubbed["a"] == f'say "AccountKey={HIDDEN}"'
    assert scrubbed["b"] == f"?sig={HIDDEN}\nnext"
    assert scrubbed["d"] == [f"Bearer {HIDDEN}"]


def test_scrubbing_twice_changes_nothing() -> None:
    once = scrub(f"AccountKey={KEY}&sig={SIGNATURE} Bearer {TOKEN} https://me:pw@host/")
    assert scrub(once) == once
