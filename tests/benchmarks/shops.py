"""The sample shops that are measured: made once for each size, and kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from techco.period import Period
from techco.sample.generate import MARKER, Expected, Form, SampleSpec, generate


@dataclass(frozen=True)
class Sample:
    """A sample shop on disk, which nobody writes to.

    Attributes
    ----------
    folder
        Holds the raw files, and what the generator says of them.
    logs
        Number of web logs that the shop was made with.
    period
        What reports are on.
    expected
        What every report on that period must show.
    """

    folder: Path
    logs: int
    period: Period
    expected: Expected

    def raw_files(self) -> list[Path]:
        """All that a shop's own system would have written."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file() and path.name != MARKER)


def sample(work: Path, logs: int, form: Form = "array") -> Sample:
    """Make the shop of August 2023 with this many logs, unless it is there.

    Parameters
    ----------
    work
        The shop is in `shops/` of it.
    logs
        Number of web logs.
    form
        How they are written; one JSON array is what the shop's own system writes.
    """
    spec = SampleSpec(logs=logs, form=form)
    folder = work / "shops" / f"{logs}-{spec.form}-seed-{spec.seed}"
    return Sample(folder, logs, spec.period, kept(folder, spec) or generate(folder, spec))


def kept(folder: Path, spec: SampleSpec) -> Expected | None:
    """The expected figures of the shop that is there, None if it is another one or half of one."""
    logs = "web_logs" if spec.form == "folder" else "web_logs.json"
    if not all((folder / name).exists() for name in (MARKER, "customer_data.csv", "product_data.csv", logs)):
        return None
    facts = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    days = {"start_date": str(spec.start_date), "end_date": str(spec.end_date)}
    same = facts["spec"] == {**vars(spec), **days}
    return Expected(**facts["expected"]) if same else None
