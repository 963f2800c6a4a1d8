"""The periods of a backfill: how each of them stands, and what they are together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from techco.period import Period
from techco.records.record import RunRecord, Status


@dataclass
class PeriodRun:
    """One period of a backfill, and how its run stands.

    `is_earlier` says that an earlier run has completed it, `reason` why it is run again though one has. `step` is the
    one that runs now, if any does, `began` is by `time.monotonic`, and `error` a sentence.
    """

    period: Period
    status: Status = "pending"
    is_earlier: bool = False
    reason: str = ""
    seconds: float | None = None
    total_sales: str | None = None
    run_id: str | None = None
    report: str | None = None
    error: str = ""
    step: str = ""
    began: float = 0.0

    def apply(self, record: RunRecord) -> None:
        """Take over what the record of its run says."""
        self.status, self.run_id, self.report = record.status, record.run_id, record.report
        self.seconds = self.seconds if record.seconds is None else record.seconds
        self.total_sales = record.metrics.get("total_sales") if record.is_completed else None
        self.error = f"The step {record.error.step} failed: {record.error.message}" if record.error else ""

    def to_json(self) -> dict[str, Any]:
        """The period as `--json` shows it."""
        return {
            "start_date": str(self.period.first),
            "end_date": str(self.period.last),
            "status": self.status,
            "seconds": self.seconds,
            "total_sales": self.total_sales,
            "run_id": self.run_id,
            "report": self.report,
            "error": self.error or None,
            "earlier": self.is_earlier,
            "reason": self.reason or None,
        }


@dataclass
class Backfill:
    """How a backfill went; `reports` is the absolute path of the page that lists all reports, None if there is none.

    If Ctrl-C or a signal has interrupted it, periods that are left have the status `pending`.
    """

    storage: str
    engine: str
    each: str
    periods: list[PeriodRun]
    reports: str | None = None
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def failed(self) -> list[PeriodRun]:
        """The periods that failed."""
        return [one for one in self.periods if one.status == "failed"]

    @property
    def total_sales(self) -> Decimal | None:
        """The sales of all periods together, None if one of them is not known."""
        sales = [Decimal(one.total_sales) for one in self.periods if one.total_sales is not None]
        return sum(sales, Decimal()) if len(sales) == len(self.periods) else None

    def to_json(self) -> str:
        """The backfill as one JSON object."""
        found = {
            "storage": self.storage,
            "engine": self.engine,
            "each": self.each,
            "seconds": self.seconds,
            "total_sales": None if self.total_sales is None else str(self.total_sales),
            "reports": self.reports,
            "periods": [one.to_json() for one in self.periods],
        }
        return json.dumps(found, indent=2, ensure_ascii=False)
