"""`--fail-if`: which thresholds there are, and when a run is beyond them."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from techco.cli.app import _check
from techco.cli.thresholds import parse_thresholds
from techco.errors import ParameterError
from techco.records.record import RunRecord


def record(**metrics: Any) -> RunRecord:
    """A completed run with these metrics, and two warnings."""
    warnings = [{"code": "days_without_logs", "count": 3}, {"code": "unknown_products", "count": 12}]
    return RunRecord("run-1", "s", "sail", "2023-08-01", "2023-08-31", "completed", metrics=metrics, warnings=warnings)


SOURCES = {
    "web_logs": {"read": 1100, "quarantined": 50, "outside_period": 100},
    "products": {"read": 50, "quarantined": 3, "outside_period": 0},
    "customers": {"read": 0, "quarantined": 0, "outside_period": 0},
}


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("refused > 5%", "refused is 6.0 %, which --fail-if 'refused > 5%' does not allow."),
        ("refused>6 %", ""),
        ("refused >= 6%", "refused is 6.0 %"),
        ("refused > 53", ""),
        ("refused > 52.5", "refused is 53, which"),
        ("warnings > 0", "warnings is 2"),
        ("total_sales < 1234.56", "total_sales is 1,234.50"),
        ("total_sales <= 1234.50", "total_sales is 1,234.50"),
        ("total_sales < 1234.50", ""),
        ("unique_customers < 1", "unique_customers is not known of run-1"),
        ("unknown_products >= 12", "unknown_products is 12"),
        ("no_purchases > 0", ""),
    ],
)
def test_a_run_beyond_a_threshold_is_told_in_words(text: str, failure: str) -> None:
    (threshold,) = parse_thresholds([text])
    found = threshold.failure(record(sources=SOURCES, total_sales="1234.50"))
    assert found.startswith(failure)
    assert bool(found) == bool(failure)


def test_what_a_run_has_not_computed_is_not_known() -> None:
    (threshold,) = parse_thresholds(["refused > 5%"])
    assert "refused is not known of run-1" in threshold.failure(record())


@pytest.mark.parametrize(
    "text", ["", "refused", "refused > ", "refused = 5", "refused > x", "refused > -1", "sales > 5", "warnings > 5%"]
)
def test_other_thresholds_are_refused_with_those_that_are_allowed(text: str) -> None:
    with pytest.raises(ParameterError, match=r"'refused > 5%' or 'total_sales < 1000'.* The names: refused, warnings"):
        parse_thresholds(["refused > 5%", text])


def test_the_exit_code_is_4_after_all_thresholds_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    thresholds = parse_thresholds(["warnings > 1", "warnings > 2", "unknown_products > 0"])
    with pytest.raises(typer.Exit) as ended:
        _check([record(), record()], thresholds)
    assert ended.value.exit_code == 4
    printed = capsys.readouterr().err
    assert printed.count("2023-08-01 to 2023-08-31: warnings is 2") == 2
    assert printed.count("unknown_products is 12") == 2
    _check([record()], thresholds[1:2])


def test_a_run_that_is_only_prepared_is_beyond_no_threshold() -> None:
    prepared = record()
    prepared.status = "prepared"
    _check([prepared], parse_thresholds(["total_sales < 1"]))
