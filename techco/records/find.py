"""Find the runs that a folder holds, by their `run.json`; a run whose process is gone counts as failed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from techco.errors import ParameterError
from techco.period import Period
from techco.records.record import REPORT, RunError, RunRecord, Status
from techco.system.locks import is_locked

RUNS = "runs"
REPORTS = "reports"
RECORD = "run.json"
_NEWEST_NAMED = 3


def read_records(out: Path) -> dict[str, RunRecord | None]:
    """Read all runs of a folder, by the name of their own, newest first; None for one whose record cannot be read."""
    records: dict[str, RunRecord | None] = {}
    for path in sorted((out / RUNS).glob(f"*/{RECORD}"), reverse=True):
        try:
            records[path.parent.name] = _read(path)
        except ParameterError:
            records[path.parent.name] = None
    return records


def recorded_runs(out: Path) -> list[RunRecord]:
    """Read all runs of a folder, newest first; what cannot be read as a record is left out."""
    return [record for record in read_records(out).values() if record is not None]


def newest_run(out: Path) -> str:
    """Return the name of the newest run's folder.

    Raises
    ------
    ParameterError
        When there is none.
    """
    for name, record in read_records(out).items():
        if record:
            return name
    raise ParameterError(f"There are no runs in {out.absolute() / RUNS}. Make one: techco run.")


def filter_runs(
    records: Mapping[str, RunRecord | None],
    status: str | None = None,
    storage: str | None = None,
    period: Period | None = None,
) -> dict[str, RunRecord | None]:
    """Filter runs, and keep their order; without a filter all stay, with one only those whose record can be read.

    Parameters
    ----------
    status
        Those of this status; `completed` are also those completed with warnings.
    storage
        Those whose storage has this text in its name.
    period
        Those that ran no day outside of this period.

    Raises
    ------
    ParameterError
        When there is no such status.
    """
    allowed = get_args(Status)
    if status is not None and status not in allowed:
        raise ParameterError(f"`status` is {status!r}. Allowed: {', '.join(allowed)}.")
    if status is None and storage is None and period is None:
        return dict(records)
    return {
        name: record
        for name, record in records.items()
        if record is not None
        and (status is None or record.status == status or (status == "completed" and record.is_completed))
        and (storage is None or storage in record.storage)
        and (period is None or f"{period.first}" <= record.start_date <= record.end_date <= f"{period.last}")
    }


def find_run(run: str, out: Path) -> tuple[RunRecord, Path]:
    """Find one run.

    Parameters
    ----------
    run
        Its id, or the path of its folder or of the `run.json` in it.
    out
        The folder that holds `runs/`, where an id is looked up.

    Returns
    -------
    tuple[RunRecord, Path]
        The record and the run's folder.

    Raises
    ------
    ParameterError
        When there is no such run; names the newest ones.
    """
    given = Path(run)
    for path in (out / RUNS / run / RECORD, given / RECORD, given):
        if path.name == RECORD and path.is_file():
            return _read(path), path.parent.absolute()
    newest = [record.run_id for record in recorded_runs(out)[:_NEWEST_NAMED]]
    known = f"The newest: {', '.join(newest)}. See all: techco list." if newest else "There are none: techco run."
    raise ParameterError(f"There is no run {run} in {out.absolute() / RUNS}. {known}")


def check_executed(record: RunRecord) -> None:
    """Refuse a run whose notebooks are only prepared.

    Raises
    ------
    ParameterError
        Says how to execute them.
    """
    if record.status == "prepared":
        raise ParameterError(
            f"The run {record.run_id} is only prepared, and has no report. Execute it: techco resume {record.run_id}."
        )


def steps_left(record: RunRecord) -> tuple[str, ...]:
    """Return the steps of a run that are not completed.

    Raises
    ------
    ParameterError
        When there are none, or the run still goes; says what to do instead.
    """
    if _is_unfinished(record):
        raise ParameterError(f"The run {record.run_id} is still running. See how it ends: techco list.")
    left = tuple(step.name for step in record.steps if step.status != "completed")
    if left:
        return left
    if record.error:
        raise ParameterError(f"Only the report of {record.run_id} is missing. Make it: techco render {record.run_id}.")
    raise ParameterError(f"All steps of {record.run_id} are completed. Run them anew: {record.command}")


def _read(path: Path) -> RunRecord:
    record = _parse(path)
    if _is_unfinished(record) and not is_locked(path.parent):
        record = _parse(path)  # it may have ended since it was read
        if _is_unfinished(record):
            _mark_as_killed(record)
    return record


def _parse(path: Path) -> RunRecord:
    try:
        return RunRecord.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ParameterError(f"{path} is not the record of a run: {error}") from error


def _is_unfinished(record: RunRecord) -> bool:
    return record.status in ("pending", "running")


def _mark_as_killed(record: RunRecord) -> None:
    """Record what the process of the run could not: that it ended in the middle."""
    step = next((step for step in record.steps if step.status != "completed"), None)
    if step:
        step.status = "failed"
    message = "Its process ended in the middle: it was killed, or the machine went down. Run it again."
    record.status, record.error = "failed", RunError(step.name if step else REPORT, message)
