"""The raw files of a shop and how the data contract judges their records, in plain Python: no engine, no pandas."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Record = dict[str, Any] | int
"""A web log as a JSON object; a number is no object."""
CENT = Decimal("0.01")


@dataclass(frozen=True)
class RawShop:
    """What the raw files hold: rows of the CSV files as text, web logs in the order of the file.

    `shape` is how the logs lie: `array`, `lines`, `gz`, `folder`, or `days`, where each lies in the folder of its day
    and those without a readable one in that of the `home` day.
    """

    customers: tuple[tuple[str, ...], ...]
    products: tuple[tuple[str, ...], ...]
    logs: tuple[Record, ...]
    shape: str
    home: date

    def folder_of(self, record: Record) -> date:
        """Return the day in whose folder a record lies."""
        return day_of(record) or self.home

    def log_files(self) -> dict[str, list[Record]]:
        """Return the records of each file with web logs, by its name."""
        logs, middle = list(self.logs), len(self.logs) // 2
        match self.shape:
            case "gz":
                return {"web_logs.json.gz": logs}
            case "folder":
                parts = {"web_logs/part-0.json": logs[:middle], "web_logs/part-1.json": logs[middle:]}
                return {name: part for name, part in parts.items() if part}
            case "days":
                by_day: dict[str, list[Record]] = {}
                for record in logs:
                    by_day.setdefault(f"web_logs/date={self.folder_of(record)}/logs.json", []).append(record)
                return by_day
        return {"web_logs.json": logs}

    def read_for(self, first: date, last: date) -> dict[str, list[Record]]:
        """Return the files that an ingest of a period reads: all, unless they lie in folders by day."""
        files = self.log_files()
        if self.shape != "days":
            return files
        return {name: records for name, records in files.items() if str(first) <= name[14:24] <= str(last)}

    def days(self) -> tuple[date, date] | None:
        """Return the first and last day that the files have; None if no record has a readable one."""
        by_folder = self.shape == "days"
        found = [day for record in self.logs if (day := self.folder_of(record) if by_folder else day_of(record))]
        return (min(found), max(found)) if found else None


@dataclass(frozen=True)
class Customer:
    """A customer that was accepted."""

    number: int
    names: tuple[str | None, ...]
    """First and last name, e-mail, phone."""

    @property
    def is_nameless(self) -> bool:
        """Whether nothing but the number is known."""
        return not any(self.names)


@dataclass(frozen=True)
class Product:
    """A product that was accepted."""

    number: int
    name: str | None
    category: str | None
    price: Decimal


@dataclass(frozen=True)
class Log:
    """A web log that has the types of the contract."""

    log_id: int
    time: datetime
    customer: int | None
    product: int | None
    action: str
    quantity: int | None

    @property
    def day(self) -> date:
        """The day of its timestamp."""
        return self.time.date()


@dataclass(frozen=True)
class RefusedPurchase:
    """A purchase that was refused; `day` is None if it could not be read."""

    day: date | None
    product: int | None
    quantity: int | None


@dataclass
class Judged:
    """What becomes of the records of one raw file; `accepted` are customers, products or logs.

    `refused_days` says how many refused ones have which day.
    """

    source: str
    read: int = 0
    accepted: list[Any] = field(default_factory=list)
    duplicates: int = 0
    outside: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refused_days: Counter[date] = field(default_factory=Counter)
    unnamed: int = 0
    rounded: int = 0
    refused_purchases: list[RefusedPurchase] = field(default_factory=list)

    @property
    def quarantined(self) -> int:
        """How many were refused, for whatever reason."""
        return self.reasons.total()

    @property
    def is_nothing(self) -> bool:
        """Whether there are logs of the period, but none that is accepted; that fails an ingest."""
        return not self.accepted and bool(self.refused_days or (self.quarantined and not self.outside))

    def counts(self) -> dict[str, int]:
        """The sum that a report shows."""
        return {
            "read": self.read,
            "accepted": len(self.accepted),
            "duplicates": self.duplicates,
            "quarantined": self.quarantined,
            "outside_period": self.outside,
        }


def day_of(record: Record) -> date | None:
    """Return the day of a record's timestamp, None if it has no readable one."""
    moment = _moment(record.get("timestamp")) if isinstance(record, dict) else None
    return moment.date() if moment else None


def judge_logs(records: Sequence[Record], first: date, last: date) -> Judged:
    """Judge web logs for a period; which of different records with one id stays depends on the period."""
    found = Judged("web_logs", read=len(records))
    good: list[tuple[Log, bool]] = []
    for record in records:
        day = day_of(record)
        if day and not first <= day <= last:
            found.outside += 1
            continue
        log, reason = _log(record)
        if log and isinstance(record, dict):
            good.append((log, log.customer is None and _is_unreadable(record.get("customer_id"))))
        else:
            _refuse(found, reason, record, day)
    unnamed = {log for log, is_unnamed in good if is_unnamed}
    kept, losers = _one_of_each(found, [log for log, _ in good], lambda log: log.log_id, _log_order)
    for log in losers:
        found.reasons["another record with this log_id"] += 1
        found.refused_days[log.day] += 1
        if log.action == "purchase":
            found.refused_purchases.append(RefusedPurchase(log.day, log.product, log.quantity))
    found.unnamed = len(unnamed.intersection(kept))
    return found


def judge_customers(rows: Iterable[tuple[str, ...]]) -> Judged:
    """Judge the rows of the customer file."""
    found, good = Judged("customers"), []
    for row in rows:
        found.read += 1
        number, *names = [_tidy(text) for text in row]
        if len(row) != 5:
            found.reasons["wrong number of fields"] += 1
        elif (key := _key(number, "CUST")) is None:
            found.reasons["customer_id missing or has no number"] += 1
        else:
            good.append(Customer(key, tuple(names)))
    _, losers = _one_of_each(found, good, lambda one: one.number, lambda one: _nulls_first(one.names))
    found.reasons += Counter({"another record with this customer_id": len(losers)})
    return found


def judge_products(rows: Iterable[tuple[str, ...]]) -> Judged:
    """Judge the rows of the product file."""
    found, good = Judged("products"), []
    for row in rows:
        found.read += 1
        number, name, category, price = [_tidy(text) for text in row[:4]] + [None] * (4 - len(row))
        found.rounded += bool(re.fullmatch(r"\d+\.(\d{3}|\d{2,}[1-9])", price or ""))
        if len(row) != 4:
            found.reasons["wrong number of fields"] += 1
        elif (key := _key(number, "PROD")) is None:
            found.reasons["product_id missing or has no number"] += 1
        elif not re.fullmatch(r"\d+(\.\d*)?", price or ""):
            found.reasons["price missing or not a number"] += 1
        else:
            good.append(Product(key, name, category, Decimal(price or 0).quantize(CENT, ROUND_HALF_UP)))
    order = lambda one: _nulls_first((one.name, one.category, one.price))  # noqa: E731
    _, losers = _one_of_each(found, good, lambda one: one.number, order)
    found.reasons += Counter({"another record with this product_id": len(losers)})
    return found


def _one_of_each(
    found: Judged, good: Sequence[Any], key: Callable[[Any], Hashable], order: Callable[[Any], Any]
) -> tuple[list[Any], list[Any]]:
    """Keep of each key the record that sorts first; returns what is kept, and other records with the key."""
    by_key: dict[Hashable, list[Any]] = {}
    for one in dict.fromkeys(good):
        by_key.setdefault(key(one), []).append(one)
    found.duplicates = len(good) - len(set(good))
    ordered = [sorted(same, key=order) for same in by_key.values()]
    found.accepted = [same[0] for same in ordered]
    return found.accepted, [loser for same in ordered for loser in same[1:]]


def _refuse(found: Judged, reason: str, record: Record, day: date | None) -> None:
    found.reasons[reason] += 1
    if day:
        found.refused_days[day] += 1
    if isinstance(record, dict) and _action(record) == "purchase":
        product, quantity = _key(record.get("product_id"), "PROD"), _integer(record.get("quantity"))
        found.refused_purchases.append(RefusedPurchase(day, product, quantity))


def _log(record: Record) -> tuple[Log | None, str]:
    """Return a log, or the first reason in the order of the contract for which it is none."""
    if not isinstance(record, dict):
        return None, "not a JSON object"
    log_id, moment, action = _integer(record.get("log_id")), _moment(record.get("timestamp")), _action(record)
    customer, product = _key(record.get("customer_id"), "CUST"), _key(record.get("product_id"), "PROD")
    quantity, is_purchase = _integer(record.get("quantity")), action == "purchase"
    unreadable = {
        name: _is_unreadable(record.get(name)) and value is None
        for name, value in (("customer_id", customer), ("product_id", product), ("quantity", quantity))
    }
    reasons = {
        "log_id missing or not an integer": log_id is None,
        "timestamp missing or unreadable": moment is None,
        "action missing": not action,
        "customer_id has no number": unreadable["customer_id"] and not is_purchase,
        "product_id has no number": unreadable["product_id"],
        "purchase without product or quantity": is_purchase
        and (product is None or (quantity is None and not unreadable["quantity"])),
        "add_to_cart without product": action == "add_to_cart" and product is None,
        "quantity is not an integer of at least 1": unreadable["quantity"] or (quantity is not None and quantity < 1),
    }
    for reason, applies in reasons.items():
        if applies:
            return None, reason
    assert log_id is not None
    assert moment is not None
    return Log(log_id, moment, customer, product, action, quantity), ""


def _moment(value: object) -> datetime | None:
    form = r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(?:Z|[+-]\d\d:\d\d)?"
    found = re.fullmatch(form, value.strip()) if isinstance(value, str) else None
    try:
        return datetime.fromisoformat(f"{found[1]} {found[2]}.{(found[3] or '').ljust(6, '0')}") if found else None
    except ValueError:
        return None


def _action(record: Mapping[str, Any]) -> str:
    return (_tidy(record.get("action")) or "").lower()


def _key(value: object, prefix: str) -> int | None:
    found = re.fullmatch(rf"(?:{prefix})?(\d+)(?:\.0+)?", str(value).strip(), re.IGNORECASE)
    return int(found[1]) if found else None


def _integer(value: object) -> int | None:
    found = re.fullmatch(r"([+-]?\d+)(?:\.0+)?", str(value).strip())
    return int(found[1]) if found else None


def _is_unreadable(value: object) -> bool:
    """Return whether there is text that has no value, if it could not be read."""
    return _tidy(value) is not None


def _tidy(value: object) -> str | None:
    return None if value is None else str(value).strip() or None


def _nulls_first(values: Iterable[Any]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value if value is not None else 0) for value in values)


def _log_order(log: Log) -> tuple[tuple[bool, Any], ...]:
    return _nulls_first((log.time, log.customer, log.product, log.action, log.quantity))
