"""From the map to money: what every firm of a chain sells to which other, and which input each cannot do without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.chain.network import Arc, Network, Node
from detectors.chain.systemic.firms import Firms

_KINDS: dict[str, Callable[[Node], str]] = {
    "region": lambda node: node.region,
    "country": lambda node: node.country,
    "cluster": lambda node: node.cluster,
    "division": lambda node: node.division,
}


def of_network(network: Network) -> Firms:
    """The nodes of `network` as firms; a link is worth the units a day planned on its arc times their price.

    An arc without a price takes the highest known for that material, else what its source earns a unit, else 1. What
    a node sells to the outside is revenue and weight beside its links. A product (item, or material where there is
    none) is a sector of its own, since only makers of the same stand in for each other; its class is that of its arcs,
    the most essential where they differ. Arcs that are not qualified carry nothing. Raises BadFirms where nothing is
    sold at all.
    """
    index = {node.name: i for i, node in enumerate(network.nodes)}
    arcs = [arc for arc in network.arcs if arc.qualified]
    money = _money(network, arcs)
    products, sector = np.unique([_product(node) for node in network.nodes], return_inverse=True)
    essential = np.zeros((len(products), len(products)), np.uint8)
    supplier, buyer = (np.array([index[name] for name in ends], np.int32) for ends in _ends(arcs))
    classes = np.array([arc.essential for arc in arcs], np.uint8)
    np.maximum.at(essential, (sector[supplier], sector[buyer]), classes)
    outside = np.array([node.value_per_d for node in network.nodes], np.float64)
    revenue = outside + np.bincount(supplier, money, minlength=len(index))
    return Firms(
        supplier=supplier,
        buyer=buyer,
        money=money,
        sector=sector.astype(np.int32),
        essential=essential,
        revenue=revenue,
        weights=revenue,
        names=tuple(index),
        labels={kind: tuple(map(of, network.nodes)) for kind, of in _KINDS.items()},
    )


def _product(node: Node) -> str:
    return node.item or f"{node.division}/{node.name}"


def _ends(arcs: list[Arc]) -> tuple[list[str], list[str]]:
    return [arc.source for arc in arcs], [arc.target for arc in arcs]


def _money(network: Network, arcs: list[Arc]) -> np.ndarray:
    """Per day, of each arc."""
    known: dict[str, float] = {}
    for arc in arcs:
        known[arc.material] = max(known.get(arc.material, 0.0), arc.price)
    planned, nodes = network.planned_per_d, network.by_name

    def price(arc: Arc) -> float:
        return arc.price or known[arc.material] or _earned(nodes[arc.source]) or 1.0

    return np.array([planned[arc.target] * arc.quantity_per * arc.share * price(arc) for arc in arcs], np.float64)


def _earned(node: Node) -> float:
    return node.value_per_d / node.demand_per_d if node.demand_per_d else 0.0
