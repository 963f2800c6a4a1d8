"""The commands about a shop: make a sample, explore it, check it, clean its tables."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from techco.cli.console import console, with_options
from techco.cli.exit_codes import exit_codes
from techco.cli.option_groups import expand_groups
from techco.cli.options import AzureOptions, Engine, Json, Out, PeriodOptions, Storage, choose_engine
from techco.cli.printing import print_checks, print_json, print_lab, print_removed
from techco.errors import ParameterError
from techco.period import Period, parse_day
from techco.storage.base import KEEP_DAYS, SAMPLE

app = typer.Typer()


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "techco generate ./shop --logs 1000000 --format lines --messy\n\n"
        "techco generate ./shop --customers 500 --products 20 --seed 8 --from 2023-01-01 --to 2023-12-31 --json"
    )
)
@exit_codes()
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
    """Make a sample shop, and print what a correct report of it must show."""
    from techco.cli.expected_table import describe
    from techco.sample.generate import SampleSpec
    from techco.sample.generate import generate as generate_shop

    period = Period(parse_day(start, "--from"), parse_day(end, "--to"))
    spec = SampleSpec(
        customers=customers,
        products=products,
        logs=logs,
        seed=seed,
        start_date=period.first,
        end_date=period.last,
        form=form,  # type: ignore[arg-type]  # SampleSpec refuses what it does not know
        messy=messy,
    )
    expected = generate_shop(directory, spec)
    if json:
        print_json(expected.to_json())
    else:
        console().print(describe(expected))


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "techco lab\n\n"
        "techco lab --storage ./shop --from 2023-08-01 --to 2023-08-15 --engine spark --out ~/work --no-browser\n\n"
        "techco lab --storage ./shop --period last-month --as-of 2023-09-01 --step join\n\n"
        "techco lab --account myshop --container data --prefix north --key-vault kv-shop --secret storage-key "
        "--endpoint https://myshop.privatelink.blob.core.windows.net --period 2023-08\n\n"
        "Ctrl-C ends JupyterLab with everything that was started in it. Save before that."
    )
)
@exit_codes()
@expand_groups
def lab(
    *,
    step: Annotated[str, typer.Option(metavar="STEP", help="Which notebook: ingest, join or analysis.")] = "analysis",
    storage: Storage = None,
    days: PeriodOptions,
    engine: Engine = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for lab/.", show_default="current folder")
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it in the browser, or only print its URL.")
    ] = True,
    azure: AzureOptions,
) -> None:
    """Open JupyterLab on a copy of a notebook, with storage and period filled in.

    The copy is in the folder lab/, named by step and period. Without --storage it opens the sample shop.
    The same options open the copy again as you have left it; nothing overwrites it.
    """
    from techco.lab.jupyterlab import Lab
    from techco.runs.request import RunRequest
    from techco.settings import load_settings

    settings = load_settings()
    shop = azure.choose_storage(settings, storage)
    request = RunRequest(
        period=days.parse_for(shop),
        storage=shop,
        engine=choose_engine(settings, engine),
        steps=(step,),
        out=out or settings.out,
        templates=settings.templates,
        access=azure.choose_access(settings),
        pii=settings.pii,
        refresh=settings.refresh,
    )
    with Lab(request, browser=browser) as opened:
        print_lab(opened)
        opened.wait()


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "techco doctor\n\n"
        "techco doctor --storage ./shop --engine spark --out /srv/reports --json\n\n"
        "techco doctor --account myshop --container data --key-vault kv-shop --secret storage-key\n\n"
        "techco doctor --account myshop --container data --prefix north "
        "--endpoint https://myshop.privatelink.blob.core.windows.net\n\n"
        "Exit codes: 0 nothing failed, 1 a check failed, 2 wrong usage, 130 interrupted, 143 and 129 ended by SIGTERM "
        "and SIGHUP."
    )
)
@exit_codes()
@expand_groups
def doctor(
    *,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The shop to check: a folder, or the abfss:// URL of a container."),
    ] = None,
    engine: Engine = None,
    out: Out = None,
    json: Json = False,
    azure: AzureOptions,
) -> None:
    """Check every requirement and permission, and name a remedy for what fails.

    It checks this machine, and with --storage also the shop. For that it writes one small file among the tables
    of the shop, and deletes it.
    """
    from techco.doctor.doctor import DoctorRequest, examine, to_json
    from techco.settings import load_settings

    settings = load_settings()
    given = (storage, azure.account, azure.container, azure.prefix, settings.storage)
    request = DoctorRequest(
        storage=azure.choose_storage(settings, storage) if any(one is not None for one in given) else "",
        engine=choose_engine(settings, engine),
        out=out or settings.out,
        templates=settings.templates,
        access=azure.choose_access(settings),
    )
    with closing(examine(request)) as checks:  # what it has written is removed, also if it is broken off
        made = list(checks) if json else print_checks(checks)
    if json:
        print_json(with_options(to_json(made)))
    if any(check.status == "failed" for check in made):
        raise typer.Exit(1)


@app.command(
    epilog=(
        "[bold]Examples[/bold]\n\n"
        "techco vacuum --storage ./shop --dry-run --json\n\n"
        "techco vacuum --account myshop --container data --prefix north --keep-days 30\n\n"
        "techco vacuum --account myshop --container data --key-vault kv-shop --secret storage-key "
        "--endpoint https://myshop.privatelink.blob.core.windows.net"
    )
)
@exit_codes()
@expand_groups
def vacuum(
    *,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="The shop: a folder, or the abfss:// URL of a container.")
    ] = None,
    keep_days: Annotated[
        int, typer.Option(min=KEEP_DAYS, metavar="N", help="For how many days a table can still be read as it was.")
    ] = KEEP_DAYS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    json: Json = False,
    azure: AzureOptions,
) -> None:
    """Remove files that no table needs any more.

    These files come from periods that were replaced, and from runs that were killed. The tables keep what they hold,
    and whoever opened a table within the days that are kept can go on reading. Run this command every month, also
    while others use the shop.
    """
    from techco.settings import load_settings
    from techco.storage.open import open_storage
    from techco.tables.vacuum import vacuum as remove_files

    settings = load_settings()
    shop = azure.choose_storage(settings, storage)
    if shop == SAMPLE:
        raise ParameterError("No storage is given. Say which one to clean: --storage URL.")
    opened = open_storage(shop, azure.choose_access(settings))
    removed = remove_files(opened, timedelta(days=keep_days), dry_run=dry_run)
    if json:
        found = {"storage": opened.url, "dry_run": dry_run, "removed": [asdict(one) for one in removed]}
        print_json(dumps(found, indent=2))
    else:
        print_removed(removed, dry_run)
