"""The thresholds of `--fail-if`, which end a command with an exit code of their own once the report is made."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from techco.errors import ParameterError

if TYPE_CHECKING:
    from techco.records.record import RunRecord

BEYOND_THRESHOLD = 4
"""The exit code."""
_FORM = re.compile(r"\s*([a-z_]+)\s*(>=|<=|>|<)\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*")
_SIGNS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_FIGURES = ("refused", "warnings", "total_sales", "unique_customers")


@dataclass(frozen=True)
class Threshold:
    """One threshold: `text` as it was given; a share is that of the raw file of which most is refused."""

    text: str
    name: str
    sign: str
    limit: Decimal
    is_share: bool

    def failure(self, record: RunRecord) -> str:
        """Say in a sentence how a run is beyond the threshold, as it also is if the figure is not known; else empty."""
        value = self._value(record)
        if value is None:
            return f"{self.name} is not known of {record.run_id}, and --fail-if {self.text!r} asks for it."
        if not _SIGNS[self.sign](value, self.limit):
            return ""
        shown = f"{value:,.1f} %" if self.is_share else f"{value:,}"
        return f"{self.name} is {shown}, which --fail-if {self.text!r} does not allow."

    def _value(self, record: RunRecord) -> Decimal | None:
        metrics = record.metrics
        if self.name == "refused":
            return self._refused(list((metrics.get("sources") or {}).values()))
        if self.name in ("total_sales", "unique_customers"):
            return None if metrics.get(self.name) is None else Decimal(metrics[self.name])
        if self.name == "warnings":
            return Decimal(len(record.warnings))
        return Decimal(sum(warning["count"] for warning in record.warnings if warning["code"] == self.name))

    def _refused(self, sources: list[dict[str, int]]) -> Decimal | None:
        if not sources:
            return None
        if not self.is_share:
            return Decimal(sum(source["quarantined"] for source in sources))
        judged = [(source["quarantined"], source["read"] - source["outside_period"]) for source in sources]
        return max(100 * Decimal(refused) / whole if whole else Decimal(0) for refused, whole in judged)


def parse_thresholds(texts: Sequence[str]) -> list[Threshold]:
    """Read the values of `--fail-if`.

    Raises
    ------
    ParameterError
        When one has another form, or names what no run has.
    """
    return [_parse(text) for text in texts]


def _parse(text: str) -> Threshold:
    from techco.display.warnings import CODES

    found = _FORM.fullmatch(text)
    names = [*_FIGURES, *(code for code in CODES if code not in _FIGURES)]
    if not found or found[1] not in names or (found[4] and found[1] != "refused"):
        raise ParameterError(
            f"--fail-if is {text!r}. Allowed: a name, one of > >= < <= and a number, for instance 'refused > 5%' or "
            f"'total_sales < 1000'; only refused may have a %. The names: {', '.join(names)}."
        )
    return Threshold(text, found[1], found[2], Decimal(found[3]), bool(found[4]))
