"""Starts Apache Spark on this machine: a driver that speaks Spark Connect, of its own or for a standalone cluster.

It runs in a process of its own, which ends when the one that started it does, however that ends, as its stdin is a
pipe; with it go the Java virtual machine that PySpark starts in it and their temporary files. It listens on a random
port of the loopback interface and answers only to who knows its token.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from techco.engines.java import check_java
from techco.engines.names import EngineName
from techco.errors import EngineError
from techco.redact import register_secret, scrub
from techco.system import children, signals
from techco.system.children import python_command

_STARTS_WITHIN_S = 120
_DIES_WITHIN_S = 8
_GRACE_S = 1  # Spark tells its cluster, and ends its log of events
_TOKEN = "SPARK_CONNECT_AUTHENTICATE_TOKEN"
_LAST_WORDS = 3000
# By these PySpark would be a client in that process too: it sets the second one wherever it opens a session.
_OF_A_CLIENT = ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED", "SPARK_LOCAL_REMOTE", "SPARK_API_MODE")
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


class SparkServer:
    """A running driver; a context manager that ends it.

    Parameters
    ----------
    engine
        `spark`, or the master of a standalone cluster.
    settings
        Of Spark, as `spark-submit --conf` takes them.

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
        for name in _OF_A_CLIENT:
            environment.pop(name, None)
        # A driver that speaks Spark Connect asks for it here alone.
        if python := settings.get("spark.pyspark.python"):
            environment["PYSPARK_PYTHON"] = python
        elif engine.kind == "spark":
            environment.setdefault("PYSPARK_PYTHON", sys.executable)  # else whatever `python3` is
        self._at_once = ExitStack()
        with signals.deferred():
            self._start(environment)
            self._at_once.enter_context(signals.cleanup(self.stop))
        assert self._process.stdin, "it is a pipe"
        try:
            self._process.stdin.write(json.dumps({**_DEFAULTS, **settings, "spark.master": master}).encode() + b"\n")
            self._process.stdin.flush()
            self.port = self._wait_for_port(engine)
        except BaseException:
            self.stop()
            raise

    def _start(self, environment: Mapping[str, str]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._folder = tempfile.TemporaryDirectory(prefix="techco-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            python_command(f"from techco.engines.spark_server import main; main({self._folder.name!r})"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**environment, "TMPDIR": self._folder.name},
            start_new_session=True,  # Ctrl-C is for the one that started it
        )

    @property
    def url(self) -> str:
        """Where it is, without its token. To another name than this one a client would send a token by TLS only."""
        return f"sc://localhost:{self.port}"

    def stop(self) -> None:
        """End it, if it still runs, and remove its temporary files."""
        for end in (self._process.terminate, self._process.kill):
            end()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_DIES_WITHIN_S)
                break
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            assert pipe, "they are open"
            with suppress(BrokenPipeError):
                pipe.close()
        self._folder.cleanup()
        self._at_once.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _wait_for_port(self, engine: EngineName) -> int:
        output = self._process.stdout
        assert output, "it is a pipe"
        ready, _, _ = select.select([output], [], [], _STARTS_WITHIN_S)
        line = output.readline() if ready else b""
        if line.strip().isdigit():
            return int(line)
        self._log.seek(0)
        words = scrub(self._log.read().decode(errors="replace"))[-_LAST_WORDS:].strip()
        raise EngineError(f"Apache Spark did not start for the engine {engine.text}. It wrote last:\n{words}")


def main(folder: str) -> NoReturn:
    """Be the driver, until stdin is closed or SIGTERM comes.

    Parameters
    ----------
    folder
        For temporary files, also those of Java. Only this user can read it, and it is removed in the end.
    """
    signal.signal(signal.SIGTERM, lambda *_: children.kill_descendants_and_exit([folder], grace_s=_GRACE_S))
    children.become_subreaper()
    try:
        _serve(Path(folder))
    except Exception:
        traceback.print_exc()
    children.kill_descendants_and_exit([folder], grace_s=_GRACE_S)


def _serve(folder: Path) -> None:
    settings: dict[str, str] = json.loads(sys.stdin.readline())
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the Java virtual machine prints is not for who waits for a port
    # A file, as other users may read the words of a command, and one of them may be a credential.
    properties = folder / "spark.properties"
    properties.touch(mode=0o600)
    properties.write_text("".join(f"{key} {value}\n" for key, value in settings.items()), encoding="utf-8")
    # Java does not heed TMPDIR, and keeps a file in /tmp for tools that look at it.
    given = os.environ.get("JDK_JAVA_OPTIONS", "")
    os.environ["JDK_JAVA_OPTIONS"] = f'"-Djava.io.tmpdir={folder}" -XX:-UsePerfData {given}'.strip()
    port = _start(properties)
    properties.unlink()
    print(port, file=output, flush=True)
    sys.stdin.read()


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
