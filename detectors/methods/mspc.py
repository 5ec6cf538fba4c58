"""MSPC: the sensors of a cell, taken together, leave what is usual between them: multivariate process control.

Input: GAUGE and STATE series, one row for each cell and `every_s` (see `detectors.cells`). Of each sensor two signals
are followed: its smoothed level and its scatter around that. For levels and for scatters alike three statistics are
judged: Hotelling's T2 of all, the one that is furthest out, and the one furthest from what the others let expect (Q);
then the mean of all six. Each has its limit, for one false alarm in `arl0` rows or in as many as were learned; the
score is the largest share of a limit. It learns row by row, without scikit-learn; odd rows teach nothing. Output:
alerts are about the cell; value and band are those of the sensor that contributes most.

Source: Kourti and MacGregor, Multivariate SPC Methods for Process and Product Monitoring (1996), with contributions;
Lowry et al., A Multivariate EWMA Control Chart (1992); MacGregor and Harris, The Exponentially Weighted Moving Variance
(1993); limits by the mean excess over a quantile (`detectors.novel.tail`). Where a person vouches for the first rows,
levels are held against these, too (`detectors.charts.reference`); elsewhere it fails for what creeps slower than
`memory_rows`. It fails for what is odd only in the order of rows that it smooths, for one wild reading (give it
`novelty`), and in its first `warm_rows`, also after a sensor is new; an alarm that stood for `accept_after` rows is the
new usual.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from collector.config import Positive, Section
from detectors.cells import PerCell, Rows, Verdict
from detectors.charts import reference, signals, standing
from detectors.charts.contributions import contributions
from detectors.charts.signals import Floats
from detectors.detector import Context, Evidence, Point
from detectors.novel import tail

_CHECKED_RATIO = 0.5  # of the warm-up: from here on limits are learned
_TAKES_OVER = 1.5  # times what the alarm's sensor adds: the name of an alarm does not flicker
_BLOCK = 16  # rows: learned together


class Options(Section, frozen=True, kw_only=True):
    """A value older than `stale_s` is unknown. All others are in rows: `smooth_rows` are smoothed over, `memory_rows`
    of the past count as usual, `arl0` lie between false alarms, an alarm that stood for `accept_after` is accepted.
    """

    every_s: Positive = 5.0
    stale_s: Positive = 300.0
    smooth_rows: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 12
    warm_rows: Annotated[int, msgspec.Meta(ge=100)] = 300
    memory_rows: Annotated[int, msgspec.Meta(ge=100)] = 2_000
    arl0: Annotated[float, msgspec.Meta(ge=50, le=1e9)] = 20_000.0
    accept_after: Annotated[int, msgspec.Meta(ge=10)] = 1_000


class Process(msgspec.Struct):
    """What is kept of a cell: its signals, the tails of the statistics, and the rows of the block that is open.

    Learning is done at the end of a block of `_BLOCK` rows: `open_rows` float64[n, 3, k], `open_values` those of the
    statistics, `teaches` whether each is usual.
    """

    standing: standing.Standing = msgspec.field(default_factory=standing.Standing)
    signals: signals.Signals = msgspec.field(default_factory=signals.Signals)
    tails: list[tail.Tail] = msgspec.field(default_factory=lambda: _tails())
    taught: reference.Reference = msgspec.field(default_factory=reference.Reference)
    open_rows: bytes = b""
    open_values: list[list[float]] = []
    teaches: list[bool] = []
    metrics: list[str] = []
    evidence: list[float] = []  # of the last row: its statistics as shares of their limits
    parts: list[float] = []  # and what each sensor adds to the one that is nearest to its limit
    named: int = -1  # the sensor of the alarm that stands, -1: none does
    far: float = 0.0  # how far the furthest sensor is from all that was taught of it, over its limit
    row: list[float] = []


def build(options: Options, context: Context) -> PerCell[Process]:
    judge = Mspc(options, context)
    return PerCell(judge, Process, context, every_s=options.every_s, stale_s=options.stale_s)


class Mspc:
    """Judge of cells (`detectors.cells.Judge`)."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._hold = standing.Hold(options.smooth_rows, options.warm_rows, options.accept_after)
        self._reference = reference.Remembering(options.smooth_rows)
        self._signals = signals.Following(options.smooth_rows, options.memory_rows, options.warm_rows)

    def start(self, cell: str) -> Process:
        return Process()

    def judge(self, memory: Process, rows: Rows) -> list[Verdict]:
        said: list[Verdict] = []
        state, width = memory.signals, rows.widths()
        begin = 0
        while begin < len(rows):
            wide = int(width[begin])
            if wide > state.sensors:
                self._close(memory)
                signals.widen(state, wide)
                memory.standing, memory.tails = standing.Standing(), _tails()
            most = begin + _BLOCK - len(memory.teaches)
            alike = begin + int(np.searchsorted(width[begin:], max(wide, state.sensors), side="right"))
            end = min(most, alike, len(rows))
            taught = int(np.searchsorted(rows.at_ns[begin:end], self._context.taught_to_ns, side="right"))
            said += self._judged(memory, rows.series, rows.values[begin:end, : state.sensors], taught)
            if len(memory.teaches) == _BLOCK:
                self._close(memory)
            begin = end
        memory.metrics = [self._context.series[one].metric for one in rows.series[: state.sensors]]
        return said

    def explain(self, memory: Process) -> Evidence:
        """What part of the statistic that is nearest to its limit, or furthest past it, each sensor makes."""
        evidence: Evidence = {"rows_learned": memory.signals.rows}
        if not memory.evidence:
            return evidence
        evidence["statistic"] = signals.NAMES[int(np.argmax(memory.evidence))]
        for name, level in zip(signals.NAMES, memory.evidence, strict=True):
            evidence[f"{name.replace(' ', '_')}_over_usual"] = round(level, 3)
        if memory.far:
            evidence["level_to_taught_over_limit"] = round(memory.far, 3)
        return evidence | contributions(memory.signals, memory.parts, memory.row, memory.metrics)

    def _judged(self, memory: Process, series: tuple[int, ...], rows: Floats, taught: int) -> list[Verdict]:
        """The verdicts on rows of one block, of which the first `taught` only teach."""
        if not rows.shape[1]:
            return [Verdict(series[0], Point())] * len(rows)
        followed = self._signals.follow(memory.signals, rows)
        found = self._signals.statistics(memory.signals, followed)
        levels = found.values / self._usual(memory)
        total = levels.mean(axis=1)
        parts = (signals.shares(found.parts) * levels[:, :, None]).sum(axis=1)
        *limits, limit = self._limits(memory)
        worst = np.maximum((found.values / limits).max(axis=1), total / limit)
        far = self._reference.judged(memory.taught, rows, taught, signals.usual(memory.signals)[1])
        furthest = far.max(axis=1)
        parts = np.where((furthest > worst)[:, None], far, parts)
        worst = np.maximum(worst, furthest)
        stood = [self._hold.stood(memory.standing, level) for level in worst.tolist()]
        scores = [score for score, _ in stood]
        places = _places(memory, parts, worst, scores)
        memory.teaches += [teaches for _, teaches in stood]
        memory.open_rows += np.stack(followed, axis=1).tobytes()
        memory.open_values += np.column_stack((found.values, total)).tolist()
        memory.evidence, memory.parts, memory.row = levels[-1].tolist(), parts[-1].tolist(), rows[-1].tolist()
        memory.far = float(furthest[-1])
        middle, spread = (column.tolist() for column in signals.usual(memory.signals))
        said = []
        for place, score, value in zip(places, scores, rows[np.arange(len(rows)), places].tolist(), strict=True):
            mid, half = middle[place], 3.0 * spread[place]
            is_told = not math.isnan(score) and not math.isnan(value)
            said.append(
                Verdict(series[place], Point(score, value, mid - half, mid, mid + half) if is_told else Point(score))
            )
        return said

    def _usual(self, memory: Process) -> Floats:
        """Below what nine of ten values of each statistic were; endless before any was learned."""
        return np.array([past.at or math.inf for past in memory.tails[:-1]])

    def _limits(self, memory: Process) -> list[float]:
        """Where each statistic, and their mean, is an alarm; no rarer one is told than the rows learned can tell."""
        rarest = min(self._options.arl0, max(memory.signals.rows, self._options.warm_rows))
        return standing.limits(memory.tails, rarest, self._options.smooth_rows)

    def _close(self, memory: Process) -> None:
        """Learns the block."""
        count, state = len(memory.teaches), memory.signals
        if memory.standing.alarm > self._options.accept_after:
            self._reference.accept(memory.taught, state.sensors)
        if count:
            rows = np.frombuffer(memory.open_rows).reshape(count, 3, state.sensors)
            teaches = np.array(memory.teaches)
            self._signals.learn(state, signals.Followed(*rows[teaches].transpose(1, 0, 2)))
            self._signals.accept_new(state, rows[~teaches, 0])
            if memory.standing.rows > _CHECKED_RATIO * self._options.warm_rows:
                values = np.array(memory.open_values)[teaches]
                for past, own in zip(memory.tails, values.T.tolist(), strict=True):
                    tail.excesses(past, [one for one in own if one > 0.0], standing.TAIL)
        memory.open_rows, memory.open_values, memory.teaches = b"", [], []


def _tails() -> list[tail.Tail]:
    """Of each statistic, and of their mean."""
    return [tail.Tail() for _ in (*signals.NAMES, "mean")]


def _places(memory: Process, parts: Floats, worst: Floats, scores: Sequence[float]) -> list[int]:
    """The sensor that each row is about; a standing alarm stays with its own until another adds clearly more."""
    said = []
    for row, level, score in zip(parts, worst.tolist(), scores, strict=True):
        leads, stands = int(row.argmax()), score >= 1.0
        taken_over = level >= 1.0 and row[leads] > _TAKES_OVER * row[memory.named]
        if not stands or memory.named < 0 or taken_over:
            memory.named = leads if stands else -1
        said.append(memory.named if stands else leads)
    return said
