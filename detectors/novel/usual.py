"""Usual: how far the mean of the last readings is from what is usual at this time of day.

The day has 48 slots. Each visit of a slot leaves the mean of its readings; the median of the last `VISITS` of them is
what is usual there. The first day has nothing to compare with.

Source: the seasonal median of Vallis, Hochenbaum and Kejariwal, A Novel Technique for Long-Term Anomaly Detection in
the Cloud (2014), taken causally: a slot is learned only when it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from collector.readings import NS_PER_S
from detectors.detector import NAN
from detectors.quantile import median

SLOTS = 48
VISITS = 14
LENGTH = 12  # readings the mean is taken of
_SLOT_NS = 86_400 * NS_PER_S // SLOTS


class Usual(msgspec.Struct):
    """`visits` by slot, the oldest first; `visit` is the present one, counted from 1970, with sum and count so far."""

    visits: list[list[float]] = msgspec.field(default_factory=lambda: [[] for _ in range(SLOTS)])
    last: list[float] = []
    visit: int = -1
    total: float = 0.0
    count: int = 0
    expected: float = NAN


class Departures(NamedTuple):
    """Of each reading: how far the mean of the last ones is from what is usual then, and that; NaN where not known."""

    apart: list[float]
    expected: list[float]


def departures(usual: Usual, at_ns: Sequence[int], readings: Sequence[float]) -> Departures:
    """Takes in readings one after the other."""
    said = Departures([], [])
    last, ends_ns = [*usual.last, *readings], 0
    for i, now_ns in enumerate(at_ns, len(usual.last) + 1):
        window = last[i - LENGTH : i] if i > LENGTH else last[:i]
        mean = sum(window) / len(window)
        if now_ns >= ends_ns:
            visit = now_ns // _SLOT_NS
            ends_ns = (visit + 1) * _SLOT_NS
            if visit != usual.visit:
                _enter(usual, visit)
            expected = usual.expected
        usual.total += mean
        usual.count += 1
        said.apart.append(abs(mean - expected))
        said.expected.append(expected)
    usual.last = last[-LENGTH:]
    return said


def _enter(usual: Usual, visit: int) -> None:
    """Learns the slot that is over and looks up what is usual in the one that begins."""
    if usual.count:
        slot = usual.visit % SLOTS
        usual.visits[slot] = [*usual.visits[slot][1 - VISITS :], usual.total / usual.count]
    usual.visit, usual.total, usual.count = visit, 0.0, 0
    before = usual.visits[visit % SLOTS]
    usual.expected = median(before) if before else NAN
