"""What a case states, in words that several kinds share: nodes, arcs, what is shut, and how to name what is wrong.

Fields that may be left out have their meaning from the conventions: no capacity is unlimited, no stock, demand, margin,
lead or flow is 0, no `qty` is 1, no material is the source's own. `null` counts as left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf, isnan
from typing import Any

import msgspec

from collector.errors import AndonError
from detectors.chain.network import Arc, Network, Node, NodeKind, Stock
from detectors.chain.programme.scenario import Scenario

Number = int | float
Name = str | int


class BadCase(AndonError):
    """A case cannot be answered; the sentence names the key."""


@contextmanager
def at(key: str) -> Iterator[None]:
    """Whatever is refused within is told with its key."""
    try:
        yield
    except BadCase as error:
        raise BadCase(f"{key}.{error}") from error
    except (ValueError, AndonError) as error:
        raise BadCase(f"{key}: {error}") from error


class NodeStated(msgspec.Struct):
    id: Name
    stock: Number | None = None
    capacity: Number | None = None
    demand: Number | None = None
    margin: Number | None = None
    ttr: Number | None = None

    def node(self) -> Node:
        demand_per_d = self.demand or 0
        return Node(
            name=str(self.id),
            kind=NodeKind.MARKET if demand_per_d else NodeKind.PLANT,
            capacity_per_d=inf if self.capacity is None else self.capacity,
            time_to_recover_d=self.ttr,
            demand_per_d=demand_per_d,
            value_per_d=demand_per_d * (self.margin or 0),
        )


class ArcStated(msgspec.Struct):
    source: Name = msgspec.field(name="from")
    target: Name = msgspec.field(name="to")
    material: Name | None = None
    qty: Number | None = None
    lead: Number | None = None
    flow: Number | None = None

    def arc(self) -> Arc:
        return Arc(
            source=str(self.source),
            target=str(self.target),
            material=str(self.source if self.material is None else self.material),
            quantity_per=1 if self.qty is None else self.qty,
            lead_time_d=self.lead or 0,
        )


class NetworkStated(msgspec.Struct):
    nodes: list[NodeStated] = []
    arcs: list[ArcStated] = []

    def network(self, beside: Sequence[str] = ()) -> Network:
        """The chain. `beside`: names that stand elsewhere and that arcs may use. Raises BadCase."""
        nodes, stocks = [], []
        for i, stated in enumerate(self.nodes):
            with at(f"nodes[{i}]"):
                nodes.append(stated.node())
                stocks.append(Stock(node=str(stated.id), on_hand=stated.stock or 0))
        refuse_twice([node.name for node in nodes], "nodes")
        arcs = []
        for i, one in enumerate(self.arcs):
            with at(f"arcs[{i}]"):
                arcs.append(one.arc())
                refuse_unknown((arcs[-1].source, arcs[-1].target), {*(node.name for node in nodes), *beside})
        return Network(tuple(nodes), tuple(arcs), tuple(stocks))


class ScenarioStated(msgspec.Struct):
    """`shut`: the ratio of capacity that remains, by node, for `t` days (absent: the longest `ttr` of what is shut)."""

    shut: dict[str, Number] = {}
    t: Number | None = None
    name: str = ""
    expected: dict[str, Any] | None = None
    tolerance: Number | None = None

    def scenario(self, network: Network) -> Scenario:
        with at("shut"):
            refuse_unknown(self.shut, network.by_name)
            return Scenario({name: float(ratio) for name, ratio in self.shut.items()})

    def for_d(self, network: Network) -> float:
        recover_d = [network.by_name[name].time_to_recover_d for name in self.shut]
        known_d = [d for d in recover_d if d is not None]
        for_d = self.t if self.t is not None else max(known_d, default=None)
        if for_d is None:
            raise BadCase("t: is missing, and no node that is shut has a ttr; say how many days it lasts")
        if isnan(for_d) or for_d < 0:
            raise BadCase(f"t: is {for_d}; it must be 0 or more days")
        return for_d


def refuse_unknown(named: Sequence[str] | Mapping[str, Any], known: Mapping[str, Any] | set[str]) -> None:
    unknown = [name for name in named if name not in known]
    if unknown:
        raise ValueError(f"names {unknown[0]}, which is not among the nodes")


def refuse_twice(names: Sequence[str], key: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise BadCase(f"{key}: {twice} stands there twice; an id is for one")
