"""Measures commands as a user waits for them: time, memory of all their processes, and bytes they leave."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.place import Place
from tests.benchmarks.processes import MARK, Marked, PeakMemory

Command = Sequence[str]
_TAIL = 2000


class CommandFailed(Exception):
    """Raised when a command ends with an error; says which, and the end of what it said."""


@dataclass(frozen=True)
class Cost:
    """What a run took: wall-clock seconds, the highest memory at one time, the size of what it wrote."""

    seconds: float
    peak_bytes: int
    written_bytes: int


def measure(commands: Sequence[Command], place: Place) -> Cost:
    """Run commands one after the other in a place; whatever happens, none of their processes is left.

    Returns
    -------
    Cost
        Of all commands together; the time ends with the last command, also if a process of it is still cleaning up.

    Raises
    ------
    CommandFailed
        When one ends with an error; those after it are not run.
    """
    before = place.files()
    environment, marked = _environment(place), Marked(str(place.root))
    try:
        with PeakMemory(marked) as memory:
            started = time.monotonic()
            _run(commands, place, environment)
            seconds = time.monotonic() - started
        marked.wait_or_kill()
    finally:
        marked.kill()
    return Cost(round(seconds, 3), memory.peak_bytes, place.bytes_written(before))


def _environment(place: Place) -> dict[str, str]:
    """The environment of this process, without settings that one of the contenders would follow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TECHCO_", "AZURE_", "SPARK_"))}
    return {**kept, MARK: str(place.root), "SPARK_LOCAL_DIRS": str(place.scratch)}


def _run(commands: Sequence[Command], place: Place, environment: dict[str, str]) -> None:
    with place.stdout.open("wb") as stdout, place.stderr.open("wb") as stderr:
        for command in commands:
            process = subprocess.Popen(
                command,
                cwd=place.out,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is ours alone: then all are ended
            )
            if code := process.wait():
                raise CommandFailed(f"{' '.join(command)}\nended with exit code {code}:\n{_said(place)}")


def _said(place: Place) -> str:
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in (place.stdout, place.stderr)]
    return "\n".join(text[-_TAIL:] for text in texts if text)
