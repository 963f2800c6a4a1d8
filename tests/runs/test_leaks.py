"""No credential is in anything that techco leaves behind, whatever kind it is of and whatever goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from techco.storage.folder import Folder
from tests.support import azurite
from tests.support.azurite import KEY, Azurite
from tests.support.shops import log, write_shop
from tests.support.stand_ins import (
    Certificates,
    StandIn,
    identity_variables,
    key_vault,
    make_token,
    managed_identity,
    serve,
)
from tests.support.tiny_notebooks import write_templates

TOKEN = make_token("UExBTlRFRC1UT0tFTi1QTEFOVEVELVRPS0VO")
SAS = azurite.make_sas()
CLIENT_SECRET = "PLANTED~client.secret-1"
SIGNATURE = parse_qs(SAS)["sig"][0]
PLANTED = (KEY, TOKEN, TOKEN.rpartition(".")[2], SIGNATURE, CLIENT_SECRET, "PLANTED")
NEEDLES = sorted({form.encode() for value in PLANTED for form in (value, quote(value), quote(value, safe=""))})
SOURCES = {
    "key": "the variable AZURE_STORAGE_KEY",
    "sas": "the variable AZURE_STORAGE_SAS_TOKEN",
    "connection_string": "the variable AZURE_STORAGE_CONNECTION_STRING",
    "identity": "DefaultAzureCredential",
    "key_vault": "the secret storage-key of the Key Vault https://127.0.0.1",
}
KINDS = tuple(SOURCES)

# What a notebook can do wrong: show all it can get hold of, and fail with it in the message and in every frame.
TELLTALE = """
import logging, os, sys, warnings
from techco import open_shop, Period
get_ipython().run_line_magic("xmode", "Verbose")
shop = open_shop(storage, Period.of(start_date, end_date), engine=engine, run_id=run_id)
known = {**os.environ, **shop.storage.credential.for_engine()}
print(known)
print(shop.storage, shop.storage.credential, vars(shop.storage.credential), file=sys.stderr)
logging.warning("%s", known)
os.write(1, repr(known).encode()); os.write(2, repr(known).encode())
display(known, {"text/html": f"<b>{known}</b>"})
with shop.storage.engine_environment():
    print(dict(os.environ))
"""
FAIL = "def fail(secrets):\n    raise ValueError(f'could not use {secrets}')\nfail(known)"


@pytest.fixture(scope="module")
def shop_url(https_account: Azurite, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A storage with a small shop."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(Folder(str(folder)), [log(1), log(2, action="purchase"), "not a log"])
    return https_account.upload(folder, "leaks", "shop")


@pytest.fixture(scope="module")
def services(certificates: Certificates) -> Iterator[tuple[StandIn, StandIn]]:
    """An identity service that gives the planted token, and a Key Vault with the planted key."""
    with (
        serve(managed_identity(lambda: TOKEN)) as identity,
        serve(key_vault({"storage-key": KEY}), certificates) as vault,
    ):
        yield identity, vault


def variables(kind: str, account: Azurite, services: tuple[StandIn, StandIn]) -> dict[str, str]:
    """The environment in which techco finds one kind of credential."""
    identity, vault = services
    own = {
        "key": {"AZURE_STORAGE_KEY": KEY},
        "sas": {"AZURE_STORAGE_SAS_TOKEN": SAS},
        "connection_string": {"AZURE_STORAGE_CONNECTION_STRING": account.connection_string},
        "identity": identity_variables(identity.url),
        "key_vault": {
            **identity_variables(identity.url),
            "TECHCO_KEY_VAULT": vault.url,
            "TECHCO_SECRET": "storage-key",
        },
    }
    return {"TECHCO_ENDPOINT": account.endpoint, "AZURE_CLIENT_SECRET": CLIENT_SECRET, **own[kind]}


def some(kinds: list[str]) -> list[Any]:
    """All kinds of credential, but only some of them in every run of the tests."""
    return [kind if kind in kinds else pytest.param(kind, marks=pytest.mark.soak) for kind in KINDS]


def execute(folder: Path, command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose files, temporary ones and caches too, all are in one folder."""
    for name in ("tmp", "cache"):
        (folder / name).mkdir(exist_ok=True)
    own = {"TMPDIR": str(folder / "tmp"), "XDG_CACHE_HOME": str(folder / "cache"), "TECHCO_OUT": str(folder / "out")}
    env = {**os.environ, **own, **environment}
    return subprocess.run([sys.executable, "-m", *command], cwd=folder, env=env, capture_output=True, check=False)


def leaks(folder: Path, done: subprocess.CompletedProcess[bytes], account: Azurite) -> list[str]:
    """Where a planted credential is: in the folder, in what was printed, in the storage account."""
    found = {"stdout": done.stdout, "stderr": done.stderr}
    found |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_socket()}
    container = account.container("leaks")
    found |= {name: container.download_blob(name).readall() for name in container.list_blob_names()}
    return [f"{name}: …{text[max(0, at - 60) : at + 20]!r}" for name, text in found.items() if (at := place(text)) >= 0]


def place(text: bytes) -> int:
    """Where the first needle is, -1 if none is there."""
    return min((at for needle in NEEDLES if (at := text.find(needle)) >= 0), default=-1)


def test_a_planted_credential_would_be_found(tmp_path: Path, https_account: Azurite) -> None:
    for number, needle in enumerate(NEEDLES):
        (tmp_path / str(number)).write_bytes(b"before" + needle + b"after")
    done = subprocess.CompletedProcess([], 0, f"sig={quote(SIGNATURE, safe='')}".encode(), TOKEN.encode())
    assert len(leaks(tmp_path, done, https_account)) == len(NEEDLES) + 2


@pytest.mark.parametrize("kind", some(["sas", "key_vault"]))
def test_a_run_that_is_published_holds_no_credential(
    kind: str, shop_url: str, https_account: Azurite, services: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    command = ["techco", "run", "--storage", shop_url, "--period", "2023-08", "--publish", "--json"]
    done = execute(tmp_path, command, variables(kind, https_account, services))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["metrics"]["total_sales"] == "10.10"
    assert SOURCES[kind] in record["provenance"]["access"]
    assert len(list((tmp_path / "out").rglob("*.html"))) == 5
    assert any("index.html" in name for name in https_account.container("leaks").list_blob_names())
    assert leaks(tmp_path, done, https_account) == []


@pytest.mark.parametrize("kind", some(["key", "connection_string", "identity"]))
def test_a_notebook_that_shows_all_it_knows_and_fails_holds_no_credential(
    kind: str, shop_url: str, https_account: Azurite, services: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    templates = write_templates(tmp_path / "templates", ingest=TELLTALE, join=f"{TELLTALE}\n{FAIL}")
    command = ["techco", "run", "--storage", shop_url, "--period", "2023-08", "--publish"]
    environment = {**variables(kind, https_account, services), "TECHCO_TEMPLATES": str(templates)}
    done = execute(tmp_path, command, environment)
    assert done.returncode == 1
    assert b"ValueError: could not use" in done.stderr
    (notebook,) = (tmp_path / "out").rglob("runs/*/join.ipynb")
    assert "[hidden]" in notebook.read_text()
    assert leaks(tmp_path, done, https_account) == []


@pytest.mark.parametrize("kind", ["key", "sas", "connection_string", "key_vault"])
def test_a_credential_that_is_refused_is_not_repeated(
    kind: str, https_account: Azurite, services: tuple[StandIn, StandIn], certificates: Certificates, tmp_path: Path
) -> None:
    with azurite.run(certificates, key="YW5vdGhlciBrZXk=") as other:
        environment = variables(kind, other, services)
        url = other.url("leaks", "shop")
        for command in (["run", "--period", "2023-08"], ["doctor"]):
            done = execute(tmp_path, ["techco", *command, "--storage", url], environment)
            assert done.returncode == 1
            assert b"does not accept the" in done.stdout + done.stderr
            assert leaks(tmp_path, done, https_account) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_doctor_repeats_no_credential(
    kind: str, shop_url: str, https_account: Azurite, services: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    done = execute(tmp_path, ["techco", "doctor", "--storage", shop_url], variables(kind, https_account, services))
    assert b"passed" in done.stdout
    assert leaks(tmp_path, done, https_account) == []


@pytest.mark.parametrize("kind", ["sas", "identity"])
def test_plain_papermill_with_its_log_holds_no_credential(
    kind: str, shop_url: str, https_account: Azurite, services: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    template = Path(__file__).parents[2] / "templates" / "ingest.ipynb"
    command = [
        "papermill",
        str(template),
        "out.ipynb",
        "--log-output",
        "--log-level",
        "DEBUG",
        "-p",
        "storage",
        shop_url,
    ]
    done = execute(tmp_path, command, variables(kind, https_account, services))
    assert done.returncode == 0, done.stderr
    assert leaks(tmp_path, done, https_account) == []


def test_plain_papermill_of_a_step_that_fails_holds_no_credential(
    shop_url: str, https_account: Azurite, services: tuple[StandIn, StandIn], tmp_path: Path
) -> None:
    template = Path(__file__).parents[2] / "templates" / "ingest.ipynb"
    forged = SAS.partition("&sig=")[0] + "&sig=UExBTlRFRA" + "PLANTED-SIGNATURE%3D"
    environment = {**variables("sas", https_account, services), "AZURE_STORAGE_SAS_TOKEN": forged}
    command = ["papermill", str(template), "out.ipynb", "--log-output", "-p", "storage", shop_url]
    done = execute(tmp_path, command, environment)
    assert done.returncode != 0
    assert b"does not accept the SAS" in done.stderr
    assert b"does not accept the SAS" in (tmp_path / "out.ipynb").read_bytes()
    assert leaks(tmp_path, done, https_account) == []


def test_what_the_engine_says_of_a_signature_it_may_not_use_does_not_repeat_it(
    shop_url: str, https_account: Azurite, tmp_path: Path
) -> None:
    code = """
from techco import Access, open_shop
import os
shop = open_shop(os.environ["SHOP"], "2023-08", access=Access(endpoint=os.environ["TECHCO_ENDPOINT"]))
for attempt in (
    lambda: shop.spark.range(1).write.parquet(shop.storage.engine_root + "/tables/forbidden"),
    lambda: shop.tables.replace_all("customers", shop.spark.sql(
        "SELECT 1L AS customer_id, '' AS first_name, '' AS last_name, '' AS email, '' AS phone"), "run"),
):
    try:
        attempt()
    except Exception as error:
        print(type(error).__name__, error)
"""
    (tmp_path / "attempts.py").write_text(code)
    narrow = azurite.make_sas("rl")
    environment = {"SHOP": shop_url, "TECHCO_ENDPOINT": https_account.endpoint, "AZURE_STORAGE_SAS_TOKEN": narrow}
    done = execute(tmp_path, ["attempts"], environment)
    assert done.stdout.count(b"403") >= 1, done
    assert quote(parse_qs(narrow)["sig"][0], safe="").encode() not in done.stdout + done.stderr
    assert parse_qs(narrow)["sig"][0].encode() not in done.stdout + done.stderr
