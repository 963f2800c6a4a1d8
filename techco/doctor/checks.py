"""Make checks in order, where some need others."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Literal

from techco.errors import TechcoError
from techco.redact import scrub

Status = Literal["passed", "failed", "skipped"]

_UNEXPECTED = "This was not expected. Please report it, with this line, to the project's issue tracker."
_DETAIL_LIMIT = 300
_END_OF_SENTENCE = re.compile(r"(?<=\.)\s+(?=[A-Z])")


@dataclass(frozen=True)
class Check:
    """What a check has found, in texts of one line without credentials.

    It is `skipped` where it does not apply, or needs another check that failed; `remedy` is what to do, if anything.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


class Skip(Exception):
    """Raised by a check that does not apply; says why, and the `remedy` how to have it made."""

    def __init__(self, detail: str, remedy: str = "") -> None:
        super().__init__(detail)
        self.remedy = remedy


@dataclass(frozen=True)
class Examination:
    """How a check is made: `find` returns what was found, and raises `Skip` or what is wrong.

    If one of the checks that it `needs`, which come before it, has failed, it is not made.
    """

    name: str
    find: Callable[[], str]
    needs: tuple[str, ...] = ()


def make_checks(examinations: Iterable[Examination]) -> Generator[Check, None, None]:
    """Make checks one by one; whatever goes wrong in one is its result."""
    causes: dict[str, str] = {}  # of those that failed or were not made: the one that failed
    for examination in examinations:
        cause = next((causes[name] for name in examination.needs if name in causes), None)
        check = Check(examination.name, "skipped", f"needs {cause}") if cause else _make(examination)
        if cause or check.status == "failed":
            causes[check.name] = cause or check.name
        yield check


def _make(examination: Examination) -> Check:
    status: Status = "failed"
    try:
        status, detail, remedy = "passed", examination.find(), ""
    except Skip as skip:
        status, detail, remedy = "skipped", str(skip), skip.remedy
    except TechcoError as error:
        detail, remedy = _split_sentences(str(error))
    except Exception as error:
        first_line = scrub(str(error)).strip().partition("\n")[0]  # a credential that is cut is not recognised
        detail, remedy = f"{type(error).__name__}: {first_line[:_DETAIL_LIMIT]}", _UNEXPECTED
    return Check(examination.name, status, _one_line(detail), _one_line(remedy))


def _split_sentences(text: str) -> tuple[str, str]:
    """Split an error into its first sentence, which says what came, and the others, which say what to do."""
    detail, *others = _END_OF_SENTENCE.split(text, maxsplit=1)
    return detail, "".join(others)


def _one_line(text: str) -> str:
    """Return a text on one line, without credentials and without what a terminal takes for a command."""
    return scrub("".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split())))
