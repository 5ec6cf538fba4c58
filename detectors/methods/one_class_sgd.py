"""One-class SGD: what the sensors of a cell show together is unlike what they showed lately, learned row by row.

Input: GAUGE and STATE series, one row for each cell and `every_s` (see `detectors.cells`). A row is standardised by
its own running means, mapped to random Fourier features, and held against a one-class support vector machine that each
row moves a little. The score is the smoothed distance past the machine's border, 1.0 where its own past expects
`alarms_per_d` a day and cell. It needs no training and no scikit-learn; a lasting change is usual after some 2,000
rows (3 h). Output: alerts are about the cell; value and band are those of the metric furthest out.

Source: Schölkopf et al., Estimating the Support of a High-Dimensional Distribution (2001), solved by stochastic
gradient steps; Rahimi and Recht, Random Features for Large-Scale Kernel Machines (2007). It fails where a cell has
many series of which one is a little odd (the kernel sees the mean of all), for what creeps slower than it learns, and
in its first `warm_rows`. Give a cell that matters `isolation_forest`, which finds smaller changes.
"""

from __future__ import annotations

import math
import zlib
from functools import lru_cache
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.config import Positive, Section
from detectors.cells import PerCell, Rows, Verdict
from detectors.detector import NAN, Context, Evidence, Point

_WIDTH = 96  # random features
_NU = 0.5  # the share of rows past the border; a small one takes ten times as many rows to settle
_FAR = 8.0  # spreads past which a value is no further off
_LEAST_GAIN, _LEAST_STEP = 1.0 / 20_000.0, 0.002
_ODD_SLOWER, _DOUBTFUL = 0.005, 0.6  # a row from this score on teaches so much less
_TAIL_RATIO = 0.02
_LEAST_EXCESS = 0.4  # of the mean distance: what a normal tail has past its 98 % quantile
_LEAST_SPREAD = 1e-3  # of the mean's size: what is as good as constant
_TOLD = 3

Floats = NDArray[np.float64]


class Options(Section, frozen=True, kw_only=True):
    """A value older than `stale_s` is unknown; scores are smoothed over `smooth_rows`."""

    every_s: Positive = 5.0
    stale_s: Positive = 300.0
    smooth_rows: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 12
    warm_rows: Annotated[int, msgspec.Meta(ge=50)] = 300
    alarms_per_d: Positive = 0.1


class Border(msgspec.Struct):
    """What is kept of a cell. Of each metric its running mean and variance; the machine's weights and border; of the
    smoothed distances past it the mean, the mean distance from that, the high quantile and the mean excess over it."""

    rows: int = 0
    mean: list[float] = []
    variance: list[float] = []
    weights: list[float] = msgspec.field(default_factory=lambda: [0.0] * _WIDTH)
    border: float = 0.0
    smooth: float = NAN
    usual: float = 0.0
    spread: float = 0.0
    high: float = 0.0
    excess: float = 0.0
    last: list[float] = []
    metrics: list[str] = []


def build(options: Options, context: Context) -> PerCell[Border]:
    judge = OneClassSgd(options, context)
    return PerCell(judge, Border, context, every_s=options.every_s, stale_s=options.stale_s)


class OneClassSgd:
    """Judge of cells (`detectors.cells.Judge`)."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        alarms_per_row = options.alarms_per_d * options.every_s / 86_400.0
        self._excesses = math.log(max(_TAIL_RATIO / alarms_per_row, 1.0))

    def start(self, cell: str) -> Border:
        return Border()

    def judge(self, memory: Border, rows: Rows) -> list[Verdict]:
        metrics = [self._context.series[series].metric for series in rows.series]
        more = len(rows.series) - len(memory.mean)
        memory.mean, memory.variance = memory.mean + [NAN] * more, memory.variance + [0.0] * more
        mean, variance, weights = np.array(memory.mean), np.array(memory.variance), np.array(memory.weights)
        waves = _waves(tuple(metrics))
        said = []
        for row in rows.values:
            if _begin(mean, row) and memory.rows:
                memory.rows, memory.border, memory.smooth, memory.excess = 0, 0.0, NAN, 0.0
                weights[:] = 0.0
            seen = _standardised(row, mean, variance)
            score = self._learned(memory, weights, _features(seen, waves))
            said.append(Verdict(*_told(rows.series, row, seen, mean, variance, score)))
            _learn(mean, variance, row, memory.rows, score)
        heard = int(np.isfinite(mean).nonzero()[0].max(initial=-1)) + 1  # a column may be there before its first row
        memory.mean, memory.variance = mean[:heard].tolist(), variance[:heard].tolist()
        memory.weights, memory.last = weights.tolist(), seen[:heard].tolist()
        memory.metrics = metrics[:heard]
        return said

    def explain(self, memory: Border) -> Evidence:
        """By how much each metric brings the last row past the border: what is left without it."""
        waves, weights = _waves(tuple(memory.metrics)), np.array(memory.weights)
        seen = np.array(memory.last)
        inside = _inside(weights, _features(seen, waves))
        gains = {}
        for place, metric in enumerate(memory.metrics):
            without = seen.copy()
            without[place] = 0.0
            gains[metric] = max(_inside(weights, _features(without, waves)) - inside, 0.0)
        total = sum(gains.values()) or 1.0
        told = sorted(gains, key=lambda metric: -gains[metric])[:_TOLD]
        away = dict(zip(memory.metrics, memory.last, strict=True))
        evidence: Evidence = {"rows_learned": memory.rows, "past_border": memory.smooth, "usual": memory.usual}
        for metric in told:
            evidence[f"{metric}_share_ratio"] = round(gains[metric] / total, 3)
            evidence[f"{metric}_spreads_off"] = round(away[metric] * math.sqrt(len(away)), 2)
        return evidence

    def _learned(self, memory: Border, weights: Floats, features: Floats) -> float:
        """The score of one row; then the machine and its own past learn from it."""
        past = memory.border - _inside(weights, features)
        gain = 2.0 / (self._options.smooth_rows + 1.0)
        memory.smooth = past if math.isnan(memory.smooth) else memory.smooth + gain * (past - memory.smooth)
        score = self._score(memory)
        memory.rows += 1
        is_odd = score >= _DOUBTFUL
        step = max(_LEAST_STEP, 1.0 / memory.rows) * (_ODD_SLOWER if is_odd else 1.0)
        weights *= 1.0 - step * _NU
        memory.border += step * _NU
        if past > 0:
            weights += step * features
            memory.border -= step
        if memory.rows > self._options.warm_rows // 3:
            _learn_tail(memory, memory.rows - self._options.warm_rows // 3, _ODD_SLOWER if is_odd else 1.0)
        return score

    def _score(self, memory: Border) -> float:
        """0 is usual, 1.0 what is expected `alarms_per_d`; NaN while warming up."""
        if memory.rows < self._options.warm_rows:
            return NAN
        limit = memory.high + self._excesses * memory.excess
        return (memory.smooth - memory.usual) / max(limit - memory.usual, 1e-9)


def _learn_tail(memory: Border, seen: int, weight: float) -> None:
    """One step of the running mean, of the high quantile (Robbins and Monro, 1951) and of the mean excess."""
    if seen == 1:
        memory.usual = memory.high = memory.smooth
    gain = max(1.0 / seen, _LEAST_GAIN) * weight
    off = memory.smooth - memory.usual
    memory.usual += gain * off
    memory.spread += max(gain, 1e-3 * weight) * (abs(off) - memory.spread)
    pace = memory.spread * max(50.0 / (seen + 50.0), 0.01) * weight
    is_high = memory.smooth > memory.high
    memory.high += 5.0 * pace * (1.0 - _TAIL_RATIO if is_high else -_TAIL_RATIO)
    memory.high = max(memory.high, memory.usual + memory.spread)
    if is_high:
        past = memory.smooth - memory.high
        memory.excess += max(gain / _TAIL_RATIO, 0.01 * weight) * (past - memory.excess)
    memory.excess = max(memory.excess, _LEAST_EXCESS * memory.spread)


@lru_cache(maxsize=1024)
def _waves(metrics: tuple[str, ...]) -> tuple[Floats, Floats]:
    """(directions float64[k, width], phases float64[width]): a metric's are its own, so a new one moves no other."""
    draws = [np.random.default_rng(zlib.crc32(metric.encode())).normal(size=_WIDTH) for metric in metrics]
    phases = np.random.default_rng(0).uniform(0.0, 2.0 * math.pi, _WIDTH)
    return np.array(draws), phases


def _features(seen: Floats, waves: tuple[Floats, Floats]) -> Floats:
    """The random Fourier features of a row. Plain sums, so that the bits never depend on a library's threads."""
    directions, phases = waves
    features: Floats = np.cos((seen[:, None] * directions).sum(axis=0) + phases) * math.sqrt(2.0 / _WIDTH)
    return features


def _inside(weights: Floats, features: Floats) -> float:
    return float(np.add.reduce(weights * features))


def _standardised(row: Floats, mean: Floats, variance: Floats) -> Floats:
    """A row in spreads from its running means, over the root of how many series there are; the unknown is as usual."""
    seen = (row - mean) / _spread(mean, variance)
    series = max(1, int(np.isfinite(mean).sum()))
    return np.where(np.isnan(seen), 0.0, np.minimum(np.maximum(seen, -_FAR), _FAR)) / math.sqrt(series)


def _spread(mean: Floats, variance: Floats) -> Floats:
    spread: Floats = np.maximum(np.sqrt(variance), _LEAST_SPREAD * (np.abs(mean) + 1e-9))
    return spread


def _begin(mean: Floats, row: Floats) -> bool:
    """Takes the first value of a series for its mean; whether there was one: then the lesson begins again."""
    is_new = np.isnan(mean) & ~np.isnan(row)
    mean[is_new] = row[is_new]
    return bool(is_new.any())


def _learn(mean: Floats, variance: Floats, row: Floats, rows: int, score: float) -> None:
    """Moves the running means and variances, in place; an odd row moves them less."""
    gain = max(1.0 / rows, _LEAST_GAIN) * (_ODD_SLOWER if score >= _DOUBTFUL else 1.0)
    off = np.where(np.isnan(row), 0.0, row - mean)
    mean += gain * off
    known = ~np.isnan(row)
    variance[known] += gain * (off[known] * off[known] * (1.0 - gain) - variance[known])


def _told(
    series: tuple[int, ...], row: Floats, seen: Floats, mean: Floats, variance: Floats, score: float
) -> tuple[int, Point]:
    """The verdict, told about the metric that is furthest out."""
    place = int(np.abs(seen).argmax())
    if math.isnan(score) or math.isnan(row[place]):
        return series[place], Point(score)
    mid, half = float(mean[place]), 3.0 * float(_spread(mean, variance)[place])
    return series[place], Point(score, float(row[place]), mid - half, mid, mid + half)
