"""How likely a stock is short within some hours, from its demand, what is on its way, and how late suppliers are.

Input: the stock on hand, a `Demand`, spans of planned production up to each look-ahead instant, and the open receipts
with their chances of having arrived by then. Output: the chance of being short by each of these instants. Pure.

The soonest receipt is reckoned with, at every instant at which it may come; what is used before is bounded by what
was on hand, afterwards by both. Later ones are not counted on, so it fails, by warning too early, where several small
receipts come within the look-ahead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.demand import Demand


class Due(NamedTuple):
    """A receipt that is open: its quantity, and the chance of having arrived by each look-ahead instant."""

    quantity: float
    arrived: Sequence[float]


def short_chances(
    on_hand: float, demand: Demand, span_d: NDArray[np.float64], due: Sequence[Due] = ()
) -> NDArray[np.float64]:
    """The chance, for each look-ahead instant, that the stock has been empty by then. `span_d` rises."""
    if not due:
        return demand.chance_of(on_hand, span_d)
    first, looks = due[0], len(span_d)
    amounts = np.repeat((on_hand, on_hand + first.quantity), looks)
    both = demand.chance_of(amounts, np.concatenate((span_d, span_d)))
    alone, after = both[:looks], both[looks:]
    arrived = np.asarray(first.arrived)
    arriving = arrived - np.concatenate(([0.0], arrived[:-1]))
    before = np.concatenate(([0.0], alone[:-1]))  # empty before it came
    short = np.cumsum(arriving * before) + (1.0 - arrived) * alone
    by_then: NDArray[np.float64] = np.maximum(short, after * arrived)
    return by_then


class Supply(NamedTuple):
    """How long a stock lasts without any receipt, in usual production days: early, median and late."""

    early_d: float
    median_d: float
    late_d: float


def supply_d(on_hand: float, demand: Demand, early_quantile: float = 0.1) -> Supply:
    """Days of supply with an interval that holds 1 - 2 x `early_quantile` of the cases; infinite where nothing is used.

    By the first passage of a drift with the mean and the variance of a day (an inverse Gaussian's normal bound).
    """
    if demand.per_d <= 0:
        return Supply(math.inf, math.inf, math.inf)
    deviation = NormalDist().inv_cdf(1.0 - early_quantile)
    early, late = (_passes_d(on_hand, demand, sign * deviation) for sign in (1.0, -1.0))
    return Supply(early, on_hand / demand.per_d, late)


def _passes_d(on_hand: float, demand: Demand, deviations: float) -> float:
    """When mean use and so many standard deviations of it reach the stock: m t + z sqrt(v t) = stock."""
    spread = deviations * math.sqrt(demand.variance_per_d)
    root = (-spread + math.sqrt(spread**2 + 4.0 * demand.per_d * on_hand)) / (2.0 * demand.per_d)
    return root**2
