"""A Spark cluster on loopback: a master, two workers of two cores, half of them for a Spark Connect server."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyspark

from tests.support.stand_ins import free_port

TOKEN = "token-of-the-cluster-of-the-tests"
_STARTS_WITHIN_S = 120
_HOME = Path(pyspark.__file__).parent
# Runs on Spark of this machine are compiled, as Spark does by default; so both its ways are tested.
INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}


@dataclass
class Cluster:
    """Where a running cluster is.

    Attributes
    ----------
    master, server
        `spark://127.0.0.1:PORT` and `sc://localhost:PORT`, the latter without the token that it demands.
    log
        Folder with the event log of the server.
    workers
        The processes of the two workers, each of which leads a group with its executors.
    """

    master: str
    server: str
    log: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def server_with_token(self) -> str:
        """As a user gives it to the command line."""
        return f"{self.server}/;token={TOKEN}"

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """What the server has written of its work since a mark: https://spark.apache.org/docs/latest/monitoring.html."""
        *whole, _being_written = self._written()[since:].split(b"\n")
        return [json.loads(line) for line in whole]

    def mark(self) -> int:
        """How far its log is now."""
        return len(self._written())

    def tasks(self, since: int = 0) -> list[Task]:
        """The tasks that have ended well since a mark."""
        ended = [event for event in self.events(since) if event["Event"] == "SparkListenerTaskEnd"]
        return [_task(event) for event in ended if event["Task End Reason"]["Reason"] == "Success"]

    def _written(self) -> bytes:
        (file,) = (path for path in self.log.iterdir() if not path.name.startswith("."))
        return file.read_bytes()


@dataclass(frozen=True)
class Task:
    """What one task did: bytes read from files, rows read from a shuffle, bytes of its result sent to the driver."""

    stage: int
    executor: str
    read_bytes: int
    shuffled_records: int
    result_bytes: int


def _task(event: dict[str, Any]) -> Task:
    metrics = event["Task Metrics"]
    return Task(
        event["Stage ID"],
        event["Task Info"]["Executor ID"],
        metrics["Input Metrics"]["Bytes Read"],
        metrics["Shuffle Read Metrics"]["Total Records Read"],
        metrics["Result Size"],
    )


@contextmanager
def run_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster, whose files are in a folder, and end all its processes."""
    log, port = folder / "log", free_port()
    log.mkdir()
    with ExitStack() as stack:
        master_port = free_port()
        master = f"spark://127.0.0.1:{master_port}"
        _start(stack, folder, "master", _class("Master", "--port", master_port, "--webui-port", 0), master_port)
        cluster = Cluster(master, f"sc://localhost:{port}", log)
        for name in ("worker-1", "worker-2"):
            arguments = _class("Worker", "-c", 2, "-m", "3g", "--webui-port", 0, "-d", folder / name, master)
            cluster.workers.append(_start(stack, folder, name, arguments))
        _wait_for_words(folder / "worker-2.log", "Successfully registered")
        _start(stack, folder, "server", _server(master, port, log), port)
        yield cluster


def _class(name: str, *arguments: object) -> list[str]:
    words = [str(_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{name.lower()}.{name}"]
    return [*words, "--host", "127.0.0.1", *map(str, arguments)]


def _server(master: str, port: int, log: Path) -> list[str]:
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.ui.enabled": "false",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file:{log}",
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.cores.max": 2,
        "spark.executor.cores": 1,
        "spark.executor.memory": "1g",
        "spark.sql.shuffle.partitions": 4,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    words = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    return [
        str(_HOME / "bin" / "spark-submit"),
        *("--master", master, *words),
        *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"),
    ]


def _start(
    stack: ExitStack, folder: Path, name: str, command: list[str], port: int | None = None
) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "PYSPARK_PYTHON": sys.executable,  # of the workers, else whatever `python3` is
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": TOKEN,
        "SPARK_NO_DAEMONIZE": "1",
    }
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, env=environment)
    stack.callback(_end, process)
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while port and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        if process.poll() is not None:
            break
        time.sleep(0.1)
    if port:
        raise RuntimeError(f"{name} did not start: {log.read_text(errors='replace')[-2000:]}")
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # a test has killed it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_for_words(log: Path, words: str) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while not re.search(words, log.read_text(errors="replace")):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{log.stem} did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
