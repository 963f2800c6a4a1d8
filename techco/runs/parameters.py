"""Read, check and repeat the parameters of a run that its notebooks declare beside the standard ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from techco.errors import ParameterError
from techco.redact import scrub

STANDARD = ("storage", "start_date", "end_date", "engine", "run_id")
"""What every template of a step declares; each run gives them."""
_DAY = "tag:yaml.org,2002:timestamp"


def given_parameters(files: Iterable[Path], texts: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return parameters by name, in papermill's order: what is given later in it replaces what was given before.

    Parameters
    ----------
    files
        Files of YAML, or of JSON if they are named so.
    texts
        YAML.
    pairs
        Names and values as text.

    Returns
    -------
    dict[str, Any]
        Values of pairs as text, others as YAML has them, except that days stay text.

    Raises
    ------
    ParameterError
        When something is not readable, no mapping of names, or has what JSON lacks; a credential in it is not repeated.
    """
    values: dict[str, Any] = {}
    for path in files:
        values |= _mapping(_read(path), f"The file {path}", is_json=path.suffix.lower() == ".json")
    for text in texts:
        values |= _mapping(text, "`parameters_yaml`")
    return values | dict(pairs)


def refuse_credentials(values: Mapping[str, Any]) -> None:
    """Refuse what looks like a credential, without repeating it: parameters are kept in notebooks and reports."""
    for name, value in values.items():
        texts = [json.dumps({name: value}, ensure_ascii=False), *([value] if isinstance(value, str) else [])]
        if any(scrub(text) != text for text in texts):
            raise ParameterError(
                f"The parameter {name} looks like a credential, and parameters are kept in notebooks and reports. "
                "Leave it out: the credential of a storage comes from a Key Vault or the environment."
            )


def as_options(values: Mapping[str, Any]) -> list[str]:
    """Return the words of a command line that give the same parameters."""
    words: list[str] = []
    for name, value in values.items():
        as_yaml = json.dumps({name: value}, ensure_ascii=False)  # JSON is YAML
        words += ["-p", name, value] if isinstance(value, str) else ["-y", as_yaml]
    return words


def refuse_unknown(given: Iterable[str], declared: Sequence[str]) -> None:
    """Refuse a parameter that no notebook of a run declares."""
    unknown = [name for name in given if name not in declared]
    if unknown:
        allowed = [name for name in dict.fromkeys(declared) if name != "run_id"]
        raise ParameterError(f"No notebook of this run declares {', '.join(unknown)}. Allowed: {', '.join(allowed)}.")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ParameterError(
            f"The file {path} of `parameters_file` cannot be read: {reason}. Give a file of YAML or JSON."
        ) from None


def _mapping(text: str, source: str, *, is_json: bool = False) -> dict[str, Any]:
    """Return what a text of YAML or JSON maps names to; an empty text nothing."""
    values = _from_json(text, source) if is_json else _from_yaml(text, source)
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ParameterError(f"{source} does not map names to values. Write for instance: 'top: 5'.")
    for name, value in values.items():
        if not _is_json(value):
            raise ParameterError(
                f"The parameter {name} has a value that JSON lacks. Allowed: text, numbers, true, false, null, and "
                "lists and mappings of them."
            )
    return values


def _from_json(text: str, source: str) -> Any:
    try:
        return json.loads(text) if text.strip() else None
    except (ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ParameterError(f'{source} is not JSON{where}. Write for instance: {{"top": 5}}.') from None


def _from_yaml(text: str, source: str) -> Any:
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        loader.yaml_implicit_resolvers = {  # days stay text, as with papermill
            first: [(tag, pattern) for tag, pattern in resolvers if tag != _DAY]
            for first, resolvers in loader.yaml_implicit_resolvers.items()
        }
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)  # its text would repeat the line
        where = f", line {mark.line + 1}" if mark else ""
        raise ParameterError(f"{source} is not YAML{where}. Write for instance: 'top: 5'.") from None


def _is_json(value: Any) -> bool:
    """Whether a value comes back from JSON as it was: no infinity, no set, no bytes, no numbers as keys."""
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError, RecursionError):
        return False
