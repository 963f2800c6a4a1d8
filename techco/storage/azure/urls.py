"""Reads the URLs by which people name a container of a storage account."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from techco.errors import ParameterError
from techco.redact import without_credentials

PUBLIC_SUFFIX = "core.windows.net"
WEBSITE = "$web"
"""The container that a storage account serves as a web site."""

_FORM = "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX"
_HOST = re.compile(r"(?P<account>[^.]+)\.(?:dfs|blob)\.(?P<suffix>[a-z0-9-]+(?:\.[a-z0-9-]+)+)")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"\$web|[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){2,62}")
# Sail finds no Delta table below a blank, a letter outside of ASCII or a character that patterns use.
_PREFIX = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")


@dataclass(frozen=True)
class Place:
    """A container, or a folder in it.

    Attributes
    ----------
    account, container
        Names by Azure's rules.
    prefix
        The folder, with `/` between its parts only; empty for the whole container.
    suffix
        The cloud: `core.windows.net`, or that of a sovereign cloud such as `core.usgovcloudapi.net`.

    Raises
    ------
    ParameterError
        When a name is against the rules; says which.
    """

    account: str
    container: str
    prefix: str = ""
    suffix: str = PUBLIC_SUFFIX

    def __post_init__(self) -> None:
        if not _ACCOUNT.fullmatch(self.account):
            raise ParameterError(
                f"The storage account is {self.account!r}. Allowed: its name, 3 to 24 lower-case letters and digits."
            )
        if not _CONTAINER.fullmatch(self.container):
            raise ParameterError(
                f"The container is {self.container!r}. "
                "Allowed: 3 to 63 lower-case letters, digits and single hyphens, beginning with a letter or digit."
            )
        if self.prefix and (not _PREFIX.fullmatch(self.prefix) or ".." in self.prefix.split("/")):
            raise ParameterError(
                f"The prefix is {self.prefix!r}. Allowed: letters, digits, '.', '_' and '-', with '/' between folders; "
                "the engine finds no tables below other names."
            )

    @property
    def url(self) -> str:
        """How reports and commands name it."""
        return self._abfss(self.suffix)

    @property
    def engine_root(self) -> str:
        """How the engine and Delta Lake are told of it: they know one cloud by name, others by their endpoint."""
        return self._abfss(PUBLIC_SUFFIX)

    @property
    def endpoint(self) -> str:
        """The account's public blob service."""
        return f"https://{self.account}.blob.{self.suffix}"

    def blob(self, name: str) -> str:
        """Return the name in the container of a file or folder of this place."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def _abfss(self, suffix: str) -> str:
        return f"abfss://{self.container}@{self.account}.dfs.{suffix}{'/' if self.prefix else ''}{self.prefix}"


def parse_url(text: str) -> Place:
    """Read the URL of a container or of a folder in it.

    Parameters
    ----------
    text
        `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX`; understood too are `abfs://`, `wasbs://` and `wasb://`
        of the same form, and `https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX` as Azure's portal shows it.

    Raises
    ------
    ParameterError
        When it is none of these, or carries a credential; shows the right form and repeats no credential.
    """
    shown = without_credentials(text)
    try:
        url = urlsplit(text.strip())
        host, port = url.hostname or "", url.port
    except ValueError:
        raise ParameterError(f"storage is {shown!r}, which is no URL. Write it as {_FORM}.") from None
    if url.query or url.fragment or url.password:
        raise ParameterError(
            f"storage is {shown!r} with something behind it. A storage is named without credentials: put a shared "
            "access signature into the variable AZURE_STORAGE_SAS_TOKEN, or into a Key Vault (`key_vault`, `secret`)."
        )
    match = _HOST.fullmatch(host)
    folders = url.path.strip("/")
    if url.scheme in ("abfss", "abfs", "wasbs", "wasb") and match and url.username and not port:
        return Place(match["account"], url.username, folders, match["suffix"])
    if url.scheme in ("https", "http") and match and not url.username and not port:
        container, _, prefix = folders.partition("/")
        if not container:
            raise ParameterError(
                f"storage is {shown!r}, which names no container. "
                f"Write abfss://CONTAINER@{match['account']}.dfs.{match['suffix']}."
            )
        return Place(match["account"], container, prefix, match["suffix"])
    emulator = url.scheme in ("https", "http") and not match
    raise ParameterError(
        f"storage is {shown!r}. Allowed: a local folder, the word sample, or a container as {_FORM}."
        + (" Name a private endpoint or an emulator with `endpoint`." if emulator else "")
    )
