"""Execute notebooks in this process: without kernels, so that a run takes less time and is else the same."""

from __future__ import annotations

import ast
import json
import traceback
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from techco.display import plots
from techco.errors import StepFailed, TechcoError
from techco.notebooks.limits import Callbacks
from techco.notebooks.parameters import Template
from techco.report import render
from techco.runs import backfill, worker
from techco.runs import run as runs
from techco.runs.events import PreparationEnded


def execute_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute the cells of runs in this process, and make no plots and pages of notebooks, until it is undone."""
    monkeypatch.setattr(runs, "Kernels", _NoKernels)
    monkeypatch.setattr(runs, "execute_notebook", _execute_notebook)
    monkeypatch.setattr(runs, "preload_report", lambda *_: None)
    monkeypatch.setattr(render, "_notebook_page", lambda *_: "<html></html>")
    monkeypatch.setattr(backfill, "start_workers", _start_workers)
    for chart in ("bar_chart", "line_chart"):
        monkeypatch.setattr(plots, chart, lambda *_: "<svg></svg>")


class _NoKernels:
    """Stands where the kernels of a run do; knows the environment that they would have."""

    def __init__(self, _notebooks: object, variables: Mapping[str, str], *_: object) -> None:
        self.variables = variables

    def __enter__(self) -> _NoKernels:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start_next(self) -> None:
        """There is nothing to start."""


def _execute_notebook(
    template: Template,
    output: Path,
    parameters: Mapping[str, Any],
    callbacks: Callbacks,
    kernels: _NoKernels,
    _: object,
) -> None:
    notebook = json.loads(json.dumps(template.content))  # a copy
    values, scope = template.bind(parameters), {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    cells.insert(1, {"source": [f"{name} = {value!r}\n" for name, value in values.items()]})  # as papermill does
    try:
        for number, cell in enumerate(cells, start=1):
            if callbacks.on_cell:
                callbacks.on_cell(number, len(cells))
            with _variables(kernels.variables), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # as a kernel, which only shows them
                _execute_cell(cell, scope)
    except TechcoError as error:
        raise StepFailed(str(error), traceback.format_exc(), type(error).__name__) from None
    finally:
        output.write_text(json.dumps(notebook), encoding="utf-8")


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a block; others that it sets stay, as those of the engine must."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def _execute_cell(cell: dict[str, Any], scope: dict[str, Any]) -> None:
    """Execute a cell, and keep what its last expression shows."""
    tree = ast.parse("".join(cell["source"]))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), scope)
    value: Any = eval(compile(ast.Expression(last.value), "cell", "eval"), scope) if isinstance(last, ast.Expr) else 0
    if hasattr(value, "_repr_mimebundle_"):
        cell["outputs"] = [{"output_type": "execute_result", "metadata": {}, "data": value._repr_mimebundle_()}]


class _WorkersHere:
    """Does the jobs of a backfill in this process, one after the other."""

    def __init__(self) -> None:
        self._jobs: list[object] = []
        self._messages: deque[tuple[Any, Any]] = deque()

    @property
    def busy(self) -> int:
        return len(self._jobs)

    def start(self, _number: int) -> None:
        pass

    def give(self, job: Any) -> None:
        self._jobs.append(job)
        if isinstance(job, worker.PreparePeriods):
            self._messages.append((job, PreparationEnded(worker._prepare_periods(job))))
        else:
            self._messages.append((job, worker._run(job, _Silent(), None)))  # type: ignore[arg-type]

    def listen(self) -> Iterator[tuple[Any, Any]]:
        while self._messages:
            yield self._messages.popleft()

    def finish(self, job: object) -> None:
        self._jobs.remove(job)

    dismiss = finish


class _Silent:
    """A connection that nobody listens to."""

    def send(self, _: object) -> None:
        pass


@contextmanager
def _start_workers(_: object) -> Iterator[_WorkersHere]:
    yield _WorkersHere()
