"""The options that several commands take, and what they mean together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from techco.errors import ParameterError
from techco.period import WORDS, Period, Unit, is_relative, parse_day
from techco.redact import without_credentials
from techco.storage.base import SAMPLE

if TYPE_CHECKING:
    from techco.redact import Pii as PiiValue
    from techco.sample.generate import SampleSpec
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
FirstDay = Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day, YYYY-MM-DD.")]
LastDay = Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day, included.")]
PeriodText = Annotated[
    str | None,
    typer.Option(
        "--period",
        metavar="P",
        help=f"Instead of --from and --to: 2023, 2023-Q3, 2023-08, 2023-W31, 2023-08-02, {', '.join(WORDS)}, or two of "
        "those with .. between.",
        autocompletion=lambda incomplete: [word for word in WORDS if word.startswith(incomplete)],
    ),
]
AsOf = Annotated[
    str | None, typer.Option(metavar="DAY", help="The day that yesterday, last-week and so on are counted from.")
]
_EACH = "Many periods"
Each = Annotated[
    str | None,
    typer.Option(
        metavar="UNIT",
        help="A run for each day, week, month, quarter or year of the period, as far as it has not been completed yet.",
        rich_help_panel=_EACH,
        autocompletion=lambda incomplete: [unit for unit in get_args(Unit) if unit.startswith(incomplete)],
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="How many runs at once at most; never more than cores, and gigabytes of memory, are free.",
        show_default="as many as that",
        rich_help_panel=_EACH,
    ),
]
_AZURE = "Azure storage account"
Account = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Instead of --storage: the account.", rich_help_panel=_AZURE),
]
ContainerName = Annotated[
    str | None, typer.Option("--container", metavar="NAME", help="Its container.", rich_help_panel=_AZURE)
]
Prefix = Annotated[
    str | None, typer.Option(metavar="P", help="The shop's folder in the container.", rich_help_panel=_AZURE)
]
KeyVault = Annotated[
    str | None,
    typer.Option(metavar="VAULT", help="Name or URL of the Key Vault with the credential.", rich_help_panel=_AZURE),
]
Secret = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Name of the secret in it: an account key, a SAS or a connection string.",
        rich_help_panel=_AZURE,
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A private endpoint of the blob service.", rich_help_panel=_AZURE),
]
Publish = Annotated[bool, typer.Option("--publish", help="Publish the report in the storage account, too.")]
_TARGET = "Another place for it: a container of the account, such as '$web', or the URL of a container or folder."
PublishTo = Annotated[str | None, typer.Option(metavar="TARGET", help=_TARGET, show_default="the shop's reports/")]
Target = Annotated[
    str | None, typer.Option("--to", metavar="TARGET", help=_TARGET, show_default="reports/ of the run's storage")
]
_SPARK = "Apache Spark"
Engine = Annotated[
    str | None,
    typer.Option(
        metavar="E",
        help="Where the PySpark code runs: sail, spark (on this machine), spark://HOST:PORT or sc://HOST:PORT.",
        show_default="sail",
    ),
]
SparkConf = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="A setting of Apache Spark; again for another.", rich_help_panel=_SPARK),
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for runs/ and reports/.", show_default="current folder")
]
LabOut = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for lab/.", show_default="current folder")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser, or only print its URL.")]
Step = Annotated[str, typer.Option(metavar="STEP", help="Which notebook: ingest, join or analysis.")]
Pii = Annotated[
    str | None,
    typer.Option(
        metavar="mask|show",
        help="Hide e-mail addresses, telephone numbers and names of customers in the report, or show them.",
        show_default="mask",
    ),
]
Refresh = Annotated[
    bool, typer.Option("--refresh", help="Ingest and join again even if nothing has changed since an earlier run.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


def chosen_engine(settings: Settings, engine: str | None) -> str:
    """The engine of the option, else of the settings; a token that it carries goes into the environment."""
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


def chosen_pii(settings: Settings, pii: str | None) -> PiiValue:
    """Whether the report hides personal data, by the option or else the settings."""
    from techco.redact import check_pii

    return settings.pii if pii is None else check_pii(pii, "--pii")


def chosen_period(period: str | None, start: str | None, end: str | None, as_of: str | None = None) -> Period | None:
    """The period of the options, None when there are none of them."""
    if period is not None and (start is not None or end is not None):
        raise ParameterError("--period comes together with --from or --to. Give either --period, or --from and --to.")
    if as_of is not None and (period is None or not is_relative(period)):
        raise ParameterError(f"--as-of is given without a --period that is counted from it: {', '.join(WORDS)}.")
    if period is not None:
        return Period.parse(period, None if as_of is None else parse_day(as_of, "--as-of"))
    if start is None and end is None:
        return None
    if start is None or end is None:
        given, missing = ("--from", "--to") if end is None else ("--to", "--from")
        raise ParameterError(f"{given} is given without {missing}. Give both days; they may be the same.")
    return Period(parse_day(start, "--from"), parse_day(end, "--to"))


def needed_period(period: Period | None, storage: str) -> Period:
    """The period of the options, which only the sample shop does without."""
    from techco.sample.default_shop import SAMPLE_PERIOD

    if period is None and storage != SAMPLE:
        raise ParameterError(
            f"No period is given for the storage {without_credentials(storage)}. "
            "Say which days: --period 2023-08, or --from 2023-08-01 --to 2023-08-31."
        )
    return period or SAMPLE_PERIOD


def chosen_storage(
    settings: Settings, storage: str | None, account: str | None, container: str | None, prefix: str | None
) -> str:
    """The storage of the options, else of the settings, else the sample."""
    if account is None and container is None and prefix is None:
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
    account = account or os.environ.get("AZURE_STORAGE_ACCOUNT", "")  # as with the Azure CLI
    if not account or not container:
        missing = "--container" if account else "--account"
        raise ParameterError(f"{missing} is not given. Name a container with --account NAME --container NAME.")
    from techco.storage.azure.urls import Place

    return Place(account, container, (prefix or "").strip("/")).url


def chosen_access(settings: Settings, key_vault: str | None, secret: str | None, endpoint: str | None) -> Access:
    """How a storage account is reached; the options of a Key Vault replace both settings of one."""
    from techco.storage.access import Access

    if key_vault is None and secret is None:
        key_vault, secret = settings.key_vault, settings.secret
    elif secret is not None:
        key_vault = key_vault or settings.key_vault
    return Access(key_vault or "", secret or "", settings.endpoint if endpoint is None else endpoint)


def sample_spec(
    customers: int, products: int, logs: int, seed: int, period: Period, form: str, messy: bool
) -> SampleSpec:
    """The sample shop of the options."""
    from techco.sample.generate import SampleSpec

    return SampleSpec(
        customers=customers,
        products=products,
        logs=logs,
        seed=seed,
        start_date=period.first,
        end_date=period.last,
        form=form,  # type: ignore[arg-type]  # SampleSpec refuses what it does not know
        messy=messy,
    )
