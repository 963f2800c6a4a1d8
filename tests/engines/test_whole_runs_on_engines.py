"""Whole runs on every engine, and what each says of what it cannot do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from techco import open_shop
from techco.engines.cluster import check_cluster
from techco.engines.connect import connect_to_server
from techco.engines.session import open_session, ready_engine
from techco.errors import CredentialError, EngineError
from techco.sample.generate import SampleSpec, generate
from techco.storage.folder import Folder
from tests.support.real_shop import PERIOD, real_shop
from tests.support.shops import log, write_shop
from tests.support.spark_cluster import TOKEN, Cluster
from tests.support.stand_ins import Answer, free_port, serve
from tests.support.whole_runs import Engine, by_master, by_server, numbers, run, spark_here


def messy(folder: Path) -> str:
    """A shop with every inconsistency; returns its period."""
    generate(folder, SampleSpec(customers=100, logs=1000, messy=True))
    return "2023-08"


def large(folder: Path) -> str:
    """Five million logs, in one JSON array."""
    generate(folder, SampleSpec(customers=200_000, products=1000, logs=5_000_000))
    return "2023-08"


def real(folder: Path) -> str:
    """The shop that the raw files came from."""
    shutil.copytree(real_shop(), folder, ignore=shutil.ignore_patterns("README*"))
    return "..".join(PERIOD)


@pytest.mark.spark
@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("messy", "spark://"), ("real", "sc://"),
        *(pytest.param(kind, "spark", marks=pytest.mark.soak) for kind in ("messy", "large")),
    ],
)  # fmt: skip
def test_a_whole_run_gives_the_same_files_on_every_engine(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, engine: str
) -> None:
    shop = tmp_path / "a shop [1] é"
    period = {"messy": messy, "real": real, "large": large}[kind](shop)
    name, options = engine_of(request, engine)
    by_sail = run(tmp_path / "sail", shop, "sail", period=period)
    assert by_sail.returncode == 0, by_sail.stderr
    by_spark = run(tmp_path / "spark", shop, name, *options, period=period)
    assert by_spark.returncode == 0, by_spark.stderr
    assert numbers(tmp_path / "spark") == numbers(tmp_path / "sail")
    assert len(numbers(tmp_path / "spark")) == 6
    expected, found = (json.loads(done.stdout)["metrics"] for done in (by_sail, by_spark))
    assert {**found, "tables": None} == {**expected, "tables": None}
    # What Apache Spark has written, Sail reads.
    total = open_shop(str(shop), period).full_data.agg({"sales": "sum"}).collect()[0][0]
    assert str(total) == expected["total_sales"]
    assert not list((shop / "tables").glob("_scratch*"))
    kept = [path for part in ("runs", "reports") for path in (tmp_path / "spark" / part).rglob("*") if path.is_file()]
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]


def engine_of(request: pytest.FixtureRequest, kind: str) -> Engine:
    """An engine of Apache Spark; a cluster is started when it is needed first."""
    if kind == "spark":
        return spark_here()
    cluster: Cluster = request.getfixturevalue("cluster")
    return by_server(cluster) if kind == "sc://" else by_master(cluster)


@pytest.mark.slow
def test_a_server_that_is_not_there_is_named_within_seconds(tmp_path: Path) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    started = time.monotonic()
    done = run(tmp_path / "out", tmp_path, f"sc://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "No Spark Connect server answers at sc://127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 30
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_server_that_speaks_something_else_is_refused() -> None:
    with serve(lambda _: Answer(200, b"hello")) as web, pytest.raises(EngineError, match="No Spark Connect server"):
        connect_to_server(f"sc://127.0.0.1:{web.url.rpartition(':')[2]}")


@pytest.mark.parametrize(("token", "words"), [("a-wrong-token", "refuses the token"), ("", "asks for a token")])
def test_a_wrong_token_is_said_to_be_wrong(cluster: Cluster, token: str, words: str) -> None:
    with pytest.raises(EngineError, match=words) as refused:
        connect_to_server(cluster.server, token)
    assert "TECHCO_SPARK_TOKEN" in str(refused.value)
    assert not token or token not in str(refused.value)


def test_a_query_that_is_refused_is_told_by_its_error_alone(
    apache_spark: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AnalysisException, match="nowhere"):
        apache_spark.sql("SELECT 1 FROM nowhere").collect()
    assert capfd.readouterr().err == ""


class Elsewhere(Folder):
    """A folder that a cluster finds at another path: with nothing there, or a shop of another content."""

    @property
    def engine_root(self) -> str:
        return f"file:{self.url}-elsewhere"


def test_a_cluster_that_does_not_see_the_storage_is_told_apart(cluster: Cluster, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    write_shop(Folder(str(shop)), [log(1)])
    spark = connect_to_server(cluster.server, TOKEN)
    check_cluster(spark, cluster.server, Folder(str(shop)))
    with pytest.raises(EngineError, match=r"cannot see .*/shop: .*must be a place that all machines"):
        check_cluster(spark, cluster.server, Elsewhere(str(shop)))
    other = tmp_path / "shop-elsewhere"
    other.mkdir()
    write_shop(Folder(str(other)), [log(1)], products="product_id,product_name,category,price\n")
    with pytest.raises(EngineError, match=r"another product_data\.csv than this machine"):
        check_cluster(spark, cluster.server, Elsewhere(str(shop)))


class InAzure(Folder):
    """A folder that a cluster is told to find in a storage account, for which it has not the jar."""

    @property
    def engine_root(self) -> str:
        return "abfss://data@shop.dfs.core.windows.net"


class Locked(Folder):
    """A folder that wants what a storage account does."""

    def hadoop_settings(self) -> dict[str, str]:
        return {"fs.azure.account.key.shop.dfs.core.windows.net": "hush-hush"}


class LockedOut(InAzure):
    """A storage account for which there is no credential that Apache Spark could take."""

    def hadoop_settings(self) -> dict[str, str]:
        raise CredentialError("The credential is of the Azure CLI.")


@pytest.fixture
def token_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TECHCO_SPARK_TOKEN", TOKEN)


@pytest.mark.usefixtures("token_is_set")
def test_without_the_jar_for_azure_it_is_named(cluster: Cluster, tmp_path: Path) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    with pytest.raises(EngineError, match="for which they need the jar hadoop-azure"):
        open_session(cluster.server, InAzure(str(tmp_path)), {})


@pytest.mark.usefixtures("token_is_set")
def test_a_cluster_that_finds_its_own_way_into_a_storage_account_needs_no_credential_of_ours(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    with pytest.raises(EngineError, match=r"cannot see .* no credential: The credential is of the Azure CLI\."):
        open_session(cluster.server, LockedOut(str(tmp_path)), {})
    monkeypatch.setattr(LockedOut, "engine_root", Folder.engine_root)
    assert open_session(cluster.server, LockedOut(str(tmp_path)), {}).range(2).count() == 2


@pytest.mark.usefixtures("token_is_set")
def test_an_account_key_is_set_in_the_session_and_not_shown(cluster: Cluster, tmp_path: Path) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    (key,) = Locked(str(tmp_path)).hadoop_settings()
    spark = open_session(cluster.server, Locked(str(tmp_path)), {})
    assert spark.conf.get(key) == "hush-hush"
    assert "hush-hush" not in str(spark.sql("SET").collect() + spark.sql(f"SET {key}").collect())
    spark.stop()


@pytest.mark.usefixtures("token_is_set")
def test_what_a_user_sets_for_azure_is_left_as_it_is(cluster: Cluster, tmp_path: Path) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    (key,) = Locked(str(tmp_path)).hadoop_settings()
    spark = open_session(cluster.server, Locked(str(tmp_path)), {key: "of-the-user"})
    assert spark.conf.get(key) == "of-the-user"
    spark.stop()


def test_a_cluster_whose_workers_lack_python_is_told_apart(cluster: Cluster, tmp_path: Path) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    name, options = by_master(cluster)
    options = [word.replace(sys.executable, "/nowhere/python3") for word in options]
    done = run(tmp_path / "out", tmp_path, name, *options)
    assert done.returncode == 1
    assert 'cannot run this package\'s code: Cannot run program "/nowhere/python3"' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_without_a_worker_that_is_large_enough_is_not_waited_for_forever(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    monkeypatch.setattr("techco.engines.cluster._RUNS_WITHIN_S", 5.0)
    settings = {"spark.executor.memory": "500g", "spark.driver.host": "127.0.0.1"}
    with (
        pytest.raises(EngineError, match=r"has not run one small task in 5 seconds\. It has no worker with room"),
        ready_engine(cluster.master, settings, Folder(str(tmp_path))),
    ):
        pass


LOSES_ITS_SERVER = """
import time
from techco.engines.connect import connect_to_server
from techco.engines.names import parse_engine
from techco.engines.spark_server import SparkServer
with SparkServer(parse_engine("spark"), {}) as server:
    spark = connect_to_server(server.url, server.token)
    print(spark.range(2).count(), time.monotonic(), flush=True)
try:
    spark.range(2).count()
except Exception as error:
    print("lost")
"""


@pytest.mark.spark
def test_a_server_that_ends_meanwhile_is_not_asked_for_long() -> None:
    done = subprocess.run([sys.executable, "-c", LOSES_ITS_SERVER], capture_output=True, text=True, check=True)
    count, ended, lost = done.stdout.split()
    assert (count, lost) == ("2", "lost")
    assert time.monotonic() - float(ended) < 90  # by itself PySpark takes twenty minutes


def test_a_server_takes_settings_of_a_session_and_names_those_it_refuses(cluster: Cluster, tmp_path: Path) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    engine = cluster.server_with_token
    refused = run(tmp_path / "out", tmp_path, engine, "--spark-conf", "spark.executor.memory=3g")
    assert refused.returncode == 2
    assert "--spark-conf spark.executor.memory is refused by sc://" in refused.stderr
    assert TOKEN not in refused.stderr


@pytest.mark.parametrize("engine", ["spark", "spark://127.0.0.1:7077"])
def test_without_java_apache_spark_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    done = run(tmp_path / "out", tmp_path, engine)
    assert done.returncode == 1
    assert "There is no Java, and Apache Spark needs 17 or newer" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.spark
def test_a_driver_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = "from techco.engines.session import open_session; "
    code += "print(open_session('spark').range(3).count(), flush=True); input()"
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "MARK": str(tmp_path)},
    )
    assert owner.stdout
    assert owner.stdin
    assert owner.stdout.readline().strip() == b"3"
    assert len(_with_mark(tmp_path)) == 3  # itself, the driver and its Java virtual machine
    owner.kill()
    owner.wait()
    owner.stdin.close()
    owner.stdout.close()
    deadline = time.monotonic() + 20
    while _with_mark(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _with_mark(tmp_path)


@pytest.mark.spark
def test_a_process_that_used_two_sessions_of_a_driver_ends(tmp_path: Path) -> None:
    write_shop(Folder(str(tmp_path)), [log(1)])
    words = [sys.executable, "-m", "techco", "doctor", "--storage", str(tmp_path), "--engine", "spark"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert "spark started and answered" in done.stdout
    assert "spark read it" in done.stdout


def _with_mark(mark: Path) -> list[str]:
    """The processes that have a variable of this value."""

    def has(process: Path) -> bool:
        try:
            return f"MARK={mark}\0".encode() in (process / "environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            return False

    return [process.name for process in Path("/proc").iterdir() if process.name.isdigit() and has(process)]


def test_a_token_for_spark_does_not_keep_sail_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_CONNECT_AUTHENTICATE_TOKEN", "for-another-server")
    assert open_session("sail").range(3).count() == 3
