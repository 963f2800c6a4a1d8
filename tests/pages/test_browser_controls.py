"""Reports in a real browser: what readers do in them, with a mouse and with keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import HOSTILE, Site, Theme, Windows
from tests.support.page import (
    BACKGROUND,
    LONG,
    THEMES,
    act,
    column,
    header,
    numbers,
    sheet,
    shown_rows,
    stops,
)

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
    expect(switch).to_have_attribute("aria-pressed", "true" if other == "dark" else "false")
    for name in ("one_log/index", "one_log/analysis", "all"):
        page.goto(site.page(name).as_uri())
        assert page.evaluate(BACKGROUND) == wanted
        expect(switch).to_have_attribute("aria-pressed", "true" if other == "dark" else "false")
    act(switch, by)
    expect(switch).to_have_attribute("aria-pressed", "true" if theme == "dark" else "false")
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


@pytest.mark.parametrize("name", ["sample/index", "one_log/analysis", "failed/index", "all"])
def test_it_is_seen_where_the_keys_are(site: Site, windows: Windows, name: str) -> None:
    found = stops(windows.open(site.page(name)))
    assert len(found) > 8
    assert [stop for stop, is_seen in found if not is_seen] == []
