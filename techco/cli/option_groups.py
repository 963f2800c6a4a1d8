"""Let a command take dataclasses whose fields are options, which Typer does not offer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, get_type_hints

Group = TypeVar("Group")


def expand_groups(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one parameter for each field of the groups that it takes; a decorator.

    A group is a dataclass. Each of its fields has a default and is annotated as a parameter of a command is, or is
    itself a group.
    """
    hints = get_type_hints(function, include_extras=True)
    taken = inspect.signature(function).parameters.values()
    groups: dict[str, Any] = {one.name: hints[one.name] for one in taken if is_dataclass(hints[one.name])}
    parameters: list[inspect.Parameter] = []
    for parameter in taken:
        if parameter.name in groups:
            parameters += _parameters(groups[parameter.name])
        else:
            named = parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            parameters.append(named)

    @wraps(function)
    def command(**values: Any) -> Any:
        made = {name: _make(group, values) for name, group in groups.items()}
        expanded = {parameter.name for group in groups.values() for parameter in _parameters(group)}
        return function(**made, **{name: value for name, value in values.items() if name not in expanded})

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _parameters(group: Any) -> Iterator[inspect.Parameter]:
    """Yield the options of a group and of the groups in it, in the order of its fields."""
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        if is_dataclass(hints[field.name]):
            yield from _parameters(hints[field.name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            yield inspect.Parameter(field.name, kind, default=field.default, annotation=hints[field.name])


def _make(group: type[Group], values: Mapping[str, Any]) -> Group:
    """Return a group with the values of its options."""
    hints = get_type_hints(group, include_extras=True)
    names = [field.name for field in fields(group)]  # type: ignore[arg-type]
    return group(**{name: _make(hints[name], values) if is_dataclass(hints[name]) else values[name] for name in names})
