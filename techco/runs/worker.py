"""The process that makes runs of a backfill, one after the other; modules that they share are imported once."""

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
    """The job to make the tables of several periods at once, which their runs then reuse.

    The period of `request` has all of them.
    """

    request: RunRequest
    periods: Sequence[Period]
    run_id: str


@dataclass(frozen=True)
class Started:
    """The message that a step begins."""

    step: str


@dataclass(frozen=True)
class Said:
    """The message that a cell has printed a line."""

    step: str
    line: str


@dataclass(frozen=True)
class Ended:
    """The message that a job has ended: the record of its run, if there is one, and errors that are not in it."""

    record: RunRecord | None = None
    trouble: str = ""


def main(handle: int) -> NoReturn:
    """Do jobs until the other end of a connection is closed, the parent process ends or a signal comes.

    Parameters
    ----------
    handle
        File descriptor of the connection. Each job is a `RunRequest` or `PreparePeriods`; answers to each are any
        number of `Started` and `Said`, and one `Ended`.
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
                connection.send(Ended(trouble=_prepare(job)))
                continue
            if forkserver and not forkserver.is_alive:
                forkserver.stop()  # its folders are still there
                forkserver = None
            forkserver = forkserver or _start_forkserver(job)
            connection.send(_run(job, connection, forkserver))
    finally:
        if forkserver:
            forkserver.stop()


def _start_forkserver(request: RunRequest) -> ForkServer:
    from techco.notebooks.forkserver import ForkServer

    return ForkServer([request.template(step) for step in request.all_steps])


def _run(request: RunRequest, connection: Connection, forkserver: ForkServer) -> Ended:
    from techco.runs.run import Interrupted, NotPublished, run

    try:
        return Ended(run(request, _SendProgress(connection), forkserver))
    except NotPublished as error:
        return Ended(error.record, str(error))
    except Interrupted as error:
        return Ended(error.record, signals.MESSAGE)
    except TechcoError as error:
        return Ended(trouble=str(error))
    except Exception as error:
        traceback.print_exc()  # into the log of this process, whose end is shown with it
        return Ended(trouble=f"{type(error).__name__}: {error}")


def _prepare(job: PreparePeriods) -> str:
    """Make the tables; return why they were not made, as each run can make them by itself."""
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


class _SendProgress(NoProgress):
    """Sends over a connection which step begins, and what is printed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def step_started(self, step: StepRecord) -> None:
        """Send which step begins."""
        self._send(Started(step.name))

    def cell_printed(self, step: StepRecord, line: str) -> None:
        """Send the line."""
        self._send(Said(step.name, line))

    def _send(self, message: object) -> None:
        with suppress(OSError):  # the other end has been closed
            self._connection.send(message)
