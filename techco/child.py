"""How processes of Python are started that run code of this package."""

from __future__ import annotations

import sys
from pathlib import Path


def python(code: str) -> list[str]:
    """The words that run code in a process of the same Python, which finds this package.

    What lies in the current directory, perhaps a storage, is no code: nothing is imported from there.
    """
    return [sys.executable, "-P", "-c", f"import sys; sys.path.append({str(Path(__file__).parents[1])!r}); {code}"]
