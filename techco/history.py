"""Finds the runs that a folder holds, by their `run.json`."""

from __future__ import annotations

from pathlib import Path

from techco.errors import ParameterError
from techco.record import RunRecord

RUNS = "runs"
RECORD = "run.json"
_NAMED = 3


def recorded_runs(out: Path) -> list[RunRecord]:
    """All runs of a folder, newest first; what cannot be read as a record is left out."""
    records = []
    for path in sorted((out / RUNS).glob(f"*/{RECORD}"), reverse=True):
        try:
            records.append(_read(path))
        except ParameterError:
            continue
    return records


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
    newest = [record.run_id for record in recorded_runs(out)[:_NAMED]]
    known = f"The newest: {', '.join(newest)}. See all: techco list." if newest else "There are none: techco run."
    raise ParameterError(f"There is no run {run} in {out.absolute() / RUNS}. {known}")


def _read(path: Path) -> RunRecord:
    try:
        return RunRecord.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ParameterError(f"{path} is not the record of a run: {error}") from error
