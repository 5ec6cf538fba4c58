"""Baseline: what is usual of a series, learned from the series itself, for charts that judge by distance from it.

The first readings are kept; their median and MAD, made efficient by Huber's joint estimate, begin the centre and the
deviation. From then on every reading moves both by its distance, held at 3 deviations, with a gain of one in all
readings so far, down to one in `memory`: outliers move little, drift is followed slowly.

Readings may depend on those before, on the last one or on a slow walk beneath their noise. So an exponential average of
them is kept that looks back as far as the chart does, and its mean square, in that of independent readings, widens the
deviation: a measurement, with no model of the dependence. While few independent stretches of that length are known the
deviation is wider, as Student's t is at three deviations.

A series that rests at one value nine times of ten has no deviation: it is not judged, and the next readings are tried.
Sources: Huber, Robust Estimation of a Location Parameter (1964), proposal 2; Hawkins, Self-Starting CUSUM Charts for
Location and Scale (1987); Quesenberry, SPC Q Charts for Start-Up Processes (1991); Bagshaw and Johnson, The Effect of
Serial Correlation on the Performance of CUSUM Tests II (1975); Zhang, A Statistical Control Chart for Stationary
Process Data (1998), limits from the average's own variance; Peiser (1943) for the quantiles of Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Generic, NamedTuple

from detectors.charts.arithmetic import Arithmetic, N
from detectors.charts.quiet import Verdict
from detectors.detector import NAN
from detectors.quantile import median

FIELDS = 6
DEVIATION = 2  # of the numbers: that of one reading as it is
LEARNED_FROM = 100  # readings
UNKNOWN = (0.0,) * FIELDS

_BOUND = 3.0  # deviations at which a reading's weight is held
_DOUBT = 2.5  # over the degrees of freedom: what Student's t has more at three deviations
_LEAST_RATIO = 0.5  # of its first deviation: a machine that rests a night still moves in the morning
_RESTING = 10  # one in so many readings, at each end, does not make a resting series a moving one
_ROUNDING_RATIO = 1e-9  # of the value: less is a float's own noise
_STEPS = 5  # of Huber's iteration: the rest is a thousandth of a deviation


class Usual(NamedTuple, Generic[N]):
    """`centre`, and `deviation` of one reading, widened; NaN while learning."""

    centre: N
    deviation: N


class Baseline:
    """`memory` readings of the past count; `least_ratio` of the centre is the least deviation. `weight`: of a reading
    in the average that widens the deviation, 0: readings are judged one by one, and nothing is widened."""

    def __init__(self, memory: float, least_ratio: float = _ROUNDING_RATIO, *, weight: float = 0.0) -> None:
        self._memory = memory
        self._least_ratio = least_ratio
        self._weight = weight
        self._independent = _BOUNDED_VARIANCE * weight / (2.0 - weight)  # the average's variance

    def usual(self, of: Arithmetic[N], numbers: Sequence[N]) -> Usual[N]:
        """What is usual before the reading at hand. `numbers` are FIELDS."""
        count, centre, deviation, _, _, dependence = numbers
        known = of.most(count, 1.0)
        variance = 1.0 + 1.0 / known  # of the reading, and of the centre itself
        if self._weight:
            stretches = self._weight * known  # independent squares of the average; of itself half as many
            doubt = 1.0 + _DOUBT / stretches
            variance = of.most(dependence, 1.0) * doubt * doubt * (1.0 + 2.0 / stretches)
        is_known = deviation > 0.0
        widened = deviation * of.root(variance)
        return Usual(of.where(is_known, centre, NAN), of.where(is_known, widened, NAN))

    def learned(self, of: Arithmetic[N], numbers: Sequence[N], value: N, verdict: Verdict[N]) -> list[N]:
        """The numbers after a reading: of series still unknown, and where an alarm stands, the same."""
        count, centre, deviation, least, average, dependence = numbers
        learns = (deviation > 0.0) & verdict.is_calm & (value == value)
        distance = of.where(learns, value - centre, 0.0) / of.where(learns, deviation, 1.0)
        bounded = of.most(of.least(distance, _BOUND), -_BOUND)
        count = of.where(learns, count + 1.0, count)
        gain = of.where(learns, 1.0 / of.most(of.least(count, self._memory), 1.0), 0.0)
        spread = 1.0 + 0.5 * gain * (bounded * bounded / _BOUNDED_VARIANCE - 1.0)
        if self._weight:
            average = average + of.where(learns, self._weight, 0.0) * (bounded - average)
            dependence = dependence + gain * (average * average / self._independent - dependence)
        return [
            count,
            centre + gain * deviation * bounded,
            of.most(deviation * spread, least),
            least,
            average,
            dependence,
        ]

    def begun(self, first: Sequence[float]) -> Sequence[float]:
        """The numbers after the first readings; UNKNOWN where these rest at one value."""
        centre, deviation, least = _begin(first, self._least_ratio)
        if not deviation > 0.0:
            return UNKNOWN
        bounded = [_bounded((one - centre) / deviation) for one in first]
        return [float(len(first)), centre, deviation, least, *self._averaged(bounded)]

    def _averaged(self, bounded: Sequence[float]) -> tuple[float, float]:
        """The average after the first readings, and its mean square in what independent ones have from a start at 0."""
        if not self._weight:
            return 0.0, 0.0
        average = squares = expected = 0.0
        decay = (1.0 - self._weight) ** 2
        for i, one in enumerate(bounded):
            average += self._weight * (one - average)
            squares += average * average
            expected += self._independent * (1.0 - decay ** (i + 1))
        return average, squares / expected


def _begin(first: Sequence[float], least_ratio: float) -> tuple[float, float, float]:
    """Centre, deviation and least deviation of the first readings; deviation 0 where they rest at one value."""
    centre = median(first)
    usual = sorted(first)[len(first) // _RESTING : len(first) - len(first) // _RESTING]
    step = min((after - before for before, after in pairwise(usual) if after > before), default=0.0)
    floor = max(step, least_ratio * abs(centre))
    deviation = max(1.4826 * median(abs(one - centre) for one in first), floor)
    if not deviation > _ROUNDING_RATIO * abs(centre):
        return centre, 0.0, 0.0
    for _ in range(_STEPS):
        bounded = [_bounded((one - centre) / deviation) for one in first]
        mean = sum(bounded) / len(first)
        squares = sum((one - mean) ** 2 for one in bounded) / (len(first) - 1) / _BOUNDED_VARIANCE
        centre, deviation = centre + deviation * mean, max(deviation * math.sqrt(squares), floor)
    return centre, deviation, max(floor, _LEAST_RATIO * deviation)


def _bounded(distance: float) -> float:
    return min(max(distance, -_BOUND), _BOUND)


def _variance_of_bounded() -> float:
    """Of a standard normal value held at the bound."""
    inside = math.erf(_BOUND / math.sqrt(2))
    return inside + _BOUND**2 * (1 - inside) - 2 * _BOUND * math.exp(-(_BOUND**2) / 2) / math.sqrt(2 * math.pi)


_BOUNDED_VARIANCE = _variance_of_bounded()
