"""What to run: the choices of a user, checked against each other, and the command that repeats them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from techco.engines.spark_conf import check_fits
from techco.errors import ParameterError
from techco.notebooks.kernelspecs import PYTHON3
from techco.notebooks.limits import Limits
from techco.notebooks.templates import templates_dir
from techco.period import Period
from techco.records.record import STEPS
from techco.redact import Pii, check_pii
from techco.runs.own_templates import check_names
from techco.runs.parameters import as_options
from techco.storage.access import Access

NO_STEPS = "none"
"""What the command line says instead of steps if only own templates run."""


@dataclass(frozen=True)
class RunRequest:
    """What to run; choices that do not fit together are refused.

    Attributes
    ----------
    period
        The days whose logs count.
    storage
        The shop: a local folder, the URL of a container, or `sample`.
    spark_conf, shown_spark_conf
        Settings of Apache Spark, and those of them that the command to repeat the run has: never a credential.
    steps
        They run in the order of `record.STEPS`. None is allowed if there are `own_templates`.
    own_templates
        Notebooks that run after the steps, in this order; each is a step of the run by its name without suffix.
    parameters
        Values for what notebooks declare beside the standard parameters, as `techco.runs.parameters.given_parameters`.
    out
        Folder for `runs/` and `reports/`; made if missing.
    templates
        Folder of the notebooks; None takes the package's.
    refresh
        Whether to ingest and join also what has not changed since an earlier run.
    compare
        Whether to bring the period before into the tables as well, if it is not there.
    publish, publish_to
        Whether to publish the report, also that of a failed run, and where; None is the storage itself.
    log_output
        Whether the listener is told of what cells print.
    prepare_only
        Whether only to write the notebooks with their parameters, without running them.
    resumes
        Folder of a run that these steps belong to; None makes a run of its own.
    """

    period: Period
    storage: str = "sample"
    engine: str = "sail"
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    shown_spark_conf: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[str, ...] = STEPS
    own_templates: tuple[Path, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    out: Path = Path()
    templates: Path | None = None
    access: Access = field(default_factory=Access)
    pii: Pii = "mask"
    refresh: bool = False
    compare: bool = True
    publish: bool = False
    publish_to: str | None = None
    kernel: str = PYTHON3
    limits: Limits = field(default_factory=Limits)
    log_output: bool = False
    prepare_only: bool = False
    resumes: Path | None = None

    def __post_init__(self) -> None:
        allowed = f"Allowed: {', '.join(STEPS)}, each once, with commas between."
        if not self.steps and not self.own_templates:
            raise ParameterError(f"No step is given. {allowed}")
        for step in self.steps:
            if step not in STEPS:
                raise ParameterError(f"{step!r} is not a step. {allowed}")
            if self.steps.count(step) > 1:
                raise ParameterError(f"The step {step} is given twice. {allowed}")
        check_names(self.own_templates)
        if self.publish_to is not None and not self.publish:
            raise ParameterError("`publish_to` is given without `publish`. Give both, or neither.")
        check_pii(self.pii, "`pii`")
        check_fits(self.spark_conf, self.engine)

    @property
    def all_steps(self) -> list[str]:
        """The steps in the order in which they run, own templates by their names."""
        return [*(step for step in STEPS if step in self.steps), *(path.stem for path in self.own_templates)]

    def template(self, step: str) -> Path:
        """Return the path of a step's notebook."""
        own = {path.stem: path for path in self.own_templates}
        return own.get(step) or (self.templates or templates_dir()) / f"{step}.ipynb"

    def command(self, storage: str) -> list[str]:
        """Return the words that repeat this run from any directory; `storage` without credentials."""
        words = ["techco", "run", "--storage", storage, "--from", str(self.period.first), "--to", str(self.period.last)]
        words += [*self.access.options(), "--engine", self.engine, *self.place_options()]
        if set(self.steps) != set(STEPS):
            words += ["--steps", ",".join(self.steps) or NO_STEPS]
        words += [word for path in self.own_templates for word in ("--template", str(path.absolute()))]
        words += as_options(self.parameters)
        words += ["--kernel", self.kernel] if self.kernel != PYTHON3 else []
        words += self.limits.options()
        words += ["--pii", self.pii] if self.pii != "mask" else []
        words += ["--refresh"] if self.refresh else []
        words += [] if self.compare else ["--no-compare"]
        words += ["--publish"] if self.publish else []
        return words if self.publish_to is None else [*words, "--publish-to", self.publish_to]

    def place_options(self) -> list[str]:
        """Return the options that say where the run works and writes, which its notebooks do not know."""
        conf = [word for key, value in self.shown_spark_conf.items() for word in ("--spark-conf", f"{key}={value}")]
        return ["--out", str(self.out.absolute()), *conf]

    def publish_command(self, run_id: str) -> list[str]:
        """Return the words that publish the report of a run of this request from any directory."""
        words = ["techco", "publish", run_id, *([] if self.publish_to is None else ["--to", self.publish_to])]
        return [*words, *self.access.options(), "--out", str(self.out.absolute())]
