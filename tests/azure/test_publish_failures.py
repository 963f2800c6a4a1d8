"""Publishing as users ask for it, and what is told when it fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from techco.errors import CredentialError, ParameterError, StorageError
from techco.records.find import find_run
from techco.records.record import RunRecord
from techco.runs import publish as publishing
from techco.runs.publish import open_checked_target, publish_run, target_place
from techco.runs.run import Interrupted, RunRequest, run
from techco.storage.access import Access
from tests.support import azurite
from tests.support.azurite import ACCOUNT, Azurite
from tests.support.published import AUGUST, USAGE, listed, published, stored
from tests.support.stand_ins import Answer, Request, serve, storage_error
from tests.support.tiny_notebooks import write_templates

pytestmark = pytest.mark.usefixtures("credential")


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
            "`target` is not given, and the storage /shop is a folder of this machine.* `target='abfss://CONTAINER@",
        ),
        (
            "/shop",
            "site",
            "`target` is 'site', the name of a container, and the storage /shop is a folder of this machine",
        ),
        (SHOP, "My_Site", "The container is 'My_Site'. Allowed: 3 to 63 lower-case letters"),
        (SHOP, "", "The container is ''. Allowed"),
        (SHOP, "ftp://x/y", "`target` is 'ftp://x/y'. Allowed: the name of a container, or the URL of one"),
        (
            SHOP,
            "https://acc.blob.core.windows.net/c?sig=c2VjcmV0",
            "`target` is 'https://acc.blob.core.windows.net/c'. ",
        ),
    ],
)
def test_what_is_no_target_is_refused(storage: str, target: str | None, words: str) -> None:
    with pytest.raises(ParameterError, match=words) as raised:
        target_place(storage, target)
    assert "c2VjcmV0" not in str(raised.value)


def test_endpoint_of_one_account_is_not_used_for_another(august: Path) -> None:
    access = Access(endpoint="https://techcotest.privatelink.blob.core.windows.net")
    with pytest.raises(
        ParameterError, match=f"is given for the account {ACCOUNT} of the storage, but `target` names the"
    ):
        published(august, "abfss://site@other.dfs.core.windows.net", access)


def test_target_that_may_not_be_written_is_told_before_a_run(
    storage_account: Azurite, client: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, access = storage_account.url(client.container_name), Access(endpoint=storage_account.endpoint)
    open_checked_target(storage, None, access, "mask")
    assert stored(client) == {}
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", azurite.make_sas("rl"))
    with pytest.raises(CredentialError, match="write"):
        open_checked_target(storage, None, access, "mask")


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
    words = rf"has a run {august.name} already, of /other/shop.*target='abfss://.*/team/FOLDER'`\.$"
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

    monkeypatch.setattr(publishing, "open_checked_target", lambda *_: "site")
    monkeypatch.setattr(publishing, "publish", interrupted)
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
    with pytest.raises(ParameterError, match=r"`publish_to` is given without `publish`\. Give both, or neither"):
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
    words = r"shows personal data \(`pii='show'`\), and \$web is a public web site\. Run it without `pii='show'`"
    with pytest.raises(ParameterError, match=words):
        publish_run(record.run_id, out, "$web", Access())
    with pytest.raises(ParameterError, match=words):
        open_checked_target(record.storage, "$web", Access(), "show")
