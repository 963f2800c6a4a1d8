"""Make the report of a run as it ends, and again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from techco.errors import ParameterError, StepFailed
from techco.notebooks.slim_imports import import_jsonschema
from techco.records.find import RECORD, check_executed, find_run
from techco.records.record import REPORT, RunError, RunRecord
from techco.redact import Pii, scrub
from techco.system.locks import file_lock

_LOCK = ".lock"


def render_again(run: str, out: Path) -> RunRecord:
    """Make the pages of a run anew from its executed notebooks; `run` is its id, or the path of its folder."""
    record, run_dir = find_run(run, out)
    if record.status == "running":
        raise ParameterError(f"The run {record.run_id} is still running. Its report is made as it ends: techco list.")
    check_executed(record)
    for step in record.steps:  # the folder may have been moved since
        notebook = run_dir / f"{step.name}.ipynb"
        step.notebook = str(notebook) if notebook.is_file() else None
    if record.error and record.error.step == REPORT:
        record.error, record.status = None, "completed"
    make_report(record, run_dir)
    return record


def make_report(record: RunRecord, run_dir: Path) -> None:
    """Render the pages and save the record with what they found; a page that cannot be made fails the run."""
    import_jsonschema()
    from techco.report.render import render

    with file_lock(run_dir.parent / _LOCK):
        try:
            render(record, run_dir.parent.parent)
        except BaseException as error:
            if not record.error:
                record_failure(record, REPORT, error)
            raise
        finally:
            record.forget_missing_pages()
            record.save(run_dir / RECORD)


def record_failure(record: RunRecord, step: str, error: BaseException, reason: str = "") -> None:
    """Note in the record why and where a run failed, without credentials; `reason` says it in better words."""
    record.status = "failed"
    for one in record.steps:
        one.status = "failed" if one.status == "running" else one.status
    interrupted = isinstance(error, KeyboardInterrupt)
    message = "It was interrupted." if interrupted else reason or str(error) or type(error).__name__
    trace = error.trace if isinstance(error, StepFailed) else ""
    record.error = RunError(step, scrub(message), scrub(trace), interrupted)


def preload_report(notebook: Path, pii: Pii) -> None:
    """Load what a report needs, by making a page of a notebook for nobody; what is wrong shows when it is needed."""
    import_jsonschema()
    with suppress(Exception):
        from techco.report import render  # noqa: F401
        from techco.report.notebook_page import notebook_body

        notebook_body(notebook, pii)
