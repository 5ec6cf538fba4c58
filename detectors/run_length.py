"""Average run lengths of control charts, and the limits that give a wanted one.

A run length is the number of readings until the first alarm; its mean in control, `arl0`, is how rare false alarms are.
Gauges are taken as independent and normal, in units of their standard deviation; counts as Poisson. Pure; numpy alone.

Sources: Page, Continuous Inspection Schemes (1954), whose integral equation is solved at Gauss-Legendre nodes; Crowder,
A Simple Method for Studying Run-Length Distributions of EWMA Charts (1987), the same for the EWMA; Brook and Evans, An
Approach to the Probability Distribution of CUSUM Run Length (1972), a Markov chain, exact for counts; Lucas and
Crosier, Fast Initial Response for CUSUM Quality-Control Schemes (1982), two sides from one; Lucas, Counted Data CUSUM's
(1985).
It fails, as every chart does, where readings depend on each other: the caller has to widen their deviation first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_MOST_STATES = 1024  # of the Markov chain
_CACHED = 4096
_PRECISION = 1e-6  # relative, of a designed limit

Column = NDArray[np.float64]


@lru_cache(maxsize=_CACHED)
def cusum_h(k: float, arl0: float) -> float:
    """The decision interval of a two-sided CUSUM with reference value `k`, both in standard deviations."""
    return _limit_for(lambda h: cusum_run_length(k, h), arl0)


@lru_cache(maxsize=_CACHED)
def ewma_limit(weight: float, arl0: float) -> float:
    """L: the limits of an EWMA with this `weight` (lambda), in standard deviations of the EWMA itself."""
    return _limit_for(lambda limit: ewma_run_length(weight, limit), arl0)


@lru_cache(maxsize=_CACHED)
def poisson_cusum_k(rate: float, drop_ratio: float) -> float:
    """The reference value, counts per interval, best for a fall of `rate` counts by `drop_ratio` of it.

    A negative `drop_ratio` is a rise: -0.5 for half as many again. Rounded to a binary fraction that keeps it well
    between the two rates, so that the chart's sums are exact. Raises ValueError outside `rate` > 0, `drop_ratio` < 1.
    """
    if not rate > 0 or not drop_ratio < 1 or drop_ratio == 0:
        raise ValueError("a count CUSUM needs a rate above 0 and a drop below 1 that is not 0")
    exact = -rate * drop_ratio / math.log1p(-drop_ratio)
    step = 2.0 ** min(math.floor(math.log2(abs(rate - exact) / 4)), 0)
    return round(exact / step) * step


@lru_cache(maxsize=_CACHED)
def poisson_cusum_h(rate: float, drop_ratio: float, arl0: float) -> float:
    """The least decision interval, in counts, that gives `arl0` intervals without a drop (rise, if negative).

    It goes with `poisson_cusum_k(rate, drop_ratio)`: s = max(0, s + k - count) for a drop, max(0, s + count - k) for a
    rise; an alarm is s >= h. Raises ValueError where the change is so small that the chart would need too fine a scale.
    """
    k = poisson_cusum_k(rate, drop_ratio)
    step = 1 / Fraction(k).denominator

    def reaches(states: int) -> bool:
        return poisson_run_length(rate, k, states * step, falls=drop_ratio > 0) >= arl0

    enough = 1
    while not reaches(enough):
        if enough >= _MOST_STATES:
            raise ValueError(f"no count CUSUM for {drop_ratio:g} of {rate:g} counts: take a longer interval")
        enough = min(2 * enough, _MOST_STATES)
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        enough, too_few = (middle, too_few) if reaches(middle) else (enough, middle)
    return enough * step


def cusum_run_length(k: float, h: float, shift: float = 0.0, head_start: float = 0.0) -> float:
    """Of a two-sided CUSUM whose readings lie `shift` off their mean; both sums start at `head_start`."""
    up, up_head = _one_sided(k, h, shift, head_start)
    down, down_head = _one_sided(k, h, -shift, head_start)
    return (up_head * down + down_head * up - up * down) / (up + down)


def one_sided_cusum_run_length(k: float, h: float, shift: float = 0.0) -> float:
    return _one_sided(k, h, shift, 0.0)[0]


def ewma_run_length(weight: float, limit: float, shift: float = 0.0) -> float:
    """Of an EWMA with fixed limits, started at the mean. Its nodes lie closer than the kernel is wide."""
    edge = limit * math.sqrt(weight / (2 - weight))
    nodes, weights = _gauss_legendre(48 + 6 * edge / weight, -edge, edge)
    away = (nodes[None, :] - (1 - weight) * np.append(nodes, 0.0)[:, None]) / weight - shift
    kernel = _density(away) * weights / weight
    solved = np.linalg.solve(np.eye(len(nodes)) - kernel[:-1], np.ones(len(nodes)))
    return float(1.0 + kernel[-1] @ solved)


def poisson_run_length(rate: float, k: float, h: float, *, falls: bool = True) -> float:
    """Intervals to the first s >= h when `rate` counts come per interval; for falls s grows with k - count.

    `k` is a fraction of a few binary digits: the chain's states are the multiples of its denominator below h.
    """
    denominator = Fraction(k).denominator
    states, reference = math.ceil(h * denominator), round(k * denominator)
    counts = np.arange(int(rate + 12 * math.sqrt(rate)) + 30)  # more has no weight
    moves = (reference - counts * denominator) * (1 if falls else -1)
    at, chain = np.arange(states), np.zeros((states, states))
    for move, share in zip(moves.tolist(), _poisson(rate, counts).tolist(), strict=True):
        to = np.maximum(at + move, 0)
        inside = to < states
        chain[at[inside], to[inside]] += share
    return float(np.linalg.solve(np.eye(states) - chain, np.ones(states))[0])


def _one_sided(k: float, h: float, shift: float, head_start: float) -> tuple[float, float]:
    """The run length from zero and from the head start."""
    nodes, weights = _gauss_legendre(32 + 4 * h, 0.0, h)
    starts = np.concatenate((nodes, [0.0, head_start]))
    density = _density(nodes[None, :] + k - shift - starts[:, None]) * weights
    to_zero = _below(k - shift - starts)
    kernel = np.column_stack((density, to_zero))  # the last state is zero itself
    solved = np.linalg.solve(np.eye(len(nodes) + 1) - kernel[:-1], np.ones(len(nodes) + 1))
    return float(solved[-1]), float(1.0 + kernel[-1] @ solved)


def _limit_for(run_length: Callable[[float], float], arl0: float) -> float:
    """The limit with this run length, which grows with it. Raises ValueError below 2 readings and above 1e9."""
    if not 2 <= arl0 <= 1e9:
        raise ValueError("a run length in control lies between 2 and 1e9 readings")
    low, low_off, high = 0.0, -math.log(arl0), 1.0
    while (high_off := math.log(run_length(high) / arl0)) < 0:
        low, low_off, high = high, high_off, 1.5 * high
    while high - low > _PRECISION * high and high_off > _PRECISION:  # its logarithm is nearly straight: Illinois rule
        middle = high - high_off * (high - low) / (high_off - low_off)
        off = math.log(run_length(middle) / arl0)
        if off < 0:
            low, low_off, high_off = middle, off, high_off / 2
        else:
            high, high_off, low_off = middle, off, low_off / 2
    return high


@lru_cache(maxsize=64)
def _legendre(count: int) -> tuple[Column, Column]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def _gauss_legendre(least: float, low: float, high: float) -> tuple[Column, Column]:
    """At least so many nodes and weights of an integral from low to high."""
    nodes, weights = _legendre(16 * math.ceil(least / 16))
    half = (high - low) / 2
    return low + half * (nodes + 1), half * weights


def _density(z: Column) -> Column:
    """Of the standard normal distribution."""
    density: Column = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return density


def _below(z: Column) -> Column:
    """The share of a standard normal distribution below z."""
    return np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in z.tolist()])


def _poisson(rate: float, counts: NDArray[np.int64]) -> Column:
    """How likely each count is."""
    logs = [count * math.log(rate) - rate - math.lgamma(count + 1) for count in counts.tolist()]
    return np.exp(logs)
