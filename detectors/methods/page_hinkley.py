"""Page-Hinkley: the level of a gauge has changed; told once, and the new level is the usual one from then on.

Input: GAUGE series. Each reading's distance from the mean of all readings since the last change, less `delta`
deviations, is summed on both sides; the score is the larger sum over `threshold`, and 1.0 is a change. The alarm stands
for `hold_s`; meanwhile the method begins anew (quiet for the first 100 readings). Output: value is the mean of the
readings since the change began, low and high are where a mean of as many readings is a change.

Sources: Page (1954); Hinkley, Inference about the Change-Point from Cumulative Sum Tests (1971); Mouss et al., Test of
Page-Hinkley, an Approach for Fault Detection in an Agro-Alimentary Production System (2004); the threshold is designed
as that of a CUSUM with k = delta, which it is when the mean is known. It fails for a series that never rests at a level
(a sawtooth, a daily swing: every turn is a change), and it does not say when a fault ends: that is a change too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import msgspec

from collector.config import NotNegative, Positive, Section
from collector.readings import Kind, Series
from detectors.charts import baseline, quiet, running, sums
from detectors.charts.arithmetic import Arithmetic, N, cleared
from detectors.columns import PerSeriesColumns, Step
from detectors.detector import NAN, Context, Evidence
from detectors.run_length import cusum_h

_SUMS, _QUIET = slice(0, sums.FIELDS), slice(sums.FIELDS, sums.FIELDS + quiet.FIELDS)
_BASELINE = slice(_QUIET.stop, _QUIET.stop + baseline.FIELDS)
_FOUND = slice(_BASELINE.stop, _BASELINE.stop + 5)  # of the last change: level, expected, deviation, readings, seconds


class Options(Section, frozen=True, kw_only=True):
    """`delta`: half the change to be found, in deviations. `threshold`: designed for `arl0` if not given.

    `arl0`: the wanted number of readings between false alarms. `hold_s`: an alarm stands so long. While the line is in
    one of `idle_states`, in a planned stop, and for `settle_s` after, it is passed over (`detectors.charts.running`).
    """

    delta: Annotated[float, msgspec.Meta(ge=0.05, le=3)] = 0.25
    threshold: Positive | None = None
    arl0: Annotated[float, msgspec.Meta(ge=50, le=1e9)] = 20_000.0
    hold_s: NotNegative = 300.0
    idle_states: tuple[str, ...] = running.IDLE_STATES
    settle_s: NotNegative = 300.0


def build(options: Options, context: Context) -> running.WhileRunning:
    chart = PerSeriesColumns(PageHinkley(options), context, frozenset({Kind.GAUGE}))
    return running.WhileRunning(chart, context, options.idle_states, options.settle_s)


class PageHinkley:
    fields = _FOUND.stop
    carried = slice(_BASELINE.start)
    first = baseline.LEARNED_FROM

    def __init__(self, options: Options) -> None:
        self._threshold = options.threshold or cusum_h(options.delta, options.arl0)
        self._sums = sums.Sums(options.delta)
        self._quiet = quiet.Quiet(options.arl0, options.hold_s, math.inf)
        self._baseline = baseline.Baseline(math.inf, weight=sums.weight(options.delta, self._threshold))

    def update(self, of: Arithmetic[N], numbers: Sequence[N], elapsed_s: N, value: N) -> Step[N]:
        usual = self._baseline.usual(of, numbers[_BASELINE])
        threshold = self._threshold * self._quiet.strictness(numbers[_QUIET])
        level = self._sums.added(of, numbers[_SUMS], (value - usual.centre) / usual.deviation, threshold, elapsed_s)
        verdict = self._quiet.judged(of, numbers[_QUIET], level.score, elapsed_s)
        is_change = level.score >= 1.0
        learned = self._baseline.learned(of, numbers[_BASELINE], value, verdict)
        away, mean = level.limit * usual.deviation, usual.centre + level.mean * usual.deviation
        found = [
            of.where(is_change, mean, numbers[_FOUND][0]),
            of.where(is_change, usual.centre, numbers[_FOUND][1]),
            of.where(is_change, numbers[_BASELINE][baseline.DEVIATION], numbers[_FOUND][2]),
            of.where(is_change, level.readings, numbers[_FOUND][3]),
            of.where(is_change, level.over_s, numbers[_FOUND][4]),
        ]
        kept = cleared(of, level.numbers, is_change) + verdict.numbers + cleared(of, learned, is_change) + found
        return Step(
            kept,
            verdict.score,
            mean,
            usual.centre - away,
            usual.centre,
            usual.centre + away,
            of.where(learned[0] > 0.0, NAN, value),
        )

    def begin(self, numbers: Sequence[float], first: Sequence[float]) -> Sequence[float]:
        return [*numbers[: _BASELINE.start], *self._baseline.begun(first), *numbers[_FOUND]]

    def explain(self, series: Series, numbers: Sequence[float], last_ns: int) -> Evidence:
        level, expected, deviation, readings, took_s = numbers[_FOUND]
        known: Evidence = {"unit": series.unit, "threshold": self._threshold}
        if not readings:
            return known
        return {
            **known,
            "level": level,
            "expected": expected,
            "deviation": deviation,
            "shift_deviations": (level - expected) / deviation,
            "readings": readings,
            "took_s": took_s,
        }
