"""Runs a notebook's import statements while its kernel waits for its turn: an IPython extension.

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
"""Environment variable of the kernel with the statements, one a line."""

_SHARED = ["pyspark.sql.connect.session", "pandas", "pysail.spark"]
_ENGINE = ["import pysail.spark", "import pyspark.sql.connect.session"]  # our modules import these only when needed


def import_statements(notebook: Path, libraries: Sequence[str] = ()) -> str:
    """The imports of `libraries`, and the import statements in a notebook's code cells, one a line.

    What cannot be read has none: this is only about being quick.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    imports = [f"import {library}" for library in libraries]
    return "\n".join([*_ENGINE, *imports, *(statement for source in sources for statement in _imports(source))])


def shared_modules(notebook: Path) -> list[str]:
    """The modules of this package that a notebook imports, and what they need: those that kernels may share by a fork.

    What else a notebook imports is left to its own kernel: a module may start threads, which no fork survives. On macOS
    that is so for those of the system too, and nothing is shared.
    """
    if sys.platform == "darwin":
        return []
    names = [name for statement in import_statements(notebook).splitlines() for name in _modules(statement)]
    return [*_SHARED, *(name for name in names if name.partition(".")[0] == _PACKAGE)]


def load_ipython_extension(_shell: object) -> None:
    """Run the statements; one that fails is left to the cell that needs it, which can say so."""
    for statement in os.environ.pop(VARIABLE, "").splitlines():
        with contextlib.suppress(Exception):
            exec(statement, {})


def _imports(source: str) -> list[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a cell with IPython's own syntax
        return []
    return [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]


def _modules(statement: str) -> list[str]:
    """The modules that an import statement names, or may name: of a package also what is imported from it."""
    node = ast.parse(statement).body[0]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert isinstance(node, ast.ImportFrom), "there are two kinds"
    return [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
