"""How much of a material will be used within a stretch of planned production: a learned distribution.

Input: what was used in each hour that held planned production, in order. Output: `Demand.chance_of(amount, span)`, the
chance that at least so much is used in spans given in usual production days (`Demand.span_d` weighs the weekdays).
Pure: the memory is a small struct, the same size for ever.

The share of hours with any use is smoothed at every hour, the rest at every day (Teunter, Syntetos and Babai,
Intermittent demand: Linking forecasting to inventory obsolescence, 2011: an item that nobody needs any more fades). A
span holds no use at all with the chance that follows from that share; what is used otherwise is negative binomial with
the learned mean and variance of a day, the uncertainty of the mean included. It fails for use that is announced rather
than repeated (a batch twice a year), and for a season longer than a week, which it follows with its memory's delay.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Spans = NDArray[np.float64]

MEMORY_D = 40.0  # production days that weigh
DAYS_TO_LEARN = 5
_WEEKDAY_MEMORY = 0.9  # of a weekday's past at its next turn
_WEEKDAY_PRIOR_D = 3.0  # how many days of the usual use a weekday is given before its own
_LEAST_RATIO = 1.0001  # of variance to mean, below which a count is not negative binomial


class Day(msgspec.Struct, array_like=True):
    """What was used in the production day that is not over."""

    number: int = -1  # since 1970, local
    used: float = 0.0
    hours: int = 0


class Demand(msgspec.Struct):
    """What is learned of one item. Amounts are in the item's unit; a day is a usual day of production."""

    days: int = 0
    hours: int = 0
    lot: float = 0.0  # the least that was ever used in an hour
    hours_per_d: float = 16.0
    busy_ratio: float = 0.5  # of the hours, those with any use
    per_d: float = 0.0
    variance_per_d: float = 0.0
    used_on: list[float] = msgspec.field(default_factory=lambda: [0.0] * 7)  # by weekday, Monday first
    usual_on: list[float] = msgspec.field(default_factory=lambda: [0.0] * 7)  # what would have been usual then
    today: Day = msgspec.field(default_factory=Day)

    @property
    def is_known(self) -> bool:
        return self.days >= DAYS_TO_LEARN and self.per_d > 0

    @property
    def gain(self) -> float:
        """The weight of the newest day."""
        return max(1.0 / (self.days + 1), 1.0 / MEMORY_D)

    def learn(self, day: int, used: float, *, ran_out: bool = False) -> None:
        """Takes in an hour of planned production on a local day (number since 1970).

        Negative use is a correction and counts as none. `ran_out`: the stock was empty at its end, so that more was
        wanted than was used, by the mean excess over a level that is met at random (Cox, Renewal Theory, 1962).
        """
        if day != self.today.number:
            self._close_day(weekday_of=self.today.number)
            self.today = Day(day)
        used = max(used, 0.0)
        self.hours += 1
        self.busy_ratio += max(1.0 / (self.hours + 2), 1.0 / (MEMORY_D * self.hours_per_d)) * (
            (used > 0) - self.busy_ratio
        )
        if ran_out:
            used += self._excess()
        elif used > 0:
            self.lot = min(self.lot, used) if self.lot else used
        self.today.used += used
        self.today.hours += 1

    def weekday_ratios(self) -> list[float]:
        """Use on each weekday over the usual, both per planned hour."""
        prior = _WEEKDAY_PRIOR_D * self.per_d
        if prior <= 0:
            return [1.0] * 7
        return [(used + prior) / (usual + prior) for used, usual in zip(self.used_on, self.usual_on, strict=True)]

    def span_d(self, planned_h: NDArray[np.float64]) -> Spans:
        """Usual production days in spans whose planned hours by weekday are float64[spans, 7]."""
        spans: Spans = planned_h @ np.array(self.weekday_ratios()) / self.hours_per_d
        return spans

    def chance_of(self, amount: float | NDArray[np.float64], span_d: Spans) -> NDArray[np.float64]:
        """The chance that at least `amount` is used within each span; 1 where it is not above 0."""
        from scipy.special import betainc, gammaincc

        lots = np.maximum(np.asarray(amount) / (self.lot or 1.0), 0.0)
        none, mean, variance = self._positive_part(span_d)
        more, spread = np.maximum(mean - 1.0, 1e-9), np.maximum(variance, 1e-9)  # beyond the first lot
        over = spread / more
        is_count = over > _LEAST_RATIO
        size = more / np.where(is_count, over - 1.0, 1.0)
        above = np.maximum(lots - 1.0, 0.0)
        counted = np.where(
            above > 0, betainc(np.maximum(above, 1e-9), size, np.where(is_count, 1.0 - 1.0 / over, 0.5)), 1.0
        )
        even = gammaincc(more / over, np.maximum(above - 0.5, 0.0) / over)
        chance = (1.0 - none) * np.where(is_count, counted, even)
        return np.where(lots > 0, chance, 1.0)

    def _excess(self) -> float:
        """E[X^2] / 2 E[X] of an hour's use X."""
        if self.per_d <= 0:
            return 0.0
        mean, variance = self.per_d / self.hours_per_d, self.variance_per_d / self.hours_per_d
        return (variance + mean**2) / (2.0 * mean)

    def _positive_part(self, span_d: Spans) -> tuple[Any, Any, Any]:
        """Of each span: the chance of no use, and mean and variance of the use, in lots, where there is any."""
        lot = self.lot or 1.0
        mean = np.maximum(self.per_d * span_d / lot, 1e-12)
        own = self.variance_per_d / lot**2
        variance = own * span_d + own * self.gain / (2.0 - self.gain) * span_d**2
        none = (1.0 - min(self.busy_ratio, 0.999)) ** (self.hours_per_d * span_d)
        some = np.maximum(1.0 - none, 1e-9)
        given = np.maximum(mean / some, 1.0)
        return none, given, np.maximum((variance + mean**2) / some - given**2, 0.0)

    def _close_day(self, weekday_of: int) -> None:
        """Learns from the day that is over."""
        today = self.today
        if not today.hours:
            return
        weekday = (weekday_of + 3) % 7  # the first day of 1970 was a Thursday
        gain = self.gain
        ratio = self.weekday_ratios()[weekday]
        share = today.hours / self.hours_per_d
        span = max(share * ratio, 0.05)
        if self.days:
            self.variance_per_d += gain * ((today.used - self.per_d * span) ** 2 / span - self.variance_per_d)
        else:
            self.variance_per_d = today.used
        usual = self.per_d * share
        self.per_d += gain * span * (today.used / span - self.per_d)
        self.used_on[weekday] = _WEEKDAY_MEMORY * self.used_on[weekday] + today.used
        self.usual_on[weekday] = _WEEKDAY_MEMORY * self.usual_on[weekday] + usual
        self.days += 1
