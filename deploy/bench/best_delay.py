"""The shortest mean delay that any chart can have: Shiryaev-Roberts, for Poisson counts whose usual rate is known.

Input: the rate, the drop, the wanted run length in control. Output: the mean delay when the drop comes at an instant
long after the start, as `output_drop` measures it. No chart with the same run length in control has a smaller one
(Pollak and Tartakovsky, Optimality Properties of the Shiryaev-Roberts Procedure, 2009). The statistic is followed on a
grid, as a Markov chain.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_STATES = 300
_TURNS = 40  # of the bisection for the limit
_DIGITS = 1e-6


def best_mean_delay(rate: float, drop_ratio: float, arl0: float) -> float:
    """Intervals from the drop to the alarm, the interval of the alarm counted."""
    low, high = 1.0, arl0  # the limit is below the run length: the statistic grows by one an interval in control
    for _ in range(_TURNS):
        limit = math.sqrt(low * high)
        if _run_lengths(_chain(rate, rate, drop_ratio, limit))[0] < arl0:
            low = limit
        else:
            high = limit
        if high / low < 1 + _DIGITS:
            break
    in_control = _chain(rate, rate, drop_ratio, high)
    after_drop = _run_lengths(_chain(rate * (1 - drop_ratio), rate, drop_ratio, high))
    return float(_long_after(in_control) @ after_drop)


def _chain(true_rate: float, rate: float, drop_ratio: float, limit: float) -> NDArray[np.float64]:
    """How the statistic moves below the limit, float64[states, states]; a state is a value of log(1 + R)."""
    grid = np.linspace(0.0, math.log1p(limit), _STATES)
    counts = np.arange(int(rate + 12 * math.sqrt(rate)) + 30)
    logs = counts * math.log(true_rate) - true_rate - np.array([math.lgamma(one + 1) for one in counts])
    growth = counts * math.log(1 - drop_ratio) + rate * drop_ratio  # log of the likelihood ratio
    chain = np.zeros((_STATES, _STATES))
    at = np.arange(_STATES)
    for step, share in zip(growth.tolist(), np.exp(logs).tolist(), strict=True):
        to = np.log1p(np.exp(grid + step)) / (grid[1] - grid[0])
        inside = to < _STATES - 1
        below = to[inside].astype(int)
        part = to[inside] - below
        chain[at[inside], below] += share * (1 - part)
        chain[at[inside], below + 1] += share * part
    return chain


def _run_lengths(chain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intervals to the alarm from each state."""
    return np.asarray(np.linalg.solve(np.eye(len(chain)) - chain, np.ones(len(chain))), np.float64)


def _long_after(chain: NDArray[np.float64]) -> NDArray[np.float64]:
    """How likely each state is long after the start, where the statistic begins anew after a false alarm."""
    start = np.zeros(len(chain))
    start[0] = 1.0
    visits = np.asarray(np.linalg.solve(np.eye(len(chain)) - chain.T, start), np.float64)
    return np.asarray(visits / visits.sum(), np.float64)
