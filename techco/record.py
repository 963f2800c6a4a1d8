"""The record of a run: what `run.json` holds and `--json` prints."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from techco.privacy import Pii

Status = Literal["pending", "running", "completed", "failed"]
STEPS = ("ingest", "join", "analysis")
REPORT = "report"
"""The name under which a failure to make the pages is recorded, as if it were a step."""


@dataclass
class StepRecord:
    """One notebook of a run.

    `seconds` is wall-clock time, None before the step has ended; `notebook` and `report` are absolute paths of files
    that exist, or None.
    """

    name: str
    status: Status = "pending"
    seconds: float | None = None
    notebook: str | None = None
    report: str | None = None


@dataclass
class RunError:
    """Why a run failed: the step, one sentence for people, and the trace without credentials."""

    step: str
    message: str
    trace: str = ""


@dataclass
class RunRecord:
    """Everything known of a run.

    Attributes
    ----------
    run_id
        Sorts by time and names the period.
    storage
        URL or folder of the shop, without credentials.
    start_date, end_date
        ISO days, both included.
    started
        When the run began, ISO, local time with offset.
    seconds
        Wall-clock time of the whole run.
    report
        Absolute path of the report's first page.
    published
        URL of that page in a storage account, None if it was never published. The record that lies beside it there
        has paths relative to it in place of the absolute ones, and none of notebooks.
    pii
        Whether the report hides personal data or shows it.
    metrics
        As the design says: `records`, `quarantine`, `total_sales`, `unique_customers`, `tables`. What no step of this
        run has computed is null.
    provenance
        Versions, git commit, raw files: for people, not fixed.
    """

    run_id: str
    storage: str
    engine: str
    start_date: str
    end_date: str
    status: Status = "pending"
    started: str = ""
    seconds: float | None = None
    report: str | None = None
    published: str | None = None
    pii: Pii = "mask"
    steps: list[StepRecord] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    error: RunError | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The record as one JSON object, indented."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """Read a record; keys of a newer version are ignored."""
        values = json.loads(text)
        known = {key: value for key, value in values.items() if key in cls.__dataclass_fields__}
        known["steps"] = [StepRecord(**step) for step in known.get("steps", [])]
        known["error"] = RunError(**known["error"]) if known.get("error") else None
        return cls(**known)

    def save(self, path: Path) -> None:
        """Write the record; a reader sees the old file or the new one, never half of one."""
        write_whole(path, self.to_json() + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a text file by way of a temporary one beside it, with the user's umask; parents are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o666 & ~_umask())  # noqa: PTH101 - mkstemp makes private files, a report is as public as the user wants
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
