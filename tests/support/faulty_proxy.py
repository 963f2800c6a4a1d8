"""A proxy on loopback before a storage account, which breaks requests as a network and a busy account do.

It forwards each request as it came, so that signatures stay good: they hold the path and headers, not the host.
"""

from __future__ import annotations

import http.client
import multiprocessing
import random
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from multiprocessing.managers import BaseManager
from typing import Literal
from urllib.parse import urlsplit

from tests.support.stand_ins import QuietServer

_PIECES = 10
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")
_CODES = {429: "TooManyRequests", 500: "InternalError", 503: "ServerBusy"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a request.

    Attributes
    ----------
    kind
        `delay`: it is forwarded after `seconds`. `cut`: the connection breaks before it is forwarded. `lost`: the
        account does what it was asked, but the connection breaks before the answer. `status`: the proxy answers in
        place of the account. `truncate`: the connection breaks in the middle of the answer's body. `slow`: the body
        comes in pieces, during `seconds`.
    """

    kind: Literal["delay", "cut", "lost", "status", "truncate", "slow"]
    seconds: float = 0
    status: int = 0
    retry_after_s: int | None = None


CUT, LOST, TRUNCATED = Fault("cut"), Fault("lost"), Fault("truncate")
BUSY, BROKEN, THROTTLED = (Fault("status", status=status) for status in (503, 500, 429))


@dataclass
class Rule:
    """Which requests a fault befalls.

    Attributes
    ----------
    request
        A pattern that is searched in `METHOD /container/blob?query`, where the account's name is left out.
    times
        How many at most; None for any number.
    skip
        How many of those that match go through first.
    share
        Of those that match, drawn at random.
    """

    fault: Fault
    request: str = ""
    times: int | None = None
    skip: int = 0
    share: float = 1
    befallen: int = field(default=0, init=False)

    def befalls(self, request: str, draw: random.Random) -> bool:
        """Whether this request is one of them."""
        if not re.search(self.request, request) or self.befallen == self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if draw.random() >= self.share:
            return False
        self.befallen += 1
        return True


class Faults:
    """The rules by which a proxy breaks requests, and what it was asked.

    It lives in a process of its own: deltalake keeps Python's lock while it waits for some of its answers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: Sequence[Rule] = ()
        self._draw = random.Random()
        self._asked: list[tuple[str, str]] = []

    def serve(self, endpoint: str) -> str:
        """Start to forward to a blob service; returns the endpoint that takes its place."""
        server = QuietServer(("127.0.0.1", 0), _handler(endpoint, self))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}{urlsplit(endpoint).path}"

    def set(self, *rules: Rule, seed: int = 7) -> None:
        """Break requests by these rules from now on, the first that befalls one; forget what was asked."""
        with self._lock:
            self._rules, self._draw, self._asked = rules, random.Random(seed), []

    def next(self, request: str) -> Fault:
        """What befalls a request."""
        with self._lock:
            rule = next((rule for rule in self._rules if rule.befalls(request, self._draw)), None)
            self._asked.append((request, rule.fault.kind if rule else ""))
            return rule.fault if rule else Fault("delay")

    def asked(self) -> list[tuple[str, str]]:
        """Each request since the rules were set, and the kind of its fault, empty for none."""
        with self._lock:
            return list(self._asked)


class _Manager(BaseManager):
    pass


_Manager.register("Faults", Faults)


@dataclass(frozen=True)
class FaultyProxy:
    """A proxy that is up: its `endpoint`, and the rules in its process."""

    endpoint: str
    _faults: Faults

    def set(self, *rules: Rule, seed: int = 7) -> None:
        """As `Faults.set`; without rules nothing is broken."""
        self._faults.set(*rules, seed=seed)

    def asked(self, request: str = "") -> list[str]:
        """The requests that match a pattern, since the rules were set."""
        return [asked for asked, _ in self._faults.asked() if re.search(request, asked)]

    def broken(self) -> list[tuple[str, str]]:
        """The requests that a fault befell, with its kind."""
        return [(asked, kind) for asked, kind in self._faults.asked() if kind]


@contextmanager
def before(endpoint: str) -> Iterator[FaultyProxy]:
    """Put a proxy before a blob service that is reached over http; it ends with the block."""
    with _Manager(ctx=multiprocessing.get_context("spawn")) as manager:
        faults: Faults = manager.Faults()  # type: ignore[attr-defined]
        yield FaultyProxy(faults.serve(endpoint), faults)


def _handler(endpoint: str, faults: Faults) -> type[BaseHTTPRequestHandler]:
    account = urlsplit(endpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = faults.next(f"{self.command} {self.path.removeprefix(account.path)}")
            if fault.kind == "delay":
                pause.wait(fault.seconds)
            if fault.kind == "cut":
                self.cut()
            elif fault.kind == "status":
                self.refuse(fault)
            else:
                self.forward(body, fault)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = respond  # noqa: N815 - names of http.server

        def refuse(self, fault: Fault) -> None:
            self.send_response_only(fault.status)
            self.send_header("x-ms-error-code", _CODES[fault.status])
            if fault.retry_after_s is not None:
                self.send_header("Retry-After", str(fault.retry_after_s))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def forward(self, body: bytes, fault: Fault) -> None:
            connection = http.client.HTTPConnection(account.hostname or "", account.port, timeout=60)
            try:
                kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                connection.request(self.command, self.path, body, kept)
                answer = connection.getresponse()
                if fault.kind == "lost":
                    answer.read()
                    self.cut()
                else:
                    self.answer(answer, answer.read(), fault)
            finally:
                connection.close()

        def answer(self, answer: http.client.HTTPResponse, body: bytes, fault: Fault) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if fault.kind == "truncate":
                self.wfile.write(body[: len(body) // 2])
                self.cut()
            elif fault.kind == "slow":
                size = -(-len(body) // _PIECES) or 1
                for start in range(0, len(body), size):
                    self.wfile.write(body[start : start + size])
                    pause.wait(fault.seconds / _PIECES)
            else:
                self.wfile.write(body)

        def cut(self) -> None:
            """Break the connection."""
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_: object) -> None:
            pass

    pause = threading.Event()  # never set
    return Handler
