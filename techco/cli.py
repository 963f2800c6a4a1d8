"""The command line: results on stdout, progress and errors on stderr, exit codes 0, 1, 2, and 128 + a signal."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from techco import __version__, interrupts
from techco.errors import ParameterError, TechcoError
from techco.options import (
    Account,
    ContainerName,
    Endpoint,
    Engine,
    Json,
    KeyVault,
    Out,
    Pii,
    Prefix,
    Publish,
    PublishTo,
    Refresh,
    Secret,
    SparkConf,
    Storage,
    Target,
    chosen_access,
    chosen_engine,
    chosen_period,
    chosen_pii,
    chosen_storage,
    sample_spec,
)
from techco.period import Period, parse_day
from techco.scrub import without_credentials
from techco.storage import SAMPLE
from techco.terminal import (
    console,
    print_checks,
    print_error,
    print_failure,
    print_json,
    print_runs,
    print_summary,
    survive_any_text,
)

if TYPE_CHECKING:
    from techco.access import Access
    from techco.run import RunRequest
    from techco.settings import Settings

SAMPLE_PERIOD = Period(date(2023, 8, 1), date(2023, 8, 31))
ISSUES = "the project's issue tracker"
_PLACE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}

app = typer.Typer(
    name="techco",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line of this process, which ends with SystemExit."""
    survive_any_text()
    app(prog_name="techco")


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turn errors into exit codes; used as a decorator of every command."""
    try:
        yield
    except (typer.Exit, BrokenPipeError):  # Typer ends quietly when the reader of a pipe has gone
        raise
    except (Exception, KeyboardInterrupt) as error:
        if interrupts.came() or isinstance(error, KeyboardInterrupt):
            print_error(interrupts.MESSAGE)
            interrupts.told()
            raise typer.Exit(interrupts.exit_code()) from None
        if isinstance(error, TechcoError):
            print_error(str(error))
            raise typer.Exit(error.exit_code) from None
        _print_unexpected(error)
        raise typer.Exit(1) from None


def _print_unexpected(error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in _PLACE_ERRORS:
        where = f" in {error.filename}" if error.filename else ""
        print_error(f"Files cannot be written{where}: {error.strerror}. Make room, or give another folder with --out.")
        return
    from techco.scrub import scrub

    print(scrub(traceback.format_exc()), file=sys.stderr)  # noqa: T201
    print_error(
        f"This is a bug in techco {__version__}: {scrub(f'{type(error).__name__}: {error}')}. "
        f"Please report it with the lines above to {ISSUES}."
    )


def _version(wanted: bool) -> None:
    if wanted:
        print(f"techco {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def _techco(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Trustworthy reports of a shop, from parameterized notebooks.

    Start with [bold]techco run[/bold]: a report of the sample shop.

    Set once what you give often: TECHCO_STORAGE, TECHCO_ENGINE, TECHCO_OUT, TECHCO_TEMPLATES, TECHCO_PII,
    TECHCO_REFRESH, for Apache Spark TECHCO_SPARK_CONF, TECHCO_SPARK_PACKAGES, TECHCO_SPARK_MEMORY and
    TECHCO_SPARK_TOKEN, and for a storage account TECHCO_KEY_VAULT, TECHCO_SECRET, TECHCO_ENDPOINT.
    """


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "techco run\n\n"
        "techco run --storage ./shop --period 2023-08\n\n"
        "techco run --storage ./shop --from 2023-08-01 --to 2023-08-15 --steps analysis\n\n"
        "techco run --storage abfss://data@myshop.dfs.core.windows.net/prefix --period 2023-08\n\n"
        "techco run --account myshop --container data --key-vault kv-shop --secret storage-key --period 2023-08\n\n"
        "Without --key-vault a storage account is opened with AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or "
        "AZURE_STORAGE_SAS_TOKEN, whichever is set first, else with the identity that azure-identity finds.\n\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP."
    )
)
@_exit_codes()
def run(
    storage: Storage = None,
    start: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day, included.")] = None,
    period: Annotated[
        str | None,
        typer.Option(
            metavar="P", help="Instead of --from and --to: 2023, 2023-Q3, 2023-08, 2023-W31, 2023-08-02 or DAY..DAY."
        ),
    ] = None,
    engine: Engine = None,
    steps: Annotated[
        str, typer.Option(metavar="STEPS", help="Which steps, with commas between.")
    ] = "ingest,join,analysis",
    out: Out = None,
    json: Json = False,
    pii: Pii = None,
    refresh: Refresh = False,
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Show progress on stderr.")] = True,
    publish: Publish = False,
    publish_to: PublishTo = None,
    account: Account = None,
    container: ContainerName = None,
    prefix: Prefix = None,
    key_vault: KeyVault = None,
    secret: Secret = None,
    endpoint: Endpoint = None,
    spark_conf: SparkConf = None,
) -> None:
    """Run the notebooks for a storage and a period, and make the report.

    Without --storage it runs on a sample shop, which it makes first, for August 2023.
    """
    from techco.settings import load_settings
    from techco.spark_conf import parse_pairs

    settings = load_settings()
    request = _request(
        settings,
        chosen_storage(settings, storage, account, container, prefix),
        chosen_period(period, start, end),
        chosen_access(settings, key_vault, secret, endpoint),
        engine,
        steps,
        out,
    )
    anew, shown = refresh or settings.refresh, parse_pairs(spark_conf or ())
    request = replace(request, pii=chosen_pii(settings, pii), refresh=anew, publish=publish, publish_to=publish_to)
    all_conf = {**settings.all_spark_conf, **shown} if request.engine != "sail" else shown
    request = replace(request, spark_conf=all_conf, shown_spark_conf=shown)
    from techco.progress import shown_on
    from techco.run import Interrupted, NotPublished
    from techco.run import run as run_steps

    stopped = unpublished = ""
    try:
        with shown_on(console(stderr=True), wanted=progress) as bar:
            record = run_steps(request, bar)
        interrupts.settle()
    except Interrupted as error:
        record, stopped = error.record, interrupts.MESSAGE
    except NotPublished as error:
        record, unpublished = error.record, str(error)
    if json:
        print_json(record.to_json())
    if record.error:
        print_failure(record, stopped)
    elif not json:
        print_summary(record)
    if unpublished or (stopped and not record.error):
        print_error(unpublished or stopped)
    if stopped:
        interrupts.told()
    if record.error or unpublished or stopped:
        raise typer.Exit(interrupts.exit_code() if stopped else 1)


@app.command(epilog="[bold]Example[/bold]\n\ntechco generate ./shop --logs 1000000 --format lines --messy")
@_exit_codes()
def generate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder, or an older sample.")],
    customers: Annotated[int, typer.Option(help="Number of customers.")] = 10_000,
    products: Annotated[int, typer.Option(help="Number of products.")] = 50,
    logs: Annotated[int, typer.Option(help="Number of web logs.")] = 50_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same shop.")] = 7,
    start: Annotated[str, typer.Option("--from", metavar="DAY", help="First day of the logs.")] = "2023-08-01",
    end: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day of the logs, included.")] = "2023-08-31",
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="How web logs are written: array, compact, lines or folder.")
    ] = "array",
    messy: Annotated[
        bool, typer.Option("--messy", help="Add every fault that real files have, in known numbers.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a sample shop, and say what a correct report of it must show."""
    from techco.generate import describe
    from techco.generate import generate as generate_shop

    period = Period(parse_day(start, "--from"), parse_day(end, "--to"))
    expected = generate_shop(directory, sample_spec(customers, products, logs, seed, period, form, messy))
    if json:
        print_json(expected.to_json())
    else:
        console().print(describe(expected))


@app.command()
@_exit_codes()
def render(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the path of its folder.")],
    out: Out = None,
) -> None:
    """Make the pages of a run again from its executed notebooks."""
    from techco.reporting import render_again
    from techco.settings import load_settings

    record = render_again(run, out or load_settings().out)
    print(record.report)  # noqa: T201


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "techco publish 20230901T060000-2023-08-01_2023-08-31\n\n"
        "techco publish 20230901T060000-2023-08-01_2023-08-31 --to '$web'\n\n"
        "techco publish 20230901T060000-2023-08-01_2023-08-31 --to abfss://reports@myshop.dfs.core.windows.net/sales\n\n"
        "Who may open the pages is up to the container; '$web' is the account's public web site."
    )
)
@_exit_codes()
def publish(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the path of its folder.")],
    to: Target = None,
    out: Out = None,
    key_vault: KeyVault = None,
    secret: Secret = None,
    endpoint: Endpoint = None,
) -> None:
    """Publish the report of a run in a storage account, and print its URL.

    It replaces what was published of the run before. The page reports/index.html there lists all reports.
    """
    from techco.publish import publish_run
    from techco.settings import load_settings

    settings = load_settings()
    print(publish_run(run, out or settings.out, to, chosen_access(settings, key_vault, secret, endpoint)))  # noqa: T201


@app.command(name="list")
@_exit_codes()
def list_runs(out: Out = None) -> None:
    """List the runs, newest first, with period, status and duration."""
    from techco.history import RUNS, read_records
    from techco.settings import load_settings

    folder = out or load_settings().out
    if records := read_records(folder):
        print_runs(records)
    else:
        print(f"No runs in {folder.absolute() / RUNS}. Make one: techco run")  # noqa: T201


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "techco doctor\n\n"
        "techco doctor --storage ./shop\n\n"
        "techco doctor --account myshop --container data --key-vault kv-shop --secret storage-key\n\n"
        "Exit codes: 0 nothing failed, 1 a check failed, 2 wrong usage, 130 interrupted."
    )
)
@_exit_codes()
def doctor(
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The shop to check: a folder, or the abfss:// URL of a container."),
    ] = None,
    engine: Engine = None,
    out: Out = None,
    json: Json = False,
    account: Account = None,
    container: ContainerName = None,
    prefix: Prefix = None,
    key_vault: KeyVault = None,
    secret: Secret = None,
    endpoint: Endpoint = None,
) -> None:
    """Check every requirement and permission, and say how to mend what fails.

    Without --storage it checks this machine, with it also the shop that is there.
    It writes one small file among the tables of the shop, and deletes it.
    """
    from techco.doctor import DoctorRequest, examine, to_json
    from techco.settings import load_settings

    settings = load_settings()
    is_given = any(option is not None for option in (storage, account, container, prefix, settings.storage))
    request = DoctorRequest(
        storage=chosen_storage(settings, storage, account, container, prefix) if is_given else "",
        engine=chosen_engine(settings, engine),
        out=out or settings.out,
        templates=settings.templates,
        access=chosen_access(settings, key_vault, secret, endpoint),
    )
    with closing(examine(request)) as checks:  # what it has written is removed, also if it is broken off
        made = list(checks) if json else print_checks(checks)
    if json:
        print_json(to_json(made))
    if any(check.status == "failed" for check in made):
        raise typer.Exit(1)


def _request(
    settings: Settings,
    storage: str,
    period: Period | None,
    access: Access,
    engine: str | None,
    steps: str,
    out: Path | None,
) -> RunRequest:
    from techco.run import RunRequest

    if period is None and storage != SAMPLE:
        raise ParameterError(
            f"No period is given for the storage {without_credentials(storage)}. "
            "Say which days: --period 2023-08, or --from 2023-08-01 --to 2023-08-31."
        )
    return RunRequest(
        period=period or SAMPLE_PERIOD,
        storage=storage,
        engine=chosen_engine(settings, engine),
        steps=tuple(step.strip() for step in steps.split(",")),
        out=out or settings.out,
        templates=settings.templates,
        access=access,
    )
