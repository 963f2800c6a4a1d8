"""What can go wrong, as a tree of exceptions.

::

    TechcoError                 anything a user can mend; its text says what came, what is allowed and what to do next
    ├── ParameterError          a parameter, setting or option has a wrong value (also a ValueError)
    ├── StorageError            the storage is missing, unreadable or cannot be written
    │   ├── RawFileError        a raw file is missing, empty or not what its name says
    │   ├── StorageAway         the storage does not answer, or is too busy
    │   └── CredentialError     there is no credential for the storage, or the storage or the Key Vault refuses it
    ├── EngineError             the engine could not start or is not reachable
    ├── TableError              a table is missing or does not have the columns of the contract
    │   ├── NotIngested         a table, or a day of the period, is not in the tables yet
    │   ├── RowsOutsidePeriod   rows to be written lie outside the period they would replace
    │   └── CommitRefused       other writers kept winning; nothing was written
    └── StepFailed              a notebook stopped before its last cell

Only `techco.cli.app` turns these into exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date


class TechcoError(Exception):
    """Base of every error a user can mend."""

    exit_code = 1


class ParameterError(TechcoError, ValueError):
    """Raised when a parameter, setting or option has a value that is not allowed."""

    exit_code = 2


class StorageError(TechcoError):
    """Raised when a storage does not exist, cannot be read or cannot be written."""


class RawFileError(StorageError):
    """Raised when a raw file is missing, empty, in an unreadable encoding or lacks a column."""


class StorageAway(StorageError):
    """Raised when a storage does not answer, breaks connections off or is too busy; in a minute it may be back."""


class CredentialError(StorageError):
    """Raised when there is no credential for a storage account, or one that is refused."""


class EngineError(TechcoError):
    """Raised when the engine cannot be started or reached."""


class TableError(TechcoError):
    """Raised when a table is missing or its columns are not those of the contract."""


class NotIngested(TableError):
    """Raised when a table is not there yet, or lacks `days` that are asked of it: no run has written them."""

    def __init__(self, message: str, days: Sequence[date] = ()) -> None:
        super().__init__(message)
        self.days = days


class RowsOutsidePeriod(TableError):
    """Raised before anything is committed when rows lie outside the period they would replace."""


class CommitRefused(TableError):
    """Raised when other writers won every retry; the table is as they left it."""


class StepFailed(TechcoError):
    """Raised when a notebook stopped before its last cell had run.

    `trace` is a traceback or a cell's source without credentials, empty if there is none. `kind` is the class name of
    the exception that a cell raised; `words` is its whole text, empty if the class is one of these.
    """

    def __init__(self, message: str, trace: str = "", kind: str = "", words: str = "") -> None:
        super().__init__(message)
        self.trace, self.kind, self.words = trace, kind, words
