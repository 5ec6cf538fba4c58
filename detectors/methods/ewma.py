"""EWMA: the smoothed level of a gauge has left its usual band.

Input: GAUGE series. Readings are smoothed with weight `lambda` (each new reading's share); the score is the smoothed
distance from the usual level (`detectors.charts.baseline`) over `L` deviations of the smoothed value, 1.0 at the limit.
`L` is given or designed for `arl0`, the wanted number of readings between false alarms. Output: value is the smoothed
level, low and high its limits, in the unit of the series.

Sources: Roberts, Control Chart Tests Based on Geometric Moving Averages (1959); Lucas and Saccucci, Exponentially
Weighted Moving Average Control Schemes (1990). No reading alone moves the smoothed value more than half way to its
limit, so that an outlier is no shift. It fails for a series whose right level depends on what no STATE series of its
line tells, or on one of more than eight products (each needs 100 readings, and is judged widely at first), for a drift
slower than its `memory`, and for a change of scatter alone; a large shift is seen some readings later than by `limits`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import msgspec

from collector.config import NotNegative, Positive, Section
from collector.readings import Kind, Series
from detectors.charts import baseline, quiet, running
from detectors.charts.arithmetic import ONE, Arithmetic, N, cleared
from detectors.columns import PerSeriesColumns, Step
from detectors.detector import NAN, Context, Evidence
from detectors.run_length import ewma_limit

_QUIET = slice(1, 1 + quiet.FIELDS)
_BASELINE = slice(_QUIET.stop, _QUIET.stop + baseline.FIELDS)


class Options(Section, frozen=True, kw_only=True):
    """`lambda`: the share of each new reading. `L`: the limit in deviations of the smoothed value, designed for `arl0`
    if not given.

    `arl0`, `memory` (the past that counts as usual) and `accept_after` (an alarm that stood so long is the new usual)
    are in readings. `hold_s`: an alarm stands at least so long. While the line is in
    one of `idle_states`, in a planned stop, and for `settle_s` after, it is passed over (`detectors.charts.running`).
    """

    weight: Annotated[float, msgspec.Meta(ge=0.01, le=0.4)] = msgspec.field(default=0.1, name="lambda")
    limit: Positive | None = msgspec.field(default=None, name="L")
    arl0: Annotated[float, msgspec.Meta(ge=50, le=1e9)] = 20_000.0
    hold_s: NotNegative = 60.0
    memory: Annotated[float, msgspec.Meta(ge=100)] = 2_000.0
    accept_after: Annotated[float, msgspec.Meta(ge=10)] = 2_000.0
    idle_states: tuple[str, ...] = running.IDLE_STATES
    settle_s: NotNegative = 300.0


def build(options: Options, context: Context) -> running.WhileRunning:
    chart = PerSeriesColumns(Ewma(options), context, frozenset({Kind.GAUGE}))
    return running.WhileRunning(chart, context, options.idle_states, options.settle_s)


class Ewma:
    fields = _BASELINE.stop
    carried = slice(_BASELINE.start)
    first = baseline.LEARNED_FROM

    def __init__(self, options: Options) -> None:
        self._weight = options.weight
        times = options.limit or ewma_limit(options.weight, options.arl0)
        self._limit = times * math.sqrt(options.weight / (2 - options.weight))
        self._quiet = quiet.Quiet(options.arl0, options.hold_s, options.accept_after)
        self._baseline = baseline.Baseline(options.memory, weight=options.weight)

    def update(self, of: Arithmetic[N], numbers: Sequence[N], elapsed_s: N, value: N) -> Step[N]:
        usual = self._baseline.usual(of, numbers[_BASELINE])
        limit = self._limit * self._quiet.strictness(numbers[_QUIET])
        most = 0.5 * limit / self._weight
        z = of.most(of.least((value - usual.centre) / usual.deviation, most), -most)
        smoothed = numbers[0] + self._weight * (z - numbers[0])
        verdict = self._quiet.judged(of, numbers[_QUIET], of.most(smoothed, -smoothed) / limit, elapsed_s)
        learned = self._baseline.learned(of, numbers[_BASELINE], value, verdict)
        known = of.where(smoothed == smoothed, smoothed, 0.0)
        kept = cleared(of, [known], verdict.is_usual) + verdict.numbers + cleared(of, learned, verdict.is_usual)
        away = limit * usual.deviation
        return Step(
            kept,
            verdict.score,
            usual.centre + smoothed * usual.deviation,
            usual.centre - away,
            usual.centre,
            usual.centre + away,
            of.where(learned[0] > 0.0, NAN, value),
        )

    def begin(self, numbers: Sequence[float], first: Sequence[float]) -> Sequence[float]:
        return [*numbers[: _BASELINE.start], *self._baseline.begun(first)]

    def explain(self, series: Series, numbers: Sequence[float], last_ns: int) -> Evidence:
        centre, deviation = self._baseline.usual(ONE, numbers[_BASELINE])
        own = numbers[_BASELINE][baseline.DEVIATION]
        known: Evidence = {"unit": series.unit, "lambda": self._weight, "limit_deviations": self._limit}
        if not deviation > 0.0:  # the level has just been taken for the usual one
            return known
        shift = numbers[0] * deviation
        said: Evidence = {
            "level": centre + shift,
            "expected": centre,
            "deviation": own,
            "shift_deviations": shift / own,
        }
        return known | said
