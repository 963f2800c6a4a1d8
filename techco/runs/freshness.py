"""Whether the report of an earlier run is what a new run would make, and if not, why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from techco.contract import TABLES
from techco.errors import TechcoError
from techco.period import Period
from techco.raw.files import all_log_files, of_period, raw_file
from techco.records.record import RunRecord
from techco.runs.plan import RunPlan
from techco.settings import load_settings
from techco.storage.base import CUSTOMERS, PRODUCTS, RawFile
from techco.system.fingerprint import code_fingerprint, digest
from techco.tables.data_files import DataFile, gaps
from techco.tables.receipts import data_files_digest, raw_files_digest
from techco.tables.state import State
from techco.tables.stored_files import damaged, list_data_files


def known_before(plan: RunPlan) -> dict[str, Any]:
    """Return what a report is made from that is known before its run: notebooks and settings."""
    notebooks = [[step.name, step.template.content, _modules_beside(plan, step.path)] for step in plan.steps]
    settings = [sorted(plan.request.spark_conf.items()), load_settings().days_around]
    return {"notebooks": digest(notebooks), "settings": digest(settings)}


def known_after(state: State) -> dict[str, Any]:
    """Return what the steps of a run have kept of what they were made from."""
    kept = {name: getattr(state, name) for name in ("raw_files", "data_files", "made", "missing_before")}
    return {**kept, "code": state.code or code_fingerprint()}


def _modules_beside(plan: RunPlan, notebook: Path) -> list[tuple[str, str]]:
    """Return the modules that a notebook of the user's own can import from its folder, with their content."""
    is_own = plan.request.templates or notebook in plan.request.own_templates
    found = sorted(notebook.parent.glob("*.py")) if is_own else []
    return [(path.name, path.read_text(encoding="utf-8", errors="replace")) for path in found]


@dataclass(frozen=True)
class Freshness:
    """What reports would be made from now; files and tables of the storage are listed once for all periods."""

    plan: RunPlan

    def why_stale(self, record: RunRecord, period: Period) -> str:
        """Return in words what has changed since a completed run of the same command, empty if nothing has."""
        made = record.made_from
        try:
            if not made or made.get("code") != code_fingerprint():
                return "techco or one of its libraries has changed"
            if made.get("notebooks") != self._before["notebooks"]:
                return "a notebook has changed"
            if made.get("settings") != self._before["settings"]:
                return "the settings have changed"
            if any(self._raw_digest(Period.parse(days)) != known for days, known in made["raw_files"].items()):
                return "the raw files have changed"
            read = made["data_files"].items()
            if any(data_files_digest(name, self._files[name], period) != known for name, known in read):
                return "the tables have changed"
            if any(not self._is_as_left(name, record, period) for name in made["made"]):
                return "the tables have changed"
            if made.get("missing_before") not in (None, self._missing_before(period)):
                return "the tables have changed"
        except TechcoError:  # a new run says what is wrong
            return "the shop has changed"
        return ""

    @cached_property
    def _before(self) -> dict[str, Any]:
        return known_before(self.plan)

    @cached_property
    def _raw_files(self) -> tuple[list[RawFile], list[RawFile]]:
        """The files with logs, and those of customers and products."""
        storage = self.plan.storage
        return all_log_files(storage), [raw_file(storage, CUSTOMERS), raw_file(storage, PRODUCTS)]

    @cached_property
    def _same_for_all(self) -> str | None:
        """The digest of all raw files, which each period reads if none lies in a folder of a day."""
        logs, others = self._raw_files
        return raw_files_digest([*logs, *others])

    def _raw_digest(self, period: Period) -> str | None:
        logs, others = self._raw_files
        if not any(file.day for file in logs):
            return self._same_for_all
        return raw_files_digest([*of_period(logs, period), *others])

    @cached_property
    def _files(self) -> dict[str, list[DataFile]]:
        return {name: list_data_files(self.plan.storage, name) for name in TABLES}

    @cached_property
    def _days_of_full_data(self) -> list[DataFile]:
        """Files that tell which days full_data has, those without rows too."""
        return list_data_files(self.plan.storage, "full_data", with_empty=True)

    def _missing_before(self, period: Period) -> int:
        """Count the days of the period before that full_data lacks."""
        return sum(gap.days for gap in gaps(self._days_of_full_data, period.before() or ()))

    @cached_property
    def _rows(self) -> dict[str, Counter[date | None]]:
        """The rows of each table by day, without those of data files that are not as they were written."""
        found = {}
        for name, files in self._files.items():
            bad = set(damaged(self.plan.storage, name, files))
            found[name] = _rows_by_day(file for file in files if file not in bad)
        return found

    def _is_as_left(self, name: str, record: RunRecord, period: Period) -> bool:
        """Return whether a table has as many rows of the period as the run has left in it; other runs may write it."""
        source = "web_logs" if name == "full_data" else name
        counts = (record.metrics.get("sources") or {}).get(source)
        if counts is None:  # of quarantine and product_sales the record does not say
            return True
        rows = self._rows[name]
        days = period if TABLES[name].by_day else [None]
        return sum(rows[day] for day in days) == int(counts["accepted"])


def _rows_by_day(files: Iterable[DataFile]) -> Counter[date | None]:
    counts: Counter[date | None] = Counter()
    for file in files:
        counts[file.day] += file.rows or 0
    return counts
