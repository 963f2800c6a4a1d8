"""The engines and small shops that tests share."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pyspark
import pytest

from techco import engine
from techco.storage import Storage
from techco.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SPARK_STARTS_WITHIN_S = 90


def missing(what: str) -> NoReturn:
    """Skip a test for want of a part of the machine; in CI, where all must be there, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (in CI nothing may be missing)")
    pytest.skip(what)


@pytest.fixture(scope="session")
def sail() -> SparkSession:
    """Sail, the engine that reads and writes the tables."""
    return engine.session("sail")


@pytest.fixture(scope="session")
def apache_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Apache Spark, the reference: a Spark Connect server of its own, which ships with PySpark."""
    if not shutil.which("java"):
        missing("No Java on this machine: Apache Spark needs Java 17 or newer")
    from pyspark.sql import SparkSession

    port, log = _free_port(), tmp_path_factory.mktemp("spark") / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(_server_command(port), stdout=output, stderr=output, start_new_session=True)
    try:
        _wait_for(port, server, log)
        yield engine.configure(SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create())
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _server_command(port: int) -> list[str]:
    home = Path(pyspark.__file__).parent
    return [
        str(home / "bin" / "spark-submit"),
        *("--master", "local[2]", "--conf", "spark.ui.enabled=false", "--conf", "spark.sql.shuffle.partitions=1"),
        *("--driver-java-options", "-XX:TieredStopAtLevel=1"),  # tiny frames: compiling well costs more than it gives
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session", params=["sail", "apache_spark"])
def spark(request: pytest.FixtureRequest) -> SparkSession:
    """Every engine in turn: a transform must give the same on each."""
    session: SparkSession = request.getfixturevalue(request.param)
    return session


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty storage, under a name that no engine may take for a pattern."""
    folder = tmp_path / "shop [1] {a,b}* é"
    folder.mkdir()
    return Storage(str(folder))


@pytest.fixture
def tables(sail: SparkSession, storage: Storage) -> Tables:
    """The tables of an empty storage."""
    return Tables(sail, storage)


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests leave the user's cache alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
