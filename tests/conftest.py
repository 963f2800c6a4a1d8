"""What tests share: engines, storages, and the guard that keeps them off the network."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyspark
import pytest

from techco.doctor import machine
from techco.engines.connect import connect_to_server
from techco.engines.session import configure, open_session
from techco.ingest import ingest
from techco.join import join
from techco.notebooks.slim_imports import import_jsonschema
from techco.shop import Shop
from techco.storage.azure.identity import identity
from techco.storage.folder import Folder
from techco.tables.tables import Tables
from tests.support import azurite
from tests.support.azurite import Azurite
from tests.support.needs import group_of, mark_by_need, missing
from tests.support.shops import log, write_shop
from tests.support.spark_cluster import INTERPRETED, TOKEN, Cluster, run_cluster
from tests.support.stand_ins import (
    Answer,
    Certificates,
    Request,
    StandIn,
    free_port,
    make_certificates,
    managed_identity,
    serve,
)
from tests.support.storages import AUGUST, KINDS, Changing, in_kind, make_states

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pyspark.sql import SparkSession

_SPARK_STARTS_WITHIN_S = 90
import_jsonschema()  # before nbformat does, which takes a second longer


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        mark_by_need(item)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process whole groups of tests. xdist's own `loadgroup` does not know the groups with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return GroupScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def _java_that_starts_quickly() -> Iterator[None]:
    """Let Java compile lightly: for the small frames of tests, compiling well costs more than it gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield


@pytest.fixture(scope="session")
def sail() -> SparkSession:
    """Sail, the engine that reads and writes the tables."""
    return open_session("sail")


@pytest.fixture(scope="session")
def apache_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Apache Spark, the reference: a Spark Connect server of its own, which ships with PySpark."""
    if not shutil.which("java"):
        missing("No Java on this machine: Apache Spark needs Java 17 or newer")
    port, log = free_port(), tmp_path_factory.mktemp("spark") / "server.log"
    with log.open("wb") as output:
        environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}  # its workers, else whatever `python3` is
        server = subprocess.Popen(
            _server_command(port), stdout=output, stderr=output, start_new_session=True, env=environment
        )
    try:
        _wait_for(port, server, log)
        session = configure(connect_to_server(f"sc://127.0.0.1:{port}"))
        yield session
        session.stop()
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A standalone Spark cluster of two workers, and a Spark Connect server on it that wants a token."""
    if not shutil.which("java"):
        missing("No Java on this machine: Apache Spark needs Java 17 or newer")
    with run_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def _server_command(port: int) -> list[str]:
    home = Path(pyspark.__file__).parent
    return [
        str(home / "bin" / "spark-submit"),
        *("--master", "local[2]", "--conf", "spark.ui.enabled=false", "--conf", "spark.sql.shuffle.partitions=1"),
        *(word for key, value in INTERPRETED.items() for word in ("--conf", f"{key}={value}")),
        *(
            "--conf",
            "spark.connect.grpc.binding.address=127.0.0.1",
            "--conf",
            f"spark.connect.grpc.binding.port={port}",
        ),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"),
    ]


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(_SPARK_STARTS_WITHIN_S * 10):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    missing(f"Apache Spark did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="session")
def on_cluster(cluster: Cluster) -> Iterator[SparkSession]:
    """A session with the cluster."""
    session = configure(connect_to_server(cluster.server, TOKEN))
    yield session
    session.stop()


@pytest.fixture(scope="session", params=["sail", "apache_spark"])
def spark(request: pytest.FixtureRequest) -> SparkSession:
    """Every engine in turn: a transform must give the same on each."""
    session: SparkSession = request.getfixturevalue(request.param)
    return session


@pytest.fixture(scope="session", params=["sail", "spark"])
def engine_here(request: pytest.FixtureRequest) -> tuple[str, SparkSession]:
    """The engines of one machine in turn, with their names: for steps, of which each has dozens of queries."""
    return request.param, request.getfixturevalue({"sail": "sail", "spark": "apache_spark"}[request.param])


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    """An empty storage, under a name that no engine may take for a pattern."""
    folder = tmp_path / "shop [1] {a,b}* é"
    folder.mkdir()
    return Folder(str(folder))


@pytest.fixture
def tables(sail: SparkSession, storage: Folder) -> Tables:
    """The tables of an empty storage."""
    return Tables(sail, storage)


@pytest.fixture
def shop(sail: SparkSession, storage: Folder) -> Shop:
    """August of a shop, with Sail, whose storage is empty."""
    return Shop(storage, AUGUST, sail, "run-1")


@pytest.fixture
def any_shop(engine_here: tuple[str, SparkSession], storage: Folder) -> Shop:
    """August of a shop, with every engine of one machine in turn, whose storage is empty."""
    name, spark = engine_here
    return Shop(storage, AUGUST, spark, "run-1", engine=name)


@pytest.fixture
def make_tables(sail: SparkSession) -> Callable[[Shop], None]:
    """Ingest and join with Sail, for tests that only read the tables on each engine."""

    def make(shop: Shop) -> None:
        by_sail = replace(shop, spark=sail, engine="sail")
        ingest(by_sail)
        join(by_sail)

    return make


@pytest.fixture
def small_shop(tmp_path: Path) -> Folder:
    """A storage with the raw files of a shop, nothing of which is wrong."""
    (tmp_path / "shop").mkdir()
    return write_shop(Folder(str(tmp_path / "shop")), [log(1), log(2, "2023-08-31", "purchase")])


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The raw files of a shop as they were, and as they are now; tests only read them."""
    return make_states(tmp_path_factory.mktemp("states"), logs=900)


@pytest.fixture(params=KINDS)
def changing(request: pytest.FixtureRequest, tmp_path: Path, states: tuple[Path, Path]) -> Changing:
    """A shop whose raw files change, in every kind of storage in turn, of which nothing has been ingested yet."""
    return in_kind(request, tmp_path, states)


@pytest.fixture
def no_other_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever else works on the machine that runs the tests is not seen."""
    monkeypatch.setattr(machine, "other_users", lambda: "no other user has a process here")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for servers on loopback; every client in the tests trusts their authority, and no other."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def storage_account() -> Iterator[Azurite]:
    """A storage account over http."""
    _require_azurite()
    with azurite.run() as account:
        yield account


@pytest.fixture(scope="session")
def https_account(certificates: Certificates, off_the_network: StandIn) -> Iterator[Azurite]:
    """A storage account over https, which takes tokens as well."""
    _require_azurite()
    with azurite.run(certificates) as account:
        yield account


@pytest.fixture(scope="session", params=["folder", "storage account"])
def keep(request: pytest.FixtureRequest) -> Callable[[Path], tuple[str, dict[str, str]]]:
    """Every kind of storage in turn: takes a folder, returns what `--storage` names and the environment for it."""
    if request.param == "folder":
        return lambda folder: (str(folder), {})
    account: Azurite = request.getfixturevalue("storage_account")
    variables = {"AZURE_STORAGE_CONNECTION_STRING": account.connection_string}
    return lambda folder: (account.upload(folder, "kept", uuid.uuid4().hex), variables)


def _require_azurite() -> None:
    if not azurite.program():
        missing("No Azurite on this machine: npm install --prefix tests --no-package-lock")


@pytest.fixture(scope="session")
def chromium_program() -> str:
    """Where Chromium is."""
    return shutil.which("chromium") or missing("No Chromium on this machine: apt-get install chromium")


@pytest.fixture(scope="module")
def chromium(chromium_program: str, off_the_network: StandIn) -> Iterator[Browser]:
    """A browser, for one module: while it is open, this thread has a running event loop, which others may not like."""
    from tests.support.browser import run_chromium

    with run_chromium(chromium_program) as browser:
        yield browser


@pytest.fixture(scope="session")
def identity_service() -> Iterator[StandIn]:
    """Where a managed identity gets its tokens."""
    with serve(managed_identity()) as service:
        yield service


@pytest.fixture(scope="session", autouse=True)
def off_the_network(certificates: Certificates) -> Iterator[StandIn]:
    """Send whatever tests and their processes ask of other machines to a proxy that refuses, and remembers it.

    Python's and Rust's http clients both heed these variables. What trusts no authority but ours could not talk to
    Azure either way.
    """

    def refuse(_: Request) -> Answer:
        return Answer(403, b"Tests talk to this machine only.")

    closed = f"http://127.0.0.1:{free_port()}"
    with serve(refuse) as proxy, pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.setenv(name, proxy.url)
            patch.setenv(name.lower(), proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,localhost,.invalid")
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            patch.setenv(name, str(certificates.authority))
        patch.setenv(
            "AZURE_POD_IDENTITY_AUTHORITY_HOST", closed
        )  # else managed identities are sought at 169.254.169.254
        yield proxy


@pytest.fixture(autouse=True)
def _nothing_asked_of_others(off_the_network: StandIn) -> Iterator[None]:
    """Fail a test that has tried to reach another machine."""
    before = len(off_the_network.requests)
    yield
    asked = [f"{request.method} {request.target}" for request in off_the_network.requests[before:]]
    assert not asked, f"Tried to reach other machines: {asked}"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests find no credentials and settings but their own."""
    kept = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
    for name in [name for name in os.environ if name.startswith(("AZURE_", "TECHCO_", "IDENTITY_", "MSI_"))]:
        if name != kept:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _identities_of_one_test() -> Iterator[None]:
    """A test finds no token that another one was given."""
    identity.cache_clear()
    yield
    identity.cache_clear()


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests leave the user's cache alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
