"""The options of `techco run`, and the request that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from techco.cli.option_groups import expand_groups
from techco.cli.options import (
    PUBLISH_TARGET,
    AzureOptions,
    Engine,
    FailIf,
    Json,
    Out,
    PeriodOptions,
    ShowProgress,
    Storage,
    choose_engine,
    complete,
)
from techco.cli.papermill_options import PapermillOptions, RunCommand, split_standard
from techco.errors import ParameterError
from techco.period import Unit, is_relative

if TYPE_CHECKING:
    from techco.runs.request import RunRequest
    from techco.settings import Settings


def _many(**settings: Any) -> Any:
    return typer.Option(**settings, rich_help_panel="Many periods")


@dataclass(frozen=True)
class BackfillOptions:
    """How a period is cut into many."""

    each: Annotated[
        str | None,
        _many(
            metavar="UNIT",
            help="Make a run for each day, week, month, quarter or year of the period, unless it has been completed "
            "before and nothing has changed since.",
            autocompletion=complete(get_args(Unit)),
        ),
    ] = None
    jobs: Annotated[
        int | None,
        _many(
            min=1,
            metavar="N",
            help="At most this many runs at the same time, and never more than there are free cores and free gigabytes "
            "of memory.",
            show_default="as many as that",
        ),
    ] = None

    def check(self) -> None:
        """Refuse a number of runs at once where there is but one run."""
        if self.jobs is not None and self.each is None:
            raise ParameterError("--jobs is given without --each. Say what the period is to be cut into: --each day.")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """All options of `techco run`."""

    storage: Storage = None
    days: PeriodOptions
    many: BackfillOptions
    engine: Engine = None
    steps: Annotated[
        str,
        typer.Option(metavar="STEPS", help="The steps to run, with commas between; with --template also none."),
    ] = "ingest,join,analysis"
    out: Out = None
    json: Json = False
    pii: Annotated[
        str | None,
        typer.Option(
            metavar="mask|show",
            help="Hide e-mail addresses, telephone numbers and names of customers in the report, or show them.",
            show_default="mask",
        ),
    ] = None
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ingest and join again even if nothing has changed since an earlier run.")
    ] = False
    compare: Annotated[
        bool,
        typer.Option(
            "--compare/--no-compare",
            help="Bring the period before into the tables as well, if it is not there, for the changes in the report.",
        ),
    ] = True
    fail_if: FailIf = None
    progress: ShowProgress = True
    publish: Annotated[bool, typer.Option("--publish", help="Also publish the report in the storage account.")] = False
    publish_to: Annotated[
        str | None, typer.Option(metavar="TARGET", help=PUBLISH_TARGET, show_default="the shop's reports/")
    ] = None
    azure: AzureOptions
    spark_conf: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="A setting of Apache Spark; give it again for another one.",
            rich_help_panel="Apache Spark",
        ),
    ] = None
    papermill: PapermillOptions

    @property
    def shows_progress(self) -> bool:
        """Whether progress is shown; the option that papermill has goes first."""
        return self.progress if self.papermill.progress_bar is None else self.papermill.progress_bar

    @property
    def is_relative(self) -> bool:
        """Whether the same options mean other days tomorrow."""
        return is_relative(self.days.period or "")

    def make_request(self, settings: Settings) -> RunRequest:
        """Return what is to be run, by the options or else the settings.

        Raises
        ------
        ParameterError
            When options do not fit together, or have a value that is not allowed.
        """
        from techco.engines.spark_conf import parse_pairs
        from techco.notebooks.limits import Limits
        from techco.redact import check_pii
        from techco.runs.request import NO_STEPS, RunRequest

        papermill = self.papermill
        standard, parameters = self._split_parameters()
        storage = self.azure.choose_storage(settings, standard["storage"])
        days = replace(self.days, first=standard["start_date"], last=standard["end_date"])
        engine = choose_engine(settings, standard["engine"])
        spark_conf = parse_pairs(self.spark_conf or ())
        return RunRequest(
            period=days.parse_for(storage),
            storage=storage,
            engine=engine,
            spark_conf={**settings.spark_conf_for(engine), **spark_conf},
            shown_spark_conf=spark_conf,
            steps=() if self.steps == NO_STEPS else tuple(step.strip() for step in self.steps.split(",")),
            own_templates=tuple(papermill.template or ()),
            parameters=parameters,
            out=self.out or settings.out,
            templates=settings.templates,
            access=self.azure.choose_access(settings),
            pii=settings.pii if self.pii is None else check_pii(self.pii, "--pii"),
            refresh=self.refresh or settings.refresh,
            compare=self.compare and settings.compare,
            publish=self.publish,
            publish_to=self.publish_to,
            kernel=papermill.kernel,
            limits=Limits(papermill.start_timeout or Limits.start_s, papermill.execution_timeout),
            log_output=papermill.log_output,
            prepare_only=papermill.prepare_only,
        )

    def _split_parameters(self) -> tuple[dict[str, str | None], dict[str, Any]]:
        options = {
            "storage": self.storage,
            "start_date": self.days.first,
            "end_date": self.days.last,
            "engine": self.engine,
            "account": self.azure.account,
            "container": self.azure.container,
            "prefix": self.azure.prefix,
            "period": self.days.period,
        }
        return split_standard(self.papermill.read_parameters(), options)


def parse_run(words: Sequence[str]) -> RunOptions:
    """Return the options of a command line of `techco run`, given its words after that."""
    parser = typer.Typer()

    @parser.command(cls=RunCommand)
    @expand_groups
    def run(options: RunOptions) -> RunOptions:
        return options

    options: RunOptions = parser(list(words), standalone_mode=False)
    return options
