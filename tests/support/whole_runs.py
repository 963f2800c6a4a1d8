"""Starts `techco run` as a user does, on any engine, and reads what it left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.spark_cluster import INTERPRETED, Cluster

QUICK = ["--spark-conf", "spark.sql.shuffle.partitions=4"]
Engine = tuple[str, list[str]]
"""Its name, and what the command line needs beside it."""


def spark_here() -> Engine:
    """Apache Spark on this machine."""
    return "spark", QUICK


def by_server(cluster: Cluster) -> Engine:
    """The Spark Connect server of a cluster."""
    return cluster.server_with_token, QUICK


def by_master(cluster: Cluster) -> Engine:
    """A driver of the run's own, with the cluster's executors."""
    conf = {
        **INTERPRETED,
        "spark.pyspark.python": sys.executable,
        "spark.cores.max": "2",
        "spark.executor.cores": "1",
        "spark.executor.memory": "1g",
        "spark.driver.host": "127.0.0.1",
    }
    return cluster.master, _with(conf)


def _with(conf: Mapping[str, str]) -> list[str]:
    return [*QUICK, *(word for pair in conf.items() for word in ("--spark-conf", "=".join(pair)))]


def command(out: Path, storage: Path, engine: str, *options: str, period: str = "2023-08") -> list[str]:
    """The words of a run."""
    words = ["run", "--storage", str(storage), "--period", period, "--engine", engine, "--out", str(out)]
    return [sys.executable, "-m", "techco", *words, "--json", "--no-progress", *options]


def run(
    out: Path, storage: Path, engine: str, *options: str, period: str = "2023-08"
) -> subprocess.CompletedProcess[str]:
    """A run, to its end."""
    return subprocess.run(
        command(out, storage, engine, *options, period=period), capture_output=True, text=True, check=False
    )


def numbers(out: Path) -> dict[str, bytes]:
    """The CSVs of the only run in a folder, by name."""
    return {path.name: path.read_bytes() for path in out.glob("reports/*/data/*.csv")}
