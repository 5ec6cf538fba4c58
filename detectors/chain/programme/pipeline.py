"""What is on its way when a failure begins (OnItsWay): as planned, by arc, or as told, by the place it comes to.

Days count from 1. Pure. Output goes to `phased`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from math import ceil
from typing import NamedTuple

from detectors.chain.arrivals import Arrival, Place
from detectors.chain.network import Arc, Network, Stock
from detectors.chain.programme.stocking import Stocked, Stocking

Name = tuple[str, str, str]  # (source, target, material) of an arc
Pipeline = Mapping[Name, Sequence[float]]  # units that arrive on day 1, 2, ...


class OnItsWay(NamedTuple):
    """What is on its way: by arc, and by the day of its arrival as stock."""

    pipeline: Pipeline
    by_day: Mapping[int, Stocked]


def stocked_by_day(network: Network, days: int, arriving: Mapping[Place, Sequence[Arrival]]) -> Mapping[int, Stocked]:
    """What arrives on each day up to `days`, sorted as stock: input of a need, or what a node makes."""
    by_day: dict[int, list[Stock]] = defaultdict(list)
    for (node, material), told in arriving.items():
        for day, quantity in told:
            if day <= days:
                by_day[day].append(Stock(node=node, material=material, on_hand=quantity))
    stocking = Stocking(network.arcs)
    return {day: stocking.sort(stocks) for day, stocks in by_day.items()}


def planned_pipeline(network: Network, told: Collection[Place] = ()) -> Pipeline:
    """What is on its way when the chain has run as planned: each arc's daily need on every day of its lead time.

    Not to the places (node, material) of which is `told` what is on its way.
    """
    return {
        name_of(arc): [network.planned_per_d[arc.target] * arc.quantity_per * arc.share] * lead_d(arc)
        for arc in network.arcs
        if (arc.target, arc.material) not in told
    }


def lead_d(arc: Arc) -> int:
    """Whole days from order to arrival."""
    return ceil(arc.lead_time_d - 1e-9)


def name_of(arc: Arc) -> Name:
    return (arc.source, arc.target, arc.material)
