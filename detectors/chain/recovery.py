"""How long a node takes to recover, from its history of outages (TimeToRecover): P50, P80, P95.

Kaplan and Meier, J. Am. Stat. Assoc. 53, 1958, with outages that still run censored: leaving them out would bias the
answer low. The next outage may outlast all that were seen, with a chance of 1 in n + 1 if it is one of their kind: it
counts as one more that still runs. Beyond the longest that ended a log-normal fitted to all (maximum likelihood,
censored) carries on. A node of fewer than five outages that ended is mixed with its class and the stated time, by how
many there are. Pure. Times are days.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, isfinite, log, sqrt
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from detectors.chain.programme.scenario import MissingRecovery

ENOUGH = 5  # outages that ended; with fewer a node borrows from its class, in which the stated time counts as so many
_WIDTH = 0.6  # log-normal sigma where fewer than two outages ended: P95 is 2.7 times P50
_NARROWEST = 0.05
_STEPS = 500


class Past(msgspec.Struct, frozen=True):
    """An outage that lasted `days_d`, or has lasted that long and still runs. Raises ValueError below 0."""

    days_d: float
    ended: bool = True

    def __post_init__(self) -> None:
        if not (isfinite(self.days_d) and self.days_d >= 0):
            raise ValueError(f"an outage lasted {self.days_d} days; it must be 0 or more")


class Survival(NamedTuple):
    """`still_out[i]` of all outages last longer than `at_d[i]`; 1 before the first. Times at which outages ended."""

    at_d: tuple[float, ...]
    still_out: tuple[float, ...]


class LogNormal(NamedTuple):
    """The logarithm of the days is normal with mean `mu` and deviation `sigma`."""

    mu: float
    sigma: float

    def still_out(self, after_d: float) -> float:
        return float(ndtr((self.mu - log(after_d)) / self.sigma)) if after_d > 0 else 1.0

    def quantile_d(self, share: float) -> float:
        """The days by which this share has recovered."""
        return exp(self.mu + self.sigma * float(ndtri(share)))

    def sum_d(self, from_d: float, to_d: float) -> float:
        """The mean over all of days * (1 when they are in (from, to], else 0)."""
        mean = exp(self.mu + self.sigma**2 / 2)
        return mean * (self._shifted(to_d) - self._shifted(from_d))

    def _shifted(self, d: float) -> float:
        if d <= 0 or d == inf:
            return float(d == inf)
        return float(ndtr((log(d) - self.mu) / self.sigma - self.sigma))


class Recovery(NamedTuple):
    """Steps where outages ended and, beyond the last, the log-normal cut to what is left there."""

    steps: Survival
    tail: LogNormal

    @property
    def _last(self) -> tuple[float, float]:
        return (self.steps.at_d[-1], self.steps.still_out[-1]) if self.steps.at_d else (0.0, 1.0)

    def still_out(self, after_d: float) -> float:
        """The chance that an outage lasts longer than `after_d`."""
        last_d, left = self._last
        if after_d < last_d:
            return at(self.steps, after_d)
        remains = self.tail.still_out(last_d)
        return left * self.tail.still_out(after_d) / remains if left and remains else 0.0

    def sum_d(self, from_d: float, to_d: float) -> float:
        """The mean over all of days * (1 when they are in (from, to], else 0)."""
        last_d, left = self._last
        fell = [before - after for before, after in pairwise((1.0, *self.steps.still_out))]
        steps_d = sum(d * chance for d, chance in zip(self.steps.at_d, fell, strict=True) if from_d < d <= to_d)
        remains = self.tail.still_out(last_d)
        if not left or not remains or to_d <= last_d:
            return steps_d
        return steps_d + left / remains * self.tail.sum_d(max(from_d, last_d), to_d)


class TimeToRecover(msgspec.Struct, frozen=True):
    """A mixture of recoveries by weight (they sum to 1); `events` is how many outages of the node itself ended."""

    parts: tuple[tuple[float, Recovery], ...]
    events: int = 0

    def still_out(self, after_d: float) -> float:
        """The chance that it takes longer than `after_d`."""
        return sum(weight * part.still_out(after_d) for weight, part in self.parts)

    def sum_d(self, from_d: float, to_d: float) -> float:
        """The mean over all of days * (1 when they are in (from, to], else 0)."""
        return sum(weight * part.sum_d(from_d, to_d) for weight, part in self.parts)

    @property
    def mean_d(self) -> float:
        return self.sum_d(0.0, inf)

    def quantile_d(self, share: float) -> float:
        """The first time by which this share (0 to 1, not 1) has recovered."""
        if not 0 <= share < 1:
            raise ValueError(f"the share is {share}; it must be 0 or more and below 1")
        low_d, high_d = 0.0, 1.0
        while self.still_out(high_d) > 1 - share + _ROUNDING:
            low_d, high_d = high_d, high_d * 2
        steps = sorted({d for _, part in self.parts for d in part.steps.at_d if low_d < d <= high_d})
        for d in steps:
            if self.still_out(d) <= 1 - share + _ROUNDING:
                high_d = d
                break
            low_d = d
        return self._halved(low_d, high_d, share)

    def _halved(self, low_d: float, high_d: float, share: float) -> float:
        """The crossing in (low, high], to the last bits; at a step the step itself."""
        while high_d - low_d > 1e-13 * high_d:
            middle_d = (low_d + high_d) / 2
            if self.still_out(middle_d) <= 1 - share + _ROUNDING:
                high_d = middle_d
            else:
                low_d = middle_d
        return high_d


_ROUNDING = 1e-12


def kaplan_meier(outages: Sequence[Past], outlasting: int = 0) -> Survival:
    """The share still out after each time at which an outage ended. One that ran longer counts as out until then.

    `outlasting`: so many more count as longer than all of them.
    """
    left, times_d, shares = 1.0, [], []
    for d in sorted({outage.days_d for outage in outages if outage.ended}):
        at_risk = sum(outage.days_d >= d for outage in outages) + outlasting
        ended = sum(outage.ended and outage.days_d == d for outage in outages)
        left *= 1 - ended / at_risk
        times_d.append(d)
        shares.append(left)
    return Survival(tuple(times_d), tuple(shares))


def at(survival: Survival, after_d: float) -> float:
    """The share still out after `after_d`."""
    passed = [share for d, share in zip(survival.at_d, survival.still_out, strict=True) if d <= after_d]
    return passed[-1] if passed else 1.0


def recovered_d(survival: Survival, share: float = 0.5) -> float | None:
    """The first day with this share (0 to 1) of all recovered, the median; None when too many still run."""
    out = zip(survival.at_d, survival.still_out, strict=True)
    return next((d for d, left in out if left <= 1 - share + _ROUNDING), None)


def fit_log_normal(outages: Sequence[Past]) -> LogNormal:
    """The most likely log-normal, outages that still run counted as longer (EM). Raises MissingRecovery for none ended.

    Outages of less than a hundredth of a day count as that long.
    """
    days = np.log(np.maximum([outage.days_d for outage in outages], 0.01))
    ended = np.array([outage.ended for outage in outages], np.bool_)
    if not ended.any():
        raise MissingRecovery("no outage has ended yet, so that a time to recover cannot be learned; state one")
    mu, sigma = float(days[ended].mean()), _WIDTH
    alone = int(ended.sum()) < 2
    for _ in range(_STEPS):
        beyond = (days[~ended] - mu) / sigma
        hazard = np.exp(-(beyond**2) / 2 - log(sqrt(2 * np.pi)) - log_ndtr(-beyond))
        first = np.concatenate([days[ended], mu + sigma * hazard])
        second = np.concatenate([days[ended] ** 2, mu**2 + sigma**2 + sigma * hazard * (days[~ended] + mu)])
        was, mu = (mu, sigma), float(first.mean())
        sigma = _WIDTH if alone else max(_NARROWEST, sqrt(max(0.0, float(second.mean()) - mu**2)))
        if abs(mu - was[0]) + abs(sigma - was[1]) < 1e-12:
            break
    return LogNormal(mu, sigma)


def time_to_recover(
    outages: Sequence[Past], of_class: Sequence[Past] = (), stated_d: float | None = None
) -> TimeToRecover:
    """A node's time to recover from its outages, those of its class, and what the map states.

    With n < 5 outages of its own that ended, n/5 of the answer is its own. The rest is a log-normal around the stated
    time (as its median), with the m outages of its class that ended m/(m + 5) of it theirs; where no time is stated,
    its class. Raises MissingRecovery when there is nothing.
    """
    events = sum(outage.ended for outage in outages)
    own = min(1.0, events / ENOUGH)
    parts = [(own, _recovery(outages))] if events else []
    if own < 1:
        parts += [((1 - own) * weight, part) for weight, part in _others(of_class, stated_d)]
    if not parts:
        raise MissingRecovery("neither the node nor its class has an outage that ended, and no time is stated")
    total = sum(weight for weight, _ in parts)
    return TimeToRecover(tuple((weight / total, part) for weight, part in parts), events)


def days_to(at_d: Sequence[float], output_ratio: Sequence[float], level: float) -> float | None:
    """How long a resumption took: the first time from which output (0 to 1) stays at `level`; None when not yet."""
    reached: float | None = None
    for d, ratio in zip(at_d, output_ratio, strict=True):
        if ratio < level:
            reached = None
        elif reached is None:
            reached = d
    return reached


def _recovery(outages: Sequence[Past], outlasting: int = 1) -> Recovery:
    """The outages, with one more that outlasts them all; the spread of few is taken for no less than usual."""
    fitted = fit_log_normal(outages)
    is_few = sum(outage.ended for outage in outages) < ENOUGH
    tail = fitted._replace(sigma=max(fitted.sigma, _WIDTH)) if is_few else fitted
    return Recovery(kaplan_meier(outages, outlasting), tail)


def _others(of_class: Sequence[Past], stated_d: float | None) -> list[tuple[float, Recovery]]:
    """The class and the stated time by weight; beside the stated time the class need not outlast itself."""
    events = sum(outage.ended for outage in of_class)
    if not stated_d:
        return [(1.0, _recovery(of_class))] if events else []
    around = Recovery(Survival((), ()), LogNormal(log(stated_d), _WIDTH))
    if not events:
        return [(1.0, around)]
    total = events + ENOUGH
    return [(events / total, _recovery(of_class, outlasting=0)), (ENOUGH / total, around)]
