"""Trains the models of a site from the readings its spool keeps, and puts them into the log: `andon train`.

The one part of `detectors.models` that touches a spool; it runs apart from detection (a process of its own, see
`deploy.training`), because fitting needs scikit-learn and time, and detection has neither to spare on a small gateway.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector import schema
from collector.readings import NS_PER_S, Batch, Quality, Series
from collector.spool.frames import FrameKind
from collector.spool.ledger import Gap
from collector.spool.spool import Spool
from detectors.alerts import Alert, State
from detectors.calendar import Calendar
from detectors.cells import FEATURE_KINDS, PerCell, Rows, Verdict
from detectors.detector import Context, Evidence, Point
from detectors.missed import concerns
from detectors.models.model import ForestModel, ModelError, unpack
from detectors.models.store import ModelStore, Version
from detectors.models.taught import Taught
from detectors.models.training import ForestOptions, Window, train
from detectors.settings import BoundRule, TrainSettings

_LAST = "training last"
_PORTION_NS = 6 * 3600 * NS_PER_S  # of the window, read at once
_MOST_GAPS = 50_000
_ABOUT_METHODS = ("model_unusable", "method_failed")
_NOT_HELD = (State.NORMAL, State.RTN_UNACKED)
_AT_LEAST_NS = 60 * NS_PER_S  # an alert that was shorter troubles no window

OnTraining = Callable[[int, int, str], None]  # (trainings done, of how many, what comes next)


class Job(NamedTuple):
    """One model to train: a rule, a line, a cell and the cell's series by id."""

    bound: BoundRule
    options: ForestOptions
    shard: str
    cell: str
    series: dict[int, Series]


class Trainer:
    """Over a spool that the caller owns."""

    def __init__(self, spool: Spool, rules: Sequence[BoundRule], calendar: Calendar, settings: TrainSettings) -> None:
        self._spool = spool
        self._rules = [(bound, taught) for bound in rules if (taught := _taught(bound, calendar)) is not None]
        self._settings = settings
        self._store = ModelStore(spool)

    def is_due(self) -> bool:
        """Whether `every_h` have passed since the last training, by the site's clock; never without such a rule."""
        last, now_ns = self._spool.recall(_LAST), self._spool.log.clock_ns()
        every_ns = self._settings.every_h * 3600 * NS_PER_S
        if not self._rules or not every_ns or not now_ns:
            return False
        return not last or now_ns - int.from_bytes(last, "little", signed=True) >= every_ns

    def run(self, on_training: OnTraining = lambda done, of, what: None, *, accept: bool = False) -> list[Version]:
        """Trains every rule's model of every cell, from now back; returns what came of each."""
        now_ns = self._spool.log.clock_ns()
        jobs = list(self._jobs())
        trained = []
        for done, job in enumerate(jobs):
            on_training(done, len(jobs), f"{job.bound.name} {job.cell}")
            trained.append(self._train(job, now_ns, accept=accept))
        on_training(len(jobs), len(jobs), "")
        with self._spool.transaction():
            self._spool.remember(_LAST, now_ns.to_bytes(8, "little", signed=True))
        return trained

    def _jobs(self) -> Iterator[Job]:
        shards = self._spool.log.lines()
        for bound, options in self._rules:
            cells: dict[tuple[str, str], dict[int, Series]] = {}
            for given, series in self._spool.series.items():
                if series.kind in FEATURE_KINDS and fnmatch.fnmatchcase(series.metric, bound.rule.metric):
                    cells.setdefault((series.equipment.shard, series.equipment.path), {})[given] = series
            for (shard, cell), series_of in cells.items():
                if shard in shards and fnmatch.fnmatchcase(shard.partition("/")[2] or shard, bound.rule.line):
                    yield Job(bound, options, shard, cell, series_of)

    def _train(self, job: Job, now_ns: int, *, accept: bool) -> Version:
        window = self._window(job, now_ns - int(self._settings.window_d * 86_400 * NS_PER_S), now_ns + 1)
        name = job.bound.name
        trained = train(name, job.cell, now_ns, window, job.options, self._in_use(job), accept=accept)
        version = Version(
            rule=name,
            subject=job.cell,
            number=0,
            trained_at_ns=now_ns,
            model_id="",
            refused=trained.refused,
            drift=trained.drift,
            lesson=trained.lesson,
        )
        return self._store.put(job.shard, trained.model, version)

    def _in_use(self, job: Job) -> ForestModel | None:
        """The model to compare with; None before the first, and where it cannot be read any more."""
        name = self._store.in_use(job.bound.name, job.cell)
        try:
            return unpack(name, self._store.read(name)) if name else None
        except ModelError:
            return None

    def _window(self, job: Job, from_ns: int, to_ns: int) -> Window:
        """The cell's rows as detection would have seen them."""
        gathered = _Gathered()
        context = Context(job.series, Calendar(), job.shard)
        cells = PerCell(gathered, dict[str, int], context, every_s=job.options.every_s, stale_s=job.options.stale_s)
        for portion_ns in range(from_ns, to_ns, _PORTION_NS):
            cells.score(self._batch(job, portion_ns, min(portion_ns + _PORTION_NS, to_ns)))
        at_ns, values, columns = gathered.rows()
        known = [job.series[one] for one in columns]
        return Window(
            metrics=[series.metric for series in known],
            units=[series.unit for series in known],
            at_ns=at_ns,
            values=values,
            is_troubled=_within(at_ns, self._trouble(job, from_ns)),
            gap_ratio=_covered_ratio(self._gaps(job), at_ns),
        )

    def _batch(self, job: Job, from_ns: int, to_ns: int) -> Batch:
        """The cell's readings of a stretch, in order of time; what is damaged is left out."""
        parts = [(given, self._spool.history.read(given, from_ns, to_ns)[0]) for given in job.series]
        at_ns = np.concatenate([part.at_ns for _, part in parts])
        batch = Batch(
            np.concatenate([np.full(len(part), given, np.int32) for given, part in parts]),
            at_ns,
            np.concatenate([part.value for _, part in parts]),
            np.concatenate([part.quality & ~np.uint8(Quality.HISTORICAL) for _, part in parts]),
            at_ns,
        )
        return batch.take(np.argsort(at_ns, kind="stable"))

    def _trouble(self, job: Job, from_ns: int) -> list[tuple[int, int]]:
        """From when to when alerts stood on the line: no time to learn what is usual from.

        The rule's own alerts are left to the check against the model in use, which a person may overrule.
        """
        spans = []
        for record in self._spool.log.latest(schema.ALERT_EVENT.name):
            alert = msgspec.convert(record.detail, Alert)
            end_ns = alert.resolved_at_ns if alert.state in _NOT_HELD else 2**62
            is_other = alert.shard == job.shard and alert.kind not in (job.bound.rule.method, *_ABOUT_METHODS)
            lasted = end_ns > from_ns and end_ns - alert.active_at_ns >= _AT_LEAST_NS
            if is_other and lasted and not alert.suppressed_by:
                spans.append((alert.active_at_ns, end_ns))
        return spans

    def _gaps(self, job: Job) -> list[tuple[int, int]]:
        """What detectors were told is missing of the cell."""
        series = next(iter(job.series.values()))
        frames = self._spool.log.read(0, _MOST_GAPS, shard=job.shard, kinds=(FrameKind.GAP,))
        told = [frame.body for frame in frames if isinstance(frame.body, Gap)]
        return [(gap.from_ns, gap.to_ns) for gap in told if concerns(gap, series)]


class _Gathered:
    """A Judge that only keeps the rows."""

    def __init__(self) -> None:
        self._rows: list[Rows] = []

    def start(self, cell: str) -> dict[str, int]:
        return {}

    def judge(self, memory: dict[str, int], rows: Rows) -> list[Verdict]:
        self._rows.append(rows)
        return [Verdict(rows.series[0], Point())] * len(rows)

    def explain(self, memory: dict[str, int]) -> Evidence:
        return {}

    def rows(self) -> tuple[NDArray[np.int64], NDArray[np.float64], tuple[int, ...]]:
        """(at_ns, values, series of the columns) of all rows; a column that came later is NaN before."""
        series = self._rows[-1].series if self._rows else ()
        values = np.full((sum(map(len, self._rows)), len(series)), np.nan)
        at = 0
        for rows in self._rows:
            values[at : at + len(rows), : len(rows.series)] = rows.values
            at += len(rows)
        at_ns = np.concatenate([np.empty(0, np.int64), *(rows.at_ns for rows in self._rows)])
        return at_ns, values, series


def _taught(bound: BoundRule, calendar: Calendar) -> ForestOptions | None:
    """The options of a rule whose method is taught."""
    detector = bound.start(Context({}, calendar, ""))
    return detector.options if isinstance(detector, Taught) else None


def _within(at_ns: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    found = np.zeros(len(at_ns), np.bool_)
    for from_ns, to_ns in spans:
        found |= (at_ns >= from_ns) & (at_ns <= to_ns)
    return found


def _covered_ratio(gaps: Sequence[tuple[int, int]], at_ns: NDArray[np.int64]) -> float:
    """How much of the time from the first to the last row lies in gaps."""
    if len(at_ns) < 2:
        return 0.0
    covered_ns, until_ns, end_ns = 0, int(at_ns[0]), int(at_ns[-1])
    for from_ns, to_ns in sorted(gaps):
        covered_ns += max(0, min(to_ns, end_ns) - max(from_ns, until_ns))
        until_ns = max(until_ns, min(to_ns, end_ns))
    return covered_ns / max(end_ns - int(at_ns[0]), 1)
