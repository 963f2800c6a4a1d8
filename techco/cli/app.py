"""The command line: results on stdout, progress and errors on stderr, exit codes 0 to 4, and 128 + a signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from shlex import split
from typing import TYPE_CHECKING, Annotated

import typer

from techco import __version__
from techco.cli import run_commands, shop_commands
from techco.cli.console import console, escape_unencodable
from techco.cli.exit_codes import exit_codes
from techco.cli.option_groups import expand_groups
from techco.cli.options import EXAMPLE_RUN, FailIf, Json, Out, Run, ShowProgress
from techco.cli.papermill_options import PAPERMILL_EXAMPLES, LogOutput, RunCommand, timeout_option
from techco.cli.printing import (
    print_error,
    print_failure,
    print_json,
    print_note,
    print_period,
    print_prepared,
    print_summary,
)
from techco.cli.run_options import RunOptions, parse_run
from techco.cli.thresholds import BEYOND_THRESHOLD, Threshold, parse_thresholds
from techco.errors import ParameterError
from techco.system import signals

if TYPE_CHECKING:
    from techco.records.record import RunRecord
    from techco.runs.request import RunRequest

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

    Environment variables set what you give often: TECHCO_STORAGE, TECHCO_ENGINE, TECHCO_OUT, TECHCO_TEMPLATES,
    TECHCO_PII, TECHCO_REFRESH, for Apache Spark TECHCO_SPARK_CONF, TECHCO_SPARK_PACKAGES, TECHCO_SPARK_MEMORY and
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
        "techco run --storage ./shop --period 2023-08 --fail-if 'refused > 5%' --fail-if 'total_sales < 1000'\n\n"
        "techco run --storage ./shop --period yesterday --refresh --out /srv/reports --no-progress\n\n"
        "Without --key-vault a storage account is opened with AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or "
        "AZURE_STORAGE_SAS_TOKEN, whichever is set first, else with the identity that azure-identity finds.\n\n"
        "Exit codes: 0 done, also with warnings, 1 failed, 2 wrong usage, 3 some periods of --each failed, 4 beyond a "
        "threshold of --fail-if, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP.\n\n" + PAPERMILL_EXAMPLES
    ),
)
@exit_codes()
@expand_groups
def run(options: RunOptions) -> None:
    """Run the notebooks for a storage and a period, and make the report.

    Without --storage it runs on a sample shop, which it makes first, for August 2023.
    """
    from techco.settings import load_settings

    request = options.make_request(load_settings())
    thresholds = parse_thresholds(options.fail_if or ())
    options.many.check()
    if options.shows_progress and options.is_relative:
        print_period(request.period)
    if options.many.each is None:
        _run_once(request, options.json, options.shows_progress, thresholds)
    else:
        _run_each(request, options, thresholds)


def _run_each(request: RunRequest, options: RunOptions, thresholds: Sequence[Threshold]) -> None:
    """Run each part of the period, and print how it went."""
    from techco.cli.period_table import print_result
    from techco.cli.progress_display import LivePeriods, show_progress
    from techco.records.find import find_run
    from techco.runs.backfill import backfill

    with show_progress(console(stderr=True), LivePeriods, options.shows_progress) as listener:
        made = backfill(request, str(options.many.each), options.many.jobs, listener)
    if options.json:
        print_json(made.to_json())
    else:
        print_result(made, console())
    for one in made.failed:
        print_error(f"{one.period}: {one.error}" + (f" Report: {one.report}" if one.report else ""))
    if made.failed or made.interrupted:
        print_note("The same command again does only what is missing or failed.")
    if made.interrupted:
        print_error(signals.MESSAGE)
        signals.mark_reported()
        raise typer.Exit(signals.exit_code())
    if made.failed:
        raise typer.Exit(3)
    if thresholds:
        _check([find_run(str(one.run_id), request.out)[0] for one in made.periods], thresholds)


def _check(records: Sequence[RunRecord], thresholds: Sequence[Threshold]) -> None:
    """End with the exit code of `--fail-if` if a run is beyond a threshold; one that is only prepared never is."""
    done = [record for record in records if record.is_completed]
    failures = [
        (record, failure) for record in done for threshold in thresholds if (failure := threshold.failure(record))
    ]
    for record, failure in failures:
        print_error(failure if len(records) == 1 else f"{record.start_date} to {record.end_date}: {failure}")
    if failures:
        raise typer.Exit(BEYOND_THRESHOLD)


def _run_once(request: RunRequest, json: bool, progress: bool, thresholds: Sequence[Threshold]) -> None:
    """Make one run, and print how it went."""
    from techco.cli.progress_display import StepBars, show_progress
    from techco.runs.run import Interrupted, NotPublished
    from techco.runs.run import run as run_steps

    stopped = unpublished = ""
    try:
        with show_progress(console(stderr=True), StepBars, progress) as listener:
            record = run_steps(request, listener)
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
    _check([record], thresholds)


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        f"techco resume {EXAMPLE_RUN}\n\n"
        f"techco resume {EXAMPLE_RUN} --out /srv/reports --no-progress --json --fail-if 'refused > 5%'\n\n"
        f"techco resume {EXAMPLE_RUN} --log-output --execution-timeout 600 --start-timeout 120"
    )
)
@exit_codes()
def resume(
    run: Run,
    out: Out = None,
    json: Json = False,
    fail_if: FailIf = None,
    progress: ShowProgress = True,
    log_output: LogOutput = False,
    execution_timeout: Annotated[int | None, timeout_option("How long a cell may run.", "as before")] = None,
    start_timeout: Annotated[int | None, timeout_option("How long a kernel may take to start.", "as before")] = None,
) -> None:
    """Execute the steps of a run that are not completed, and make its report.

    The run may have failed, been interrupted or only been prepared. It keeps its options and uses the current settings.
    """
    from techco.notebooks.limits import Limits
    from techco.records.find import find_run, steps_left
    from techco.settings import load_settings

    settings, thresholds = load_settings(), parse_thresholds(fail_if or ())
    record, folder = find_run(run, out or settings.out)
    used, now = record.provenance.get("templates", ""), str(settings.templates.absolute()) if settings.templates else ""
    if used != now:
        to_do = f"Set TECHCO_TEMPLATES to {used}" if used else "Unset TECHCO_TEMPLATES"
        raise ParameterError(f"The run {record.run_id} is one of other notebooks. {to_do}, and resume it again.")
    steps_left(record)
    request = parse_run(split(record.command)[2:]).make_request(settings)
    limits = Limits(start_timeout or request.limits.start_s, execution_timeout or request.limits.cell_s)
    request = replace(request, out=folder.parents[1], resumes=folder, limits=limits, log_output=log_output)
    _run_once(request, json, progress, thresholds)


app.add_typer(run_commands.app)
app.add_typer(shop_commands.app)
