"""Runs whose pages are opened in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Site, Windows, make_site


@pytest.fixture(scope="session")
def site(chromium_program: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A run of each shop, made only if there is a browser; tests only read them."""
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def windows(chromium: Browser) -> Iterator[Windows]:
    """Windows that fail a test in which a page asked for anything, complained or ran code that is not ours."""
    windows = Windows(chromium)
    yield windows
    windows.close()
    assert not windows.problems
