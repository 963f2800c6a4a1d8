"""Check what a report needs of this machine, by one function for each requirement.

Each returns what it has found, and raises `techco.doctor.checks.Skip` or an error that says what to do.
"""

from __future__ import annotations

import json
import os
import platform
import pwd
import tempfile
import time
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from techco.display.wording import duration
from techco.doctor.checks import Skip
from techco.engines.java import check_java
from techco.engines.names import parse_engine
from techco.engines.session import open_session
from techco.errors import EngineError, ParameterError, TechcoError
from techco.notebooks.execute import execute_notebook
from techco.notebooks.parameters import read_template
from techco.notebooks.templates import templates_dir
from techco.records.find import RUNS
from techco.records.record import STEPS
from techco.runs.parameters import STANDARD
from techco.settings import load_settings

_SHOWN_PACKAGES = ("pyspark", "pysail", "papermill", "deltalake")
_FIRST_USER = 1000
_NO_USERS = range(61184, 65535)  # of services, and nobody: https://systemd.io/UIDS-GIDS
_MOST_NAMED = 3


def python_version() -> str:
    """Return the version of Python, which must be one that the package allows."""
    from packaging.specifiers import SpecifierSet

    found, allowed = platform.python_version(), metadata("techco")["Requires-Python"]
    if not SpecifierSet(allowed).contains(found, prereleases=True):
        raise TechcoError(f"Python is {found}, allowed is {allowed}. Make an environment with such a Python.")
    return found


def packages() -> str:
    """Return the versions of the main packages; all that techco demands must be there in the versions it demands."""
    from packaging.requirements import Requirement

    faults = []
    for requirement in map(Requirement, requires("techco") or []):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            faults.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            faults.append(f"{requirement.name} is {found}, allowed is {requirement.specifier}")
    if faults:
        raise TechcoError(f"{'; '.join(faults)}. Install what is needed: pip install --upgrade techco")
    return ", ".join(f"{name} {version(name)}" for name in _SHOWN_PACKAGES)


def engine_answers(engine: str) -> str:
    """Return how soon the engine answers a query."""
    started = time.monotonic()
    row = open_session(engine, settings=load_settings().spark_conf_for(engine)).sql("SELECT 1").first()
    if row is None or row[0] != 1:
        raise EngineError(f"The engine {engine} answers SELECT 1 with {row}. Reinstall it.")
    return f"{engine} started and answered in {duration(time.monotonic() - started)}"


def java(engine: str) -> str:
    """Return the version of Java, if the engine needs it."""
    if not parse_engine(engine).needs_java:
        raise Skip("only Apache Spark needs it")
    return f"{check_java()}"


def templates(folder: Path | None) -> str:
    """Return where the notebooks are, which must declare the parameters of a run."""
    folder = folder or templates_dir()
    for step in STEPS:
        read_template(folder / f"{step}.ipynb").bind(dict.fromkeys(STANDARD, ""))
    return f"{', '.join(STEPS)} in {folder.absolute()}"


def kernel() -> str:
    """Run a notebook in a kernel of its own, and return how long that took."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="techco-") as folder:
        notebook = Path(folder) / "sum.ipynb"
        notebook.write_text(json.dumps(_SUM), encoding="utf-8")
        execute_notebook(notebook, notebook.with_stem("executed"), {"one": "1"})
    return f"a notebook ran in {duration(time.monotonic() - started)}"


def output_folder(out: Path) -> str:
    """Check that runs and reports can be written, and leave nothing there."""
    for path in (out.absolute() / RUNS, out.absolute() / "reports"):
        try:
            existing = next(place for place in (path, *path.parents) if place.exists())
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            raise ParameterError(
                f"{path} cannot be written: {error.strerror}. Give a folder that you may write to with `out`."
            ) from error
    return f"{out.absolute()} can be written"


def other_users(processes: Path = Path("/proc")) -> str:
    """Check that nobody else works on this machine, as far as processes show."""
    if not (processes / "1").exists():  # no Linux, or one that hides the processes of others
        raise Skip(
            "the processes of others cannot be seen here",
            "If others use this machine, run techco in a container: while a step runs, they could run code through the "
            "engine's port.",
        )
    users = {_owner(path) for path in processes.iterdir() if path.name.isdigit()} - {None, os.getuid()}
    people = sorted(user for user in users if user and user >= _FIRST_USER and user not in _NO_USERS)
    if people:
        named = ", ".join(map(_user_name, people[:_MOST_NAMED])) + (" …" if len(people) > _MOST_NAMED else "")
        who = "another user has" if len(people) == 1 else f"{len(people)} other users have"
        raise TechcoError(
            f"{who} processes here ({named}). While a step runs, other users of this machine could run code through "
            "the engine's port. Use one user per machine or container."
        )
    return "no other user has a process here"


def _owner(process: Path) -> int | None:
    try:
        return process.stat().st_uid
    except OSError:  # it has ended
        return None


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"{user}"


def _code_cell(source: str, *tags: str) -> dict[str, object]:
    return {"cell_type": "code", "metadata": {"tags": tags}, "source": source, "execution_count": None, "outputs": []}


_SUM = {
    "nbformat": 4,
    "nbformat_minor": 4,
    "metadata": {},
    "cells": [_code_cell("one: int = 0", "parameters"), _code_cell("assert one + 1 == 2")],
}
