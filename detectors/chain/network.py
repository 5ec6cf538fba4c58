"""The nouns of the chain (Node, Arc, Stock, Receipt, Mitigation, Outage, Shock) and the Network they make.

`detectors.chain.map` makes them of a folder of tables; everything else asks the Network. Values are frozen; an invalid
one cannot be built. Times to recover and lead times are days, rates are per day, money is in the folder's one currency.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import inf, isfinite, isnan
from typing import ClassVar

import msgspec

from detectors.chain import graph

ESSENTIAL = 2  # class of an input without which nothing is made (Diem et al. 2022); 1 non-essential, 0 no effect


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """Where a fact of the map is from: the row of its table, who says so, as of when, and how sure (0 to 1).

    The rows of `detectors.chain.map.tables` are Evidence themselves; `table` is the name of their file.
    """

    table: ClassVar[str] = ""

    row: int
    source: str
    as_of_ns: int
    confidence: float


class NodeKind(StrEnum):
    SUPPLIER = "supplier"
    PLANT = "plant"
    LINE = "line"
    WAREHOUSE = "warehouse"
    MARKET = "market"


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place that makes, keeps or sells one product: one (site, item).

    `division` is the two-digit industry (GB/T 4754) of `industry`, `equipment` the path of a telemetered line
    (`site/line`). `capacity_per_d` infinite is unlimited; it is never above `energy_cap_per_d`, the units a day that
    the site's energy allows. A node that is not `qualified` may not deliver yet. `ramp_d` is how long it takes from a
    restart, or from the word to make more, to the full rate. `value_per_d` is what selling `demand_per_d` units earns.
    """

    name: str
    kind: NodeKind
    title: str = ""
    division: str = ""
    region: str = ""
    cluster: str = ""
    country: str = ""
    equipment: str = ""
    capacity_per_d: float = inf
    time_to_recover_d: float | None = None
    demand_per_d: float = 0.0
    value_per_d: float = 0.0
    site: str = ""
    item: str = ""
    uom: str = ""  # UCUM, of the item
    hs_code: str = ""
    firm: str = ""
    role: str = ""  # `leader`, `sme` or neither
    industry: str = ""  # two to four digits
    qualified: bool = True
    normal_rate_per_d: float = 0.0  # what it usually makes; 0: not said
    ramp_d: float = 0.0
    energy_kwh_per_unit: float = 0.0
    co2_kg_per_unit: float = 0.0
    energy_cap_per_d: float = inf
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        _refuse_empty(name=self.name)
        _refuse_negative(demand_per_d=self.demand_per_d, value_per_d=self.value_per_d)
        _refuse_negative(time_to_recover_d=self.time_to_recover_d or 0.0, ramp_d=self.ramp_d)
        if self.capacity_per_d != inf:
            _refuse_negative(capacity_per_d=self.capacity_per_d)


class Arc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`source` supplies `target` with `material`, `quantity_per` unit of what `target` makes.

    `share` is the part of the target's need it covers today; sources of one material replace each other, and so do
    materials of one non-empty `substitutes` group. An arc that is not `qualified` carries nothing yet. `price` is for
    one unit of material, 0 where nobody says.
    """

    source: str
    target: str
    material: str
    quantity_per: float = 1.0
    lead_time_d: float = 0.0
    share: float = 1.0
    essential: int = ESSENTIAL
    substitutes: str = ""
    qualified: bool = True
    price: float = 0.0
    moq: float = 0.0  # the least that is sold at once
    contract_until_ns: int = 0
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        if not (self.source and self.target and self.material):
            _refuse_empty(source=self.source, target=self.target, material=self.material)
        if not (0 < self.quantity_per < inf and 0 <= self.lead_time_d < inf and 0 <= self.share < inf):
            _refuse_negative(quantity_per=self.quantity_per, lead_time_d=self.lead_time_d, share=self.share)
        if not self.quantity_per:
            raise ValueError("quantity_per is 0; say how much one unit of the target takes")
        if self.essential not in (0, 1, ESSENTIAL):
            raise ValueError(f"essential is {self.essential}; it is 2 (essential), 1 (not) or 0 (no effect)")

    @property
    def need(self) -> tuple[str, str]:
        """What the target needs that this arc can meet: (target, substitute group or material)."""
        return (self.target, self.substitutes or self.material)


class Receipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A delivery on its way: `quantity` of `material` arrives at `node` at `due_ns` (UTC)."""

    node: str
    material: str
    quantity: float
    due_ns: int

    def __post_init__(self) -> None:
        _refuse_empty(node=self.node, material=self.material)
        _refuse_negative(quantity=self.quantity)


class Stock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `node` has of a `material` that arrives there; any other material, or none, is what it makes.

    `series` names the live STOCK series that is read instead of `on_hand`. `use_per_d` 0 means as planned.
    """

    node: str
    material: str = ""
    on_hand: float
    use_per_d: float = 0.0
    as_of_ns: int = 0
    series: str = ""
    in_transit: tuple[Receipt, ...] = ()
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        _refuse_empty(node=self.node)
        _refuse_negative(on_hand=self.on_hand, use_per_d=self.use_per_d)


class Mitigation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that can be done about a lack of `material` at `node` (empty: any): it covers days, at a cost."""

    node: str
    action: str
    covers_d: float
    material: str = ""
    cost: float = 0.0
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        _refuse_empty(node=self.node, action=self.action)
        _refuse_negative(covers_d=self.covers_d, cost=self.cost)


class Outage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A standstill of `node` from `began_ns` to `ended_ns` (UTC); None: it has not ended."""

    node: str
    began_ns: int
    ended_ns: int | None = None
    cause: str = ""
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        _refuse_empty(node=self.node)
        if self.ended_ns is not None and self.ended_ns < self.began_ns:
            raise ValueError("an outage ends before it began; correct one of the two")


class Shock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario of the folder: what remains of the capacity of these nodes (0 to 1), for how long.

    `for_d` 0: each node for its own time to recover. `per_y` is how often it is expected a year, 0 where nobody says.
    """

    name: str
    remaining: dict[str, float]
    title: str = ""
    for_d: float = 0.0
    per_y: float = 0.0

    def __post_init__(self) -> None:
        _refuse_empty(name=self.name)
        _refuse_negative(for_d=self.for_d, per_y=self.per_y, **self.remaining)


@dataclass(frozen=True)
class Network:
    """A chain whose parts fit together: `detectors.chain.map` finds no error in it."""

    nodes: tuple[Node, ...]
    arcs: tuple[Arc, ...] = ()
    stocks: tuple[Stock, ...] = ()
    mitigations: tuple[Mitigation, ...] = ()
    outages: tuple[Outage, ...] = ()
    shocks: tuple[Shock, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def by_equipment(self) -> Mapping[str, Node]:
        return {node.equipment: node for node in self.nodes if node.equipment}

    @cached_property
    def by_series(self) -> Mapping[str, Stock]:
        return {stock.series: stock for stock in self.stocks if stock.series}

    @cached_property
    def arcs_into(self) -> Mapping[str, tuple[Arc, ...]]:
        return _grouped(self.nodes, ((arc.target, arc) for arc in self.arcs))

    @cached_property
    def arcs_from(self) -> Mapping[str, tuple[Arc, ...]]:
        return _grouped(self.nodes, ((arc.source, arc) for arc in self.arcs))

    @cached_property
    def planned_per_d(self) -> Mapping[str, float]:
        """Units a day each node makes when all demand is met at the stated shares."""
        rate = {node.name: node.demand_per_d for node in self.nodes}
        for name in reversed(graph.upstream_first(list(rate), _pairs(self.arcs))):
            rate[name] += sum(rate[arc.target] * arc.quantity_per * arc.share for arc in self.arcs_from[name])
        return rate

    @cached_property
    def places(self) -> Mapping[str, tuple[float, float]]:
        """Where each node stands on a map, (x, y) in 0 to 1, material flowing from left to right."""
        return graph.places([node.name for node in self.nodes], _pairs(self.arcs))

    def downstream(self, name: str) -> list[str]:
        """The nodes that depend on `name`, nearest first."""
        return graph.downstream(name, {key: [a.target for a in arcs] for key, arcs in self.arcs_from.items()})

    def sources(self, name: str, material: str) -> list[Arc]:
        """The arcs that can meet the need for `material` at `name`, substitutes included."""
        needs = {arc.need for arc in self.arcs_into[name] if arc.material == material}
        return [arc for arc in self.arcs_into[name] if arc.need in needs]

    def is_input(self, stock: Stock) -> bool:
        """Whether a stock is of something that arrives at its node, rather than of what the node makes."""
        return any(arc.material == stock.material for arc in self.arcs_into[stock.node])

    def planned_use_per_d(self, stock: Stock) -> float:
        """Units a day the plan takes out of a stock when it alone meets the need."""
        made_per_d = self.planned_per_d[stock.node]
        return made_per_d * self.quantity_per(stock.node, stock.material) if self.is_input(stock) else made_per_d

    def quantity_per(self, name: str, material: str) -> float:
        """Units of `material` in one unit of what `name` makes; where its sources differ, the most."""
        return max(arc.quantity_per for arc in self.arcs_into[name] if arc.material == material)


def _grouped(nodes: Iterable[Node], keyed: Iterable[tuple[str, Arc]]) -> dict[str, tuple[Arc, ...]]:
    groups: dict[str, list[Arc]] = defaultdict(list)
    for key, arc in keyed:
        groups[key].append(arc)
    return {node.name: tuple(groups[node.name]) for node in nodes}


def _pairs(arcs: Iterable[Arc]) -> list[graph.Pair]:
    return [(arc.source, arc.target) for arc in arcs]


def _refuse_empty(**texts: str) -> None:
    for name, text in texts.items():
        if not text:
            raise ValueError(f"{name} is empty; it must name something")


def _refuse_negative(**numbers: float) -> None:
    for name, number in numbers.items():
        if isnan(number) or not isfinite(number):
            raise ValueError(f"{name} is {number}; it must be a plain number")
        if number < 0:
            raise ValueError(f"{name} is {number:g}; it must not be negative")
