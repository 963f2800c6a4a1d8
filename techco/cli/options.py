"""The options that several commands take, and what they mean together."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from techco.errors import ParameterError
from techco.period import WORDS, Period, is_relative, parse_day
from techco.redact import without_credentials
from techco.storage.base import SAMPLE

if TYPE_CHECKING:
    from techco.settings import Settings
    from techco.storage.access import Access

EXAMPLE_RUN = "20230901T060000-2023-08-01_2023-08-31"
"""A run's id, for the examples in `--help`."""

Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The shop: the folder of its raw files, or the abfss:// URL of a container.",
        show_default="a sample shop",
    ),
]
ShowProgress = Annotated[bool, typer.Option("--progress/--no-progress", help="Show progress on stderr.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the path of its folder.")]
PUBLISH_TARGET = (
    "Where to publish it instead: a container of the account, such as '$web', or the URL of a container or folder."
)
Engine = Annotated[
    str | None,
    typer.Option(
        metavar="E",
        help="Where the PySpark code runs: sail, spark (on this machine), spark://HOST:PORT or sc://HOST:PORT.",
        show_default="sail",
    ),
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for runs/ and reports/.", show_default="current folder")
]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        metavar="THRESHOLD",
        help="End with exit code 4, after the report, beyond a threshold, such as 'refused > 5%', "
        "'warnings > 0' or 'total_sales < 1000'; give it again for another one.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def complete(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Return what completes the words of an option in a shell."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


def _azure(metavar: str, help_text: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help_text, rich_help_panel="Azure storage account")


@dataclass(frozen=True)
class PeriodOptions:
    """Which days."""

    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day, YYYY-MM-DD.")] = None
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day, included.")] = None
    period: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            help="Instead of --from and --to: 2023, 2023-Q3, 2023-08, 2023-W31, 2023-08-02, "
            f"{', '.join(WORDS)}, or two of those with .. between.",
            autocompletion=complete(WORDS),
        ),
    ] = None
    as_of: Annotated[
        str | None, typer.Option(metavar="DAY", help="The day that yesterday, last-week and so on are counted from.")
    ] = None

    def parse(self) -> Period | None:
        """Return the period of the options, None when there are none of them."""
        if self.period is not None and (self.first is not None or self.last is not None):
            raise ParameterError(
                "--period comes together with --from or --to. Give either --period, or --from and --to."
            )
        if self.as_of is not None and (self.period is None or not is_relative(self.period)):
            raise ParameterError(f"--as-of is given without a --period that is counted from it: {', '.join(WORDS)}.")
        if self.period is not None:
            return Period.parse(self.period, None if self.as_of is None else parse_day(self.as_of, "--as-of"))
        if self.first is None and self.last is None:
            return None
        if self.first is None or self.last is None:
            given, missing = ("--from", "--to") if self.last is None else ("--to", "--from")
            raise ParameterError(f"{given} is given without {missing}. Give both days; they may be the same.")
        return Period(parse_day(self.first, "--from"), parse_day(self.last, "--to"))

    def parse_for(self, storage: str) -> Period:
        """Return the period of the options, which only the sample shop does without."""
        from techco.sample.default_shop import SAMPLE_PERIOD

        period = self.parse()
        if period is None and storage != SAMPLE:
            raise ParameterError(
                f"No period is given for the storage {without_credentials(storage)}. "
                "Say which days: --period 2023-08, or --from 2023-08-01 --to 2023-08-31."
            )
        return period or SAMPLE_PERIOD


@dataclass(frozen=True)
class ContainerOptions:
    """A storage by the parts of its URL."""

    account: Annotated[str | None, _azure("NAME", "Instead of --storage: the account.")] = None
    container: Annotated[str | None, _azure("NAME", "Its container.")] = None
    prefix: Annotated[str | None, _azure("P", "The shop's folder in the container.")] = None

    def choose_storage(self, settings: Settings, storage: str | None) -> str:
        """Return the storage of the options, else of the settings, else the sample."""
        if self.account is None and self.container is None and self.prefix is None:
            storage = storage if storage is not None else settings.storage or SAMPLE
            if not storage.strip():
                raise ParameterError(
                    f"--storage is {storage!r}. Give the folder of the shop's raw files, for instance ./shop."
                )
            return storage
        if storage is not None:
            raise ParameterError(
                "--storage comes together with --account, --container or --prefix. Give either the URL, or its parts."
            )
        account = self.account or os.environ.get("AZURE_STORAGE_ACCOUNT", "")  # as with the Azure CLI
        if not account or not self.container:
            missing = "--container" if account else "--account"
            raise ParameterError(f"{missing} is not given. Name a container with --account NAME --container NAME.")
        from techco.storage.azure.urls import Place

        return Place(account, self.container, (self.prefix or "").strip("/")).url


@dataclass(frozen=True)
class AccessOptions:
    """How a storage account is reached."""

    key_vault: Annotated[str | None, _azure("VAULT", "Name or URL of the Key Vault with the credential.")] = None
    secret: Annotated[
        str | None, _azure("NAME", "Name of the secret in it: an account key, a SAS or a connection string.")
    ] = None
    endpoint: Annotated[str | None, _azure("URL", "A private endpoint of the blob service.")] = None

    def choose_access(self, settings: Settings) -> Access:
        """Return how a storage account is reached; the options of a Key Vault replace both settings of one."""
        from techco.storage.access import Access

        key_vault, secret = self.key_vault, self.secret
        if key_vault is None and secret is None:
            key_vault, secret = settings.key_vault, settings.secret
        elif secret is not None:
            key_vault = key_vault or settings.key_vault
        return Access(key_vault or "", secret or "", settings.endpoint if self.endpoint is None else self.endpoint)


@dataclass(frozen=True)
class AzureOptions(AccessOptions, ContainerOptions):
    """A container of a storage account, and how it is reached."""


def choose_engine(settings: Settings, engine: str | None) -> str:
    """Return the engine of the option, else of the settings; a token that it carries goes into the environment."""
    from techco.engines.names import TOKEN_VARIABLE, split_token
    from techco.redact import register_secret

    if engine is None:
        engine, token = settings.engine, settings.spark_token
    else:
        engine, token = split_token(engine)
        token = token or settings.spark_token
    if token:
        register_secret(token)
        os.environ[TOKEN_VARIABLE] = token
    return engine
