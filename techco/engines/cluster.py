"""Finds out before work starts whether a cluster can do it: sees the storage, and has what our code needs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from techco.engines.connect import within
from techco.engines.dialects import dialect
from techco.errors import EngineError
from techco.redact import scrub
from techco.storage.base import CUSTOMERS, PRODUCTS, Storage

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_RUNS_WITHIN_S = 120.0  # some clusters start their machines only when there is work
_SUM_DDL = "sum STRING"
_NAME_IT = (
    "install it there, or name the right one with --spark-conf spark.pyspark.python=PATH; of a server, by "
    "PYSPARK_PYTHON where it is started"
)


def check_cluster(spark: SparkSession, engine: str, storage: Storage, without: str = "") -> None:
    """Have the cluster read a small raw file, and compare what it has read.

    It is read by an executor, in Python, as web logs are later; so that shows whether Python and Arrow are there too.

    Parameters
    ----------
    without
        Why the session was given no credential, if it could need one; said if it does not find the file.

    Raises
    ------
    EngineError
        When it does not find the file, finds another, or cannot run our code.
    """
    from pyspark.errors import PySparkException

    files = [file for file in (storage.find(PRODUCTS), storage.find(CUSTOMERS)) if file and file.size]
    if not files:
        return
    file = min(files, key=lambda one: one.size)
    with storage.open(file) as stream:
        expected = hashlib.sha256(stream.read()).hexdigest()

    def read_there() -> list[str]:
        content = spark.read.format("binaryFile").load(dialect(spark).raw_file(storage, file.name)).select("content")
        return [row[0] for row in content.mapInArrow(_sums(), _SUM_DDL).collect()]

    try:
        found = within(_RUNS_WITHIN_S, read_there)
    except TimeoutError:
        raise EngineError(
            f"{engine} has not run one small task in {_RUNS_WITHIN_S:.0f} seconds. It has no worker with room for it: "
            "start one, wait for the jobs of others, or ask for less, as with --spark-conf spark.executor.memory=1g."
        ) from None
    except PySparkException as error:
        reason = _cannot(engine, storage, scrub(str(error)))
        raise EngineError(f"{reason} It was given no credential: {without}" if without else reason) from None
    if found != [expected]:
        raise EngineError(
            f"{engine} finds at {storage.url} another {file.name} than this machine. The storage must be a place that "
            "all machines of the cluster share: an abfss:// URL, or a folder that is mounted on each at the same path."
        )


def _sums() -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Within a function, what is sent travels by value: the cluster need not have this module."""

    def sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import hashlib

        import pyarrow

        for batch in batches:
            found = [hashlib.sha256(content).hexdigest() for content in batch.column(0).to_pylist()]
            yield pyarrow.RecordBatch.from_arrays([pyarrow.array(found)], ["sum"])

    return sums


def _cannot(engine: str, storage: Storage, words: str) -> str:
    first = words.strip().partition("\n")[0]
    if "PYTHON_VERSION_MISMATCH" in words or "different version" in words:
        return (
            f"The workers of {engine} run another Python than this machine: {first} Both must be the same "
            f"3.x: {_NAME_IT}."
        )
    if re.search(r"No module named|ModuleNotFoundError|Cannot run program", words):
        missing = re.search(r"No module named '?[\w.]+'?|Cannot run program \"[^\"]*\"", words)
        return (
            f"The workers of {engine} cannot run this package's code: {missing[0] if missing else first}. They need "
            f"Python with pyarrow: {_NAME_IT}."
        )
    if re.search(
        r"PATH_NOT_FOUND|FileNotFound|does not exist|UnsupportedFileSystem|No FileSystem|FileSystem not found", words
    ):
        return (
            f"{engine} cannot see {storage.url}: {first} The storage must be a place that all machines of the cluster "
            "share: an abfss:// URL, for which they need the jar hadoop-azure, or a folder that is mounted on each at "
            "the same path."
        )
    return f"{engine} cannot read {storage.url}: {first}"
