"""Writes `customer_data.csv` and `product_data.csv`."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
from faker import Faker

from techco.contract import ProductReason
from techco.sample.odd_rows import (
    CUSTOMER_COLUMNS,
    MESSY_CUSTOMER_COLUMNS,
    MESSY_PRODUCT_COLUMNS,
    PRODUCT_COLUMNS,
    OddRow,
    odd_customers,
    odd_products,
)
from techco.sample.randomness import Bools, chunks, integers, stream
from techco.sample.spec import SampleSpec
from techco.sample.tally import ACCEPTED, Outcomes, Product, RawTables

CATEGORIES = ("Electronics", "Clothing", "Books", "Home", "Sports")
STRANGERS = 20
"""How many customers of a messy shop are in the logs alone; their numbers follow the greatest in the file."""

_NAMES = 1500
_MAIL_HOSTS = ("example.com", "example.org")
# 555-0100 to 555-0199 are kept for fiction in every area.
_AREAS = ("202", "303", "404", "503", "602", "617", "702", "808")


def write_tables(folder: Path, spec: SampleSpec) -> RawTables:
    """Write both files and say what a correct reader finds in them.

    Parameters
    ----------
    folder
        Exists; the files do not.
    spec
        Size, seed and whether the files are messy.
    """
    people = list(_rounds(odd_customers, spec.customers, spec))
    _write_csv(folder / "customer_data.csv", CUSTOMER_COLUMNS, MESSY_CUSTOMER_COLUMNS, _customers(spec), people, spec)
    clean = list(_products(spec))
    things = list(_rounds(odd_products, spec.products, spec))
    rows = ([str(p.product_id), str(p.name), str(p.category), _price(p.cents)] for p in clean)
    _write_csv(folder / "product_data.csv", PRODUCT_COLUMNS, MESSY_PRODUCT_COLUMNS, rows, things, spec)
    extra = [row.product for row in things if row.product]
    return RawTables(
        products={product.product_id: product for product in (*clean, *extra)},
        customers=_known_customers(spec, people),
        extra_products=[product.product_id for product in extra],
        unpriced_product=next((row.key for row in things if row.outcome == ProductReason.PRICE), 0),
        customer_outcomes=_outcomes(spec.customers, people),
        product_outcomes=_outcomes(spec.products, things),
    )


def _rounds(cases: Callable[[Iterator[int]], Iterable[OddRow]], size: int, spec: SampleSpec) -> Iterator[OddRow]:
    ids = itertools.count(size + 1)
    for _ in range(spec.rounds(size)):
        yield from cases(ids)


def _customers(spec: SampleSpec) -> Iterator[list[str]]:
    first_names, last_names = _name_pool(spec)
    rng = stream(spec.seed, "customers")
    for first, end in chunks(spec.customers):
        size = end - first
        drawn = [integers(rng, stop, size).tolist() for stop in (_NAMES, _NAMES, 2, len(_AREAS), 100)]
        for number, one, two, host, area, line in zip(range(first + 1, end + 1), *drawn, strict=True):
            (given, given_slug), (family, family_slug) = first_names[one], last_names[two]
            email = f"{given_slug}.{family_slug}{number}@{_MAIL_HOSTS[host]}"
            yield [f"CUST{number}", given, family, email, f"+1-{_AREAS[area]}-555-01{line:02d}"]


def _name_pool(spec: SampleSpec) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Make first and last names, each with what an e-mail address makes of it: Faker is slow."""
    fake = Faker("en_US", use_weighting=False)
    fake.seed_instance(spec.seed)
    firsts, lasts = ([name() for _ in range(_NAMES)] for name in (fake.first_name, fake.last_name))
    return [(name, _slug(name)) for name in firsts], [(name, _slug(name)) for name in lasts]


def _slug(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _products(spec: SampleSpec) -> Iterator[Product]:
    rng = stream(spec.seed, "products")
    categories = integers(rng, len(CATEGORIES), spec.products).tolist()
    prices = (integers(rng, 49_001, spec.products) + 1000).tolist()
    for number, category, price in zip(range(1, spec.products + 1), categories, prices, strict=True):
        yield Product(number, f"Product {number}", CATEGORIES[category], price)


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _write_csv(
    path: Path,
    columns: Sequence[str],
    messy_columns: Sequence[str],
    rows: Iterable[list[str]],
    odd: list[OddRow],
    spec: SampleSpec,
) -> None:
    encoding, end = ("utf-8-sig", "\r\n") if spec.messy else ("utf-8", "\n")
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator=end)
        if not spec.messy:
            writer.writerow(columns)
            writer.writerows(rows)
            return
        writer.writerow(messy_columns)
        Random(spec.seed).shuffle(odd)
        usual = (OddRow(dict(zip(columns, row, strict=True)), ACCEPTED, 0) for row in rows)
        writer.writerows(row.in_order(messy_columns) for row in _mingle(usual, odd))


def _mingle(usual: Iterable[OddRow], odd: list[OddRow]) -> Iterator[OddRow]:
    """Put two odd rows after each usual one until they are used up, so that both ends of a file are odd or usual."""
    waiting = iter(odd)
    for row in usual:
        yield row
        yield from itertools.islice(waiting, 2)
    yield from waiting


def _known_customers(spec: SampleSpec, odd: list[OddRow]) -> Bools:
    top = max([spec.customers, *(row.key for row in odd)])
    known = np.zeros(top + STRANGERS + 1, dtype=np.bool_)
    known[1 : spec.customers + 1] = True
    known[[row.key for row in odd if row.outcome == ACCEPTED]] = True
    return known


def _outcomes(size: int, odd: list[OddRow]) -> Outcomes:
    outcomes = Outcomes()
    outcomes.counts[ACCEPTED] += size
    outcomes.counts.update(row.outcome for row in odd)
    return outcomes
