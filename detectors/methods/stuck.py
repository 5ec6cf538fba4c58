"""Stuck: a gauge that used to change keeps repeating one value although readings keep coming.

Input: GAUGE series. Runs of equal readings are counted; the longest of the last 32 to 64 runs tells how long this
series may rightly repeat itself. The score is 1.0 when a run is `margin` times that long and has lasted `after_s`; the
first changed value ends it. Output: value is the run's length in readings, high the length that is still usual.

Source: the flat-line (persistence) test of real-time quality control (IOOS QARTOD manual for temperature and salinity,
test 8), with the length learned instead of given. It fails for a series that rests for hours between changes (a set
point: quiet until 20 changes are known, then as slow as its longest rest), for a sensor that freezes with noise on top,
and for one that truly rests while the line stands: let `output_drop` suppress it. A run that was nothing unusual before
a gap in the readings says nothing after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from collector.config import NotNegative, Section
from collector.readings import NS_PER_S, Kind, Series
from detectors.charts.arithmetic import Arithmetic, N
from detectors.columns import PerSeriesColumns, Step
from detectors.detector import NAN, Context, Evidence
from detectors.missed import LONGEST, USUAL_GAIN

_CHANGES = 20  # changes before a series counts as one that changes
_RUNS = 64  # the recent past, in two parts: the older one is given up at once
_SHORTEST = 4  # readings: two or three equal values are no news on a coarse scale


class Options(Section, frozen=True, kw_only=True):
    """`after_s`: the shortest time that counts as stuck. `margin`: how many times the longest usual run."""

    after_s: NotNegative = 60.0
    margin: Annotated[float, msgspec.Meta(ge=1)] = 5.0


def build(options: Options, context: Context) -> PerSeriesColumns:
    return PerSeriesColumns(Stuck(options), context, frozenset({Kind.GAUGE}))


class Stuck:
    """Numbers: the seconds missing before the reading, the usual ones between two; of the present run of equal readings
    the value, the length and how long it lasted; how many runs there were; how many of them in this part of the recent
    past, the longest of those, and the longest of the part before."""

    fields = 9
    first = 1
    hole_and_usual_s = (0, 1)

    def __init__(self, options: Options) -> None:
        self._options = options

    def update(self, of: Arithmetic[N], numbers: Sequence[N], elapsed_s: N, value: N) -> Step[N]:
        hole_s, usual_s, last, length, lasted_s, runs, here, longest_here, longest_before = numbers
        longest = of.most(longest_here, longest_before)
        is_whole, is_begun = hole_s == 0.0, length > 0.0
        goes_on = is_begun & (value == last) & (is_whole | (length > longest))
        is_over = is_begun & is_whole & (value != last)
        limit = self._limit(of, longest)
        counted = of.where(runs >= _CHANGES, of.least(length, limit), length)
        longest_here = of.where(is_over, of.where(counted > longest_here, counted, longest_here), longest_here)
        here = of.where(is_over, here + 1.0, here)
        is_full = here >= _RUNS / 2
        runs = of.where(is_over, of.least(runs + 1.0, _CHANGES), runs)
        length = of.where(goes_on, length + 1.0, 1.0)
        lasted_s = of.where(goes_on, lasted_s + elapsed_s - hole_s, 0.0)
        longest_before = of.where(is_full, longest_here, longest_before)
        longest_here = of.where(is_full, 0.0, longest_here)
        kept = [0.0 * here, self._usual_s(of, usual_s, of.where(is_whole, elapsed_s, NAN)), value, length, lasted_s]
        kept += [runs, of.where(is_full, 0.0, here), longest_here, longest_before]
        limit = self._limit(of, of.most(longest_here, longest_before))
        score = length / limit
        if self._options.after_s > 0:
            score = of.least(score, lasted_s / self._options.after_s)
        is_judged = runs >= _CHANGES
        one, nothing = of.where(is_judged, 1.0, NAN), 0.0 * length + NAN
        return Step(
            kept,
            of.where(is_judged, score, NAN),
            of.where(is_judged, length, NAN),
            one,
            one,
            of.where(is_judged, limit, NAN),
            nothing,
        )

    def begin(self, numbers: Sequence[float], first: Sequence[float]) -> Sequence[float]:
        """Nothing is gathered."""
        return numbers

    def explain(self, series: Series, numbers: Sequence[float], last_ns: int) -> Evidence:
        _, _, value, length, lasted_s, _, _, longest_here, longest_before = numbers
        return {
            "repeated": value,
            "unit": series.unit,
            "readings": int(length),
            "since_s": last_ns / NS_PER_S - lasted_s,
            "unchanged_s": lasted_s,
            "longest_usual_readings": int(max(longest_here, longest_before)),
        }

    def _limit(self, of: Arithmetic[N], longest: N) -> N:
        """How many equal readings in a row are an alarm."""
        return self._options.margin * of.most(longest, _SHORTEST)

    def _usual_s(self, of: Arithmetic[N], usual_s: N, between_s: N) -> N:
        """The usual time between two readings after one more; NaN: none, or a hole."""
        longest_s = of.where(usual_s > 0.0, LONGEST * usual_s, between_s)
        counted_s = of.where(between_s > longest_s, longest_s, between_s)
        moved_s = of.where(usual_s > 0.0, usual_s + USUAL_GAIN * (counted_s - usual_s), counted_s)
        return of.where(between_s == between_s, moved_s, usual_s)
