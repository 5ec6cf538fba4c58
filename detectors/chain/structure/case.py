"""Reference cases of the kinds `graph`, `cdi` and `lookthrough`: what each expects, computed here, under its names.

answers(json.loads(text))["betweenness"]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from detectors.chain.dependence import Dependence, dependence
from detectors.chain.look_through import look_through
from detectors.chain.structure.betweenness import betweenness
from detectors.chain.structure.cuts import Logic
from detectors.chain.structure.measures import articulation, influence, k_core
from detectors.chain.structure.sources import SUPPLIER, concentration, single_sources
from detectors.chain.structure.supplies import Link, Supplies, supplies

_LABELS = ("country", "region")


def answers(case: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `expected`; for `cdi` the list `products`. Raises KeyError for a case of another kind."""
    return ANSWERS[case["kind"]](case)


def supplies_of_case(network: Mapping[str, Any]) -> Supplies:
    """The nodes and arcs of a case. Raises KeyError where one lacks a name."""
    nodes, arcs = network["nodes"], network["arcs"]
    return supplies(
        [node["id"] for node in nodes],
        [Link(arc["from"], arc["to"], arc["material"], arc.get("value", 0.0)) for arc in arcs],
        [node.get("demand", 0) > 0 for node in nodes],
        {kind: [node.get(kind, "") for node in nodes] for kind in _LABELS},
    )


def _graph(case: Mapping[str, Any]) -> dict[str, Any]:
    """Needs are written `target|material`."""
    of = supplies_of_case(case["network"])
    cut = articulation(of)
    return {
        "single_source": sorted(list(need) for need in single_sources(of)),
        **{f"hhi_{by}": _by_need(concentration(of, by)) for by in (SUPPLIER, *_LABELS)},
        "articulation": sorted(name for name, is_cut in zip(of.names, cut.tolist(), strict=True) if is_cut),
        "cut_suppliers": sorted(Logic(of).cut_suppliers()),
        "betweenness": _by_name(of, betweenness(of).ratio.tolist()),
        "kcore": _by_name(of, k_core(of).tolist()),
        "influence": _by_name(of, influence(of, case["alpha"]).tolist()),
    }


def _cdi(case: Mapping[str, Any]) -> dict[str, Any]:
    return {"products": [_indices(product) for product in case["products"]]}


def _indices(product: Mapping[str, Any]) -> dict[str, Any]:
    foreign: dict[str, float] = defaultdict(float)
    for source in product["sources"]:
        if not source["domestic"]:
            foreign[source["country"]] += source["value"]
    domestic = sum(source["value"] for source in product["sources"] if source["domestic"])
    found: Dependence = dependence(foreign, domestic, product["own_supply"])
    return {"cdi1": found.cdi1, "cdi2": found.cdi2, "cdi3": found.cdi3, "dependent": found.dependent}


def _look_through(case: Mapping[str, Any]) -> dict[str, Any]:
    """Face value is told of the first node, the product."""
    names, foreign, shares = case["nodes"], case["foreign"], case["input_share"]
    through = look_through(shares, names)
    flow = dict(zip(names, through.flow(foreign).tolist(), strict=True))
    return {
        "face_value_product": sum(row[0] for row, abroad in zip(shares, foreign, strict=True) if abroad),
        "foreign_value_added_share": dict(zip(names, through.origin(foreign).tolist(), strict=True)),
        "flow_through_foreign": {name: flow[name] for name, abroad in zip(names, foreign, strict=True) if not abroad},
    }


def _by_need(values: Mapping[tuple[str, str], float]) -> dict[str, float]:
    return {f"{target}|{material}": value for (target, material), value in values.items()}


def _by_name(of: Supplies, values: Iterable[float]) -> dict[str, float]:
    return dict(zip(of.names, values, strict=True))


ANSWERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "graph": _graph,
    "cdi": _cdi,
    "lookthrough": _look_through,
}
