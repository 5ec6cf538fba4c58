"""A count CUSUM against an expected rate: tells a lasting drop that no single window would show.

Input: units made in a stretch of running, and how many were usual. Output: the sum over its decision interval (1.0 is
the alarm), when the drop began, and what it has cost. Pure; a few numbers of memory.

Source: Lucas, Counted Data CUSUM's (1985); k and h for a wanted average run length from `detectors.run_length`.
Counts are divided by their dispersion (variance over mean, learned from the intervals) first, so that a machine with a
takt is judged sooner than Poisson's counts and one that often pauses later. It fails where the usual rate is itself
wrong by half of the drop.
"""

from __future__ import annotations

import math

import msgspec

from collector.readings import NS_PER_S
from detectors.run_length import poisson_cusum_h, poisson_cusum_k

LEAST_UNITS = 5.0  # usual units of an interval of the chart: fewer make too fine a scale
_MOST_UNITS = 60.0  # above, a chart designed for this many serves: the drop is seen at once either way
_GRID = 1.05  # rates are designed for in steps of this ratio, so that few designs serve all
_LEAST_DISPERSION = 0.25  # a takt: below, the error of the usual rate would count for more than chance
_MEMORY, _MOST_DEVIATIONS = 400, 3.0  # intervals that the dispersion is learned from; further off counts as so far
_CAP = 1.15  # of the decision interval: so long a drop is over soon after it ends
_LEAST_ARL0, _MOST_ARL0 = 100.0, 1e5


class Chart(msgspec.Struct):
    """`sum` is a share of the decision interval; `made`, `usual` and `over_s` are those of the interval not over."""

    sum: float = 0.0
    dispersion: float = 1.0
    began_ns: int = 0  # since when the sum is above 0
    lost: float = 0.0  # units since then
    made: float = 0.0
    usual: float = 0.0
    over_s: float = 0.0
    ran: tuple[float, float, float] = (0.0, 1.0, 0.0)  # sum, dispersion and lost at the last count


class SlowDrop:
    """Designed for a drop by `drop_ratio` (below 0: a rise), and one false alarm in `false_alarm_s` of running."""

    def __init__(self, drop_ratio: float, false_alarm_s: float) -> None:
        self._drop_ratio = drop_ratio
        self._false_alarm_s = false_alarm_s

    def add(self, chart: Chart, at_ns: int, made: float, usual: float, over_s: float) -> None:
        """Takes in a stretch of running that ends at `at_ns`; closes the chart's interval when it holds enough."""
        chart.made += made
        chart.usual += usual
        chart.over_s += over_s
        if chart.usual / chart.dispersion >= LEAST_UNITS:
            self._close(chart, at_ns)
        if made > 0:
            chart.ran = (chart.sum, chart.dispersion, chart.lost)

    def _close(self, chart: Chart, at_ns: int) -> None:
        """The interval is over."""
        if chart.sum <= 0.0:
            chart.began_ns, chart.lost = at_ns - int(chart.over_s * NS_PER_S), 0.0
        chart.sum = min(max(chart.sum + self._step(chart), 0.0), _CAP)
        chart.lost += chart.usual - chart.made
        _learn_dispersion(chart)
        chart.made = chart.usual = chart.over_s = 0.0

    def _step(self, chart: Chart) -> float:
        """What the interval adds, as a share of the decision interval."""
        usual = chart.usual / chart.dispersion
        designed = min(_GRID ** round(math.log(usual) / math.log(_GRID)), _MOST_UNITS)
        arl0 = min(max(self._false_alarm_s / max(chart.over_s, 1e-9), _LEAST_ARL0), _MOST_ARL0)
        # In steps, never below what is wanted: the decision interval grows with the logarithm.
        k, h = _design(designed, self._drop_ratio, 10.0 ** (math.ceil(40 * math.log10(arl0)) / 40))
        scale = usual / designed
        towards = 1.0 if self._drop_ratio > 0 else -1.0
        return towards * (k * scale - chart.made / chart.dispersion) / (h * max(scale, 1.0))


def fresh(dispersion: float) -> Chart:
    """A chart that has summed up nothing."""
    return Chart(dispersion=dispersion, ran=(0.0, dispersion, 0.0))


def stood(chart: Chart) -> None:
    """The line has not been running since its last count: what was summed up since then is undone."""
    chart.sum, chart.dispersion, chart.lost = chart.ran
    chart.made = chart.usual = chart.over_s = 0.0


def _learn_dispersion(chart: Chart) -> None:
    most = chart.dispersion * _MOST_DEVIATIONS**2
    seen = min((chart.made - chart.usual) ** 2 / chart.usual, most)
    chart.dispersion = max(chart.dispersion + (seen - chart.dispersion) / _MEMORY, _LEAST_DISPERSION)


def _design(rate: float, drop_ratio: float, arl0: float) -> tuple[float, float]:
    return poisson_cusum_k(rate, drop_ratio), poisson_cusum_h(rate, drop_ratio, arl0)
