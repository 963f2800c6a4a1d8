"""How long a notebook may take, and what is called while it is executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OnCell = Callable[[int, int], None]
OnOutput = Callable[[str, str], None]


@dataclass(frozen=True)
class Callbacks:
    """What is called while a notebook is executed.

    Attributes
    ----------
    on_cell
        Called as a code cell starts, with its number, from 1, and the number of code cells; the kernel is ready then.
    on_output
        Called when a cell prints, with the name of the stream and a piece of text.
    """

    on_cell: OnCell | None = None
    on_output: OnOutput | None = None


@dataclass(frozen=True)
class Limits:
    """How many seconds a kernel may take to start, and each cell to run; None is any time."""

    start_s: int = 60
    cell_s: int | None = None

    def options(self) -> list[str]:
        """Return the options of a command line that set these limits, without those that are the default."""
        start = ["--start-timeout", str(self.start_s)] if self.start_s != Limits.start_s else []
        return start if self.cell_s is None else [*start, "--execution-timeout", str(self.cell_s)]
