"""The sample shop: reproducible files in which a naive reader of the contract finds the expected figures."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from techco.cli.expected_table import describe
from techco.contract import CustomerReason, LogReason, ProductReason
from techco.errors import ParameterError, StorageError
from techco.sample.generate import Expected, Form, SampleSpec, generate

FORMS = get_args(Form)
CLEAN = SampleSpec(customers=40, products=12, logs=300, start_date=date(2023, 8, 1), end_date=date(2023, 8, 6))
MESSY = replace(CLEAN, messy=True)
BROKEN = object()


# A reader of the raw files that takes the contract word by word and shares nothing with the generator but the reasons.


def read_logs(shop: Path) -> list[Any]:
    """All records; `BROKEN` stands for text that is not JSON."""
    single = shop / "web_logs.json"
    paths = [single] if single.exists() else sorted(p for p in (shop / "web_logs").rglob("*") if p.is_file())
    return [record for path in paths for record in parse(read_text(path))]


def read_text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")


def parse(text: str) -> Iterator[Any]:
    if text.startswith("["):
        yield from parse_array(text)
        return
    for line in text.rstrip("\r\n").split("\n"):
        try:
            yield json.loads(line)
        except ValueError:
            yield BROKEN


def parse_array(text: str) -> Iterator[Any]:
    """The elements of an array; after a broken one goes on at the next brace after comma, bracket or line break."""
    at, decoder, separator = 1, json.JSONDecoder(), re.compile(r"\s*([,\]])\s*")
    at = len(text) - len(text[1:].lstrip())
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            value, end = BROKEN, at
        after = separator.match(text, end)
        if value is not BROKEN and after:
            yield value
            at = after.end()
        else:
            yield BROKEN
            following = re.compile(r"[,\[\n]\s*(\{)").search(text, at + 1)
            assert following, "the last element is never broken"
            at = following.start(1)


def key(value: Any, prefix: str) -> int | None:
    found = re.fullmatch(rf"\s*(?:{prefix})?(\d+)\s*", str(value), re.IGNORECASE)
    return int(found[1]) if found else None


def whole(value: Any) -> int | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return int(number) if number == int(number) else None


def moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:Z|[+-]\d\d:\d\d)?", value)
    try:
        return datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def fault(record: dict[str, Any]) -> LogReason | None:
    action = str(record.get("action") or "").strip().lower()
    customer, product, quantity = (record.get(name) for name in ("customer_id", "product_id", "quantity"))
    checks = {
        LogReason.LOG_ID: whole(record.get("log_id")) is None,
        LogReason.TIMESTAMP: moment(record.get("timestamp")) is None,
        LogReason.ACTION: not action,
        LogReason.CUSTOMER_ID: customer is not None and key(customer, "CUST") is None,
        LogReason.PRODUCT_ID: product is not None and key(product, "PROD") is None,
        LogReason.PURCHASE: action == "purchase" and (product is None or quantity is None),
        LogReason.ADD_TO_CART: action == "add_to_cart" and product is None,
        LogReason.QUANTITY: quantity is not None and (whole(quantity) or 0) < 1,
    }
    return next((reason for reason, failed in checks.items() if failed), None)


def normal(record: dict[str, Any]) -> tuple[Any, ...]:
    customer, product, quantity = (record.get(name) for name in ("customer_id", "product_id", "quantity"))
    return (
        whole(record["log_id"]),
        moment(record["timestamp"]),
        None if customer is None else key(customer, "CUST"),
        None if product is None else key(product, "PROD"),
        record["action"].strip().lower(),
        None if quantity is None else whole(quantity),
    )


def keep_first(rows: list[tuple[Any, ...]], counts: Counter[str], conflict: str) -> list[tuple[Any, ...]]:
    """Collapse identical rows; of those with one key keep the one that sorts first, nulls first."""
    by_key = defaultdict(set)
    for row in rows:
        by_key[row[0]].add(row)
    counts["duplicates"] += len(rows) - sum(len(same) for same in by_key.values())
    counts[conflict] += sum(len(same) - 1 for same in by_key.values())
    counts["accepted"] += len(by_key)
    return [min(same, key=lambda row: [(value is not None, value) for value in row]) for same in by_key.values()]


def recount_logs(shop: Path, spec: SampleSpec) -> tuple[Counter[str], list[tuple[Any, ...]]]:
    counts: Counter[str] = Counter()
    valid = []
    for record in read_logs(shop):
        counts["read"] += 1
        if not isinstance(record, dict):
            counts[LogReason.NOT_JSON] += 1
            continue
        time = moment(record.get("timestamp"))
        if time and time.date() not in spec.period:
            counts["outside_period"] += 1
        elif reason := fault(record):
            counts[reason] += 1
        else:
            valid.append(normal(record))
    return counts, keep_first(valid, counts, LogReason.CONFLICT)


def recount_rows(path: Path, prefix: str, columns: list[str]) -> tuple[Counter[str], list[tuple[Any, ...]]]:
    """`columns` follow the key; a column `price` is money."""
    reasons = CustomerReason if prefix == "CUST" else ProductReason
    id_name = "customer_id" if prefix == "CUST" else "product_id"
    counts: Counter[str] = Counter()
    valid = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    for fields in rows:
        counts["read"] += 1
        cells = dict(zip(header, fields, strict=False))
        if len(fields) != len(header):
            counts[reasons.FIELDS] += 1
        elif key(cells[id_name], prefix) is None:
            counts[reasons(f"{id_name} missing or has no number")] += 1
        else:
            values = [cells[name].strip() or None for name in columns]
            if "price" in columns:
                if not re.fullmatch(r"\d+(\.\d+)?", values[-1] or ""):
                    counts[ProductReason.PRICE] += 1
                    continue
                values[-1] = Decimal(values[-1]).quantize(Decimal("0.01"), ROUND_HALF_UP)
            valid.append((key(cells[id_name], prefix), *values))
    return counts, keep_first(valid, counts, reasons.CONFLICT)


def split(counts: Counter[str], names: list[str], reasons: Any) -> tuple[dict[str, int], dict[str, int]]:
    """The counts as records and as quarantine."""
    quarantine = {str(reason): counts[reason] for reason in reasons if counts[reason]}
    return {name: counts[name] for name in names} | {"quarantined": sum(quarantine.values())}, quarantine


def highest(sums: dict[Any, Decimal]) -> list[tuple[Any, str]]:
    return [(name, f"{sums[name]:.2f}") for name in sorted(sums, key=lambda name: (-sums[name], name or 0))][:1000]


def assert_figures(shop: Path, spec: SampleSpec, expected: Expected) -> None:
    log_counts, logs = recount_logs(shop, spec)
    customer_counts, customers = recount_rows(
        shop / "customer_data.csv", "CUST", ["first_name", "last_name", "email", "phone"]
    )
    product_counts, products = recount_rows(shop / "product_data.csv", "PROD", ["product_name", "category", "price"])
    names = ["read", "accepted", "duplicates"]
    records, quarantine = split(log_counts, [*names, "outside_period"], LogReason)
    assert (expected.records, expected.quarantine) == (records, quarantine)
    for source, counts, reasons in (
        ("customers", customer_counts, CustomerReason),
        ("products", product_counts, ProductReason),
    ):
        assert (expected.sources[source], expected.source_quarantine[source]) == split(counts, names, reasons)
    assert_answers(logs, {row[0] for row in customers}, {row[0]: row for row in products}, expected)


def assert_answers(logs: list[Any], customers: set[int], products: dict[int, Any], expected: Expected) -> None:
    by_day: dict[str, Decimal] = defaultdict(Decimal)
    by_category: dict[Any, Decimal] = defaultdict(Decimal)
    by_product: dict[int, Decimal] = defaultdict(Decimal)
    by_customer: dict[Any, Decimal] = defaultdict(Decimal)
    bought: Counter[tuple[str, Any]] = Counter()
    visitors = defaultdict(set)
    for _, time, customer, product, action, quantity in logs:
        visitors["all"].add(customer)
        visitors[action].add(customer)
        by_day[time.date().isoformat()] += 0
        if action == "purchase" and product in products:
            sales = products[product][3] * quantity
            by_day[time.date().isoformat()] += sales
            by_category[products[product][2]] += sales
            by_product[product] += sales
            by_customer[customer] += sales
            bought["product", product] += quantity
            bought["customer", customer] += quantity
            bought["purchases", customer] += 1
    assert expected.total_sales == f"{sum(by_day.values()):.2f}"
    assert [tuple(row.values()) for row in expected.sales_by_day] == [
        (d, f"{s:.2f}") for d, s in sorted(by_day.items())
    ]
    assert {row["category"]: row["sales"] for row in expected.sales_by_category} == {
        category: f"{sales:.2f}" for category, sales in by_category.items()
    }
    assert [tuple(row.values()) for row in expected.sales_by_product] == [
        (number, products[number][1], products[number][2], bought["product", number], sales)
        for number, sales in highest(by_product)
    ]
    assert [tuple(row.values()) for row in expected.spend_by_customer] == [
        (number, bought["purchases", number], bought["customer", number], sales)
        for number, sales in highest(by_customer)
    ]
    actions = Counter(log[4] for log in logs)
    assert {row["action"]: row["count"] for row in expected.action_frequency} == actions
    unique = {action: len(numbers - {None}) for action, numbers in visitors.items()}
    assert {row["action"]: row["unique_customers"] for row in expected.unique_customers_by_action} == unique
    assert expected.unique_customers == unique["all"]
    unknown = [log for log in logs if log[3] is not None and log[3] not in products]
    assert expected.unknown_product_logs == len(unknown)
    assert expected.unknown_product_purchases == sum(log[4] == "purchase" for log in unknown)
    assert expected.unknown_customer_logs == sum(log[2] is not None and log[2] not in customers for log in logs)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spec", [CLEAN, MESSY], ids=["clean", "messy"])
def test_naive_reader_finds_the_expected_figures(tmp_path: Path, spec: SampleSpec, form: Form) -> None:
    spec = replace(spec, form=form)
    assert_figures(tmp_path, spec, generate(tmp_path, spec))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"logs": 50, "products": 1, "customers": 1},
        {"logs": 21_000, "products": 1200, "customers": 3000},
        {"start_date": date(2024, 2, 29), "end_date": date(2024, 2, 29), "form": "folder"},
        {"start_date": date(1900, 1, 1), "end_date": date(1905, 12, 31), "form": "folder", "logs": 100},
    ],
    ids=["tiny", "several pieces", "one day", "more days than logs"],
)
def test_messy_figures_hold_at_any_size_and_period(tmp_path: Path, changes: dict[str, Any]) -> None:
    spec = replace(MESSY, **changes)
    assert_figures(tmp_path, spec, generate(tmp_path, spec))


@pytest.mark.parametrize("form", ["array", "folder"])
def test_same_spec_gives_the_same_bytes_in_another_process(tmp_path: Path, form: Form) -> None:
    spec = replace(MESSY, form=form)
    generate(tmp_path / "here", spec)
    code = f"""if True:
        import datetime
        from pathlib import Path
        from techco.sample.generate import SampleSpec, generate
        generate(Path({str(tmp_path / "there")!r}), {spec!r})"""
    surroundings = {"PYTHONHASHSEED": "11", "TZ": "Asia/Tokyo", "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | surroundings)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_another_seed_gives_another_shop(tmp_path: Path) -> None:
    first = generate(tmp_path / "a", CLEAN)
    second = generate(tmp_path / "b", replace(CLEAN, seed=8))
    assert first.total_sales != second.total_sales


@pytest.mark.parametrize("spec", [CLEAN, MESSY], ids=["clean", "messy"])
def test_form_changes_neither_records_nor_figures(tmp_path: Path, spec: SampleSpec) -> None:
    def known(form: Form) -> tuple[Expected, list[str]]:
        expected = generate(tmp_path / form, replace(spec, form=form))
        records = [BROKEN if not isinstance(r, dict) else r for r in read_logs(tmp_path / form)]
        return expected, sorted("broken" if r is BROKEN else json.dumps(r) for r in records)

    first, *others = [known(form) for form in FORMS]
    assert len(first[1]) == first[0].records["read"]
    for other in others:
        assert other == first


@pytest.mark.parametrize(("form", "indent"), [("array", 2), ("compact", None)])
def test_arrays_look_as_the_standard_library_writes_them(tmp_path: Path, form: Form, indent: int | None) -> None:
    generate(tmp_path, replace(CLEAN, form=form))
    text = (tmp_path / "web_logs.json").read_text()
    records = json.loads(text)
    assert json.dumps(records, indent=indent) == text
    assert [record["log_id"] for record in records] == list(range(1, CLEAN.logs + 1))


def test_clean_tables_have_the_columns_and_keys_of_the_shop(tmp_path: Path) -> None:
    generate(tmp_path, CLEAN)
    customers = (tmp_path / "customer_data.csv").read_text().splitlines()
    products = (tmp_path / "product_data.csv").read_text().splitlines()
    assert customers[0] == "customer_id,first_name,last_name,email,phone"
    assert re.fullmatch(r"CUST40,\w+,\w+,[a-z]+\.[a-z]+40@example\.(com|org),\+1-\d{3}-555-01\d\d", customers[40])
    assert products[0] == "product_id,product_name,category,price"
    assert re.fullmatch(r"12,Product 12,(Electronics|Clothing|Books|Home|Sports),\d{2,3}\.\d\d", products[12])


def test_folder_mixes_lines_array_and_gzip(tmp_path: Path) -> None:
    generate(tmp_path, replace(CLEAN, form="folder"))
    files = {path.relative_to(tmp_path / "web_logs") for path in (tmp_path / "web_logs").rglob("*.json*")}
    assert Path("date=2023-08-01/part-0000.json") in files
    assert Path("date=2023-08-03/part-0000.json.gz") in files
    assert sum(read_text(tmp_path / "web_logs" / path).startswith("[") for path in files) == 1


def test_date_folders_hold_only_records_of_their_day(tmp_path: Path) -> None:
    generate(tmp_path, replace(MESSY, form="folder"))
    for path in (tmp_path / "web_logs").rglob("date=*/part*"):
        days = {record["timestamp"][:10] for record in parse(read_text(path))}
        assert days == {path.parent.name.removeprefix("date=")}


def test_messy_shop_has_every_reason(tmp_path: Path) -> None:
    expected = generate(tmp_path, MESSY)
    assert list(expected.quarantine) == list(LogReason)
    assert list(expected.source_quarantine["customers"]) == list(CustomerReason)
    assert list(expected.source_quarantine["products"]) == list(ProductReason)
    assert min(expected.quarantine.values()) >= 2
    assert min(expected.records["duplicates"], expected.records["outside_period"], expected.unknown_customer_logs) >= 2


def test_messy_files_have_bom_and_carriage_returns_and_hostile_text(tmp_path: Path) -> None:
    generate(tmp_path, MESSY)
    for name in ("customer_data.csv", "product_data.csv", "web_logs.json"):
        data = (tmp_path / name).read_bytes()
        assert data.startswith(b"\xef\xbb\xbf")
        assert b"\r\n" in data
        assert b"<script>alert(1)</script>" in data
        assert b"=1+1" in data


def test_mess_leaves_the_well_formed_logs_as_they_are(tmp_path: Path) -> None:
    generate(tmp_path / "clean", CLEAN)
    generate(tmp_path / "messy", MESSY)
    messy = [json.dumps(record) for record in read_logs(tmp_path / "messy") if record is not BROKEN]
    assert {json.dumps(record) for record in read_logs(tmp_path / "clean")} <= set(messy)


def test_another_form_replaces_the_earlier_one(tmp_path: Path) -> None:
    for form, name in (("folder", "web_logs"), ("lines", "web_logs.json"), ("folder", "web_logs")):
        generate(tmp_path, replace(CLEAN, form=form))
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {"customer_data.csv", "product_data.csv", name, "sample.json"}


def test_smaller_folder_leaves_no_day_of_the_larger_one(tmp_path: Path) -> None:
    generate(tmp_path, replace(CLEAN, form="folder"))
    generate(tmp_path, replace(CLEAN, form="folder", end_date=CLEAN.start_date))
    assert [path.name for path in (tmp_path / "web_logs").iterdir()] == ["date=2023-08-01"]


@pytest.mark.parametrize("name", ["notes.txt", "customer_data.csv", "tables"])
def test_foreign_folder_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ParameterError, match=f"not those of a sample shop: {name}"):
        generate(tmp_path, CLEAN)
    assert contents(tmp_path) == {name: b"mine"}


def test_foreign_file_beside_a_sample_is_refused(tmp_path: Path) -> None:
    generate(tmp_path, CLEAN)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ParameterError, match=r"notes\.txt"):
        generate(tmp_path, CLEAN)


def test_tables_made_from_a_sample_stay_when_it_is_made_again(tmp_path: Path) -> None:
    generate(tmp_path, CLEAN)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "part").write_text("rows")
    generate(tmp_path, MESSY)
    assert (tmp_path / "tables" / "part").read_text() == "rows"


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("")
    with pytest.raises(ParameterError, match="is a file"):
        generate(tmp_path / "shop", CLEAN)
    with pytest.raises(StorageError, match="could not be written"):
        generate(tmp_path / "shop" / "below", CLEAN)


def test_interrupted_generation_leaves_the_earlier_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(tmp_path, CLEAN)
    before = contents(tmp_path)

    def stop_at_once(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("techco.sample.traffic.well_formed_logs", stop_at_once)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, MESSY)
    assert contents(tmp_path) == before


def test_remains_of_a_killed_generation_are_cleared(tmp_path: Path) -> None:
    (tmp_path / ".sample-in-progress").mkdir()
    (tmp_path / ".sample-in-progress" / "web_logs.json").write_text("[{")
    generate(tmp_path, CLEAN)
    assert not (tmp_path / ".sample-in-progress").exists()


@pytest.mark.slow
@pytest.mark.parametrize("messy", [False, True], ids=["clean", "messy"])
def test_memory_does_not_grow_with_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messy: bool) -> None:
    monkeypatch.setattr("techco.sample.randomness.CHUNK", 1000)

    def peak(logs: int) -> int:
        tracemalloc.reset_peak()
        generate(tmp_path, replace(CLEAN, messy=messy, logs=logs))
        return tracemalloc.get_traced_memory()[1]

    # The first one imports what it needs.
    generate(tmp_path, CLEAN)
    tracemalloc.start()
    try:
        few, many = peak(3000), peak(12_000)
    finally:
        tracemalloc.stop()
    assert many < few + 1_000_000  # bytes; the text alone grows by nearly twice as much


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"logs": 0}, "logs is 0.*at least 1"),
        ({"seed": -1}, "seed is -1.*at least 0"),
        ({"form": "xml"}, "form is 'xml'. Allowed: array, compact, lines, folder"),
        ({"end_date": date(2023, 7, 1)}, "ends before it starts"),
        ({"start_date": date(1, 1, 1)}, "1900-01-01"),
        ({"messy": True, "logs": 20}, "messy shop needs at least 50"),
    ],
)
def test_wrong_spec_is_refused_in_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        replace(CLEAN, **changes)


def test_marker_holds_the_expected_figures(tmp_path: Path) -> None:
    expected = generate(tmp_path, CLEAN)
    facts = json.loads((tmp_path / "sample.json").read_text(encoding="utf-8"))
    assert facts["expected"] == json.loads(expected.to_json())
    assert facts["spec"]["start_date"] == "2023-08-01"


def test_description_shows_figures_and_raw_text_as_it_is(tmp_path: Path) -> None:
    expected = generate(tmp_path, MESSY)
    console = Console(width=120, record=True, file=(tmp_path / "out").open("w"))
    with console.file:
        console.print(describe(expected))
    text = console.export_text()
    assert f"{Decimal(expected.total_sales):,.2f}" in text
    assert LogReason.CONFLICT in text
    assert "[bold]gift card[/bold]" in text


def test_import_needs_neither_numpy_nor_faker() -> None:
    code = "import sys, techco.sample.generate; assert not {'numpy', 'faker', 'rich'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
