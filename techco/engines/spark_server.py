"""Start Apache Spark on this machine: a driver that speaks Spark Connect, by itself or for a standalone cluster.

It runs in a process of its own; with it end the Java virtual machine that PySpark starts in it, and the temporary
files. It listens on a random port of the loopback interface and answers only to who knows its token.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from techco.engines.java import check_java
from techco.engines.names import EngineName
from techco.errors import EngineError
from techco.redact import register_secret
from techco.system import children, signals
from techco.system.child_process import ChildProcess, private_folder

_STARTS_WITHIN_S = 120
_GRACE_S = 1  # for Spark to tell its cluster and to end its log of events
_TOKEN = "SPARK_CONNECT_AUTHENTICATE_TOKEN"
# These make PySpark a client; it sets the second one wherever it opens a session.
_CLIENT_VARIABLES = ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED", "SPARK_LOCAL_REMOTE", "SPARK_API_MODE")
_DEFAULTS = {
    "spark.app.name": "techco",
    "spark.ui.enabled": "false",  # another port, which anybody could open
    "spark.ui.showConsoleProgress": "false",
}
_FIXED = {
    "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.connect.grpc.binding.port": "0",
}


class SparkServer(ChildProcess):
    """A running driver of Apache Spark.

    Parameters
    ----------
    engine
        `spark`, or the master of a standalone cluster.
    settings
        Settings of Spark, as `spark-submit --conf` takes them.

    Raises
    ------
    EngineError
        When there is no Java, or Spark does not start; says what it wrote last.
    """

    def __init__(self, engine: EngineName, settings: Mapping[str, str]) -> None:
        check_java()
        self.token = secrets.token_hex(16)
        register_secret(self.token)
        master = "local[*]" if engine.kind == "spark" else engine.text
        environment = {**os.environ, _TOKEN: self.token}
        for name in _CLIENT_VARIABLES:
            environment.pop(name, None)
        # A driver that speaks Spark Connect reads it from the environment alone.
        if python := settings.get("spark.pyspark.python"):
            environment["PYSPARK_PYTHON"] = python
        elif engine.kind == "spark":
            environment.setdefault("PYSPARK_PYTHON", sys.executable)  # else whatever `python3` is
        with signals.deferred():
            folder = private_folder()
            environment["TMPDIR"] = folder.name
            super().__init__("techco.engines.spark_server", [folder.name], environment, [folder])
        try:
            self.port = self._wait_for_port({**_DEFAULTS, **settings, "spark.master": master}, engine)
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Its URL without its token. A client sends a token without TLS only to the name `localhost`."""
        return f"sc://localhost:{self.port}"

    def _wait_for_port(self, settings: Mapping[str, str], engine: EngineName) -> int:
        with suppress(EOFError, OSError):
            self.connection.send(settings)
            if self.connection.poll(_STARTS_WITHIN_S):
                return int(self.connection.recv())
        raise EngineError(
            f"Apache Spark did not start for the engine {engine.text}. It wrote last:\n{self.last_words()}"
        )


def main(handle: int, folder: str) -> NoReturn:
    """Run the driver until the other end of a connection is closed or SIGTERM comes.

    Parameters
    ----------
    handle
        File descriptor of the connection, which brings the settings and takes the port.
    folder
        A private folder for temporary files, also those of Java, which is removed in the end.
    """
    signal.signal(signal.SIGTERM, lambda *_: children.kill_descendants_and_exit([folder], grace_s=_GRACE_S))
    children.become_subreaper()
    try:
        _serve(Connection(handle), Path(folder))
    except EOFError:
        pass
    except Exception:
        traceback.print_exc()
    children.kill_descendants_and_exit([folder], grace_s=_GRACE_S)


def _serve(connection: Connection, folder: Path) -> None:
    settings: Mapping[str, str] = connection.recv()
    # A file, as other users can read the words of a command, and a setting may be a credential.
    properties = folder / "spark.properties"
    properties.touch(mode=0o600)
    properties.write_text("".join(f"{key} {value}\n" for key, value in settings.items()), encoding="utf-8")
    # Java ignores TMPDIR, and keeps a file in /tmp for tools that watch it.
    given = os.environ.get("JDK_JAVA_OPTIONS", "")
    os.environ["JDK_JAVA_OPTIONS"] = f'"-Djava.io.tmpdir={folder}" -XX:-UsePerfData {given}'.strip()
    port = _start(properties)
    properties.unlink()
    connection.send(port)
    connection.recv()


def _start(properties: Path) -> int:
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"--properties-file {properties} pyspark-shell"
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    context = SparkContext(conf=SparkConf(loadDefaults=False).setAll(list(_FIXED.items())))
    SparkSession(context)
    jvm: Any = context._jvm
    service = getattr(getattr(jvm.org.apache.spark.sql.connect.service, "SparkConnectService$"), "MODULE$")
    while not (port := int(service.localPort())):
        time.sleep(0.05)
    return port
