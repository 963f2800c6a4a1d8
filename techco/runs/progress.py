"""The protocol by which a run tells its progress."""

from __future__ import annotations

from typing import Protocol

from techco.records.record import StepRecord


class Progress(Protocol):
    """Hears what a run does."""

    def step_started(self, step: StepRecord) -> None:
        """A step begins."""

    def cell_started(self, step: StepRecord, cell: int, cells: int) -> None:
        """A code cell begins; they count from 1."""

    def cell_printed(self, step: StepRecord, line: str) -> None:
        """A cell has printed a line; told only if the run was asked to."""

    def step_ended(self, step: StepRecord) -> None:
        """A step has ended; its status and seconds are set."""


class NoProgress:
    """Shows nothing."""

    def step_started(self, step: StepRecord) -> None:
        """Nothing."""

    def cell_started(self, step: StepRecord, cell: int, cells: int) -> None:
        """Nothing."""

    def cell_printed(self, step: StepRecord, line: str) -> None:
        """Nothing."""

    def step_ended(self, step: StepRecord) -> None:
        """Nothing."""
