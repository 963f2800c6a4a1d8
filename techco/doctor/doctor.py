"""Check every requirement of a report and every permission, and say how to mend what is missing."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from techco.doctor import machine
from techco.doctor.checks import Check, Examination, Skip, make_checks
from techco.doctor.storage import StorageChecks
from techco.engines.names import parse_engine
from techco.storage.access import Access


@dataclass(frozen=True)
class DoctorRequest:
    """What to check, named as in `techco.runs.request.RunRequest`; without a `storage` this machine alone."""

    storage: str = ""
    engine: str = "sail"
    out: Path = Path()
    templates: Path | None = None
    access: Access = field(default_factory=Access)


def examine(request: DoctorRequest) -> Generator[Check, None, None]:
    """Make all checks, one by one; nothing of what they write stays.

    What is not allowed in the request is raised before the first check.
    """
    parse_engine(request.engine)
    examinations = _of_machine(request)
    if not request.storage:
        return make_checks([*examinations, Examination("storage", _no_storage)])
    storage = StorageChecks(request.storage, request.engine, request.access)
    return _with_clean_up(make_checks([*examinations, *storage.examinations()]), storage)


def to_json(checks: Sequence[Check]) -> str:
    """Return the checks as one JSON object, with the number of those that failed."""
    failed = sum(check.status == "failed" for check in checks)
    return json.dumps({"checks": [asdict(check) for check in checks], "failed": failed}, indent=2, ensure_ascii=False)


def _of_machine(request: DoctorRequest) -> list[Examination]:
    return [
        Examination("python", machine.python_version),
        Examination("packages", machine.packages),
        Examination("engine", partial(machine.engine_answers, request.engine)),
        Examination("java", partial(machine.java, request.engine)),
        Examination("templates", partial(machine.templates, request.templates)),
        Examination("kernel", machine.kernel),
        Examination("output folder", partial(machine.output_folder, request.out)),
        Examination("other users", machine.other_users),
    ]


def _no_storage() -> str:
    raise Skip("none is given", "Check one too: techco doctor --storage URL")


def _with_clean_up(checks: Iterator[Check], storage: StorageChecks) -> Generator[Check, None, None]:
    try:
        yield from checks
    finally:
        storage.clean_up()
