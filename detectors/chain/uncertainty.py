"""What may be lost when nobody knows how long recovery takes (LossRange): mean, quantiles, and the chance of any loss.

The loss is a curve of straight pieces over the time to recover, which only rises, so all of this is exact: no draws, no
seed. Beside the mean stands the loss at the mean time, which is never higher. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, pi, sqrt
from typing import NamedTuple, Protocol

from scipy.special import ndtr, ndtri

from detectors.chain.programme.curve import LossCurve


class Lasting(Protocol):
    """How long something may last, in days."""

    def still_out(self, after_d: float) -> float:
        """The chance that it lasts longer than this."""

    def sum_d(self, from_d: float, to_d: float) -> float:
        """The mean over all of days * (1 when they are in (from, to], else 0); to infinity it is what is above."""

    def quantile_d(self, share: float) -> float:
        """The first time by which this share is over."""


class Uniform(NamedTuple):
    """Any time from `low_d` to `high_d`, each as likely."""

    low_d: float
    high_d: float

    def still_out(self, after_d: float) -> float:
        return 1 - (self._within(after_d) - self.low_d) / (self.high_d - self.low_d)

    def sum_d(self, from_d: float, to_d: float) -> float:
        return (self._within(to_d) ** 2 - self._within(from_d) ** 2) / (2 * (self.high_d - self.low_d))

    def quantile_d(self, share: float) -> float:
        return self.low_d + share * (self.high_d - self.low_d)

    def _within(self, d: float) -> float:
        return min(max(d, self.low_d), self.high_d)


class Normal(NamedTuple):
    """A normal time; what would lie below 0 is 0 days."""

    mean_d: float
    deviation_d: float

    def still_out(self, after_d: float) -> float:
        return float(ndtr((self.mean_d - after_d) / self.deviation_d)) if after_d >= 0 else 1.0

    def sum_d(self, from_d: float, to_d: float) -> float:
        low, high = ((max(d, 0.0) - self.mean_d) / self.deviation_d for d in (from_d, to_d))
        fell = exp(-(high**2) / 2) - exp(-(low**2) / 2)
        return self.mean_d * float(ndtr(high) - ndtr(low)) - self.deviation_d * fell / sqrt(2 * pi)

    def quantile_d(self, share: float) -> float:
        return max(0.0, self.mean_d + self.deviation_d * float(ndtri(share)))


class LossRange(NamedTuple):
    """Losses in the unit of the curve, `quantiles` in the order asked; `any_ratio` is the chance of any loss."""

    mean: float
    quantiles: tuple[float, ...]
    any_ratio: float
    at_mean: float


def loss_range(curve: LossCurve, lasting: Lasting, shares: Sequence[float] = (0.5, 0.8, 0.95)) -> LossRange:
    """The distribution of the loss; `shares` (0 to 1) are the quantiles wanted."""
    mean = 0.0
    edges = pairwise((*curve.from_d, inf))
    for (from_d, to_d), at, per_d in zip(edges, curve.at, curve.per_d, strict=True):
        chance = lasting.still_out(from_d) - (lasting.still_out(to_d) if to_d < inf else 0.0)
        mean += (at - per_d * from_d) * chance + per_d * lasting.sum_d(from_d, to_d)
    survives_d = curve.survives_d
    return LossRange(
        mean=mean,
        quantiles=tuple(curve.loss(lasting.quantile_d(share)) for share in shares),
        any_ratio=lasting.still_out(survives_d) if survives_d < inf else 0.0,
        at_mean=curve.loss(lasting.sum_d(0.0, inf)),
    )
