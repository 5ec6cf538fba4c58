"""Standing: where statistics that are learned row by row have their limits, and how long their alarms stand.

Input: the tail of each statistic's past (`detectors.novel.tail`); then, row by row, the largest share of a limit.
Output: the score, 1.0 at the limit, and whether the row may teach. For methods that judge whole cells.

An alarm begins when some rows in a row were past the limit and ends when some were below it again: k of k rows, as in
Page's and the Western Electric rules for runs (1955, 1956). No limit is told as rarer than the rows learned can tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from detectors.detector import NAN
from detectors.novel import tail

TAIL = 0.1  # the share of the past that is its tail
_DOUBTFUL = 0.7  # a row from this score on teaches nothing
_ENDS = 0.85  # an alarm stands until its score has been lower than this for a while
_CONFIRMING_RATIO, _CALM_RATIO = 0.25, 0.5  # of the rows smoothed over: past the limit before an alarm stands, and
# below its end before it is over
_UNCONFIRMED = 0.999
_LEAST_EXCESS = 0.03  # of the quantile
_DOUBT = 0.5  # a limit learned from few independent rows is wider by this root: half the standard error of its scale


class Standing(msgspec.Struct):
    """`rows` judged; `alarm` counts the rows of the present one, `calm` those below its end, `past` those in a row past
    the limit before it stands."""

    rows: int = 0
    alarm: int = 0
    calm: int = 0
    past: int = 0


class Hold:
    """All lengths are in rows: smoothed over, warming up, and after which an alarm is the new usual."""

    def __init__(self, smooth: int, warm: int, accept_after: int) -> None:
        self._warm, self._accept_after = warm, accept_after
        self._confirming = max(1, round(_CONFIRMING_RATIO * smooth))
        self._calm = max(1, round(_CALM_RATIO * smooth))

    def stood(self, memory: Standing, level: float) -> tuple[float, bool]:
        """(score with the hold, whether the row teaches); the score is NaN while warming up."""
        memory.rows += 1
        if memory.rows <= self._warm:
            return NAN, True
        memory.past = memory.past + 1 if level >= 1.0 else 0
        if level >= 1.0 and (memory.alarm or memory.past >= self._confirming):
            memory.alarm, memory.calm = memory.alarm + 1, 0
        elif memory.alarm:
            memory.alarm, memory.calm = memory.alarm + 1, memory.calm + 1 if level < _ENDS else 0
            if memory.calm >= self._calm:
                memory.alarm = 0
        teaches = (level < _DOUBTFUL and not memory.alarm) or memory.alarm > self._accept_after
        return (max(level, 1.0) if memory.alarm else min(level, _UNCONFIRMED)), teaches


def limits(tails: Sequence[tail.Tail], rarest: float, smooth: int) -> list[float]:
    """Where each statistic is an alarm: together once in `rarest` rows; endless before any was learned."""
    excesses = math.log(max(TAIL * rarest * len(tails), 1.0))
    count = tails[-1].count
    doubt = math.sqrt(_DOUBT * smooth / count) if count else math.inf
    return [_limit(past, excesses) * (1.0 + doubt) for past in tails]


def _limit(past: tail.Tail, excesses: float) -> float:
    """So many mean excesses above the quantile; endless before any was learned."""
    mean_excess = past.above_sum / past.above - past.at if past.above else past.at
    return past.at + excesses * max(mean_excess, _LEAST_EXCESS * past.at) or math.inf
