"""The raw files of a real shop, which are not ours to ship: REAL_SHOP names their folder, if not that beside us."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.needs import missing

_NAMED = os.environ.get("REAL_SHOP")
REAL = Path(_NAMED or Path(__file__).resolve().parents[3] / "shared" / "data" / "real")
PERIOD = ("2023-08-02", "2023-08-09")


def real_shop() -> Path:
    """The folder; without it the test skips, or fails if the folder was named."""
    if not REAL.is_dir():
        if _NAMED:
            missing(f"No folder {REAL}, which REAL_SHOP names")
        pytest.skip("The real raw files are not on this machine")
    return REAL
