"""The options of `techco run` that papermill has too, and what they mean together with the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from techco.errors import ParameterError
from techco.notebooks.kernelspecs import PYTHON3

PAPERMILL_EXAMPLES = (
    "[bold]As with papermill[/bold]\n\n"
    "techco run -p storage ./shop -p start_date 2023-08-01 -p end_date 2023-08-31\n\n"
    "techco run --storage ./shop --period 2023-08 --template my_analysis.ipynb -f parameters.yaml -y 'top: 5' "
    "-p title 'All of August'\n\n"
    "techco run --storage ./shop --period 2023-08 --steps none --template my_analysis.ipynb -k other-python\n\n"
    "techco run --storage ./shop --period 2023-08 --log-output --no-progress-bar --execution-timeout 600 "
    "--start-timeout 120\n\n"
    "techco run --storage ./shop --period 2023-08 --prepare-only\n\n"
)
"""For the help of `techco run`."""
_SEPARATOR = "\0"  # no word of a command line can hold it
_PAIR = ("-p", "--parameters")
# Parameters of notebooks that mean the same as an option.
_SAME = {"storage": "--storage", "start_date": "--from", "end_date": "--to", "engine": "--engine"}


class RunCommand(TyperCommand):
    """A command whose option -p takes two words, which Typer does not offer for an option that may be repeated."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Have each name and its value be one word."""
        return super().parse_args(ctx, list(_joined(args)))


def _joined(words: Sequence[str]) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        yield word
        if word in _PAIR:
            pair = [next(rest, None), next(rest, None)]
            yield _SEPARATOR.join(text for text in pair if text is not None)
        elif word == "--":
            yield from rest


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, **settings, rich_help_panel="papermill")


def timeout_option(help_text: str, default: str) -> Any:
    """Return an option for a number of seconds; `default` is what `--help` says of it."""
    return _option(min=1, metavar="SECONDS", help=help_text, show_default=default)


LogOutput = Annotated[bool, _option("--log-output/--no-log-output", help="Show on stderr what cells print.")]


@dataclass(frozen=True)
class PapermillOptions:
    """The options that papermill has too."""

    parameters: Annotated[
        list[str] | None,
        _option(
            *_PAIR,
            metavar="NAME VALUE",
            help="A parameter that a notebook declares; give it again for another one. It takes precedence over "
            "-y, and -y over -f. storage, start_date, end_date and engine mean the same as the options.",
        ),
    ] = None
    parameters_yaml: Annotated[
        list[str] | None, _option("-y", "--parameters_yaml", metavar="YAML", help="Parameters, such as 'top: 5'.")
    ] = None
    parameters_file: Annotated[
        list[Path] | None,
        _option(
            "-f",
            "--parameters_file",
            metavar="FILE",
            help="Parameters in a file of YAML or JSON; again for another.",
        ),
    ] = None
    kernel: Annotated[
        str,
        _option(
            "-k",
            "--kernel",
            metavar="NAME",
            help="The kernel of all notebooks: python3, which is the Python that runs techco, or another one that is "
            "installed.",
        ),
    ] = PYTHON3
    log_output: LogOutput = False
    execution_timeout: Annotated[int | None, timeout_option("How long a cell may run.", "no limit")] = None
    start_timeout: Annotated[int | None, timeout_option("How long a kernel may take to start.", "60")] = None
    progress_bar: Annotated[
        bool | None, _option("--progress-bar/--no-progress-bar", help="The same as --progress.")
    ] = None
    prepare_only: Annotated[
        bool,
        _option(
            "--prepare-only",
            help="Write the notebooks with their parameters, and execute none; techco resume does.",
        ),
    ] = False
    template: Annotated[
        list[Path] | None,
        _option(
            metavar="NOTEBOOK",
            help="A notebook of your own, which runs after the steps and has a page in the report; give it "
            "again for another one.",
        ),
    ] = None

    def read_parameters(self) -> dict[str, Any]:
        """Return the parameters of the options; those of -p go before those of -y, and these before those of -f."""
        from techco.runs.parameters import given_parameters

        pairs = []
        for pair in self.parameters or ():
            name, separator, value = pair.partition(_SEPARATOR)
            if not separator:
                raise ParameterError(f"-p {name} has no value. Give both: -p NAME VALUE.".replace("  ", " "))
            pairs.append((name, value))
        return given_parameters(self.parameters_file or (), self.parameters_yaml or (), pairs)


def split_standard(
    given: Mapping[str, Any], options: Mapping[str, str | None]
) -> tuple[dict[str, str | None], dict[str, Any]]:
    """Split parameters into the standard ones, each of which clashes with the option that means the same, and others.

    Parameters
    ----------
    options
        The values of `storage`, `start_date`, `end_date` and `engine`, and by their names those that clash with them.

    Returns
    -------
    tuple[dict[str, str | None], dict[str, Any]]
        What now counts for each of the four, and the parameters that are left for notebooks.
    """
    if "run_id" in given:
        raise ParameterError("The parameter run_id cannot be given: each run makes its own. Leave it out.")
    standard = {name: options[name] for name in _SAME}
    for name in _SAME.keys() & given.keys():
        clash = next((option for option in _clashing(name) if options.get(option) is not None), None)
        if clash:
            raise ParameterError(
                f"The parameter {name} comes together with {_SAME.get(clash, f'--{clash}')}. Give one of them."
            )
        if not isinstance(given[name], str):
            raise ParameterError(
                f"The parameter {name} is {given[name]!r}. Allowed: text; in YAML, put quotes around it."
            )
        standard[name] = given[name]
    return standard, {name: value for name, value in given.items() if name not in _SAME}


def _clashing(name: str) -> tuple[str, ...]:
    others = {"storage": ("account", "container", "prefix"), "start_date": ("period",), "end_date": ("period",)}
    return (name, *others.get(name, ()))
