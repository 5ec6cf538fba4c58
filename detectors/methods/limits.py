"""Limits: a gauge or stock is outside the range in which it is meant to be.

Input: GAUGE and STOCK series. The score is 1.0 at a limit and grows with the distance past it, in units of the limit
(of 1 where that is 0); inside it is below 1. Output: value is the reading, low and high are the limits.

Source: the gross-range test of real-time quality control (IOOS QARTOD, test 4); ISA-18.2 calls these absolute alarms.
It fails for a series whose right range depends on product or time of day, and it knows nothing before one is passed.
"""

from __future__ import annotations

import math

import msgspec

from collector.config import Section
from collector.readings import Kind, Series
from detectors.detector import NAN, Context, Evidence, PerSeries, Point

_START_UP = 3  # readings of a new series that are not judged: sensors and counters begin anywhere


class Options(Section, frozen=True, kw_only=True):
    """`low` and `high` in the unit of the series; without `high` there is none."""

    low: float
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError("`low` must be below `high`")


class Reading(msgspec.Struct):
    last_ns: int = 0
    value: float = NAN
    readings: int = 0


def build(options: Options, context: Context) -> PerSeries[Reading]:
    return PerSeries(Limits(options), Reading, context, frozenset({Kind.GAUGE, Kind.STOCK}))


class Limits:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._units = _unit(options.low), _unit(options.high)
        self._band = options.low, NAN, options.high if math.isfinite(options.high) else NAN

    def start(self, series: Series) -> Reading:
        return Reading()

    def update(self, series: Series, memory: Reading, at_ns: int, value: float) -> Point:
        memory.value = value
        memory.readings = min(memory.readings + 1, _START_UP + 1)
        if memory.readings <= _START_UP:
            return Point()
        low, high = self._options.low, self._options.high
        past = max((low - value) / self._units[0], (value - high) / self._units[1])
        score = 1.0 + past if past > 0 else max(0.0, 0.999 + past)
        return Point(score, value, *self._band)

    def passed(self, series: Series, memory: Reading, at_ns: int) -> Point | None:
        """Nothing: a series that says nothing is silent, not out of range."""
        return None

    def miss(self, memory: Reading, from_ns: int, to_ns: int) -> None:
        """Nothing: each reading is judged alone."""

    def explain(self, series: Series, memory: Reading, at_ns: int) -> Evidence:
        evidence: Evidence = {"value": memory.value, "unit": series.unit, "low": self._options.low}
        return {**evidence, "high": self._options.high} if math.isfinite(self._options.high) else evidence


def _unit(limit: float) -> float:
    """What the distance past a limit is told in: the limit itself."""
    return (abs(limit) or 1.0) if math.isfinite(limit) else 1.0
