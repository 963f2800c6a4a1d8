"""Start the processes of a backfill and give them jobs; `techco.runs.worker` is what they run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from techco.system import signals
from techco.system.child_process import ChildProcess

MEMORY_OF_A_JOB = 2**30
"""How many bytes a run and its engine need on a shop of a million logs."""
_CGROUP = Path("/sys/fs/cgroup")
# A run that is interrupted still makes its report.
_ENDS_WITHIN_S = 12.0


class Worker(ChildProcess):
    """A process that does one job after the other; SIGTERM has it mark its run as interrupted and make the report.

    Parameters
    ----------
    variables
        Environment variables beside those of this process.
    """

    stop_signal = None  # one that has no job ends with the connection; a job is not waited for
    stops_within_s = 1.0

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__("techco.runs.worker", environment={**os.environ, **variables})

    def death(self) -> str:
        """Return how it has ended, and what it wrote last."""
        code = self.wait_for_exit(_ENDS_WITHIN_S)
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"Its process died ({how}). {self.last_words()}".strip()


class Workers:
    """Some workers, each at one job at a time."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._free: list[Worker] = []
        self._busy: dict[Worker, Any] = {}

    @property
    def busy(self) -> int:
        """The number of workers that have a job."""
        return len(self._busy)

    def start(self, number: int) -> None:
        """Start workers until there are so many, so that they import what they need before they get a job."""
        while len(self._free) + len(self._busy) < number:
            with signals.deferred():
                self._free.append(Worker(self._variables))

    def give(self, job: object) -> None:
        """Give a job to a worker that has none, or to a new one."""
        with signals.deferred():
            worker = self._free.pop() if self._free else Worker(self._variables)
            self._busy[worker] = job
        with suppress(OSError):  # it has died, which is noticed when it is listened to
            worker.connection.send(job)

    def listen(self) -> Iterator[tuple[Any, Any]]:
        """Wait for messages, and yield each with the job that it is about.

        The message of a process that has died is a text: how it has ended, and its last words.
        """
        by_connection = {worker.connection: worker for worker in self._busy}
        for connection in wait(list(by_connection)):
            worker = by_connection[connection]  # type: ignore[index]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                message = worker.death()
            yield self._busy[worker], message
            if isinstance(message, str):
                del self._busy[worker]
                worker.stop()

    def finish(self, job: object) -> None:
        """Note that a job has ended, and its worker is free."""
        with signals.deferred():
            worker = next(worker for worker, one in self._busy.items() if one is job)
            del self._busy[worker]
            self._free.append(worker)

    def dismiss(self, job: object) -> None:
        """Note that a job has ended, and end its worker, as its engine keeps the memory that the job took."""
        self.finish(job)
        self._free.pop().stop()

    def interrupt(self) -> Iterator[tuple[Any, Any]]:
        """Ask all to end, and yield their messages until they have ended."""
        for worker in (*self._busy, *self._free):
            worker.terminate()
        deadline = time.monotonic() + _ENDS_WITHIN_S
        while self._busy and time.monotonic() < deadline:
            yield from self.listen()

    def close(self) -> None:
        """Stop all workers."""
        for worker in (*self._busy, *self._free):
            worker.stop()


@contextmanager
def start_workers(variables: Mapping[str, str]) -> Iterator[Workers]:
    """Yield workers, which are stopped at the end of the block."""
    found = Workers(variables)
    try:
        yield found
    finally:
        found.close()


def most_jobs(wanted: int | None) -> int:
    """Return how many jobs may run at once: at most `wanted`, and as many as cores and memory allow; at least 1.

    A container's own limits count.
    """
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = min([psutil.virtual_memory().available, *_container_memory()])
    allowed = max(1, min(cores, int(memory // MEMORY_OF_A_JOB)))
    return allowed if wanted is None else min(wanted, allowed)


def _container_memory() -> Sequence[int]:
    """Return how many bytes the limit of a container leaves, nothing where there is no limit."""
    with suppress(OSError, ValueError):  # `max` stands for no limit
        limit, used = (int((_CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        return [limit - used]
    return []
