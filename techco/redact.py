"""Take credentials and personal data out of text before anything saves or shows it.

The tables keep everything; only what notebooks show and pages repeat is masked, unless a run was asked to show it.
"""

from __future__ import annotations

import re
from typing import Literal, cast, get_args
from urllib.parse import quote, unquote

from techco.errors import ParameterError

HIDDEN = "[hidden]"
_SHORTEST = 8  # a shorter credential would be part of other words
_known: set[str] = set()

_WORDS = ["account_key", "shared_access_key", "sas_key", "storage_token", "sas_token", "access_token", "refresh_token"]
_WORDS += ["id_token", "client_secret", "client_assertion", "api_key", "password", "passwd", "pwd"]
_NAMES = sorted({form for word in _WORDS for form in (word, word.replace("_", ""))})
# Values end at whitespace, quotes, backslashes and separators, so that a scrubbed JSON or HTML text stays well-formed.
_VALUE = r"[^\s\"'\\&;,<>(){}\[\]]+"

# Each pattern with words of which a matching text has one, in lower case: a search for them is ten times quicker, and
# an executed notebook is scrubbed whenever it is saved.
_PATTERNS = [
    (
        ["sig=", "sig%3d", "signature=", "signature%3d"],
        re.compile(rf"(?i)(?<![a-z])(sig(?:nature)?(?:=|%3d)){_VALUE}"),
        rf"\1{HIDDEN}",
    ),
    (
        _NAMES,
        re.compile(rf"(?i)((?:{'|'.join(_NAMES)})\\?[\"']?\s*(?:=|%3d|:)\s*(?:b?\\?[\"'])?)(?!\[){_VALUE}"),
        rf"\1{HIDDEN}",
    ),
    (
        ["bearer", "basic", "sharedkey"],
        re.compile(r"(?i)(\b(?:bearer|basic|sharedkey)\s+)[a-z0-9._~+/:-]{8,}=*"),
        rf"\1{HIDDEN}",
    ),
    (["eyj"], re.compile(r"\beyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?"), HIDDEN),
    (["=="], re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"), HIDDEN),
    (["://"], re.compile(r"(://)[^\s/:@\"'\\]+:[^\s/@\"'\\]+@"), rf"\1{HIDDEN}@"),
]


def register_secret(*credentials: str) -> None:
    """Let `scrub` replace these credentials from now on, as they are and as a URL has them."""
    for credential in credentials:
        if len(credential) >= _SHORTEST:
            _known.update((credential, quote(credential), quote(credential, safe=""), unquote(credential)))


def scrub(text: str) -> str:
    """Replace credentials in a text by `[hidden]`.

    It knows signatures of shared access (`sig=…`), storage account keys, with or without `AccountKey=` before them,
    bearer tokens and JSON web tokens, values named as a secret, token or password, passwords in URLs, and those that
    `register_secret` got, whatever their form. JSON and HTML stay well-formed.
    """
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    lowered = text.lower()
    for hints, pattern, replacement in _PATTERNS:
        if any(hint in lowered for hint in hints):
            text = pattern.sub(replacement, text)
    return text


def without_credentials(url: str) -> str:
    """Return a URL without query, which may have a signature, fragment and password; scrubbed."""
    return scrub(re.sub(r"//[^/@]*:[^/@]*@", "//", url.partition("?")[0].partition("#")[0]))


Pii = Literal["mask", "show"]
"""Whether reports hide personal data or show it."""


def check_pii(value: str, name: str = "pii") -> Pii:
    """Return the value, if it is allowed.

    Raises
    ------
    ParameterError
        Says what is.
    """
    if value not in get_args(Pii):
        raise ParameterError(
            f"{name} is {value!r}. Allowed: mask, which hides e-mail addresses, telephone numbers and names, or show."
        )
    return cast(Pii, value)


_EMAIL = re.compile(r"([\w.+-])[\w.+-]*@([\w-])[\w.-]*", re.ASCII)
_INTERNATIONAL = re.compile(r"(?<![\w.])\+\d(?:[ ().-]{0,2}\d){7,14}(?!\w)", re.ASCII)
_WORD = re.compile(r"[^\s,;:\"'(){}\[\]<>@.]{2,}")
_KEY = re.compile(r"(?:cust)?\d+", re.ASCII | re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d\s()./x-]{7,}\d(?![\w])", re.ASCII)


def mask(text: str) -> str:
    """Hide e-mail addresses and telephone numbers in a text."""
    text = _EMAIL.sub(r"\1…@\2…", text)
    return _PHONE.sub(lambda phone: phone[0] if _is_timestamp(phone[0]) else "…" + phone[0][-2:], text)


def mask_output(text: str) -> str:
    """Hide e-mail addresses and international telephone numbers in what a cell printed; its columns of numbers stay."""
    text = _EMAIL.sub(r"\1…@\2…", text)
    return _INTERNATIONAL.sub(lambda phone: "…" + phone[0][-2:], text)


def mask_customer(text: str) -> str:
    """Hide all of a line of the customer file but its keys and the first letter of each word."""
    return _WORD.sub(lambda word: word[0] if _is_impersonal(word[0]) else word[0][0] + "…", mask(text))


def mask_record(source: str, text: str) -> str:
    """Hide personal data in a raw record of the file `source`."""
    return mask_customer(text) if source == "customers" else mask(text)


def _is_impersonal(word: str) -> bool:
    return _KEY.fullmatch(word) is not None or "…" in word or not any(letter.isalpha() for letter in word)


def _is_timestamp(text: str) -> bool:
    return re.match(r"\d{4}-\d{2}-\d{2}(\s|\.\.|$)", text) is not None
