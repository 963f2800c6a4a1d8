"""Read back what the cells of an executed notebook have shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from techco.display import warnings
from techco.display.shown import MIME, Figures, Finding, Shown, Table
from techco.display.warnings import RunWarning
from techco.errors import TechcoError
from techco.redact import Pii, mask_record

_Kind = TypeVar("_Kind", bound=Shown)
_CLASSES: dict[str, type[Table] | type[Finding] | type[Figures]] = {
    "table": Table,
    "finding": Finding,
    "figures": Figures,
}


def read_shown(notebook: Path, pii: Pii = "mask") -> list[Shown]:
    """Read everything of `techco.display.shown` that a notebook shows, in order.

    Parameters
    ----------
    notebook
        The executed notebook.
    pii
        Whether personal data in raw text is hidden.

    Raises
    ------
    TechcoError
        When the file is missing or no notebook.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TechcoError(
            f"{notebook} is not a readable notebook ({type(error).__name__}). Run the step again to make it anew."
        ) from error
    return [mask_raw_text(from_payload(data[MIME]), pii) for data in outputs if MIME in data]


def from_payload(payload: dict[str, Any]) -> Shown:
    """Make an object of `techco.display.shown` of its payload.

    Raises
    ------
    TechcoError
        When the payload is of no known kind or lacks a field, as one of another version may.
    """
    try:
        return _CLASSES[payload["kind"]].from_payload(payload)
    except (KeyError, TypeError) as error:
        raise TechcoError(
            f"A notebook shows something this version cannot read ({error!r}). Known kinds: {', '.join(_CLASSES)}. "
            "Run the step again with this version."
        ) from error


def mask_raw_text(shown: Shown, pii: Pii = "mask") -> Shown:
    """Hide personal data in a table's column `raw`, unless it shall be shown."""
    names = [column.name for column in shown.columns] if isinstance(shown, Table) else []
    if not isinstance(shown, Table) or "raw" not in names or pii == "show":
        return shown
    raw = names.index("raw")
    rows = [list(row) for row in shown.rows]
    for row in rows:
        source = row[names.index("source")] if "source" in names else "customers"
        row[raw] = mask_record(str(source), str(row[raw])) if row[raw] is not None else None
    return replace(shown, rows=rows)


class NotebookResults:
    """What the notebooks of a run have shown, by name; of two with one name the later counts."""

    def __init__(self, shown: Iterable[Shown]) -> None:
        self._shown = list(shown)

    def table(self, name: str) -> Table | None:
        """A table by name."""
        return self._named(Table).get(name)

    def figures(self, name: str) -> dict[str, Any]:
        """The values of named figures, empty if there are none."""
        figures = self._named(Figures).get(name)
        return figures.values if figures else {}

    @property
    def findings(self) -> list[Finding]:
        """The findings in the order they were shown."""
        return list(self._named(Finding).values())

    @property
    def warnings(self) -> list[RunWarning]:
        """The warnings of all notebooks, in the order of their codes, unknown ones last."""
        tables = [item for item in self._shown if isinstance(item, Table) and item.name == warnings.TABLE]
        return warnings.in_order(warning for table in tables for warning in warnings.read_table(table))

    def _named(self, kind: type[_Kind]) -> dict[str, _Kind]:
        return {shown.name: shown for shown in self._shown if isinstance(shown, kind)}  # type: ignore[attr-defined]
