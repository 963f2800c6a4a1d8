"""On a cluster the work is done by its executors, evenly, and goes on when one of them is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from techco.sample.generate import SampleSpec, generate
from tests.support.spark_cluster import Cluster, Task, run_cluster
from tests.support.whole_runs import by_server, command, numbers, run

# Every join of large tables in two shuffles, as if no table were small enough to be sent to all executors.
NO_BROADCAST = ["--spark-conf", "spark.sql.autoBroadcastJoinThreshold=-1"]

# So little as in a test would be read by one task, put together in one, and be too small to be split.
LIKE_LARGE = [
    *("--spark-conf", "spark.sql.files.maxPartitionBytes=500000"),
    *("--spark-conf", "spark.sql.files.openCostInBytes=1"),
    *("--spark-conf", "spark.sql.adaptive.coalescePartitions.enabled=false"),
    *("--spark-conf", "spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes=200000"),
    *("--spark-conf", "spark.sql.adaptive.skewJoin.skewedPartitionFactor=1.5"),
    *("--spark-conf", "spark.sql.adaptive.advisoryPartitionSizeInBytes=200000"),
]


# Either takes five minutes or more. The larger, of 900 MB, is cut into tasks as Spark does by default.
@pytest.mark.parametrize(
    ("logs", "conf"),
    [
        (1_000_000, ["--spark-conf", "spark.sql.files.maxPartitionBytes=16m"]),
        (5_000_000, []),
    ],
)
@pytest.mark.soak
def test_one_large_array_is_read_joined_and_summed_by_the_executors_of_both_workers(
    cluster: Cluster, tmp_path: Path, logs: int, conf: list[str]
) -> None:
    shop = tmp_path / "a shop [1] é"
    generate(shop, SampleSpec(customers=logs // 25, products=1000, logs=logs))
    name, options = by_server(cluster)
    size = (shop / "web_logs.json").stat().st_size
    before = cluster.mark()
    done = run(tmp_path / "spark", shop, name, *options, *conf)
    assert done.returncode == 0, done.stderr
    tasks = cluster.tasks(before)
    stages: dict[int, list[Task]] = {}
    for task in tasks:
        stages.setdefault(task.stage, []).append(task)
    reading = max(stages.values(), key=lambda stage: sum(task.read_bytes for task in stage))
    assert sum(task.read_bytes for task in reading) > 0.9 * size
    shuffling = max(stages.values(), key=lambda stage: sum(task.shuffled_records for task in stage))
    assert sum(task.shuffled_records for task in shuffling) >= logs
    for stage in (reading, shuffling):
        counts = Counter(task.executor for task in stage)
        assert len(counts) == 2, counts
        assert min(counts.values()) > len(stage) / 4, counts
    # What comes back to the driver, all steps together.
    assert sum(task.result_bytes for task in tasks) < size / 50
    assert run(tmp_path / "sail", shop, "sail").returncode == 0
    assert numbers(tmp_path / "spark") == numbers(tmp_path / "sail")


@pytest.mark.spark
def test_a_worker_that_is_killed_in_the_middle_of_a_run_changes_nothing(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    generate(shop, SampleSpec(customers=1000, logs=50_000))
    assert run(tmp_path / "sail", shop, "sail").returncode == 0
    with run_cluster(tmp_path) as doomed:
        name, options = by_server(doomed)
        words = command(tmp_path / "spark", shop, name, *options)
        running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            _wait_for_tasks_of_both(doomed, running)
            os.killpg(doomed.workers[0].pid, signal.SIGKILL)  # the worker with its executor, as a machine that burns
            steps = json.loads(running.communicate(timeout=500)[0])["steps"]
        finally:
            running.kill()
            running.wait()
        lost = [event for event in doomed.events() if event["Event"] == "SparkListenerExecutorRemoved"]
    assert lost
    assert [step["status"] for step in steps] == ["completed"] * 3
    assert numbers(tmp_path / "spark") == numbers(tmp_path / "sail")


def _wait_for_tasks_of_both(cluster: Cluster, running: subprocess.Popen[str]) -> None:
    """Wait until the executors of both workers have had work of the run."""
    deadline = time.monotonic() + 200
    while len({task.executor for task in cluster.tasks()}) < 2:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_half_of_the_logs_of_one_customer_do_not_become_one_task(cluster: Cluster, tmp_path: Path) -> None:
    shop, logs = tmp_path / "shop", 100_000
    generate(shop, SampleSpec(customers=5000, logs=logs, form="lines"))
    _give_half_to_one_customer(shop / "web_logs.json")
    before = cluster.mark()
    name, options = by_server(cluster)
    done = run(tmp_path / "spark", shop, name, *options, *NO_BROADCAST, *LIKE_LARGE)
    assert done.returncode == 0, done.stderr
    assert max(task.shuffled_records for task in cluster.tasks(before)) < 0.45 * logs
    assert run(tmp_path / "sail", shop, "sail").returncode == 0
    assert numbers(tmp_path / "spark") == numbers(tmp_path / "sail")


def _give_half_to_one_customer(logs: Path) -> None:
    lines = logs.read_text(encoding="utf-8").splitlines()
    changed = [json.dumps({**json.loads(line), "customer_id": "CUST0001"}) for line in lines[::2]]
    logs.write_text("\n".join([*changed, *lines[1::2]]) + "\n", encoding="utf-8")
