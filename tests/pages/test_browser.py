"""Reports in a real browser: what readers see and do in them, with a mouse, with keys, on paper and without scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from pypdf import PdfReader

from tests.support.browser import HOSTILE, NOTEBOOKS, REAL, Site, Theme, Windows, make_site

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


@pytest.fixture(scope="module")
def site(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A run of each shop, made only if there is a browser; tests only read them."""
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def windows(chromium: Browser) -> Iterator[Windows]:
    """Windows that fail a test in which a page asked for anything, complained or ran code that is not ours."""
    windows = Windows(chromium)
    yield windows
    windows.close()
    assert not windows.problems


def page_of(site: Site, name: str) -> Path:
    if name.startswith("real") and not REAL.is_dir():
        pytest.skip("the real raw files are not on this machine")
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
    page = windows.open(site.page("failed/index"))
    assert all(text in page.locator(".callout .message").inner_text() for text in HOSTILE)
    act(page.locator(".callout summary"), "Enter")
    expect(page.locator(".callout pre.out")).to_contain_text(HOSTILE[0])


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


# Tables


@pytest.mark.parametrize(("first", "second"), [("mouse", "mouse"), ("Enter", "Space")])
def test_a_column_of_numbers_sorts_largest_first_and_then_smallest_first(
    site: Site, windows: Windows, first: str, second: str
) -> None:
    page = windows.open(site.page("sample/index"))
    sales = sorted(float(row["sales"]) for row in numbers(site, "sample", "sales_by_product"))
    head = header(page, "sales-by-product", "Sales")
    quantity = header(page, "sales-by-product", "Quantity")
    act(quantity.get_by_role("button"), first)
    for by, order, wanted in ((first, "descending", sales[::-1]), (second, "ascending", sales)):
        act(head.get_by_role("button"), by)
        expect(head).to_have_attribute("aria-sort", order)
        expect(quantity).to_have_attribute("aria-sort", "none")
        place = head.evaluate("(head) => head.cellIndex") + 1
        assert [float((cell or "").replace(",", "")) for cell in column(page, "sales-by-product", place)] == wanted


@pytest.mark.parametrize(("first", "second"), [("mouse", "mouse"), ("Enter", "Space")])
def test_a_column_of_days_sorts_by_the_calendar(site: Site, windows: Windows, first: str, second: str) -> None:
    page = windows.open(site.page("sample/index"))
    days = sorted(row["event_date"] for row in numbers(site, "sample", "sales_by_day"))
    head = sheet(page, "sales-by-day").locator("th").first
    for by, order, wanted in ((first, "ascending", days), (second, "descending", days[::-1])):
        act(head.get_by_role("button"), by)
        expect(head).to_have_attribute("aria-sort", order)
        assert column(page, "sales-by-day", 1) == wanted


@pytest.mark.parametrize(("first", "second"), [("mouse", "mouse"), ("Enter", "Space")])
def test_a_column_of_words_sorts_by_the_alphabet(site: Site, windows: Windows, first: str, second: str) -> None:
    page = windows.open(site.page("sample/index"))
    words = sorted(row["category"] for row in numbers(site, "sample", "sales_by_product"))
    head = header(page, "sales-by-product", "Category")
    for by, order, wanted in ((first, "ascending", words), (second, "descending", words[::-1])):
        act(head.get_by_role("button"), by)
        expect(head).to_have_attribute("aria-sort", order)
        place = head.evaluate("(head) => head.cellIndex") + 1
        assert column(page, "sales-by-product", place) == wanted


@pytest.mark.parametrize("label", ["Product name", "Category"])
def test_what_is_unknown_comes_last_in_either_order(site: Site, windows: Windows, label: str) -> None:
    page = windows.open(site.page(LONG))
    head = header(page, "sales-by-product", label)
    for _ in range(2):
        head.get_by_role("button").click()
        cells = column(page, "sales-by-product", head.evaluate("(head) => head.cellIndex") + 1)
        unknown = cells.count(None)
        assert 0 < unknown < len(cells)
        assert cells[-unknown:] == [None] * unknown


def test_a_long_table_shows_its_first_rows_until_all_are_asked_for(site: Site, windows: Windows) -> None:
    page = windows.open(site.page("sample/index"))
    frame, rows = sheet(page, "sales-by-product"), len(numbers(site, "sample", "sales_by_product"))
    for by, wanted in (("mouse", rows), ("Enter", 15), ("Space", rows)):
        act(frame.locator("[data-all]"), by)
        assert len(shown_rows(frame)) == wanted


def test_search_finds_rows_that_were_not_shown_and_gives_them_back(site: Site, windows: Windows) -> None:
    page = windows.open(site.page(LONG))
    frame = sheet(page, "sales-by-product")
    every = frame.locator("tbody tr").all_text_contents()
    assert len(shown_rows(frame)) == 15 < len(every)
    word = numbers(site, "many_scripts", "sales_by_product")[len(every) // 2]["product_id"]
    box = frame.get_by_role("searchbox")
    box.click()
    page.keyboard.type(word)
    wanted = [row for row in every if word in row]
    assert shown_rows(frame) == wanted != []
    expect(frame.locator("output")).to_have_text(f"{len(wanted)} of {len(every):,}")
    box.fill("no such product")
    expect(frame.locator("output")).to_have_text(f"0 of {len(every):,}")
    assert shown_rows(frame) == []
    box.press("Control+a")
    box.press("Delete")
    assert shown_rows(frame) == every[:15]
    expect(frame.locator("output")).to_have_text("")


@pytest.mark.parametrize("text", [HOSTILE[0], HOSTILE[1].upper(), "{{7*7}}", "蓝色的", "قميص أزرق"])
def test_search_takes_any_text_for_what_it_is(site: Site, windows: Windows, text: str) -> None:
    frame = sheet(windows.open(site.page(LONG)), "sales-by-product")
    every = frame.locator("tbody tr").all_text_contents()
    frame.get_by_role("searchbox").fill(text)
    wanted = [row for row in every if all(word in row.lower() for word in text.lower().split())]
    assert shown_rows(frame) == wanted != []


@pytest.mark.parametrize("by", ["mouse", "keys"])
def test_runs_are_found_by_shop_and_status_together(site: Site, windows: Windows, by: str) -> None:
    page = windows.open(site.page("thousand"))
    frame, status = page.locator(".sheet"), page.locator("select")
    script = "(rows) => rows.map((row) => [row.textContent, row.querySelector('.badge').textContent])"
    every = frame.locator("tbody tr").evaluate_all(script)
    assert len(every) == 1000
    frame.get_by_role("searchbox").click()
    page.keyboard.type("north")
    if by == "mouse":
        status.select_option("failed")
    else:
        page.keyboard.press("Tab")
        expect(status).to_be_focused()
        page.keyboard.type("f")
    wanted = [text for text, badge in every if "north" in text and badge == "failed"]
    assert shown_rows(frame) == wanted
    assert 0 < len(wanted) < 500
    expect(frame.locator("output")).to_have_text(f"{len(wanted)} of 1,000")


def test_a_run_is_opened_from_the_list_of_all(site: Site, windows: Windows) -> None:
    page = windows.open(site.page("all"))
    run = site.folder("failed").name
    act(page.locator(f'a[href="{run}/index.html"]'), "Enter")
    expect(page).to_have_url(site.page("failed/index").as_uri())
    page.get_by_role("link", name="All reports").click()
    expect(page).to_have_url(site.page("all").as_uri())


# Switches


def folds(page: Page) -> list[bool]:
    opened: list[bool] = page.locator("details.code").evaluate_all("(all) => all.map((one) => one.open)")
    return opened


@pytest.mark.parametrize("by", ["mouse", "Enter", "Space"])
@pytest.mark.parametrize("name", ["one_log/analysis", "failed/join"])
def test_one_switch_opens_and_closes_all_code(site: Site, windows: Windows, name: str, by: str) -> None:
    page = windows.open(site.page(name))
    every = len(folds(page))
    assert folds(page) == [False] * every != []
    for is_open in (True, False, True):
        act(page.locator("[data-code]"), by)
        assert folds(page) == [is_open] * every


@pytest.mark.parametrize("by", ["mouse", "Enter", "Space"])
def test_one_cell_of_code_opens_alone(site: Site, windows: Windows, by: str) -> None:
    page = windows.open(site.page("sample/analysis"))
    act(page.locator("details.code summary").nth(1), by)
    assert [n for n, is_open in enumerate(folds(page)) if is_open] == [1]


@pytest.mark.parametrize("by", ["mouse", "Enter", "Space"])
@pytest.mark.parametrize("theme", THEMES)
def test_the_switch_turns_the_theme_over_and_is_remembered(site: Site, windows: Windows, theme: Theme, by: str) -> None:
    other: Theme = "dark" if theme == "light" else "light"
    page = windows.open(site.page("one_log/index"), other)
    wanted = page.evaluate(BACKGROUND)
    page = windows.open(site.page("one_log/index"), theme)
    before, switch = page.evaluate(BACKGROUND), page.locator("[data-switch]")
    assert before != wanted, "the system's theme is followed"
    expect(switch).to_have_attribute("aria-pressed", "true" if theme == "dark" else "false")
    act(switch, by)
    for name in ("one_log/index", "one_log/analysis", "all"):
        page.goto(site.page(name).as_uri())
        assert page.evaluate(BACKGROUND) == wanted
        expect(switch).to_have_attribute("aria-pressed", "true" if other == "dark" else "false")
    act(switch, by)
    assert page.evaluate(BACKGROUND) == before


def test_after_switching_back_the_system_decides_again(site: Site, windows: Windows) -> None:
    page = windows.open(site.page("one_log/index"))
    light = page.evaluate(BACKGROUND)
    for _ in range(2):
        page.locator("[data-switch]").click()
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(BACKGROUND) != light
    expect(page.locator("[data-switch]")).to_have_attribute("aria-pressed", "true")


# Links


@pytest.mark.parametrize("by", ["mouse", "Enter"])
def test_the_numbers_of_a_finding_can_be_saved(site: Site, windows: Windows, by: str) -> None:
    page = windows.open(site.page(LONG))
    links = page.locator("a[download]")
    assert links.count() == len(list((site.folder("many_scripts") / "data").iterdir()))
    for link in links.all():
        with page.expect_download() as saving:
            act(link, by)
        name = (link.get_attribute("href") or "").removeprefix("data/")
        assert saving.value.suggested_filename == name
        assert Path(saving.value.path()).read_bytes() == (site.folder("many_scripts") / "data" / name).read_bytes()
    assert page.url == site.page(LONG).as_uri()


@pytest.mark.parametrize("name", ["sample/index", "sample/analysis", "many_scripts/analysis", "failed/index"])
def test_the_contents_lead_to_each_section_and_mark_it(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(site.page(name))
    entries = page.locator(".contents a")
    assert entries.count() >= 2
    for entry in entries.all():
        entry.click()
        target = page.locator(entry.get_attribute("href") or "")
        expect(target).to_be_in_viewport()
        expect(page.locator(".contents [aria-current=location]")).to_have_count(1)
        marked = page.locator(page.locator(".contents [aria-current=location]").get_attribute("href") or "")
        expect(marked).to_be_in_viewport()


def test_the_contents_follow_who_scrolls(site: Site, windows: Windows) -> None:
    page = windows.open(site.page("sample/index"))
    marked = page.locator(".contents [aria-current=location]")
    height = page.evaluate("document.documentElement.scrollHeight")
    seen: list[str] = []
    for place in range(0, height, 100):
        page.evaluate("(y) => scrollTo(0, y)", place)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen += [text for text in marked.all_text_contents() if text not in seen]
    assert seen == [text for text in page.locator(".contents a").all_text_contents() if text in seen]
    assert set(page.locator(".contents .level3 a").all_text_contents()) <= set(seen)


@pytest.mark.parametrize("name", ["sample/index", "sample/analysis", "all"])
def test_the_first_key_skips_to_the_content(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(site.page(name), width=768)
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    expect(skip).to_be_focused()
    assert (skip.bounding_box() or {"height": 0})["height"] > 15
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


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


@pytest.mark.parametrize("name", ["sample/index", "one_log/analysis", "failed/index", "all"])
def test_it_is_seen_where_the_keys_are(site: Site, windows: Windows, name: str) -> None:
    found = stops(windows.open(site.page(name)))
    assert len(found) > 8
    assert [stop for stop, is_seen in found if not is_seen] == []


# Without scripts


@pytest.mark.parametrize("name", ["sample/index", "sample/analysis", LONG, "many_scripts/analysis", "all", "thousand"])
def test_without_scripts_all_rows_are_there_and_no_control_is_dead(site: Site, windows: Windows, name: str) -> None:
    page = windows.open(site.page(name), java_script_enabled=False)
    rows = page.locator("main tbody tr:not(details *)")  # a fold opens without scripts too
    assert rows.count() > 5
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
