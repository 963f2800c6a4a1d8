"""The commands of the README and of docs/, as a reader types them: in a folder with a small shop, and on an account."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from techco.records.find import newest_run, recorded_runs
from tests.support import azurite
from tests.support.azurite import Azurite
from tests.support.documents import MANUAL, ROOT, typed
from tests.support.stand_ins import identity_variables, managed_identity, serve

NOT_RUN = {
    "--engine": "test_engines.py and test_distributed.py run these, with a Java and a cluster",
    "--prefix": "test_cli.py reads it, and test_leaks.py runs a shop in a folder of a container",
    "--key-vault": "test_leaks.py runs a shop whose key is in a Key Vault",
    "--each": "test_backfill.py runs periods of shops that have logs on as many days",
    "techco lab": "test_lab.py starts it, and ends it",
    "--help": "test_cli.py asks for help",
    "…": "is a part of a command: whole ones with these options are run in the tests of what they do",
}
"""What a command has that is only parsed, in test_docs.py, and why."""
LOCAL = "--storage ./shop --period 2023-08"
ACCOUNT = "--storage abfss://data@myshop.dfs.core.windows.net --period 2023-08"
LINES = [line for line in typed(MANUAL) if not any(words in line for words in NOT_RUN)]
GENERATE = next(line for line in LINES if line.startswith("techco generate"))
_TOO_LONG_S = 120


@dataclass
class Reader:
    """Somebody in a shell.

    Attributes
    ----------
    folder
        The current directory, like a checkout with a shop in it.
    variables
        Of the environment.
    names
        What is called by another name here than in the documents, in commands and variables of the shell.
    done
        How each line has ended that was typed so far.
    """

    folder: Path
    variables: dict[str, str]
    names: dict[str, str]
    done: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)

    def types(self, line: str) -> subprocess.CompletedProcess[str]:
        """Type a line, unless it was typed before."""
        for name, here in self.names.items():
            line = line.replace(name, here)
        if line not in self.done:
            env = {**os.environ, **self.variables}
            words = ["bash", "-euc", line]
            self.done[line] = subprocess.run(
                words, cwd=self.folder, env=env, capture_output=True, text=True, timeout=_TOO_LONG_S, check=False
            )
        return self.done[line]

    def run_for(self, line: str) -> str:
        """A run that a line may be about."""
        if "resume" in line:
            products = self.folder / "shop" / "product_data.csv"
            away = products.rename(self.folder / products.name)
            products.write_text("a file without the columns\n")
            failed = self.types(f"techco run {LOCAL} --steps ingest  # for {line}")
            away.rename(products)
            assert failed.returncode == 1, failed.stderr
            return newest_run(self.folder)
        self.types(f"techco run {ACCOUNT} --publish" if "publish" in line else f"techco run {LOCAL}")
        kind = "abfss:" if "publish" in line else "/"
        return next(record.run_id for record in recorded_runs(self.folder) if record.storage.startswith(kind))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, https_account: Azurite) -> Iterator[Reader]:
    """A reader who has the sample of the README in ./shop and in a container, and may open that."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "templates").symlink_to(ROOT / "templates")
    (folder / "bin").mkdir()
    for program in ("techco", "papermill"):
        script = folder / "bin" / program
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m {program} "$@"\n')
        script.chmod(0o755)
    with serve(managed_identity()) as identity:
        own = {"account": azurite.ACCOUNT, "container": "data", "BROWSER": "true"}
        own |= {"TECHCO_ENDPOINT": https_account.endpoint, **identity_variables(identity.url)}
        own["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        somebody = Reader(folder, own, {"myshop": azurite.ACCOUNT, "1000000": "2000"})
        assert somebody.types(GENERATE).returncode == 0
        https_account.upload(folder / "shop", "data")
        https_account.container("$web")
        yield somebody


@pytest.mark.parametrize("line", LINES)
def test_commands_of_the_documents_work(reader: Reader, line: str) -> None:
    if "RUN" in line:
        line = line.replace("RUN", reader.run_for(line))
    done = reader.types(line)
    # The sample is so messy that it is beyond the threshold of the example, as the paragraph before says.
    assert done.returncode == (4 if "--fail-if" in line else 0), done.stderr
