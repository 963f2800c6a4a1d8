"""Knows where a shop's files are: finds the raw files, opens them, and names the tables' places.

A storage is one folder that holds a shop: the raw files at its root and the tables under `tables/`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO

import platformdirs

from techco.errors import ParameterError, RawFileError, StorageError
from techco.period import Period
from techco.sample_shop import sample_folder, sample_shop

CUSTOMERS = "customer_data.csv"
PRODUCTS = "product_data.csv"
LOGS = "web_logs.json"
LOGS_FOLDER = "web_logs"
_LOG_SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
_PLAIN = re.compile(r"[A-Za-z0-9/_.-]+")
_DATE_FOLDER = re.compile(r"(?:^|/)date=(\d{4}-\d{2}-\d{2})/")


@dataclass(frozen=True)
class RawFile:
    """One raw file: `name` relative to the storage with `/`, `size` in bytes, `modified` in UTC."""

    name: str
    size: int
    modified: datetime

    @property
    def day(self) -> date | None:
        """The day of the `date=YYYY-MM-DD/` folder it lies in, None outside of such a folder."""
        folder = _DATE_FOLDER.search(self.name)
        try:
            return date.fromisoformat(folder[1]) if folder else None
        except ValueError:  # date=2023-02-30 names no day: its files are read for every period
            return None


@dataclass(frozen=True)
class Storage:
    """A folder that holds a shop; `url` is its absolute path."""

    url: str
    is_sample: bool = False

    def path(self, name: str) -> Path:
        """Where a file or folder of this storage is."""
        return Path(self.url) / name

    def engine_path(self, name: str) -> str:
        """Where the engine finds a file or folder of this storage.

        Raises
        ------
        StorageError
            When the path has characters that the engine cannot read and no link to it can be made.
        """
        return f"{_plain_path(self.url)}/{name}"

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading bytes.

        Raises
        ------
        StorageError
            When it cannot be opened.
        """
        try:
            return self.path(name).open("rb")
        except OSError as error:
            raise StorageError(f"{self.path(name)} cannot be read: {error.strerror}. Check its permissions.") from error

    def tables(self) -> str:
        """The folder of the tables."""
        return str(self.path("tables"))

    def check_writable(self) -> None:
        """Make the tables' folder and try to write there.

        Raises
        ------
        StorageError
            When that fails.
        """
        probe = self.path("tables") / f".probe-{os.getpid()}"
        try:
            probe.parent.mkdir(exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StorageError(
                f"The storage {self.url} cannot be written: {error.strerror}. "
                "Tables go to the folder tables/ in it. Grant write permission there, move away a file of that "
                "name, or copy the raw files elsewhere."
            ) from error

    def raw_file(self, name: str) -> RawFile:
        """One raw file at the root.

        Raises
        ------
        RawFileError
            When it is missing or empty.
        """
        path = self.path(name)
        if not path.is_file():
            raise RawFileError(
                f"No {name} in {self.url}. {self._found()} Make a sample to compare: techco generate ./shop"
            )
        return _not_empty(self._describe(path), self.url)

    def log_files(self, period: Period) -> list[RawFile]:
        """The files with web logs, sorted by name; those in `date=` folders outside the period are left out.

        Raises
        ------
        RawFileError
            When there are none, when both forms are there, or when a file has an unknown suffix.
        """
        forms = [name for name in (LOGS, LOGS + ".gz", LOGS_FOLDER) if self.path(name).exists()]
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
        files = [self._describe(path) for path in self._walk_logs()]
        if not files or not any(file.size for file in files):
            raise RawFileError(
                f"No logs in {self.path(LOGS_FOLDER)}/: put files named {', '.join(_LOG_SUFFIXES[:3])} (or .gz) there."
            )
        return [file for file in files if file.size and (file.day is None or file.day in period)]

    def check_unchanged(self, files: Iterable[RawFile]) -> None:
        """Refuse files that are not as they were when they were listed: what was read of them may be a mixture.

        Raises
        ------
        RawFileError
            Names the file.
        """
        for file in files:
            path = self.path(file.name)
            if not path.is_file() or self._describe(path) != file:
                raise RawFileError(f"{file.name} changed while it was read. Run again when it is complete.")

    def _walk_logs(self) -> Iterator[Path]:
        folder = self.path(LOGS_FOLDER)
        for path in sorted(_files_below(folder)):
            if not path.is_file():
                raise RawFileError(f"{path} is not a file, or a link to nothing. Move it away or mend the link.")
            if not path.name.lower().endswith(_LOG_SUFFIXES):
                raise RawFileError(
                    f"{path} is not a log file by its name. Allowed in {LOGS_FOLDER}/: {', '.join(_LOG_SUFFIXES)}. "
                    "Move it away, or begin its name with _ to have it ignored."
                )
            yield path

    def _describe(self, path: Path) -> RawFile:
        stat = path.stat()
        modified = datetime.fromtimestamp(stat.st_mtime, UTC).replace(microsecond=0)
        return RawFile(path.relative_to(self.url).as_posix(), stat.st_size, modified)

    def _found(self) -> str:
        names = sorted(path.name for path in Path(self.url).iterdir() if not path.name.startswith("."))
        if not names:
            return "The folder is empty."
        return f"Found: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}."


def _files_below(folder: Path) -> Iterator[Path]:
    """All files, behind links too; names that begin with `.` or `_` are passed over, as Spark does."""

    def refuse(error: OSError) -> None:
        raise StorageError(f"{error.filename} cannot be read: {error.strerror}. Check its permissions.") from error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield from (Path(place) / name for name in names if not name.startswith((".", "_")))


def _not_empty(file: RawFile, url: str) -> RawFile:
    if not file.size:
        raise RawFileError(f"{file.name} in {url} is empty (0 bytes). Put the shop's file there and run again.")
    return file


def open_storage(text: str) -> Storage:
    """Find a storage.

    Parameters
    ----------
    text
        A local folder, or `sample` for the sample shop, which is made when it is used first.

    Raises
    ------
    ParameterError
        When the text is empty or has a URL scheme that is not known.
    StorageError
        When the folder does not exist or cannot be read.
    """
    if text == "sample":
        return Storage(str(sample_shop()), is_sample=True)
    if not isinstance(text, str) or not text.strip():
        raise ParameterError(
            f"storage is {text!r}. Give the folder that holds the shop's raw files, for instance ./shop."
        )
    scheme = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:", text)  # two letters or more: C: is a drive
    if scheme:
        raise ParameterError(f"storage is {_without_query(text)!r}. Allowed: a local folder, or the word sample.")
    folder = Path(text).expanduser()
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise StorageError(
            f"The storage {folder} {what}. Give the folder that holds {CUSTOMERS}, {PRODUCTS} and {LOGS}."
        )
    if not os.access(folder, os.R_OK | os.X_OK):
        raise StorageError(f"The storage {folder} cannot be read. Check its permissions.")
    folder = folder.resolve()
    return Storage(str(folder), is_sample=folder == sample_folder())


def _plain_path(folder: str) -> str:
    """The folder itself, or a link to it if engines would misread its path.

    Sail takes `*`, `[` and `{` for patterns and then reads nothing, and finds no Delta table below a blank or a letter
    outside of ASCII. The link lies in a folder of this user's, where nobody else can redirect it.
    """
    if _PLAIN.fullmatch(folder):
        return folder
    try:
        link = _private_links() / hashlib.sha256(folder.encode()).hexdigest()[:20]
        if not link.is_symlink():
            with contextlib.suppress(FileExistsError):  # another process was quicker
                link.symlink_to(folder, target_is_directory=True)
    except OSError as error:
        raise StorageError(
            f"The storage {folder} has characters in its path that the engine cannot read, and no link to it can be "
            f"made: {error}. Use a folder whose path has only letters, digits, '.', '_' and '-'."
        ) from error
    return str(link)


def _private_links() -> Path:
    """A folder for links with a plain path: in the user's cache, or among the temporary files."""
    folder = platformdirs.user_cache_path("techco") / "links"
    if not _PLAIN.fullmatch(str(folder)):
        folder = Path(f"/tmp/techco-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stat = folder.lstat()
    if stat.st_uid != os.getuid() or stat.st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others")
    return folder


def _without_query(url: str) -> str:
    """A URL without its query, where a signature would be, and without a password."""
    return re.sub(r"//[^/@]*@", "//", url.partition("?")[0]) if "://" in url else url.partition("?")[0]
