"""Child processes: they end with their connection or are killed, and their last words hold no credential."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from techco.system.child_process import ChildProcess, last_words, private_folder


class Child(ChildProcess):
    stop_signal = None
    stops_within_s = 60.0

    def __init__(self, manner: str, **options: object) -> None:
        here = Path(__file__)
        environment = {**os.environ, "PYTHONPATH": str(here.parent)}
        super().__init__(here.stem, [manner], environment, **options)  # type: ignore[arg-type]


class Stubborn(Child):
    stop_signal = signal.SIGTERM
    stops_within_s = 0.1


def main(handle: int, manner: str) -> None:
    """Be the child process."""
    if manner == "fail":
        sys.stderr.write("AccountKey=hush-hush-hush\n")
        sys.exit(3)
    if manner == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection = Connection(handle)
    connection.send(manner)
    with suppress(EOFError):
        connection.recv()
    if manner == "ignore":
        time.sleep(600)


def test_its_exit_code_and_last_words_are_known() -> None:
    with Child("fail") as child:
        assert child.wait_for_exit() == 3
        assert not child.is_alive
        assert child.last_words() == "AccountKey=[hidden]"


def test_it_ends_as_its_connection_is_closed() -> None:
    with Child("wait") as child:
        assert child.connection.recv() == "wait"
        assert child.is_alive
    assert child.wait_for_exit() == 0
    child.stop()


def test_one_that_does_not_end_is_killed_and_its_folders_are_removed() -> None:
    folder = private_folder()
    assert Path(folder.name).stat().st_mode & 0o077 == 0
    with Stubborn("ignore", folders=[folder]) as child:
        assert child.connection.recv() == "ignore"
    assert child.wait_for_exit() == -signal.SIGKILL
    assert not Path(folder.name).exists()


def test_a_credential_is_not_cut_in_two_before_it_is_hidden(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 100_000 + "AccountKey=hush-hush-hush " + "y" * 3990)
    with log.open("rb") as file:
        words = last_words(file)
    assert words.endswith("y")
    assert "hush" not in words
