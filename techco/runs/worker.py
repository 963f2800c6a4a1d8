"""The process that makes runs of a backfill, one after the other; modules that they share are imported once."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NoReturn

from techco.errors import TechcoError
from techco.runs.events import Event, PreparationEnded, RunEnded
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


def main(handle: int) -> NoReturn:
    """Do jobs until the other end of a connection is closed, the parent process ends or a signal comes.

    Parameters
    ----------
    handle
        File descriptor of the connection. Each job is a `RunRequest` or `PreparePeriods`; answers to each are its
        events, of which the last is `RunEnded` or `PreparationEnded`.
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
                connection.send(PreparationEnded(_prepare_periods(job)))
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


def _run(request: RunRequest, connection: Connection, forkserver: ForkServer) -> RunEnded:
    from techco.runs.run import Interrupted, NotPublished, run

    def send(event: Event) -> None:
        with suppress(OSError):  # the other end has been closed
            connection.send(event)

    try:
        return RunEnded(run(request, send, forkserver))
    except NotPublished as error:
        return RunEnded(error.record, str(error))
    except Interrupted as error:
        return RunEnded(error.record, signals.MESSAGE)
    except TechcoError as error:
        return RunEnded(error=str(error))
    except Exception as error:
        traceback.print_exc()  # into the log of this process, whose end is shown with it
        return RunEnded(error=f"{type(error).__name__}: {error}")


def _prepare_periods(job: PreparePeriods) -> str:
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
            compare=request.compare,
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
