"""Cases of kind `graph`: single sources, concentration, cuts, betweenness, cores and influence."""

from __future__ import annotations

from typing import Any

import msgspec

from detectors.chain.reference.stated import BadCase, Name, Number, at, refuse_twice, refuse_unknown
from detectors.chain.structure import case as structure

_LABOUR = 0.4  # alpha where a case states none


class NodeAt(msgspec.Struct):
    id: Name
    demand: Number | None = None
    country: str | None = None
    region: str | None = None


class ArcWorth(msgspec.Struct):
    source: Name = msgspec.field(name="from")
    target: Name = msgspec.field(name="to")
    material: Name | None = None
    value: Number | None = None


class GraphStated(msgspec.Struct):
    nodes: list[NodeAt]
    arcs: list[ArcWorth] = []


class GraphCase(msgspec.Struct):
    network: GraphStated
    alpha: Number | None = None


KIND, TOLERANCE, CASE = "graph", 1e-9, GraphCase


def answers(case: GraphCase) -> dict[str, Any]:
    """All measures of the graph. An arc without a value counts 1, as all others without."""
    with at("network"):
        completed = {"nodes": _nodes(case.network), "arcs": _arcs(case.network)}
    alpha = _LABOUR if case.alpha is None else case.alpha
    return structure.answers({"kind": KIND, "network": completed, "alpha": alpha})


def _nodes(of: GraphStated) -> list[dict[str, Any]]:
    refuse_twice([str(node.id) for node in of.nodes], "nodes")
    if not of.nodes:
        raise BadCase("nodes: there is none")
    return [
        {
            "id": str(node.id),
            "demand": node.demand or 0,
            "country": node.country or "",
            "region": node.region or "",
        }
        for node in of.nodes
    ]


def _arcs(of: GraphStated) -> list[dict[str, Any]]:
    known = {str(node.id) for node in of.nodes}
    arcs = []
    for i, arc in enumerate(of.arcs):
        with at(f"arcs[{i}]"):
            refuse_unknown((str(arc.source), str(arc.target)), known)
            value = 1.0 if arc.value is None else arc.value
            if not value >= 0:
                raise ValueError(f"value is {value}; it must be 0 or more")
        material = str(arc.source if arc.material is None else arc.material)
        arcs.append({"from": str(arc.source), "to": str(arc.target), "material": material, "value": value})
    return arcs
