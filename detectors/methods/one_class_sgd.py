"""One-class SGD: what a sensor of a cell shows, for itself and beside the others, is unlike what it showed before.

Input: GAUGE series, one row for each cell and `every_s` (see `detectors.cells`). Of each sensor three signals are
judged: its smoothed level, its scatter, and how far the level is from what the others let expect. They are mapped to
random Fourier features of a Gaussian kernel, and a one-class machine for each sensor is moved a little by each row,
with a step that falls as one over the rows. The score is the largest share of a limit: of the sensor that is furthest
out, and of the mean of all. It needs no training and no scikit-learn. A kernel knows several usual levels: a tank that
swings, a pump that is on or off. Output: alerts are about the cell; value and band are of the sensor furthest out.

What is usual is remembered for each mode of the line (`detectors.modes`: its STATE series and the calendar), and the
first `settle_rows` after a change of mode are neither judged nor learned.

Source: Schölkopf et al., Estimating the Support of a High-Dimensional Distribution (2001), with nu = 1, where every row
supports the machine and it is a kernel mean; Rahimi and Recht, Random Features for Large-Scale Kernel Machines (2007);
limits and holds as in `detectors.charts.standing`. Where a person vouches for the first rows, levels are held against
these, too (`detectors.charts.reference`); elsewhere it fails for what creeps slower than `memory_rows`. It fails for
one wild reading (give it `novelty`), and in its first `warm_rows` of each mode; an alarm that stood for `accept_after`
rows is the new usual.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.config import Positive, Section
from collector.readings import Kind
from detectors.cells import PerCell, Rows, Verdict
from detectors.charts import reference, signals, standing
from detectors.charts.contributions import contributions
from detectors.detector import Context, Evidence, Point
from detectors.novel import tail

_WAVES = 32  # random directions; each gives a cosine and a sine
_SIGNALS = 3  # of each sensor
_KERNEL_SPREADS = 2.5  # the kernel's width
_FAR = 8.0  # spreads past which a signal is no further off
_LEAST_INSIDE = 0.02  # of the usual: what the features' own noise hides
_REACH = 0.9 * math.sqrt(-math.log(_LEAST_INSIDE))  # no limit is past what a row can show
_HIGH, _LEAST_HIGH, _QUANTILE_PACE = 0.95, 0.2, 1.0  # of each sensor's own past
_BEGINS_RATIO = 0.25  # of the warm-up: from here on machines learn
_CHECKED_RATIO = 0.5  # and from here on limits are learned
_BLOCK = 16  # rows: learned together
_MOST_MODES = 8  # that are remembered of a cell, those seen last
_DWELL_SETTLES = 3.0  # a mode lasts on average at least so many times `settle_rows`
_S_PER_D = 86_400.0

Floats = NDArray[np.float64]


class Options(Section, frozen=True, kw_only=True):
    """A value older than `stale_s` is unknown. Scores are smoothed over `smooth_rows`, `memory_rows` of the past count,
    `alarms_per_d` are expected where nothing is wrong; the first `settle_rows` of a mode are passed over, an alarm that
    stood for `accept_after` rows is accepted.
    """

    every_s: Positive = 5.0
    stale_s: Positive = 300.0
    smooth_rows: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 12
    warm_rows: Annotated[int, msgspec.Meta(ge=100)] = 300
    memory_rows: Annotated[int, msgspec.Meta(ge=100)] = 2_000
    settle_rows: Annotated[int, msgspec.Meta(ge=0)] = 60
    accept_after: Annotated[int, msgspec.Meta(ge=10)] = 1_000
    alarms_per_d: Positive = 0.1


class Border(msgspec.Struct):
    """What is kept of a cell in one mode: its signals, the machine of each sensor (`weights` float64[k, 2 * _WAVES],
    `usual` float64[k], how far inside a usual row lies, `high` float64[k], how far out one in twenty), the tails of the
    two statistics, and the rows of the block that is open."""

    signals: signals.Signals = msgspec.field(default_factory=signals.Signals)
    standing: standing.Standing = msgspec.field(default_factory=standing.Standing)
    weights: bytearray = msgspec.field(default_factory=bytearray)
    usual: bytearray = msgspec.field(default_factory=bytearray)
    high: bytearray = msgspec.field(default_factory=bytearray)
    steps: int = 0
    judged: int = 0
    open_rows: bytearray = msgspec.field(default_factory=bytearray)
    open_away: bytearray = msgspec.field(default_factory=bytearray)
    teaches: list[bool] = []
    tails: list[tail.Tail] = msgspec.field(default_factory=lambda: [tail.Tail(), tail.Tail()])
    taught: reference.Reference = msgspec.field(default_factory=reference.Reference)


class Machines(msgspec.Struct):
    """What is kept of a cell: a border for each mode, the one seen last at the end; and what the last row was."""

    modes: dict[str, Border] = {}
    mode: str = ""
    settled: int = 0  # rows since the mode changed
    metrics: list[str] = []
    parts: list[float] = []  # how far out each sensor is, squared: past the kernel's reach, too
    levels: list[float] = []  # the two statistics as shares of their limits
    far: float = 0.0  # how far the furthest sensor is from all that was taught of it, over its limit
    row: list[float] = []


def build(options: Options, context: Context) -> PerCell[Machines]:
    judge = OneClassSgd(options, context)
    dwell_s = max(_DWELL_SETTLES * options.settle_rows, 1.0) * options.every_s
    return PerCell(
        judge,
        Machines,
        context,
        every_s=options.every_s,
        stale_s=options.stale_s,
        kinds=frozenset({Kind.GAUGE}),
        mode_dwell_s=dwell_s,
    )


class OneClassSgd:
    """Judge of cells (`detectors.cells.Judge`)."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._rarest = _S_PER_D / (options.alarms_per_d * options.every_s)
        self._signals = signals.Following(options.smooth_rows, options.memory_rows, options.warm_rows)
        self._reference = reference.Remembering(options.smooth_rows)
        self._hold = standing.Hold(options.smooth_rows, options.warm_rows, options.accept_after)

    def start(self, cell: str) -> Machines:
        return Machines()

    def judge(self, memory: Machines, rows: Rows) -> list[Verdict]:
        said: list[Verdict] = []
        modes = rows.modes or ("",) * len(rows)
        width = rows.widths()
        begin = 0
        while begin < len(rows):
            border = self._entered(memory, modes[begin], int(width[begin]))
            wide = border.signals.sensors
            end = begin + 1
            most = min(len(rows), begin + _BLOCK - len(border.teaches))
            is_settling = len(memory.modes) > 1 and memory.settled < self._options.settle_rows
            while end < most and modes[end] == modes[begin] and width[end] <= wide and not is_settling:
                end += 1
            memory.settled += end - begin
            if is_settling or not wide:
                said += [Verdict(rows.series[0], Point())] * (end - begin)
            else:
                taught = int(np.searchsorted(rows.at_ns[begin:end], self._context.taught_to_ns, side="right"))
                said += self._judged(memory, border, rows.series, rows.values[begin:end, :wide], taught)
            if len(border.teaches) == _BLOCK:
                self._close(border)
            begin = end
        memory.metrics = [self._context.series[one].metric for one in rows.series]
        return said

    def explain(self, memory: Machines) -> Evidence:
        """What part of the oddity each sensor makes."""
        border = memory.modes.get(memory.mode)
        if border is None or not memory.levels:
            return {"rows_learned": 0}
        evidence: Evidence = {"rows_learned": border.signals.rows}
        if memory.mode:
            evidence["mode"] = memory.mode
        evidence |= {"one_sensor_over_limit": memory.levels[0], "all_sensors_over_limit": memory.levels[1]}
        if memory.far:
            evidence["level_to_taught_over_limit"] = round(memory.far, 3)
        return evidence | contributions(border.signals, memory.parts, memory.row, memory.metrics)

    def _entered(self, memory: Machines, mode: str, known: int) -> Border:
        """The memory of a mode, a new one for a new mode, with room for all sensors; those seen longest ago go."""
        if mode != memory.mode or not memory.modes:
            memory.mode, memory.settled = mode, 0
            border = memory.modes.pop(mode, None) or Border()
            memory.modes[mode] = border
            while len(memory.modes) > _MOST_MODES:
                del memory.modes[next(iter(memory.modes))]
        border = memory.modes[mode]
        if known > border.signals.sensors:
            self._close(border)
            _widen(border, known)
        return border

    def _judged(
        self, memory: Machines, border: Border, series: tuple[int, ...], rows: Floats, taught: int
    ) -> list[Verdict]:
        """The verdicts on rows of one block, in one mode, of which the first `taught` only teach."""
        followed = self._signals.follow(border.signals, rows)
        apart = self._signals.apart(border.signals, followed)
        features = _features(apart)
        away = _away(border, features)
        high = np.maximum(np.frombuffer(border.high), _LEAST_HIGH)
        values = np.column_stack(((away / high).max(axis=1), away.sum(axis=1) / len(high)))
        rarest = min(self._rarest, float(max(border.signals.rows, self._options.warm_rows)))
        one, all_of_them = standing.limits(border.tails, rarest, self._options.smooth_rows)
        parts = away / np.minimum(one * high, _REACH)
        levels = np.column_stack((parts.max(axis=1), values[:, 1] / min(all_of_them, _REACH)))
        far = self._reference.judged(border.taught, rows, taught, signals.usual(border.signals)[1])
        furthest, worst = far.max(axis=1), levels.max(axis=1)
        stood = [self._hold.stood(border.standing, level) for level in np.maximum(worst, furthest).tolist()]
        border.open_rows += np.stack(followed, axis=1).tobytes()
        border.open_away += np.concatenate((away, values), axis=1).tobytes()
        border.teaches += [teaches for _, teaches in stood]
        out = np.where((furthest > worst)[:, None], far, (apart * apart).sum(axis=1))
        memory.parts, memory.levels, memory.far = out[-1].tolist(), levels[-1].tolist(), float(furthest[-1])
        memory.row = rows[-1].tolist()
        return _told(border, series, rows, out, [score for score, _ in stood])

    def _close(self, border: Border) -> None:
        """Learns the block: a stochastic gradient step of each machine by each row; then the limits."""
        count, sensors = len(border.teaches), border.signals.sensors
        if not count:
            return
        if border.standing.alarm > self._options.accept_after:
            self._reference.accept(border.taught, sensors)
        teaches = np.array(border.teaches)
        open_rows = np.frombuffer(bytes(border.open_rows)).reshape(count, 3, sensors)
        followed = signals.Followed(*open_rows[teaches].transpose(1, 0, 2))
        features = _features(self._signals.apart(border.signals, followed))
        self._signals.learn(border.signals, followed)
        self._signals.accept_new(border.signals, open_rows[~teaches, 0])
        warm = self._options.warm_rows
        if border.standing.rows > _BEGINS_RATIO * warm:
            self._learn(border, features)
        if border.standing.rows > _CHECKED_RATIO * warm:
            away = np.frombuffer(bytes(border.open_away)).reshape(count, sensors + 2)[teaches]
            _learn_high(border, away[:, :sensors], self._options.memory_rows)
            for past, own in zip(border.tails, away[:, sensors:].T.tolist(), strict=True):
                tail.excesses(past, [one for one in own if one > 0.0], standing.TAIL)
        border.open_rows, border.open_away, border.teaches = bytearray(), bytearray(), []

    def _learn(self, border: Border, features: Floats) -> None:
        """Steps of one over the rows: the machine with nu = 1, whose weights are the mean of all features."""
        weights = np.frombuffer(border.weights).reshape(features.shape[1:])
        usual = np.frombuffer(border.usual)
        for one in features:
            border.steps += 1
            step = 1.0 / min(border.steps, self._options.memory_rows)
            weights += step * (one - weights)
            usual += step * (np.maximum((weights * one).sum(axis=1), 0.0) - usual)


def _away(border: Border, features: Floats) -> Floats:
    """How far out each sensor is, float64[n, k]: 0 where the machine is at its usual, growing as the distance does."""
    weights, usual = np.frombuffer(border.weights).reshape(features.shape[1:]), np.frombuffer(border.usual)
    is_taught = usual > 0.0
    inside = (weights * features).sum(axis=2)
    ratio = np.where(is_taught, inside / np.where(is_taught, usual, 1.0), 1.0)
    ratio = np.minimum(np.maximum(ratio, _LEAST_INSIDE), 1.0)
    for i, one in enumerate(ratio):  # row by row: the last bit of a logarithm may hang on an array's length
        ratio[i] = np.sqrt(-np.log(one))
    return ratio


def _learn_high(border: Border, away: Floats, memory: int) -> None:
    """A high quantile of each sensor's own past (Robbins and Monro, 1951)."""
    high = np.frombuffer(border.high)
    for one in away:
        border.judged += 1
        pace = max(_QUANTILE_PACE / border.judged**0.7, 1.0 / memory)
        high += pace * ((one > high) - (1.0 - _HIGH))
        np.maximum(high, 0.0, out=high)


def _told(border: Border, series: tuple[int, ...], rows: Floats, out: Floats, scores: list[float]) -> list[Verdict]:
    """Each row's score, told about the sensor that is furthest out."""
    middle, spread = (column.tolist() for column in signals.usual(border.signals))
    places = out.argmax(axis=1)
    said = []
    for place, score, value in zip(places.tolist(), scores, rows[np.arange(len(rows)), places].tolist(), strict=True):
        mid, half = middle[place], 3.0 * spread[place]
        is_told = not math.isnan(score) and not math.isnan(value)
        point = Point(score, value, mid - half, mid, mid + half) if is_told else Point(score)
        said.append(Verdict(series[place], point))
    return said


def _widen(border: Border, sensors: int) -> None:
    """Room for more sensors, of which nothing is known; the lesson begins again."""
    signals.widen(border.signals, sensors)
    border.weights, border.usual = bytearray(8 * sensors * 2 * _WAVES), bytearray(8 * sensors)
    border.high, border.steps, border.judged = bytearray(8 * sensors), 0, 0
    border.standing, border.tails = standing.Standing(), [tail.Tail(), tail.Tail()]
    border.taught = reference.Reference()


@lru_cache(maxsize=1)
def _waves() -> Floats:
    """Directions float64[_SIGNALS, _WAVES]: the same for every sensor, so that none moves another."""
    draws: Floats = np.random.default_rng(0).normal(size=(_SIGNALS, _WAVES)) / _KERNEL_SPREADS
    return draws


def _features(apart: Floats) -> Floats:
    """The random Fourier features float64[n, k, 2 * _WAVES] of signals float64[n, _SIGNALS, k]. Plain sums, and row by
    row, so that the bits depend neither on a library's threads nor on how many rows come at once."""
    seen = np.minimum(np.maximum(apart, -_FAR), _FAR)
    waves = _waves()
    features = np.empty((len(seen), seen.shape[2], 2 * _WAVES))
    for i, one in enumerate(seen):
        phase = one[0, :, None] * waves[0] + one[1, :, None] * waves[1] + one[2, :, None] * waves[2]
        features[i, :, :_WAVES], features[i, :, _WAVES:] = np.cos(phase), np.sin(phase)
    features /= math.sqrt(_WAVES)
    return features
