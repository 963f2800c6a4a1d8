"""The engine under which papermill runs our notebooks, and how it writes them. Imports papermill."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine
from papermill.iorw import LocalHandler

from techco.display.wording import plural
from techco.errors import StepFailed
from techco.redact import scrub
from techco.system.files import write_whole

if TYPE_CHECKING:
    from techco.notebooks.kernels import Kernel
    from techco.notebooks.limits import Limits, OnCell, OnOutput


class WholeFiles(LocalHandler):  # type: ignore[misc]
    """Writes a notebook whole, so that a reader never sees half of one, and without credentials."""

    def write(self, buf: str, path: str) -> None:
        """Write a notebook's text."""
        write_whole(Path(path), scrub(buf), durable=False)  # for each cell; the last one is made durable


class Engine(NBClientEngine):  # type: ignore[misc]
    """Runs a notebook in a kernel that is there already, and tells which cell starts."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        kernel: Kernel,
        on_cell: OnCell,
        limits: Limits,
        on_output: OnOutput | None,
        **_: object,
    ) -> None:
        """Execute the notebook that papermill manages; the kernel is stopped by whoever started it."""
        client = _Client(
            nb_man,
            km=kernel.manager,
            kernel_name=kernel_name,
            startup_timeout=limits.start_s,
            timeout=limits.cell_s,
            shutdown_kernel="immediate",
            log_output=on_output is not None,
            log=logging.getLogger("techco.notebooks"),
        )
        client.on_code_cell, client.on_output = on_cell, on_output
        client.on_cell_executed = _refuse_exit
        try:
            client.execute()
        except DeadKernelError:
            raise DeadKernelError(client.last_cell) from None
        except CellTimeoutError as error:
            raise StepFailed(f"{client.last_cell}.", scrub(str(error))) from None
        finally:
            if client.kc:
                client.kc.stop_channels()


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """Differs from papermill's client in what it saves: each code cell costs one save, and a cell in which the kernel
    died is marked failed, not completed."""

    on_code_cell: OnCell
    on_output: OnOutput | None
    last_cell = "The kernel died before the first cell"
    """What has happened if the kernel is dead, or a cell took too long."""

    def log_output_message(self, output: Any) -> None:
        """Tell what a cell prints; what it shows is for the page alone."""
        if output.output_type == "stream" and self.on_output:
            self.on_output(output.name, "".join(output.text))

    def papermill_execute_cells(self) -> None:
        code = [(i, cell) for i, cell in enumerate(self.nb.cells) if cell.cell_type == "code" and cell.source.strip()]
        for number, (index, cell) in enumerate(code, start=1):
            self.on_code_cell(number, len(code))
            self.nb_man.cell_start(cell, index)
            try:
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                _show(error, cell)
                self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                break
            except DeadKernelError:
                self.nb_man.cell_exception(cell, cell_index=index)
                self.last_cell = f"The kernel died in cell {number} of {len(code)}"
                raise
            except BaseException as error:
                self.nb_man.cell_exception(cell, cell_index=index)
                self.last_cell = _too_late(error, f"Cell {number} of {len(code)}", self.timeout)
                _cancel_all()
                raise
            finally:
                with _unsaved(self.nb_man):  # the start of the next cell saves it, or the end of the notebook
                    self.nb_man.cell_complete(cell, cell_index=index)
        else:  # it is asked for its name at last
            self.last_cell = "The kernel died after the last cell"


@contextmanager
def _unsaved(nb_man: Any) -> Iterator[None]:
    """Have papermill not write the notebook."""
    output_path, nb_man.output_path = nb_man.output_path, None
    try:
        yield
    finally:
        nb_man.output_path = output_path


def _too_late(error: BaseException, cell: str, limit_s: int | None) -> str:
    """What is to say of a cell that ended too late, or whose output did."""
    if limit_s is None or "IOPub" in str(error):
        return f"{cell} has run, but what it put out did not arrive"
    return f"{cell} did not end within {plural(limit_s, 'second')}, the limit of --execution-timeout"


def _show(error: CellExecutionError, cell: Any) -> None:
    """Give a cell the error that it ended with; of some, a wrong magic for instance, the kernel sends none to show."""
    if not any(output.output_type == "error" for output in cell.outputs):
        output = new_output("error", ename=error.ename, evalue=error.evalue, traceback=[])  # type: ignore[no-untyped-call]
        cell.outputs.append(output)


def _refuse_exit(cell: Any, execute_reply: Any, **_: object) -> None:
    """`exit()` and `quit()` let a kernel end when it gets to it, which may be after some more cells or after all."""
    if any(payload.get("source") == "ask_exit" for payload in execute_reply["content"].get("payload", [])):
        raise StepFailed(
            f"Cell [{execute_reply['content']['execution_count']}] ended the notebook with exit() or quit(); success "
            "means that every cell ran. Remove the exit.",
            scrub(cell.source),
        )


def _cancel_all() -> None:
    """End what an interrupted cell left on the event loop; it would complain on the next use of the loop."""
    loop = ensure_event_loop()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
