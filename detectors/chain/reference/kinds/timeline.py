"""Cases of kind `timeline`: the same day by day, with lead times and what is on its way."""

from __future__ import annotations

from collections import defaultdict
from math import ceil
from typing import Any

import msgspec

from detectors.chain.network import Arc
from detectors.chain.programme.phased import Phased
from detectors.chain.programme.pipeline import Pipeline
from detectors.chain.reference.stated import ArcStated, NetworkStated, Number, ScenarioStated, at


class TimelineCase(msgspec.Struct):
    network: NetworkStated
    horizon: Number
    scenarios: list[ScenarioStated]


KIND, TOLERANCE, CASE = "timeline", 1e-6, TimelineCase


def answers(case: TimelineCase) -> dict[str, Any]:
    """`scenarios`, each with `loss` over the horizon and `first_hit` (day, null for none)."""
    with at("network"):
        network = case.network.network()
    with at("horizon"):
        if case.horizon != int(case.horizon):
            raise ValueError(f"is {case.horizon}; it is a number of whole days")
        phased = Phased(network, int(case.horizon), pipeline_of(case.network.arcs))
    found = []
    for i, one in enumerate(case.scenarios):
        with at(f"scenarios[{i}]"):
            shut, for_d = one.scenario(network), one.for_d(network)
            found.append({"loss": float(phased.loss(shut, for_d)), "first_hit": phased.first_hit_d(shut, for_d)})
    return {"scenarios": found}


def pipeline_of(stated: list[ArcStated]) -> Pipeline:
    """What is on its way: `flow` a day on every day of the lead time.

    Two arcs of one name (the fast way and the slow one) share an entry that each of them reads, so it holds what
    together makes as much of the target's product.
    """
    named: dict[tuple[str, str, str], list[tuple[Arc, float]]] = defaultdict(list)
    for one in stated:
        arc = one.arc()
        named[arc.source, arc.target, arc.material].append((arc, one.flow or 0.0))
    return {name: _shared(arcs) for name, arcs in named.items()}


def _shared(arcs: list[tuple[Arc, float]]) -> list[float]:
    lead_d = [ceil(arc.lead_time_d - 1e-9) for arc, _ in arcs]
    reads = sum(1 / arc.quantity_per for arc, _ in arcs)
    made = [
        sum(flow / arc.quantity_per for (arc, flow), lead in zip(arcs, lead_d, strict=True) if day < lead)
        for day in range(max(lead_d))
    ]
    return [amount / reads for amount in made]
