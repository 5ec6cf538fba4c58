"""Whose stock is whose (Stocking): finished stock of a node, or input stock of one of its needs.

Built once for the arcs of a chain, asked whenever stocks move. A material that arrives at its node is an input; of one
that is not essential nobody cares how much there is; any other is what the node makes. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from detectors.chain.network import ESSENTIAL, Arc, Stock

Need = tuple[str, str]  # (node, substitute group or material)


class Stocked(NamedTuple):
    """All stock by node in its units, and by need as what the node can make of it."""

    made: dict[str, float]
    inputs: dict[Need, float]


class Stocking:
    """Sorts stocks for a chain with these arcs."""

    def __init__(self, arcs: Iterable[Arc]) -> None:
        self._need_of: dict[tuple[str, str], Need | None] = {}
        self._most_per: dict[tuple[str, str], float] = defaultdict(float)
        for arc in arcs:
            place = (arc.target, arc.material)
            self._most_per[place] = max(self._most_per[place], arc.quantity_per)
            if arc.essential == ESSENTIAL:
                self._need_of[place] = arc.need
            else:
                self._need_of.setdefault(place, None)

    def sort(self, stocks: Iterable[Stock]) -> Stocked:
        """Where sources of one material differ in how much is taken of it, the stock is reckoned by the most."""
        made: dict[str, float] = defaultdict(float)
        inputs: dict[Need, float] = defaultdict(float)
        for stock in stocks:
            place = (stock.node, stock.material)
            if place not in self._need_of:
                made[stock.node] += stock.on_hand
            elif (need := self._need_of[place]) is not None:
                inputs[need] += stock.on_hand / self._most_per[place]
        return Stocked(made, inputs)
