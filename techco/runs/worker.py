"""What a process of a backfill does: it makes one run after the other, and loads what they share only once."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NoReturn

from techco.errors import TechcoError
from techco.records.record import RunRecord, StepRecord
from techco.runs.progress import NoProgress
from techco.system import children, signals

if TYPE_CHECKING:
    from techco.notebooks.forkserver import ForkServer
    from techco.period import Period
    from techco.runs.request import RunRequest


@dataclass(frozen=True)
class PreparePeriods:
    """A job: to make the tables of several periods at once, as far as their runs can reuse that.

    `request` is for a period that has all of them.
    """

    request: RunRequest
    periods: Sequence[Period]
    run_id: str


@dataclass(frozen=True)
class Started:
    """Says that a step begins."""

    step: str


@dataclass(frozen=True)
class Said:
    """A line that a cell has printed."""

    step: str
    line: str


@dataclass(frozen=True)
class Ended:
    """Says how a job has ended: `record` is that of its run, if there is one; `trouble` what is not in the record."""

    record: RunRecord | None = None
    trouble: str = ""


def main(handle: int) -> NoReturn:
    """Do jobs until the other end of a connection is closed, the process that has started this one ends, or a signal.

    Parameters
    ----------
    handle
        File descriptor of a connection. Each message is a `RunRequest` or `PreparePeriods`; what is sent back, pickled,
        are some `Started` and `Said`, and one `Ended`.
    """
    try:
        signals.install_handlers()
        children.end_with_parent()
        _serve(Connection(handle))
    except BaseException as error:
        if not isinstance(error, EOFError) and not signals.was_interrupted():
            traceback.print_exc()
    signals.exit_on_next_signal()
    signals.mark_reported()
    signals.exit_now()


def _serve(connection: Connection) -> NoReturn:
    forkserver: ForkServer | None = None
    try:
        while True:
            job = connection.recv()
            if isinstance(job, PreparePeriods):
                connection.send(Ended(trouble=_ahead(job)))
                continue
            if forkserver and not forkserver.is_alive:
                forkserver.stop()  # its folders are still there
                forkserver = None
            forkserver = forkserver or _forkserver(job)
            connection.send(_run(job, connection, forkserver))
    finally:
        if forkserver:
            forkserver.stop()


def _forkserver(request: RunRequest) -> ForkServer:
    from techco.notebooks.forkserver import ForkServer

    return ForkServer([request.template(step) for step in request.all_steps])


def _run(request: RunRequest, connection: Connection, forkserver: ForkServer) -> Ended:
    from techco.runs.run import Interrupted, NotPublished, run

    try:
        return Ended(run(request, _Telling(connection), forkserver))
    except NotPublished as error:
        return Ended(error.record, str(error))
    except Interrupted as error:
        return Ended(error.record, signals.MESSAGE)
    except TechcoError as error:
        return Ended(trouble=str(error))
    except Exception as error:
        traceback.print_exc()  # into the log of this process, whose end is shown with it
        return Ended(trouble=f"{type(error).__name__}: {error}")


def _ahead(job: PreparePeriods) -> str:
    """Make the tables; returns why they were not made. It is not needed: a run then does all by itself."""
    from techco.ingest import ingest_each
    from techco.join import join_each
    from techco.shop import open_shop

    request = job.request
    try:
        shop = open_shop(
            request.storage,
            request.period,
            engine=request.engine,
            run_id=job.run_id,
            access=request.access,
            refresh=request.refresh,
            spark_conf=request.spark_conf,
        )
        is_ingested = "ingest" not in request.steps or ingest_each(shop, job.periods)
        if is_ingested and "join" in request.steps:
            join_each(shop, job.periods)
    except TechcoError as error:
        return str(error)
    except Exception as error:
        if signals.was_interrupted():
            raise
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return ""


class _Telling(NoProgress):
    """Says over a connection which step begins, and what is printed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def step_started(self, step: StepRecord) -> None:
        """Say it, if anybody listens."""
        self._send(Started(step.name))

    def cell_printed(self, step: StepRecord, line: str) -> None:
        """Pass it on."""
        self._send(Said(step.name, line))

    def _send(self, said: object) -> None:
        with suppress(OSError):
            self._connection.send(said)
