"""What tests look for and do in a page of a report."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from tests.support.browser import NOTEBOOKS, Site, Theme
from tests.support.real_shop import real_shop

SHOPS = ("sample", "real", "one_log", "empty", "many_scripts", "failed")
PAGES = (
    *(f"{shop}/{page}" for shop in SHOPS for page in ("index", *NOTEBOOKS) if (shop, page) != ("failed", "analysis")),
    "all",
    "thousand",
)
LONG = "many_scripts/index"
WIDTHS = (1440, 768, 360)
THEMES: tuple[Theme, ...] = ("light", "dark")
WHITE = "rgb(255, 255, 255)"
OPEN_ALL = "document.querySelectorAll('details').forEach((details) => { details.open = true })"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


def page_of(site: Site, name: str) -> Path:
    if name.startswith("real/"):
        real_shop()
    return site.page(name)


def numbers(site: Site, shop: str, table: str) -> list[dict[str, str]]:
    """The rows of a CSV of a report."""
    text = (site.folder(shop) / "data" / f"{table}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def sheet(page: Page, finding: str) -> Locator:
    """The table of a finding, with all that belongs to it."""
    return page.locator(f"article:has(#{finding}) .sheet")


def header(page: Page, finding: str, label: str) -> Locator:
    return sheet(page, finding).get_by_role("columnheader", name=label, exact=True)


def column(page: Page, finding: str, number: int) -> list[str | None]:
    """All of a column as it stands, shown or not: the key of a cell if it has one, else its text; None if unknown."""
    script = "(cells) => cells.map((c) => c.classList.contains('none') ? null : c.dataset.v ?? c.textContent)"
    cells: list[str | None] = sheet(page, finding).locator(f"tbody td:nth-child({number})").evaluate_all(script)
    return cells


def shown_rows(frame: Locator) -> list[str]:
    """The text of the rows that can be seen."""
    script = "(rows) => rows.filter((row) => row.checkVisibility()).map((row) => row.textContent)"
    rows: list[str] = frame.locator("tbody tr").evaluate_all(script)
    return rows


def act(target: Locator, by: str) -> None:
    """Use a control with the mouse or with a key."""
    if by == "mouse":
        target.click()
    else:
        target.focus()
        target.page.keyboard.press(by)


FOCUSED = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const is_seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
  return element === document.body ? null : [element.outerHTML.slice(0, 120), is_seen];
}"""


def stops(page: Page) -> list[tuple[str, bool]]:
    """What the Tab key reaches, one after the other, and whether it is seen that it has."""
    found: list[tuple[str, bool]] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        stop: Any = page.evaluate(FOCUSED)
        if stop is None:
            break
        found.append((stop[0], stop[1]))
    return found
