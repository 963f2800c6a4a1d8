"""Cut what cells print into lines for a log, without credentials, personal data and control characters."""

from __future__ import annotations

import re
from collections.abc import Callable

from techco.redact import Pii, mask_output, scrub

# What a cell prints may come from raw files, and must not steer a terminal.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class PrintedLines:
    """The lines of what a notebook prints.

    Parameters
    ----------
    on_line
        Called with each whole line.
    pii
        Whether personal data is hidden, as in reports.
    """

    def __init__(self, on_line: Callable[[str], None], pii: Pii) -> None:
        self._on_line, self._pii = on_line, pii
        self._unfinished: dict[str, str] = {}

    def add(self, stream: str, text: str) -> None:
        """Add a piece of a stream's output; only whole lines are passed on, as a credential may be cut in two."""
        *lines, self._unfinished[stream] = re.split(r"[\r\n]+", self._unfinished.get(stream, "") + text)
        for line in lines:
            self._line(line)

    def end(self) -> None:
        """Pass on what has no line break yet."""
        for line in self._unfinished.values():
            if line:
                self._line(line)
        self._unfinished.clear()

    def _line(self, text: str) -> None:
        shown = scrub(_CONTROL.sub("", text))
        self._on_line(mask_output(shown) if self._pii == "mask" else shown)
