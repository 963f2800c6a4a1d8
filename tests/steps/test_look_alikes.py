"""Values that look the same are the same, however the files are read, on every engine."""

from __future__ import annotations

import json

import pytest

from techco.ingest import ingest
from techco.join import join
from techco.raw import csv_rows
from techco.shop import Shop
from tests.support.shops import CUSTOMERS, log, write_shop

INVISIBLE = ["\u00a0", "\u2003", "\v", "\u200b", "\ufeff", "\u2028", "\x1f", "\x85", "\u3000", "\u00ad"]
FORMS = {
    "lines": lambda logs: "\n".join(json.dumps(one) for one in logs),
    "lines, not escaped": lambda logs: "\n".join(json.dumps(one, ensure_ascii=False) for one in logs),
    "array in one stream": lambda logs: json.dumps([{**one, "note": "}"} for one in logs]),
}


def around(blank: str, value: object) -> str:
    return f"{blank}{value}{blank}"


@pytest.mark.parametrize("form", FORMS)
def test_what_nobody_sees_around_a_value_makes_no_difference(any_shop: Shop, form: str) -> None:
    logs = [log(1, action="purchase")]
    logs += [
        {name: around(blank, value) for name, value in log(n, action="Purchase").items()}
        for n, blank in enumerate(INVISIBLE, 2)
    ]
    write_shop(any_shop.storage, FORMS[form](logs))
    assert ingest(any_shop).reasons.rows == []
    assert join(any_shop).values["total_sales"] == f"{10.10 * len(logs):.2f}"
    kept = any_shop.full_data.select("customer_id", "product_id", "action", "quantity", "event_time").distinct()
    assert kept.count() == 1


@pytest.mark.parametrize("parallel_from", [0, 2**26], ids=["in parallel", "in one stream"])
def test_categories_and_prices_that_look_the_same_are_the_same(
    any_shop: Shop, parallel_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "PARALLEL_FROM_BYTES", parallel_from)
    lines = [
        ",".join([around(blank, n), "Lamp", around(blank, "Café"), around(blank, 2)])
        for n, blank in enumerate("\u00a0\u200b\v", 1)
    ]
    lines += ["4,Lamp,Cafe\u0301,2", "5,Lamp,\ufeff,2"]
    header = "product_id,product_name,\u200bcategory ,price\n"
    write_shop(any_shop.storage, [log(1)], CUSTOMERS, header + "\n".join(lines) + "\n")
    assert ingest(any_shop).reasons.rows == []
    products = any_shop.products.orderBy("product_id").collect()
    assert [(row.product_id, row.category, f"{row.price}") for row in products] == [
        (1, "Café", "2.00"), (2, "Café", "2.00"), (3, "Café", "2.00"), (4, "Café", "2.00"), (5, None, "2.00"),
    ]  # fmt: skip
