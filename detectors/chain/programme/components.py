"""The parts of a chain that share no material (Component), each as columns for its own programme.

A failure is felt only in its own part: flows never leave it. Parts are the weakly connected components of the arcs that
can carry an essential material; what is not essential stops nobody, and an arc in qualification carries nothing.
Pure. Input: a Network. Output goes to `model` and `phased`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from detectors.chain.network import ESSENTIAL, Arc, Network
from detectors.chain.programme.stocking import Need, Stocked, Stocking

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Amounts(NamedTuple):
    """What changes from minute to minute in a component: stocks in units of what the node makes, rates a day."""

    made: Floats  # finished stock of each node
    inputs: Floats  # of each need, as what its node can make of it
    capacity_per_d: Floats  # of each node, infinite where unlimited

    def equals(self, other: Amounts) -> bool:
        return all(np.array_equal(mine, theirs) for mine, theirs in zip(self, other, strict=True))

    def fingerprint(self) -> bytes:
        """The same for equal amounts of one component, another for others."""
        return blake2b(b"".join(column.tobytes() for column in self), digest_size=16).digest()


@dataclass(frozen=True)
class Component:
    """Nodes, needs and open arcs in columns; `source`, `target` and `need` are places in `names` and `needs`.

    `per` is what one unit of the target takes of an arc; `unit` is the rate a day by which a node's amounts are scaled.
    """

    names: tuple[str, ...]
    needs: tuple[Need, ...]
    arcs: tuple[Arc, ...]
    source: Places
    target: Places
    need: Places
    needing: Places  # the node of each need
    per: Floats
    demand_per_d: Floats
    value_per_d: Floats
    planned_per_d: Floats
    unit: Floats
    keeps_made: Places  # the nodes that may have finished stock
    keeps_inputs: Places  # the needs that may have input stock
    amounts: Amounts

    @cached_property
    def place(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def selling(self) -> Places:
        """The nodes with demand."""
        return np.flatnonzero(self.demand_per_d)

    @cached_property
    def arcs_of(self) -> dict[tuple[str, str], list[int]]:
        """The places of the arcs that bring a material to a node."""
        places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for i, arc in enumerate(self.arcs):
            places[arc.target, arc.material].append(i)
        return places

    def same_shape(self, other: Component) -> bool:
        """Whether only `amounts` differ, so that a kept programme can go on."""
        return (
            self.names == other.names
            and self.needs == other.needs
            and self.arcs == other.arcs
            and np.array_equal(self.demand_per_d, other.demand_per_d)
            and np.array_equal(self.value_per_d, other.value_per_d)
            and np.array_equal(self.planned_per_d, other.planned_per_d)
            and np.array_equal(self.keeps_made, other.keeps_made)
            and np.array_equal(self.keeps_inputs, other.keeps_inputs)
        )

    def restocked(self, stocked: Stocked, before: Amounts) -> Amounts:
        """These amounts with other stocks, at the places where the component keeps any."""
        amounts = Amounts(np.zeros(len(self.names)), np.zeros(len(self.needs)), before.capacity_per_d)
        amounts.made[self.keeps_made] = [stocked.made.get(self.names[i], 0.0) for i in self.keeps_made.tolist()]
        amounts.inputs[self.keeps_inputs] = [stocked.inputs.get(self.needs[i], 0.0) for i in self.keeps_inputs.tolist()]
        return amounts

    def serving(self, name: str, amounts: Amounts) -> Component:
        """What lies upstream of a node, with these amounts and the node as the only buyer, at its planned rate."""
        return self.upstream_of(name).holding(amounts)

    def upstream_of(self, name: str) -> Upstream:
        """What `serving` cuts out, whatever is in stock."""
        one = self.place[name]
        nodes = self._upstream(one)
        arcs, needs = nodes[self.target], nodes[self.needing]
        new_node, new_need = np.cumsum(nodes) - 1, np.cumsum(needs) - 1
        demand_per_d = np.zeros(len(self.names))
        demand_per_d[one] = self.planned_per_d[one]
        part = Component(
            names=tuple(self.names[i] for i in np.flatnonzero(nodes).tolist()),
            needs=tuple(self.needs[i] for i in np.flatnonzero(needs).tolist()),
            arcs=tuple(self.arcs[i] for i in np.flatnonzero(arcs).tolist()),
            source=new_node[self.source[arcs]],
            target=new_node[self.target[arcs]],
            need=new_need[self.need[arcs]],
            needing=new_node[self.needing[needs]],
            per=self.per[arcs],
            demand_per_d=demand_per_d[nodes],
            value_per_d=demand_per_d[nodes],
            planned_per_d=self.planned_per_d[nodes],
            unit=self.unit[nodes],
            keeps_made=new_node[self.keeps_made[nodes[self.keeps_made]]],
            keeps_inputs=new_need[self.keeps_inputs[needs[self.keeps_inputs]]],
            amounts=self.amounts,
        )
        idle = _places([] if self.demand_per_d[one] else [int(new_node[one])])
        return Upstream(part, np.flatnonzero(nodes), np.flatnonzero(needs), idle)

    def _upstream(self, one: int) -> NDArray[np.bool_]:
        """Whether each node is `one` or supplies it, over any number of tiers."""
        reached = np.zeros(len(self.names), np.bool_)
        reached[one] = True
        waiting = [one]
        while waiting:
            for source in self._sources[waiting.pop()]:
                if not reached[source]:
                    reached[source] = True
                    waiting.append(source)
        return reached

    @cached_property
    def _sources(self) -> list[list[int]]:
        """The places of the nodes that supply each node."""
        sources: list[list[int]] = [[] for _ in self.names]
        for source, target in zip(self.source.tolist(), self.target.tolist(), strict=True):
            sources[target].append(source)
        return sources


class Upstream(NamedTuple):
    """What lies upstream of one node of a component: places of its nodes and needs there, its amounts to be set.

    `idle`: the node itself, unless it sells; what a maker has in finished stock does not keep it running.
    """

    part: Component
    nodes: Places
    needs: Places
    idle: Places

    def amounts(self, whole: Amounts) -> Amounts:
        """Its share in the amounts of the component."""
        made = whole.made[self.nodes]
        made[self.idle] = 0.0
        return Amounts(made, whole.inputs[self.needs], whole.capacity_per_d[self.nodes])

    def holding(self, whole: Amounts) -> Component:
        return replace(self.part, amounts=self.amounts(whole))


def components(network: Network) -> tuple[Component, ...]:
    """Every component, in the order of its first node. Each node of the network is in exactly one."""
    place = {node.name: i for i, node in enumerate(network.nodes)}
    needed = [arc for arc in network.arcs if arc.essential == ESSENTIAL]
    open_arcs = [arc for arc in needed if arc.qualified]
    n = len(network.nodes)
    ends = ([place[arc.source] for arc in open_arcs], [place[arc.target] for arc in open_arcs])
    links = coo_array((np.ones(len(open_arcs)), ends), shape=(n, n))
    count, part = connected_components(links, directed=False) if n else (0, np.zeros(0, np.intp))
    members: list[list[int]] = [[] for _ in range(count)]
    for i, which in enumerate(part.tolist()):
        members[which].append(i)
    arcs_of: list[list[Arc]] = [[] for _ in range(count)]
    needs_of: list[dict[Need, int]] = [{} for _ in range(count)]
    for arc in needed:
        which = part[place[arc.target]]
        needs_of[which].setdefault(arc.need, len(needs_of[which]))
        if arc.qualified:
            arcs_of[which].append(arc)
    stocks = Stocking(network.arcs).sort(network.stocks)
    return tuple(_component(network, *parts, stocks) for parts in zip(members, arcs_of, needs_of, strict=True))


def _component(
    network: Network, members: list[int], arcs: list[Arc], needs: dict[Need, int], stocked: Stocked
) -> Component:
    nodes = [network.nodes[i] for i in members]
    place = {node.name: i for i, node in enumerate(nodes)}
    planned = _floats([network.planned_per_d[node.name] for node in nodes])
    capacity = _floats([node.capacity_per_d for node in nodes])
    return Component(
        names=tuple(place),
        needs=tuple(needs),
        arcs=tuple(arcs),
        source=_places([place[arc.source] for arc in arcs]),
        target=_places([place[arc.target] for arc in arcs]),
        need=_places([needs[arc.need] for arc in arcs]),
        needing=_places([place[name] for name, _ in needs]),
        per=_floats([arc.quantity_per for arc in arcs]),
        demand_per_d=_floats([node.demand_per_d for node in nodes]),
        value_per_d=_floats([node.value_per_d for node in nodes]),
        planned_per_d=planned,
        unit=_unit(planned, capacity),
        keeps_made=_places([i for name, i in place.items() if name in stocked.made]),
        keeps_inputs=_places([i for need, i in needs.items() if need in stocked.inputs]),
        amounts=Amounts(
            _floats([stocked.made.get(name, 0.0) for name in place]),
            _floats([stocked.inputs.get(need, 0.0) for need in needs]),
            capacity,
        ),
    )


def _unit(planned_per_d: Floats, capacity_per_d: Floats) -> Floats:
    """The planned rate, where there is none the capacity, else 1: so all amounts are days, and of one size."""
    limited = np.where(np.isfinite(capacity_per_d) & (capacity_per_d > 0), capacity_per_d, 1.0)
    return np.where(planned_per_d > 0, planned_per_d, limited)


def _floats(values: list[float]) -> Floats:
    return np.array(values, np.float64)


def _places(values: list[int]) -> Places:
    return np.array(values, np.intp)
