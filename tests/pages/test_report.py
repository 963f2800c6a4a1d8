"""The pages and CSV files made of executed notebooks: what they say, and that raw text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from nbformat.v4 import new_markdown_cell, new_output

from techco import findings
from techco.display.columns import Column, rows_html
from techco.display.read_back import read_shown
from techco.display.shown import NAMELESS, Figures, Finding, Table
from techco.errors import TechcoError
from techco.records.record import RunError, RunRecord, Status, StepRecord
from techco.report import render
from techco.report.csv_file import to_csv
from tests.support.reports import (
    COUNTS,
    LOGS,
    PRODUCTS,
    RUN,
    SCRIPT,
    SIX,
    Reader,
    analysis,
    cell_of,
    folder,
    ingest,
    joined,
    make_record,
    pages,
    render_all,
    render_failed,
    render_notebook,
    save_notebook,
    step,
    table,
    text_output,
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out #1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of one completed run; tests only read it."""
    return tmp_path_factory.mktemp("site") / "out #1"


@pytest.fixture(scope="module")
def completed(site: Path) -> RunRecord:
    """The record of the run in `site`."""
    return render_all(site)


@pytest.fixture
def failed(out: Path) -> RunRecord:
    """A rendered run that stopped in its second step."""
    return render_failed(out)


def test_csv_files_hold_exactly_the_tables(site: Path, completed: RunRecord) -> None:
    data = {path.name: path.read_bytes().decode() for path in (folder(site) / "data").iterdir()}
    assert data == {
        "action_frequency.csv": "action,count\nview,87\npurchase,3\n",
        "unique_customers.csv": "action,unique_customers\nall,2\npurchase,1\n",
        "sales_by_category.csv": "category,sales\nToys,9.50\n,3.00\n",
        "sales_by_day.csv": "event_date,sales\n2023-08-01,12.50\n",
        "sales_by_product.csv": (
            "product_id,product_name,category,quantity,sales\n"
            f'7,{SCRIPT},Toys,2,9.50\n8,"\'=HYPERLINK(""x"")",,1,3.00\n'
        ),
        "spend_by_customer.csv": "customer_id,purchases,quantity,sales\n1234,2,3,12.50\n",
    }


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1"])
def test_text_that_would_act_as_a_formula_is_neutralised(text: str) -> None:
    written = to_csv(table("t", "name", [text]))
    assert written.split("\n", 1)[1].lstrip('"').startswith(f"'{text}")


def test_numbers_money_and_days_are_written_untouched() -> None:
    columns = [Column("n", "integer"), Column("m", "money"), Column("d", "date"), Column("id")]
    assert (
        to_csv(Table.of("t", columns, [[-1, Decimal("-2.50"), "2023-08-01", -3]]))
        == "n,m,d,id\n-1,-2.50,2023-08-01,-3\n"
    )


def test_fields_with_commas_quotes_and_line_breaks_are_quoted() -> None:
    assert to_csv(table("t", "a b c", ['x,"y"', "two\rlines", None])) == 'a,b,c\n"x,""y""","two\rlines",\n'


def test_the_record_gets_metrics_and_the_paths_of_what_was_written(site: Path, completed: RunRecord) -> None:
    assert completed.metrics == {
        "records": dict(zip(COUNTS, LOGS, strict=True)),
        "quarantine": {"not a JSON object": 5, "x": 2},
        "total_sales": "12.50",
        "unique_customers": 2,
        "tables": {name: str(folder(site) / "data" / f"{name}.csv") for name in SIX},
        "days_in_files": None,
        "sources": {
            "web_logs": dict(zip(COUNTS, LOGS, strict=True)),
            "products": dict(zip(COUNTS, PRODUCTS, strict=True)),
        },
    }
    assert completed.report == str(folder(site) / "index.html")
    assert [s.report for s in completed.steps] == [str(folder(site) / f"{s.name}.html") for s in completed.steps]
    assert all(Path(path).is_file() for path in completed.metrics["tables"].values())
    json.loads(completed.to_json())


def test_the_first_page_says_shop_period_figures_and_findings_in_order(site: Path, completed: RunRecord) -> None:
    text = Reader(folder(site) / "index.html").text
    assert "1 to 31 August 2023" in text
    assert "Total sales 12.50 Purchases 3 Average purchase line 4.17" in text
    assert "Conversion 12.3 %" in text
    sentences = [
        "Views are 97 % of all actions 87 of 90 actions are views; one action in 30 is a purchase.",
        "Half of the active customers bought something 2 different customers were active;",
        "Toys brings 76 % of the sales Toys earned 9.50 of 12.50,",
        "Total sales are 12.50 All of this was earned on Tuesday, 1 August 2023,",
        f"The best seller is {SCRIPT}, with 76 % of the sales It earned 9.50 of 12.50.",
        "Customer 1234 spent 12.50 No other customer bought anything.",
    ]
    places = [text.index(sentence) for sentence in sentences]
    assert places == sorted(places)


def test_data_quality_adds_up_and_names_what_is_open(site: Path, completed: RunRecord) -> None:
    text = Reader(folder(site) / "index.html").text
    assert "Every one of 100 web logs read is accounted for." in text
    assert "100 read = 90 accepted + 4 duplicates + 5 quarantined + 1 outside the period" in text
    assert "7 records of all raw files are in quarantine; the most frequent reason: not a JSON object (5)." in text
    assert (
        "2 logs of products that the product data do not know; 1 of them is a purchase, which counts no sales" in text
    )
    assert "3 days without any log: 5 August 2023; 7 to 8 August 2023." in text


def test_reasons_that_are_equally_frequent_are_all_named(out: Path) -> None:
    reasons = table(
        "quarantine_reasons", "source reason count", ["web_logs", "a", 2], ["products", "b", 5], ["web_logs", "c", 5]
    )
    render.render(make_record([step(out, "ingest", [reasons])]), out)
    text = Reader(folder(out) / "index.html").text
    assert "12 records of all raw files are in quarantine; the most frequent reasons: b and c (5 each)." in text
    assert "products b 5 web_logs c 5 web_logs a 2" in text


@pytest.mark.parametrize(
    ("read", "sentence"), [(0, "No web logs were read."), (1, "The one web log read is accounted for.")]
)
def test_the_smallest_sums_are_said_in_words(out: Path, read: int, sentence: str) -> None:
    sums = dict(zip(COUNTS, (read, read, 0, 0, 0), strict=True))
    render.render(make_record([step(out, "ingest", [Figures("records", sums)])]), out)
    assert sentence in Reader(folder(out) / "index.html").text


def test_records_that_do_not_add_up_are_said_not_to(out: Path) -> None:
    record = make_record([step(out, "ingest", [Figures("records", dict(zip(COUNTS, (9, 5, 1, 1, 1), strict=True)))])])
    render.render(record, out)
    text = Reader(folder(out) / "index.html").text
    assert "The web logs do not add up: 9 were read, but 8 are accounted for." in text
    assert "9 read ≠ 5 accepted" in text


def test_the_first_page_says_how_it_was_made(site: Path, completed: RunRecord) -> None:
    text = Reader(folder(site) / "index.html").text
    assert "Git commit abc" in text
    assert "Started 5 Nov 2023, 08:15 (UTC+01:00)" in text
    assert "web_logs.json 123,456" in text
    assert f"techco run --storage '/srv/{SCRIPT}' --from 2023-08-01 --to 2023-08-31 --engine sail" in text


def test_tables_are_sortable_with_headers_for_columns(site: Path, completed: RunRecord) -> None:
    tags = Reader(folder(site) / "index.html").tags
    heads = [attrs for tag, attrs in tags if tag == "th"]
    assert heads
    assert all(attrs["scope"] == "col" and attrs["aria-sort"] == "none" for attrs in heads)
    assert sum(tag == "button" and "data-sort" in attrs for tag, attrs in tags) == len(heads)


def test_ids_have_no_thousands_separator(site: Path, completed: RunRecord) -> None:
    assert "1234 2 3 12.50" in Reader(folder(site) / "index.html").text


def test_what_has_no_name_is_said_so(site: Path, completed: RunRecord) -> None:
    assert "(no category) 3.00" in Reader(folder(site) / "index.html").text


def test_long_tables_offer_all_their_rows(out: Path) -> None:
    data = pd.DataFrame({"category": [f"c{n}" for n in range(20)], "sales": [Decimal(1)] * 20})
    render.render(make_record([step(out, "analysis", [findings.sales_by_category(data)])]), out)
    assert "Show all 20 rows" in Reader(folder(out) / "index.html").text


def test_every_plot_has_alternative_text(site: Path, completed: RunRecord) -> None:
    for name in ("index", "analysis"):
        drawn = [attrs for tag, attrs in Reader(folder(site) / f"{name}.html").tags if tag == "svg"]
        plots = [attrs for attrs in drawn if attrs.get("aria-hidden") != "true"]  # a button's sign is none
        assert len(plots) == 6
        assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in plots)


def test_raw_text_is_never_live_in_any_page(site: Path, completed: RunRecord) -> None:
    script = (Path(render.__file__).parent / "web" / "page.js").read_text()
    for page in pages(site):
        reader = Reader(page)
        assert "".join(reader.scripts) == script, page
        assert not [name for _, attrs in reader.tags for name in attrs if name.startswith("on")], page
    assert SCRIPT in Reader(folder(site) / "index.html").text


def test_pages_ask_the_network_for_nothing(site: Path, completed: RunRecord) -> None:
    assert len(list(pages(site))) == 5
    for page in pages(site):
        reader = Reader(page)
        assert not [link for name in ("src", "href", "action", "data") for link in reader.values(name) if "//" in link]
        assert not {tag for tag, _ in reader.tags} & {"link", "iframe", "object", "embed", "form", "base"}
        assert not re.search(r"url\((?!#)|@import", page.read_text(encoding="utf-8"))
        assert "default-src 'none'" in next(
            a["content"] or "" for t, a in reader.tags if t == "meta" and "content" in a
        )


def test_the_content_policy_allows_our_script_by_its_hash_alone(site: Path, completed: RunRecord) -> None:
    for page in pages(site):
        script = re.findall(r"<script>(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL)[-1]
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src &#39;sha256-{digest}&#39;;" in page.read_text(encoding="utf-8")


def test_every_link_leads_to_a_file(site: Path, completed: RunRecord) -> None:
    completed.save(site / "runs" / RUN / "run.json")
    for page in pages(site):
        reader = Reader(page)
        for link in reader.values("href"):
            path, _, anchor = link.partition("#")
            assert not path or (page.parent / path).resolve().is_file(), link
            assert not anchor or anchor in reader.values("id"), link


def test_mail_addresses_and_telephone_numbers_are_masked_in_every_page(out: Path, failed: RunRecord) -> None:
    printed = new_output("stream", name="stdout", text="eve@example.com +1-202-555-0101 10   20   30   40")
    noisy = render_notebook(out, failed, "x", [cell_of(printed)])
    for page in pages(out):
        assert not re.search(r"(mary|bob|eve)@|555-0101", page.read_text(encoding="utf-8")), page
    assert "10   20   30   40" in noisy.read_text(encoding="utf-8")


def test_a_failed_run_says_what_finished_what_failed_and_how_to_go_on(out: Path, failed: RunRecord) -> None:
    text = Reader(folder(out) / "index.html").text
    assert "The run stopped in join" in text
    assert f"No table web_logs {SCRIPT}." in text
    assert "Finished in full: ingest. Not run: analysis." in text
    again = f"techco run --storage '/srv/{SCRIPT}' --from 2023-08-01 --to 2023-08-31 --engine sail"
    assert f"To go on where it stopped, once that is mended: techco resume '{out}/runs/{RUN}'" in text
    assert f"To run all of it again: {again} Trace" in text
    assert "Every one of 100 web logs read is accounted for." in text
    assert "Findings" not in text
    assert "\x1b" not in text


def resumed(out: Path, error: str, *statuses: Status, command: str = "") -> list[str]:
    """The commands that the report of a failed run names, by the status of each of its steps."""
    steps = [StepRecord(name, status) for name, status in zip(("ingest", "join", "analysis"), statuses, strict=False)]
    steps[0] = step(out, "ingest", ingest(), steps[0].status)
    record = make_record(steps, status="failed")
    record.error = RunError(error, "It broke.")
    record.provenance["command"] = command or "techco run --storage s"
    render.render(record, out)
    return re.findall(r'<pre class="command"[^>]*>(.*?)</pre>', (folder(out) / "index.html").read_text())


def test_a_run_whose_first_step_failed_is_run_as_a_whole(out: Path) -> None:
    assert resumed(out, "ingest", "failed", "pending", "pending") == ["techco run --storage s"]


def test_a_run_with_a_completed_step_goes_on_after_it(out: Path) -> None:
    whole = "techco run --storage s --steps ingest,join --publish"
    rest = f"techco resume &#39;{out}/runs/{RUN}&#39;"
    assert resumed(out, "join", "completed", "failed", command=whole) == [rest, whole]


def test_a_run_whose_pages_failed_needs_only_these(out: Path) -> None:
    render = f"techco render &#39;{out}/runs/{RUN}&#39;"
    done = resumed(out, "report", "completed", "completed", "completed")
    assert done == [render, "techco run --storage s"]


@pytest.mark.parametrize(
    ("ingested", "passed_over", "joined", "said"),
    [
        ("no", 0, "no", ""),
        ("yes", 0, "no", "ingest of run-1: nothing that this depends on has changed"),
        ("yes", 0, "yes", "ingest and join of run-1: nothing that this depends on has changed"),
        ("no", 1, "no", "what is known of 1 file without any log of the period"),
        ("no", 1200, "no", "what is known of 1,200 files without any log of the period"),
    ],
)
def test_the_page_says_what_was_not_made_or_read_again(
    out: Path, ingested: str, passed_over: int, joined: str, said: str
) -> None:
    origin = {"made_by_run": "run-1", "reused": ingested, "files_passed_over": passed_over}
    steps = [
        step(out, "ingest", [Figures("ingest_made_by", {**origin})]),
        step(out, "join", [Figures("joined", {"logs": 1, "made_by_run": "run-1", "reused": joined})]),
    ]
    render.render(make_record(steps), out)
    text = (folder(out) / "index.html").read_text(encoding="utf-8")
    assert ("Reused" in text) == bool(said)
    assert said in text


def test_a_long_word_may_be_broken_so_that_a_table_stays_within_the_page(out: Path) -> None:
    actions = pd.DataFrame({"action": ["view", "x" * 300], "count": [2, 1]})
    render.render(make_record([step(out, "analysis", [findings.action_frequency(actions)])]), out)
    cells = [attrs.get("class") for tag, attrs in Reader(folder(out) / "index.html").tags if tag == "td"]
    assert cells[:4] == [None, None, "long", None]


def test_a_table_of_four_columns_has_the_width_of_the_page(site: Path, completed: RunRecord) -> None:
    halves = [value for value in Reader(folder(site) / "index.html").values("class") if value.startswith("halves")]
    assert halves == ["halves", "halves", "halves", "halves", "halves wide", "halves wide"]


def test_a_cell_says_that_a_table_is_empty() -> None:
    empty = Table.of("quarantine_reasons", [Column("reason")], [])
    assert empty.to_html().endswith('<p class="more">None.</p>')
    finding = findings.action_frequency(pd.DataFrame({"action": [], "count": []}))
    assert finding.to_html() == f"<p><strong>{finding.headline}</strong></p>"


def test_a_notebook_shows_the_rows_of_the_page_and_aligns_them_itself() -> None:
    columns = [Column("product_id"), Column("category"), Column("event_date", "date")]
    shown = Table.of("x", columns, [[7, "a\n<b>", "2023-08-05"], [8, None, None]])
    page = rows_html(shown.columns, shown.rows, NAMELESS)
    assert "<tr><td>7</td><td>a &lt;b&gt;</td>" in page
    assert '<td class="none">(no category)</td><td class="none">–</td>' in page
    assert page in shown.to_html(NAMELESS).replace(' style="text-align: left"', "")
    assert "<td>7</td>" in shown.to_html()  # the notebook aligns to the right what has no style


def test_figures_of_words_read_from_the_left_and_of_numbers_from_the_right() -> None:
    words = Figures("shop", {"storage": "/srv/shop", "tables": None}).to_html()
    assert '<td style="text-align: left">/srv/shop</td>' in words
    assert "<td>12.50</td>" in Figures("x", {"total_sales": "12.50", "conversion": "3.1"}).to_html()


def test_a_failed_run_has_metrics_of_what_finished(out: Path, failed: RunRecord) -> None:
    assert failed.metrics["records"]["read"] == 100
    assert (failed.metrics["total_sales"], failed.metrics["tables"]) == (None, {})
    assert [bool(s.report) for s in failed.steps] == [True, True, False]


def test_the_page_of_a_failed_notebook_folds_the_trace_and_marks_what_did_not_run(out: Path, failed: RunRecord) -> None:
    page = folder(out) / "join.html"
    text = Reader(page).text
    assert "StorageError : No table." in text
    assert "Code (not run)" in text
    assert re.search(
        r"<details[^>]*><summary>Trace</summary><pre[^>]*><span class=\"ansi-red-fg\">Trace", page.read_text()
    )


def test_a_trace_keeps_the_colours_that_have_a_name(out: Path, failed: RunRecord) -> None:
    trace = "\x1b[1;38;5;28mBold\x1b[39m \x1b[38;2;1;2;3mplain\x1b[0m \x1b[31mred\x1b[0m 138;5;28m"
    error = new_output("error", ename="E", evalue="", traceback=[trace])
    html = render_notebook(out, failed, "x", [cell_of(error)]).read_text()
    assert '<span class="ansi-bold">Bold' in html
    assert '<span class="ansi-red-fg">red</span> 138;5;28m' in html
    assert "rgb(" not in html.partition('class="callout')[2]


def test_steps_that_were_not_run_are_not_linked(out: Path) -> None:
    record = make_record([step(out, "ingest", ingest()), StepRecord("join"), StepRecord("analysis")])
    render.render(record, out)
    reader = Reader(folder(out) / "index.html")
    assert "ingest.html" in reader.values("href")
    assert not {"join.html", "analysis.html"} & set(reader.values("href"))
    assert "The analysis has not been run for this period yet." in reader.text


def test_a_run_without_any_notebook_has_a_page(out: Path) -> None:
    record = make_record([StepRecord("ingest", "failed")], status="failed")
    render.render(record, out)
    assert "No step finished." in Reader(folder(out) / "index.html").text
    assert record.metrics["records"] is None
    assert record.metrics["quarantine"] is None


def test_a_damaged_notebook_costs_only_its_own_page(out: Path) -> None:
    good, damaged = step(out, "ingest", ingest()), step(out, "join", joined())
    Path(str(damaged.notebook)).write_text('{"cells": [')
    record = make_record([good, damaged])
    render.render(record, out)
    assert [bool(s.report) for s in record.steps] == [True, False]
    with pytest.raises(TechcoError, match=r"join\.ipynb is not a readable notebook .* Run the step again"):
        read_shown(Path(str(damaged.notebook)))


def test_rendering_again_removes_what_is_no_longer_there(out: Path) -> None:
    completed = render_all(out)
    completed.steps[2] = StepRecord("analysis")
    render.render(completed, out)
    assert not (folder(out) / "analysis.html").exists()
    assert list((folder(out) / "data").iterdir()) == []


def test_read_shown_returns_what_the_cells_showed_in_order(out: Path) -> None:
    shown = [*joined(), *analysis()]
    read = read_shown(Path(str(step(out, "analysis", shown).notebook)))
    assert [(type(item), item.payload()) for item in read] == [
        (type(item), json.loads(json.dumps(item.payload()))) for item in shown
    ]
    assert isinstance(read[-1], Finding)


def test_figures_keep_their_order(site: Path, completed: RunRecord) -> None:
    assert (
        "Read 100 Accepted 90 Duplicates 4 Quarantined 5 Outside period 1" in Reader(folder(site) / "ingest.html").text
    )


def test_notebook_pages_have_contents_folded_code_and_escaped_outputs(out: Path) -> None:
    completed = render_all(out)
    cells = [
        new_markdown_cell(f"# Title\n\n## First *part*\n\n{SCRIPT} [x](javascript:alert(1)) ![a](javascript:alert(2))"),
        cell_of(text_output(text_html=SCRIPT, text_plain="plain <b>text</b>")),
        cell_of(new_output("stream", name="stderr", text=f"warned {SCRIPT}")),
        cell_of(source="storage = './shop'", tag="injected-parameters"),
        new_markdown_cell(
            "<span>An Exception was encountered</span>", metadata={"tags": ["papermill-error-cell-tag"]}
        ),
        new_markdown_cell("## Second part"),
    ]  # fmt: skip
    page = render_notebook(out, completed, "join", cells)
    reader = Reader(page)
    assert [link for link in reader.values("href") if link.startswith("#section")] == ["#section-1", "#section-2"]
    assert {"section-1", "section-2"} <= set(reader.values("id"))
    assert not any("open" in attrs for tag, attrs in reader.tags if tag == "details")
    assert f"plain <b>text</b> Code Messages warned {SCRIPT} Parameters of this run" in re.sub(
        r" show \( x \)", "", reader.text
    )
    assert "An Exception was encountered" not in reader.text
    assert not [link for name in ("href", "src") for link in reader.values(name) if "javascript" in link.lower()]
    assert len(reader.scripts) == 1


def test_images_are_embedded_and_scripts_are_not(out: Path) -> None:
    completed = render_all(out)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}</svg>'
    bundle = {"image/svg+xml": svg, "application/javascript": "alert(1)", "text/plain": "A plot"}
    reader = Reader(render_notebook(out, completed, "x", [cell_of(new_output("display_data", data=bundle))]))
    image = next(attrs for tag, attrs in reader.tags if tag == "img")
    assert (image["src"] or "").startswith("data:image/svg+xml;base64,")
    assert image["alt"] == "A plot"
    assert len(reader.scripts) == 1


def test_a_payload_of_another_version_is_named(out: Path) -> None:
    bundle = {"application/vnd.techco+json": {"kind": "map", "name": "x"}}
    notebook = save_notebook(out / "x.ipynb", [cell_of(new_output("display_data", data=bundle))])
    with pytest.raises(TechcoError, match="Known kinds: table, finding, figures"):
        read_shown(notebook)


def test_half_a_surrogate_pair_does_not_stop_the_report(out: Path) -> None:
    record = make_record([StepRecord("ingest", "failed")], status="failed")
    record.error = RunError("ingest", "bad text \ud83d here")
    render.render(record, out)
    assert "bad text ? here" in Reader(folder(out) / "index.html").text
