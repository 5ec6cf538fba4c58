"""CUSUM: a gauge has moved off its usual level and stays off it, by little but for long.

Input: GAUGE series. Each reading's distance from the usual level (`detectors.charts.baseline`), less `k` deviations, is
summed on both sides; the score is the larger sum over `h`, 1.0 at the decision interval. `h` is given or designed for
`arl0`, the wanted number of readings between false alarms. Output: value is the mean of the readings since the shift
began, low and high are where a mean of as many readings is an alarm, both in the unit of the series.

Sources: Page, Continuous Inspection Schemes (1954); Hawkins and Olwell, Cumulative Sum Charts and Charting for Quality
Improvement (1998); Lucas and Crosier (1982) for the bounded reading. It fails for a series whose right level depends on
what no STATE series of its line tells, or on one of more than eight products (each needs 100 readings, and is judged
widely at first), for a drift slower than its `memory`, for a change of scatter alone, and it needs about 10 readings
where a single wild one should be told (use `limits`, `rate_limits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from collector.config import NotNegative, Positive, Section
from collector.readings import NS_PER_S, Kind, Series
from detectors.charts import baseline, quiet, running, sums
from detectors.charts.arithmetic import ONE, Arithmetic, N, cleared
from detectors.columns import PerSeriesColumns, Step
from detectors.detector import NAN, Context, Evidence
from detectors.run_length import cusum_h

_SUMS, _QUIET = slice(0, sums.FIELDS), slice(sums.FIELDS, sums.FIELDS + quiet.FIELDS)
_BASELINE = slice(_QUIET.stop, _QUIET.stop + baseline.FIELDS)


class Options(Section, frozen=True, kw_only=True):
    """`k`: half the shift to be found, in deviations. `h`: the decision interval, designed for `arl0` if not given.

    `arl0`, `memory` (the past that counts as usual) and `accept_after` (an alarm that stood so long is the new usual)
    are in readings. `hold_s`: an alarm stands at least so long. While the line is in
    one of `idle_states`, in a planned stop, and for `settle_s` after, it is passed over (`detectors.charts.running`).
    """

    k: Annotated[float, msgspec.Meta(ge=0.05, le=3)] = 0.5
    h: Positive | None = None
    arl0: Annotated[float, msgspec.Meta(ge=50, le=1e9)] = 20_000.0
    hold_s: NotNegative = 60.0
    memory: Annotated[float, msgspec.Meta(ge=100)] = 2_000.0
    accept_after: Annotated[float, msgspec.Meta(ge=10)] = 2_000.0
    idle_states: tuple[str, ...] = running.IDLE_STATES
    settle_s: NotNegative = 300.0


def build(options: Options, context: Context) -> running.WhileRunning:
    chart = PerSeriesColumns(Cusum(options), context, frozenset({Kind.GAUGE}))
    return running.WhileRunning(chart, context, options.idle_states, options.settle_s)


class Cusum:
    fields = _BASELINE.stop
    carried = slice(_BASELINE.start)
    first = baseline.LEARNED_FROM

    def __init__(self, options: Options) -> None:
        self._h = options.h or cusum_h(options.k, options.arl0)
        self._sums = sums.Sums(options.k)
        self._quiet = quiet.Quiet(options.arl0, options.hold_s, options.accept_after)
        self._baseline = baseline.Baseline(options.memory, weight=sums.weight(options.k, self._h))

    def update(self, of: Arithmetic[N], numbers: Sequence[N], elapsed_s: N, value: N) -> Step[N]:
        usual = self._baseline.usual(of, numbers[_BASELINE])
        h = self._h * self._quiet.strictness(numbers[_QUIET])
        level = self._sums.added(of, numbers[_SUMS], (value - usual.centre) / usual.deviation, h, elapsed_s)
        verdict = self._quiet.judged(of, numbers[_QUIET], level.score, elapsed_s)
        learned = self._baseline.learned(of, numbers[_BASELINE], value, verdict)
        kept = cleared(of, level.numbers, verdict.is_usual) + verdict.numbers + cleared(of, learned, verdict.is_usual)
        away = level.limit * usual.deviation
        return Step(
            kept,
            verdict.score,
            usual.centre + level.mean * usual.deviation,
            usual.centre - away,
            usual.centre,
            usual.centre + away,
            of.where(learned[0] > 0.0, NAN, value),
        )

    def begin(self, numbers: Sequence[float], first: Sequence[float]) -> Sequence[float]:
        return [*numbers[: _BASELINE.start], *self._baseline.begun(first)]

    def explain(self, series: Series, numbers: Sequence[float], last_ns: int) -> Evidence:
        centre, deviation = self._baseline.usual(ONE, numbers[_BASELINE])
        mean, readings, over_s = self._sums.run(numbers[_SUMS])
        own = numbers[_BASELINE][baseline.DEVIATION]
        known: Evidence = {"unit": series.unit, "h": self._h}
        if not deviation > 0.0:  # the level has just been taken for the usual one
            return known
        return {
            **known,
            "level": centre + mean * deviation,
            "expected": centre,
            "deviation": own,
            "shift_deviations": mean * deviation / own,
            "readings": readings,
            "began_at_s": last_ns / NS_PER_S - over_s,
        }
