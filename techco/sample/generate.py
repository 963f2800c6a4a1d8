"""Makes a sample shop of any size: the three raw files, and what a correct report on them must show."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from techco.contract import CustomerReason, LogReason, ProductReason
from techco.errors import ParameterError, StorageError
from techco.sample.expected import Expected
from techco.sample.spec import Form, SampleSpec
from techco.system import signals
from techco.system.files import write_whole

if TYPE_CHECKING:
    from techco.sample.forms import Sink, Texts
    from techco.sample.mess import OddLog
    from techco.sample.tally import RawTables
    from techco.sample.traffic import Chunk

__all__ = ["Expected", "Form", "SampleSpec", "generate"]

MARKER = "sample.json"
"""Says that the raw files beside it are a sample; holds its spec and its expected figures."""

_STAGING = ".sample-in-progress"
_RAW_FILES = ("customer_data.csv", "product_data.csv", "web_logs.json", "web_logs")
_TABLES = "tables"


def generate(directory: Path, spec: SampleSpec) -> Expected:
    """Write a sample shop; the same spec gives the same bytes.

    A sample that is there already is replaced once the new one is complete; its `tables/` stay as they are. Memory does
    not grow with the number of logs.

    Parameters
    ----------
    directory
        Made if missing; empty, or holding a sample shop.
    spec
        Size and shape.

    Returns
    -------
    Expected
        What a report on the period of the spec must show. It is in `sample.json` too.

    Raises
    ------
    ParameterError
        When the directory holds anything that is not a sample; nothing is written then.
    StorageError
        When the directory cannot be written.
    """
    _refuse_foreign(directory)
    staging = directory / _STAGING
    clear = partial(shutil.rmtree, staging, ignore_errors=True)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with signals.cleanup(clear):
            clear()
            staging.mkdir()
            try:
                expected = _write(staging, spec)
            except BaseException:
                clear()
                raise
            with signals.deferred():
                _publish(staging, directory)
    except OSError as error:
        raise StorageError(
            f"The sample could not be written to {directory}: {error.strerror or error}. "
            "Choose a folder that you may write to, with room for it."
        ) from error
    return expected


def _refuse_foreign(directory: Path) -> None:
    """Refuse a directory with files of a real shop: raw files without the marker are never replaced."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise ParameterError(f"{directory} is a file. Give a folder that is new or empty.")
    found = sorted(path.name for path in directory.iterdir())
    is_sample = MARKER in found or _STAGING in found
    own = {MARKER, _STAGING, _TABLES, *_RAW_FILES} if is_sample else set()
    if foreign := [name for name in found if name not in own]:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise ParameterError(
            f"{directory} holds files that are not those of a sample shop: {', '.join(foreign[:3])}{more}. "
            "Give a folder that is new, empty or made by techco generate."
        )


def _write(folder: Path, spec: SampleSpec) -> Expected:
    """Write all files of the sample to an empty folder."""
    # Here, because NumPy and Faker would slow down every start of the command line.
    from techco.sample.tables import write_tables

    expected = _write_logs(folder, spec, write_tables(folder, spec))
    facts = {"spec": asdict(spec), "expected": asdict(expected)}
    write_whole(folder / MARKER, json.dumps(facts, indent=2, ensure_ascii=False, default=str) + "\n")
    return expected


def _write_logs(folder: Path, spec: SampleSpec, shop: RawTables) -> Expected:
    from techco.sample.forms import Texts, open_sink
    from techco.sample.mess import OddLogMaker, meanings
    from techco.sample.odd_logs import ALL_ACTIONS
    from techco.sample.tally import Tally
    from techco.sample.traffic import well_formed_logs

    tally, texts = Tally(spec, shop, ALL_ACTIONS), Texts(spec)
    mess = OddLogMaker(spec, shop) if spec.messy else None
    with ExitStack() as stack:
        sink = open_sink(folder, spec, stack)
        for chunk in well_formed_logs(spec):
            odd = mess.odd_logs(chunk) if mess else []
            _write_chunk(sink, spec, chunk, texts, odd)
            tally.accept(chunk.logs)
            tally.accept(meanings(odd, spec))
            tally.outcomes.counts.update(one.outcome for one in odd if not one.meaning)
    return tally.expected(tuple(LogReason), (*CustomerReason, *ProductReason))


def _write_chunk(sink: Sink, spec: SampleSpec, chunk: Chunk, texts: Texts, odd: list[OddLog]) -> None:
    """Write the records of one chunk, each odd one before the log at its anchor."""
    usual = texts.usual(chunk)
    waiting = iter([*odd, None])
    one = next(waiting)
    for day, start, end in chunk.days():
        date = spec.start_date + timedelta(days=day)
        here: list[str] = []
        aside: list[str] = []
        while one is not None and one.anchor < end:
            here += usual[start : one.anchor]
            start = max(start, one.anchor)
            (aside if sink.by_day and one.day != date else here).append(
                texts.odd(one.record, ascii_only=one.ascii_only)
            )
            one = next(waiting)
        sink.write(day, here + usual[start:end])
        sink.write_aside(aside)


def _publish(staging: Path, directory: Path) -> None:
    """Move the complete files to their names and remove those of an earlier sample in another form."""
    for name in (*_RAW_FILES, MARKER):
        old, new = directory / name, staging / name
        if old.is_dir() and not old.is_symlink():
            old.rename(staging / f"old-{name}")
        elif not new.exists():
            old.unlink(missing_ok=True)
        if new.exists():
            new.replace(old)
    shutil.rmtree(staging)
