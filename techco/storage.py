"""What every storage offers: where a shop's files are, which of them are raw files, and what an engine needs of them.

A storage is one place that holds a shop: the raw files at its root and the tables under `tables/`. Its kinds are
`techco.folder` and `techco.azure.container`; `techco.places` opens the one that a text names.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import BinaryIO

from techco.errors import ParameterError, RawFileError, StepFailed
from techco.period import Period

SAMPLE = "sample"
"""The word that names the sample shop in the place of a storage."""
CUSTOMERS = "customer_data.csv"
PRODUCTS = "product_data.csv"
LOGS = "web_logs.json"
LOGS_FOLDER = "web_logs"
TABLES_FOLDER = "tables"
KEEP_DAYS = 7
"""How long a reader may go on with a table as it was when he opened it; Delta Lake's own default."""
_LOG_SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
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
    def mark(self) -> str:
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
    def access(self) -> str:
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
        """One file, None where there is none of that name."""

    @abstractmethod
    def files(self, folder: str, hidden: bool = False) -> list[RawFile]:
        """All files below a folder, sorted by name.

        Parameters
        ----------
        hidden
            Whether also those in whose path a name begins with `.` or `_`; they are passed over otherwise, as by Spark.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """The names at the root that do not begin with `.`, of files and folders, sorted."""

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
    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it; what cannot be removed stays, silently."""

    @abstractmethod
    def check_writable(self) -> None:
        """Try to write to the folder of the tables.

        Raises
        ------
        StorageError
            When that fails.
        """

    @abstractmethod
    def engine_url(self, name: str) -> str:
        """Where Sail reads a raw file, whatever characters are in its name."""

    @abstractmethod
    def location(self, name: str) -> str:
        """The URL of a file or folder with all characters as they are, as Apache Spark takes it."""

    @abstractmethod
    def engine_path(self, name: str) -> str:
        """Where Sail and Delta Lake find a table, or a folder in it.

        Raises
        ------
        StorageError
            When the path has characters that the engine cannot read.
        """

    def first_touch(self) -> str:
        """What an engine reads first, within `engine_environment`, so that it takes up a credential; empty for none."""
        return ""

    def hadoop_settings(self) -> dict[str, str]:
        """The settings by which Apache Spark opens the storage, a credential among them; none where it needs none.

        Raises
        ------
        CredentialError, EngineError
            When Apache Spark cannot be let in with what this process has.
        """
        return {}

    def engine_environment(self) -> AbstractContextManager[object]:
        """In it, an engine or Delta Lake that touches the storage for the first time finds what it needs for that."""
        return nullcontext()

    def trouble(self, words: str) -> str:
        """What happened to a place in which a step reads or writes, if an engine's words mean that; else empty.

        Engines and Delta Lake say it in terms of their own, without the place.
        """
        if not _NO_ROOM.search(words):
            return ""
        return (
            f"No room is left on a disk: {self._room()}. Make room, or name another folder for temporary files in the "
            "variable TMPDIR; then run again. The tables are whole."
        )

    def is_back(self, failure: StepFailed) -> bool:
        """Whether a step failed only because the storage was away, and it has come back; waits for that for a minute.

        Engines give up after a few seconds, and cannot be told to wait.
        """
        return False

    def _room(self) -> str:
        """How much room there is where a step writes, in words."""
        return f"{tempfile.gettempdir()} (temporary files) has {free_room(tempfile.gettempdir())} free"

    def raw_file(self, name: str) -> RawFile:
        """One raw file at the root.

        Raises
        ------
        RawFileError
            When it is missing or empty.
        """
        file = self.find(name)
        if file is None and name in self.names():
            raise RawFileError(
                f"{name} in {self.url} is not a file, but a folder, a pipe or a link to nothing. "
                "Put the shop's file there and run again."
            )
        if file is None:
            raise RawFileError(
                f"No {name} in {self.url}. {self._found()} Make a sample to compare: techco generate ./shop"
            )
        if not file.size:
            raise RawFileError(f"{name} in {self.url} is empty (0 bytes). Put the shop's file there and run again.")
        return file

    def log_files(self, period: Period) -> list[RawFile]:
        """The files with web logs, sorted by name; those in `date=` folders outside the period are left out.

        Raises
        ------
        RawFileError
            When there are none, when both forms are there, or when a file has an unknown suffix.
        """
        names = self.names()
        forms = [name for name in (LOGS, LOGS + ".gz", LOGS_FOLDER) if name in names]
        if len(forms) > 1:
            raise RawFileError(
                f"Both {' and '.join(forms)} in {self.url}: which one counts? Keep one, move the other away."
            )
        if not forms:
            raise RawFileError(
                f"No {LOGS} in {self.url}. Expected {LOGS} or a folder {LOGS_FOLDER}/. {self._found()} "
                "Make a sample to compare: techco generate ./shop"
            )
        if forms != [LOGS_FOLDER]:
            return [self.raw_file(forms[0])]
        files = self.files(LOGS_FOLDER)
        for file in files:
            self._check_log_name(file.name)
        if not any(file.size for file in files):
            raise RawFileError(
                f"No logs in {self.url}/{LOGS_FOLDER}/: put files named {', '.join(_LOG_SUFFIXES[:3])} (or .gz) there."
            )
        return [file for file in files if file.size and (file.day is None or file.day in period)]

    def check_unchanged(self, files: Iterable[RawFile]) -> list[RawFile]:
        """Refuse files that are not as they were when they were listed: what was read of them may be a mixture.

        Returns
        -------
        list[RawFile]
            The files as they are now: same size and time, but in a folder perhaps another `mark`.

        Raises
        ------
        RawFileError
            Names the file.
        """
        found = []
        for file in files:
            now = self.find(file.name)
            if now != file:
                raise RawFileError(f"{file.name} changed while it was read. Run again when it is complete.")
            found.append(now)
        return found

    def _check_log_name(self, name: str) -> None:
        if not is_readable(name):
            raise RawFileError(
                f"{self.url} has a log file whose name engines cannot read: {name!r} has control characters or is not "
                "UTF-8. Rename it, or its folder."
            )
        if not name.lower().endswith(_LOG_SUFFIXES):
            raise RawFileError(
                f"{self.url}/{name} is not a log file by its name. Allowed in {LOGS_FOLDER}/: "
                f"{', '.join(_LOG_SUFFIXES)}. Move it away, or begin its name with _ to have it ignored."
            )

    def _found(self) -> str:
        names = self.names()
        if not names:
            return "It is empty."
        return f"Found: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}."


def free_room(folder: str) -> str:
    """How much room is left on the disk of a folder, in words."""
    try:
        return f"{shutil.disk_usage(folder).free / 2**20:,.1f} MB"
    except OSError as error:
        return f"an unknown size ({error.strerror})"


def is_hidden(name: str) -> bool:
    """Whether readers pass over a file or folder of this name, as Spark does."""
    return name.startswith((".", "_"))


def is_readable(name: str) -> bool:
    """Whether engines, JSON and pages can hold a name: it is UTF-8, without control characters."""
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
