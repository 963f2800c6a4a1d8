"""How long a storage account that does not answer, or is too busy, is asked again."""

from __future__ import annotations

import random
import sys
import time
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.storage.blob import ExponentialRetry

PATIENCE_S = 60
_FIRST_WAIT_S = 0.4
_LONGEST_WAIT_S = 5.0
_BUSY = (408, 429, 500, 502, 503, 504)
_GIVE_UP_AT = "give_up_at"


def retry_options() -> dict[str, Any]:
    """Return options of one call that may ask several times, such as a download: all end after `PATIENCE_S`."""
    return {_GIVE_UP_AT: time.monotonic() + PATIENCE_S}


class RetryPolicy(ExponentialRetry):
    """Asks again for a minute. The library's own policies count to three instead, and give up at once on a 429.

    A request may say less: `retry_total`, how often it is asked again.
    """

    def __init__(self) -> None:
        super().__init__(retry_total=sys.maxsize)

    def configure_retries(self, request: Any) -> dict[str, Any]:
        """Return what counts for one request, and take out of its options what is not for the transport."""
        give_up_at = request.context.options.pop(_GIVE_UP_AT, time.monotonic() + PATIENCE_S)
        settings: dict[str, Any] = super().configure_retries(request)
        return {**settings, _GIVE_UP_AT: give_up_at}

    def send(self, request: Any) -> Any:
        """Send a request, and again while there is hope; what the account says last counts."""
        settings = self.configure_retries(request)
        while True:
            try:
                response = self.next.send(request)
            except ClientAuthenticationError:
                raise
            except AzureError:
                if not self._wait(settings, None):
                    raise
                continue
            http = response.http_response
            if http.status_code not in _BUSY or not self._wait(settings, http.headers.get("Retry-After")):
                http.location_mode = settings["mode"]  # the library asks for it
                return response

    def _wait(self, settings: dict[str, Any], retry_after: str | None) -> bool:
        """Wait before the next try; returns False, without waiting, where none is left."""
        settings["count"] += 1
        wait = _FIRST_WAIT_S * 2.0 ** min(settings["count"], 10) * random.uniform(0.5, 1)
        if retry_after and retry_after.isdigit():
            wait = max(wait, int(retry_after))
        wait = min(wait, _LONGEST_WAIT_S)
        if settings["count"] > settings["total"] or time.monotonic() + wait > settings[_GIVE_UP_AT]:
            return False
        time.sleep(wait)
        return True
