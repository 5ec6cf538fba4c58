"""Tables whose names are known -> the Network, and what does not fit when their rows are joined.

A node is one capability (site, item). An arc is one row of sourcing with one line of the bill of materials:

- where the buying site keeps or sells the item, its row of sourcing leads to that node, one for one;
- else it leads to every item the site makes with it. A maker draws what its own site keeps from there, and what its own
  site makes, unless a row of sourcing brings the item in.

Pure: Tables in, Network and faults out. Source of AND and OR: lines of one parent are all needed, those of one
substitute group replace each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from collector.units.scaling import scaling
from detectors.chain import graph
from detectors.chain.map.places import Places
from detectors.chain.map.tables import BomLine, Capability, Does, Fault, Item, Sourcing, Tables
from detectors.chain.network import Arc, Evidence, Node

SHARE_TOLERANCE = 0.01

Need = tuple[str, str]  # (node, item or substitute group)


class Wiring:
    """The arcs between the nodes of `places`, and the faults found on the way."""

    def __init__(self, tables: Tables, places: Places) -> None:
        self._tables = tables
        self._places = places
        self._items = {item.id: item for item in tables.items}
        self._lines: dict[str, list[BomLine]] = defaultdict(list)
        self._line_of: dict[tuple[str, str], BomLine] = {}
        for line in tables.bom:
            self._lines[line.parent].append(line)
            self._line_of[line.parent, line.child] = line
        self._quantity = {line.row: quantity_per(line, self._items[line.child]) for line in tables.bom}
        self.faults: list[Fault] = []
        self._class_of_group = self._classes()
        self.arcs = (*self._bought(), *self._in_house())
        self._by_need: dict[Need, list[Arc]] = defaultdict(list)
        for arc in self.arcs:
            self._by_need[arc.need].append(arc)

    def check(self, nodes: Sequence[Node]) -> list[Fault]:
        """All that does not fit: supplies without a supplier or a use, needs nobody meets, shares, cycles of sites."""
        return [*self.faults, *self._unmet(), *self._shares(), *self._cycle(nodes)]

    def _classes(self) -> dict[Need, int]:
        """By parent and substitute group the class of its most essential child; says where children differ.

        Who can replace what is essential is as good as it: it is the need that is essential, not the child.
        """
        groups: dict[Need, list[BomLine]] = defaultdict(list)
        for line in self._tables.bom:
            if line.substitute_group:
                groups[line.parent, line.substitute_group].append(line)
        classes = {}
        for (parent, group), lines in groups.items():
            of = [self._items[line.child].essential for line in lines]
            classes[parent, group] = max(of)
            less = next((line for line, one in zip(lines, of, strict=True) if one < max(of)), None)
            if less is not None:
                most = lines[of.index(max(of))]
                says = (
                    f"{less.child} replaces {most.child} (row {most.row}) in {parent} and is less essential (items.csv)"
                )
                remedy = f"the class {max(of)} is taken for all of {group}; make them equal, or take one from the group"
                self.faults.append(Fault("bom", less.row, f"{says}; {remedy}", warning=True))
        return classes

    def _essential(self, item: str, line: BomLine | None) -> int:
        own = self._items[item].essential
        return self._class_of_group.get((line.parent, line.substitute_group), own) if line else own

    def _bought(self) -> Iterator[Arc]:
        for row in self._tables.sourcing:
            seller = self._places.capability(row.from_site, row.item)
            if seller is None:
                says = (
                    f"{row.from_site} has no capability for {row.item}; add it to capabilities.csv or correct the row"
                )
                self.faults.append(Fault("sourcing", row.row, says))
                continue
            users = self._users(row.to_site, row.item)
            for node, line in users:
                yield self._bought_arc(row, seller, node, line)
            if not users:
                says = (
                    f"{row.to_site} neither makes anything of {row.item} nor keeps or sells it: the row has no effect"
                )
                self.faults.append(Fault("sourcing", row.row, f"{says}; correct it or remove it", warning=True))
            elif not seller.qualified and row.share:
                says = f"{seller.node} is not qualified for {row.item} and is to cover {row.share:.3g} of the need"
                self.faults.append(Fault("sourcing", row.row, f"{says}; write share 0 until it is", warning=True))

    def _users(self, site: str, item: str) -> list[tuple[str, BomLine | None]]:
        """The nodes of a site that take an item from outside, each with the line by which it does."""
        own = self._places.capability(site, item)
        if own is not None and own.does is not Does.MAKE:
            return [(own.node, None)]
        lines = ((maker.node, self._line_of.get((maker.item, item))) for maker in self._places.makers(site))
        return [(node, line) for node, line in lines if line is not None]

    def _bought_arc(self, row: Sourcing, seller: Capability, node: str, line: BomLine | None) -> Arc:
        return Arc(
            source=seller.node,
            target=node,
            material=row.item,
            quantity_per=self._quantity[line.row] if line else 1.0,
            lead_time_d=row.lead_time_d,
            share=row.share,
            essential=self._essential(row.item, line),
            substitutes=line.substitute_group if line else "",
            qualified=seller.qualified,
            price=row.price,
            moq=row.moq,
            contract_until_ns=row.contract_until_ns,
            evidence=row,
        )

    def _in_house(self) -> Iterator[Arc]:
        """What a maker draws from its own site without a row of sourcing."""
        brought = {(row.to_site, row.item) for row in self._tables.sourcing}
        for maker in self._tables.capabilities:
            for line in self._lines[maker.item] if maker.does is Does.MAKE else ():
                own = self._places.capability(maker.site, line.child)
                if own is not None and (own.does is not Does.MAKE or (maker.site, line.child) not in brought):
                    yield Arc(
                        source=own.node,
                        target=maker.node,
                        material=line.child,
                        quantity_per=self._quantity[line.row],
                        essential=self._essential(line.child, line),
                        substitutes=line.substitute_group,
                        qualified=own.qualified,
                        evidence=line,
                    )

    def _unmet(self) -> Iterator[Fault]:
        for one in self._tables.capabilities:
            needs = {one.item: ""}
            if one.does is Does.MAKE:
                needs = {line.substitute_group or line.child: line.child for line in self._lines[one.item]}
            for need, child in needs.items():
                if (one.node, need) not in self._by_need:
                    what = f"makes {one.item} of {child}" if child else f"{one.does}s {one.item}"
                    says = f"{one.site} {what}, and no row of sourcing.csv brings {need} there; add one"
                    yield Fault("capabilities", one.row, says)

    def _shares(self) -> Iterator[Fault]:
        said: set[tuple[int, ...]] = set()
        for (_, what), arcs in self._by_need.items():
            total = sum(arc.share for arc in arcs)
            rows = tuple(sorted({_evidence(arc).row for arc in arcs if _evidence(arc).table == Sourcing.table}))
            if abs(total - 1) > SHARE_TOLERANCE and rows and rows not in said:
                said.add(rows)
                to = next(arc.target for arc in arcs)
                where = f"(row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows))})"
                says = f"shares of {what} into {to} {where} sum to {total:.0%}; make them sum to 100%"
                yield Fault("sourcing", rows[0], says)

    def _cycle(self, nodes: Sequence[Node]) -> Iterator[Fault]:
        pairs = [(arc.source, arc.target) for arc in self.arcs]
        way = graph.cycle([node.name for node in nodes], pairs)
        if way:
            on_way = set(pairwise(way))
            evidence = [_evidence(arc) for arc in self.arcs if (arc.source, arc.target) in on_way]
            first = min(evidence, key=lambda one: (one.table != Sourcing.table, one.row))
            says = f"supply runs in a cycle, {' -> '.join(way)}; remove one of these rows"
            yield Fault(first.table, first.row, says)


def quantity_per(line: BomLine, child: Item) -> float:
    """Units of the child, in its own uom, that one unit of the parent uses up, scrap included."""
    factor = scaling(line.uom, child.uom).factor if line.uom and line.uom != child.uom else 1.0
    return line.qty_per * factor / (1 - line.scrap)


def _evidence(arc: Arc) -> Evidence:
    if arc.evidence is None:
        raise ValueError(f"the arc from {arc.source} to {arc.target} has no evidence; only rows of tables make arcs")
    return arc.evidence
