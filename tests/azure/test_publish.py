"""Reports in a storage account: what arrives, and what the list there names."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.storage.blob import BlobClient, ContainerClient

from techco.errors import StorageError
from techco.records.find import find_run
from techco.records.record import RunRecord
from techco.runs import publish as publishing
from techco.runs.reporting import render_again
from techco.storage.azure import upload
from tests.support.azurite import ACCOUNT, Azurite
from tests.support.published import listed, published, stored

pytestmark = pytest.mark.usefixtures("credential")


def test_pages_and_tables_arrive_byte_for_byte(august: Path, client: ContainerClient, target: str) -> None:
    published(august, target)
    folder = august.parent.parent / "reports" / august.name
    local = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    assert set(local) == {
        "index.html", "ingest.html", "join.html", "analysis.html", "mine é 1.html", "data/sales_by_day.csv",
    }  # fmt: skip
    there = stored(client)
    assert set(there) == {"index.html", f"{august.name}/run.json", *(f"{august.name}/{name}" for name in local)}
    assert {name: there[f"{august.name}/{name}"] for name in local} == local
    assert all(name.startswith("team/reports/") for name in client.list_blob_names())


def test_browsers_are_told_what_files_are_and_to_keep_none(august: Path, client: ContainerClient, target: str) -> None:
    published(august, target)
    settings = {blob.name.rpartition(".")[2]: blob.content_settings for blob in client.list_blobs()}
    assert {suffix: (kept.content_type, kept.cache_control) for suffix, kept in settings.items()} == {
        "html": ("text/html; charset=utf-8", "no-cache"),
        "csv": ("text/csv; charset=utf-8", "no-cache"),
        "json": ("application/json", "no-cache"),
    }


def test_url_opens_the_report_where_the_container_is_public(
    august: Path, storage_account: Azurite, client: ContainerClient, target: str
) -> None:
    client.set_container_access_policy({}, public_access="blob")
    url = published(august, target)
    assert url == (f"{storage_account.endpoint}/{client.container_name}/team/reports/{august.name}/index.html")
    with urllib.request.urlopen(url) as answer:
        assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (
            "text/html; charset=utf-8",
            "no-cache",
        )
        assert "Sales were 12.50 €" in answer.read().decode()


def test_every_link_leads_to_something_published(
    august: Path, july: Path, client: ContainerClient, target: str
) -> None:
    published(august, target)
    published(july, target)
    there = stored(client)
    followed = 0
    for name, content in there.items():
        if name.endswith(".html"):
            for link in re.findall(r'href="([^"#:]+)"', content.decode()):
                assert unquote(urljoin(f"/{name}", link)).lstrip("/") in there, (name, link)
                followed += 1
    assert followed > 10


def test_published_record_has_relative_paths_only(
    august: Path, outs: dict[str, Path], client: ContainerClient, target: str
) -> None:
    url = published(august, target)
    text = stored(client)[f"{august.name}/run.json"].decode()
    record = RunRecord.from_json(text)
    assert (record.report, record.published) == ("index.html", url)
    assert [(step.notebook, step.report) for step in record.steps] == [
        (None, f"{step}.html") for step in ("ingest", "join", "analysis", "mine é 1")
    ]
    assert record.metrics["tables"] == {"sales_by_day": "data/sales_by_day.csv"}
    assert record.metrics["total_sales"] == "12.50"
    local = RunRecord.from_json((august / "run.json").read_text())
    assert (record.provenance, record.seconds) == (local.provenance, local.seconds)
    shown = json.dumps(record.provenance)  # the page has the command, too
    assert text.count(str(outs["august"])) == shown.count(str(outs["august"]))
    assert str(august.parent.parent) not in text


def test_record_at_home_remembers_the_url(august: Path, target: str) -> None:
    before = RunRecord.from_json((august / "run.json").read_text())
    url = published(august, target)
    assert find_run(str(august), Path())[0] == replace(before, published=url)


def test_publishing_again_replaces_the_run_and_nothing_else(
    august: Path, july: Path, client: ContainerClient, target: str
) -> None:
    published(july, target)
    published(august, target)
    client.upload_blob(f"team/reports/{august.name}/data/old.csv", b"x")
    client.upload_blob(f"team/reports/{august.name}/data/notes.txt", b"by hand")
    (august / "join.ipynb").unlink()
    render_again(str(august), Path())
    published(august, target)
    there = stored(client)
    folder = august.parent.parent / "reports" / august.name
    assert {name for name in there if name.startswith(august.name)} == {
        f"{august.name}/{name}"
        for name in (
            "index.html",
            "ingest.html",
            "analysis.html",
            "mine é 1.html",
            "run.json",
            "data/sales_by_day.csv",
            "data/notes.txt",
        )
    }
    assert there[f"{august.name}/index.html"] == (folder / "index.html").read_bytes()
    assert f"{july.name}/join.html" in there
    assert listed(client) == sorted([august.name, july.name], reverse=True)


def test_only_pages_and_tables_leave_the_machine(august: Path, client: ContainerClient, target: str) -> None:
    folder = august.parent.parent / "reports" / august.name
    for name in ("notes.txt", ".index.html.x", "data/all.xlsx", "run.json"):
        (folder / name).write_text("private")
    published(august, target)
    assert b"private" not in stored(client).values()


def test_list_names_the_runs_of_all_machines(august: Path, july: Path, client: ContainerClient, target: str) -> None:
    for name, content in (("unread", b"{"), ("wrong", b'{"run_id": 1}'), ("no-page", b"{}")):
        client.upload_blob(f"team/reports/2022-{name}/run.json", content)
        if name != "no-page":
            client.upload_blob(f"team/reports/2022-{name}/index.html", b"")
    odd = RunRecord("2022-odd", "s", "sail", "2022-01-01", "2022-01-31", metrics={"total_sales": "many"})
    client.upload_blob("team/reports/2022-odd/run.json", odd.to_json())
    client.upload_blob("team/reports/2022-odd/index.html", b"")
    client.upload_blob("team/reports/2022-no-record/index.html", b"")
    published(august, target)
    published(july, target)
    runs = sorted([august.name, july.name], reverse=True)
    assert listed(client) == [*runs, "2022-wrong", "2022-unread", "2022-odd"]
    page = stored(client)["index.html"].decode()
    assert "5 runs, 1 of them failed" in page
    assert page.count(">unreadable<") == 3
    assert "no-" not in page.partition("<table")[2]


def test_publishers_at_once_lose_no_run(
    august: Path, july: Path, client: ContainerClient, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_unless_changed, both_have_listed = upload.put_unless_changed, threading.Barrier(2)
    written: list[bool] = []

    def late(*arguments: Any) -> bool:
        if len(written) < 2:
            both_have_listed.wait(10)
        written.append(put_unless_changed(*arguments))
        return written[-1]

    monkeypatch.setattr(upload, "put_unless_changed", late)
    for _ in range(2):  # where there is no list yet, and where there is one
        written.clear()
        threads = [threading.Thread(target=published, args=[run_dir, target]) for run_dir in (august, july)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(written) == [False, True, True]
        assert set(listed(client)) == {august.name, july.name}


def test_run_that_is_published_after_the_others_were_read_is_listed(
    august: Path, july: Path, client: ContainerClient, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = publishing._published_records

    def read_and_wait(*arguments: Any) -> dict[str, RunRecord | None]:
        records = read(*arguments)
        monkeypatch.setattr(publishing, "_published_records", read)
        published(july, target)
        return records

    monkeypatch.setattr(publishing, "_published_records", read_and_wait)
    published(august, target)
    assert set(listed(client)) == {august.name, july.name}


def test_what_names_others_is_uploaded_after_them(august: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_blob, names = BlobClient.upload_blob, []

    def noting(blob: BlobClient, *arguments: Any, **options: Any) -> Any:
        names.append(str(blob.blob_name).removeprefix("team/reports/").removeprefix(f"{august.name}/"))
        return upload_blob(blob, *arguments, **options)

    monkeypatch.setattr(BlobClient, "upload_blob", noting)
    published(august, target)
    assert set(names[:-3]) == {"ingest.html", "join.html", "analysis.html", "mine é 1.html", "data/sales_by_day.csv"}
    assert names[-3:] == ["index.html", "run.json", "index.html"]


def test_list_that_is_deleted_meanwhile_is_made_again(
    august: Path, client: ContainerClient, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(august, target)
    put_unless_changed = upload.put_unless_changed
    written: list[bool] = []

    def after_deletion(*arguments: Any) -> bool:
        if not written:
            client.delete_blob("team/reports/index.html")
        written.append(put_unless_changed(*arguments))
        return written[-1]

    monkeypatch.setattr(upload, "put_unless_changed", after_deletion)
    published(august, target)
    assert (written, listed(client)) == ([False, True], [august.name])


def test_publisher_that_never_wins_gives_up(august: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "put_unless_changed", lambda *_: False)
    waited: list[float] = []
    monkeypatch.setattr(publishing.time, "sleep", waited.append)
    with pytest.raises(StorageError, match=r"Others kept replacing reports/index\.html in abfss:.* Publish again"):
        published(august, target)
    assert len(waited) == 14
    assert sum(waited) < 60


@pytest.mark.parametrize("broken", ["data/sales_by_day.csv", "join.html", "index.html", "run.json", "CATALOGUE"])
def test_failure_in_the_middle_leaves_the_list_right(
    august: Path, july: Path, client: ContainerClient, target: str, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    published(july, target)
    name = "team/reports/index.html" if broken == "CATALOGUE" else f"team/reports/{august.name}/{broken}"
    upload_blob = BlobClient.upload_blob

    def breaking(blob: BlobClient, *arguments: Any, **options: Any) -> Any:
        if blob.blob_name == name:
            raise ServiceRequestError("('Connection aborted.', ConnectionResetError(104, '?sig=c2VjcmV0'))")
        return upload_blob(blob, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(BlobClient, "upload_blob", breaking)
        with pytest.raises(StorageError, match=r"breaks connections off. Check the network, .* run again") as raised:
            published(august, target)
    assert "c2VjcmV0" not in str(raised.value)
    assert listed(client) == [july.name]
    assert RunRecord.from_json((august / "run.json").read_text()).published is None
    published(july, target)  # now of all that is there whole
    assert set(listed(client)) == {july.name, *([august.name] if broken == "CATALOGUE" else [])}
    published(august, target)
    assert set(listed(client)) == {july.name, august.name}


def test_storage_of_the_run_is_the_place_if_no_other_is_named(august: Path, storage_account: Azurite) -> None:
    url = published(august, None)
    assert url == f"{storage_account.endpoint}/shops/a/reports/{august.name}/index.html"
    assert august.name in listed(storage_account.container("shops"))


def test_container_of_the_account_is_named_by_its_name(
    august: Path, storage_account: Azurite, client: ContainerClient
) -> None:
    url = published(august, client.container_name)
    assert url == f"{storage_account.endpoint}/{client.container_name}/reports/{august.name}/index.html"
    assert listed(client) == [august.name]


def test_web_site_of_the_account_is_a_target(august: Path, storage_account: Azurite) -> None:
    words = rf"The storage account {ACCOUNT} has no web site: .* az storage blob service-properties update"
    with pytest.raises(StorageError, match=words):
        published(august, "$web")
    client = storage_account.container("$web")
    url = published(august, "$web")
    assert url == f"{storage_account.endpoint}/%24web/reports/{august.name}/index.html"
    assert listed(client) == [august.name]
