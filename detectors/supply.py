"""When what is ordered will be there: each supplier's learned lateness, and the chance of arrival by an instant.

Input: receipts that arrived, with the promised and the real instant. Output: `Lateness.late_ratio`, the share of
receipts later than so much, and `arrival_chances` of one that is still open. Pure; bounded: the last receipts of
each supplier and of all.

A supplier's own past is mixed with everybody's, which weighs as eight receipts (empirical Bayes after Robbins, 1956);
before anybody has delivered a plain prior stands in. It fails when a supplier changes for the worse between two
deliveries, and for a receipt that will never come: a promise long past keeps the chance of the latest ever seen.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Sequence

import msgspec

_KEPT, _KEPT_OF_ALL = 64, 256
_SUPPLIERS = 200  # with memory of their own; the one heard longest ago goes first
_PRIOR_WEIGHT = 8.0
_LATEST_H, _FINE_H = 8760.0, 0.05
_LATE_RATIO, _LATE_H, _EARLY_H = 0.3, 36.0, 6.0  # before anything is known


class Receipts(msgspec.Struct):
    """Hours late of the last receipts, in the order they came."""

    late_h: list[float] = []
    ordered: list[float] = []

    def add(self, late_h: float, kept: int) -> None:
        self.late_h.append(late_h)
        insort(self.ordered, late_h)
        if len(self.late_h) > kept:
            self.ordered.remove(self.late_h.pop(0))

    def later_than(self, late_h: float) -> int:
        return len(self.ordered) - bisect_right(self.ordered, late_h)


class Lateness(msgspec.Struct):
    """What is known of every supplier's punctuality."""

    of: dict[str, Receipts] = {}
    all: Receipts = msgspec.field(default_factory=Receipts)

    def learn(self, supplier: str, late_h: float) -> None:
        """Takes in a receipt that arrived `late_h` after its promise (below 0: before)."""
        own = self.of.pop(supplier, None) or Receipts()
        own.add(late_h, _KEPT)
        self.of[supplier] = own  # last in order: heard of just now
        if len(self.of) > _SUPPLIERS:
            del self.of[next(iter(self.of))]
        self.all.add(late_h, _KEPT_OF_ALL)

    def late_ratio(self, supplier: str, late_h: float) -> float:
        """The share of this supplier's receipts that are later than `late_h`."""
        known = len(self.all.ordered)
        of_all = (self.all.later_than(late_h) + _PRIOR_WEIGHT * _prior(late_h)) / (known + _PRIOR_WEIGHT)
        own = self.of.get(supplier)
        if own is None:
            return of_all
        return (own.later_than(late_h) + _PRIOR_WEIGHT * of_all) / (len(own.ordered) + _PRIOR_WEIGHT)

    def late_quantile_h(self, supplier: str, later_ratio: float) -> float:
        """Hours late that this share of the supplier's receipts exceeds; at least 0, to a twentieth of an hour."""
        low_h, high_h = 0.0, _LATEST_H
        if self.late_ratio(supplier, low_h) <= later_ratio:
            return 0.0
        while high_h - low_h > _FINE_H:
            middle_h = (low_h + high_h) / 2
            is_more = self.late_ratio(supplier, middle_h) > later_ratio
            low_h, high_h = (middle_h, high_h) if is_more else (low_h, middle_h)
        return high_h

    def arrival_chances(self, supplier: str, promised_h: float, until_h: Sequence[float]) -> list[float]:
        """The chance that a receipt promised in `promised_h` (below 0: overdue) is there in each of so many hours."""
        still_open = max(self.late_ratio(supplier, -promised_h), 1e-9)
        return [1.0 - min(self.late_ratio(supplier, hour - promised_h) / still_open, 1.0) for hour in until_h]


def _prior(late_h: float) -> float:
    return (
        _LATE_RATIO * math.exp(-late_h / _LATE_H)
        if late_h >= 0
        else min(1.0, _LATE_RATIO - late_h * (1 - _LATE_RATIO) / _EARLY_H)
    )
