"""Breaks the raw files of small shops, and says without the package what must become of them."""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NoReturn

from hypothesis import strategies as st

from techco.errors import TechcoError
from techco.ingest import ingest
from techco.shop import Shop
from techco.storage.base import CUSTOMERS as CUSTOMER_FILE
from techco.storage.base import LOGS, LOGS_FOLDER
from techco.storage.base import PRODUCTS as PRODUCT_FILE
from techco.storage.folder import Folder
from tests.support.azurite import Azurite
from tests.support.shops import CUSTOMERS, PRODUCTS, log

MAX_DEPTH = 500
_BLANKS = " \t\r\n\ufeff"
_LOGS = [
    log(1), log(2, action="purchase"), log(3, day="2023-07-31"), log(4, timestamp="?"), log(5, note="a } { ] [ , \" é"),
    log(6, extra={"log_id": 9, "list": [{"log_id": 8}]}), log(1),
]  # fmt: skip
_PRETTY = json.dumps(_LOGS, indent=2, ensure_ascii=False)
_LINES = "".join(json.dumps(one) + "\n" for one in _LOGS)
LOG_TEXTS = [
    _PRETTY,
    json.dumps(_LOGS),
    _LINES,
    _PRETTY.replace("\n", "\r\n"),
    "\ufeff" + _LINES,
    json.dumps(_LOGS[:2]),
]
CSV_TEXTS = {
    CUSTOMER_FILE: [CUSTOMERS, CUSTOMERS.replace("\n", "\r\n"), "\ufeff" + CUSTOMERS.replace("Ann", '"A,\n""n"""')],
    PRODUCT_FILE: [PRODUCTS, PRODUCTS.replace("\n", "\r"), PRODUCTS.replace("Lamp", '"La\nmp"') + '3,"Bed,Home,1\n'],
}
_PIECES = [
    "\0", "\ufeff", "\r", "\n", "\r\n", '"', '""', "{", "}", "[", "]", ",", ",,", "\\", "\\ud800", "\\udc00x", "NaN",
    "-Infinity", "1e400", "9" * 400, "-0", "1.0", "0x10", "１２", "// c\n", "/* c */", '{"log_id": ', '"log_id": 1, ',
    "null,", "\u2028", "\x85", "\x0b", "[[1]]", "[" * 600 + "]" * 600, '{"a":' * 600, "'", "\t", ";", "=1+1", "😀",
]  # fmt: skip
_BYTES = [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xfe\xff", b"\x1f\x8b", b"\0\0\0\0"]

Change = Callable[[bytes], bytes]


def _at(content: bytes, place: float) -> int:
    return round(place * len(content))


def _put_in(place: float, piece: bytes) -> Change:
    return lambda b: b[: _at(b, place)] + piece + b[_at(b, place) :]


def _take_out(place: float, count: int) -> Change:
    return lambda b: b[: _at(b, place)] + b[_at(b, place) + count :]


def _double(place: float, count: int) -> Change:
    return lambda b: b[: _at(b, place) + count] + b[_at(b, place) :]


def _cut(place: float) -> Change:
    return lambda b: b[: _at(b, place)]


def _flip(place: float, bits: int) -> Change:
    return lambda b: b[: _at(b, place)] + bytes(x ^ bits for x in b[_at(b, place) :][:1]) + b[_at(b, place) + 1 :]


def _encode(name: str) -> Change:
    return lambda b: b.decode("utf-8", "replace").encode(name, "replace")


def _swap(old: bytes, new: bytes) -> Change:
    return lambda b: b.replace(old, new)


_place = st.floats(0, 1)
_count = st.integers(1, 60)
_change = st.one_of(
    st.builds(_put_in, _place, st.sampled_from([piece.encode() for piece in _PIECES])),
    st.builds(_put_in, _place, st.sampled_from(_BYTES)),
    st.builds(_take_out, _place, _count),
    st.builds(_double, _place, _count),
    st.builds(_cut, _place),
    st.builds(_flip, _place, st.integers(1, 255)),
    st.builds(_encode, st.sampled_from(["utf-16", "utf-16-le", "utf-32-be", "latin-1", "utf-8-sig"])),
    st.builds(_swap, st.sampled_from([b"\n", b"}", b'"', b",", b": 1"]), st.sampled_from([b"\r", b"", b"}}", b"'"])),
    st.sampled_from([lambda b: b + b, lambda b: b"[" + b + b"]", lambda b: b" " * 70_000 + b]),
)  # fmt: skip
changes = st.lists(_change, min_size=1, max_size=4)


@dataclass(frozen=True)
class Faulty:
    """A shop of which one raw file was changed."""

    name: str
    content: bytes
    compressed: bytes | None = field(default=None, repr=False)

    def files(self) -> dict[str, bytes]:
        """All three raw files."""
        good = {CUSTOMER_FILE: CUSTOMERS.encode(), PRODUCT_FILE: PRODUCTS.encode(), LOGS: json.dumps([log(1)]).encode()}
        if self.name.startswith(LOGS_FOLDER):
            del good[LOGS]
        return {**good, self.name: self.content if self.compressed is None else self.compressed}

    def write(self, storage: Folder) -> None:
        """Write all three raw files, in the place of what is there."""
        storage.remove_folder("tables")
        storage.remove_folder(LOGS_FOLDER)
        for name in storage.names():
            storage.path(name).unlink()
        for name, content in self.files().items():
            path = storage.path(name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def upload(self, account: Azurite) -> str:
        """Write all three raw files to a new place in a storage account; returns its URL."""
        client, prefix = account.container("faulty-input"), uuid.uuid4().hex
        for name, content in self.files().items():
            client.upload_blob(f"{prefix}/{name}", content)
        return account.url("faulty-input", prefix)

    def text(self) -> str | None:
        """The file as text; None if it is none."""
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return None


def _faulty(name: str, text: str, found: list[Change]) -> Faulty:
    content = text.encode()
    for change in found:
        content = change(content)
    return Faulty(name, content)


def _compressed(text: str, before: list[Change], after: list[Change], members: int) -> Faulty:
    plain = _faulty(LOGS + ".gz", text, before)
    size = -(-len(plain.content) // members) or 1
    parts = [plain.content[start : start + size] for start in range(0, len(plain.content), size)]
    compressed = b"".join(gzip.compress(part, mtime=0) for part in parts)
    for change in after:
        compressed = change(compressed)
    return replace(plain, compressed=compressed)


log_files = st.builds(_faulty, st.sampled_from([LOGS, LOGS_FOLDER + "/a.json"]), st.sampled_from(LOG_TEXTS), changes)
csv_files = st.one_of(
    *(st.builds(_faulty, st.just(name), st.sampled_from(texts), changes) for name, texts in CSV_TEXTS.items())
)
compressed_files = st.builds(
    _compressed, st.sampled_from(LOG_TEXTS), changes | st.just([]), changes | st.just([]), st.integers(1, 3)
)


@dataclass(frozen=True)
class Outcome:
    """What became of the records of one source: the numbers, and the texts in quarantine."""

    read: int
    accepted: int
    duplicates: int
    quarantined: int
    outside: int
    raw: list[str]


def ingested(shop: Shop, source: str) -> Outcome | TechcoError:
    """Ingest, and check what must hold whatever was read: all adds up, and the tables hold what was counted."""
    try:
        found = ingest(shop)
    except TechcoError as error:
        return error
    refused: dict[str, list[str]] = {"web_logs": [], "customers": [], "products": []}
    for row in shop.tables.read("quarantine").collect():
        refused[row.source].append(row.raw)
    for name, read, *parts in found.by_source.rows:
        accepted, _, quarantined, _ = parts
        keys = _keys(shop, str(name))
        assert read == sum(parts)
        assert accepted == len(keys) == len(set(keys))
        assert quarantined == len(refused[str(name)])
    numbers = next(numbers for name, *numbers in found.by_source.rows if name == source)
    return Outcome(*numbers, raw=refused[source])


def _keys(shop: Shop, source: str) -> list[int]:
    """The keys of a table; of the logs, those of the period, as the table may have the days before it too."""
    rows = shop.tables.read(source).collect()
    return [row[0] for row in rows if source != "web_logs" or row.event_date in shop.period]


def model_of_logs(text: str) -> tuple[int, int, int, int, int] | None:
    """The numbers of an `Outcome`, by the standard library's parser; None where only a tolerant reader knows them."""
    start = text.lstrip(_BLANKS)
    if start.startswith("["):
        try:
            found = [one if _depth_is_fine(one) else None for one in _loads(text.strip(_BLANKS))]
        except (ValueError, RecursionError):
            return None
    else:
        found = [_object(line.strip(_BLANKS)) for line in text.split("\n") if line.strip(_BLANKS)]
    judged = [_judge(one) for one in found]
    good = [one for one in judged if isinstance(one, tuple)]
    ids = {one[0] for one in good}
    outside = judged.count("outside")
    duplicates = len(good) - len(set(good))
    return len(judged), len(ids), duplicates, len(judged) - len(ids) - duplicates - outside, outside


def _loads(text: str) -> Any:
    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    return json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)


def _object(text: str) -> Any:
    try:
        found = _loads(text)
    except (ValueError, RecursionError):
        return None
    return found if _depth_is_fine(found) else None


def _depth_is_fine(value: Any, depth: int = 0) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        return True
    return depth < MAX_DEPTH and all(_depth_is_fine(one, depth + 1) for one in inner)


def _judge(record: Any) -> tuple[Any, ...] | str:
    """A good record of August 2023 as a tuple, `outside`, or `bad`."""
    if not isinstance(record, dict):
        return "bad"
    when = _time(record.get("timestamp"))
    if when and not date(2023, 8, 1) <= when.date() <= date(2023, 8, 31):
        return "outside"
    log_id, action = _integer(record.get("log_id")), _text(record.get("action"))
    customer, product = _key("CUST", record.get("customer_id")), _key("PROD", record.get("product_id"))
    quantity = _integer(record.get("quantity"))
    action = action and action.strip(" \t\r\n").lower()
    is_bad = (
        when is None or not action or log_id is None or not -(2**63) <= log_id < 2**63
        or (customer is None) != (record.get("customer_id") is None)
        or (product is None) != (record.get("product_id") is None)
        or (quantity is None) != (record.get("quantity") is None)
        or (quantity is not None and not 1 <= quantity < 2**31)
        or (action == "purchase" and (product is None or quantity is None))
        or (action == "add_to_cart" and product is None)
    )  # fmt: skip
    return "bad" if is_bad else (log_id, when, customer, product, action, quantity)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _match(pattern: str, value: Any) -> re.Match[str] | None:
    return re.fullmatch(pattern, (_text(value) or "").strip(" \t\r\n"), re.ASCII)


def _integer(value: Any) -> int | None:
    found = _match(r"([+-]?\d{1,19})(\.0+)?", value)
    return int(found[1]) if found else None


def _key(prefix: str, value: Any) -> int | None:
    found = _match(rf"(?i:{prefix})?0*(\d{{1,18}})", value)
    return int(found[1]) if found else None


def _time(value: Any) -> datetime | None:
    found = _match(
        r"(\d{4}-\d\d-\d\d)[ Tt](\d\d:\d\d:\d\d)([.,]\d+)? *([Zz]|UTC|GMT|(UTC|GMT)?[+-]\d\d(:?\d\d)?)?", value
    )
    try:
        return datetime.fromisoformat(f"{found[1]} {found[2]}.{(found[3] or '.0')[1:7]:0<6}") if found else None
    except ValueError:
        return None


def model_of_csv(text: str) -> int | None:
    """The number of records of a CSV file without quotes; None where only a tolerant reader knows it."""
    records = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip(" \t")]
    return None if '"' in text or max(map(len, records), default=0) > 100_000 else len(records) - 1
