"""Tail: how far a signal is above the tail of all of its own past, in units of that tail's mean excess.

Input: one signal, never negative. Output: 0 up to the quantile, about 1 for a usual member of the tail, and large for
what the past cannot explain. The whole past is counted in logarithmic bins of 5 %, so memory does not grow with time.

Source: Masson, Rim and Lee, DDSketch (2019) for the bins; the mean-excess function of Embrechts, Klueppelberg and
Mikosch, Modelling Extremal Events (1997), section 6.2, for the scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from math import floor, log
from typing import NamedTuple

import msgspec

_PER_LOG = 1.0 / math.log(1.05)
_SMALLEST = 1e-12  # and below: no novelty at all
_ZERO = math.floor(math.log(_SMALLEST) * _PER_LOG)
_BINS = 200  # a factor of 17,000 below the largest; what is lower is told apart no more
_UNHEARD_OF = 20.0  # the excess over a past that had no tail


class Tail(msgspec.Struct):
    """`edge` is the bin of the quantile and `at` its upper end: the signal up to which nothing is unusual.

    `above` counts the past over it and `above_sum` adds that up.
    """

    count: int = 0
    bins: dict[int, int] = {}
    edge: int = _ZERO
    at: float = 0.0
    above: int = 0
    above_sum: float = 0.0


class Excesses(NamedTuple):
    """Of each signal: how far it is above the quantile of those before, in their mean excess; the quantile after it."""

    excess: list[float]
    at: list[float]


def excesses(tail: Tail, signals: Iterable[float], share: float) -> Excesses:
    """Takes in signals one after the other; what is NaN has no excess and is not learned.

    `share` of all are above the quantile.
    """
    said = Excesses([], [])
    bins, told, told_at = tail.bins, said.excess.append, said.at.append
    at, edge, upper, count, above = tail.at, tail.edge, tail.bins.get(tail.edge, 0), tail.count, tail.above
    for signal in signals:
        if signal != signal:
            told(0.0)
            told_at(at)
            continue
        told(_excess(tail, signal) if signal > at else 0.0)
        one = floor(log(signal) * _PER_LOG) if signal > _SMALLEST else _ZERO
        if one in bins:
            bins[one] += 1
        else:
            bins[one] = 1
            if len(bins) > _BINS:
                _merge_lowest(tail)
        count += 1
        if one > edge:
            above += 1
            tail.above = above
            tail.above_sum += _middle(one)
        elif one == edge:
            upper += 1
        most = share * count
        if above > most or (above + upper <= most and edge > _ZERO):
            _move_edge(tail, most)
            at, edge, above = tail.at, tail.edge, tail.above
            upper = bins.get(edge, 0)
        told_at(at)
    tail.count = count
    return said


def _excess(tail: Tail, signal: float) -> float:
    """Of a signal above the quantile."""
    at = tail.at
    if not tail.above:
        return _UNHEARD_OF
    return min((signal - at) / max(tail.above_sum / tail.above - at, 0.01 * at + _SMALLEST), 1e6)


def _move_edge(tail: Tail, most: float) -> None:
    """Moves the quantile until as many of the past are above it as may be."""
    bins, edge = tail.bins, tail.edge
    while tail.above > most:
        edge += 1
        there = bins.get(edge)
        if there:
            tail.above -= there
            tail.above_sum -= there * _middle(edge)
    while edge > _ZERO and tail.above + bins.get(edge, 0) <= most:
        there = bins.get(edge)
        if there:
            tail.above += there
            tail.above_sum += there * _middle(edge)
        edge -= 1
    tail.edge, tail.at = edge, 0.0 if edge <= _ZERO else math.exp((edge + 1) / _PER_LOG)


def _merge_lowest(tail: Tail) -> None:
    """Counts the lowest bin with the one above it."""
    lowest, next_one = sorted(tail.bins)[:2]
    if next_one <= tail.edge:
        tail.bins[next_one] += tail.bins.pop(lowest)


def _middle(one: int) -> float:
    return math.exp((one + 0.5) / _PER_LOG)
