"""Remove old runs with their reports from an output folder; nothing in a storage is touched."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from techco.errors import ParameterError
from techco.records.find import REPORTS, RUNS, read_records
from techco.records.record import RunRecord

_AGE = re.compile(r"(\d{1,4})([dw])")
_DAYS = {"d": 1, "w": 7}


@dataclass(frozen=True)
class OldRun:
    """A run that is removed: the name of its folder, and the bytes of its notebooks and its report."""

    run: str
    size: int


def parse_age(text: str) -> timedelta:
    """Read an age such as `90d` or `12w`."""
    found = _AGE.fullmatch(text.strip().lower())
    if not found:
        raise ParameterError(f"`older_than` is {text!r}. Allowed: a number of days or weeks, such as 90d or 12w.")
    return timedelta(days=int(found[1]) * _DAYS[found[2]])


def clean(out: Path, older_than: timedelta, *, dry_run: bool = False) -> list[OldRun]:
    """Remove the runs that began longer ago than that, with their reports, and make the list of reports again.

    A run that still goes, and one whose record cannot be read, stay. Returned is what was removed, or with `dry_run`
    would be, oldest first.
    """
    before = datetime.now().astimezone() - older_than
    old = [name for name, record in reversed(read_records(out).items()) if record and _began_before(record, before)]
    found = [OldRun(name, sum(map(_size, _folders(out, name)))) for name in old]
    if found and not dry_run:
        for folder in (folder for name in old for folder in _folders(out, name) if folder.exists()):
            shutil.rmtree(folder)
        from techco.report.render import render_catalogue

        render_catalogue(out)
    return found


def _began_before(record: RunRecord, moment: datetime) -> bool:
    try:
        started = datetime.fromisoformat(record.started)
    except ValueError:
        return False
    return record.status not in ("pending", "running") and started.astimezone() < moment


def _folders(out: Path, run: str) -> tuple[Path, Path]:
    """The report first: a run without one is still listed, and removed the next time."""
    return out / REPORTS / run, out / RUNS / run


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
