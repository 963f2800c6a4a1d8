"""A storage that is a folder of this machine."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import platformdirs

from techco.errors import RawFileError, StorageError
from techco.storage.base import (
    CUSTOMERS,
    LOGS,
    PRODUCTS,
    TABLES_FOLDER,
    RawFile,
    Storage,
    check_path,
    free_room,
    is_hidden,
)

_NOT_THERE = re.compile(
    r"No such file|os error 2\b|Errno 2\b|No files in log segment|TableNotFound|PATH_NOT_FOUND|Path does not exist"
)
_PLAIN = re.compile(r"[A-Za-z0-9/_.-]+")


@dataclass(frozen=True)
class Folder(Storage):
    """A folder that holds a shop; `url` is its absolute path."""

    def path(self, name: str) -> Path:
        """Return where a file or folder of this storage is."""
        return Path(self.url) / name

    def open(self, file: RawFile) -> BinaryIO:
        """Open a file for reading bytes."""
        path = self.path(file.name)
        try:
            return path.open("rb")
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error

    def find(self, name: str) -> RawFile | None:
        """Find one file; return None where there is none of that name."""
        path = self.path(name)
        return self._describe(path) if path.is_file() else None

    def files(self, folder: str, hidden: bool = False) -> list[RawFile]:
        """List all files below a folder, behind links too.

        Raises
        ------
        RawFileError
            When there is something that is no file, such as a link to nothing.
        StorageError
            When a folder cannot be read.
        """
        found = []
        for path in sorted(_walk(self.path(folder), hidden)):
            with contextlib.suppress(FileNotFoundError):  # it has been deleted since
                found.append(self._describe(path))
        return found

    def names(self) -> list[str]:
        """List the names in the folder."""
        return sorted(path.name for path in Path(self.url).iterdir() if not path.name.startswith("."))

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        path = self.path(name)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=Path(self.url).is_dir(), exist_ok=True)  # never the storage itself again
            part.write_bytes(content)
            part.replace(path)  # a reader sees all of it or nothing
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise StorageError(
                self.explain_failure(str(error))
                or f"{path} cannot be written: {error.strerror}. "
                "Grant write permission there, or move away what is in the way."
            ) from error

    def delete(self, name: str) -> None:
        """Delete a file."""
        path = self.path(name)
        try:
            path.unlink()
        except OSError as error:
            raise StorageError(f"{path} cannot be deleted: {error.strerror}. Grant write permission there.") from error
        with contextlib.suppress(OSError):  # other files are in it
            path.parent.rmdir()

    def remove_folder(self, folder: str) -> None:
        """Remove a folder."""
        shutil.rmtree(self.path(folder), ignore_errors=True)

    def check_writable(self, folder: str = TABLES_FOLDER) -> None:
        """Make the tables' folder and try to write there."""
        probe = self.path(folder) / f".probe-{os.getpid()}"
        try:
            probe.parent.mkdir(exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StorageError(
                f"The storage {self.url} cannot be written: {error.strerror}. "
                f"Tables go to the folder {TABLES_FOLDER}/ in it. Grant write permission there, move away a file of "
                "that name, or copy the raw files elsewhere."
            ) from error

    @property
    def engine_root(self) -> str:
        """The path as a URL; without `file:` a cluster would look in its own default file system."""
        return f"file://{self.url}"

    def delta_root(self) -> str:
        """Return the path itself, or a link to the folder if engines would misread it."""
        return _plain_path(self.url)

    def explain_failure(self, words: str) -> str:
        """Adds that the folder has gone, can only be read, or lies on a broken disk."""
        # What is written after it was moved makes a new folder of its name, without raw files.
        if _NOT_THERE.search(words) and not self.path(CUSTOMERS).is_file():
            return f"The storage {self.url} has gone while it was used. Bring it back as it was, and run again."
        if re.search(r"Read-only file system|os error 30\b|Errno 30\b", words):
            return (
                f"The storage {self.url}, or the folder for temporary files, can only be read now: its file system has "
                "become read-only. Mount it for writing, and run again. The tables are whole."
            )
        if broken := re.search(r"Input/output error|Stale file handle", words):
            return f"A disk does not work: {broken[0]}. Check the disk of {self.url}, and run again."
        return super().explain_failure(words)

    def _room(self) -> str:
        return f"{self.url} has {free_room(self.url)} free, {super()._room()}"

    def _describe(self, path: Path) -> RawFile:
        stat = path.stat()
        modified = datetime.fromtimestamp(stat.st_mtime, UTC).replace(microsecond=0)
        # A copy may keep the time of its content, but nothing keeps that of the last change of any kind.
        stamp = f"{stat.st_ino} {stat.st_mtime_ns} {stat.st_ctime_ns}"
        return RawFile(path.relative_to(self.url).as_posix(), stat.st_size, modified, stamp=stamp)


def open_folder(path: Path, is_sample: bool = False) -> Folder:
    """Open a folder that is there and can be read.

    Raises
    ------
    StorageError
        When it cannot, or is no folder.
    ParameterError
        When engines cannot read its path.
    """
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise StorageError(
            f"The storage {path} {what}.{_near_folder(path)} "
            f"Give the folder that holds {CUSTOMERS}, {PRODUCTS} and {LOGS}."
        )
    check_path("storage", str(path.resolve()))
    if not os.access(path, os.R_OK | os.X_OK):
        raise StorageError(f"The storage {path} cannot be read. Check its permissions.")
    return Folder(str(path.resolve()), is_sample)


def _near_folder(path: Path) -> str:
    """Ask for a folder of a name like that of one that is not there; empty if there is none."""
    with contextlib.suppress(OSError):
        names = [one.name for one in path.parent.iterdir() if one.is_dir()]
        if near := difflib.get_close_matches(path.name, names, 1):
            return f" Is it {path.parent / near[0]}?"
    return ""


def _walk(folder: Path, hidden: bool) -> Iterator[Path]:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RawFileError(f"{folder} is not a folder. Name it {LOGS}, or put log files into a folder of that name.")

    def refuse(error: OSError) -> None:
        raise StorageError(f"{error.filename} cannot be read: {error.strerror}. Check its permissions.") from error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = [name for name in folders if hidden or not is_hidden(name)]
        for path in (Path(place) / name for name in folders):
            if path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve()):
                raise RawFileError(f"{path} is a link to a folder that it lies in, so it never ends. Remove the link.")
        for path in (Path(place) / name for name in names if hidden or not is_hidden(name)):
            if path.is_file():
                yield path
            elif os.path.lexists(path):  # else it has been deleted since
                raise RawFileError(f"{path} is not a file, or a link to nothing. Move it away or mend the link.")


def _plain_path(folder: str) -> str:
    """Return the folder itself, or a link to it if engines would misread its path.

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
    """Return a folder for links with a plain path: in the user's cache, or among the temporary files."""
    folder = platformdirs.user_cache_path("techco") / "links"
    if not _PLAIN.fullmatch(str(folder)):
        folder = Path(f"/tmp/techco-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stat = folder.lstat()
    if stat.st_uid != os.getuid() or stat.st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others")
    return folder
