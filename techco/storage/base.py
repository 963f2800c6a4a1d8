"""What every storage offers: where a shop's files are, which of them are raw files, and what an engine needs of them.

A storage is one place that holds a shop: the raw files at its root and the tables under `tables/`. Its kinds are
`techco.storage.folder` and `techco.storage.azure.container`; `techco.storage.open` opens the one that a text names.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import unicodedata
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import BinaryIO

from techco.errors import ParameterError, StepFailed

SAMPLE = "sample"
"""The word that names the sample shop in the place of a storage."""
CUSTOMERS = "customer_data.csv"
PRODUCTS = "product_data.csv"
LOGS = "web_logs.json"
LOGS_FOLDER = "web_logs"
TABLES_FOLDER = "tables"
KEEP_DAYS = 7
"""How long a reader may go on with a table as it was when he opened it; Delta Lake's own default."""
_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|os error (?:28|122)\b|Errno (?:28|122)\b")
_DATE_FOLDER = re.compile(r"(?:^|/)date=(\d{4}-\d{2}-\d{2})/")


@dataclass(frozen=True)
class RawFile:
    """One raw file: `name` relative to the storage with `/`, `size` in bytes, `modified` in UTC.

    `etag` changes whenever the content does; empty in a folder, which has none. `stamp` is what a folder has instead:
    the times of the last change of content and of anything else, to the nanosecond.
    """

    name: str
    size: int
    modified: datetime
    etag: str = ""
    stamp: str = field(default="", compare=False)

    @property
    def version(self) -> str:
        """What changes whenever the content does; empty if nothing is known that does."""
        return self.etag or self.stamp

    @property
    def day(self) -> date | None:
        """The day of the `date=YYYY-MM-DD/` folder it lies in, None outside of such a folder."""
        folder = _DATE_FOLDER.search(self.name)
        try:
            return date.fromisoformat(folder[1]) if folder else None
        except ValueError:  # date=2023-02-30 names no day: its files are read for every period
            return None


@dataclass(frozen=True)
class Storage(ABC):
    """A place that holds a shop; `url` names it, without credentials. Names of files are relative to it, with `/`."""

    url: str
    is_sample: bool = False

    @property
    def credential_source(self) -> str:
        """How it was opened, in words for people and without a credential; empty where nothing is needed for that."""
        return ""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Modules that are imported when it is opened, and take a while."""
        return ()

    @abstractmethod
    def open(self, file: RawFile) -> BinaryIO:
        """Open a file that was found or listed, for reading bytes at any position.

        Raises
        ------
        StorageError
            When it cannot be opened.
        """

    @abstractmethod
    def find(self, name: str) -> RawFile | None:
        """Find one file; return None where there is none of that name."""

    @abstractmethod
    def files(self, folder: str, hidden: bool = False) -> list[RawFile]:
        """List all files below a folder, sorted by name.

        Parameters
        ----------
        hidden
            Whether also those in whose path a name begins with `.` or `_`; they are passed over otherwise, as by Spark.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """List the names at the root that do not begin with `.`, of files and folders, sorted."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a small file, in a folder that is made if it is not there.

        Raises
        ------
        StorageError
            When it may not be written.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a file, and its folder if nothing else is in it.

        Raises
        ------
        StorageError
            When it may not be deleted.
        """

    @abstractmethod
    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all that is in it; what cannot be removed stays, silently."""

    @abstractmethod
    def check_writable(self, folder: str = TABLES_FOLDER) -> None:
        """Try to write to the folder of the tables.

        Raises
        ------
        StorageError
            When that fails.
        """

    @property
    @abstractmethod
    def engine_root(self) -> str:
        """The storage as a URL with all characters as they are; `techco.engines.dialects` makes paths of it."""

    @abstractmethod
    def delta_root(self) -> str:
        """Return the storage as Delta Lake and Sail's writer find it, in characters that neither takes for a pattern.

        Raises
        ------
        StorageError
            When the storage has other characters, and no way around them.
        """

    def hadoop_settings(self) -> dict[str, str]:
        """Return the Hadoop settings with which Apache Spark opens the storage; none where it needs none.

        Raises
        ------
        CredentialError, EngineError
            When Apache Spark cannot be let in with what this process has.
        """
        return {}

    def engine_environment(self) -> AbstractContextManager[object]:
        """Set the environment variables with which an engine or Delta Lake opens the storage, for a `with` block."""
        return nullcontext()

    def explain_failure(self, words: str) -> str:
        """Return what an engine's words mean that name a failure of a storage or disk; empty if they do not.

        Engines and Delta Lake say it in terms of their own, without the place.
        """
        if not _NO_ROOM.search(words):
            return ""
        return (
            f"No room is left on a disk: {self._room()}. Make room, or name another folder for temporary files in the "
            "variable TMPDIR; then run again. The tables are whole."
        )

    def recovered_from(self, failure: StepFailed) -> bool:
        """Return whether a step failed only because the storage was away, and it is back; waits a minute at most.

        Engines give up after a few seconds, and cannot be told to wait.
        """
        return False

    def _room(self) -> str:
        """Return how much room there is where a step writes, in words."""
        return f"{tempfile.gettempdir()} (temporary files) has {free_room(tempfile.gettempdir())} free"


def free_room(folder: str) -> str:
    """Return how much room is left on the disk of a folder, in words."""
    try:
        return f"{shutil.disk_usage(folder).free / 2**20:,.1f} MB"
    except OSError as error:
        return f"an unknown size ({error.strerror})"


def is_hidden(name: str) -> bool:
    """Return whether readers pass over a file or folder of this name, as Spark does."""
    return name.startswith((".", "_"))


def is_readable(name: str) -> bool:
    """Return whether engines, JSON and pages can hold a name: it is UTF-8, without control characters."""
    return all(unicodedata.category(letter) not in ("Cc", "Cs") for letter in name)


def check_path(name: str, path: str) -> None:
    """Refuse a path that is not readable; `name` is what the error calls it.

    Raises
    ------
    ParameterError
        Says how to mend it.
    """
    if not is_readable(path):
        raise ParameterError(
            f"{name} is {path!a}, a path with bytes that are not UTF-8 or with control characters. "
            "Rename the folder, or set a locale with UTF-8."
        )
