"""The command line: results on stdout, progress and errors on stderr, exit codes 0 to 3, and 128 + a signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shlex import split
from typing import TYPE_CHECKING, Annotated

import typer

from techco import __version__
from techco.cli import run_commands, shop_commands
from techco.cli.console import console, escape_unencodable
from techco.cli.exit_codes import exit_codes
from techco.cli.options import (
    EXAMPLE_RUN,
    Account,
    AsOf,
    ContainerName,
    Each,
    Endpoint,
    Engine,
    FirstDay,
    Jobs,
    Json,
    KeyVault,
    LastDay,
    Out,
    PeriodText,
    Pii,
    Prefix,
    Publish,
    PublishTo,
    Refresh,
    Run,
    Secret,
    ShowProgress,
    SparkConf,
    Storage,
    chosen_access,
    chosen_engine,
    chosen_period,
    chosen_pii,
    chosen_storage,
    needed_period,
)
from techco.cli.papermill_options import (
    PAPERMILL_EXAMPLES,
    ExecutionTimeout,
    KernelName,
    LogOutput,
    OtherExecutionTimeout,
    OtherStartTimeout,
    Parameters,
    ParametersFile,
    ParametersYaml,
    PrepareOnly,
    ProgressBar,
    RunCommand,
    StartTimeout,
    Template,
    chosen_parameters,
    take_standard,
)
from techco.cli.printing import (
    print_error,
    print_failure,
    print_json,
    print_note,
    print_period,
    print_prepared,
    print_summary,
)
from techco.errors import ParameterError
from techco.notebooks.kernelspecs import PYTHON3
from techco.period import is_relative
from techco.system import signals

if TYPE_CHECKING:
    from techco.period import Period
    from techco.runs.request import RunRequest
    from techco.settings import Settings
    from techco.storage.access import Access

app = typer.Typer(
    name="techco",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line of this process, which ends with SystemExit."""
    escape_unencodable()
    app(prog_name="techco")


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
    cls=RunCommand,
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "techco run\n\n"
        "techco run --storage ./shop --period 2023-08\n\n"
        "techco run --storage ./shop --period last-month --as-of 2023-09-01\n\n"
        "techco run --storage ./shop --period 2023 --each month --jobs 4\n\n"
        "techco run --storage ./shop --from 2023-08-01 --to 2023-08-15 --steps analysis\n\n"
        "techco run --storage abfss://data@myshop.dfs.core.windows.net/prefix --period 2023-08\n\n"
        "techco run --account myshop --container data --key-vault kv-shop --secret storage-key --period 2023-08\n\n"
        "techco run --account myshop --container data --endpoint https://myshop.privatelink.blob.core.windows.net "
        "--period 2023-08 --publish --publish-to reports\n\n"
        "techco run --storage ./shop --period yesterday --refresh --out /srv/reports --no-progress\n\n"
        "Without --key-vault a storage account is opened with AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or "
        "AZURE_STORAGE_SAS_TOKEN, whichever is set first, else with the identity that azure-identity finds.\n\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some periods of --each failed, 130 interrupted, 143 and 129 "
        "ended by SIGTERM and SIGHUP.\n\n" + PAPERMILL_EXAMPLES
    ),
)
@exit_codes()
def run(
    storage: Storage = None,
    start: FirstDay = None,
    end: LastDay = None,
    period: PeriodText = None,
    as_of: AsOf = None,
    each: Each = None,
    jobs: Jobs = None,
    engine: Engine = None,
    steps: Annotated[
        str, typer.Option(metavar="STEPS", help="Which steps, with commas between; none with --template.")
    ] = "ingest,join,analysis",
    out: Out = None,
    json: Json = False,
    pii: Pii = None,
    refresh: Refresh = False,
    progress: ShowProgress = True,
    publish: Publish = False,
    publish_to: PublishTo = None,
    account: Account = None,
    container: ContainerName = None,
    prefix: Prefix = None,
    key_vault: KeyVault = None,
    secret: Secret = None,
    endpoint: Endpoint = None,
    spark_conf: SparkConf = None,
    parameters: Parameters = None,
    parameters_yaml: ParametersYaml = None,
    parameters_file: ParametersFile = None,
    kernel: KernelName = PYTHON3,
    log_output: LogOutput = False,
    execution_timeout: ExecutionTimeout = None,
    start_timeout: StartTimeout = None,
    progress_bar: ProgressBar = None,
    prepare_only: PrepareOnly = False,
    template: Template = None,
    resumes: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the notebooks for a storage and a period, and make the report.

    Without --storage it runs on a sample shop, which it makes first, for August 2023.
    """
    from techco.engines.spark_conf import parse_pairs
    from techco.notebooks.limits import Limits
    from techco.settings import load_settings

    settings = load_settings()
    given = chosen_parameters(parameters_file, parameters_yaml, parameters)
    chosen = take_standard(
        given, storage=storage, start_date=start, end_date=end, engine=engine,
        account=account, container=container, prefix=prefix, period=period,
    )  # fmt: skip
    request = _request(
        settings,
        chosen_storage(settings, chosen["storage"], account, container, prefix),
        chosen_period(period, chosen["start_date"], chosen["end_date"], as_of),
        chosen_access(settings, key_vault, secret, endpoint),
        chosen["engine"],
        steps,
        out,
        template or (),
    )
    anew, shown = refresh or settings.refresh, parse_pairs(spark_conf or ())
    request = replace(request, pii=chosen_pii(settings, pii), refresh=anew, publish=publish, publish_to=publish_to)
    all_conf = {**settings.spark_conf_for(request.engine), **shown}
    request = replace(request, spark_conf=all_conf, shown_spark_conf=shown, parameters=given, resumes=resumes)
    limits = Limits(start_timeout or Limits.start_s, execution_timeout)
    request = replace(request, kernel=kernel, limits=limits, log_output=log_output, prepare_only=prepare_only)
    progress = progress if progress_bar is None else progress_bar
    if jobs is not None and each is None:
        raise ParameterError("--jobs is given without --each. Say what the period is to be cut into: --each day.")
    if progress and is_relative(period or ""):
        print_period(request.period)
    if each is None:
        _carry_out(request, json, progress)
    else:
        _carry_out_each(request, each, jobs, json, progress)


def _carry_out_each(request: RunRequest, each: str, jobs: int | None, json: bool, progress: bool) -> None:
    """Run each part of the period, and say how it went."""
    from techco.cli.period_table import print_result, watched_on
    from techco.runs.backfill import backfill

    with watched_on(console(stderr=True), wanted=progress) as watcher:
        made = backfill(request, each, jobs, watcher)
    if json:
        print_json(made.to_json())
    else:
        print_result(made, console())
    for part in made.failed:
        print_error(f"{part.period}: {part.error}" + (f" Report: {part.report}" if part.report else ""))
    if made.failed or made.interrupted:
        print_note("The same command again does only what is missing or failed.")
    if made.interrupted:
        print_error(signals.MESSAGE)
        signals.mark_reported()
        raise typer.Exit(signals.exit_code())
    if made.failed:
        raise typer.Exit(3)


def _carry_out(request: RunRequest, json: bool, progress: bool) -> None:
    """Run, and say how it went."""
    from techco.cli.progress_display import shown_on
    from techco.runs.run import Interrupted, NotPublished
    from techco.runs.run import run as run_steps

    stopped = unpublished = ""
    try:
        with shown_on(console(stderr=True), wanted=progress) as bar:
            record = run_steps(request, bar)
        signals.exit_on_next_signal()
    except Interrupted as error:
        record, stopped = error.record, signals.MESSAGE
    except NotPublished as error:
        record, unpublished = error.record, str(error)
    if json:
        print_json(record.to_json())
    if record.error:
        print_failure(record, stopped)
    elif not json:
        (print_prepared if record.status == "prepared" else print_summary)(record)
    if unpublished or (stopped and not record.error):
        print_error(unpublished or stopped)
    if stopped:
        signals.mark_reported()
    if record.error or unpublished or stopped:
        raise typer.Exit(signals.exit_code() if stopped else 1)


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        f"techco resume {EXAMPLE_RUN}\n\n"
        f"techco resume {EXAMPLE_RUN} --out /srv/reports --no-progress --json\n\n"
        f"techco resume {EXAMPLE_RUN} --log-output --execution-timeout 600 --start-timeout 120"
    )
)
@exit_codes()
def resume(
    run: Run,
    out: Out = None,
    json: Json = False,
    progress: ShowProgress = True,
    log_output: LogOutput = False,
    execution_timeout: OtherExecutionTimeout = None,
    start_timeout: OtherStartTimeout = None,
) -> None:
    """Go on with a run that failed, was interrupted or only prepared: its steps that are not completed, and its report.

    It is done as the run was asked for, and with the settings of now; another timeout may be given.
    """
    from techco.records.find import find_run, steps_left
    from techco.settings import load_settings

    settings = load_settings()
    record, run_dir = find_run(run, out or settings.out)
    used, now = record.provenance.get("templates", ""), str(settings.templates.absolute()) if settings.templates else ""
    if used != now:
        to_do = f"Set TECHCO_TEMPLATES to {used}" if used else "Unset TECHCO_TEMPLATES"
        raise ParameterError(f"The run {record.run_id} is one of other notebooks. {to_do}, and resume it again.")
    steps_left(record)
    words = [*split(record.command)[1:], "--out", str(run_dir.parents[1]), "--resumes", str(run_dir)]
    words += ["--execution-timeout", str(execution_timeout)] if execution_timeout else []
    words += ["--start-timeout", str(start_timeout)] if start_timeout else []
    words += [*(["--json"] if json else []), *([] if progress else ["--no-progress"])]
    words += ["--log-output"] if log_output else []
    raise typer.Exit(app(words, standalone_mode=False) or 0)


def _request(
    settings: Settings,
    storage: str,
    period: Period | None,
    access: Access,
    engine: str | None,
    steps: str,
    out: Path | None,
    own_templates: Sequence[Path],
) -> RunRequest:
    from techco.runs.request import NO_STEPS, RunRequest

    return RunRequest(
        period=needed_period(period, storage),
        storage=storage,
        engine=chosen_engine(settings, engine),
        steps=() if steps == NO_STEPS else tuple(step.strip() for step in steps.split(",")),
        own_templates=tuple(own_templates),
        out=out or settings.out,
        templates=settings.templates,
        access=access,
    )


app.add_typer(run_commands.app)
app.add_typer(shop_commands.app)
