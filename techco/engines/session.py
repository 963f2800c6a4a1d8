"""Open a Spark session of any engine; all engines speak Spark Connect."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from techco.engines import spark_conf
from techco.engines.cluster import check_cluster
from techco.engines.connect import connect_to_server, is_open
from techco.engines.names import TOKEN_VARIABLE, EngineName, parse_engine
from techco.engines.sail import open_sail
from techco.errors import CredentialError, EngineError, ParameterError
from techco.redact import scrub
from techco.storage.base import TABLES_FOLDER

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from techco.engines.spark_server import SparkServer
    from techco.storage.base import Storage

# By default `SET` hides the values of settings that look like secrets; an account key of Azure does not.
_SECRET_SETTINGS = r"(?i)url|secret|password|passwd|token|access[.]?key|fs\.azure\."
_CHECKED_SERVER = "TECHCO_SPARK_READY"
"""Variable of a run's kernels with the engine's name and the URL of its server, which has been checked already."""
_taken_variables: dict[str, str] = {}
_sessions: dict[str, SparkSession] = {}
_servers: dict[str, SparkServer] = {}


@dataclass(frozen=True)
class _Address:
    """Where a Spark Connect server is, its token, and whether it has been checked that it can do the work."""

    url: str
    token: str
    is_checked: bool = False


def open_session(
    engine: str = "sail", storage: Storage | None = None, settings: Mapping[str, str] = MappingProxyType({})
) -> SparkSession:
    """Return the ready session of an engine; the first call starts it.

    Parameters
    ----------
    engine
        `sail`, `spark`, `spark://HOST:PORT` or `sc://HOST:PORT`.
    storage
        What the session is for. On Sail, a storage that needs a credential gets a new session, which keeps the
        credential of now.
    settings
        Settings of Apache Spark; Sail takes none.

    Returns
    -------
    SparkSession
        Its time zone is UTC, and timestamps have no time zone unless asked otherwise: with one, engines would differ.

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
        return _open_sail(storage)
    return _open_spark(name, storage, settings)


@contextmanager
def ready_engine(engine: str, settings: Mapping[str, str], storage: Storage) -> Iterator[dict[str, str]]:
    """Start the driver of Apache Spark that the kernels of a run share, or connect to their server, and check it.

    Yields
    ------
    dict[str, str]
        Environment variables by which the kernels find it.

    Raises
    ------
    EngineError
        As for `open_session`.
    """
    from techco.engines.spark_server import SparkServer

    name = parse_engine(engine)
    text = {spark_conf.VARIABLE: spark_conf.to_text(settings)}
    checked = _take_variable(_CHECKED_SERVER)
    if name.kind == "sail":
        yield {}
    elif checked.partition(" ")[0] == engine:  # several runs share it
        yield {**text, _CHECKED_SERVER: checked, TOKEN_VARIABLE: _take_variable(TOKEN_VARIABLE)}
    else:
        with nullcontext() if name.kind == "connect" else SparkServer(name, settings) as server:
            token = server.token if server else _take_variable(TOKEN_VARIABLE)
            address = _Address(server.url if server else name.text, token)
            _connect(name, address, settings, storage).stop()
            yield {**text, _CHECKED_SERVER: f"{engine} {address.url}", TOKEN_VARIABLE: token}


def configure(spark: SparkSession) -> SparkSession:
    """Give a session the settings that the package relies on, the same for every engine."""
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    return spark


def _open_sail(storage: Storage | None) -> SparkSession:
    """Open a session, and read something at once: it takes the storage's credential when it first reads there."""
    from pyspark.errors import PySparkException

    needs_credential = storage is not None and bool(storage.credential_source)
    spark = configure(open_sail(new=needs_credential))
    if not storage or not needs_credential:
        return spark
    try:
        with storage.engine_environment():
            spark.read.text(f"{storage.engine_root}/{TABLES_FOLDER}/.touch").count()  # to list it needs a credential
    except PySparkException as error:
        reason = scrub(str(error)).partition("\n")[0]
        raise EngineError(
            f"The engine cannot read {storage.url}, though this process can: {reason}. "
            "If a proxy or certificates of your organisation are between, name them in HTTPS_PROXY and SSL_CERT_FILE."
        ) from None
    return spark


def _open_spark(name: EngineName, storage: Storage | None, settings: Mapping[str, str]) -> SparkSession:
    """Return the session of an Apache Spark or another server; each storage has one, which holds its credential."""
    key = f"{name.text} {storage.url if storage else ''}"
    found = _sessions.get(key)
    if found is None or not is_open(found):
        found = _sessions[key] = _connect(name, _find_server(name, settings), settings, storage)
    return found


def _connect(name: EngineName, address: _Address, settings: Mapping[str, str], storage: Storage | None) -> SparkSession:
    spark = configure(connect_to_server(address.url, address.token))
    spark.conf.set("spark.sql.redaction.options.regex", _SECRET_SETTINGS)
    if name.kind == "connect":  # a driver of our own has been started with them
        _apply(settings, spark, name)
    if storage:
        missing_credential = _pass_credential(spark, name, storage, settings)
        if not address.is_checked and not name.is_local:
            check_cluster(spark, name.text, storage, missing_credential)
    return spark


def _apply(settings: Mapping[str, str], spark: SparkSession, name: EngineName) -> None:
    from pyspark.errors import PySparkException

    for key, value in settings.items():
        try:
            spark.conf.set(key, value)
        except PySparkException as error:
            reason = scrub(str(error)).strip().partition("\n")[0]
            raise ParameterError(
                f"`spark_conf` {key} is refused by {name.text}: {reason} What a server takes only when it starts must "
                "be set there."
            ) from None


def _pass_credential(spark: SparkSession, name: EngineName, storage: Storage, settings: Mapping[str, str]) -> str:
    """Set the credential of a storage in a session, unless the user has set one; return why there is none.

    A cluster may have a credential of its own, so that it is no error yet.
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


def _find_server(name: EngineName, settings: Mapping[str, str]) -> _Address:
    """Find the server of an engine; it is started if it is to run on this machine and no run has done so."""
    engine, _, url = _take_variable(_CHECKED_SERVER).partition(" ")
    if engine == name.text:
        return _Address(url, _take_variable(TOKEN_VARIABLE), is_checked=True)
    if name.kind == "connect":
        return _Address(name.text, _take_variable(TOKEN_VARIABLE))
    if name.text not in _servers:
        from techco.engines.spark_server import SparkServer

        _servers[name.text] = SparkServer(name, settings)
    server = _servers[name.text]
    return _Address(server.url, server.token)


@atexit.register
def _close_all() -> None:
    """Close what is open; PySpark would do so after Python has stopped its threads, and wait for these forever."""
    for spark in _sessions.values():
        with suppress(Exception):
            spark.stop()
    for server in _servers.values():
        server.stop()


def _take_variable(variable: str) -> str:
    """Return a variable, and remove it from the environment, which the processes that a notebook starts inherit."""
    if value := os.environ.pop(variable, ""):
        _taken_variables[variable] = value
    return _taken_variables.get(variable, "")
