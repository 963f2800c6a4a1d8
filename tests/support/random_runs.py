"""Random sequences of what happens to a shop: runs of all kinds, changes of its files, interruptions."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

from deltalake import DeltaTable

import techco
from techco.display.read_back import NotebookResults, read_shown
from techco.errors import NotIngested
from techco.notebooks.forkserver import ForkServer
from techco.period import Period
from techco.records.record import STEPS, RunRecord
from techco.runs.backfill import backfill
from techco.runs.events import CellStarted, Event, StepEnded, StepStarted
from techco.runs.request import RunRequest
from techco.runs.run import Interrupted, run
from tests.support import plain_report as plain
from tests.support.compare_pages import compare
from tests.support.plain_tables import Days, PlainRun, PlainShop, Refused
from tests.support.random_shops import all_days, changed, random_shop, write

_WORK_CELL = 4
"""The code cell of each notebook that does its work, after the parameters, those of the run and the shop."""
_NOT_JOINED = "was not made from what this run has ingested"
_STEPS = (("ingest",), ("join",), ("analysis",), ("ingest", "join"), ("join", "analysis"), ("ingest", "analysis"))


@dataclass(frozen=True)
class Action:
    """Something that happens; all about it that is random comes from its seed."""

    kind: str
    seed: str

    @property
    def dice(self) -> Random:
        """The same dice each time."""
        return Random(self.seed)

    def __str__(self) -> str:
        return f"{self.kind} ({self.seed})"


def random_actions(seed: int) -> list[Action]:
    """Make a sequence: most are runs and changes of the files."""
    dice = Random(f"actions of {seed}")
    kinds = list(_KINDS)
    weights = [_KINDS[kind] for kind in kinds]
    chosen = ["run", *dice.choices(kinds, weights, k=dice.randint(2, 5))]
    return [Action(kind, f"{seed}.{number}") for number, kind in enumerate(chosen)]


_KINDS = {"run": 5, "change": 6, "steps": 4, "interrupted": 2, "resume": 3, "injected": 2, "backfill": 1, "by hand": 1}


class Wrong(AssertionError):
    """Raised when something is not as plain Python says it must be."""


@dataclass
class Started:
    """A run that was started: what was asked for, and what it must say."""

    request: RunRequest
    plain: PlainRun
    record: RunRecord | None = None


class Trial:
    """A shop to which things happen, beside what plain Python knows of it."""

    def __init__(self, seed: int, folder: Path, forkservers: tuple[ForkServer, ForkServer]) -> None:
        self.folder, self.forkservers = folder, forkservers
        self.shop = PlainShop(random_shop(Random(f"shop of {seed}")))
        self.failed: list[Started] = []
        self.runs = 0
        self.told: list[str] = []
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "shop").mkdir(parents=True)
        write(self.shop.raw, folder / "shop")

    def do(self, action: Action) -> None:
        """Let an action happen, and check what it leaves."""
        dice = action.dice
        match action.kind:
            case "run":
                self._run(self._started(dice, STEPS))
            case "steps":
                self._run(self._started(dice, dice.choice(_STEPS)))
            case "change":
                self._change(dice)
            case "interrupted":
                steps = STEPS if dice.random() < 0.7 else dice.choice(_STEPS)
                self._run(self._started(dice, steps), _Interruption(dice, steps))
            case "resume":
                self._resume(dice)
            case "injected":
                self._injected(dice)
            case "backfill":
                self._backfill(dice)
            case _:
                self._by_hand(dice)
        self._check_tables()

    def _check_tables(self) -> None:
        """Check that other readers find the logs that the last ingest of each day left, and what their join made."""
        tables = self.shop.tables
        logs = [(log.log_id, log.day, log.quantity) for of_day in tables.web_logs.values() for log in of_day]
        self._check_table("web_logs", ["log_id", "event_date", "quantity"], logs)
        rows = [
            (row.log.log_id, row.log.day, row.price, row.sales)
            for of_day in tables.full_data.values()
            for row in of_day
        ]
        self._check_table("full_data", ["log_id", "event_date", "price", "sales"], rows)

    def _check_table(self, name: str, columns: list[str], wanted: Sequence[tuple[object, ...]]) -> None:
        path, found = self.folder / "shop" / "tables" / name, []
        if path.is_dir():
            found = [tuple(row.values()) for row in DeltaTable(path).to_pyarrow_table(columns=columns).to_pylist()]
        differences = Counter(found)
        differences.subtract(wanted)
        wrong = [row for row, number in differences.items() if number]
        self._require(not wrong, f"{name} has {len(found)} rows, not {len(wanted)}, or others: {wrong[:5]}")

    def _tell(self, text: str) -> None:
        self.told.append(text)

    def _period(self, dice: Random) -> Days:
        """Choose a day, a week, a span or a month, most often of days that the files have."""
        days = all_days(self.shop.raw)
        day = days.first + timedelta(dice.randint(-2, len(days) + 1))
        kind = dice.choice(("day", "day", "week", "span", "span", "month", "all"))
        if kind == "all":
            return days
        if kind == "week":
            monday = day - timedelta(day.weekday())
            return Days(monday, monday + timedelta(6))
        if kind == "month":
            first = day.replace(day=1)
            return Days(first, (first + timedelta(32)).replace(day=1) - timedelta(1))
        return Days(day, day + timedelta(dice.randint(1, 5) if kind == "span" else 0))

    def _started(self, dice: Random, steps: tuple[str, ...]) -> Started:
        period, compare = self._period(dice), dice.random() < 0.8
        request = RunRequest(
            Period(period.first, period.last),
            str(self.folder / "shop"),
            steps=steps,
            out=self.folder / "out",
            refresh=dice.random() < 0.15,
            compare=compare,
        )
        return Started(request, PlainRun(period, steps, compare))

    def _change(self, dice: Random) -> None:
        before = self.shop.raw
        name, raw = changed(before, dice)
        self._tell(f"files: {name}, {raw.shape}")
        write(raw, self.folder / "shop", before)
        self.shop.change(raw)

    def _run(self, started: Started, at: Callable[[Event], None] = lambda _: None, *, nested: bool = False) -> None:
        """Run, do in plain Python what each step must do, and compare the page."""
        one = started.plain
        self._tell(f"{'  meanwhile ' if nested else ''}run {one.period} {','.join(one.left)} compare={one.compare}")
        self.runs += 1
        one.begin()
        follower = _Follower(self, started, at)
        try:
            record = run(started.request, follower, self.forkservers[nested])
        except Interrupted as interrupted:
            record = interrupted.record
            self._tell("interrupted")
        self.failed = [other for other in self.failed if other is not started]
        if not record.is_completed:
            self.failed.append(started)
        started.record = record
        self._check(started)

    def _check(self, started: Started, record: RunRecord | None = None) -> None:
        record, one = record or started.record, started.plain
        assert record
        done = [step.name for step in record.steps if step.status == "completed"]
        message = record.error.message if record.error else ""
        if one.refusal is not None:
            self._require(one.refusal in message, f"should say {one.refusal!r}, said {message!r}")
        elif not (record.error and record.error.interrupted):
            self._require(record.is_completed, f"has failed: {message}")
        self._require(done == [step for step in one.steps if step in one.done], f"steps done: {done}, not {one.done}")
        differences = compare(one, record)
        self._require(not differences, f"{record.run_id} {record.report}\n" + "\n".join(differences))

    def _require(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            raise Wrong(otherwise)

    def run_folders(self) -> list[Path]:
        """Return the folders of all runs."""
        return list((self.folder / "out" / "runs").glob("[!.]*"))

    def sizes(self, one: PlainRun) -> list[tuple[str, int]]:
        """Return the raw files that a run reads, and their sizes."""
        names = sorted(self.shop.raw.read_for(one.period.first, one.period.last))
        every = (*names, "customer_data.csv", "product_data.csv")
        return [(name, (self.folder / "shop" / name).stat().st_size) for name in every]

    def _resume(self, dice: Random) -> None:
        if not self.failed:
            return
        started = dice.choice(self.failed)
        assert started.record
        folder = self.folder / "out" / "runs" / started.record.run_id
        started.request = replace(started.request, resumes=folder)
        self._tell(f"resume {folder.name}")
        self._run(started)

    def _injected(self, dice: Random) -> None:
        """Run, and let files change and another run come before one of its steps."""
        steps = STEPS if dice.random() < 0.7 else dice.choice(_STEPS[3:])
        before = dice.choice(steps)

        def at(event: Event) -> None:
            if event == StepStarted(before):
                if dice.random() < 0.7:
                    self._change(dice)
                self._run(self._started(dice, STEPS), nested=True)

        self._run(self._started(dice, steps), at)

    def _by_hand(self, dice: Random) -> None:
        """Ask for the answers in Python."""
        period = self._period(dice)
        self._tell(f"by hand {period}")
        explorer = techco.open(str(self.folder / "shop"), Period(period.first, period.last))
        one = PlainRun(period, ("analysis",))
        try:
            self.shop.step(one, "analysis", reused=False)
        except Refused as refused:
            try:
                explorer.key_figures()
            except NotIngested as error:
                return self._require(str(refused) in str(error), f"should say {refused}, said {error}")
            raise Wrong(f"should have refused: {refused}") from None
        assert one.analysed
        rows = one.analysed.rows
        figures, values = plain.Figures(rows), explorer.key_figures().values
        wanted = {name: None if value is None else str(value) for name, value in figures.values.items()}
        found = {name: None if values[name] is None else str(values[name]) for name in wanted}
        self._require(found == wanted, f"by hand the figures are {found}, not {wanted}")
        for name in plain.answers(rows):
            table = getattr(explorer, name)().table
            places = [place for place, column in enumerate(table.columns) if column.in_csv]
            cells = [["" if row[place] is None else str(row[place]) for place in places] for row in table.rows]
            self._require(cells == plain.csv_rows(name, rows), f"by hand {name} is {cells}")
        return None

    def _backfill(self, dice: Random) -> None:
        """Run each day or week of some days, one after the other, and often once more."""
        started, each = self._started(dice, STEPS), dice.choice(("day", "week"))
        period = started.plain.period
        if len(period) > 7:
            each = "week"
        self._run_each(started, each)
        if dice.random() < 0.7:
            if dice.random() < 0.5:
                self._change(dice)
            self._run_each(started, each)

    def _run_each(self, started: Started, each: str) -> None:
        self._tell(f"each {each} of {started.plain.period}, compare={started.plain.compare}")
        made = backfill(started.request, each, 1)
        left = [one for one in made.periods if not one.is_earlier]
        runs = {one.period: self._part(started, one.period) for one in made.periods}
        for one in made.periods:
            if one.is_earlier:
                self._check_earlier(runs[one.period], self._record(one.run_id))
        if len(left) > 1:
            periods = [runs[one.period].plain.period for one in left]
            self.shop.ingest_each(periods, started.plain.compare, started.plain.steps)
        for one in left:
            self.runs += 1
            part = runs[one.period]
            part.record = self._record(one.run_id)
            self._follow_all(self.shop, part.plain)
            self._check(part)
            if not part.record.is_completed:
                self.failed.append(part)

    def _part(self, started: Started, period: Period) -> Started:
        days = Days(period.first, period.last)
        request = replace(started.request, period=period, refresh=False)
        return Started(request, PlainRun(days, started.plain.steps, started.plain.compare))

    def _record(self, run_id: str | None) -> RunRecord:
        path = self.folder / "out" / "runs" / str(run_id) / "run.json"
        return RunRecord.from_json(path.read_text(encoding="utf-8"))

    def _check_earlier(self, started: Started, record: RunRecord) -> None:
        """Check that a report which was not made again is as it would be if it was."""
        self._tell(f"as before: {started.plain.period} of {record.run_id}")
        self._follow_all(self.shop.copy(), started.plain)
        self._check(started, record)

    def _follow_all(self, shop: PlainShop, one: PlainRun) -> None:
        try:
            for step in one.steps:
                shop.step(one, step, reused=False)
                one.done.append(step)
                if one.ingested:
                    one.ingested.sizes = self.sizes(one)
        except Refused as refused:
            one.refusal = str(refused)


class _Interruption:
    """Interrupts a run where a step or a cell begins, or a step ends."""

    def __init__(self, dice: Random, steps: tuple[str, ...]) -> None:
        self.step = dice.choice(steps)
        self.cell = dice.choice((0, 0, 3, 4, 5, 5, 6, 8, 20))
        self.at_end = dice.random() < 0.25 and self.step != steps[-1]

    def __call__(self, event: Event) -> None:
        match event:
            case StepStarted(step) if step == self.step and not self.cell and not self.at_end:
                raise KeyboardInterrupt
            case CellStarted(step, cell, _) if step == self.step and cell == self.cell and not self.at_end:
                raise KeyboardInterrupt
            case StepEnded(step, _, _) if step == self.step and self.at_end:
                raise KeyboardInterrupt


class _Follower:
    """Does to the plain shop what the steps of a run do to the real one, as they end."""

    def __init__(self, trial: Trial, started: Started, at: Callable[[Event], None]) -> None:
        self.trial, self.started, self.at = trial, started, at
        self.cell, self.is_broken = 0, False
        self.others = set(trial.run_folders())
        self.folder = started.request.resumes

    def __call__(self, event: Event) -> None:
        match event:
            case StepStarted():
                self.cell = 0
                self.folder = self.folder or self._own_folder()
            case CellStarted(_, cell, _):
                self.cell = cell
            case StepEnded(step, status, _):
                self._follow(step, status)
        try:
            self.at(event)
        except KeyboardInterrupt:
            self.is_broken = True
            raise

    def _own_folder(self) -> Path:
        """Return the folder of the run, which is the only new one as its first step begins."""
        (folder,) = set(self.trial.run_folders()) - self.others
        return folder

    def _follow(self, step: str, status: str) -> None:
        if self.is_broken and self.cell <= _WORK_CELL:
            return
        one, shop = self.started.plain, self.trial.shop
        try:
            shop.step(one, step, reused=self._was_reused(step))
        except Refused as refused:
            one.refusal = str(refused)
            return
        if one.ingested and step == "ingest":
            one.ingested.sizes = self.trial.sizes(one)
        is_refused = status == "failed" and not self.is_broken
        if status == "completed":
            one.done.append(step)
        elif is_refused and one.left == ["analysis"] and "join" not in one.steps and one.period not in shop.fresh:
            one.refusal = _NOT_JOINED  # the rows may be the same, but they are those of an earlier ingest

    def _was_reused(self, step: str) -> bool:
        """Return whether the step says that there was nothing to do."""
        if step == "analysis" or not self.folder:
            return False
        shown = NotebookResults(read_shown(self.folder / f"{step}.ipynb"))
        name = "joined" if step == "join" else "ingest_made_by"
        return shown.figures(name).get("reused") == "yes"
