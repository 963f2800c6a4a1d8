"""Starts techco as a process of its own session, interrupts it, and finds all that it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

MARK = "TECHCO_TEST_MARK"
# A process that works in a folder must not get its modules from there: so does the command `techco` that pip installs.
TECHCO = [sys.executable, "-P", "-m", "techco"]


@dataclass(frozen=True)
class Ended:
    """How a process has ended: `code` as a shell shows it, `seconds` since the first signal, and what it has left."""

    code: int
    seconds: float
    stdout: str
    stderr: str
    processes: list[str]
    temporary: list[str]


class Started:
    """A command of techco that runs, with a folder of its own for temporary files.

    Parameters
    ----------
    folder
        The current directory of the process.
    words
        Of the command line.
    variables
        Environment variables beside those of this process.
    """

    def __init__(self, folder: Path, *words: str, **variables: str) -> None:
        self.mark = uuid.uuid4().hex
        self.temporary = Path(tempfile.mkdtemp(dir="/tmp"))  # in a folder with a long name there could be no sockets
        own = {MARK: self.mark, "TMPDIR": str(self.temporary)}
        self.process = subprocess.Popen(
            [*TECHCO, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, **own, **variables},
            start_new_session=True,
        )

    def interrupt(self, number: int = signal.SIGINT, *, group: bool = True, again_after_s: float = 0) -> Ended:
        """Send a signal to it alone or to its group, as a terminal does, perhaps Ctrl-C again, and wait for its end."""
        sent = time.monotonic()
        if self.process.poll() is None:
            (os.killpg if group else os.kill)(self.process.pid, number)
        if again_after_s:
            time.sleep(again_after_s)
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGINT)
        return self.wait(sent)

    def wait(self, since: float | None = None) -> Ended:
        """Wait for its end."""
        stdout, stderr = self.process.communicate(timeout=120)
        seconds = time.monotonic() - (since or time.monotonic())
        code = self.process.returncode
        left = [str(path.relative_to(self.temporary)) for path in self.temporary.rglob("*")]
        if not left:
            self.temporary.rmdir()
        return Ended(code if code >= 0 else 128 - code, seconds, stdout, stderr, marked(self.mark), left)


def marked(mark: str) -> list[str]:
    """The processes that run with a mark in the environment that they were started with."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes() and "\nState:\tZ" not in status(folder):
                found.append(f"{folder.name} {(folder / 'cmdline').read_bytes()[:2000]!r}")
        except OSError:  # it has ended, or is a thread of the kernel
            continue
    return found


def status(folder: Path) -> str:
    """What the operating system says of a process."""
    return (folder / "status").read_text()


def wait_until_gone(mark: str, folder: Path, timeout_s: float = 10) -> tuple[list[str], list[str]]:
    """The processes and files that are left of a process that was killed, as soon as there are none."""
    deadline = time.monotonic() + timeout_s
    while (left := marked(mark)) or any(folder.iterdir()):
        if time.monotonic() > deadline:
            return left, [str(path) for path in folder.rglob("*")]
        time.sleep(0.02)
    folder.rmdir()
    return [], []
