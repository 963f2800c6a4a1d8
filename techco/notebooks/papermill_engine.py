"""The engine and the file handler that papermill executes and writes notebooks with. Imports papermill."""

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
    from techco.notebooks.limits import Callbacks, Limits


class WholeFiles(LocalHandler):  # type: ignore[misc]
    """Writes a notebook whole, so that a reader never sees half of one, and without credentials."""

    def write(self, buf: str, path: str) -> None:
        """Write a notebook's text."""
        write_whole(Path(path), scrub(buf), durable=False)  # for each cell; the last one is made durable


class Engine(NBClientEngine):  # type: ignore[misc]
    """Executes a notebook in a kernel that is running already."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        kernel: Kernel,
        callbacks: Callbacks,
        limits: Limits,
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
            log_output=callbacks.on_output is not None,
            log=logging.getLogger("techco.notebooks"),
        )
        client.callbacks = callbacks
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
    """Saves the notebook once for each code cell, and marks a cell as failed in which the kernel died."""

    callbacks: Callbacks
    last_cell = "The kernel died before the first cell"
    """What has happened, if the kernel is dead or a cell took too long."""

    def log_output_message(self, output: Any) -> None:
        """Pass on what a cell prints, not what it displays."""
        if output.output_type == "stream" and self.callbacks.on_output:
            self.callbacks.on_output(output.name, "".join(output.text))

    def papermill_execute_cells(self) -> None:
        code = [(i, cell) for i, cell in enumerate(self.nb.cells) if cell.cell_type == "code" and cell.source.strip()]
        for number, (index, cell) in enumerate(code, start=1):
            if self.callbacks.on_cell:
                self.callbacks.on_cell(number, len(code))
            self.nb_man.cell_start(cell, index)
            try:
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                _add_error(error, cell)
                self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                break
            except DeadKernelError:
                self.nb_man.cell_exception(cell, cell_index=index)
                self.last_cell = f"The kernel died in cell {number} of {len(code)}"
                raise
            except BaseException as error:
                self.nb_man.cell_exception(cell, cell_index=index)
                self.last_cell = _too_late(error, f"Cell {number} of {len(code)}", self.timeout)
                _cancel_tasks()
                raise
            finally:
                with _unsaved(self.nb_man):  # the start of the next cell saves it, or the end of the notebook
                    self.nb_man.cell_complete(cell, cell_index=index)
        else:  # papermill then asks the kernel for its language
            self.last_cell = "The kernel died after the last cell"


@contextmanager
def _unsaved(nb_man: Any) -> Iterator[None]:
    """Keep papermill from writing the notebook during a block."""
    output_path, nb_man.output_path = nb_man.output_path, None
    try:
        yield
    finally:
        nb_man.output_path = output_path


def _too_late(error: BaseException, cell: str, limit_s: int | None) -> str:
    """Say that a cell took too long, or its output."""
    if limit_s is None or "IOPub" in str(error):
        return f"{cell} has run, but what it put out did not arrive"
    return f"{cell} did not end within {plural(limit_s, 'second')}, the limit of `execution_timeout`"


def _add_error(error: CellExecutionError, cell: Any) -> None:
    """Add the error to a cell's outputs, as the kernel sends none for some, a wrong magic for instance."""
    if not any(output.output_type == "error" for output in cell.outputs):
        output = new_output("error", ename=error.ename, evalue=error.evalue, traceback=[])  # type: ignore[no-untyped-call]
        cell.outputs.append(output)


def _refuse_exit(cell: Any, execute_reply: Any, **_: object) -> None:
    """Fail a cell that calls `exit()` or `quit()`: the kernel would end later, perhaps after all other cells."""
    if any(payload.get("source") == "ask_exit" for payload in execute_reply["content"].get("payload", [])):
        raise StepFailed(
            f"Cell [{execute_reply['content']['execution_count']}] ended the notebook with exit() or quit(); success "
            "means that every cell ran. Remove the exit.",
            scrub(cell.source),
        )


def _cancel_tasks() -> None:
    """Cancel what an interrupted cell left on the event loop, whose next use would warn of it."""
    loop = ensure_event_loop()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
