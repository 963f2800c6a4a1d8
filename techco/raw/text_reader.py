"""Opens raw files as text, and refuses what is not."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from techco.errors import RawFileError
from techco.storage.base import RawFile, Storage

_HEAD_BYTES = 64 * 1024
_CHUNK_BYTES = 4 * 2**20
# A piece that is longer than two of these is found. An engine needs ten times the memory of the piece.
_BLOCK_BYTES = 32 * 2**20
_GZIP = b"\x1f\x8b"
_MOST_COMPRESSED = 1032  # bytes that one byte of a gzip file can become
_BLANKS = b" \t\r\n"
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# Whether the first four bytes are zero, where text in ASCII begins without a byte order mark.
_ZEROS: dict[tuple[bool, ...], str] = {
    (True, True, True, False): "UTF-32",
    (False, True, True, True): "UTF-32",
    (True, False, True, False): "UTF-16",
    (False, True, False, True): "UTF-16",
}


def read_start(storage: Storage, file: RawFile) -> str:
    """Read the first characters of a file that are no blanks, up to 64 KiB, without a byte order mark.

    Raises
    ------
    RawFileError
        When it is compressed but not named .gz or the other way round, or its encoding is not UTF-8.
    """
    with _open_bytes(storage, file) as stream, _damage_explained(file):
        start = beginning = stream.read(_HEAD_BYTES)
        while beginning and not beginning.removeprefix(codecs.BOM_UTF8).strip(_BLANKS):
            beginning = stream.read(_HEAD_BYTES)
    for mark, encoding in _OTHER_ENCODINGS.items():
        if start.startswith(mark):
            raise RawFileError(
                f"{file.name} is encoded in {encoding} (byte order mark at byte 0). Save it as UTF-8 and run again."
            )
    if wide := _ZEROS.get(tuple(not byte for byte in start[:4])):
        raise RawFileError(
            f"{file.name} seems to be encoded in {wide}: every character at its beginning has zero bytes. "
            "Save it as UTF-8 and run again."
        )
    return beginning.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")


@contextmanager
def open_text(storage: Storage, file: RawFile, newline: str = "") -> Iterator[TextIO]:
    """Open a file as UTF-8 text with its line breaks as they are.

    Parameters
    ----------
    newline
        What ends a line; nothing for all of LF, CR and CRLF.

    Raises
    ------
    RawFileError
        Inside the `with` block too, when bytes are not UTF-8 (names the first) or compression is damaged.
    """
    with _open_bytes(storage, file) as stream, _damage_explained(file):
        try:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig", newline=newline)
        except UnicodeDecodeError:
            check_readable(storage, file)
            raise


def lines(stream: TextIO, limit: int, breaks: str = "\r\n") -> Iterator[tuple[str, bool]]:
    """Each line with the break at its end, and whether it was cut: of a line longer than `limit` characters is only
    the beginning kept, so that memory stays bounded.

    Parameters
    ----------
    breaks
        The characters that end a line; those of the stream if it was opened by `open_text`.
    """
    ends = tuple(breaks)
    while line := stream.readline(limit):
        piece, is_cut = line, False
        while piece and not piece.endswith(ends):
            piece = stream.readline(limit)
            is_cut = is_cut or bool(piece.strip(breaks))
        yield line, is_cut


def has_long_piece(storage: Storage, file: RawFile, separator: bytes) -> bool:
    """Return whether a file has a very long piece without a separator; reads little, but for compressed files.

    Raises
    ------
    RawFileError
        When compression is damaged.
    """
    is_compressed = file.name.endswith(".gz")
    if file.size * (_MOST_COMPRESSED if is_compressed else 1) < _BLOCK_BYTES:
        return False
    with _open_bytes(storage, file) as stream, _damage_explained(file):
        if is_compressed:
            return _has_long_run(stream, separator)
        stream = getattr(stream, "raw", stream)  # a buffer may be large, and is fetched over the network
        blocks = range(0, file.size - _BLOCK_BYTES + 1, _BLOCK_BYTES)
        return not all(_has_separator(stream, start, separator) for start in blocks)


def _has_separator(stream: BinaryIO, start: int, separator: bytes) -> bool:
    """Return whether there is a separator in the block at a place."""
    stream.seek(start)
    left = _BLOCK_BYTES
    while left > 0 and (chunk := stream.read(min(_HEAD_BYTES, left))):
        if separator in chunk:
            return True
        left -= len(chunk)
    return False


def _has_long_run(stream: BinaryIO, separator: bytes) -> bool:
    run = 0
    while chunk := stream.read(_CHUNK_BYTES):
        run = 0 if separator in chunk else run + len(chunk)
        if run >= _BLOCK_BYTES:
            return True
    return False


def check_readable(storage: Storage, file: RawFile) -> None:
    """Read a file through and refuse what is not UTF-8 text.

    Raises
    ------
    RawFileError
        Names the first byte that is wrong and where it is.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with _open_bytes(storage, file) as stream, _damage_explained(file):
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
def _open_bytes(storage: Storage, file: RawFile) -> Iterator[BinaryIO]:
    with storage.open(file) as stream:
        compressed = stream.read(2) == _GZIP
        stream.seek(0)
        if compressed != file.name.endswith(".gz"):
            what = "compressed, though its name does not end" if compressed else "not compressed, though its name ends"
            raise RawFileError(f"{file.name} is {what} in .gz. Rename it and run again.")
        yield gzip.GzipFile(fileobj=stream) if compressed else stream  # type: ignore[misc]


@contextmanager
def _damage_explained(file: RawFile) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RawFileError(f"{file.name} is damaged: {error}. Copy it again from its source.") from error
