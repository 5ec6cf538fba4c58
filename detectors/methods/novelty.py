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
from collections.abc import Iterable
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from collector.config import Section
from collector.readings import Kind, Series
from detectors.detector import NAN, Context, Evidence
from detectors.novel import hours, quiet, seen, shapes, tail, usual
from detectors.novel.runs import Floats, Instants, PerSeriesRuns
from detectors.novel.tail import Excesses

WARM_UP = 150  # readings of a series before it is judged
_LAG = 12  # readings until a value counts as seen
_TAIL = 0.1  # the share of the past that is its tail
_BY_DAY = 0.25  # the weight of a signal that looks at the time of day: many series have none
_WEIGHTS = 2.0 + 2.0 * _BY_DAY  # of the four signals, which may all rise at once


class Options(Section, frozen=True, kw_only=True):
    """`threshold` in mean excesses of the tail, summed; `hold`: readings from one alarm to the next.

    `columns`: so many series are looked at side by side, and are to raise together what one would raise alone. A tail
    falls by a factor of e with each mean excess, so the threshold is higher by the logarithm of their number, times the
    weights of the signals that are summed.
    """

    threshold: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    hold: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 100
    columns: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1


class Signal(msgspec.Struct):
    """One signal's tail, and the excess of its last value."""

    tail: tail.Tail = msgspec.field(default_factory=tail.Tail)
    excess: float = 0.0

    def take(self, values: Iterable[float]) -> Excesses:
        """Scores values that follow each other, each before it is learned; NaN is no value."""
        said = tail.excesses(self.tail, values, _TAIL)
        if said.excess:
            self.excess = said.excess[-1]
        return said


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


class Taken(NamedTuple):
    """Of each reading the sum that is judged, and the band of what would be no news."""

    total: list[float]
    low: list[float]
    expected: list[float]
    high: list[float]


def build(options: Options, context: Context) -> PerSeriesRuns[Past]:
    return PerSeriesRuns(Novelty(options), Past, context, frozenset({Kind.GAUGE}))


class Novelty:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._threshold = options.threshold + _WEIGHTS * math.log(options.columns)

    def start(self, series: Series) -> Past:
        return Past()

    def update(self, memory: Past, at_ns: Instants, value: Floats) -> Floats:
        taken = take(memory, at_ns, value)
        memory.value = float(value[-1])
        said = np.full((5, len(value)), NAN)
        warming = min(WARM_UP - memory.count, len(value))
        memory.count += warming
        judged = slice(warming, None)
        score = quiet.judged(memory.quiet, taken.total[judged], self._threshold, self._options.hold)
        said[:, judged] = score, value[judged], taken.low[judged], taken.expected[judged], taken.high[judged]
        return said

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


def take(memory: Past, at_ns: Instants, value: Floats) -> Taken:
    """The sums of readings that follow each other, each of the four signals scored before it is learned."""
    instants, readings = at_ns.tolist(), value.tolist()
    near = seen.distances(memory.seen, readings, _LAG)
    by_day = usual.departures(memory.usual, instants, readings)
    new, beyond = memory.new_value.take(near.apart)
    shape = _new_shapes(memory, value)
    at_hour = memory.new_at_hour.take(hours.distances(memory.hours, instants, value)).excess
    unusual = memory.unusual.take(by_day.apart).excess
    return Taken(
        [a + b + _BY_DAY * (c + d) for a, b, c, d in zip(new, shape, at_hour, unusual, strict=True)],
        [one - more for one, more in zip(near.lowest, beyond, strict=True)],
        by_day.expected,
        [one + more for one, more in zip(near.highest, beyond, strict=True)],
    )


def _new_shapes(memory: Past, value: Floats) -> list[float]:
    """The excess of the last stretch that was looked at, 0 while a stretch would hold a gap."""
    strange, signal = shapes.strangenesses(memory.shapes, value), memory.new_shape
    broken = min(memory.broken, len(strange))
    if broken:
        memory.broken -= broken
        signal.excess = 0.0
    said = broken * [0.0]
    last = signal.excess
    excesses = iter(signal.take([one for one in strange[broken:] if one == one]).excess)
    for one in strange[broken:]:
        if one == one:
            last = next(excesses)
        said.append(last)
    return said
