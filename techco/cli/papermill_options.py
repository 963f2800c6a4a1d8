"""The options of `techco run` that papermill has too, and what they mean together with the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from techco.errors import ParameterError

PANEL = "papermill"
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
_APART = "\0"  # no word of a command line can hold it
_PAIR = ("-p", "--parameters")
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
            yield _APART.join(text for text in pair if text is not None)
        elif word == "--":
            yield from rest


def _seconds(meaning: str, default: str) -> Any:
    return typer.Option(min=1, metavar="SECONDS", help=meaning, show_default=default, rich_help_panel=PANEL)


Parameters = Annotated[
    list[str] | None,
    typer.Option(
        *_PAIR,
        metavar="NAME VALUE",
        help="A parameter that a notebook declares; again for another. It goes before -y, and -y before -f. storage, "
        "start_date, end_date and engine mean the same as the options.",
        rich_help_panel=PANEL,
    ),
]
ParametersYaml = Annotated[
    list[str] | None,
    typer.Option(
        "-y", "--parameters_yaml", metavar="YAML", help="Parameters, such as 'top: 5'.", rich_help_panel=PANEL
    ),
]
ParametersFile = Annotated[
    list[Path] | None,
    typer.Option(
        "-f",
        "--parameters_file",
        metavar="FILE",
        help="Parameters in a file of YAML or JSON; again for another.",
        rich_help_panel=PANEL,
    ),
]
KernelName = Annotated[
    str,
    typer.Option(
        "-k",
        "--kernel",
        metavar="NAME",
        help="The kernel of all notebooks: python3, which is the Python that runs techco, or another one that is "
        "installed.",
        rich_help_panel=PANEL,
    ),
]
LogOutput = Annotated[
    bool,
    typer.Option("--log-output/--no-log-output", help="Show on stderr what cells print.", rich_help_panel=PANEL),
]
ExecutionTimeout = Annotated[int | None, _seconds("How long a cell may run.", default="any time")]
StartTimeout = Annotated[int | None, _seconds("How long a kernel may take to start.", default="60")]
OtherExecutionTimeout = Annotated[int | None, _seconds("How long a cell may run.", default="as before")]
OtherStartTimeout = Annotated[int | None, _seconds("How long a kernel may take to start.", default="as before")]
ProgressBar = Annotated[
    bool | None,
    typer.Option("--progress-bar/--no-progress-bar", help="The same as --progress.", rich_help_panel=PANEL),
]
PrepareOnly = Annotated[
    bool,
    typer.Option(
        "--prepare-only",
        help="Write the notebooks with their parameters, and execute none; techco resume does.",
        rich_help_panel=PANEL,
    ),
]
Template = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="NOTEBOOK",
        help="A notebook of your own, which runs after the steps and has a page in the report; again for another.",
        rich_help_panel=PANEL,
    ),
]


def chosen_parameters(files: list[Path] | None, texts: list[str] | None, pairs: list[str] | None) -> dict[str, Any]:
    """The parameters of the options, later ones before earlier ones: those of -p, of -y, of -f."""
    from techco.runs.parameters import given_parameters

    split = []
    for pair in pairs or ():
        name, separator, value = pair.partition(_APART)
        if not separator:
            raise ParameterError(f"-p {name} has no value. Give both: -p NAME VALUE.".replace("  ", " "))
        split.append((name, value))
    return given_parameters(files or (), texts or (), split)


def take_standard(parameters: dict[str, Any], **options: str | None) -> dict[str, str | None]:
    """Take the standard parameters out of those given; each is the same as an option, and clashes with it.

    Parameters
    ----------
    parameters
        Those of the options; what is left is for notebooks.
    options
        The values of `storage`, `start_date`, `end_date` and `engine`, and by their names those that clash with them.

    Returns
    -------
    dict[str, str | None]
        What now counts for each of the four.

    Raises
    ------
    ParameterError
        When one is given twice, or is no text, or is the run's id.
    """
    if "run_id" in parameters:
        raise ParameterError("The parameter run_id cannot be given: each run makes its own. Leave it out.")
    chosen = {name: options[name] for name in _SAME}
    for name in _SAME.keys() & parameters.keys():
        value = parameters.pop(name)
        clash = next((option for option in _clashing(name) if options.get(option) is not None), None)
        if clash:
            raise ParameterError(
                f"The parameter {name} comes together with {_SAME.get(clash, f'--{clash}')}. Give one of them."
            )
        if not isinstance(value, str):
            raise ParameterError(f"The parameter {name} is {value!r}. Allowed: text; in YAML, put quotes around it.")
        chosen[name] = value
    return chosen


def _clashing(name: str) -> tuple[str, ...]:
    others = {"storage": ("account", "container", "prefix"), "start_date": ("period",), "end_date": ("period",)}
    return (name, *others.get(name, ()))
