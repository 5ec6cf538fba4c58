"""Novelty: a gauge does what it has never done before, whatever that is; one setting for every series.

Input: GAUGE series. Four causal signals are taken of each reading: the distance to the nearest value ever seen, the
unlikeness of the last stretch to every stretch of the recent past, and, at a quarter of the weight, the distance to the
nearest value of the same hour of the day and of the last readings' mean to what is usual then. Each is told as its
excess over the tail of all of its own past, so that units and noise do not matter; the sum is judged. The score is 1.0
at the threshold and stands while the incident lasts. Output: value is the reading; the middle is what is usual at this
time of day, low and high are how far it could lie beyond all that was seen without being news.

Source: the excess over a threshold of Embrechts, Klueppelberg and Mikosch (1997) on the signals of `detectors.novel`;
judged by the Numenta Anomaly Benchmark (`andon bench nab`). It fails for a change so slow that each step is like the
one before, for a disorder that stays within known values and shapes, and says little before it has seen a few hundred
readings, among them what is usual.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from collector.config import Section
from collector.readings import Kind, Series
from detectors.detector import NAN, Context, Evidence, PerSeries, Point
from detectors.novel import hours, quiet, seen, shapes, tail, usual

_WARM_UP = 150  # readings of a series before it is judged
_LAG = 12  # readings until a value counts as seen
_TAIL = 0.1  # the share of the past that is its tail
_BY_DAY = 0.25  # the weight of a signal that looks at the time of day: many series have none


class Options(Section, frozen=True, kw_only=True):
    """`threshold` in mean excesses of the tail, summed; `hold`: readings from one alarm to the next."""

    threshold: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    hold: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 100


class Signal(msgspec.Struct):
    """One signal's tail, and the excess of its last value."""

    tail: tail.Tail = msgspec.field(default_factory=tail.Tail)
    excess: float = 0.0

    def take(self, value: float) -> None:
        """Scores one value, then learns from it; NaN is no value."""
        past = self.tail
        self.excess = tail.excess(past, value) if value > past.at else 0.0
        if not math.isnan(value):
            tail.learn(past, value, _TAIL)


class Past(msgspec.Struct):
    """What is known of one series, and what its last reading came to."""

    last_ns: int = 0
    count: int = 0
    value: float = NAN
    broken: int = 0  # readings until no stretch holds the gap any more
    seen: seen.Seen = msgspec.field(default_factory=seen.Seen)
    shapes: shapes.Shapes = msgspec.field(default_factory=shapes.Shapes)
    hours: hours.Hours = msgspec.field(default_factory=hours.Hours)
    usual: usual.Usual = msgspec.field(default_factory=usual.Usual)
    new_value: Signal = msgspec.field(default_factory=Signal)
    new_shape: Signal = msgspec.field(default_factory=Signal)
    new_at_hour: Signal = msgspec.field(default_factory=Signal)
    unusual: Signal = msgspec.field(default_factory=Signal)
    quiet: quiet.Quiet = msgspec.field(default_factory=quiet.Quiet)

    @property
    def total(self) -> float:
        """The sum that is judged."""
        by_day = self.new_at_hour.excess + self.unusual.excess
        return self.new_value.excess + self.new_shape.excess + _BY_DAY * by_day


def build(options: Options, context: Context) -> PerSeries[Past]:
    return PerSeries(Novelty(options), Past, context, frozenset({Kind.GAUGE}))


class Novelty:
    def __init__(self, options: Options) -> None:
        self._options = options

    def start(self, series: Series) -> Past:
        return Past()

    def update(self, series: Series, memory: Past, at_ns: int, value: float) -> Point:
        _take(memory, at_ns, value)
        memory.value = value
        if memory.count < _WARM_UP:
            memory.count += 1
            return Point()
        options = self._options
        score = quiet.judge(memory.quiet, memory.total, options.threshold, options.hold)
        values, beyond = memory.seen.values, memory.new_value.tail.at
        return Point(score, value, values[0] - beyond, memory.usual.expected, values[-1] + beyond)

    def passed(self, series: Series, memory: Past, at_ns: int) -> Point | None:
        """Nothing: a series that says nothing is silent, not strange."""
        return None

    def miss(self, memory: Past, from_ns: int, to_ns: int) -> None:
        """Stretches that would hold the gap are not judged; what is known stays."""
        memory.broken = shapes.WIDTH

    def explain(self, series: Series, memory: Past, at_ns: int) -> Evidence:
        total = memory.total or 1.0
        evidence: Evidence = {
            "value": memory.value,
            "unit": series.unit,
            "mean_excesses": memory.total,
            "new_value_ratio": memory.new_value.excess / total,
            "new_shape_ratio": memory.new_shape.excess / total,
            "new_at_this_hour_ratio": _BY_DAY * memory.new_at_hour.excess / total,
            "unusual_for_the_time_of_day_ratio": _BY_DAY * memory.unusual.excess / total,
            "seen_low": memory.seen.values[0],
            "seen_high": memory.seen.values[-1],
        }
        expected = memory.usual.expected
        return evidence if math.isnan(expected) else {**evidence, "usual_now": expected}


def _take(memory: Past, at_ns: int, value: float) -> None:
    """Scores the four signals of one reading, then learns from it."""
    memory.new_value.take(seen.distance(memory.seen, value))
    seen.learn(memory.seen, value, _LAG)
    strange = shapes.strangeness(memory.shapes, value)
    if memory.broken:
        memory.broken -= 1
        memory.new_shape.excess = 0.0
    elif not math.isnan(strange):
        memory.new_shape.take(strange)
    memory.new_at_hour.take(hours.distance(memory.hours, at_ns, value))
    memory.unusual.take(usual.departure(memory.usual, at_ns, value))
