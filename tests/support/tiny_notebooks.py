"""Tiny notebooks in the place of the templates, one per behaviour under test."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat

from techco.records.record import STEPS

DECLARED = ("storage", "start_date", "end_date", "engine", "run_id")


def write_notebook(path: Path, *cells: str, parameters: str = "") -> Path:
    """A notebook with a parameters cell and then one code cell for each source."""
    parameters = parameters or "\n".join(f'{name}: str = ""  # the {name}' for name in DECLARED)
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        }
    )
    notebook.cells = [
        nbformat.v4.new_markdown_cell(f"# {path.stem}"),
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *map(nbformat.v4.new_code_cell, cells),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def write_templates(folder: Path, **cells: str) -> Path:
    """Templates for all steps: each prints its run's id, or has the one cell that is given for it."""
    for step in STEPS:
        write_notebook(folder / f"{step}.ipynb", cells.get(step, "print(run_id)"), "print('the end')")
    return folder


def outputs(path: Path) -> str:
    """All that the cells of a notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def statuses(path: Path) -> list[str]:
    """What papermill recorded of each code cell."""
    cells = nbformat.read(path, as_version=4).cells
    return [cell.metadata.papermill.status for cell in cells if cell.cell_type == "code"]


def wait_for_text(path: Path, timeout_s: float = 30) -> str:
    """What another process writes to a file, as soon as it does."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.05)
    raise TimeoutError(f"Nothing was written to {path}.")
