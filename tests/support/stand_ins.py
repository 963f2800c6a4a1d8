"""Small servers on loopback in the place of services that cannot run here, and the certificates for them."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trustme

STORAGE = "https://storage.azure.com"
_TENANT = "ab1f708d-50f6-404c-a006-d71b2ac7a606"


@dataclass(frozen=True)
class Certificates:
    """Files of a certificate authority of our own, and of a server on 127.0.0.1 that it vouches for."""

    authority: Path
    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """What a server shows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Write new ones."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    files = Certificates(folder / "authority.pem", folder / "chain.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(files.authority)
    files.chain.write_bytes(b"".join(part.bytes() for part in server.cert_chain_pems))
    server.private_key_pem.write_to_path(files.key)
    return files


@dataclass
class Request:
    """What a stand-in was asked; `target` is how the client wrote it, of a proxy with the host."""

    method: str
    target: str
    path: str
    headers: Mapping[str, str]
    query: dict[str, str]
    body: bytes = b""

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form that was posted."""
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Answer:
    """What it answers; `wait_s` before it does."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0


@dataclass
class StandIn:
    """A server that is up: its `url` without a slash at the end, and what it was asked so far."""

    url: str
    requests: list[Request]


@contextmanager
def serve(answer: Callable[[Request], Answer], certificates: Certificates | None = None) -> Iterator[StandIn]:
    """Serve over https, or http without certificates, until the block ends."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, url.path, dict(self.headers.items()), query, body)
            requests.append(request)
            answered = answer(request)
            closing.wait(answered.wait_s)
            self.send_response(answered.status)
            for name, value in answered.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answered.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answered.body)

        do_CONNECT = do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = respond  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            pass

    closing = threading.Event()
    server = QuietServer(("127.0.0.1", 0), Handler)
    if certificates:
        server.socket = certificates.server_context().wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield StandIn(f"{'https' if certificates else 'http'}://127.0.0.1:{server.server_address[1]}", requests)
    finally:
        closing.set()
        server.shutdown()
        server.server_close()


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients may go away while they are answered."""


@contextmanager
def silence() -> Iterator[str]:
    """The URL of a server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_token(mark: str = "", audience: str = STORAGE, valid_s: int = 3600) -> str:
    """An access token that Azurite accepts, which does not check who has signed; `mark` is in place of a signature."""
    now = int(time.time())
    claims = {"aud": audience, "iss": f"https://sts.windows.net/{_TENANT}/", "iat": now - 60, "nbf": now - 60}
    parts = ({"alg": "RS256", "typ": "JWT"}, {**claims, "exp": now + valid_s})
    head = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{mark or 'c2lnbmF0dXJl'}"


def managed_identity(token: Callable[[], str] = make_token) -> Callable[[Request], Answer]:
    """The identity endpoint of an App Service.

    https://learn.microsoft.com/azure/app-service/overview-managed-identity
    """

    def answer(request: Request) -> Answer:
        if request.headers.get("X-IDENTITY-HEADER") != "header-of-the-test":
            return Answer(401)
        body = {
            "access_token": token(),
            "expires_on": str(int(time.time()) + 3600),
            "resource": request.query["resource"],
            "token_type": "Bearer",
        }
        return Answer(body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    return answer


def identity_variables(url: str) -> dict[str, str]:
    """The environment in which azure-identity finds a managed identity at a stand-in."""
    return {
        "IDENTITY_ENDPOINT": f"{url}/msi/token",
        "IDENTITY_HEADER": "header-of-the-test",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
    }


def entra(secret: str = "client-secret") -> Callable[[Request], Answer]:
    """Microsoft Entra ID for services.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
    """

    def answer(request: Request) -> Answer:
        base = f"https://{request.headers['Host']}/{_TENANT}"
        if request.path.endswith("/openid-configuration"):
            pages = {"authorization_endpoint": "authorize", "token_endpoint": "token"}
            where = {name: f"{base}/oauth2/v2.0/{page}" for name, page in pages.items()}
            return _json(200, {**where, "issuer": f"{base}/v2.0"})
        if request.form.get("client_secret", secret) != secret:
            said = "AADSTS7000215: Invalid client secret provided."
            return _json(401, {"error": "invalid_client", "error_description": said})
        return _json(200, {"access_token": make_token(), "expires_in": 3600, "token_type": "Bearer"})

    return answer


def entra_variables(url: str) -> dict[str, str]:
    """The environment in which azure-identity asks a stand-in of Entra ID; how it proves who it is comes to it."""
    client = "5dd5e2b4-0f0e-4f5b-8d0b-6a7b6b1d3c55"
    return {"AZURE_AUTHORITY_HOST": url, "AZURE_TENANT_ID": _TENANT, "AZURE_CLIENT_ID": client}


def key_vault(secrets: Mapping[str, str], forbidden: str = "forbidden") -> Callable[[Request], Answer]:
    """A Key Vault as its clients see it, with the challenge that comes first.

    https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
    """

    def answer(request: Request) -> Answer:
        host = request.headers["Host"]
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            # The client demands that the resource is a domain above its host; 0.0.1 is one above 127.0.0.1.
            challenge = f'Bearer authorization="https://login.windows.net/{_TENANT}", resource="https://{host[4:]}"'
            return Answer(401, headers={"WWW-Authenticate": challenge})
        name = request.path.split("/")[2]
        if name == forbidden:
            error = {"code": "Forbidden", "message": "Caller is not authorized to perform action on resource."}
            return _json(403, {"error": error})
        if name not in secrets:
            return _json(404, {"error": {"code": "SecretNotFound", "message": f"A secret {name} was not found."}})
        return _json(200, {"value": secrets[name], "id": f"https://{host}/secrets/{name}/1", "attributes": {}})

    return answer


def storage_error(status: int, code: str, message: str = "No.") -> Answer:
    """An error as a storage account says it."""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, body.encode(), {"Content-Type": "application/xml", "x-ms-error-code": code})


def _json(status: int, body: object) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
