"""Make HTML pages: the Jinja templates in `web/`, one style sheet, one script and a strict content policy.

A page holds all it needs and asks the network for nothing. Jinja escapes every value; the policy allows no script but
ours, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from techco.display.columns import rows_html
from techco.display.shown import NAMELESS
from techco.system.files import write_whole


@dataclass(frozen=True)
class Link:
    """An entry of the line of pages on top; without `href` it is text alone."""

    label: str
    href: str = ""
    is_current: bool = False


@dataclass(frozen=True)
class Heading:
    """An entry of the table of contents: a heading of level 2 or 3 and its id."""

    label: str
    id: str
    level: int = 2


def fragment(template: str, **context: Any) -> str:
    """Render a part of a page; `context` as for `page`."""
    return _environment().get_template(template).render(**context)


def page(template: str, links: Sequence[Link], contents: Sequence[Heading] = (), **context: Any) -> str:
    """Render one page.

    Parameters
    ----------
    template
        Name of a template under `techco/report/web`.
    links
        The pages this one belongs to.
    contents
        Its headings, in order; empty for a page without a table of contents.
    context
        What the template asks for; everything is escaped.
    """
    frame = {"csp": _policy(), "css": Markup(_asset("style.css")), "script": Markup(_asset("page.js"))}
    return _environment().get_template(template).render(**frame, links=links, contents=contents, **context)


def element_id(name: str) -> str:
    """Return the id of the element that shows what has this name."""
    return name.replace("_", "-")


def write_page(path: Path, html: str) -> None:
    """Write a page; what UTF-8 cannot hold, such as half of a surrogate pair, becomes a question mark."""
    write_whole(path, html.encode("utf-8", "replace").decode("utf-8"))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = PackageLoader("techco.report", "web")
    options: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=loader, autoescape=True, **options)
    environment.globals |= {"rows_html": rows_html, "nameless": NAMELESS}
    environment.filters["element_id"] = element_id
    return environment


@lru_cache
def _asset(name: str) -> str:
    return (files("techco.report") / "web" / name).read_text(encoding="utf-8")


def _policy() -> str:
    """Return the content security policy: no network, inline styles, and one script known by its hash."""
    digest = base64.b64encode(hashlib.sha256(_asset("page.js").encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
