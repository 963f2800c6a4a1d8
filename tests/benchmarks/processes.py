"""All processes of a run, found by a mark in their environment: how much memory they take, and how they are ended."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

MARK = "BENCHMARK_RUN"
"""The variable of the environment that every process of a run inherits."""

_INTERVAL_S = 1 / 20
_SHARE = 10  # a sample may take a tenth of the time: that of a large process is slow, and slows the process down
_ENDS_WITHIN_S = 10


class Marked:
    """The processes whose environment has a mark, also those whose parent is gone or that lead a session of their own.

    Parameters
    ----------
    mark
        Value of the variable `MARK`, which no other run has. None of the processes is there yet.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._others = set(psutil.pids())  # what ran before is none of ours, and is not looked at again

    def processes(self) -> list[psutil.Process]:
        """Those that run now."""
        present = list(psutil.process_iter())
        self._others &= {process.pid for process in present}
        return [process for process in present if process.pid not in self._others and self._is_marked(process)]

    def wait_or_kill(self) -> None:
        """Give them some seconds to end, as a process does that is still cleaning up, then kill them."""
        psutil.wait_procs(self.processes(), timeout=_ENDS_WITHIN_S)
        self.kill()

    def kill(self) -> None:
        """End them at once, and those that they start meanwhile."""
        deadline = time.monotonic() + _ENDS_WITHIN_S
        while (found := self.processes()) and time.monotonic() < deadline:
            for process in found:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(found, timeout=1)

    def _is_marked(self, process: psutil.Process) -> bool:
        """Look at a process as it is now: between fork and exec it still has the environment of its parent."""
        try:
            return bool(process.environ().get(MARK) == self._mark)
        except (psutil.Error, OSError):  # it has ended, or is another user's
            return False


class PeakMemory:
    """While entered, watches the memory of all processes with a mark.

    Twenty times a second, less often where looking is slow. Memory that processes share counts once where the kernel
    says how much that is (Linux: PSS), else as often as it is shared (RSS). `peak_bytes` is the highest sum seen.
    """

    def __init__(self, marked: Marked) -> None:
        self.peak_bytes = 0
        self._marked = marked
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            started = time.monotonic()
            found = self._marked.processes()
            if sum(map(_rss, found)) > self.peak_bytes:  # PSS is never more than RSS, which is told at once
                self.peak_bytes = max(self.peak_bytes, sum(map(_pss, found)))
            pause = max(_INTERVAL_S, _SHARE * (time.monotonic() - started))


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _pss(process: psutil.Process) -> int:
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return _rss(process)
    kilobytes = next((line.split()[1] for line in text.splitlines() if line.startswith("Pss:")), "0")
    return 1024 * int(kilobytes)
