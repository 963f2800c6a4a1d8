"""Connect to a Spark Connect server; of one that does not answer, an error says within seconds what is wrong."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from techco.engines.names import TOKEN_VARIABLE
from techco.errors import EngineError
from techco.redact import register_secret, scrub

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NO_PROXY = "127.0.0.1,localhost"
"""Value of `no_grpc_proxy`: gRPC would ask an organisation's proxy for this machine."""

T = TypeVar("T")
_READY_WITHIN_S = 8
_ANSWERS_WITHIN_S = 15
_RETRIES, _LONGEST_PAUSE_MS = 8, 4_000  # 20 seconds together
_TOKEN = "SPARK_CONNECT_AUTHENTICATE_TOKEN"
_QUERY_LOGS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
_LOG, _LOG_LEVEL = "pyspark.sql.connect.logging", "SPARK_CONNECT_LOG_LEVEL"
_VERSION = re.compile(r"(\d+)\.(\d+)")


def connect_to_server(url: str, token: str = "") -> SparkSession:
    """Open a session.

    Parameters
    ----------
    url
        `sc://HOST:PORT`, perhaps with settings of Spark Connect.
    token
        The server's token, empty for none. It is sent over TLS, or to `localhost`.

    Raises
    ------
    EngineError
        When the server cannot be reached, refuses the token, or is of a version that does not fit.
    """
    from pyspark.errors import PySparkException

    os.environ.setdefault("no_grpc_proxy", NO_PROXY)
    disable_query_logs()
    register_secret(token)
    with_token = url if not token else f"{url}{'' if '/;' in url else '/'};token={quote(token, safe='')}"
    spark = _create_session(_find_server(url, with_token))
    try:
        check_version(url, call_within(_ANSWERS_WITHIN_S, lambda: str(spark.version)))
    except BaseException as error:
        with suppress(Exception):  # else PySpark goes on asking this server, whichever session comes after it
            spark.stop()
        if isinstance(error, TimeoutError):
            raise EngineError(f"{url} takes connections, but does not answer ({_ANSWERS_WITHIN_S} seconds).") from None
        if isinstance(error, PySparkException):
            raise _refused(url, token, str(error)) from None
        raise
    return spark


def disable_query_logs() -> None:
    """Keep PySpark from logging on stderr, in JSON, what its errors say about a query.

    Its other log is off unless the user wants it; but a forked kernel turns on all logs that are there as it starts.
    """
    from pyspark.logger import PySparkLogger

    for name in (*_QUERY_LOGS, *([] if _LOG_LEVEL in os.environ else [_LOG])):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)


def check_version(url: str, version: str) -> None:
    """Refuse a server of another major version than this client, or of an older one.

    See https://spark.apache.org/docs/latest/spark-connect-overview.html

    Raises
    ------
    EngineError
        Names both versions.
    """
    import pyspark

    there, here = _VERSION.match(version), _VERSION.match(pyspark.__version__)
    assert here, "PySpark has a version"
    if not there or there[1] != here[1] or int(there[2]) < int(here[2]):
        raise EngineError(
            f"{url} is Spark {version or 'of unknown version'}, and this is a client of PySpark {pyspark.__version__}. "
            f"The server must be Spark {here[1]}.{here[2]} or a later {here[1]}: update it, or use another engine."
        )


def is_open(spark: SparkSession) -> bool:
    """Tell whether a session has not been stopped."""
    session: Any = spark  # PySpark declares the property for one of its two kinds of sessions only
    return not session.is_stopped


@contextmanager
def without_token() -> Iterator[None]:
    """Keep PySpark from sending a token that the environment has for another server, as Sail takes none."""
    token = os.environ.pop(_TOKEN, None)
    try:
        yield
    finally:
        if token is not None:
            os.environ[_TOKEN] = token


def call_within(seconds: float, function: Callable[[], T]) -> T:
    """Return what a function returns, and raise what it raises; one that is too late goes on in its thread.

    Raises
    ------
    TimeoutError
        When it takes longer.
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def call() -> None:
        try:
            found.append(function())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError
    return found[0]


def _create_session(builder: Any) -> SparkSession:
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession

    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # as PySpark's own builder does
    session: Any = SparkSession.builder.channelBuilder(builder).create()
    # By default PySpark asks a server that is gone for ten minutes, and again as long when the process ends.
    session.client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES, max_backoff=_LONGEST_PAUSE_MS)])
    return session  # type: ignore[no-any-return]


def _find_server(url: str, with_token: str) -> Any:
    """Return a builder of channels after the first handshake; PySpark would try for minutes what is not there."""
    import grpc
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client import DefaultChannelBuilder

    try:
        # gRPC shares connections within a process, and would go on with the first token after another was given.
        builder = DefaultChannelBuilder(with_token, [("grpc.use_local_subchannel_pool", 1)])
        channel = builder.toChannel()
    except PySparkException as error:
        raise EngineError(f"{url} is no address of a Spark Connect server: {scrub(str(error))}") from None
    try:
        grpc.channel_ready_future(channel).result(timeout=_READY_WITHIN_S)
    except grpc.FutureTimeoutError:
        how = "TLS, as a token or use_ssl=true ask for" if builder.secure else "plain text; for TLS add ;use_ssl=true"
        raise EngineError(
            f"No Spark Connect server answers at {url} (tried for {_READY_WITHIN_S} seconds, by {how}). Start it, or "
            "mend the address: its default port is 15002."
        ) from None
    finally:
        channel.close()
    return builder


def _refused(url: str, token: str, words: str) -> EngineError:
    details = re.search(r'details = "(.*)"', words)
    first = scrub(details[1] if details else words).strip().partition("\n")[0]
    if re.search(r"(?i)unauthenticated|authentication token|permission_denied", words):
        what = "refuses the token" if token else "asks for a token"
        return EngineError(f"{url} {what}: {first.rstrip('.')}. Set the right one in {TOKEN_VARIABLE}.")
    return EngineError(f"{url} does not open a session: {first}")
