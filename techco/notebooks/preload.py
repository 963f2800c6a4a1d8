"""Run a notebook's import statements while its kernel waits for its turn; an IPython extension.

They run in a namespace of their own, so that a notebook which lacks an import still fails.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_PACKAGE = __package__.partition(".")[0]
VARIABLE = "TECHCO_KERNEL_IMPORTS"
"""Environment variable of a kernel with the import statements to run, one on each line."""

_ENGINE_MODULES = ["pyspark.sql.connect.session", "pandas", "pysail.spark"]
# The modules of this package import these only when they are needed.
_ENGINE_IMPORTS = ["import pysail.spark", "import pyspark.sql.connect.session"]


def import_statements(notebook: Path, libraries: Sequence[str] = ()) -> str:
    """Return the imports of `libraries` and the import statements of a notebook's code cells, one on each line.

    A notebook that cannot be read has none: they only save time.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    imports = [f"import {library}" for library in libraries]
    return "\n".join([*_ENGINE_IMPORTS, *imports, *(statement for source in sources for statement in _imports(source))])


def shared_modules(notebook: Path) -> list[str]:
    """Return the modules that the kernel of a notebook may get by a fork: those of this package and of the engine.

    Other modules are left to the kernel itself, as they may start threads, which do not survive a fork. On macOS system
    libraries do so too, and nothing is shared.
    """
    if sys.platform == "darwin":
        return []
    names = [name for node in ast.parse(import_statements(notebook)).body for name in _modules(node)]
    return [*_ENGINE_MODULES, *(name for name in names if name.partition(".")[0] == _PACKAGE)]


def load_ipython_extension(_shell: object) -> None:
    """Run the statements; a failure is left to the notebook's cell, where it fails again with a message."""
    for statement in os.environ.pop(VARIABLE, "").splitlines():
        with contextlib.suppress(Exception):
            exec(statement, {})


def _imports(source: str) -> list[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a cell with IPython's own syntax
        return []
    return [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]


def _modules(node: ast.stmt) -> list[str]:
    """Return the modules that an import statement names or may name: what it imports from a package may be one."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert isinstance(node, ast.ImportFrom), "there are two kinds"
    return [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
