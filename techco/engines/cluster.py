"""Check before work starts that a cluster sees the storage, and has what our code needs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from techco.engines.connect import call_within
from techco.engines.dialects import dialect
from techco.errors import EngineError
from techco.redact import scrub
from techco.storage.base import CUSTOMERS, PRODUCTS, Storage

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_RUNS_WITHIN_S = 120.0  # some clusters start their machines only when there is work
_SUM_DDL = "sum STRING"
_INSTALL_PYTHON = (
    "install it there, or name the right one with `spark_conf` spark.pyspark.python=PATH; of a server, by "
    "PYSPARK_PYTHON where it is started"
)


def check_cluster(spark: SparkSession, engine: str, storage: Storage, missing_credential: str = "") -> None:
    """Have an executor read a small raw file in Python, as it reads web logs later, and compare the checksum.

    Parameters
    ----------
    missing_credential
        Why the session has no credential, if it may need one; the error repeats it.

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
        content = (
            spark.read.format("binaryFile").load(dialect(spark).path_to_read(storage, file.name)).select("content")
        )
        return [row[0] for row in content.mapInArrow(_sums(), _SUM_DDL).collect()]

    try:
        found = call_within(_RUNS_WITHIN_S, read_there)
    except TimeoutError:
        raise EngineError(
            f"{engine} has not run one small task in {_RUNS_WITHIN_S:.0f} seconds. It has no worker with room for it: "
            "start one, wait for the jobs of others, or ask for less, as with `spark_conf` spark.executor.memory=1g."
        ) from None
    except PySparkException as error:
        reason = _reason(engine, storage, scrub(str(error)))
        missing = f" It was given no credential: {missing_credential}" if missing_credential else ""
        raise EngineError(f"{reason}{missing}") from None
    if found != [expected]:
        raise EngineError(
            f"{engine} finds at {storage.url} another {file.name} than this machine. The storage must be a place that "
            "all machines of the cluster share: an abfss:// URL, or a folder that is mounted on each at the same path."
        )


def _sums() -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that executors run. Defined in here it is sent by value: they need not have this module."""

    def sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import hashlib

        import pyarrow

        for batch in batches:
            found = [hashlib.sha256(content).hexdigest() for content in batch.column(0).to_pylist()]
            yield pyarrow.RecordBatch.from_arrays([pyarrow.array(found)], ["sum"])

    return sums


def _reason(engine: str, storage: Storage, words: str) -> str:
    """Return what is wrong as a sentence with its remedy."""
    first = words.strip().partition("\n")[0]
    if "PYTHON_VERSION_MISMATCH" in words or "different version" in words:
        return (
            f"The workers of {engine} run another Python than this machine: {first} Both must be the same "
            f"3.x: {_INSTALL_PYTHON}."
        )
    if re.search(r"No module named|ModuleNotFoundError|Cannot run program", words):
        missing = re.search(r"No module named '?[\w.]+'?|Cannot run program \"[^\"]*\"", words)
        return (
            f"The workers of {engine} cannot run this package's code: {missing[0] if missing else first}. They need "
            f"Python with pyarrow: {_INSTALL_PYTHON}."
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
