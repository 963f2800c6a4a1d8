"""Starts the engine: the one function that returns a ready Spark session. All engines speak Spark Connect."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING

from techco.engines import spark_conf
from techco.engines.cluster import check_cluster
from techco.engines.connect import connect_to_server, is_open
from techco.engines.names import TOKEN_VARIABLE, EngineName, parse_engine
from techco.engines.sail import open_sail
from techco.errors import CredentialError, EngineError, ParameterError
from techco.redact import scrub

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from techco.engines.spark_server import SparkServer
    from techco.storage.base import Storage

# By default `SET` hides the values of settings that look like secrets; an account key of Azure does not.
_SECRET_SETTINGS = r"(?i)url|secret|password|passwd|token|access[.]?key|fs\.azure\."
_READY = "TECHCO_SPARK_READY"
"""For the kernels of a run: the engine's name and the address of its server, which has been checked already."""
_taken: dict[str, str] = {}
_sessions: dict[str, SparkSession] = {}
_servers: dict[str, SparkServer] = {}


def open_session(
    engine: str = "sail", storage: Storage | None = None, settings: Mapping[str, str] = MappingProxyType({})
) -> SparkSession:
    """Return the ready session of an engine; the first call starts it.

    Parameters
    ----------
    engine
        `sail`, `spark`, `spark://HOST:PORT` or `sc://HOST:PORT`.
    storage
        What the session is for. Of Sail, one that needs a credential has a session of its own, which keeps it as it is
        now.
    settings
        Of Apache Spark; Sail takes none.

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
        When it does not start or answer, or cannot read the storage.
    """
    name = parse_engine(engine)
    spark_conf.check_fits(settings, engine)
    if name.kind == "sail":
        return _sail(storage)
    return _spark(name, storage, settings)


@contextmanager
def ready_engine(engine: str, settings: Mapping[str, str], storage: Storage) -> Iterator[dict[str, str]]:
    """Start what the kernels of a run share, and check it: one driver of Apache Spark, or the server's answer.

    Yields
    ------
    dict[str, str]
        Environment variables by which the kernels find it.

    Raises
    ------
    EngineError
        As `open_session`.
    """
    from techco.engines.spark_server import SparkServer

    name = parse_engine(engine)
    text = {spark_conf.VARIABLE: spark_conf.to_text(settings)}
    ready = _environment(_READY)
    if name.kind == "sail":
        yield {}
    elif ready.partition(" ")[0] == engine:  # several runs share it
        yield {**text, _READY: ready, TOKEN_VARIABLE: _token()}
    elif name.kind == "connect":
        token = _token()
        _open(name, name.text, token, settings, storage).stop()
        yield {**text, _READY: f"{engine} {name.text}", TOKEN_VARIABLE: token}
    else:
        with SparkServer(name, settings) as server:
            _open(name, server.url, server.token, settings, storage).stop()
            yield {**text, _READY: f"{engine} {server.url}", TOKEN_VARIABLE: server.token}


def configure(spark: SparkSession) -> SparkSession:
    """Give a session the settings that the package relies on, the same for every engine."""
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    return spark


def _sail(storage: Storage | None) -> SparkSession:
    touch = storage.first_touch() if storage else ""
    spark = configure(open_sail(new=bool(touch)))
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


def _spark(name: EngineName, storage: Storage | None, settings: Mapping[str, str]) -> SparkSession:
    """The session with an Apache Spark, or another server; one for each storage, as it holds its credential."""
    key = f"{name.text} {storage.url if storage else ''}"
    found = _sessions.get(key)
    if found is None or not is_open(found):
        url, token, is_checked = _server(name, settings)
        found = _sessions[key] = _open(name, url, token, settings, storage, is_checked)
    return found


def _open(
    name: EngineName,
    url: str,
    token: str,
    settings: Mapping[str, str],
    storage: Storage | None,
    is_checked: bool = False,
) -> SparkSession:
    spark = configure(connect_to_server(url, token))
    spark.conf.set("spark.sql.redaction.options.regex", _SECRET_SETTINGS)
    if name.kind == "connect":  # a driver of our own has been started with them
        _set(spark, name, settings)
    if storage:
        without = _let_spark_in(spark, name, storage, settings)
        if not is_checked and not name.is_local:
            check_cluster(spark, name.text, storage, without)
    return spark


def _set(spark: SparkSession, name: EngineName, settings: Mapping[str, str]) -> None:
    from pyspark.errors import PySparkException

    for key, value in settings.items():
        try:
            spark.conf.set(key, value)
        except PySparkException as error:
            reason = scrub(str(error)).strip().partition("\n")[0]
            raise ParameterError(
                f"--spark-conf {key} is refused by {name.text}: {reason} What a server takes only when it starts must "
                "be set there."
            ) from None


def _let_spark_in(spark: SparkSession, name: EngineName, storage: Storage, settings: Mapping[str, str]) -> str:
    """Give a session the credential of a storage; returns why it has none where that is no error yet.

    A cluster may have one of its own, which it is then left to use; and so is what a user has set.
    """
    if any("fs.azure." in key for key in settings):
        return ""
    try:
        settings = storage.hadoop_settings()
    except CredentialError as error:
        if name.is_local:
            raise
        return str(error)
    for key, value in settings.items():
        spark.conf.set(key, value)
    return ""


def _server(name: EngineName, settings: Mapping[str, str]) -> tuple[str, str, bool]:
    """Address and token of the server of an engine, and whether it has been checked; started if it is to run here."""
    ready, _, url = _environment(_READY).partition(" ")
    if ready == name.text:
        return url, _environment(TOKEN_VARIABLE), True
    if name.kind == "connect":
        return name.text, _token(), False
    if name.text not in _servers:
        from techco.engines.spark_server import SparkServer

        _servers[name.text] = SparkServer(name, settings)
    server = _servers[name.text]
    return server.url, server.token, False


@atexit.register
def _end() -> None:
    """Close what is open. PySpark would do so when Python has stopped its threads, and wait for these forever."""
    for spark in _sessions.values():
        with suppress(Exception):
            spark.stop()
    for server in _servers.values():
        server.stop()


def _token() -> str:
    return _environment(TOKEN_VARIABLE)


def _environment(variable: str) -> str:
    """A variable, which is taken out of the environment at first use: what a notebook starts has no part in it."""
    if value := os.environ.pop(variable, ""):
        _taken[variable] = value
    return _taken.get(variable, "")
