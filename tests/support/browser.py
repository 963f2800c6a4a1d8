"""Reports as a browser shows them: the runs that the tests of pages open, and the windows they are opened in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, sync_playwright

from techco.notebooks.templates import templates_dir
from techco.records.record import RunError, RunRecord, Status, StepRecord
from techco.report.render import render_catalogue
from techco.storage.folder import Folder
from tests.support.real_shop import PERIOD, REAL
from tests.support.shops import log, write_shop
from tests.support.stand_ins import free_port
from tests.support.tiny_notebooks import write_notebook

Theme = Literal["light", "dark"]
HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(2)>", '"><svg onload=alert(3)>', "=1+1", "{{7*7}}",
    "</style>", "</title>", "javascript:alert(1)",
)  # fmt: skip
MANY_SCRIPTS = (
    "قميص قطني أزرق", "חולצת כותנה כחולה", "蓝色的棉布衬衫", "👩‍👩‍👧‍👦 👩🏽‍🚀 🏳️‍🌈", "W" * 300,
    "e\u0301\u0323\u0332" * 12,
    "เสื้อยืดผ้าฝ้ายสีฟ้า", "青い綿のシャツ", "नीली सूती कमीज", "🇩🇪🇯🇵🇧🇷🇺🇳", "漢" * 300, "ש" * 300, "Straße\u00a0Ünïcödé",
    "\u202egnp.exe", "Plain name",
)  # fmt: skip
NAMES = HOSTILE + MANY_SCRIPTS
HOSTILE_SHOP = "<img src=x onerror=alert(4)> 店 متجر"
PRODUCTS, CUSTOMERS = 5_000, 400
NOTEBOOKS = ("ingest", "join", "analysis")
_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip


@contextmanager
def run_chromium(program: str) -> Iterator[Browser]:
    """Start a Chromium without a screen.

    It asks its maker for updates whatever it is told: it gets a proxy that is not there, and so cannot.
    """
    nowhere: Any = {"server": f"http://127.0.0.1:{free_port()}"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGS, proxy=nowhere)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Windows:
    """Windows of a browser, each with a profile of its own, and what happened in them that never may."""

    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def open(self, path: Path, theme: Theme = "light", width: int = 1440, **options: Any) -> Page:
        """Open a page from disk, as a reader would whose system has that theme."""
        size: Any = {"width": width, "height": 900}
        context = self.browser.new_context(color_scheme=theme, viewport=size, reduced_motion="reduce", **options)
        self.contexts.append(context)
        context.on("request", self._asked)
        context.on("dialog", self._dialog)
        context.on("weberror", lambda error: self.problems.append(f"error: {error.error}"))
        context.on("console", lambda said: self.problems.append(f"console: {said.text}"))
        page = context.new_page()
        page.goto(path.as_uri())
        return page

    def close(self) -> None:
        """Close all windows."""
        for context in self.contexts:
            context.close()

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)
        if not (request.is_navigation_request() and request.url.startswith("file:")):
            self.problems.append(f"request: {request.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@dataclass(frozen=True)
class Site:
    """An output folder with a run of each shop, and the page of a thousand runs."""

    out: Path
    runs: dict[str, dict[str, Any]]
    thousand: Path

    def page(self, name: str) -> Path:
        """The file of a page: `all`, `thousand`, or shop and page as in `sample/index`."""
        if name == "all":
            return self.out / "reports" / "index.html"
        if name == "thousand":
            return self.thousand / "reports" / "index.html"
        shop, _, page = name.partition("/")
        return self.folder(shop) / f"{page}.html"

    def folder(self, shop: str) -> Path:
        """The report of a shop's run."""
        return Path(self.runs[shop]["report"]).parent


def make_site(folder: Path) -> Site:
    """Make every run, two at once."""
    one_log = _shop(folder / "one_log", [log(1, action="purchase")])
    runs = {
        "sample": ["--out", "out"],
        "one_log": ["--out", "out", "--storage", one_log, "--period", "2023-08"],
        "empty": ["--out", "out", "--storage", _shop(folder / "empty", [log(1)]), "--period", "2022-01"],
        "many_scripts": ["--out", "out", "--storage", odd_shop(folder / HOSTILE_SHOP), "--period", "2023-08"],
        "failed": ["--out", "out", "--storage", odd_shop(folder / "failed", 100), "--period", "2023-08"],
    }
    if REAL.is_dir():
        shutil.copytree(REAL, folder / "real")
        runs["real"] = ["--out", "out", "--storage", "real", "--from", PERIOD[0], "--to", PERIOD[1]]
    broken = {"TECHCO_TEMPLATES": str(_templates_that_fail(folder / "templates"))}
    jobs = [(words, broken if shop == "failed" else {}) for shop, words in runs.items()]
    with ThreadPoolExecutor(2) as workers:
        made = list(workers.map(partial(_techco, folder), *zip(*jobs, strict=True)))
    render_catalogue(folder / "out")  # each run has seen those before it only
    return Site(folder / "out", dict(zip(runs, made, strict=True)), _thousand_runs(folder / "thousand"))


def _techco(folder: Path, words: Sequence[str], variables: dict[str, str]) -> dict[str, Any]:
    """The record of one `techco run`, with settings and a cache of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TECHCO_")}
    env |= {"XDG_CACHE_HOME": str(folder / "cache"), **variables}
    command = [sys.executable, "-m", "techco", "run", *words, "--json"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == bool(variables), done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def _shop(folder: Path, logs: list[dict[str, Any]]) -> str:
    folder.mkdir()
    write_shop(Folder(str(folder)), logs)
    return str(folder)


def odd_shop(folder: Path, products: int = PRODUCTS) -> str:
    """Write a shop whose names are in many scripts and would like to be code; all but the last products were sold.

    The first fifteen of `NAMES` earn the most, as products and as categories.
    """
    folder.mkdir()
    names = [NAMES[n % len(NAMES)] for n in range(CUSTOMERS)]
    customers = [[f"CUST{n}", name, name, f"n{n}@example.com", f"+1-202-555-{n:04}"] for n, name in enumerate(names, 1)]
    goods = [_product(n) for n in range(1, products + 1)]
    goods.append(["PROD7", "A <b>free</b> thing", "Toys", "<i>free</i>"])
    write_shop(
        Folder(str(folder)),
        _odd_logs(products),
        customers=_csv(["customer_id", "first_name", "last_name", "email", "phone"], customers),
        products=_csv(["product_id", "product_name", "category", "price"], goods),
    )
    return str(folder)


def _product(n: int) -> list[object]:
    """One product: a plain one in a hundred lacks name and category."""
    if n > len(NAMES) and n % 100 == 0:
        return [n, "", "", f"{n / 100 + 1:.2f}"]
    name = NAMES[(n - 1) % len(NAMES)]
    if n <= len(NAMES):
        return [n, name, name, f"{9_000_000 - 300_000 * n}.50"]
    return [n, f"{name} {n}", name, f"{n / 100 + 1:.2f}"]


def _odd_logs(products: int) -> list[Any]:
    ids = iter(range(1, 10**6))

    def one(n: int, **values: Any) -> dict[str, Any]:
        given = {"customer_id": f"CUST{n % CUSTOMERS + 1}", "product_id": f"PROD{n}", **values}
        return log(next(ids), f"2023-08-{n % 31 + 1:02}", **given)

    sold = [one(n, action="purchase") for n in range(1, products + 1)]
    viewed = [one(n, action="view") for n in range(1, products // 5)]
    acted = [one(n, action=name) for n in range(1, 4) for name in HOSTILE]
    refused = [one(1, **{key: name}) for name in NAMES for key in ("timestamp", "customer_id", "quantity")]
    return [*sold, *viewed, *acted, *refused, *NAMES]


def _csv(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def field(value: object) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    return "".join(",".join(map(field, row)) + "\n" for row in (head, *rows))


def _templates_that_fail(folder: Path) -> Path:
    """The shipped notebooks, with a join that tells hostile text and fails with it."""
    shutil.copytree(templates_dir(), folder)
    text = " ".join(HOSTILE)
    write_notebook(folder / "join.ipynb", f"print({text!r})", f"raise ValueError({text!r} + {'W' * 300!r})", "later()")
    return folder


def _thousand_runs(out: Path) -> Path:
    """Records of a thousand runs, most of them with a report."""
    for n in range(1000):
        record = _record(n)
        record.save(out / "runs" / record.run_id / "run.json")
        if n % 10:
            report = out / "reports" / record.run_id / "index.html"
            report.parent.mkdir(parents=True)
            report.touch()
    render_catalogue(out)
    return out


def _record(n: int) -> RunRecord:
    month, status = f"{2020 + n // 300}-{n % 12 + 1:02}", "failed" if n % 7 == 0 else "completed"
    steps: list[StepRecord] = [StepRecord(step, _status(status)) for step in NOTEBOOKS[n % 5 == 0 :]]
    sales = {} if n % 3 == 0 else {"total_sales": f"{n * 1234567 % 99999999 / 100:.2f}"}
    record = RunRecord(
        run_id=f"{2020 + n // 300}0101T{n:06}-{month}-01_{month}-28",
        storage=f"abfss://data@{('north', 'south', 'east')[n % 3]}.dfs.core.windows.net/shop",
        engine="sail",
        start_date=f"{month}-01",
        end_date=f"{month}-28",
        status=_status(status),
        started=f"{month}-28T{n % 24:02}:15:00+00:00",
        seconds=n * 37 % 500 + n / 1000,
        steps=steps,
        metrics=sales,
    )
    record.error = RunError("join", "No table.") if status == "failed" else None
    return record


def _status(text: str) -> Status:
    return "failed" if text == "failed" else "completed"
