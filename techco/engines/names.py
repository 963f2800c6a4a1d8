"""Parse the names of engines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from techco.errors import ParameterError

ALLOWED = "sail, spark, spark://HOST:PORT or sc://HOST[:PORT][/;NAME=VALUE…]"
CONNECT_PORT = 15002
"""Where a Spark Connect server listens unless its URL says otherwise."""
TOKEN_VARIABLE = "TECHCO_SPARK_TOKEN"
"""The variable that holds the token of a Spark Connect server."""

Kind = Literal["sail", "spark", "standalone", "connect"]
_ADDRESS = r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\])"
_MASTER = re.compile(rf"spark://{_ADDRESS}:(?P<port>\d{{1,5}})")
_CONNECT = re.compile(rf"sc://{_ADDRESS}(?::(?P<port>\d{{1,5}}))?(?:/(?P<settings>(?:;[^;=\s]+=[^;\s]*)*);?)?")
_TOKEN = re.compile(r";token=([^;]*)")


@dataclass(frozen=True)
class EngineName:
    """The parsed name of an engine.

    Attributes
    ----------
    text
        As it was given.
    kind
        `sail`, inside this process; `spark`, Apache Spark on this machine; `standalone`, a standalone Spark cluster
        whose driver runs on this machine; `connect`, a Spark Connect server, that of a Spark cluster or Sail's own.
    host, port
        Of the cluster's master or the server; empty and 0 where there is none.
    """

    text: str
    kind: Kind
    host: str = ""
    port: int = 0

    @property
    def is_local(self) -> bool:
        """Whether it sees this machine's files; else the storage must be a place that all its machines share."""
        return self.kind in ("sail", "spark")

    @property
    def needs_java(self) -> bool:
        """Whether a Java virtual machine is started on this machine."""
        return self.kind in ("spark", "standalone")


def parse_engine(name: str) -> EngineName:
    """Parse the name of an engine.

    Raises
    ------
    ParameterError
        When it is not known, or carries a token, which is not repeated: notebooks and records keep the name.
    """
    if name == "sail":
        return EngineName(name, "sail")
    if name == "spark":
        return EngineName(name, "spark")
    found = _MASTER.fullmatch(name) or _CONNECT.fullmatch(name)
    if not found or not 0 < int(found["port"] or CONNECT_PORT) < 65536:
        shown = "not one that is known" if _TOKEN.search(name) else repr(name)
        raise ParameterError(f"engine is {shown}. Allowed: {ALLOWED}.")
    if _TOKEN.search(name):
        raise ParameterError(
            f"engine carries a token, which notebooks and records would keep. Put it into {TOKEN_VARIABLE}, "
            "and leave it out of the engine's name."
        )
    kind: Kind = "standalone" if name.startswith("spark:") else "connect"
    return EngineName(name, kind, found["host"], int(found["port"] or CONNECT_PORT))


def split_token(name: str) -> tuple[str, str]:
    """Return the name of an engine without its token, and the token, empty if there is none."""
    found = _TOKEN.search(name)
    return (_TOKEN.sub("", name).removesuffix("/"), unquote(found[1])) if found else (name, "")
