"""The engines and small shops that tests share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from techco import engine
from techco.storage import Storage
from techco.tables import Tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def sail() -> SparkSession:
    """Sail, the engine that reads and writes the tables."""
    return engine.session("sail")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty storage, under a name that no engine may take for a pattern."""
    folder = tmp_path / "shop [1] {a,b}* é"
    folder.mkdir()
    return Storage(str(folder))


@pytest.fixture
def tables(sail: SparkSession, storage: Storage) -> Tables:
    """The tables of an empty storage."""
    return Tables(sail, storage)
