"""Whether a run does all its work again."""

from __future__ import annotations

import os

from techco.errors import ParameterError

VARIABLE = "TECHCO_REFRESH"
"""The setting, for the kernels of a run."""
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def chosen_refresh(given: bool | None) -> bool:
    """What is given, else what the environment says, else False.

    Raises
    ------
    ParameterError
        When the environment says neither yes nor no.
    """
    if given is not None:
        return given
    text = os.environ.get(VARIABLE, "").lower()
    if text not in (*_YES, *_NO):
        raise ParameterError(f"{VARIABLE} is {text!r}. Allowed: 1 to do all work again, or 0.")
    return text in _YES
