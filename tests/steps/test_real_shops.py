"""The real input: figures that were checked by hand. The data is not ours to ship; without it these tests skip."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.real_shop import PERIOD, real_shop

SEEN_IN_A_FOLDER = "c9e85ac563c462e8"  # SHA-256 of the six CSVs, one after the other
pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def run(keep: Callable[[Path], tuple[str, dict[str, str]]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `techco run --json` prints for the real input."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "shop").mkdir()
    for name in ("customer_data.csv", "product_data.csv", "web_logs.json"):
        shutil.copyfile(real_shop() / name, folder / "shop" / name)
    storage, variables = keep(folder / "shop")
    period = ["--from", PERIOD[0], "--to", PERIOD[1]]
    command = [sys.executable, "-m", "techco", "run", "--storage", storage, *period, "--json"]
    env = {**os.environ, **variables}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def csv(run: dict[str, Any], name: str) -> list[str]:
    return Path(run["metrics"]["tables"][name]).read_text(encoding="utf-8").splitlines()[1:]


def test_all_500_records_are_accepted(run: dict[str, Any]) -> None:
    assert run["metrics"]["records"] == {
        "read": 500, "accepted": 500, "duplicates": 0, "quarantined": 0, "outside_period": 0,
    }  # fmt: skip
    assert run["metrics"]["quarantine"] == {}


def test_the_six_questions_have_their_known_answers(run: dict[str, Any]) -> None:
    assert csv(run, "action_frequency") == ["purchase,185", "add_to_cart,163", "view,152"]
    assert csv(run, "unique_customers")[0] == "all,500"
    assert csv(run, "sales_by_category") == [
        "Clothing,79676.65", "Books,43049.94", "Electronics,26840.13", "Sports,4897.62",
    ]  # fmt: skip
    assert (run["metrics"]["total_sales"], run["metrics"]["unique_customers"]) == ("154464.34", 500)
    assert len(csv(run, "sales_by_day")) == 8


def test_every_number_is_the_same_wherever_the_files_are(run: dict[str, Any]) -> None:
    whole = "".join(Path(path).read_text(encoding="utf-8") for _, path in sorted(run["metrics"]["tables"].items()))
    assert hashlib.sha256(whole.encode()).hexdigest().startswith(SEEN_IN_A_FOLDER)


def test_the_report_names_the_unknown_product(run: dict[str, Any]) -> None:
    analysis = Path(run["steps"][2]["notebook"]).read_text(encoding="utf-8")
    assert '"logs_unknown_product": 50' in analysis
    assert '"purchases_unknown_product": 20' in analysis
    assert "154,464.34" in Path(run["report"]).read_text(encoding="utf-8")
