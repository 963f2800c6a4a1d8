"""Start Sail, the embedded engine, inside this process.

It speaks Spark Connect on a random loopback port. Its server lives as long as the process and is started once.
"""

from __future__ import annotations

import os
import signal
import threading
from functools import cache
from typing import TYPE_CHECKING

from techco.engines.connect import NO_PROXY, disable_query_logs, is_open, without_token
from techco.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# A notebook may stay open for a day between two cells; Sail's own limit is 15 minutes.
_SESSION_TIMEOUT_S = 7 * 24 * 3600
# With its first query Sail takes signals for itself and dies of them, and the client then waits forever.
_SIGNALS_OF_SAIL = (signal.SIGINT, signal.SIGTERM)


def open_sail(new: bool) -> SparkSession:
    """Open a session; the first call starts the server.

    Parameters
    ----------
    new
        Whether to open another session than that of earlier calls.

    Raises
    ------
    EngineError
        When Sail does not start.
    """
    try:
        return _connect(_start(), new)
    except (OSError, RuntimeError, ImportError) as error:
        raise EngineError(
            f"The engine sail did not start: {error}. Reinstall it: pip install --force-reinstall pysail."
        ) from error


@cache
def _start() -> int:
    """Start the server and return its port."""
    os.environ.setdefault("SAIL_SPARK__SESSION_TIMEOUT_SECS", str(_SESSION_TIMEOUT_S))
    os.environ.setdefault("RUST_LOG", "error")  # Sail reports every session it opens and closes
    os.environ.setdefault("no_grpc_proxy", NO_PROXY)
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _servers.append(server)
    _, port = server.listening_address
    return int(port)


_servers: list[object] = []  # a server that is collected stops
_sessions: list[SparkSession] = []  # the shared one


def _connect(port: int, new: bool) -> SparkSession:
    from pyspark.sql import SparkSession

    if not new and _sessions and is_open(_sessions[0]):
        return _sessions[0]
    disable_query_logs()
    on_main_thread = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS_OF_SAIL}
    with without_token():
        spark: SparkSession = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
        spark.sql("SELECT 1").collect()
    if on_main_thread:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
    if not new:
        _sessions[:] = [spark]
    return spark
