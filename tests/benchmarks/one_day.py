"""One day of a large shop, and a shop that has no other day: whether the days that nobody asks for cost anything."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from techco.period import Period
from techco.sample.generate import MARKER, Expected, SampleSpec
from techco.sample.tables import write_tables
from techco.sample.tally import RawTables, Tally
from techco.sample.traffic import ACTIONS, Logs, well_formed_logs
from techco.system.files import write_whole
from tests.benchmarks.place import link
from tests.benchmarks.shops import Sample, kept, sample

DAY = date(2023, 8, 16)
"""From the middle of the month, and one of the days that the generator writes as plain JSON lines."""

MIN_LOGS = 100
"""With fewer logs the day may have none."""


def day_of_all(work: Path, logs: int) -> Sample:
    """Make the shop with this many logs in a folder for each day, unless it is there, for a report on one of them."""
    return replace(day_alone(work, logs), folder=sample(work, logs, "folder").folder)


def day_alone(work: Path, logs: int) -> Sample:
    """Make the shop with the same customers and products but the folder of that one day, unless it is there."""
    spec = SampleSpec(logs=logs, form="folder")
    whole = sample(work, logs, spec.form).folder
    folder = whole.with_name(f"{whole.name}-{DAY}")
    return Sample(folder, logs, Period(DAY, DAY), kept(folder, spec) or _make(folder, spec, whole))


def _make(folder: Path, spec: SampleSpec, whole: Path) -> Expected:
    shutil.rmtree(folder, ignore_errors=True)  # half of it
    today = Path("web_logs", f"date={DAY}")
    (folder / today).mkdir(parents=True)
    for path in (whole / today).iterdir():
        link(path, folder / today / path.name)
    expected = _expected(spec, write_tables(folder, spec))
    facts = {"spec": asdict(spec), "expected": asdict(expected)}
    write_whole(folder / MARKER, json.dumps(facts, default=str))
    return expected


def _expected(spec: SampleSpec, shop: RawTables) -> Expected:
    """Count what the generator puts into the day; its own figures are those of the whole period."""
    tally, number = Tally(spec, shop, ACTIONS), (DAY - spec.start_date).days
    for chunk in well_formed_logs(spec):
        today = chunk.logs.day == number
        tally.accept(Logs(*(column[today] for column in vars(chunk.logs).values())))
    return tally.expected((), ())
