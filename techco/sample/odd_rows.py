"""Every inconsistency that the two CSV files may have, each with what must become of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from techco.contract import CustomerReason, ProductReason
from techco.sample.tally import ACCEPTED, DUPLICATE, Product

CUSTOMER_COLUMNS = ("customer_id", "first_name", "last_name", "email", "phone")
PRODUCT_COLUMNS = ("product_id", "product_name", "category", "price")
MESSY_CUSTOMER_COLUMNS = ("email", "loyalty_tier", "customer_id", "last_name", "first_name", "notes", "phone")
MESSY_PRODUCT_COLUMNS = ("category", "price", "supplier", "product_name", "product_id")

_FEWER, _MORE = -2, 2


@dataclass(frozen=True)
class OddRow:
    """A row of a messy CSV file.

    Attributes
    ----------
    cells
        Text by column; columns that are not named stay empty.
    outcome
        `ACCEPTED`, `DUPLICATE` or the reason for quarantine.
    key
        Number of the customer or product the row is about.
    fields
        How many fields the row has more or less than the header.
    product
        What the table of products must show, if the row is an accepted product.
    """

    cells: dict[str, str]
    outcome: str
    key: int
    fields: int = 0
    product: Product | None = None

    def in_order(self, columns: Sequence[str]) -> list[str]:
        """Return the fields of the row as the file holds them."""
        cells = [self.cells.get(column, "") for column in columns]
        return cells[: self.fields] if self.fields < 0 else cells + ["surplus"] * self.fields


def odd_customers(ids: Iterator[int]) -> Iterable[OddRow]:
    """Make each inconsistency of customers once, with numbers of their own from `ids`."""
    yield from _accepted_customers(ids)
    yield from _repeated_customers(ids)
    yield from _refused_customers(ids)


def odd_products(ids: Iterator[int]) -> Iterable[OddRow]:
    """Make each inconsistency of products once, with numbers of their own from `ids`."""
    yield from _accepted_products(ids)
    yield from _repeated_products(ids)
    yield from _refused_products(ids)


def cents(price: str) -> int:
    """Read a price in cents, rounded half up."""
    return int((Decimal(price) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def _customer(outcome: str, number: int, key: str | None = None, fields: int = 0, **cells: str) -> OddRow:
    usual = {
        "customer_id": f"CUST{number}" if key is None else key,
        "first_name": "Ann",
        "last_name": "Lee",
        "email": f"ann.lee{number}@example.org",
        "phone": "+1-202-555-0100",
        "loyalty_tier": "gold",
    }
    return OddRow(usual | cells, outcome, number, fields)


def _accepted_customers(ids: Iterator[int]) -> Iterable[OddRow]:
    for form in ("cust{:09d}", " {} ", "{}", "CUST{:012d}", " Cust{}"):
        number = next(ids)
        yield _customer(ACCEPTED, number, form.format(number))
    for first, last in (
        ("Ann", "Lee, Jr."),
        ('Ann "Annie"', 'O"Hara, "Lee"'),
        ("Line\r\nbreak", "Two\nlines, and a comma"),
        ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>"),
        ("=1+1", '=HYPERLINK("http://example.com","x")'),
        ("+1+1", "@SUM(A1:A9)"),
        ("-2+3", "[bold]Lee[/bold] $x^2$"),
        ("Zoë", "Müller-Łukasz 李 😀"),
        ("  Ann  ", "  Lee"),
        ("", "  "),
    ):
        yield _customer(ACCEPTED, next(ids), first_name=first, last_name=last)
    yield _customer(ACCEPTED, next(ids), email="", phone="", notes='{"a": "b, c"}')
    yield _customer(ACCEPTED, next(ids), first_name="", last_name="", email="", phone="", loyalty_tier="")


def _repeated_customers(ids: Iterator[int]) -> Iterable[OddRow]:
    same = next(ids)
    yield _customer(ACCEPTED, same)
    yield _customer(DUPLICATE, same)
    yield _customer(DUPLICATE, same, f"cust{same:012d}", first_name=" Ann ", notes="seen before", loyalty_tier="")
    named = next(ids)
    yield _customer(CustomerReason.CONFLICT, named, first_name="Bob")
    yield _customer(ACCEPTED, named)
    yield _customer(DUPLICATE, named, str(named), first_name="Bob ")
    nameless = next(ids)
    yield _customer(ACCEPTED, nameless, first_name="", last_name="Zed")
    yield _customer(CustomerReason.CONFLICT, nameless)
    late = next(ids)
    yield _customer(CustomerReason.CONFLICT, late, phone="+1-202-555-0102")
    yield _customer(CustomerReason.CONFLICT, late, phone="+1-202-555-0101")
    yield _customer(ACCEPTED, late)


def _refused_customers(ids: Iterator[int]) -> Iterable[OddRow]:
    yield _customer(CustomerReason.FIELDS, next(ids), fields=_FEWER)
    yield _customer(CustomerReason.FIELDS, next(ids), fields=_MORE)
    yield _customer(CustomerReason.FIELDS, next(ids), "", fields=_MORE)
    for key in ("", "CUST", "guest", "CUST1.5", "12abc"):
        yield _customer(CustomerReason.CUSTOMER_ID, next(ids), key)


def _product(outcome: str, number: int, key: str | None = None, fields: int = 0, **cells: str) -> OddRow:
    texts = {
        "product_id": str(number) if key is None else key,
        "product_name": f"Product {number}",
        "category": "Home",
        "price": "20.00",
        "supplier": "Example & Sons, Ltd.",
    } | cells
    name, category = texts["product_name"].strip() or None, texts["category"].strip() or None
    product = Product(number, name, category, cents(texts["price"])) if outcome == ACCEPTED else None
    return OddRow(texts, outcome, number, fields, product)


def _accepted_products(ids: Iterator[int]) -> Iterable[OddRow]:
    for form in ("PROD{:09d}", " {} ", "prod{}", "Prod{:012d} "):
        number = next(ids)
        yield _product(ACCEPTED, number, form.format(number))
    for name in (
        "Lamp, small",
        'Screen 27" "Pro"',
        "Two\r\nlines",
        "<script>alert(1)</script>",
        "=1+1",
        "@SUM(A1:A9)",
        "Ünï 茶 😀 $5$",
        "  Trimmed  ",
        "",
    ):
        yield _product(ACCEPTED, next(ids), product_name=name)
    for category in ("", "  ", "  Books ", "Garden & <b>Pets</b>", "=2+2"):
        yield _product(ACCEPTED, next(ids), category=category)
    for price in ("10.005", "10.015", "12.344", "7", " 9.99 ", "0012.5"):
        yield _product(ACCEPTED, next(ids), price=price)


def _repeated_products(ids: Iterator[int]) -> Iterable[OddRow]:
    same = next(ids)
    yield _product(ACCEPTED, same, price="9.50")
    yield _product(DUPLICATE, same, price="9.50")
    yield _product(DUPLICATE, same, f"PROD{same}", price="9.5", product_name=f" Product {same}", supplier="")
    yield _product(DUPLICATE, same, price="9.499")
    cheap = next(ids)
    yield _product(ProductReason.CONFLICT, cheap, price="10.00")
    yield _product(ACCEPTED, cheap, price="9.50")
    yield _product(DUPLICATE, cheap, price="10")
    plain = next(ids)
    yield _product(ProductReason.CONFLICT, plain, category="Books", price="5.00")
    yield _product(ACCEPTED, plain, category="")


def _refused_products(ids: Iterator[int]) -> Iterable[OddRow]:
    yield _product(ProductReason.FIELDS, next(ids), fields=_FEWER)
    yield _product(ProductReason.FIELDS, next(ids), fields=_MORE)
    yield _product(ProductReason.FIELDS, next(ids), fields=_MORE, price="free")
    for key in ("", "PROD", "lamp", "PROD1.5"):
        yield _product(ProductReason.PRODUCT_ID, next(ids), key)
    yield _product(ProductReason.PRODUCT_ID, next(ids), "none", price="free")
    for price in ("", "  ", "free", "$5.00", "1.2.3"):
        yield _product(ProductReason.PRICE, next(ids), price=price)
