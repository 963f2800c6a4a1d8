"""The checks of the doctor, as tests ask for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner, Result

from techco.cli.app import app
from techco.doctor.checks import Check, Examination, make_checks
from techco.doctor.storage import StorageChecks
from techco.storage.access import Access
from techco.storage.folder import Folder
from tests.support.azurite import KEY, Azurite
from tests.support.shops import log

LOGS = [log(1), log(2, "2023-08-31", "purchase")]
MACHINE = ["python", "packages", "engine", "java", "templates", "kernel", "output folder", "other users"]
STORAGE = ["credential", "key vault", "storage", "list", "write", "read", "engine reads", "delete"]
CONTENT = ["customer_data.csv", "product_data.csv", "web logs", "tables"]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def doctor(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, ["doctor", *arguments])


def examined(storage: str, **access: str) -> dict[str, Check]:
    """The checks of a storage by name, in which no secret may ever be."""
    checks = list(make_checks(StorageChecks(storage, "sail", Access(**access)).examinations()))
    assert_no_secrets(str(checks))
    return {check.name: check for check in checks}


def found_by(find: Callable[[], str]) -> Check:
    """One check."""
    return next(make_checks([Examination("it", find)]))


def failed(checks: dict[str, Check]) -> list[str]:
    return [name for name, check in checks.items() if check.status == "failed"]


def skipped(checks: dict[str, Check]) -> list[str]:
    return [name for name, check in checks.items() if check.status == "skipped"]


def assert_no_secrets(text: str) -> None:
    for secret in (KEY, KEY[:24], "PLANTED", "sig=", "eyJ", "header-of-the-test"):
        assert secret not in text.replace("sig=[hidden]", ""), text


def names_in(account: Azurite, container: str) -> list[str]:
    return sorted(account.container(container).list_blob_names())


def files_in(folder: Folder) -> list[str]:
    return sorted(path.relative_to(folder.url).as_posix() for path in Path(folder.url).rglob("*"))
