"""A map without the names of its firms: `anonymous(network)`; whatever is computed of it names none either.

Nodes, sites, firms and lines get labels of division, place and a number; titles, GLN, sources of facts and free texts
go. Materials, places, amounts and dates stay: who knows an industry may still guess a firm that is alone in its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from detectors.chain.map.tables import Action, Capability, Held, Site, Sourcing, Standstill
from detectors.chain.network import Evidence, Network, Node, Stock


def anonymous(network: Network) -> Network:
    """The same chain under labels; the numbers follow the order of the map."""
    names = _labels(network.nodes)
    firms = _numbered("firm", (node.firm for node in network.nodes))
    sites = _numbered("site", (node.site for node in network.nodes))
    lines = _numbered("line", (node.equipment for node in network.nodes))
    return Network(
        tuple(_node(node, names, firms, sites, lines) for node in network.nodes),
        tuple(
            replace(arc, source=names[arc.source], target=names[arc.target], evidence=_unnamed(arc.evidence))
            for arc in network.arcs
        ),
        tuple(_stock(stock, names) for stock in network.stocks),
    )


def _labels(nodes: Iterable[Node]) -> Mapping[str, str]:
    """`39 Suzhou 2`: the second node of its division in its cluster, else region or country."""
    seen: Counter[str] = Counter()
    labels = {}
    for node in nodes:
        place = node.cluster or node.country or "somewhere"
        kind = f"{node.division or 'any'} {place}"
        seen[kind] += 1
        labels[node.name] = f"{kind} {seen[kind]}"
    return labels


def _numbered(noun: str, names: Iterable[str]) -> Mapping[str, str]:
    labels = {"": ""}
    for name in names:
        labels.setdefault(name, f"{noun} {len(labels)}")
    return labels


def _node(
    node: Node, names: Mapping[str, str], firms: Mapping[str, str], sites: Mapping[str, str], lines: Mapping[str, str]
) -> Node:
    return replace(
        node,
        name=names[node.name],
        title="",
        equipment=lines[node.equipment],
        site=sites[node.site],
        firm=firms[node.firm],
        evidence=_unnamed(node.evidence),
    )


def _stock(stock: Stock, names: Mapping[str, str]) -> Stock:
    coming = tuple(replace(receipt, node=names[receipt.node]) for receipt in stock.in_transit)
    return replace(stock, node=names[stock.node], series="", in_transit=coming, evidence=_unnamed(stock.evidence))


def _unnamed(fact: Evidence | None) -> Evidence | None:
    """The evidence without who says so and without the names in its row."""
    if isinstance(fact, Capability):
        return replace(fact, source="", site="", name="", line="")
    if isinstance(fact, Sourcing):
        return replace(fact, source="", from_site="", to_site="")
    if isinstance(fact, Held):
        return replace(fact, source="", site="", series="")
    if isinstance(fact, Site | Standstill | Action):
        return None
    return None if fact is None else replace(fact, source="")
