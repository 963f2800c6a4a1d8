"""Trustworthy reports of a shop, from parameterized notebooks.

`techco.open(storage, period)` opens a shop to look into, `techco.open()` the sample shop. The command `techco run`
makes the reports; its notebooks call `techco.open_shop`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from techco.explore import Explorer
    from techco.explore import open as open  # noqa: A004 - exported, though not by __all__
    from techco.period import Period
    from techco.shop import Shop, open_shop
    from techco.storage.access import Access

__version__ = "0.1.0"
# Without `open`: `from techco import *` must leave Python's own as it is.
__all__ = ["Access", "Explorer", "Period", "Shop", "__version__", "open_shop"]
_MODULES = {"Access": "storage.access", "Explorer": "explore", "Period": "period", "Shop": "shop"}
_MODULES |= {"open": "explore", "open_shop": "shop"}


def __getattr__(name: str) -> object:
    """Import the session only when a shop is opened, so that `techco --help` is quick."""
    if name not in _MODULES:
        raise AttributeError(f"module 'techco' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"techco.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """What completion offers."""
    return [*__all__, "open"]
