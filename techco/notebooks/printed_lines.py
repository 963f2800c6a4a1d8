"""What cells print, line by line for a log: without credentials, personal data and control characters."""

from __future__ import annotations

import re
from collections.abc import Callable

from techco.redact import Pii, mask_output, scrub

# What a cell prints may come from raw files, and must not steer a terminal.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class PrintedLines:
    """Cuts what cells print into lines.

    Parameters
    ----------
    tell
        Hears of each line.
    pii
        Whether personal data is hidden, as in reports.
    """

    def __init__(self, tell: Callable[[str], None], pii: Pii) -> None:
        self._tell, self._pii = tell, pii
        self._begun: dict[str, str] = {}

    def add(self, stream: str, text: str) -> None:
        """Take a piece of what goes to a stream; a line is told when it is whole, as a credential may be cut in two."""
        *lines, self._begun[stream] = re.split(r"[\r\n]+", self._begun.get(stream, "") + text)
        for line in lines:
            self._line(line)

    def end(self) -> None:
        """Tell what has no line break yet."""
        for line in self._begun.values():
            if line:
                self._line(line)
        self._begun.clear()

    def _line(self, text: str) -> None:
        shown = scrub(_CONTROL.sub("", text))
        self._tell(mask_output(shown) if self._pii == "mask" else shown)
