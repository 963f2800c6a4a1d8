"""The record of a run: what `run.json` holds and `--json` prints."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from techco.redact import Pii
from techco.system.files import write_whole

Status = Literal["pending", "running", "completed", "completed with warnings", "failed", "prepared"]
"""Of a run or a step; a run is `prepared` whose notebooks have their parameters and wait for `techco resume`, and only
a run is `completed with warnings`."""
STEPS = ("ingest", "join", "analysis")
REPORT = "report"
"""The name under which a failure to make the pages is recorded, as if it were a step."""


@dataclass
class StepRecord:
    """One notebook of a run.

    `seconds` is wall-clock time, None before the step has ended; `notebook` and `report` are absolute paths of files
    that exist, or None. Until a step runs, only a prepared one has a notebook.
    """

    name: str
    status: Status = "pending"
    seconds: float | None = None
    notebook: str | None = None
    report: str | None = None


@dataclass
class RunError:
    """Why a run failed: the step, one sentence for people, the trace without credentials, and whether it was broken
    off by Ctrl-C or a signal."""

    step: str
    message: str
    trace: str = ""
    interrupted: bool = False


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
    warnings
        What to mind, each with `code`, `text`, `count` and `remedy`, as `techco.display.warnings.RunWarning`.
    provenance
        Versions, git commit, raw files: for people, not fixed.
    made_from
        Fingerprints of what the report was made from, by which `--each` sees whether it would be the same now.
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
    warnings: list[dict[str, Any]] = field(default_factory=list)
    error: RunError | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    made_from: dict[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        recorded = self.provenance.get("command")
        if isinstance(recorded, str) and recorded:
            return recorded
        words = ["techco", "run", "--storage", self.storage, "--from", self.start_date, "--to", self.end_date]
        words += ["--engine", self.engine]
        steps = [step.name for step in self.steps if step.name in STEPS]
        return shlex.join([*words, "--steps", ",".join(steps)] if steps and steps != list(STEPS) else words)

    @property
    def is_completed(self) -> bool:
        """Whether all steps ran and there is a report, with warnings or without."""
        return self.status in ("completed", "completed with warnings")

    @property
    def outcome(self) -> str:
        """The status for people."""
        return f"{self.status} (interrupted)" if self.error and self.error.interrupted else self.status

    def to_json(self) -> str:
        """The record as one JSON object, indented."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    def forget_missing_pages(self) -> None:
        """Name no page that is not there."""
        parts: list[RunRecord | StepRecord] = [self, *self.steps]
        for part in parts:
            if part.report and not Path(part.report).is_file():
                part.report = None

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
