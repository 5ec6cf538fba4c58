"""What each site does: capabilities as nodes, and what demand, stocks, deliveries, actions and outages hang on them.

Pure: Tables whose names are known in, the parts of a Network and faults out. A stock of what a site makes, keeps or
sells is at that node; any other is the input of the one node of the site that uses it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from math import inf

from collector.units.scaling import scaling
from detectors.chain.map.codes import division_of
from detectors.chain.map.tables import Capability, Coming, Does, Fault, Held, Scope, Site, Standstill, Tables
from detectors.chain.network import Mitigation, Node, NodeKind, Outage, Receipt, Shock, Stock


class Places:
    """The nodes of a folder and where its rows belong; `faults` grows as the parts are asked for, each once."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._sites = {site.id: site for site in tables.sites}
        self._items = {item.id: item for item in tables.items}
        self._at = {(one.site, one.item): one for one in tables.capabilities}
        self._of_site: dict[str, list[Capability]] = defaultdict(list)
        self._makers: dict[str, list[Capability]] = defaultdict(list)
        for one in tables.capabilities:
            self._of_site[one.site].append(one)
            if one.does is Does.MAKE:
                self._makers[one.site].append(one)
        self._takes: dict[str, set[str]] = defaultdict(set)  # by item: what it is made of
        for line in tables.bom:
            self._takes[line.parent].add(line.child)
        self.faults: list[Fault] = []

    def capability(self, site: str, item: str) -> Capability | None:
        return self._at.get((site, item))

    def makers(self, site: str) -> Sequence[Capability]:
        """What a site makes."""
        return self._makers.get(site, ())

    def nodes(self) -> tuple[Node, ...]:
        sold: dict[tuple[str, str], float] = {}
        for one in self._tables.demand:
            sold[one.site, one.item] = one.per_d * self._factor(one.uom, one.item)
            if (one.site, one.item) not in self._at:
                says = f"{one.site} has no capability for {one.item}; add it to capabilities.csv (make, keep or sell)"
                self.faults.append(Fault("demand", one.row, says))
        return tuple(self._node(one, sold.get((one.site, one.item), 0.0)) for one in self._tables.capabilities)

    def stocks(self) -> tuple[Stock, ...]:
        """All stocks with what is on its way to them."""
        coming: dict[tuple[str, str], list[Coming]] = defaultdict(list)
        for row in self._tables.in_transit:
            coming[row.site, row.item].append(row)
        found = [self._stock(row, node, coming.pop((row.site, row.item), [])) for row, node in self._held()]
        stocked = {(row.site, row.item) for row in self._tables.stock}
        for (site, item), rows in coming.items():
            if (site, item) not in stocked:
                says = (
                    f"{item} at {site} has no row in stock.csv to arrive in; add one, with on_hand 0 if there is none"
                )
                self.faults += [Fault("in_transit", row.row, says) for row in rows]
        return tuple(found)

    def mitigations(self) -> tuple[Mitigation, ...]:
        return tuple(
            Mitigation(
                node=node, action=row.action, covers_d=row.covers_d, material=row.item, cost=row.cost, evidence=row
            )
            for row in self._tables.actions
            for node in self._concerned(row.table, row.row, row.site, row.item)
        )

    def outages(self) -> tuple[Outage, ...]:
        """An outage of a site is one of all it makes (or keeps, where it makes nothing), unless it names the item."""
        return tuple(
            Outage(node=one.node, began_ns=row.began_ns, ended_ns=row.ended_ns or None, cause=row.cause, evidence=row)
            for row in self._tables.outages
            for one in self._down(row)
        )

    def shocks(self) -> tuple[Shock, ...]:
        """The scenarios; where two parts hit one node, the worse counts, and the first row says the rest."""
        parts: dict[str, list[int]] = defaultdict(list)
        for i, row in enumerate(self._tables.scenarios):
            parts[row.name].append(i)
        shocks = []
        for name, rows in parts.items():
            remaining: dict[str, float] = {}
            for row in (self._tables.scenarios[i] for i in rows):
                for node in self._hit(row.scope, row.target):
                    remaining[node] = min(row.remaining, remaining.get(node, 1.0))
            first = self._tables.scenarios[rows[0]]
            shocks.append(
                Shock(name=name, remaining=remaining, title=first.title, for_d=first.for_d, per_y=first.per_y)
            )
        return tuple(shocks)

    def _down(self, row: Standstill) -> Sequence[Capability]:
        if row.item:
            return [one for one in self._of_site[row.site] if one.item == row.item]
        return self.makers(row.site) or self._of_site[row.site]

    def _node(self, one: Capability, demand_per_d: float) -> Node:
        site, item = self._sites[one.site], self._items[one.item]
        energy_cap_per_d = self._energy_cap_per_d(site, one)
        alone = len(self._of_site[one.site]) == 1
        title, of_what = site.title or site.id, item.title or item.id
        return Node(
            name=one.node,
            kind=self._kind(one),
            title=title if alone else f"{title}, {of_what}",
            division=division_of(site.industry),
            region=site.region,
            cluster=site.cluster,
            country=site.country,
            equipment=one.line,
            capacity_per_d=min(one.capacity_per_d, energy_cap_per_d),
            time_to_recover_d=one.time_to_recover_d or None,
            demand_per_d=demand_per_d,
            value_per_d=demand_per_d * item.unit_margin,
            site=site.id,
            item=item.id,
            uom=item.uom,
            hs_code=item.hs_code,
            firm=site.firm,
            role=str(site.role),
            industry=site.industry,
            qualified=one.qualified,
            normal_rate_per_d=one.normal_rate_per_d,
            ramp_d=one.ramp_d,
            energy_kwh_per_unit=site.energy_kwh_per_unit,
            co2_kg_per_unit=site.co2_kg_per_unit,
            energy_cap_per_d=energy_cap_per_d,
            evidence=one,
        )

    def _kind(self, one: Capability) -> NodeKind:
        if one.does is not Does.MAKE:
            return NodeKind.WAREHOUSE if one.does is Does.KEEP else NodeKind.MARKET
        if one.line:
            return NodeKind.LINE
        return NodeKind.PLANT if self._takes[one.item] else NodeKind.SUPPLIER

    def _energy_cap_per_d(self, site: Site, one: Capability) -> float:
        """Units a day by the energy of the site, which its makers share in proportion to their usual rates."""
        if one.does is not Does.MAKE or site.energy_cap_kwh_per_d == inf or not site.energy_kwh_per_unit:
            return inf
        rates = {each.item: _rate(each) for each in self.makers(site.id)}
        return site.energy_cap_kwh_per_d / site.energy_kwh_per_unit * rates[one.item] / sum(rates.values())

    def _held(self) -> Iterator[tuple[Held, str]]:
        """Each stock with the node that has it; says which have none, or more than one."""
        for row in self._tables.stock:
            if (row.site, row.item) in self._at:
                yield row, self._at[row.site, row.item].node
                continue
            users = [one.node for one in self.makers(row.site) if row.item in self._takes[one.item]]
            if len(users) == 1:
                yield row, users[0]
            elif users:
                says = (
                    f"{row.item} at {row.site} is used by {', '.join(users)}; add a capability of {row.site} to keep it"
                )
                self.faults.append(Fault("stock", row.row, f"{says}, from which they draw"))
            else:
                self._stray(row.table, row.row, row.site, row.item)

    def _stock(self, row: Held, node: str, coming: list[Coming]) -> Stock:
        factor = self._factor(row.uom, row.item)
        return Stock(
            node=node,
            material=row.item,
            on_hand=row.on_hand * factor,
            use_per_d=row.use_per_d * factor,
            as_of_ns=row.as_of_ns,
            series=row.series,
            in_transit=tuple(
                Receipt(
                    node=node, material=row.item, quantity=c.quantity * self._factor(c.uom, c.item), due_ns=c.due_ns
                )
                for c in coming
            ),
            evidence=row,
        )

    def _concerned(self, table: str, row: int, site: str, item: str) -> list[str]:
        """The nodes of a site that take or make an item, all where none is named."""
        nodes = [one.node for one in self._of_site[site] if item in ("", one.item) or item in self._takes[one.item]]
        if not nodes:
            self._stray(table, row, site, item)
        return nodes

    def _stray(self, table: str, row: int, site: str, item: str) -> None:
        what = f"{site} neither takes nor makes {item}" if item else f"{site} has no row in capabilities.csv"
        self.faults.append(Fault(table, row, f"`item`: {what}; correct the row, or the capabilities and the bom"))

    def _hit(self, scope: Scope, target: str) -> Iterator[str]:
        of_site: Callable[[Site], str] = {
            Scope.DIVISION: lambda site: division_of(site.industry),
            Scope.SITE: lambda site: site.id,
            Scope.ITEM: lambda site: "",
        }.get(scope, lambda site: str(getattr(site, scope)))
        for one in self._tables.capabilities:
            if target == (one.item if scope is Scope.ITEM else of_site(self._sites[one.site])):
                yield one.node

    def _factor(self, uom: str, item: str) -> float:
        own = self._items[item].uom
        return scaling(uom, own).factor if uom and uom != own else 1.0


def _rate(one: Capability) -> float:
    return one.normal_rate_per_d or (one.capacity_per_d if one.capacity_per_d < inf else 1.0)
