"""What part of a product's value comes from abroad when one looks through all tiers, by the Leontief inverse.

A product that is bought at home alone can be foreign for the most part: its board maker buys foreign chips. Column j
of `input_share` holds what j buys of each node per unit of value it sells; what is left of the column is its own value
added. Source: Leontief 1936; foreign content after Hummels, Ishii, Yi, J. Int. Econ. 54, 2001, and Koopman, Wang, Wei,
AER 104(2), 2014. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csc_array, eye_array, sparray
from scipy.sparse.linalg import splu

from collector.errors import AndonError
from detectors.chain.dependence import Dependence, dependence
from detectors.chain.network import Network, NodeKind
from detectors.chain.structure.supplies import Floats

_ROUND_OFF = 1e-9


class BadShares(AndonError):
    """Input shares that no chain can have; the sentence names the node."""


@dataclass(frozen=True, eq=False)
class LookThrough:
    """The Leontief inverse of a chain of n nodes, kept as a factor: `origin` of value, and `flow` of goods through.

    `value_added` (n): the part of what a node sells that it adds itself.
    """

    names: tuple[str, ...]
    value_added: Floats
    _inverse: Any  # scipy.sparse.linalg.SuperLU of (I - A)

    def origin(self, chosen: ArrayLike) -> Floats:
        """By node the ratio of its product's value that the chosen (n flags) have added: v' diag(chosen) (I-A)^-1."""
        return self._solved(self.value_added * np.asarray(chosen, np.float64))

    def flow(self, chosen: ArrayLike) -> Floats:
        """By node the value of goods of the chosen nodes that goes, in total, into one unit of value of its product.

        Goods that pass the chosen nodes twice count twice: this is turnover, `origin` is value added.
        """
        return self._solved(np.asarray(chosen, np.float64))

    def _solved(self, row: Floats) -> Floats:
        return np.asarray(self._inverse.solve(row, trans="T"))


def look_through(input_share: ArrayLike | sparray, names: Sequence[str]) -> LookThrough:
    """The look-through of n nodes. Raises BadShares on shares below 0, columns above 1, loops that add no value."""
    shares = csc_array(input_share, dtype=np.float64)
    if shares.shape != (len(names), len(names)):
        raise BadShares(
            f"input shares have the shape {shares.shape} for {len(names)} nodes; give a row and column each"
        )
    if not np.isfinite(shares.data).all() or (shares.data < 0).any():
        raise BadShares("an input share is below 0 or no number; it is a part of a value")
    bought = np.asarray(shares.sum(axis=0))
    above = np.flatnonzero(bought > 1 + _ROUND_OFF)
    if len(above):
        raise BadShares(f"{names[above[0]]} buys for {bought[above[0]]:.6g} of each unit it sells; correct its shares")
    try:
        factor = splu((eye_array(len(names)) - shares).tocsc())
    except RuntimeError as error:
        raise BadShares("goods go round in a loop to which nobody adds value; correct its shares") from error
    return LookThrough(tuple(names), 1 - bought, factor)


class Content(msgspec.Struct, frozen=True):
    """The foreign content of what a node makes, 0 to 1: `face_value` of its purchases, `looked_through` of its value.

    `by_country`: the value added by each foreign country. `dependence`: CDI of the countries that value comes from;
    CDI3 has what is added at home as own supply.
    """

    face_value: float
    looked_through: float
    by_country: dict[str, float]
    dependence: Dependence


class Contents(msgspec.Struct, frozen=True):
    """Content by node; `without_value` are nodes whose inputs cost what they sell for or more: taken to add nothing."""

    by_node: dict[str, Content]
    without_value: tuple[str, ...]


def contents(network: Network, home: str) -> Contents:
    """Foreign content of every node that makes something of purchases, at planned flows and stated prices.

    A node's sales are what others pay for them, or where it sells to the outside, inputs and margin. A supply without a
    price counts with the mean price of its material, or for nothing.
    """
    bought, shares, without_value = _shares(network)
    names = [node.name for node in network.nodes]
    countries = np.array([node.country for node in network.nodes])
    through = look_through(shares, names)
    origin = {c: through.origin(countries == c).tolist() for c in sorted(set(countries.tolist()) - {home})}
    by_node = {}
    for i, name in enumerate(names):
        if paid := bought.get(name):
            by_country = {country: of[i] for country, of in origin.items() if of[i] > 0}
            abroad = sum(by_country.values())
            face = sum(value for country, value in paid.items() if country != home) / (sum(paid.values()) or 1.0)
            added = max(0.0, 1 - abroad)
            by_node[name] = Content(face, abroad, by_country, dependence(by_country, added, added))
    return Contents(by_node, without_value)


def _shares(network: Network) -> tuple[dict[str, dict[str, float]], csc_array, tuple[str, ...]]:
    """What each node pays to each country, the input shares, and the nodes that add no value."""
    index = {node.name: i for i, node in enumerate(network.nodes)}
    flows = list(_flows(network))
    bought: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    paid, sold = np.zeros(len(index)), np.array([node.value_per_d for node in network.nodes])
    for source, target, money in flows:
        bought[target][network.by_name[source].country] += money
        paid[index[target]] += money
        sold[index[source]] += money
    outside = np.array([node.demand_per_d > 0 for node in network.nodes])
    sold = np.where(outside, sold + paid, sold)
    short = (paid > 0) & (sold <= paid)
    sold = np.where(short | (sold <= 0), np.maximum(paid, 1e-300), sold)
    rows = [index[source] for source, _, _ in flows]
    columns = [index[target] for _, target, _ in flows]
    values = [money / sold[index[target]] for _, target, money in flows]
    shares = csc_array((values, (rows, columns)), shape=(len(index), len(index)))
    makes = [node.kind not in (NodeKind.WAREHOUSE, NodeKind.MARKET) for node in network.nodes]
    names = tuple(
        node.name for node, is_short, is_maker in zip(network.nodes, short, makes, strict=True) if is_short and is_maker
    )
    return bought, shares, names


def _flows(network: Network) -> list[tuple[str, str, float]]:
    """(source, target, money a day) of every qualified supply."""
    prices: Mapping[str, list[float]] = defaultdict(list)
    for arc in network.arcs:
        if arc.price:
            prices[arc.material].append(arc.price)
    flows = []
    for arc in network.arcs:
        known = prices[arc.material]
        price = arc.price or (sum(known) / len(known) if known else 0.0)
        if arc.qualified:
            units_per_d = network.planned_per_d[arc.target] * arc.quantity_per * arc.share
            flows.append((arc.source, arc.target, units_per_d * price))
    return flows
