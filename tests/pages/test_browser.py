"""Reports in a real browser: what readers see in them, on a screen, on paper and without scripts."""

from __future__ import annotations

import io
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.support.browser import HOSTILE, NOTEBOOKS, Site, Windows
from tests.support.page import (
    BACKGROUND,
    LONG,
    OPEN_ALL,
    PAGES,
    SHOPS,
    WHITE,
    WIDTHS,
    act,
    page_of,
    stops,
)

# Nothing leaves the page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_but_itself_whatever_is_clicked(site: Site, windows: Windows, name: str) -> None:
    path = page_of(site, name)
    page = windows.open(path)
    page.evaluate("document.querySelectorAll('button, summary').forEach((control) => control.click())")
    page.evaluate("document.querySelectorAll('button').forEach((control) => control.click())")
    for box in page.locator("input[type=search]").all():
        box.fill("<img src=x onerror=alert(5)>")
    page.wait_for_load_state("networkidle")
    assert windows.requests == [path.as_uri()]


# What was written as text stays text


def text_of(page: Page, what: str) -> str:
    return "\n".join(page.locator(what).all_text_contents())


@pytest.mark.parametrize("name", ["many_scripts/index", "many_scripts/analysis"])
def test_hostile_names_are_shown_as_they_are_in_tables_and_plots(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(page_of(site, name))
    tables, plots = text_of(page, "td"), text_of(page, "svg text")
    for text in HOSTILE:
        assert text in tables
        assert text[:15] in plots, "a plot may cut what is long"


@pytest.mark.parametrize("name", [*(f"many_scripts/{page}" for page in ("index", *NOTEBOOKS)), "failed/index",
                                  "failed/join", "failed/ingest", "all"])  # fmt: skip
def test_no_element_is_made_of_a_name(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(page_of(site, name))
    made = """() => [...document.querySelectorAll('*')].filter((element) =>
        ['IMG', 'IFRAME', 'OBJECT', 'EMBED', 'FORM', 'BASE'].includes(element.tagName)
        || element.getAttributeNames().some((name) => name.startsWith('on'))
        || /^\\s*javascript:/i.test(element.getAttribute('href') ?? '')).map((element) => element.outerHTML)"""
    assert page.evaluate(made) == []
    assert page.locator("script").count() == 1
    assert page.locator("style").count() == 1
    assert page.locator("title").count() - page.locator("svg title").count() == 1


def test_the_title_names_a_shop_whatever_its_name(site: Site, windows: Windows) -> None:
    assert "<img src=x onerror=alert(4)>" in windows.open(site.page("many_scripts/index")).title()


def test_a_failure_is_told_as_it_was(site: Site, windows: Windows) -> None:
    failure = windows.open(site.page("failed/index")).locator(".callout:not(.warnings)")
    assert all(text in failure.locator(".message").inner_text() for text in HOSTILE)
    act(failure.locator("summary"), "Enter")
    expect(failure.locator("pre.out")).to_contain_text(HOSTILE[0])


@pytest.mark.parametrize("name", ["many_scripts/ingest", "many_scripts/analysis"])
def test_a_name_written_from_right_to_left_leaves_the_words_after_it_in_place(
    site: Site, windows: Windows, name: str
) -> None:
    lefts = (
        windows.open(site.page(name))
        .locator(".masthead .eyebrow")
        .evaluate("""(line) => {
      const words = document.createTreeWalker(line, NodeFilter.SHOW_TEXT), left = [];
      while (words.nextNode()) for (const found of words.currentNode.data.matchAll(/م|1|to|31|2023/g)) {
        const range = document.createRange();
        range.setStart(words.currentNode, found.index);
        range.setEnd(words.currentNode, found.index + 1);
        left.push(range.getBoundingClientRect().left);
      }
      return left;
    }""")
    )
    assert len(lefts) == 5
    assert lefts == sorted(lefts)


# Anyone can read it


# Rows further down are like those before, and a thousand of them would take the checks a minute.
FIRST_ROWS = "document.querySelectorAll('tbody tr:nth-child(n + 31)').forEach((row) => row.remove())"


def violations(page: Page, **options: Any) -> list[str]:
    """What the checks of axe find: rule, and the elements that break it."""
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    nodes = [(rule, node) for rule in found for node in rule["nodes"][:5]]
    return [f"{rule['id']}: {node['target']} {node['html'][:120]} {node['failureSummary']}" for rule, node in nodes]


@pytest.mark.parametrize("name", PAGES)
def test_accessibility_checks_find_nothing(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(page_of(site, name), bypass_csp=True)  # else axe cannot be added
    page.evaluate(OPEN_ALL)
    page.evaluate(FIRST_ROWS)
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {one}" for one in violations(page, runOnly=["color-contrast"])]
    page.set_viewport_size({"width": 360, "height": 900})
    found += [f"at 360 px: {one}" for one in violations(page)]
    assert found == []


CUT = """() => {
  const root = document.documentElement, found = [];
  if (root.scrollWidth > innerWidth) found.push(`the page is ${root.scrollWidth} px wide`);
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const parent = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || !parent.checkVisibility() || parent.closest('.unseen, .skip, svg')) continue;
    const range = document.createRange();
    range.selectNodeContents(words.currentNode);
    const box = range.getBoundingClientRect();
    for (let frame = parent; frame && box.width; frame = frame.parentElement) {
      const overflow = getComputedStyle(frame).overflowX;
      if (overflow === 'auto' || overflow === 'scroll') break;
      const limit = overflow !== 'visible' || frame === document.body ? frame.getBoundingClientRect() : null;
      if (limit && (box.left < limit.left - 1 || box.right > limit.right + 1)) {
        found.push(`${frame.tagName}.${frame.className} cuts ${words.currentNode.data.slice(0, 60)}`);
        break;
      }
    }
  }
  return found;
}"""


def at_widths(page: Page, script: str) -> list[str]:
    """What a script finds at each width."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"at {width} px: {one}" for one in page.evaluate(script)]
    return found


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_or_wider_than_the_window(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(page_of(site, name))
    page.evaluate(OPEN_ALL)
    assert at_widths(page, CUT) == []


SIDEWAYS = """(columns) => [...document.querySelectorAll('.table-frame')].filter((frame) => frame.checkVisibility()
  && frame.scrollWidth > frame.clientWidth + 1 && frame.querySelectorAll('th').length <= columns).map((frame) =>
  `${frame.ariaLabel} is ${frame.scrollWidth} px wide in ${frame.clientWidth}`)"""


@pytest.mark.parametrize("name", [*(f"{shop}/index" for shop in SHOPS), "all", "thousand"])
def test_no_number_of_a_table_is_out_of_sight_but_of_wide_ones_on_a_phone(
    site: Site, windows: Windows, name: str
) -> None:
    page = windows.open(page_of(site, name))
    at_a_desk = page.evaluate(SIDEWAYS, 99)
    page.set_viewport_size({"width": 360, "height": 900})
    assert (at_a_desk, page.evaluate(SIDEWAYS, 2)) == ([], [])


OUTSIDE = """() => [...document.querySelectorAll('main svg text')].flatMap((text) => {
  const box = text.getBoundingClientRect(), limit = text.closest('.card, .shown, .tile').getBoundingClientRect();
  const inside = box.left >= limit.left - 1 && box.right <= limit.right + 1
    && box.top >= limit.top - 1 && box.bottom <= limit.bottom + 1;
  return inside || !text.checkVisibility() ? [] : [`${text.textContent}: ${box.left} to ${box.right} px`];
})"""
OVERLAPPING = """() => [...document.querySelectorAll('.plot svg')].flatMap((plot) => {
  const words = [...plot.querySelectorAll('text')].filter((text) => text.checkVisibility());
  const boxes = words.map((text) => text.getBoundingClientRect());
  const touch = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > a.height / 3;
  return words.flatMap((text, n) => boxes.flatMap((box, k) =>
    k > n && touch(boxes[n], box) ? [`${text.textContent} and ${words[k].textContent}`] : []));
})"""


@pytest.mark.parametrize("name", [name for name in PAGES if name.endswith(("index", "analysis"))])
def test_words_in_plots_lie_in_their_card_and_apart(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(page_of(site, name))
    assert at_widths(page, OUTSIDE) + at_widths(page, OVERLAPPING) == []


PROGRAMMERS_NAMES = r"""() => [...document.querySelectorAll('main, header')].flatMap((part) =>
  part.innerText.split('\n').filter((line) => /(?<!\w)(NaN|NaT|None|null|undefined|Infinity)(?![\w.])/.test(line)))"""


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith(("empty", "one_log"))])
def test_what_is_unknown_has_no_name_of_programmers(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(page_of(site, name))
    page.evaluate("document.querySelectorAll('details.messages').forEach((details) => { details.open = true })")
    assert [line for line in page.evaluate(PROGRAMMERS_NAMES) if line != "None."] == []


@pytest.mark.parametrize("shop", [shop for shop in SHOPS if shop != "failed"])
def test_each_key_figure_of_a_first_period_says_that_nothing_came_before(
    site: Site, windows: Windows, shop: str
) -> None:
    tiles = windows.open(page_of(site, f"{shop}/index")).locator(".tile")
    assert tiles.count() >= 5
    for tile in tiles.all():
        is_unknown = tile.locator("dd").first.inner_text() == "–"
        assert ("no earlier data" in tile.inner_text()) != is_unknown


# Without scripts


@pytest.mark.parametrize("name", ["sample/index", "sample/analysis", LONG, "many_scripts/analysis", "all", "thousand"])
def test_without_scripts_all_rows_are_there_and_no_control_is_dead(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(site.page(name), java_script_enabled=False)
    rows = page.locator("main tbody tr:not(details *)")  # a fold opens without scripts too
    assert rows.count() > 5 if name != "all" else rows.count() == len(site.runs)
    assert page.locator("main tbody tr:visible").count() == rows.count()
    assert page.locator("input:visible, select:visible").count() == 0
    dead = [button for button in page.locator("button:visible").all() if not button.evaluate("(b) => b.closest('th')")]
    assert [button.inner_text() for button in dead] == []


@pytest.mark.parametrize("name", ["sample/index", "all"])
def test_without_scripts_keys_reach_only_what_does_something(site: Site, windows: Windows, name: str) -> None:
    found = stops(windows.open(site.page(name), java_script_enabled=False))
    assert len(found) > 3
    assert [stop for stop, _ in found if stop.startswith(("<button", "<input", "<select"))] == []


# Paper

MARK = """() => {
  let n = 0;
  for (const plot of document.querySelectorAll('.plot svg')) {
    const [, , width, height] = plot.getAttribute('viewBox').split(' ').map(Number);
    for (const [sign, y] of [['top', 8], ['low', height - 1]]) {
      const text = document.createElementNS('http://www.w3.org/2000/svg', 'text');
      text.setAttribute('style', 'font-size: 5px');
      text.setAttribute('x', width / 2);
      text.setAttribute('y', y);
      text.textContent = `${sign}${n}plot`;
      plot.append(text);
    }
    n += 1;
  }
  const idle = 'nav *, button:not(th *), .skip, a[download], .tools label';
  for (const control of document.querySelectorAll(idle)) control.append('idlecontrol');
  return n;
}"""


def torn(plots: int, pages: list[str]) -> list[str]:
    """The plots that are not whole on one page."""
    found = []
    for n in range(plots):
        top, low = ([k for k, text in enumerate(pages) if f"{sign}{n}plot" in text] for sign in ("top", "low"))
        if top != low or len(top) != 1:
            found.append(f"plot {n} starts on page {top} and ends on page {low}")
    return found


@pytest.mark.parametrize(
    "name", [f"{shop}/{page}" for shop in SHOPS for page in ("index", "analysis") if shop not in ("failed", "empty")]
)
def test_on_paper_no_plot_is_torn_and_nothing_waits_for_a_click(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(page_of(site, name))
    plots = page.evaluate(MARK)
    assert plots > 0
    for paper in ("A4", "Letter"):
        pages = [one.extract_text() for one in PdfReader(io.BytesIO(page.pdf(format=paper))).pages]
        assert torn(plots, pages) == []
        assert "idlecontrol" not in "".join(pages)


@pytest.mark.parametrize("name", ["one_log/index", "one_log/analysis", "failed/index", "all"])
def test_paper_is_light_whatever_the_theme(site: Site, windows: Windows, name: str) -> None:
    script = """() => ['body', 'main', 'h1, h2', '.badge', 'td', 'th'].map((what) => {
      const style = getComputedStyle(document.querySelector(what));
      return [what, style.color, style.backgroundColor];
    })"""
    light, dark = windows.open(site.page(name)), windows.open(site.page(name), "dark")
    switched = windows.open(site.page(name))
    switched.locator("[data-switch]").click()
    for page in (light, dark, switched):
        page.emulate_media(media="print")
        assert page.evaluate(BACKGROUND) == WHITE
        assert page.evaluate(script) == light.evaluate(script)


# Sizes


def test_reports_of_a_month_and_the_list_of_a_thousand_runs_are_small(site: Site) -> None:
    sizes = {name: site.page(name).stat().st_size for name in PAGES if name.startswith(("sample", "thousand"))}
    assert sizes.pop("sample/index") < 300_000
    assert sizes.pop("thousand") < 1_000_000
    assert len(sizes) == 3
    assert max(sizes.values()) < 400_000
