"""Opens raw files as text, and says what is wrong with one that is not."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from techco.errors import RawFileError
from techco.storage import RawFile, Storage

_HEAD_BYTES = 64 * 1024
_CHUNK_BYTES = 4 * 2**20
_GZIP = b"\x1f\x8b"
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def head(storage: Storage, file: RawFile) -> str:
    """The first characters of a file, up to 64 KiB, without a byte order mark and leading blanks.

    Raises
    ------
    RawFileError
        When it is compressed but not named .gz or the other way round, or its encoding is not UTF-8.
    """
    with _bytes(storage, file) as stream, _readable(file):
        beginning = stream.read(_HEAD_BYTES)
    for mark, encoding in _OTHER_ENCODINGS.items():
        if beginning.startswith(mark):
            raise RawFileError(
                f"{file.name} is encoded in {encoding} (byte order mark at byte 0). Save it as UTF-8 and run again."
            )
    return beginning.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")


@contextmanager
def open_text(storage: Storage, file: RawFile) -> Iterator[TextIO]:
    """Open a file as UTF-8 text with its line breaks as they are.

    Raises
    ------
    RawFileError
        Inside the `with` block too, when bytes are not UTF-8 (names the first) or compression is damaged.
    """
    with _bytes(storage, file) as stream, _readable(file):
        try:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        except UnicodeDecodeError:
            check_readable(storage, file)
            raise


def check_readable(storage: Storage, file: RawFile) -> None:
    """Read a file through and refuse what is not UTF-8 text.

    Raises
    ------
    RawFileError
        Names the first byte that is wrong and where it is.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with _bytes(storage, file) as stream, _readable(file):
        while True:
            chunk = stream.read(_CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                place = offset - pending + error.start
                raise RawFileError(
                    f"{file.name} is not UTF-8: byte 0x{error.object[error.start]:02x} at position {place:,}. "
                    "Save it as UTF-8 and run again."
                ) from None
            if not chunk:
                return
            offset += len(chunk)


@contextmanager
def _bytes(storage: Storage, file: RawFile) -> Iterator[BinaryIO]:
    with storage.open(file) as stream:
        compressed = stream.read(2) == _GZIP
        stream.seek(0)
        if compressed != file.name.endswith(".gz"):
            what = "compressed, though its name does not end" if compressed else "not compressed, though its name ends"
            raise RawFileError(f"{file.name} is {what} in .gz. Rename it and run again.")
        yield gzip.GzipFile(fileobj=stream) if compressed else stream  # type: ignore[misc]


@contextmanager
def _readable(file: RawFile) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RawFileError(f"{file.name} is damaged: {error}. Copy it again from its source.") from error
