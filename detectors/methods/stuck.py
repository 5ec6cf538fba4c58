"""Stuck: a gauge that used to change keeps repeating one value although readings keep coming.

Input: GAUGE series. Runs of equal readings are counted; the longest of the recent runs tells how long this series may
rightly repeat itself. The score is 1.0 when a run is `margin` times that long and has lasted `after_s`; the first
changed value ends it. Output: value is the run's length in readings, high the length that is still usual.

Source: the flat-line (persistence) test of real-time quality control (IOOS QARTOD manual for temperature and salinity,
test 8), with the length learned instead of given. It fails for a series that rests for hours between changes (a set
point: quiet until 20 changes are known, then as slow as its longest rest), for a sensor that freezes with noise on top,
and for one that truly rests while the line stands: let `output_drop` suppress it. A run that was nothing unusual before
a gap in the readings says nothing after it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from collector.config import NotNegative, Section
from collector.readings import NS_PER_S, Kind, Series
from detectors.detector import NAN, Context, Evidence, PerSeries, Point
from detectors.missed import Missed

_CHANGES = 20  # changes before a series counts as one that changes
_RUNS = 64  # the recent past
_SHORTEST = 4  # readings: two or three equal values are no news on a coarse scale


class Options(Section, frozen=True, kw_only=True):
    """`after_s`: the shortest time that counts as stuck. `margin`: how many times the longest usual run."""

    after_s: NotNegative = 60.0
    margin: Annotated[float, msgspec.Meta(ge=1)] = 5.0


class Run(msgspec.Struct):
    """The present run of equal readings, and the lengths in readings of those before."""

    last_ns: int = 0
    value: float = NAN
    since_ns: int = 0
    length: int = 0
    lengths: list[int] = []
    missed: Missed = msgspec.field(default_factory=Missed)
    longest: int = 0  # of `lengths`

    def __post_init__(self) -> None:
        self.longest = max(self.lengths, default=0)


def build(options: Options, context: Context) -> PerSeries[Run]:
    return PerSeries(Stuck(options), Run, context, frozenset({Kind.GAUGE}))


class Stuck:
    def __init__(self, options: Options) -> None:
        self._options = options

    def start(self, series: Series) -> Run:
        return Run()

    def update(self, series: Series, memory: Run, at_ns: int, value: float) -> Point:
        hole_ns = self._hole_ns(memory, at_ns) if memory.last_ns else 0
        goes_on = not hole_ns or memory.length > memory.longest
        if goes_on and value == memory.value:
            memory.length += 1
            memory.since_ns += hole_ns
        else:
            if not hole_ns:
                self._learn(memory)
            memory.value, memory.since_ns, memory.length = value, at_ns, 1
        if len(memory.lengths) < _CHANGES:
            return Point()
        limit = self._limit(memory)
        score = memory.length / limit
        if self._options.after_s > 0:
            score = min(score, (at_ns - memory.since_ns) / NS_PER_S / self._options.after_s)
        return Point(score, memory.length, 1.0, 1.0, limit)

    def passed(self, series: Series, memory: Run, at_ns: int) -> Point | None:
        """Nothing: a series that says nothing is silent, not stuck."""
        return None

    def miss(self, memory: Run, from_ns: int, to_ns: int) -> None:
        memory.missed.add(from_ns, to_ns)

    def explain(self, series: Series, memory: Run, at_ns: int) -> Evidence:
        return {
            "repeated": memory.value,
            "unit": series.unit,
            "readings": memory.length,
            "since_s": memory.since_ns / NS_PER_S,
            "unchanged_s": (memory.last_ns - memory.since_ns) / NS_PER_S,
            "longest_usual_readings": memory.longest,
        }

    def _hole_ns(self, memory: Run, at_ns: int) -> int:
        """How much is missing since the last reading, in which a change may have gone unseen; 0 if nothing of note."""
        hole_ns = memory.missed.within_ns(memory.last_ns, at_ns) if memory.missed.spans else 0
        is_hole = memory.missed.heard(memory.last_ns, at_ns)
        if memory.missed.spans:
            memory.missed.forget(at_ns)
        return hole_ns if is_hole else 0

    def _learn(self, memory: Run) -> None:
        """Keeps the length of the run that just ended; one that was itself stuck counts as the limit it reached."""
        length = memory.length
        if length > memory.longest:
            if len(memory.lengths) >= _CHANGES:
                length = min(length, int(self._limit(memory)))
            memory.longest = length
        if length:
            memory.lengths.append(length)
            if len(memory.lengths) > _RUNS and memory.lengths.pop(0) == memory.longest:
                memory.longest = max(memory.lengths)

    def _limit(self, memory: Run) -> float:
        return self._options.margin * (memory.longest if memory.longest > _SHORTEST else _SHORTEST)
