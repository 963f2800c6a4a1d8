"""Takes credentials out of text before anything saves or shows it."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

HIDDEN = "[hidden]"
_SHORTEST = 8  # a shorter value would be found in words that are none
_known: set[str] = set()

_WORDS = ["account_key", "shared_access_key", "sas_key", "storage_token", "sas_token", "access_token", "refresh_token"]
_WORDS += ["id_token", "client_secret", "client_assertion", "api_key", "password", "passwd", "pwd"]
_NAMES = sorted({form for word in _WORDS for form in (word, word.replace("_", ""))})
# Values end at whitespace, quotes, backslashes and separators, so that a scrubbed JSON or HTML text stays well-formed.
_VALUE = r"[^\s\"'\\&;,<>(){}\[\]]+"

# Each pattern with what a text must hold, in lower case, for it to match: looking for that is ten times quicker, and an
# executed notebook is scrubbed whenever it is saved.
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


def hide(*credentials: str) -> None:
    """Have `scrub` replace these credentials in this process from now on, as they are and as they stand in a URL."""
    for credential in credentials:
        if len(credential) >= _SHORTEST:
            _known.update((credential, quote(credential), quote(credential, safe=""), unquote(credential)))


def scrub(text: str) -> str:
    """Replace credentials in a text by `[hidden]`.

    Known by their form: signatures of shared access (`sig=…`), storage account keys, with or without `AccountKey=`
    before them, bearer tokens and JSON web tokens, values named as a secret, token or password, and passwords in URLs.
    The text may be JSON or HTML: it stays well-formed. Those that `hide` was told of go whatever their form.
    """
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    lowered = text.lower()
    for hints, pattern, replacement in _PATTERNS:
        if any(hint in lowered for hint in hints):
            text = pattern.sub(replacement, text)
    return text


def without_credentials(url: str) -> str:
    """A URL without its query, where a signature would be, and without a password; scrubbed."""
    return scrub(re.sub(r"//[^/@]*:[^/@]*@", "//", url.partition("?")[0].partition("#")[0]))
