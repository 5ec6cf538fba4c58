"""What left a stock beside what output explains: whether the difference lasts, and what it moves with.

Input: for each stretch of time, what the stock fell by, what the units made should have taken, and what the units
scrapped would take besides. Output: the two-sided sum of the differences over its decision interval, and the cause that
explains them best. Used by `detectors.methods.stock_difference`. Pure; the last stretches are kept, a bounded number.

Each cause says how the difference should be spread over the stretches: evenly in time (a leak), as output (use that the
bill of materials does not state), as scrap, or in one step (a wrong count, a booking nobody made). The one with the
smallest sum of squared errors is named, and with it those that do nearly as well: a leak and unbooked use look alike
until the line has stood. Source: Hawkins and Olwell, Cumulative Sum Charts (1998), for the sums. It fails where causes
move together, as scrap and output do on a line that never varies, and for two causes at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from detectors.quantile import median
from detectors.run_length import cusum_h

KEPT = 48  # stretches
TO_JUDGE = 6  # stretches with output before anything is said
_K = 0.5  # of a deviation: a lasting difference of one is what the sums see soonest
_MOST_DEVIATIONS = 6.0  # that one stretch counts
_AS_WELL = 0.1  # of all squares: causes whose errors differ by less explain as well
_FEW = 3  # stretches: fewer fit every cause
_CAP = 1.3  # of the decision interval: so long a difference is over soon after it ends
_LEAK, _BEYOND, _SCRAP, _COUNT = "leak", "unbooked use", "scrap", "wrong count"
_LESS = {
    _LEAK: "unbooked receipts",
    _BEYOND: "output that is overstated",
    _SCRAP: "scrap that takes less than is booked",
    _COUNT: "wrong count",
}


class Stretch(msgspec.Struct, array_like=True):
    """Units of the component in a stretch of time that ends at `to_ns`."""

    to_ns: int
    left: float
    explained: float
    scrapped: float
    step: float = 0.0  # of the difference, what came in one step of the stock
    within: float = 0.0  # what chance and tolerance allow it to be

    @property
    def difference(self) -> float:
        """Above 0: more left than output explains."""
        return self.left - self.explained


class Balance(msgspec.Struct):
    """What is kept of one stock. `more` and `less` are the two sums, in deviations."""

    stretches: list[Stretch] = []
    more: float = 0.0
    less: float = 0.0
    more_ns: int = 0  # since when each sum is above 0
    less_ns: int = 0

    @property
    def is_known(self) -> bool:
        return sum(one.explained > 0 for one in self.stretches) >= TO_JUDGE

    def add(self, stretch: Stretch, tolerance_ratio: float, least: float, arl0: float) -> float:
        """Judges a stretch by those before it, then keeps it; the larger sum over the decision interval for one false
        alarm in `arl0` stretches, NaN while too few are known. `least`: a difference that is none (the stock's lot).
        """
        score = math.nan
        if self.is_known:
            h = cusum_h(_K, arl0)
            stretch.within = max(self._deviation(), tolerance_ratio * self._usual_use(), least, 1e-9)
            step = min(max(stretch.difference / stretch.within, -_MOST_DEVIATIONS), _MOST_DEVIATIONS)
            began_ns = self.stretches[-1].to_ns
            self.more_ns = self.more_ns if self.more > 0 else began_ns
            self.less_ns = self.less_ns if self.less > 0 else began_ns
            self.more = min(max(self.more + step - _K, 0.0), _CAP * h)
            self.less = min(max(self.less - step - _K, 0.0), _CAP * h)
            score = max(self.more, self.less) / h
        self.stretches = [*self.stretches[1 - KEPT :], stretch]
        return score

    def since_ns(self) -> int:
        """Since when the difference has lasted, 0 where there is none."""
        if self.more <= 0 and self.less <= 0:
            return 0
        return self.more_ns if self.more >= self.less else self.less_ns

    def ratio(self) -> float:
        """What left over what was explained, over all that is kept: the measured use beside the bill of materials."""
        explained = sum(one.explained for one in self.stretches)
        return sum(one.left for one in self.stretches) / explained if explained > 0 else 1.0

    def lasting(self) -> list[Stretch]:
        """The stretches of the difference that lasts."""
        return [one for one in self.stretches if one.to_ns > self.since_ns()] if self.since_ns() else []

    def looks_like(self) -> str:
        """The cause that explains the lasting difference best, `""` where there is none."""
        lasting = self.lasting()
        if not lasting:
            return ""
        differences = [one.difference for one in lasting]
        began_ns = self.since_ns()
        shapes = {
            _LEAK: _spans(began_ns, lasting),
            _BEYOND: [one.explained for one in lasting],
            _SCRAP: [one.scrapped for one in lasting],
        }
        misses = {cause: _miss(differences, shape) for cause, shape in shapes.items()}
        largest = max(lasting, key=lambda one: abs(one.difference))
        if abs(largest.step) >= abs(largest.difference) / 2:
            misses[_COUNT] = sum(one**2 for one in differences) - largest.difference**2
            if len(lasting) < _FEW:
                misses = {_COUNT: 0.0}
        near = min(misses.values()) + _AS_WELL * sum(one**2 for one in differences)
        causes = [cause for cause, miss in sorted(misses.items(), key=lambda one: one[1]) if miss <= near]
        return " or ".join(cause if sum(differences) >= 0 else _LESS[cause] for cause in causes)

    def _deviation(self) -> float:
        """Of the differences among themselves: one that is always the same is no chance."""
        differences = [one.difference for one in self.stretches if one.explained > 0]
        middle = median(differences)
        return 1.4826 * median(abs(one - middle) for one in differences)

    def _usual_use(self) -> float:
        return median(one.explained for one in self.stretches if one.explained > 0)


def _spans(began_ns: int, stretches: Sequence[Stretch]) -> list[float]:
    """How long each stretch lasted."""
    ends = [began_ns, *(one.to_ns for one in stretches)]
    return [float(after - before) for before, after in pairwise(ends)]


def _miss(differences: Sequence[float], shape: Sequence[float]) -> float:
    """The squared error that is left when the differences are taken for a multiple of a shape."""
    own = sum(one**2 for one in shape)
    along = sum(one * by for one, by in zip(differences, shape, strict=True))
    return sum(one**2 for one in differences) - (along**2 / own if own > 0 else 0.0)
