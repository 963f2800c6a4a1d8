"""Turn one executed notebook into the body of a page, with nbconvert and the template `techco/report/web/notebook`.

Importing this module imports nbconvert. What a cell put out is data: text is escaped, Markdown may not hold HTML, and
HTML is shown only where it is made anew from a payload; other objects are shown as plain text.
"""

from __future__ import annotations

import html
import re
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.filters import Highlight2HTML, ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from techco.display.read_back import from_payload, mask_raw_text
from techco.display.shown import MIME
from techco.redact import Pii, mask, mask_output
from techco.report.pages import Heading, fragment

_MIME_PRIORITY = ["image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/plain"]
# One exporter serves all pages, as compiling its templates takes longer than a page; it keeps state while it works.
_EXPORTER_LOCK = threading.Lock()
_HEADING = re.compile(r"<h([23])>(.*?)</h\1>", re.DOTALL)
_COLOUR_SEQUENCE = re.compile(r"\x1b\[([\d;]*)m")
_COLOUR_BY_NUMBER = re.compile(r"(?<!\d)[34]8;(?:5;\d+|2;\d+;\d+;\d+);?")
_SUMMARIES = {"injected-parameters": "Parameters of this run", "parameters": "Parameters, with their defaults"}


def notebook_body(notebook: Path, pii: Pii = "mask", csv: bool = True) -> tuple[str, list[Heading]]:
    """Return the cells of a notebook as safe HTML, and its headings of level 2 and 3.

    Parameters
    ----------
    notebook
        The executed notebook.
    pii
        Whether personal data is hidden.
    csv
        Whether findings link to the CSV files of their numbers.
    """
    node = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    with _EXPORTER_LOCK:
        body, _ = _exporter(pii, csv).from_notebook_node(node)
    return _number_headings(body)


def _number_headings(body: str) -> tuple[str, list[Heading]]:
    """Give every heading of level 2 and 3 an id; no other part of the body can hold one, as HTML is escaped."""
    entries: list[Heading] = []

    def number(heading: re.Match[str]) -> str:
        level, words = heading.groups()
        text = html.unescape(re.sub(r"<[^>]+>", "", words)).strip()
        entries.append(Heading(text, f"section-{len(entries) + 1}", int(level)))
        return f'<h{level} id="{entries[-1].id}">{words}</h{level}>'

    return _HEADING.sub(number, body), entries


@lru_cache
def _exporter(pii: Pii, csv: bool) -> HTMLExporter:
    config = Config()
    config.NbConvertBase.display_data_priority = _MIME_PRIORITY
    web = str(Path(__file__).parent / "web")
    exporter = _Exporter(config=config, template_name="notebook", extra_template_basedirs=[web])  # type: ignore[no-untyped-call]
    exporter.environment.globals["shown_mime"] = MIME
    exporter.environment.filters |= {
        "shown_html": lambda payload: fragment(
            "shown.html.j2", shown=mask_raw_text(from_payload(payload), pii), csv=csv
        ),
        "mask": mask if pii == "mask" else str,
        "mask_output": mask_output if pii == "mask" else str,
    }
    return exporter


class _Exporter(HTMLExporter):
    """nbconvert's exporter with our filters; HTML inside Markdown is escaped."""

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> Any:
        """Render; without HTMLExporter's parsing of what comes out, which would complete its own templates."""
        language = nb.metadata.get("language_info", {})
        lexer = language.get("pygments_lexer", language.get("name"))
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer=lexer, parent=self))  # type: ignore[no-untyped-call]
        return TemplateExporter.from_notebook_node(self, nb, resources, **kw)

    def default_filters(self) -> Any:
        yield from super().default_filters()  # type: ignore[no-untyped-call]
        yield "markdown2html", _markdown
        yield "code_summary", _code_summary
        yield "ansi2html", _ansi_to_html


def _markdown(source: str) -> str:
    return str(MarkdownWithMath(renderer=IPythonRenderer(escape=True, exclude_anchor_links=True)).render(source))


def _ansi_to_html(text: str) -> str:
    """Terminal output as HTML, in the colours that have a name: those by number may not be legible in either theme."""
    return str(ansi2html(_COLOUR_SEQUENCE.sub(_named_colours_only, text)))  # type: ignore[no-untyped-call]


def _named_colours_only(sequence: re.Match[str]) -> str:
    codes = _COLOUR_BY_NUMBER.sub("", sequence[1]).strip(";")
    return f"\x1b[{codes}m" if codes or not sequence[1] else ""


def _code_summary(cell: Any) -> str:
    """Return the summary of a folded code cell."""
    tags = cell.metadata.get("tags", [])
    summary = next((text for tag, text in _SUMMARIES.items() if tag in tags), "Code")
    ran = cell.get("execution_count") is not None or cell.get("outputs")
    return summary if ran else f"{summary} (not run)"
