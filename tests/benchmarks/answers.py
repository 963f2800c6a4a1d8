"""What every contender must find out, whatever way it takes: a fast wrong answer is none."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from techco.sample.generate import Expected

ANSWERS = "answers.json"


class WrongAnswers(Exception):
    """Raised when a contender's figures are not those of the shop; says which."""


@dataclass(frozen=True)
class Answers:
    """The figures that are compared; money is text with two decimals, `records` None where they are not counted."""

    total_sales: str
    unique_customers: int
    actions: dict[str, int]
    sales_by_category: dict[str, str]
    records: dict[str, int] | None = None

    @classmethod
    def expected(cls, expected: Expected) -> Answers:
        """Those that the generator of the shop knows."""
        return cls(
            expected.total_sales,
            expected.unique_customers,
            {str(row["action"]): int(row["count"] or 0) for row in expected.action_frequency},
            {str(row["category"]): str(row["sales"]) for row in expected.sales_by_category},
            expected.records,
        )

    @classmethod
    def written(cls, path: Path) -> Answers:
        """Those that a notebook or a script wrote as JSON, with the names of the fields above."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def printed(cls, path: Path) -> Answers:
        """Those of a report, from what `techco run --json` printed and the CSV files that it names."""
        metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        actions = _rows(metrics["tables"]["action_frequency"])
        categories = _rows(metrics["tables"]["sales_by_category"])
        return cls(
            metrics["total_sales"],
            metrics["unique_customers"],
            {row["action"]: int(row["count"]) for row in actions},
            {row["category"]: row["sales"] for row in categories},
            dict(metrics["records"]),
        )

    def check(self, expected: Expected, name: str) -> None:
        """Compare with what the generator knows.

        Raises
        ------
        WrongAnswers
            Names the contender and each figure that differs.
        """
        found, wanted = asdict(self), asdict(Answers.expected(expected))
        if self.records is None:
            del wanted["records"]
        wrong = [f"{key} is {found[key]}, must be {wanted[key]}" for key in wanted if found[key] != wanted[key]]
        if wrong:
            raise WrongAnswers(f"{name} is wrong: {'; '.join(wrong)}")


def _rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
