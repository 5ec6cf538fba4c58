"""Limits: a gauge or stock is outside the range in which it is meant to be.

Input: GAUGE and STOCK series. The score is 1.0 at a limit and grows with the distance past it, in units of the limit
(of 1 where that is 0); inside it is below 1. Output: value is the reading, low and high are the limits.

Source: the gross-range test of real-time quality control (IOOS QARTOD, test 4); ISA-18.2 calls these absolute alarms.
It fails for a series whose right range depends on product or time of day, and it knows nothing before one is passed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from collector.config import Section
from collector.readings import Kind, Series
from detectors.charts.arithmetic import Arithmetic, N
from detectors.columns import PerSeriesColumns, Step
from detectors.detector import NAN, Context, Evidence

_START_UP = 3  # readings of a new series that are not judged: sensors and counters begin anywhere


class Options(Section, frozen=True, kw_only=True):
    """`low` and `high` in the unit of the series; without `high` there is none."""

    low: float
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError("`low` must be below `high`")


def build(options: Options, context: Context) -> PerSeriesColumns:
    return PerSeriesColumns(Limits(options), context, frozenset({Kind.GAUGE, Kind.STOCK}))


def is_fact(options: Options) -> bool:
    """A limit that is passed is passed."""
    return True


class Limits:
    fields = 2  # readings so far, the last value
    first = 1

    def __init__(self, options: Options) -> None:
        self._low, self._high = options.low, options.high
        self._units = _unit(options.low), _unit(options.high)

    def update(self, of: Arithmetic[N], numbers: Sequence[N], elapsed_s: N, value: N) -> Step[N]:
        readings = of.least(numbers[0] + 1.0, _START_UP + 1.0)
        below, above = (self._low - value) / self._units[0], (value - self._high) / self._units[1]
        past = of.where(below > above, below, above)
        score = of.where(past > 0.0, 1.0 + past, of.most(0.999 + past, 0.0))
        nothing, is_judged = 0.0 * value + NAN, readings > _START_UP
        return Step(
            [readings, value],
            of.where(is_judged, score, NAN),
            of.where(is_judged, value, NAN),
            of.where(is_judged, self._low, NAN),
            nothing,
            of.where(is_judged, self._high if math.isfinite(self._high) else NAN, NAN),
            nothing,
        )

    def begin(self, numbers: Sequence[float], first: Sequence[float]) -> Sequence[float]:
        """Nothing is learned."""
        return numbers

    def explain(self, series: Series, numbers: Sequence[float], last_ns: int) -> Evidence:
        evidence: Evidence = {"value": numbers[1], "unit": series.unit, "low": self._low}
        return {**evidence, "high": self._high} if math.isfinite(self._high) else evidence


def _unit(limit: float) -> float:
    """What the distance past a limit is told in: the limit itself."""
    return (abs(limit) or 1.0) if math.isfinite(limit) else 1.0
