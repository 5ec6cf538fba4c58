"""Slow cycle: the machine still counts, but each unit takes longer than it usually does.

Input: COUNTER series (the time per unit between two counts) and GAUGE series whose unit is a time (`s`, `ms`, `min`):
cycle times as a controller reports them. The median of the last few is compared with the usual one; the score is its
excess over the limit, which is the larger of `slow_ratio` and four robust deviations. Value and band are the time per
unit, in s for counters and in the series' own unit for gauges. A pause is no slow cycle: a time above
`pause_ratio` usual ones is left to `output_drop`, and so is one that reaches into unplanned time or a gap.

Source: robust limits from median and MAD (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993). It fails for
mixed products of different cycle times, which widen its band, and for counters read more seldom than some cycles last,
where it sees the mean of those.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from collector.config import Section
from collector.readings import NS_PER_S, Kind, Series
from detectors.calendar import Calendar
from detectors.detector import NAN, Context, Evidence, PerSeries, Point
from detectors.missed import Missed
from detectors.quantile import median

_TIMES = frozenset({"s", "ms", "min"})
_LAST = 7  # cycles whose median is judged: one long cycle is none
_USUAL, _TO_LEARN = 120, 30
_DEVIATIONS = 4.0


class Options(Section, frozen=True, kw_only=True):
    """`slow_ratio`: how much longer than usual is tolerated at least. `pause_ratio`: usual cycles that make a pause."""

    slow_ratio: Annotated[float, msgspec.Meta(gt=0)] = 0.15
    pause_ratio: Annotated[float, msgspec.Meta(gt=1)] = 8.0


class Cycles(msgspec.Struct):
    """What is kept of one series: the times per unit, newest last."""

    last_ns: int = 0
    value: float = NAN
    count_ns: int = 0
    last: list[float] = []
    usual: list[float] = []
    lost: float = 0.0  # time since cycles became slow, in the unit of the cycles
    slow_ns: int = 0  # since when, 0 while they are not
    missed: Missed = msgspec.field(default_factory=Missed)


def build(options: Options, context: Context) -> PerSeries[Cycles]:
    return PerSeries(SlowCycle(options, context.calendar), Cycles, context, frozenset({Kind.COUNTER, Kind.GAUGE}))


class SlowCycle:
    def __init__(self, options: Options, calendar: Calendar) -> None:
        self._options = options
        self._calendar = calendar

    def start(self, series: Series) -> Cycles:
        return Cycles()

    def update(self, series: Series, memory: Cycles, at_ns: int, value: float) -> Point:
        if series.kind is Kind.GAUGE:
            cycle = value if series.unit in _TIMES and value > 0 else NAN
        else:
            cycle = self._between_counts(series, memory, at_ns, value)
        memory.value = value
        usual = median(memory.usual) if len(memory.usual) >= _TO_LEARN else NAN
        if not cycle > 0 or cycle > self._options.pause_ratio * usual:
            return Point()
        memory.last = [*memory.last[1 - _LAST :], cycle]
        point = self._judge(memory, usual)
        self._learn(memory, at_ns, cycle, usual, is_slow=point.score >= 1.0)
        return point

    def passed(self, series: Series, memory: Cycles, at_ns: int) -> Point | None:
        """Nothing: a cycle is judged when it is over; one that never ends is a stop."""
        return None

    def miss(self, memory: Cycles, from_ns: int, to_ns: int) -> None:
        memory.missed.add(from_ns, to_ns)

    def explain(self, series: Series, memory: Cycles, at_ns: int) -> Evidence:
        unit = series.unit if series.kind is Kind.GAUGE else "s"
        said: Evidence = {"cycle": median(memory.last), "cycle_unit": unit} if memory.last else {}
        if len(memory.usual) >= _TO_LEARN:
            said["usual_cycle"] = median(memory.usual)
        if memory.slow_ns:
            said |= {"slow_since_s": memory.slow_ns / NS_PER_S, "time_lost": memory.lost}
        return said

    def _between_counts(self, series: Series, memory: Cycles, at_ns: int, value: float) -> float:
        """The time per unit since the last count, s; NaN where none came, or where part of it was not for running."""
        units, since_ns = value - memory.value, memory.count_ns
        if not memory.last_ns or units < 0:  # the first reading, or a counter that restarts
            memory.count_ns = at_ns
            return NAN
        is_hole = memory.missed.heard(memory.last_ns, at_ns)
        if units == 0:
            return NAN
        memory.count_ns = at_ns
        missed_ns = memory.missed.within_ns(since_ns, at_ns)
        memory.missed.forget(at_ns)
        over_s = (at_ns - since_ns) / NS_PER_S
        line = series.equipment.line
        is_planned = self._calendar.planned_from_ns(line, at_ns, since_ns) <= since_ns
        return over_s / units if is_planned and not is_hole and not missed_ns else NAN

    def _judge(self, memory: Cycles, usual: float) -> Point:
        if not usual > 0 or len(memory.last) < _LAST:
            return Point()
        spread = 1.4826 * median(abs(cycle - usual) for cycle in memory.usual)
        half = max(self._options.slow_ratio * usual, _DEVIATIONS * spread)
        now = median(memory.last)
        return Point(max((now - usual) / half, 0.0), now, max(usual - half, 0.0), usual, usual + half)

    def _learn(self, memory: Cycles, at_ns: int, cycle: float, usual: float, *, is_slow: bool) -> None:
        memory.usual = [*memory.usual[1 - _USUAL :], cycle]
        if not is_slow:
            memory.slow_ns, memory.lost = 0, 0.0
            return
        memory.slow_ns = memory.slow_ns or at_ns
        memory.lost += max(cycle - usual, 0.0)
