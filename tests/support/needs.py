"""Which tests need what beyond Python, so that the quick ones can be run alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NoReturn

import pytest

_BY_FIXTURE = {
    "apache_spark": "spark",
    "cluster": "spark",
    "storage_account": "azure",
    "https_account": "azure",
    "chromium_program": "browser",
    "trial": "slow",
    "opened": "slow",
    "benchmark": "slow",
}
"""What a fixture needs, or one that stands for it as the value of a parameter."""
_BY_PARAMETER = {
    ("spark", "apache_spark"): "spark",
    ("spark", "on_cluster"): "spark",
    ("engine_here", "spark"): "spark",
    ("any_shop", "spark"): "spark",
    ("keep", "storage account"): "azure",
    ("changing", "storage account"): "azure",
}
"""What a parametrized fixture needs for one of its values."""
_ON_SPARK = re.compile(r"\[(?:.*-)?(?:spark|apache_spark|on_cluster)(?:-.*)?\]")


def mark_by_need(item: pytest.Item) -> None:
    """Give a test the markers of what its fixtures need."""
    for marker in set(_needs(item)):
        item.add_marker(marker)


def group_of(nodeid: str) -> str:
    """Return the name of the tests that one process runs together, where several run them.

    One has all that need Apache Spark, so that this starts once, and one the browser; any other has whole files, with
    what their tests share.
    """
    path, _, test = nodeid.partition("::")
    if path.startswith("tests/engines/") or _ON_SPARK.search(test):
        return "spark"
    return "browser" if path.startswith("tests/pages/test_browser") else path


def _needs(item: pytest.Item) -> Iterator[str]:
    for name in getattr(item, "fixturenames", ()):
        if name in _BY_FIXTURE:
            yield _BY_FIXTURE[name]
    callspec = getattr(item, "callspec", None)
    for name, value in callspec.params.items() if callspec else ():
        if isinstance(value, str) and (name, value) in _BY_PARAMETER:
            yield _BY_PARAMETER[name, value]
        if isinstance(value, str) and value.partition("/")[0] == "real":  # a shop, or a page of its report
            yield "real"


def missing(what: str) -> NoReturn:
    """Skip a test for want of a part of the machine; in CI, where all must be there, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (in CI nothing may be missing)")
    pytest.skip(what)
