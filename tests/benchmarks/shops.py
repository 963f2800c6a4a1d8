"""The sample shops that are measured: made once for each size, and kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from techco.generate import MARKER, Expected, SampleSpec, generate

RAW_FILES = ("customer_data.csv", "product_data.csv", "web_logs.json")


@dataclass(frozen=True)
class Sample:
    """A sample shop on disk, which nobody writes to, and what every report on its period must show."""

    folder: Path
    spec: SampleSpec
    expected: Expected


def sample(work: Path, logs: int) -> Sample:
    """Make the shop of August 2023 with this many logs, unless it is there.

    Parameters
    ----------
    work
        The shop is in `shops/` of it.
    logs
        Number of web logs; they are one JSON array, as the shop's own system writes them.
    """
    spec = SampleSpec(logs=logs)
    folder = work / "shops" / f"{logs}-{spec.form}-seed-{spec.seed}"
    kept = _read(folder / MARKER, spec)
    return Sample(folder, spec, kept or generate(folder, spec))


def _read(marker: Path, spec: SampleSpec) -> Expected | None:
    """The expected figures of the shop that is there, None if it is another one or half of one."""
    if not marker.is_file() or not all((marker.parent / name).is_file() for name in RAW_FILES):
        return None
    facts = json.loads(marker.read_text(encoding="utf-8"))
    days = {"start_date": str(spec.start_date), "end_date": str(spec.end_date)}
    same = facts["spec"] == {**vars(spec), **days}
    return Expected(**facts["expected"]) if same else None
