"""The client of a kernel, which imports jupyter_client."""

from __future__ import annotations

import math
import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

_LOOKS_EVERY_S = 1.0
_PUBLISHES_WITHIN_S = 0.2


class KernelClient(AsyncKernelClient):
    """A client that is ready as soon as its kernel is; the library's own waits for a fifth of a second of silence."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel has answered, and what it publishes is received.

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
        """Send a request, and receive its reply and all that is published about it; earlier messages are skipped."""
        request = self.kernel_info()
        try:
            while not _belongs_to(reply := await self.get_shell_msg(timeout=_LOOKS_EVERY_S), request):
                pass
            # Nothing comes if this client was not connected yet when the kernel published it; the caller asks again.
            while not _is_last_of(await self.get_iopub_msg(timeout=_PUBLISHES_WITHIN_S), request):
                pass
        except Empty:
            return False
        self._handle_kernel_info_reply(reply)  # translates an older version of the protocol from now on
        return True


def _belongs_to(message: dict[str, Any], request: str) -> bool:
    return bool(message["parent_header"].get("msg_id") == request)


def _is_last_of(message: dict[str, Any], request: str) -> bool:
    """Tell whether a message is the last that a kernel publishes about a request."""
    is_idle = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
    return is_idle and _belongs_to(message, request)
