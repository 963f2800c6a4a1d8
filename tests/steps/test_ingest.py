"""The step ingest: the period is replaced, everything is counted, and bad files change nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame

from techco import ingest as ingest_module
from techco.contract import CustomerReason, LogReason, ProductReason
from techco.display.shown import Table
from techco.engines.dialects import dialect
from techco.errors import RawFileError, StorageError, TableError, TechcoError
from techco.ingest import Ingested, ingest
from techco.join import join
from techco.period import Period
from techco.raw import rules
from techco.shop import Shop
from techco.tables.tables import Tables
from tests.support.shops import CUSTOMERS, PRODUCTS, log, write_shop

AUGUST = Period.parse("2023-08")


def counts(ingested: Ingested) -> dict[str, list[Any]]:
    return {str(source): numbers for source, *numbers in ingested.by_source.rows}


def reasons(table: Table) -> dict[tuple[Any, Any], Any]:
    return {(source, reason): count for source, reason, count in table.rows}


def log_ids(shop: Shop) -> list[int]:
    return sorted(row.log_id for row in shop.tables.read("web_logs").collect())


def test_a_clean_shop_is_accepted_as_a_whole(shop: Shop) -> None:
    write_shop(shop.storage, [log(1), log(2, action="purchase")])
    ingested = ingest(shop)
    assert counts(ingested) == {"web_logs": [2, 2, 0, 0, 0], "customers": [2, 2, 0, 0, 0], "products": [2, 2, 0, 0, 0]}
    assert list(ingested.records.values.values()) == [2, 2, 0, 0, 0]
    assert ingested.reasons.rows == []
    assert [row[0] for row in ingested.raw_files.rows] == ["web_logs.json", "customer_data.csv", "product_data.csv"]


def test_every_record_is_accounted_for(any_shop: Shop) -> None:
    logs = [
        log(1),
        log(1, customer_id=" cust01 ", action="VIEW", quantity=None),
        log(2, day="2023-07-31"),
        log(3, action="purchase"),
        log(3, action="add_to_cart"),
        log(4, timestamp="?"),
        log(5, action="purchase", quantity=0),
    ]
    write_shop(any_shop.storage, logs)
    ingested = ingest(any_shop)
    assert counts(ingested)["web_logs"] == [7, 2, 1, 3, 1]
    assert reasons(ingested.reasons) == {
        ("web_logs", LogReason.CONFLICT): 1,
        ("web_logs", LogReason.TIMESTAMP): 1,
        ("web_logs", LogReason.QUANTITY): 1,
    }
    assert any_shop.tables.read("quarantine").count() == 3
    kept = {row.log_id: row.action for row in any_shop.web_logs.collect()}
    assert kept == {1: "view", 3: "add_to_cart"}  # "add_to_cart" sorts before "purchase"


def test_a_purchase_is_kept_without_a_customer_id_that_cannot_be_read(any_shop: Shop) -> None:
    odd = [log(2, action="purchase", customer_id=value) for value in ("guest", None)]  # one and the same
    odd += [log(n, action="purchase", customer_id=value) for n, value in enumerate(("CUST", "C-1", "", None), 3)]
    write_shop(any_shop.storage, [log(1, action="purchase"), *odd, log(7, customer_id="guest"), log(8, "2023-07-31")])
    ingested = ingest(any_shop)
    assert counts(ingested)["web_logs"] == [9, 6, 1, 1, 1]
    assert reasons(ingested.reasons) == {("web_logs", LogReason.CUSTOMER_ID): 1}
    assert [row[0::2] for row in ingested.warnings.rows if row[0] == "unnamed_purchases"] == [["unnamed_purchases", 3]]
    assert [row[2] for row in ingest(any_shop).warnings.rows if row[0] == "unnamed_purchases"] == [3]  # as noted
    assert join(any_shop).values["total_sales"] == "60.60"
    assert {row.log_id: row.customer_id for row in any_shop.web_logs.collect()} == {1: 1, **dict.fromkeys(range(2, 7))}


@pytest.mark.parametrize(
    "changes",
    [{"timestamp": "2023-08-01 10:00:01"}, {"customer_id": 2}, {"product_id": 2}, {"action": "wish"}, {"quantity": 1}],
)
def test_records_that_differ_in_any_field_are_no_duplicates(shop: Shop, changes: dict[str, Any]) -> None:
    write_shop(shop.storage, [log(1), log(1, **changes)])
    ingested = ingest(shop)
    assert counts(ingested)["web_logs"] == [2, 1, 0, 1, 0]
    assert reasons(ingested.reasons) == {("web_logs", LogReason.CONFLICT): 1}


def test_duplicates_are_found_also_where_not_all_keys_are_held_at_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect(shop.spark), "keys_at_once", 2)
    numbers = [*range(-4, 5), 10**18, -(10**18), 0, -3, 10**18]
    write_shop(shop.storage, [log(n) for n in numbers] + [log(4, action="purchase")])
    ingested = ingest(shop)
    assert counts(ingested)["web_logs"] == [15, 11, 3, 1, 0]
    assert log_ids(shop) == sorted(set(numbers))


def test_a_copy_of_a_record_that_loses_is_a_duplicate_and_counted_once(any_shop: Shop) -> None:
    write_shop(any_shop.storage, [log(1, action="b"), log(1, action="a"), log(1, action="b"), log(1, action="a")])
    assert counts(ingest(any_shop))["web_logs"] == [4, 1, 2, 1, 0]
    assert [row.action for row in any_shop.web_logs.collect()] == ["a"]
    assert [(row.reason, '"b"' in row.raw) for row in any_shop.quarantine.collect()] == [(LogReason.CONFLICT, True)]


def test_refused_records_are_kept_as_they_came(any_shop: Shop) -> None:
    bad = log(5, action="purchase", quantity=0, note="<b>")
    write_shop(any_shop.storage, json.dumps(log(1)) + "\n" + json.dumps(bad) + "\noops")
    ingest(any_shop)
    rows = {row.raw: row for row in any_shop.tables.read("quarantine").collect()}
    assert rows.keys() == {json.dumps(bad), "oops"}
    assert (str(rows[json.dumps(bad)].event_date), rows["oops"].event_date) == ("2023-08-01", None)
    assert {(row.source, row.run_id) for row in rows.values()} == {("web_logs", "run-1")}


def test_customers_and_products_follow_the_same_rules(any_shop: Shop) -> None:
    customers = CUSTOMERS + "cust01,Ann,Lee,ann@example.com,+1-202-555-0101\nCUST2,Abe,Ray,,\nX,No,Key,,\n5,short\n"
    products = PRODUCTS + "PROD1,Lamp,Home,10.1\n2,Book,Books,19.99\n3,Bed,Home,dear\n,Cup,Home,1\n9,a,b,1,1\n"
    write_shop(any_shop.storage, [log(1)], customers, products)
    ingested = ingest(any_shop)
    assert counts(ingested)["customers"] == [6, 2, 1, 3, 0]
    assert counts(ingested)["products"] == [7, 2, 1, 4, 0]
    assert reasons(ingested.reasons) == {
        ("customers", CustomerReason.CONFLICT): 1,
        ("customers", CustomerReason.CUSTOMER_ID): 1,
        ("customers", CustomerReason.FIELDS): 1,
        ("products", ProductReason.CONFLICT): 1,
        ("products", ProductReason.PRICE): 1,
        ("products", ProductReason.PRODUCT_ID): 1,
        ("products", ProductReason.FIELDS): 1,
    }
    assert {row.customer_id: row.first_name for row in any_shop.customers.collect()} == {1: "Ann", 2: "Abe"}
    assert {row.product_id: str(row.price) for row in any_shop.products.collect()} == {1: "10.10", 2: "19.99"}


def test_examples_hide_email_telephone_and_names(shop: Shop) -> None:
    write_shop(shop.storage, [log(1)], CUSTOMERS + "X,Eve,Fox,eve.fox@example.com,+1-202-555-0199\n")
    example = str(ingest(shop).examples.rows[0][2])
    assert "eve.fox" not in example
    assert "555-0199" not in example
    assert example.startswith("X,E…,F…,e…")


def test_examples_show_all_where_they_shall(shop: Shop) -> None:
    line = "X,Eve,Fox,eve.fox@example.com,+1-202-555-0199"
    write_shop(shop.storage, [log(1)], f"{CUSTOMERS}{line}\n")
    assert ingest(replace(shop, pii="show")).examples.rows[0][2] == line


def test_examples_are_a_few_of_each_reason_and_short(any_shop: Shop) -> None:
    bad = [log(n, action=None) for n in range(1, 6)] + [log(n, timestamp=None) for n in (6, 7)]
    write_shop(any_shop.storage, [log(9), *bad, log(0, action=None, note="x" * 500)])
    examples = ingest(any_shop).examples.rows
    assert Counter(reason for _, reason, _ in examples) == {LogReason.ACTION: 3, LogReason.TIMESTAMP: 2}
    assert max(len(str(raw)) for _, _, raw in examples) == 200


@pytest.mark.slow
def test_an_example_that_is_cut_within_an_email_hides_it_too(shop: Shop) -> None:
    for start in range(180, 200, 3):
        bad = "X," + "x" * (start - 3) + ",Fox,eve.fox@example.com,+1-202-555-0199\n"
        write_shop(shop.storage, [log(1)], CUSTOMERS + bad)
        assert "eve" not in str(ingest(shop).examples.rows[0][2])


def test_another_period_leaves_the_first_and_its_refused_records(any_shop: Shop) -> None:
    july = replace(any_shop, period=Period.parse("2023-07"), run_id="run-2")
    bad = {"action": "purchase", "quantity": 0}
    write_shop(any_shop.storage, [log(1), log(2, **bad), log(3, day="2023-07-01"), log(4, day="2023-07-02", **bad)])
    ingest(any_shop)
    ingest(july)
    assert log_ids(any_shop) == [1, 3]
    refused = any_shop.tables.read("quarantine").select("event_date", "run_id").collect()
    assert sorted((str(row[0]), row[1]) for row in refused) == [("2023-07-02", "run-2"), ("2023-08-01", "run-1")]


def test_running_again_changes_nothing(shop: Shop) -> None:
    write_shop(shop.storage, [log(1), log(2, timestamp="?"), log(2)])
    first = ingest(shop)
    assert ingest(shop).by_source == first.by_source
    assert log_ids(shop) == [1, 2]
    assert shop.tables.read("quarantine").count() == 1


def test_the_views_show_what_was_ingested(shop: Shop) -> None:
    for logs in ([log(1), log(2), log(3, timestamp="?")], [log(1), log(2), log(3), log(4)]):
        write_shop(shop.storage, logs)
        ingest(shop)
        assert shop.spark.sql("SELECT count(*) FROM web_logs").collect() == [(shop.web_logs.count(),)]


def test_a_storage_that_cannot_be_written_is_refused_before_anything_is_read(shop: Shop) -> None:
    write_shop(shop.storage, [log(1)])
    shop.storage.path("tables").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        ingest(shop)


def test_a_record_that_was_corrected_leaves_the_quarantine(shop: Shop) -> None:
    write_shop(shop.storage, [log(1, timestamp="?"), log(2)])
    ingest(shop)
    write_shop(shop.storage, [log(1), log(2)])
    ingest(shop)
    assert (log_ids(shop), shop.tables.read("quarantine").count()) == ([1, 2], 0)


def test_a_period_without_logs_is_no_error(shop: Shop) -> None:
    write_shop(shop.storage, [log(1, day="2022-01-01")])
    assert counts(ingest(shop))["web_logs"] == [1, 0, 0, 0, 1]
    write_shop(shop.storage, "[]")
    assert counts(ingest(shop))["web_logs"] == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("product_data.csv", None, "No product_data.csv"),
        ("customer_data.csv", b"customer_id,first_name\n1,Ann\n", "has no column last_name, email, phone"),
        ("product_data.csv", b"product_id,product_name,category,price\n1,caf\xe9,Home,1\n", "byte 0xe9"),
        ("web_logs.json", b"log_id,timestamp\n", "is not JSON"),
        ("web_logs.json", b"{oops}\n{oops}\n", "Nothing in web_logs.json is a JSON object"),
    ],
)
def test_a_bad_file_leaves_all_tables_as_they_were(shop: Shop, name: str, content: bytes | None, words: str) -> None:
    write_shop(shop.storage, [log(1)])
    ingest(shop)
    path = shop.storage.path(name)
    path.unlink() if content is None else path.write_bytes(content)
    before = {table: shop.tables.read(table).collect() for table in ("customers", "products", "web_logs", "quarantine")}
    versions = sorted(path.name for path in shop.storage.path("tables").rglob("*.json"))
    with pytest.raises(RawFileError, match=words):
        ingest(shop)
    assert {table: shop.tables.read(table).collect() for table in before} == before
    assert sorted(path.name for path in shop.storage.path("tables").rglob("*.json")) == versions


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("accepted", "web_logs holds 1 records of the period, but 2 were written"),
        ("refused", "1 records were refused, but 0 kept for quarantine"),
        ("counted", "The records of web_logs do not add up"),
    ],
)
def test_sums_that_do_not_agree_are_an_error(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, lost: str, words: str
) -> None:
    write_shop(shop.storage, [log(1), log(2), log(3, action="?", quantity=0)])
    real = ingest_module.judge_logs

    def lose_one(*args: Any) -> ingest_module.Judged:
        judged = real(*args)
        if lost == "accepted":
            return replace(judged, accepted=judged.accepted.where("log_id = 1"))
        if lost == "refused":
            return replace(judged, refused=judged.refused.limit(0))
        judged.counts.read += 1
        return judged

    monkeypatch.setattr(ingest_module, "judge_logs", lose_one)
    with pytest.raises(TableError, match=words):
        ingest(shop)


def test_a_quarantine_that_lost_a_row_is_an_error(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shop(shop.storage, [log(1), log(2, action="?", quantity=0)])
    real = Tables.replace_period

    def lose_all(self: Tables, name: str, frame: DataFrame, *args: Any) -> None:
        real(self, name, frame.limit(0) if name == "quarantine" else frame, *args)

    monkeypatch.setattr(Tables, "replace_period", lose_all)
    with pytest.raises(TableError, match="quarantine holds 0 records of the period, but 1 were written"):
        ingest(shop)


@pytest.mark.parametrize("later", ['{"log_id": 3, "times', None], ids=["grown", "gone"])
def test_a_raw_file_that_changes_while_it_is_read_is_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, later: str | None
) -> None:
    before = "".join(json.dumps(log(n)) + "\n" for n in (1, 2))
    write_shop(shop.storage, before)
    path, real = shop.storage.path("web_logs.json"), rules.apply_log_rules

    def change(*args: Any, **options: Any) -> Any:
        path.unlink() if later is None else path.write_text(before + later)
        return real(*args, **options)

    monkeypatch.setattr(rules, "apply_log_rules", change)
    with pytest.raises(RawFileError, match=r"web_logs\.json"):
        ingest(shop)


values = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.sampled_from(
    ["", "1", " CUST2 ", "PROD1", "view", "purchase", "2023-08-01 10:00:00", "2023-07-01T10:00:00Z", "x}", "\0", "é"]
)  # fmt: skip
likely = st.fixed_dictionaries({}, optional=dict.fromkeys((*log(1), "extra"), values))
any_log = likely | st.builds(log, st.integers(1, 3), st.sampled_from(["2023-08-01", "2023-07-01", "?"]))
any_line = any_log.map(json.dumps) | st.text(max_size=8) | st.sampled_from(["{", "[]", "null", '{"log_id": 1', "}"])


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(any_line, max_size=8), separator=st.sampled_from(["\n", ",", ",\n"]), is_array=st.booleans())
def test_whatever_comes_in_is_accepted_or_counted(shop: Shop, lines: list[str], separator: str, is_array: bool) -> None:
    text = f"[{separator.join(lines)}]" if is_array else "\n".join(lines)
    write_shop(shop.storage, [])
    shop.storage.path("web_logs.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        ingested = ingest(shop)
    except TechcoError as error:
        assert isinstance(error, RawFileError)  # noqa: PT017 - either a clear refusal or sums that agree
        return
    read, accepted, duplicates, quarantined, outside = counts(ingested)["web_logs"]
    assert read == accepted + duplicates + quarantined + outside
    assert accepted == shop.web_logs.count() == len(set(log_ids(shop)))
    assert quarantined == shop.tables.read("quarantine").count()
    if not is_array and not text.lstrip(" \t\r\n\ufeff").startswith("["):
        assert read == sum(1 for line in text.split("\n") if line.strip(" \t\r\n\ufeff"))
    assert sum(Counter(reasons(ingested.reasons)).values()) == quarantined


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60), name=st.sampled_from(["web_logs.json", "customer_data.csv", "product_data.csv"]))
def test_whatever_bytes_come_in_are_counted_or_refused_in_words(shop: Shop, content: bytes, name: str) -> None:
    write_shop(shop.storage, [log(1)])
    header = {"customer_data.csv": CUSTOMERS, "product_data.csv": PRODUCTS, "web_logs.json": "{}\n"}[name]
    shop.storage.path(name).write_bytes(header.encode() + content)
    try:
        ingested = ingest(shop)
    except RawFileError as error:
        assert name in str(error)  # noqa: PT017
        return
    for read, *parts in counts(ingested).values():
        assert read == sum(parts)
