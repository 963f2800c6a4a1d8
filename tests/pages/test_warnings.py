"""A run that has something to mind says so wherever it is shown, with the remedy; its exit code is 0 all the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from techco.cli.period_table import print_result
from techco.cli.printing import print_runs, print_summary
from techco.cli.run_details import describe
from techco.display.shown import Table
from techco.display.warnings import CODES, RunWarning, table_of
from techco.period import Period
from techco.records.find import filter_runs
from techco.records.record import RunRecord
from techco.report import render
from techco.runs.periods import Backfill, PeriodRun
from tests.support.reports import (
    SCRIPT,
    Reader,
    analysis,
    folder,
    ingest,
    joined,
    make_record,
    render_all,
    step,
    table,
)

REFUSED = RunWarning("refused", f"5 of 99 logs {SCRIPT} were refused.", 5, "Mend the logs.")
UNKNOWN = RunWarning("unknown_products", "1 of 3 purchases is of an unknown product.", 1, "Add the product.")
WITH_WARNINGS = "completed with warnings"


def rendered(out: Path, *more: Table, warnings: Sequence[RunWarning] = (REFUSED,)) -> RunRecord:
    """Render a run whose ingest warns of the last, and whose analysis warns of something else."""
    record = make_record(
        [
            step(out, "ingest", [*ingest(), table_of(warnings)]),
            step(out, "join", joined()),
            step(out, "analysis", [*analysis(), table_of([UNKNOWN]), *more]),
        ]
    )
    render.render(record, out)
    return record


def test_the_record_has_the_warnings_of_all_steps_as_data(tmp_path: Path) -> None:
    record = rendered(tmp_path)
    assert record.status == WITH_WARNINGS
    assert record.warnings == [asdict(REFUSED), asdict(UNKNOWN)]
    assert json.loads(record.to_json())["warnings"][1] == {
        "code": "unknown_products", "text": UNKNOWN.text, "count": 1, "remedy": "Add the product.",
    }  # fmt: skip
    assert [step.status for step in record.steps] == ["completed"] * 3


def test_a_run_without_warnings_is_completed(tmp_path: Path) -> None:
    record = render_all(tmp_path)
    assert (record.status, record.warnings) == ("completed", [])
    assert "What to mind" not in Reader(folder(tmp_path) / "index.html").text


def test_a_run_is_completed_again_when_what_it_warned_of_is_gone(tmp_path: Path) -> None:
    record = rendered(tmp_path)
    record.steps = [step(tmp_path, "ingest", ingest())]
    render.render(record, tmp_path)
    assert (record.status, record.warnings) == ("completed", [])


def test_a_failed_run_with_warnings_stays_failed(tmp_path: Path) -> None:
    record = make_record([step(tmp_path, "ingest", [*ingest(), table_of([REFUSED])])], status="failed")
    render.render(record, tmp_path)
    assert (record.status, len(record.warnings)) == ("failed", 1)
    assert "Mend the logs." in Reader(folder(tmp_path) / "index.html").text


def test_the_warnings_are_above_the_key_figures_in_words_and_not_by_colour_alone(tmp_path: Path) -> None:
    rendered(tmp_path)
    page = Reader(folder(tmp_path) / "index.html")
    main = page.text[page.text.rindex("Sales report") :]
    assert main.index("completed with warnings") < main.index("What to mind") < main.index(REFUSED.text)
    assert main.index(REFUSED.text) < main.index("Mend the logs.") < main.index(UNKNOWN.text)
    assert main.index(UNKNOWN.text) < main.index("Total sales")
    assert "#warnings" in page.values("href")


def test_a_code_of_another_version_or_of_an_own_template_comes_last(tmp_path: Path) -> None:
    own = RunWarning("stock", "There is no stock.", 1, "Order some.")
    record = rendered(tmp_path, warnings=[own, REFUSED])
    assert [one["code"] for one in record.warnings] == ["refused", "unknown_products", "stock"]


def test_a_table_that_only_has_the_name_is_no_list_of_warnings(tmp_path: Path) -> None:
    assert len(rendered(tmp_path, table("warnings", "code", ["x"])).warnings) == 2


def test_the_list_of_runs_shows_and_filters_the_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = rendered(tmp_path)
    html = (tmp_path / "reports" / "index.html").read_text()
    assert "1 run, 1 completed with warnings" in html
    assert 'data-s="completed warnings"' in html
    assert '<option value="warnings">Completed with warnings</option>' in html
    print_runs({record.run_id: record})
    assert WITH_WARNINGS in capsys.readouterr().out
    for status, found in (("completed", 1), (WITH_WARNINGS, 1), ("failed", 0)):
        assert len(filter_runs({"a": record}, status)) == found
    record.status = "completed"
    assert not filter_runs({"a": record}, WITH_WARNINGS)


def test_the_terminal_says_what_to_mind_and_what_became_of_each_raw_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_summary(rendered(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Completed with warnings in 5.2 s"
    assert "  Web logs    100 read = 90 accepted + 4 duplicates + 5 quarantined + 1 outside the period" in lines
    assert "  Products    3 read = 3 accepted + 0 duplicates + 0 quarantined" in lines
    assert lines[-2:] == [f"Warning: {REFUSED.text} Mend the logs.", f"Warning: {UNKNOWN.text} Add the product."]


def test_a_shown_run_names_its_warnings(tmp_path: Path) -> None:
    text = describe(rendered(tmp_path), tmp_path)
    assert "Status       completed with warnings\n" in text
    assert f"Warning      {UNKNOWN.text} Add the product.\n" in text


def test_a_backfill_shows_which_periods_have_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from techco.cli.console import console

    now, earlier = (PeriodRun(Period.parse(day)) for day in ("2023-08-01", "2023-08-02"))
    for one in (now, earlier):
        one.apply(rendered(tmp_path))
    earlier.is_earlier = True
    print_result(Backfill("shop", "sail", "day", [now, earlier]), console())
    printed = capsys.readouterr().out
    assert "completed earlier with warnings" in printed
    assert "2 completed with warnings (1 by earlier runs)" in printed
    assert now.total_sales == "12.50"


def test_every_code_is_documented() -> None:
    text = Path("docs/settings.md").read_text(encoding="utf-8")
    assert [f"| `{code}` | {when} |" for code, when in CODES.items() if f"| `{code}` | {when} |" not in text] == []
