"""Reports in a storage account: what arrives, what the list there names, and what is told when that fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.storage.blob import BlobClient, ContainerClient

from techco.errors import CredentialError, ParameterError, StorageError
from techco.period import Period
from techco.records.find import find_run
from techco.records.record import RunRecord
from techco.runs import publish as publishing
from techco.runs.publish import check_target, publish_run, target_place
from techco.runs.reporting import render_again
from techco.runs.run import Interrupted, RunRequest, run
from techco.storage.access import Access
from techco.storage.azure import upload
from tests.support import azurite
from tests.support.azurite import ACCOUNT, Azurite
from tests.support.stand_ins import Answer, Request, serve, storage_error
from tests.support.tiny_notebooks import write_notebook, write_templates

FINDING = """
from techco.display.columns import Column
from techco.display.shown import Figures, Finding, Table
table = Table("sales_by_day", [Column("event_date", "date"), Column("sales", "money")], [["2023-08-01", "12.50"]])
display(Figures("key_figures", {"total_sales": "12.50"}))
display(Finding("sales_by_day", "How much was sold?", "Sales were 12.50 €", "", table))
"""
USAGE = 2
AUGUST, JULY = (Period(date(2023, month, 1), date(2023, month, 31)) for month in (8, 7))


@pytest.fixture(scope="module")
def outs(storage_account: Azurite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Output folders of two machines with one run each: `august` completed, with an own template, `july` failed."""
    storage_account.container("shops")
    folder = tmp_path_factory.mktemp("machines")
    templates = write_templates(folder / "templates", analysis=FINDING, join="print('é < &')")
    failing = write_templates(folder / "failing", join="1 / 0")
    mine = write_notebook(folder / "mine é 1.ipynb", "print('mine')", parameters="top: int = 5")
    url = storage_account.url("shops", "a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)
        run(RunRequest(AUGUST, url, out=folder / "august", templates=templates, own_templates=(mine,)))
        run(RunRequest(JULY, url, out=folder / "july", templates=failing, steps=("join",)))
    return {name: folder / name for name in ("august", "july")}


@pytest.fixture
def august(outs: dict[str, Path], tmp_path: Path) -> Path:
    """The folder of the completed run in `runs/`, in an output folder that has been moved."""
    return moved(outs["august"], tmp_path / "out [1] {a}")


@pytest.fixture
def july(outs: dict[str, Path], tmp_path: Path) -> Path:
    """The folder of the failed run, of another machine."""
    return moved(outs["july"], tmp_path / "other machine")


def moved(out: Path, to: Path) -> Path:
    """Copy an output folder; returns that of its run."""
    shutil.copytree(out, to)
    (run_dir,) = (to / "runs").glob("*/")
    return run_dir


@pytest.fixture(autouse=True)
def _credential(storage_account: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", storage_account.connection_string)


@pytest.fixture
def client(request: pytest.FixtureRequest, storage_account: Azurite) -> ContainerClient:
    """A container for one test, empty."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return storage_account.container(f"{name[:50].rstrip('-')}-{len(name)}")


@pytest.fixture
def target(client: ContainerClient) -> str:
    """What that container is called as a target: a folder in it."""
    return f"abfss://{client.container_name}@{ACCOUNT}.dfs.core.windows.net/team"


def published(run_dir: Path, target: str | None, access: Access | None = None) -> str:
    """Publish a run, as `techco publish` does; its URL."""
    return publish_run(str(run_dir), Path(), target, access or Access())


def stored(client: ContainerClient) -> dict[str, bytes]:
    """All blobs, by the part of their name after `reports/`."""
    return {
        name.partition("reports/")[2]: bytes(client.download_blob(name).readall())
        for name in client.list_blob_names()
        if "reports/" in name
    }


def listed(client: ContainerClient) -> list[str]:
    """The runs to which the published list has links, in its order."""
    page = stored(client).get("index.html", b"").decode()
    return re.findall(r'href="([^"/]+)/index\.html"', page)


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


SHOP = f"abfss://data@{ACCOUNT}.dfs.core.windows.net/shop"


@pytest.mark.parametrize(
    ("storage", "target", "url"),
    [
        (SHOP, None, SHOP),
        (SHOP, "site", f"abfss://site@{ACCOUNT}.dfs.core.windows.net"),
        (SHOP, "$web", f"abfss://$web@{ACCOUNT}.dfs.core.windows.net"),
        ("abfss://data@acc.dfs.core.chinacloudapi.cn", "site", "abfss://site@acc.dfs.core.chinacloudapi.cn"),
        ("/shop", "https://acc.blob.core.windows.net/$web/a", "abfss://$web@acc.dfs.core.windows.net/a"),
    ],
)
def test_target_is_a_url_or_a_container_of_the_storages_account(storage: str, target: str | None, url: str) -> None:
    assert target_place(storage, target).url == url


@pytest.mark.parametrize(
    ("storage", "target", "words"),
    [
        (
            "/shop",
            None,
            "--to is not given, and the storage /shop is a folder of this machine.* --to abfss://CONTAINER@",
        ),
        ("/shop", "site", "--to is 'site', the name of a container, and the storage /shop is a folder of this machine"),
        (SHOP, "My_Site", "The container is 'My_Site'. Allowed: 3 to 63 lower-case letters"),
        (SHOP, "", "The container is ''. Allowed"),
        (SHOP, "ftp://x/y", "--to is 'ftp://x/y'. Allowed: the name of a container, or the URL of one"),
        (SHOP, "https://acc.blob.core.windows.net/c?sig=c2VjcmV0", "--to is 'https://acc.blob.core.windows.net/c'. "),
    ],
)
def test_what_is_no_target_is_refused(storage: str, target: str | None, words: str) -> None:
    with pytest.raises(ParameterError, match=words) as raised:
        target_place(storage, target)
    assert "c2VjcmV0" not in str(raised.value)


def test_endpoint_of_one_account_is_not_used_for_another(august: Path) -> None:
    access = Access(endpoint="https://techcotest.privatelink.blob.core.windows.net")
    with pytest.raises(ParameterError, match=f"is given for the account {ACCOUNT} of the storage, but --to names the"):
        published(august, "abfss://site@other.dfs.core.windows.net", access)


def test_target_that_may_not_be_written_is_told_before_a_run(
    storage_account: Azurite, client: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, access = storage_account.url(client.container_name), Access(endpoint=storage_account.endpoint)
    check_target(storage, None, access, "--to")
    assert stored(client) == {}
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azurite.make_sas("rl"))
    with pytest.raises(CredentialError, match="write"):
        check_target(storage, None, access, "--to")


def test_run_that_has_not_ended_is_refused(august: Path, target: str) -> None:
    record = RunRecord.from_json((august / "run.json").read_text())
    replace(record, status="running").save(august / "run.json")
    from techco.system.locks import hold_lock

    with hold_lock(august), pytest.raises(ParameterError, match=f"The run {record.run_id} is still running"):
        published(august, target)


def test_run_without_a_report_is_refused(august: Path, client: ContainerClient, target: str) -> None:
    (august.parent.parent / "reports" / august.name / "index.html").unlink()
    with pytest.raises(ParameterError, match=r"has no report in .* Make it: techco render '.*'$") as raised:
        published(august, target)
    assert str(august) in str(raised.value)
    assert stored(client) == {}


def test_unknown_run_is_refused(august: Path, target: str) -> None:
    with pytest.raises(ParameterError, match=f"There is no run nope in .* The newest: {august.name}"):
        publish_run("nope", august.parent.parent, target, Access())


def test_run_of_another_shop_with_the_same_id_is_not_replaced(
    august: Path, client: ContainerClient, target: str
) -> None:
    other = replace(RunRecord.from_json((august / "run.json").read_text()), storage="/other/shop")
    client.upload_blob(f"team/reports/{august.name}/run.json", other.to_json())
    words = rf"has a run {august.name} already, of /other/shop.*--to abfss://.*/team/FOLDER\.$"
    with pytest.raises(StorageError, match=words):
        published(august, target)
    assert set(stored(client)) == {f"{august.name}/run.json"}


def test_storage_account_that_refuses_says_why(august: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "PUT":
            return storage_error(403, "AuthorizationPermissionMismatch")
        if request.query:
            body = b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"
            return Answer(body=body, headers={"Content-Type": "application/xml"})
        return storage_error(404, "BlobNotFound")

    with serve(answer) as account:
        monkeypatch.setenv(
            "AZURE_STORAGE_CONNECTION_STRING",
            f"AccountName={ACCOUNT};AccountKey={azurite.KEY};BlobEndpoint={account.url}",
        )
        with pytest.raises(CredentialError, match=r"does not permit .* to write reports/.*\.html in site") as raised:
            published(august, "site")
    assert azurite.KEY not in str(raised.value)


def test_interrupted_publication_leaves_a_completed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "check_target", lambda *_: None)
    monkeypatch.setattr(publishing, "open_target", interrupted)
    with pytest.raises(Interrupted) as raised:
        run(local_request(tmp_path, publish=True))
    assert (raised.value.record.status, raised.value.record.published) == ("completed", None)
    assert find_run(raised.value.record.run_id, tmp_path)[0] == raised.value.record


def local_request(folder: Path, **changes: Any) -> RunRequest:
    """A request for one tiny step on a storage in a folder."""
    (folder / "shop").mkdir()
    templates = write_templates(folder / "templates")
    return RunRequest(AUGUST, str(folder / "shop"), steps=("join",), out=folder, templates=templates, **changes)


def test_record_of_an_older_version_is_read() -> None:
    values = json.loads(RunRecord("1", "/shop", "sail", "2023-08-01", "2023-08-31").to_json())
    del values["published"]
    assert RunRecord.from_json(json.dumps(values)).published is None


def test_target_without_publish_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"--publish-to is given without --publish\. Give both, or neither"):
        RunRequest(AUGUST, publish_to="site")


def techco(*arguments: str, templates: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    env = {**os.environ, "TECHCO_TEMPLATES": str(templates or "")}
    return subprocess.run(
        [sys.executable, "-m", "techco", *arguments], capture_output=True, text=True, env=env, timeout=60, check=False
    )


def test_publish_prints_the_url(august: Path, storage_account: Azurite, client: ContainerClient) -> None:
    result = techco("publish", august.name, "--out", str(august.parent.parent), "--to", client.container_name)
    url = f"{storage_account.endpoint}/{client.container_name}/reports/{august.name}/index.html"
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{url}\n", "")


@pytest.fixture
def words(tmp_path: Path, storage_account: Azurite, client: ContainerClient) -> list[str]:
    """`techco run` on the container, of one step."""
    storage = storage_account.url(client.container_name, "shop")
    return ["run", "--storage", storage, "--period", "2023-08", "--steps", "join", "--out", str(tmp_path / "out")]


def test_run_publishes_its_report(
    tmp_path: Path, storage_account: Azurite, client: ContainerClient, words: list[str]
) -> None:
    templates = write_templates(tmp_path / "templates")
    result = techco(*words, "--publish", "--no-progress", templates=templates)
    assert (result.returncode, result.stderr) == (0, "")
    (run_id,) = listed(client)
    url = f"{storage_account.endpoint}/{client.container_name}/shop/reports/{run_id}/index.html"
    assert result.stdout.splitlines()[-1].split() == ["Published", url]
    record, _ = find_run(run_id, tmp_path / "out")
    assert (record.status, record.published) == ("completed", url)
    assert " --steps join --publish" in record.provenance["command"]
    assert azurite.KEY.encode() not in b"".join(stored(client).values())


def test_failed_run_is_published_too(
    tmp_path: Path, storage_account: Azurite, client: ContainerClient, words: list[str]
) -> None:
    templates = write_templates(tmp_path / "templates", join="1 / 0")
    storage_account.container("failed-runs")
    result = techco(*words, "--publish", "--publish-to", "failed-runs", "--json", templates=templates)
    assert result.returncode == 1
    record = json.loads(result.stdout)
    assert record["status"] == "failed"
    assert record["published"] == (f"{storage_account.endpoint}/failed-runs/reports/{record['run_id']}/index.html")
    assert record == json.loads((tmp_path / "out" / "runs" / record["run_id"] / "run.json").read_text())
    assert result.stderr.splitlines()[-1] == f"Published: {record['published']}"
    assert record["provenance"]["command"].endswith(" --publish --publish-to failed-runs")
    assert listed(storage_account.container("failed-runs")) == [record["run_id"]]


def test_run_whose_report_cannot_be_published_is_completed_but_exits_with_1(
    tmp_path: Path, storage_account: Azurite, words: list[str]
) -> None:
    site = storage_account.container("vanishing")
    delete = (
        "import os\nfrom azure.storage.blob import ContainerClient\n"
        "ContainerClient.from_connection_string("
        "os.environ['AZURE_STORAGE_CONNECTION_STRING'], 'vanishing').delete_container()"
    )
    templates = write_templates(tmp_path / "templates", join=delete)
    result = techco(*words, "--publish", "--publish-to", "vanishing", "--json", "--no-progress", templates=templates)
    assert not site.exists()
    record = json.loads(result.stdout)
    assert (result.returncode, record["status"], record["published"]) == (1, "completed", None)
    assert result.stderr.startswith("Error: The report is not published. There is no container vanishing in ")
    assert result.stderr.endswith(
        f" Publish it again: techco publish {record['run_id']} --to vanishing --out {tmp_path}/out\n"
    )
    again = result.stderr.strip().partition("again: techco ")[2].split()
    storage_account.container("vanishing")
    assert techco(*again).returncode == 0


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--publish", "--publish-to", "missing"], 1, "There is no container missing in the storage account"),
        (["--publish", "--publish-to", "No"], USAGE, "The container is 'No'. Allowed"),
        (["--publish-to", "site"], USAGE, "--publish-to is given without --publish"),
        (["--publish", "--storage", "LOCAL"], USAGE, "--publish-to is not given, and the storage LOCAL is a folder of"),
    ],
)
def test_nothing_is_started_when_the_target_is_wrong(
    tmp_path: Path, words: list[str], options: list[str], code: int, message: str
) -> None:
    (tmp_path / "shop").mkdir()
    options = [option.replace("LOCAL", str(tmp_path / "shop")) for option in options]
    result = techco(*words, *options, templates=write_templates(tmp_path / "templates"))
    assert (result.returncode, result.stdout) == (code, "")
    assert f"Error: {message.replace('LOCAL', str(tmp_path / 'shop'))}" in result.stderr
    assert not (tmp_path / "out").exists()


def test_personal_data_are_not_put_on_a_public_web_site(
    outs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(outs["august"], tmp_path / "august")
    (path,) = out.glob("runs/*/run.json")
    record = RunRecord.from_json(path.read_text(encoding="utf-8"))
    record.pii = "show"
    record.save(path)
    words = r"shows personal data \(--pii show\), and \$web is a public web site\. Run it without --pii show"
    with pytest.raises(ParameterError, match=words):
        publish_run(record.run_id, out, "$web", Access())
    with pytest.raises(ParameterError, match=words):
        check_target(record.storage, "$web", Access(), "--publish-to", "show")
