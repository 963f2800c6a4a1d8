"""The one state of the tables that a report speaks of, and what the report was made from.

Each step of a run is a process of its own, and other runs write between them. So a step reads each table in the version
in which it found it first, or left it itself, and a run hands these versions from step to step in a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from techco.system.files import write_whole

if TYPE_CHECKING:
    from techco.tables.data_files import DataFile

VARIABLE = "TECHCO_RUN_STATE"
"""The environment variable with the path of a run's file, for its steps."""
FILE = "state.json"
"""Its name in the run's folder."""
_KEPT = ("versions", "made", "raw_files", "data_files", "missing_before", "code", "storage")


@dataclass
class State:
    """The version of each table that is read, by name.

    Attributes
    ----------
    fixed
        Whether a table that was read or written once is read in that version from then on; else always as it is now.
    made
        Tables that steps of this run have made, or found to be as they would make them.
    raw_files
        Fingerprints of the raw files that were read, by period.
    data_files
        Fingerprints of the period's data files, of tables that were read but not made by a step of this run.
    missing_before
        How many days of the period before full_data lacks, once an analysis has looked.
    code
        The fingerprint of the code that has read and made them.
    storage
        The storage of the tables.
    file
        Where the steps of a run keep all this; None for work by hand.
    listed
        The data files of the versions that were read, so that a table need not be opened again for them.
    """

    versions: dict[str, int] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    raw_files: dict[str, str | None] = field(default_factory=dict)
    data_files: dict[str, str] = field(default_factory=dict)
    missing_before: int | None = None
    code: str = ""
    storage: str = ""
    file: Path | None = None
    fixed: bool = True
    listed: dict[tuple[str, int], list[DataFile]] = field(default_factory=dict, repr=False)

    def found(self, table: str, version: int, files: list[DataFile]) -> None:
        """Note in which version a table was found, and of which files that consists."""
        if self.fixed:
            self.versions[table] = version
            self.listed[table, version] = files

    def wrote(self, table: str, version: int) -> None:
        """Note which version of a table a step has left."""
        if self.fixed:
            self.versions[table] = version

    def clear(self) -> None:
        """Forget all, so that tables are read as they are now."""
        self.versions.clear()
        self.listed.clear()
        self.made.clear()
        self.raw_files.clear()
        self.data_files.clear()
        self.missing_before = None

    def save(self, tables: Iterable[str]) -> None:
        """Keep all this for the next steps of a run, of the versions those of these tables and of what was made."""
        if not self.file:
            return
        names = {*tables, *self.made, *self.data_files}
        kept = {name: getattr(self, name) for name in _KEPT}
        kept["versions"] = {name: version for name, version in self.versions.items() if name in names}
        write_whole(self.file, json.dumps(kept, indent=2) + "\n", durable=False)


def open_state(storage: str) -> State:
    """Return the state of a storage's tables in the run that this process is a step of, by hand one that is empty."""
    path = os.environ.get(VARIABLE)
    if not path:
        return State(storage=storage)
    found = read_state(Path(path))
    found.storage = found.storage or storage
    return found if found.storage == storage else State(storage=storage)  # a notebook may open other shops, too


def read_state(file: Path) -> State:
    """Read what the steps of a run have kept; nothing if none has, or if it cannot be read."""
    with suppress(OSError, ValueError, TypeError):
        return State(**json.loads(file.read_text(encoding="utf-8")), file=file)
    return State(file=file)
