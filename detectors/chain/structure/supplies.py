"""Who supplies whom with what, as columns (Supplies): what all measures of structure are asked of.

`supplies_of` makes them of a map; `case` of a reference case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from detectors.chain.network import ESSENTIAL, Arc, Network

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Flags = NDArray[np.bool_]

Need = tuple[str, str]  # (who needs it, material or substitute group)


class Link(NamedTuple):
    """One supply: `source` to `target`, of what `need` names, worth `value`; `required`: nothing is made without it."""

    source: str
    target: str
    need: str
    value: float
    required: bool = True


@dataclass(frozen=True, eq=False)
class Supplies:
    """n nodes and l links. Links of one need replace each other (OR); all required needs of a node are needed (AND).

    `source`, `target`, `need` (l): indices into `names` and `needs`; `value` (l): money, or units where no price is
    known. `required`: by need. `market` (n): sells to the outside. `labels`: for each kind (country, ...) one per node.
    """

    names: tuple[str, ...]
    source: Ints
    target: Ints
    need: Ints
    value: Floats
    needs: tuple[Need, ...]
    required: Flags
    market: Flags
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def adjacency(self) -> csr_array:
        """n x n of ones: from source to target, however many links there are."""
        ones = csr_array((np.ones(len(self.source)), (self.source, self.target)), shape=(len(self), len(self)))
        ones.sum_duplicates()
        ones.data[:] = 1.0
        return ones

    @cached_property
    def undirected(self) -> csr_array:
        """n x n of ones, both ways, without loops."""
        both = (self.adjacency + self.adjacency.T).tocsr()
        both.setdiag(0)
        both.eliminate_zeros()
        both.data[:] = 1.0
        return both


def supplies(
    names: Sequence[str],
    links: Sequence[Link],
    market: Sequence[bool],
    labels: Mapping[str, Sequence[str]] | None = None,
) -> Supplies:
    """The columns of these links. Raises KeyError for a link to a name that is none."""
    index = {name: i for i, name in enumerate(names)}
    needs: dict[Need, int] = {}
    required: list[bool] = []
    of_link = np.empty(len(links), np.int32)
    for i, link in enumerate(links):
        of_link[i] = need = needs.setdefault((link.target, link.need), len(needs))
        if need == len(required):
            required.append(False)
        required[need] |= link.required
    return Supplies(
        names=tuple(names),
        source=np.array([index[link.source] for link in links], np.int32),
        target=np.array([index[link.target] for link in links], np.int32),
        need=of_link,
        value=np.array([link.value for link in links], np.float64),
        needs=tuple(needs),
        required=np.array(required, np.bool_),
        market=np.array(market, np.bool_),
        labels={kind: tuple(of_node) for kind, of_node in (labels or {}).items()},
    )


def supplies_of(network: Network) -> Supplies:
    """The qualified supplies of a map; their value is planned units a day times price.

    A price that nobody states is the mean of those stated for the material. Where a need has none at all, or nothing
    is planned, its links weigh by their shares.
    """
    arcs = [arc for arc in network.arcs if arc.qualified]
    return supplies(
        [node.name for node in network.nodes],
        [
            Link(arc.source, arc.target, arc.need[1], value, arc.essential == ESSENTIAL)
            for arc, value in zip(arcs, _values(network, arcs), strict=True)
        ],
        [node.demand_per_d > 0 for node in network.nodes],
        {
            kind: [getattr(node, kind) for node in network.nodes]
            for kind in ("country", "region", "cluster", "division")
        },
    )


def _values(network: Network, arcs: Sequence[Arc]) -> list[float]:
    priced: dict[str, list[float]] = defaultdict(list)
    for arc in arcs:
        if arc.price:
            priced[arc.material].append(arc.price)
    usual = {material: fmean(prices) for material, prices in priced.items()}
    values, total = [], defaultdict[Need, float](float)
    for arc in arcs:
        units_per_d = network.planned_per_d.get(arc.target, 0.0) * arc.quantity_per * arc.share
        values.append(units_per_d * (arc.price or usual.get(arc.material, 0.0)))
        total[arc.need] += values[-1]
    return [value if total[arc.need] else arc.share for arc, value in zip(arcs, values, strict=True)]
