"""How much of its usual output a line makes (OutputRatio): the measured ratio between bounds that its count allows.

A count of N units says a rate only as well as N is large. The bounds are Garwood's for a Poisson count (Biometrika 28,
1936; gamma quantiles), each one-sided: a line at a steady takt varies less, so they err on the wide side. What was not
heard widens them as far as it could: nothing made, or all that is possible. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

from scipy.special import gammaincinv

CONFIDENCE_RATIO = 0.95  # of each bound
MOST_RATIO = 1.1  # more than this of the usual is not believed


class OutputRatio(NamedTuple):
    """Measured over usual output, each 0 to 1.1; what a plan may rely on is `low`. `high` below 1: it is slower."""

    ratio: float
    low: float
    high: float

    @property
    def is_slow(self) -> bool:
        """Whether chance alone does not explain that it makes less than usual."""
        return self.high < 1.0


def output_ratio(units: float, usual_units: float, unheard_ratio: float = 0.0) -> OutputRatio:
    """The ratio of `units` counted to the `usual_units` of the same time; nothing is usual: nothing is known, 0 to 1.1.

    `unheard_ratio` (0 to 1) of the time is not known: the ratio is that of the rest, and the bounds allow for any
    output in it. Raises ValueError below 0.
    """
    if not (units >= 0 and usual_units >= 0 and 0 <= unheard_ratio <= 1):
        raise ValueError(f"{units} units of {usual_units}, {unheard_ratio} unheard: none of them may be below 0")
    if not usual_units:
        return OutputRatio(0.0, 0.0, MOST_RATIO)
    low, high = poisson_bounds(units)
    heard = 1 - unheard_ratio
    return OutputRatio(
        _clipped(units / usual_units),
        _clipped(heard * low / usual_units),
        _clipped(heard * high / usual_units + unheard_ratio * MOST_RATIO),
    )


def poisson_bounds(count: float) -> tuple[float, float]:
    """The mean that a Poisson count allows, from below and from above, each with CONFIDENCE_RATIO."""
    low = float(gammaincinv(count, 1 - CONFIDENCE_RATIO)) if count > 0 else 0.0
    return low, float(gammaincinv(count + 1, CONFIDENCE_RATIO))


def _clipped(ratio: float) -> float:
    return min(MOST_RATIO, max(0.0, ratio))
