"""Publish the report of a run in a storage account, and list it there beside those of other machines.

At any moment the list names only runs that are there: the pages of a run go first, then its record, then the list,
which is made of the records that are found. What breaks off in between is mended by publishing again.
"""

from __future__ import annotations

import random
import re
import shlex
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from techco.errors import ParameterError, StorageError
from techco.records.find import RECORD, REPORTS, check_executed, find_run
from techco.records.record import RunRecord
from techco.redact import Pii, scrub, without_credentials
from techco.report.catalogue import catalogue_page
from techco.storage.access import Access
from techco.storage.azure import upload
from techco.storage.azure.container import Container, connect_container
from techco.storage.azure.urls import WEBSITE, Place, parse_url
from techco.storage.base import RawFile
from techco.storage.open import is_url

INDEX = "index.html"
CATALOGUE = f"{REPORTS}/{INDEX}"
_PART = re.compile(r"[^/]+\.html|data/[^/]+\.csv")
# Each of many publishers at once may have to list the runs again whenever another one has won.
_ATTEMPTS = 15
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 4.0
_READERS = 8  # connections at once; urllib3 keeps ten


def publish_run(run: str, out: Path, target: str | None, access: Access) -> str:
    """Publish the report of a run that has ended.

    Parameters
    ----------
    run
        Its id, or the path of its folder; then its report is beside the `runs/` it lies in.
    out
        The folder that holds `runs/` and `reports/`, for an id.
    target
        The URL of a container or of a folder in it, or the name of a container in the account of the run's storage;
        None is the run's storage.
    access
        How the account is reached.

    Returns
    -------
    str
        The URL of the report's first page.

    Raises
    ------
    ParameterError
        When there is no such run, it has not ended or has no report, the target is none, or it is public and the
        report shows personal data.
    StorageError
        When the target cannot be reached or written.
    """
    record, run_dir = find_run(run, out)
    if record.status in ("pending", "running"):
        raise ParameterError(
            f"The run {record.run_id} is still running. Its report is made as it ends; publish it then: techco list."
        )
    check_executed(record)
    _report_folder(record, run_dir)
    check_private(record.pii, target_place(record.storage, target))
    return publish(record, run_dir, open_target(record.storage, target, access))


def publish(record: RunRecord, run_dir: Path, container: Container) -> str:
    """Put a run's pages and tables, then its record, then the list of all runs into a container; return the URL.

    Publishing again replaces all of it; of an earlier publication nothing stays that is not part of the run any more.
    The record is saved with `published`, if that can be.
    """
    files = read_report(_report_folder(record, run_dir))
    folder = f"{REPORTS}/{record.run_id}"
    _check_free(container, folder, record)
    url = scrub(upload.address(container, f"{folder}/{INDEX}"))
    for name, content in files.items():
        upload.put(container, f"{folder}/{name}", content)
    text = scrub(published_record(record, files, url).to_json())
    upload.put(container, f"{folder}/{RECORD}", f"{text}\n".encode())
    _publish_catalogue(container)
    for file in container.files(folder):
        name = file.name.removeprefix(f"{folder}/")
        if _PART.fullmatch(name) and name not in files:
            upload.delete(container, file.name)
    record.published = url
    with suppress(OSError):  # a folder that may only be read does not undo it
        record.save(run_dir / RECORD)
    return url


def check_private(pii: Pii, place: Place) -> None:
    """Refuse to put personal data on the public web site of an account."""
    if pii == "show" and place.container == WEBSITE:
        raise ParameterError(
            f"The report shows personal data (`pii='show'`), and {WEBSITE} is a public web site. "
            "Run it without `pii='show'`, or publish it in another container."
        )


def open_checked_target(storage: str, target: str | None, access: Access, pii: Pii) -> Container:
    """Open the target of a run before there is a report, and check that it can be written."""
    argument = "publish_to"
    check_private(pii, target_place(storage, target, argument))
    container = open_target(storage, target, access, argument)
    container.check_writable(REPORTS)
    return container


def open_target(storage: str, target: str | None, access: Access, argument: str = "target") -> Container:
    """Open the container in which reports of a storage are published; it may be the public `$web`."""
    place = target_place(storage, target, argument)
    if access.endpoint and is_url(storage) and (account := parse_url(storage).account) != place.account:
        raise ParameterError(
            f"The endpoint {access.endpoint} is given for the account {account} of the storage, but `{argument}` names "
            f"the account {place.account}. Publish into {account}, or leave out `endpoint` and TECHCO_ENDPOINT."
        )
    container = connect_container(place, access)
    upload.check_readable(container)
    return container


def target_place(storage: str, target: str | None, argument: str = "target") -> Place:
    """Return where reports of a storage are published, without asking it; errors call the target `argument`."""
    form = "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX"
    home = parse_url(storage) if is_url(storage) else None
    if target is not None and is_url(target):
        try:
            return parse_url(target)
        except ParameterError:
            raise ParameterError(
                f"`{argument}` is {without_credentials(target)!r}. Allowed: the name of a container, or the URL of one "
                f"without credentials: {form}."
            ) from None
    if home is None:
        given = (
            f"`{argument}` is {target!r}, the name of a container"
            if target is not None
            else f"`{argument}` is not given"
        )
        raise ParameterError(
            f"{given}, and the storage {storage} is a folder of this machine, so that no account is known. "
            f"Say where to publish: `{argument}='{form}'`."
        )
    return home if target is None else Place(home.account, target.strip(), suffix=home.suffix)


def read_report(folder: Path) -> dict[str, bytes]:
    """Return the pages and tables of a report by their names in its folder, the first page last."""
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    parts = sorted((name for name in names if _PART.fullmatch(name)), key=lambda name: name == INDEX)
    try:
        return {name: (folder / name).read_bytes() for name in parts}
    except OSError as error:
        raise StorageError(f"{error.filename} cannot be read: {error.strerror}. Grant read permission there.") from None


def published_record(record: RunRecord, files: Collection[str], url: str) -> RunRecord:
    """Return the record as it is published: paths are those of `files`, relative to the report's folder."""
    steps = [
        replace(step, notebook=None, report=page if (page := f"{step.name}.html") in files else None)
        for step in record.steps
    ]
    tables = {table: name for table in record.metrics.get("tables") or {} if (name := f"data/{table}.csv") in files}
    metrics = {**record.metrics, "tables": tables}
    return replace(record, report=INDEX, published=url, steps=steps, metrics=metrics)


def _report_folder(record: RunRecord, run_dir: Path) -> Path:
    """Return the folder of a run's report."""
    folder = run_dir.parent.parent / REPORTS / record.run_id
    if not (folder / INDEX).is_file():
        remedy = shlex.join(["techco", "render", str(run_dir)])
        raise ParameterError(f"The run {record.run_id} has no report in {folder}. Make it: {remedy}")
    return folder


def _check_free(container: Container, folder: str, record: RunRecord) -> None:
    """Refuse to replace another run: two machines may begin runs of one period in the same second."""
    other = _read_record(container, f"{folder}/{RECORD}")
    if other and (other.storage, other.started) != (record.storage, record.started):
        own = replace(container.place, prefix=container.place.blob("FOLDER"))
        raise StorageError(
            f"{container.url} has a run {record.run_id} already, of {other.storage}, which began in the same second. "
            f"Publish this one in a folder of its own: `target='{own.url}'`."
        )


def _publish_catalogue(container: Container) -> None:
    """Make the list of the runs that are there, again whenever another publisher has replaced it meanwhile."""
    known: dict[RawFile, RunRecord | None] = {}
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt)))
        seen = container.find(CATALOGUE)  # before the runs: whoever adds one later has replaced it later, too
        records = _published_records(container, known)
        page = catalogue_page(records, records).encode("utf-8", "replace")
        if upload.put_unless_changed(container, CATALOGUE, page, seen):
            return
    raise StorageError(
        f"Others kept replacing {CATALOGUE} in {container.url} ({_ATTEMPTS} tries): the report is there, but may not "
        "be listed yet. Publish again in a minute."
    )


def _published_records(container: Container, known: dict[RawFile, RunRecord | None]) -> dict[str, RunRecord | None]:
    """Return the runs whose record and first page are there, by their folder; None for a record that cannot be read.

    Records that are in `known` are not read again; those that are read are added to it.
    """
    files = {file.name: file for file in container.files(REPORTS)}
    folders = {name.split("/")[1] for name in files if name.count("/") == 2}
    found = {
        folder: files[f"{REPORTS}/{folder}/{RECORD}"]
        for folder in folders
        if {f"{REPORTS}/{folder}/{RECORD}", f"{REPORTS}/{folder}/{INDEX}"} <= files.keys()
    }
    new = [file for file in found.values() if file not in known]
    readers = ThreadPoolExecutor(_READERS)
    try:
        known.update(zip(new, readers.map(lambda file: _read_record(container, file.name), new), strict=True))
    finally:  # an answer may take minutes, and after an interruption nobody waits for it
        readers.shutdown(wait=False, cancel_futures=True)
    return {folder: known[file] for folder, file in found.items()}


def _read_record(container: Container, name: str) -> RunRecord | None:
    """Return a record, None if there is none or it is unreadable."""
    content = upload.read(container, name)
    try:
        return RunRecord.from_json(content.decode()) if content else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
