"""How a kernel is spoken to. Imports jupyter_client."""

from __future__ import annotations

import math
import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

_LOOKS_EVERY_S = 1.0
_PUBLISHES_WITHIN_S = 0.2


class KernelClient(AsyncKernelClient):
    """Takes a kernel for ready as soon as it is; the library waits until it has been silent for a fifth of a second."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel has answered, and what it publishes arrives here.

        Raises
        ------
        RuntimeError
            In the library's words, when the kernel has died or does not answer within `timeout` seconds.
        """
        deadline = time.monotonic() + (math.inf if timeout is None else timeout)
        while not await self._has_answered():
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if time.monotonic() > deadline:
                raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    async def _has_answered(self) -> bool:
        """Ask it something, and hear all that it says to that; what it has said before is passed over."""
        asked = self.kernel_info()
        try:
            while not _is_about(reply := await self.get_shell_msg(timeout=_LOOKS_EVERY_S), asked):
                pass
            # If nobody was connected yet when it published this, nothing comes, and it is asked again.
            while not _is_end_of(await self.get_iopub_msg(timeout=_PUBLISHES_WITHIN_S), asked):
                pass
        except Empty:
            return False
        self._handle_kernel_info_reply(reply)  # an older version of the protocol is translated from now on
        return True


def _is_about(message: dict[str, Any], asked: str) -> bool:
    return bool(message["parent_header"].get("msg_id") == asked)


def _is_end_of(message: dict[str, Any], asked: str) -> bool:
    """Whether it is the last that a kernel publishes of a request."""
    is_idle = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
    return is_idle and _is_about(message, asked)
