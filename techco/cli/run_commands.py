"""The commands about runs that were made: find, look at, publish and remove them."""

from __future__ import annotations

from json import dumps, loads
from typing import Annotated

import typer

from techco.cli.console import print_text, with_options
from techco.cli.exit_codes import exit_codes
from techco.cli.option_groups import expand_groups
from techco.cli.options import EXAMPLE_RUN, PUBLISH_TARGET, AccessOptions, Json, Out, Run
from techco.cli.printing import print_error, print_json, print_old_runs, print_runs
from techco.errors import ParameterError
from techco.period import Period

app = typer.Typer()


@app.command(
    name="list",
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "techco list --status failed --out /srv/reports\n\n"
        "techco list --storage north --within 2023 --json"
    ),
)
@exit_codes()
def list_runs(
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            help="Only completed, failed, prepared, running or pending runs, or those 'completed with warnings'.",
        ),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only runs of storages that have this text in their name.")
    ] = None,
    within: Annotated[
        str | None, typer.Option(metavar="P", help="Only runs whose days are all in this period.")
    ] = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """List the runs, newest first, with period, status, duration and storage."""
    from techco.records.find import RUNS, filter_runs, read_records
    from techco.settings import load_settings

    folder = out or load_settings().out
    every = read_records(folder)
    records = filter_runs(every, status, storage, None if within is None else Period.parse(within))
    if json:
        known = [loads(record.to_json()) for record in records.values() if record]
        print_json(dumps(known, indent=2, ensure_ascii=False))
    elif records:
        print_runs(records)
    elif every:
        print(f"No run of that kind in {folder.absolute() / RUNS}, where there are {len(every):,} in all.")  # noqa: T201
    else:
        print(f"No runs in {folder.absolute() / RUNS}. Make one: techco run")  # noqa: T201


@app.command(
    epilog=(
        f"[bold]Examples[/bold]\n\ntechco show {EXAMPLE_RUN}\n\ntechco show {EXAMPLE_RUN} --out /srv/reports --json"
    )
)
@exit_codes()
def show(run: Run, out: Out = None, json: Json = False) -> None:
    """Show how a run was asked for, how long each cell took, what it found, and where everything is."""
    from techco.cli.run_details import describe, to_json
    from techco.records.find import find_run
    from techco.settings import load_settings

    record, run_dir = find_run(run, out or load_settings().out)
    if json:
        print_json(to_json(record, run_dir))
    else:
        print_text(with_options(describe(record, run_dir)))


@app.command(
    name="open",
    epilog=f"[bold]Examples[/bold]\n\ntechco open\n\ntechco open {EXAMPLE_RUN} --out /srv/reports",
)
@exit_codes()
def open_report(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run's id, or the path of its folder; else the newest run."),
    ] = None,
    out: Out = None,
) -> None:
    """Open a report in the browser, and print its path."""
    import webbrowser

    from techco.records.find import REPORTS, check_executed, find_run, newest_run
    from techco.settings import load_settings

    folder = out or load_settings().out
    record, run_dir = find_run(run or newest_run(folder), folder)
    check_executed(record)
    page = run_dir.parents[1] / REPORTS / run_dir.name / "index.html"  # the folder may have been moved since
    if not page.is_file():
        raise ParameterError(f"The run {run_dir.name} has no report. Make it: techco render {run_dir.name}.")
    print(page)  # noqa: T201
    if not webbrowser.open(page.as_uri()):
        print_error("There is no browser on this machine. Open the file above in one.")
        raise typer.Exit(1)


@app.command(epilog=f"[bold]Example[/bold]\n\ntechco render {EXAMPLE_RUN} --out /srv/reports")
@exit_codes()
def render(run: Run, out: Out = None) -> None:
    """Make the pages of a run again from its executed notebooks."""
    from techco.runs.reporting import render_again
    from techco.settings import load_settings

    record = render_again(run, out or load_settings().out)
    print(record.report)  # noqa: T201


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        f"techco publish {EXAMPLE_RUN}\n\n"
        f"techco publish {EXAMPLE_RUN} --to '$web'\n\n"
        f"techco publish {EXAMPLE_RUN} --to abfss://reports@myshop.dfs.core.windows.net/sales\n\n"
        f"techco publish {EXAMPLE_RUN} --out /srv/reports --key-vault kv-shop --secret storage-key "
        "--endpoint https://myshop.privatelink.blob.core.windows.net\n\n"
        "The container decides who may open the pages; '$web' is the account's public web site."
    )
)
@exit_codes()
@expand_groups
def publish(
    *,
    run: Run,
    to: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help=PUBLISH_TARGET, show_default="reports/ of the run's storage"),
    ] = None,
    out: Out = None,
    access: AccessOptions,
) -> None:
    """Publish the report of a run in a storage account, and print its URL.

    This replaces an earlier publication of the same run. The page reports/index.html there lists all reports.
    """
    from techco.runs.publish import publish_run
    from techco.settings import load_settings

    settings = load_settings()
    print(publish_run(run, out or settings.out, to, access.choose_access(settings)))  # noqa: T201


@app.command(epilog="[bold]Example[/bold]\n\ntechco clean --older-than 90d --out /srv/reports --dry-run")
@exit_codes()
def clean(
    older_than: Annotated[str, typer.Option(metavar="AGE", help="Days or weeks, such as 90d or 12w.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be removed.")] = False,
    out: Out = None,
) -> None:
    """Remove old runs with their reports from this machine.

    The tables of shops and published reports stay.
    """
    from techco.runs.cleaning import clean as remove_runs
    from techco.runs.cleaning import parse_age
    from techco.settings import load_settings

    print_old_runs(remove_runs(out or load_settings().out, parse_age(older_than), dry_run=dry_run), dry_run)
