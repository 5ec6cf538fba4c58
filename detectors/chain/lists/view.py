"""What every rule of the lists asks of a map (View): needs, makers, home, stocks, what is at stake, how sure it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import inf

from detectors.chain import graph
from detectors.chain.arrivals import in_time_d, to_come_d
from detectors.chain.dependence import Dependence, dependences
from detectors.chain.lists.row import Kind, ListName, Number, Row, Settings
from detectors.chain.network import ESSENTIAL, Arc, Evidence, Network, Node, NodeKind, Stock
from detectors.chain.structure.cuts import Logic
from detectors.chain.structure.sources import concentration
from detectors.chain.structure.supplies import Need, Supplies, supplies_of

_KEEPS = (NodeKind.WAREHOUSE, NodeKind.MARKET)


class View:
    """A Network under the Settings of its lists. Everything is computed once, when first asked for."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network = network
        self.settings = settings

    @cached_property
    def home(self) -> str:
        """The country (or region, or cluster) that counts as one's own."""
        sold: dict[str, float] = defaultdict(float)
        for node in self.network.nodes:
            sold[self.place(node)] += node.value_per_d or node.demand_per_d
        return self.settings.home or max(sold, key=sold.__getitem__, default="")

    @cached_property
    def supplies(self) -> Supplies:
        return supplies_of(self.network)

    @cached_property
    def logic(self) -> Logic:
        return Logic(self.supplies)

    @cached_property
    def hhi_supplier(self) -> Mapping[Need, float]:
        return concentration(self.supplies)

    @cached_property
    def needs(self) -> Mapping[Need, tuple[Arc, ...]]:
        """The essential needs that others meet, with all their sources. A node's own site is no supplier."""
        needs: dict[Need, list[Arc]] = defaultdict(list)
        for arc in self.network.arcs:
            if arc.essential == ESSENTIAL:
                needs[arc.need].append(arc)
        return {need: tuple(arcs) for need, arcs in needs.items() if not any(map(self._in_house, arcs))}

    @cached_property
    def qualified(self) -> Mapping[Need, tuple[Arc, ...]]:
        """The same with those sources alone that may deliver."""
        return {need: tuple(arc for arc in arcs if arc.qualified) for need, arcs in self.needs.items()}

    @cached_property
    def makers(self) -> Mapping[str, tuple[Node, ...]]:
        """Who makes each material that somebody essentially needs, those in qualification included."""
        makers: dict[str, dict[str, Node]] = {
            arc.material: {} for arc in self.network.arcs if arc.essential == ESSENTIAL
        }
        for node in self.network.nodes:
            if node.item in makers and node.kind not in _KEEPS:
                makers[node.item][node.name] = node
        for arc in self.network.arcs:
            source = self.network.by_name[arc.source]
            if arc.material in makers and source.kind not in _KEEPS:
                makers[arc.material][source.name] = source
        return {material: tuple(nodes.values()) for material, nodes in makers.items()}

    @cached_property
    def dependences(self) -> Mapping[str, Dependence]:
        """Import dependence of every material at face value; needs a home that is a country."""
        return dependences(self.network, self.home)

    def place(self, node: Node) -> str:
        place: str = getattr(node, self.settings.home_kind)
        return place

    def at_home(self, node: Node) -> bool:
        return self.place(node) == self.home

    def on_hand_d(self, node: str, material: str) -> float:
        """Days that the stock of an input lasts at its node, or of its product, as planned; infinite without a plan."""
        days = 0.0
        for stock in self._stocks[node, material]:
            use_per_d = stock.use_per_d or self.network.planned_use_per_d(stock)
            days += stock.on_hand / use_per_d if use_per_d else inf
        return days

    def on_its_way_d(self, node: str, material: str) -> float:
        """Days that what is on its way will last: what is due after the stock was counted."""
        return sum(to_come_d(self.network, stock) for stock in self._stocks[node, material])

    def in_time_d(self, node: str, material: str) -> float:
        """Days that what of it arrives before the stock runs out will last."""
        return sum(in_time_d(self.network, stock) for stock in self._stocks[node, material])

    def row(
        self,
        kind: Kind,
        *,
        list: ListName,
        material: str,
        nodes: Sequence[str],
        cause: str,
        clears: str,
        evidence: Mapping[str, Number],
        arcs: Iterable[Arc] = (),
        felt_by: Sequence[str] = (),
        critical: bool = True,
    ) -> Row:
        """A Row with its places, its date and what is at stake, unless it is not `critical`; `arcs`: it rests on."""
        places = dict.fromkeys([*nodes, *felt_by])
        facts = self._facts(nodes, material, felt_by, arcs)
        return Row(
            list=list,
            kind=kind,
            material=material,
            nodes=tuple(nodes),
            felt_by=tuple(felt_by),
            cause=cause,
            clears=clears,
            evidence=dict(evidence),
            at_stake_per_d=self.at_stake_per_d(nodes) if critical else 0.0,
            as_of_ns=min((fact.as_of_ns for fact in facts), default=0),
            confidence=min((fact.confidence for fact in facts), default=0.0),
            facts=tuple(dict.fromkeys(f"{fact.table}.csv row {fact.row}" for fact in facts)),
            chains=self.chains(places),
            clusters=self._labels(places, "cluster"),
            divisions=self._labels(nodes or felt_by, "division"),
        )

    def at_stake_per_d(self, lost: Iterable[str]) -> float:
        """What the markets earn a day that sell nothing more, in the end, without `lost`."""
        return sum(self.network.by_name[name].value_per_d for name in self.logic.stopped_without(lost))

    def chains(self, nodes: Iterable[str]) -> tuple[str, ...]:
        """The products that are sold of what these nodes make."""
        return tuple(sorted({product for name in nodes for product in self._sold_of[name]}))

    def _labels(self, nodes: Iterable[str], kind: str) -> tuple[str, ...]:
        return tuple(sorted({getattr(self.network.by_name[name], kind) for name in nodes} - {""}))

    def _facts(
        self, nodes: Iterable[str], material: str, felt_by: Iterable[str], arcs: Iterable[Arc]
    ) -> list[Evidence]:
        """The rows that a finding rests on: of the nodes, of the supplies, and of their stocks."""
        said = [self.network.by_name[name].evidence for name in nodes]
        said += [arc.evidence for arc in arcs]
        said += [stock.evidence for name in (*nodes, *felt_by) for stock in self._stocks[name, material]]
        return sorted((fact for fact in said if fact is not None), key=lambda fact: (fact.table, fact.row))

    def _in_house(self, arc: Arc) -> bool:
        source, target = self.network.by_name[arc.source], self.network.by_name[arc.target]
        return bool(source.site) and source.site == target.site

    @cached_property
    def _stocks(self) -> Mapping[tuple[str, str], list[Stock]]:
        stocks: dict[tuple[str, str], list[Stock]] = defaultdict(list)
        for stock in self.network.stocks:
            stocks[stock.node, stock.material or self.network.by_name[stock.node].item].append(stock)
        return stocks

    @cached_property
    def _sold_of(self) -> Mapping[str, frozenset[str]]:
        """By node: the products sold that it goes into."""
        sold: dict[str, frozenset[str]] = defaultdict(frozenset)
        pairs = [(arc.source, arc.target) for arc in self.network.arcs]
        for name in reversed(graph.upstream_first(list(self.network.by_name), pairs)):
            node = self.network.by_name[name]
            own = frozenset({node.item or name}) if node.demand_per_d else frozenset[str]()
            sold[name] = own.union(*(sold[arc.target] for arc in self.network.arcs_from[name]))
        return sold
