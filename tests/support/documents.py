"""What is written in the documents of the project, and in `--help`: code blocks, commands, links."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *PAGES)
}
"""All documents by their paths in the project."""
README = DOCUMENTS["README.md"]
GUIDE = DOCUMENTS["CONTRIBUTING.md"]
MANUAL = "\n".join([README, *(DOCUMENTS[path.relative_to(ROOT).as_posix()] for path in PAGES)])
"""What users read: the README and the pages in docs/."""

_BLOCK = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"(?<![\w.-])techco (?=[a-z])")
_ENDS = re.compile(r"[;&|<>()]+|2")
"""What ends the words of a command in a shell; 2 is the one of `2>&1`."""

Block = tuple[str, str]
"""Language and text."""


def blocks(document: str) -> list[Block]:
    """The code blocks."""
    return _BLOCK.findall(document)


def prose(document: str) -> str:
    """A document without its code blocks."""
    return _BLOCK.sub("", document)


def lines(block: Block) -> list[str]:
    """The texts of a block that a shell may get: of data and programs their strings, else the lines."""
    language, text = block
    if language in _STRINGS:
        return [line for found in _STRINGS[language](text) for line in _joined(found)]
    return _joined(text)


def commands(text: str) -> list[list[str]]:
    """The words of each techco command in a line, without `techco`."""
    return [_words(text[match.end() :]) for match in _COMMAND.finditer(text)]


def typed(document: str) -> list[str]:
    """What begins with a program of ours and has words after it, in shell blocks and between backticks, each once."""
    shown = [line.strip() for block in blocks(document) if block[0] == "sh" for line in lines(block)]
    shown += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(document))]
    return list(dict.fromkeys(line for line in shown if re.match(r"(techco [a-z]+|papermill) \S", line)))


def examples(document: str) -> list[list[str]]:
    """The words of every techco command in a document: in its code blocks, and with options or so in its text."""
    texts = [line for block in blocks(document) for line in lines(block)]
    texts += [" ".join(span.split()) for span in re.findall(r"`(techco [a-z]+\s[^`]+)`", prose(document))]
    return [words for text in texts for words in commands(text)]


def links(document: str) -> list[str]:
    """The targets of all links and pictures."""
    text = re.sub(r"`[^`]*`", "", prose(document))
    inline = re.findall(r"\]\(([^)\s]+)\)|src(?:set)?=\"([^\"]+)\"", text)
    named = dict(re.findall(r"^\[([^\]]+)\]: (\S+)$", text, re.MULTILINE))
    used = re.findall(r"\]\[([^\]]+)\]", text)
    return ["".join(pair) for pair in inline] + [named.get(name, f"[{name}] is nowhere") for name in used]


def anchors(document: str) -> set[str]:
    """What `#…` may name: the headings, as GitHub makes names of them."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _joined(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()


def _words(command: str) -> list[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if _ENDS.fullmatch(word):
            break
        words.append(word)
    return words


def _of_python(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _of_data(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for part in value:
            yield from _of_data(part)
    elif isinstance(value, str):
        yield value


_STRINGS: dict[str, Callable[[str], Iterator[str]]] = {
    "python": _of_python,
    "yaml": lambda text: _of_data(yaml.safe_load(text)),
}
