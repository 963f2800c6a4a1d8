"""A storage account that breaks off, throttles or is away: steps finish right, or fail in plain words."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake.exceptions import DeltaError
from pyspark.errors import PySparkException

from techco import analysis, open_shop
from techco.engines.dialects import dialect
from techco.errors import StepFailed, StorageAway, StorageError, TechcoError
from techco.ingest import ingest
from techco.join import join
from techco.period import Period
from techco.raw.files import raw_file
from techco.records.find import find_run
from techco.runs.publish import publish_run
from techco.runs.run import RunRequest, run
from techco.storage.access import Access
from techco.storage.azure import retry
from techco.storage.open import open_storage
from techco.tables.stored_files import list_data_files
from techco.tables.vacuum import vacuum
from tests.support.azurite import Azurite
from tests.support.faulty_proxy import BROKEN, BUSY, CUT, LOST, THROTTLED, TRUNCATED, Fault, FaultyProxy, Rule, before
from tests.support.shops import CUSTOMERS, PRODUCTS, log
from tests.support.storages import named_files
from tests.support.tiny_notebooks import write_templates

AUGUST = "2023-08"
_ATTEMPTS = 20  # of some hundred requests six in a hundred fail, and engines give up sooner than a run does
DAYS = ("2023-08-01", "2023-08-02", "2023-08-03")
SLOW = Fault("slow", 0.5)
SILENT = Fault("delay", 3600)
PATIENT = Fault("status", status=503, retry_after_s=1)
FAULTS = {CUT: "cut", LOST: "lost", TRUNCATED: "truncated", BROKEN: "500", BUSY: "503", THROTTLED: "429"}
ONCE = (CUT, LOST, TRUNCATED, BROKEN, BUSY, PATIENT, THROTTLED, SLOW)
DRAWN = (
    (CUT, ""),
    (LOST, "^(?!PUT .*_delta_log)"),
    (TRUNCATED, "GET"),
    (BROKEN, ""),
    (BUSY, ""),
    (THROTTLED, ""),
    (SLOW, "GET"),
)
FAULTS |= {PATIENT: "503, retry after", SLOW: "slow", SILENT: "silent"}


def some(few: Sequence[Fault], of: Sequence[Fault]) -> list[Any]:
    """A few faults for every day, and the others for a soak."""
    return [
        *(pytest.param(fault, id=FAULTS[fault]) for fault in few),
        *(pytest.param(fault, id=FAULTS[fault], marks=pytest.mark.soak) for fault in of if fault not in few),
    ]


# Everything that a step asks for.
COMMIT, DATA = r"PUT .*/_delta_log/\d+\.json", r"PUT .*\.parquet"
ASKED = (
    r"GET .*/web_logs\.json", r"GET .*/customer_data\.csv", r"HEAD .*/product_data\.csv", r"comp=list.*_delta_log",
    r"comp=list.*delimiter", r"comp=list.*include=metadata", r"GET .*\.parquet", r"GET .*/_delta_log/\d+\.json",
    r"GET .*/_last_checkpoint", r"PUT .*/_receipts/", r"PUT .*/\.probe", r"DELETE .*/\.probe", DATA,
)  # fmt: skip


@pytest.fixture(scope="module")
def proxy(storage_account: Azurite) -> Iterator[FaultyProxy]:
    with before(storage_account.endpoint) as running:
        yield running


@pytest.fixture(autouse=True)
def _variables(proxy: FaultyProxy, storage_account: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment in which the account is reached by way of the proxy, which breaks nothing yet."""
    credential = storage_account.connection_string.partition("BlobEndpoint=")[0]
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"{credential}BlobEndpoint={proxy.endpoint}")
    proxy.set()


def shop_of(account: Azurite, logs: Sequence[object], where: str = "") -> str:
    """A shop in a folder of its own; its URL."""
    prefix = where or uuid.uuid4().hex
    client = account.container("faulty")
    for name, text in (("customer_data.csv", CUSTOMERS), ("product_data.csv", PRODUCTS)):
        client.upload_blob(f"{prefix}/{name}", text, overwrite=True)
    client.upload_blob(f"{prefix}/web_logs.json", json.dumps(logs), overwrite=True)
    return account.url("faulty", prefix)


def logs_of(first: int) -> list[dict[str, Any]]:
    """Four purchases of each day with ids from `first`, one of them twice, a broken one and one of another month."""
    good = [log(first + n, day, "purchase") for n, day in enumerate(DAYS * 4)]
    return [*good, good[0], log(first + 100, DAYS[1], "purchase", product_id="x"), log(first + 101, "2023-09-01")]


def ids(url: str, table: str) -> dict[str, list[int]]:
    """What a table holds: the ids of each day."""
    rows = open_shop(url, AUGUST).table(table).select("event_date", "log_id").collect()
    return {day: sorted(row.log_id for row in rows if str(row.event_date) == day) for day in DAYS}


@pytest.fixture(scope="module")
def kept(storage_account: Azurite, proxy: FaultyProxy) -> str:
    """A shop of whose period all days have been ingested and joined."""
    url = shop_of(storage_account, logs_of(0), "kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)
        shop = open_shop(url, AUGUST)
        ingest(shop)
        join(shop)
    return url


@pytest.mark.parametrize("fault", some([CUT, LOST, TRUNCATED], of=ONCE))
def test_each_kind_of_request_may_go_wrong_once(
    kept: str, storage_account: Azurite, proxy: FaultyProxy, fault: Fault
) -> None:
    first = 1000 * (1 + ONCE.index(fault))
    untouched = ids(kept, "full_data")
    shop_of(storage_account, logs_of(first), "kept")
    shop = open_shop(kept, DAYS[1], refresh=True)
    asked = [*ASKED, *([] if fault == LOST else [COMMIT])]
    if fault == TRUNCATED:  # of a table's log and of lists, engines take that for a failure: the step is repeated
        asked = [
            request for request in ASKED if request.endswith((r"\.json", r"\.csv", r"\.parquet")) and "GET" in request
        ]
        asked.remove(r"GET .*/_delta_log/\d+\.json")
    proxy.set(*(Rule(fault, request, times=1) for request in asked))
    records, joined = ingest(shop).records.values, join(shop).values
    befallen = proxy.broken()
    proxy.set()
    for request in asked:
        assert any(re.search(request, one) for one, _ in befallen), request
    parts = {"read": 15, "accepted": 4, "duplicates": 0, "quarantined": 1, "outside_period": 10}
    assert records == parts
    assert (joined["logs"], joined["total_sales"]) == (4, "40.40")
    new = {**untouched, DAYS[1]: [first + n for n in (1, 4, 7, 10)]}
    assert (ids(kept, "web_logs"), ids(kept, "full_data")) == (new, new)


def test_a_file_that_is_cut_short_again_and_again_is_read_whole(storage_account: Azurite, proxy: FaultyProxy) -> None:
    logs = [log(number, DAYS[number % 3], note="x" * 900) for number in range(12_000)]  # 14 MB, several requests
    url = shop_of(storage_account, logs)
    client, prefix = storage_account.container("faulty"), url.rpartition("/")[2]
    lines = "\n".join(json.dumps(one) for one in logs[:6000])
    shop = open_shop(url, AUGUST)
    proxy.set(Rule(TRUNCATED, r"GET /faulty/\w+/web_logs", share=0.4, times=6))
    assert ingest(shop).records.values["accepted"] == 12_000
    assert len(proxy.broken()) > 2
    client.delete_blob(f"{prefix}/web_logs.json")
    client.upload_blob(f"{prefix}/web_logs/a.json", lines)
    client.upload_blob(f"{prefix}/web_logs/b.json.gz", gzip.compress(lines.encode()))
    proxy.set(Rule(TRUNCATED, r"GET /faulty/\w+/web_logs", share=0.4, times=6))
    values = ingest(shop).records.values
    assert (values["read"], values["accepted"], values["duplicates"]) == (12_000, 6000, 6000)
    assert len(proxy.broken()) > 2


@pytest.mark.parametrize("fault", some([THROTTLED], of=[CUT, BUSY]))
def test_an_account_that_is_away_is_asked_again_for_a_while(
    storage_account: Azurite, proxy: FaultyProxy, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(shop_of(storage_account, logs_of(0)))
    file = raw_file(storage, "web_logs.json")
    monkeypatch.setattr(retry, "PATIENCE_S", 6)
    proxy.set(Rule(fault, times=3))
    with storage.open(file) as stream:
        assert len(stream.read()) == file.size
    proxy.set(Rule(fault))
    started = time.monotonic()
    with pytest.raises(StorageAway, match=r"breaks connections off|too busy or out of order"):
        storage.find("web_logs.json")
    with pytest.raises(StorageAway, match=r"breaks connections off|too busy or out of order"):
        storage.open(file).read()
    assert time.monotonic() - started < 2 * 6 + 5


def test_silence_in_the_middle_of_a_file_ends(storage_account: Azurite, proxy: FaultyProxy) -> None:
    storage = open_storage(shop_of(storage_account, logs_of(0)))
    proxy.set(Rule(Fault("slow", 2), "web_logs"), Rule(Fault("delay", 1)))
    file = raw_file(storage, "web_logs.json")
    assert len(storage.open(file).read()) == file.size


def test_what_the_engine_says_of_an_account_that_is_away_is_put_in_plain_words(kept: str, proxy: FaultyProxy) -> None:
    shop = open_shop(kept, AUGUST)
    endpoint = proxy.endpoint
    for fault, said in (
        (CUT, f"{endpoint} did not answer the engine, or broke connections off. Check the network, and what stands in"),
        (BUSY, "The storage account techcotest is too busy or out of order (503 Service Unavailable). Try again later"),
    ):
        proxy.set(Rule(fault))
        for tried in (
            lambda: shop.spark.read.text(dialect(shop.spark).path_to_read(shop.storage, "web_logs.json")).count(),
            lambda: shop.spark.range(3).write.parquet(f"{shop.storage.engine_root}/tables/_x"),
            lambda: list_data_files(shop.storage, "web_logs"),
        ):
            with pytest.raises((PySparkException, OSError)) as caught:
                tried()
            assert shop.storage.explain_failure(str(caught.value)).startswith(said)
    proxy.set()
    with pytest.raises(PySparkException) as other:
        shop.spark.sql("SELECT nothing").collect()
    assert shop.storage.explain_failure(str(other.value)) == ""


def command(url: str, out: Path, *words: str) -> list[str]:
    options = ["--storage", url, "--period", AUGUST, "--out", str(out), "--json", "--no-progress", *words]
    return [sys.executable, "-m", "techco", "run", *options]


@pytest.mark.parametrize(
    ("away_s", "fault"),
    [
        pytest.param(0, TRUNCATED, id="a list cut short", marks=pytest.mark.soak),
        pytest.param(6, CUT, id="6 s"),
        pytest.param(20, CUT, id="20 s", marks=pytest.mark.soak),
        pytest.param(20, BUSY, id="20 s busy", marks=pytest.mark.soak),
        pytest.param(40, CUT, id="40 s", marks=pytest.mark.soak),
    ],
)
def test_a_run_outlasts_an_account_that_is_away_for_a_while(
    storage_account: Azurite, proxy: FaultyProxy, tmp_path: Path, away_s: float, fault: Fault
) -> None:
    url = shop_of(storage_account, logs_of(0))
    with subprocess.Popen(command(url, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not proxy.asked(DATA) and process.poll() is None:
            time.sleep(0.01)
        proxy.set(Rule(fault) if away_s else Rule(fault, "comp=list.*_delta_log", times=1))
        if away_s:
            time.sleep(away_s)
            proxy.set()
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    record = json.loads(stdout)
    parts = {"read": 15, "accepted": 12, "duplicates": 1, "quarantined": 1, "outside_period": 1}
    assert (record["status"], record["metrics"]["records"]) == ("completed with warnings", parts)
    assert record["metrics"]["total_sales"] == "121.20"
    assert ids(url, "full_data") == {day: [n, n + 3, n + 6, n + 9] for n, day in enumerate(DAYS)}


@pytest.mark.soak
@pytest.mark.parametrize("fault", [CUT, BUSY, SILENT], ids=FAULTS.get)
def test_a_run_on_an_account_that_is_away_for_good_fails_in_plain_words(
    storage_account: Azurite, proxy: FaultyProxy, tmp_path: Path, fault: Fault
) -> None:
    url = shop_of(storage_account, logs_of(0))
    with subprocess.Popen(command(url, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not proxy.asked(DATA) and process.poll() is None:
            time.sleep(0.01)
        proxy.set(Rule(fault))
        started = time.monotonic()
        stdout, stderr = process.communicate()
        took = time.monotonic() - started
    print(f"{fault}: gave up after {took:.0f} s: {stderr}")  # noqa: T201
    assert (process.returncode, json.loads(stdout)["status"]) == (1, "failed")
    assert took < 330
    assert re.match(r"Error: The step ingest failed: .*(did not answer|does not answer|broke|breaks|too busy)", stderr)
    assert "Traceback" not in stderr
    assert "PLANTED" not in stdout + stderr


def steps(url: str) -> dict[str, Any]:
    """Ingest, join and sum up a shop, again as often as its account is said to have been away."""
    for _ in range(_ATTEMPTS):
        storage = open_storage(url)
        try:
            shop = open_shop(url, AUGUST, refresh=True)
            records, joined = ingest(shop).records.values, join(shop).values
            return {**records, **joined, "summed": str(analysis.summarize(shop).total_sales)}
        except (TechcoError, PySparkException, DeltaError, OSError) as error:
            kind = type(error).__name__ if isinstance(error, TechcoError) else "OSError"
            failure = StepFailed("", kind=kind, words=str(error))
            if not storage.recovered_from(failure) or "PLANTED" in str(error):
                raise
    raise AssertionError(f"The account was away {_ATTEMPTS} times.")


def figures(runs: int, share: float, account: Azurite, proxy: FaultyProxy) -> Counter[str]:
    """Steps with faults of every kind drawn at random must give exact figures, each time with new files."""
    befallen: Counter[str] = Counter()
    url = shop_of(account, logs_of(0))
    for number in range(runs):
        first = 1000 * number
        shop_of(account, logs_of(first), url.rpartition("/")[2])
        each = share / len(DRAWN)
        proxy.set(*(Rule(fault, request, share=each) for fault, request in DRAWN), seed=number)
        found = steps(url)
        befallen.update(kind for _, kind in proxy.broken())
        befallen["requests"] += len(proxy.asked())
        proxy.set()
        parts = {"read": 15, "accepted": 12, "duplicates": 1, "quarantined": 1, "outside_period": 1}
        assert {**found, **parts, "logs": 12, "total_sales": "121.20", "summed": "121.20"} == found, number
        expected = {day: [first + n + 3 * k for k in range(4)] for n, day in enumerate(DAYS)}
        assert (ids(url, "web_logs"), ids(url, "full_data")) == (expected, expected), number
    return befallen


@pytest.mark.soak
def test_faults_at_random_change_no_figure(storage_account: Azurite, proxy: FaultyProxy) -> None:
    befallen = figures(2, 0.04, storage_account, proxy)
    assert len(befallen) > 2


@pytest.mark.soak
def test_faults_at_random_change_no_figure_in_many_runs(storage_account: Azurite, proxy: FaultyProxy) -> None:
    runs = int(os.environ.get("SOAK_RUNS", "100"))
    print(f"{runs} runs: {figures(runs, 0.06, storage_account, proxy)}")  # noqa: T201


@pytest.fixture(scope="module")
def completed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run."""
    folder = tmp_path_factory.mktemp("completed")
    (folder / "shop").mkdir()
    templates = write_templates(folder / "templates")
    request = RunRequest(Period.parse(AUGUST), str(folder / "shop"), out=folder / "out", templates=templates)
    return folder / "out" / "runs" / run(request).run_id


@pytest.mark.parametrize("fault", some([LOST, TRUNCATED, THROTTLED], of=[CUT, BROKEN, BUSY, SLOW]))
def test_publishing_outlasts_faults(
    storage_account: Azurite, proxy: FaultyProxy, completed: Path, fault: Fault
) -> None:
    place = uuid.uuid4().hex
    client = storage_account.container("faulty")
    target = storage_account.url("faulty", place)
    reports = completed.parent.parent / "reports" / completed.name
    for again in range(2):  # the second one reads and replaces what the first has put there
        asked = (r"PUT .*\.html", r"PUT .*/run\.json", r"PUT .*/reports/index\.html", r"GET .*/run\.json", "comp=list")
        proxy.set(*(Rule(fault, request, times=1) for request in asked))
        publish_run(str(completed), Path(), target, Access())
        assert len(proxy.broken()) > 2 + again
    there = {name.partition("/reports/")[2] for name in client.list_blob_names(name_starts_with=f"{place}/")}
    pages = {f"{completed.name}/{path.name}" for path in reports.glob("*.html")}
    assert there == {"index.html", f"{completed.name}/run.json", *pages}
    for page in pages:
        put = client.download_blob(f"{place}/reports/{page}").readall()
        assert put == (reports.parent / page).read_bytes()
    assert find_run(str(completed), Path())[0].published


@pytest.mark.parametrize(
    "skip", [0, 4, *(pytest.param(skip, marks=pytest.mark.soak) for skip in (1, 2, 3, 5))], ids=lambda n: f"commit {n}"
)
def test_a_commit_whose_answer_is_lost_is_made_once(storage_account: Azurite, proxy: FaultyProxy, skip: int) -> None:
    url = shop_of(storage_account, logs_of(0))
    shop = open_shop(url, AUGUST)
    ingest(shop)
    join(shop)
    shop_of(storage_account, logs_of(1000), url.rpartition("/")[2])
    shop = open_shop(url, AUGUST, refresh=True)  # customers, products, web_logs, quarantine, full_data, product_sales
    proxy.set(Rule(LOST, COMMIT, times=1, skip=skip))
    records, joined = ingest(shop).records.values, join(shop).values
    assert len(proxy.broken()) == 1
    proxy.set()
    assert (records["accepted"], joined["logs"], joined["total_sales"]) == (12, 12, "121.20")
    expected = {day: [1000 + n + 3 * k for k in range(4)] for n, day in enumerate(DAYS)}
    assert (ids(url, "web_logs"), ids(url, "full_data")) == (expected, expected)


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        pytest.param(LOST, 1, id="lost"),
        pytest.param(Fault("delay", 35), 1, id="slow", marks=pytest.mark.soak),
        pytest.param(BROKEN, None, id="broken", marks=pytest.mark.soak),
    ],
)
def test_a_cleaning_outlasts_faults_or_says_how_far_it_came(
    storage_account: Azurite, proxy: FaultyProxy, fault: Fault, times: int | None
) -> None:
    url = shop_of(storage_account, logs_of(0))
    shop = open_shop(url, AUGUST)
    ingest(shop)
    ingest(open_shop(url, AUGUST, refresh=True))
    time.sleep(1.1)  # a container knows the times of its files to the second
    storage, before_it = open_storage(url), ids(url, "web_logs")
    proxy.set(Rule(fault, "^POST .*comp=batch", times=times))
    if times is None:
        with pytest.raises(StorageError, match=r"not cleaned to its end: .*What the table holds is as it was"):
            vacuum(storage, timedelta())
        proxy.set()
    vacuum(storage, timedelta())
    assert len(proxy.broken()) == (times or 0)
    proxy.set()
    files = {file.name for file in storage.files("tables") if file.name.endswith(".parquet")}
    assert files == named_files(storage)
    assert ids(url, "web_logs") == before_it
