"""Trustworthy reports of a shop, from parameterized notebooks.

`techco.open_shop(storage, period)` opens a shop for work by hand; the command `techco run` makes the reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from techco.access import Access
    from techco.period import Period
    from techco.shop import Shop, open_shop

__version__ = "0.1.0"
__all__ = ["Access", "Period", "Shop", "__version__", "open_shop"]


def __getattr__(name: str) -> object:
    """Import the session only when a shop is opened, so that `techco --help` is quick."""
    if name in ("Shop", "open_shop"):
        from techco import shop

        return getattr(shop, name)
    if name == "Access":
        from techco.access import Access

        return Access
    if name == "Period":
        from techco.period import Period

        return Period
    raise AttributeError(f"module 'techco' has no attribute {name!r}")
