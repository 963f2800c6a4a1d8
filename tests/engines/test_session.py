"""The session that every part of the package relies on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from pyspark.sql import SparkSession

from techco.engines.session import open_session
from techco.errors import ParameterError


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"engine is 'duckdb'\. Allowed: sail"):
        open_session("duckdb")


def test_a_session_is_started_once(sail: SparkSession) -> None:
    assert open_session("sail") is sail


def test_wall_clocks_have_no_time_zone(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    row = spark.sql("SELECT CAST('2023-08-01 10:00:00' AS TIMESTAMP_NTZ) AS t, typeof(timestamp_ntz'2023-08-01') AS k")
    assert [str(value) for value in row.collect()[0]] == ["2023-08-01 10:00:00", "timestamp_ntz"]


LOOP = """
import signal, sys, time
from techco.engines.session import open_session
spark = open_session("sail")
spark.sql("SELECT 1").collect()
print("ready", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", spark.sql("SELECT 41 + 1").collect()[0][0], flush=True)
"""


def test_ctrl_c_interrupts_the_work_and_leaves_the_engine_usable() -> None:
    process = subprocess.Popen([sys.executable, "-c", LOOP], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("interrupted 42\n", 0)


def test_importing_the_package_starts_nothing() -> None:
    code = (
        "import sys, techco, techco.cli.app; sys.exit(any(m in sys.modules for m in ('pyspark', 'pysail', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
