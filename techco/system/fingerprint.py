"""Short texts that change whenever something does: a value, or the code that computes."""

from __future__ import annotations

import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

_LIBRARIES = ("pysail", "pyspark", "pyarrow", "deltalake")


def digest(value: Any) -> str | None:
    """Return a text that changes whenever a JSON value does; None stays None."""
    return None if value is None else hashlib.sha256(json.dumps(value).encode()).hexdigest()


@functools.cache
def code_fingerprint() -> str:
    """Return what changes with every version of this package and of the libraries that compute and write."""
    found = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        found.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    found.update(" ".join(version(library) for library in _LIBRARIES).encode())
    return found.hexdigest()
