"""Read the first page of a report as people see it: its tiles, tables and sentences, from the HTML alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

_VOID = {"meta", "link", "input", "br", "hr", "img", "path", "col", "use", "rect", "line", "circle"}


@dataclass
class Element:
    """An element of a page with what is in it."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def all(self, tag: str, class_: str = "") -> Iterator[Element]:
        """Yield the elements below of a tag and a class, in order."""
        for child in self.children:
            if isinstance(child, Element):
                if child.tag == tag and (not class_ or class_ in child.attributes.get("class", "").split()):
                    yield child
                yield from child.all(tag, class_)

    def first(self, tag: str, class_: str = "") -> Element | None:
        """Return the first of `all`."""
        return next(self.all(tag, class_), None)

    @property
    def text(self) -> str:
        """The text in it, on one line."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join("".join(parts).split())


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("page")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while len(self.open) > 1 and tag in [element.tag for element in self.open]:
            if self.open.pop().tag == tag:
                return

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


@dataclass(frozen=True)
class Finding:
    """An answer: its words, and the rows of its table."""

    words: str
    rows: list[list[str]]


class Page:
    """The first page of a report."""

    def __init__(self, path: Path) -> None:
        tree = _Tree()
        tree.feed(path.read_text(encoding="utf-8"))
        self.root = tree.open[0]

    @property
    def tiles(self) -> dict[str, list[str]]:
        """Value and change of each tile, by its label."""
        found = {}
        for tile in self.root.all("div", "tile"):
            change = tile.first("dd", "change")
            found[_text(tile.first("dt"))] = [_text(tile.first("dd")), _text(change)]
        return found

    @property
    def trends(self) -> dict[str, str]:
        """What the line of each tile says."""
        lines = {_text(tile.first("dt")): tile.first("svg") for tile in self.root.all("div", "tile")}
        return {label: line.attributes["aria-label"] if line else "" for label, line in lines.items()}

    @property
    def comparison(self) -> str:
        """What is said below the tiles."""
        section = self._section("key-figures")
        notes = [note.text for note in section.all("p", "note")] if section else []
        return notes[0] if notes else ""

    @property
    def findings(self) -> dict[str, Finding]:
        """The findings, by name."""
        found = {}
        for article in self.root.all("article"):
            heading = article.first("h3")
            words = f"{_text(heading)}. {_text(article.first('p', 'sentence'))}"
            found[article.attributes["aria-labelledby"].replace("-", "_")] = Finding(words, _rows(article))
        return found

    @property
    def sum(self) -> list[str]:
        """The numbers of the sum of records."""
        return [_text(term.first("b")) for term in self.root.all("span", "term")]

    def table(self, label: str) -> list[list[str]]:
        """The rows of a table by its label; none if it is not there."""
        return next((_rows(one) for one in self.root.all("table") if _text(one.first("caption")) == label), [])

    @property
    def notes(self) -> list[str]:
        """What the numbers leave open."""
        notes = self.root.first("ul", "notes")
        return [note.text for note in notes.all("li")] if notes else []

    @property
    def warnings(self) -> list[str]:
        """What is to be minded."""
        section = self.root.first("section", "warnings")
        return [text.text for text in section.all("p", "message")] if section else []

    @property
    def facts(self) -> dict[str, str]:
        """How it was made."""
        facts = self.root.first("dl", "facts")
        return {_text(one.first("dt")): _text(one.first("dd")) for one in facts.all("div")} if facts else {}

    def _section(self, name: str) -> Element | None:
        return next((one for one in self.root.all("section") if one.attributes.get("aria-labelledby") == name), None)


def _text(element: Element | None) -> str:
    return element.text if element else ""


def _rows(element: Element) -> list[list[str]]:
    body = element.first("tbody")
    if not body:
        return []
    return [[cell.attributes.get("data-v") or cell.text for cell in row.all("td")] for row in body.all("tr")]
