"""Starts the engine: the one function that returns a ready Spark session.

Sail, the default, runs inside this process and speaks Spark Connect on a random loopback port. Its server lives as long
as the process and is started once.
"""

from __future__ import annotations

import os
import signal
import threading
from functools import cache
from typing import TYPE_CHECKING

from techco.errors import EngineError, ParameterError
from techco.scrub import scrub

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from techco.storage import Storage

ENGINES = ("sail",)

# A notebook may stay open for a day between two cells; Sail's own limit is 15 minutes.
_SAIL_SESSION_TIMEOUT_S = 7 * 24 * 3600


def check_engine(name: str) -> None:
    """Refuse an engine that is not known.

    Raises
    ------
    ParameterError
        Names the known engines.
    """
    if name not in ENGINES:
        raise ParameterError(f"engine is {name!r}. Allowed: {', '.join(ENGINES)}.")


def session(engine: str = "sail", storage: Storage | None = None) -> SparkSession:
    """Return the ready session of an engine; the first call starts it.

    Parameters
    ----------
    engine
        `sail`.
    storage
        What the session is for. One that needs a credential has a session of its own, which keeps it as it is now.

    Returns
    -------
    SparkSession
        Time zone UTC, and timestamps without a time zone unless asked otherwise: the wall clock counts, and columns
        with a time zone would make engines differ.

    Raises
    ------
    ParameterError
        When the engine is not known.
    EngineError
        When it does not start, or cannot read the storage.
    """
    check_engine(engine)
    touch = storage.first_touch() if storage else ""
    try:
        spark = configure(_connect(_start_sail(), new=bool(touch)))
    except (OSError, RuntimeError, ImportError) as error:
        raise EngineError(
            f"The engine sail did not start: {error}. Reinstall it: pip install --force-reinstall pysail."
        ) from error
    if storage and touch:
        _let_in(spark, storage, touch)
    return spark


def _let_in(spark: SparkSession, storage: Storage, touch: str) -> None:
    """Have a session take up the credential of a storage, which it does when it first reads there."""
    from pyspark.errors import PySparkException

    try:
        with storage.engine_environment():
            spark.read.text(touch).count()
    except PySparkException as error:
        reason = scrub(str(error)).partition("\n")[0]
        raise EngineError(
            f"The engine cannot read {storage.url}, though this process can: {reason}. "
            "If a proxy or certificates of your organisation are between, name them in HTTPS_PROXY and SSL_CERT_FILE."
        ) from None


def configure(spark: SparkSession) -> SparkSession:
    """Give a session the settings that the package relies on, the same for every engine."""
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    return spark


@cache
def _start_sail() -> int:
    """Start the server; returns its port."""
    os.environ.setdefault("SAIL_SPARK__SESSION_TIMEOUT_SECS", str(_SAIL_SESSION_TIMEOUT_S))
    os.environ.setdefault("RUST_LOG", "error")  # Sail reports every session it opens and closes
    os.environ.setdefault("no_grpc_proxy", "127.0.0.1")  # an organisation's proxy would be asked for this machine
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _servers.append(server)
    _, port = server.listening_address
    return int(port)


_servers: list[object] = []  # a server that is collected stops


def _connect(port: int, new: bool = False) -> SparkSession:
    from pyspark.sql import SparkSession

    on_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    builder = SparkSession.builder.remote(f"sc://127.0.0.1:{port}")
    spark = builder.create() if new else builder.getOrCreate()
    spark.sql("SELECT 1").collect()
    if on_main_thread:
        # With its first query Sail takes Ctrl-C for itself and dies of it, and the client then waits forever.
        signal.signal(signal.SIGINT, handler or signal.default_int_handler)
    return spark
