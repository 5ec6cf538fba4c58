"""What does not fit together between the rows of a chain: unknown names, cycles, shares, missing facts.

Pure: rows in, faults out, each with its table, row and remedy. `detectors.chain.folder` turns them into sentences.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from detectors.chain import graph
from detectors.chain.network import Arc, Mitigation, Node, NodeKind, Receipt, Stock

SHARE_TOLERANCE = 0.01


class Rows(NamedTuple):
    """The tables of a chain, as read."""

    nodes: Sequence[Node]
    arcs: Sequence[Arc] = ()
    stock: Sequence[Stock] = ()
    in_transit: Sequence[Receipt] = ()
    actions: Sequence[Mitigation] = ()


class Fault(NamedTuple):
    """`row` counts from 0 within `table`, a field of Rows; -1 is the table itself."""

    table: str
    row: int
    says: str


def faults(rows: Rows) -> list[Fault]:
    """Every fault of the chain, by table; empty when it may be used."""
    found = [*_twice(rows), *_incomplete(rows.nodes), *_unknown(rows)]
    if not any(fault.table == "arcs" for fault in found):
        found += [*_cycle(rows), *_shares(rows.arcs), *_stray_materials(rows)]
    return sorted(found, key=lambda fault: (Rows._fields.index(fault.table), fault.row))


def _twice(rows: Rows) -> Iterator[Fault]:
    yield from _repeated("nodes", ((node.name,) for node in rows.nodes))
    yield from _repeated("nodes", (("equipment", node.equipment) if node.equipment else () for node in rows.nodes))
    yield from _repeated("arcs", ((arc.source, arc.target, arc.material) for arc in rows.arcs))
    yield from _repeated("stock", ((stock.node, stock.material) for stock in rows.stock))
    yield from _repeated("stock", (("series", stock.series) if stock.series else () for stock in rows.stock))


def _repeated(table: str, keys: Iterable[tuple[Hashable, ...]]) -> Iterator[Fault]:
    seen: dict[tuple[Hashable, ...], int] = {}
    for row, key in enumerate(keys):
        if key and key in seen:
            what = " ".join(str(part) for part in key if part)
            yield Fault(table, row, f"{what} is a duplicate of row {seen[key] + 2}; keep one of them")
        seen.setdefault(key, row)


def _incomplete(nodes: Sequence[Node]) -> Iterator[Fault]:
    for row, node in enumerate(nodes):
        if node.kind is NodeKind.MARKET and not node.demand_per_d:
            yield Fault("nodes", row, f"market {node.name} has no demand_per_d; say what it takes a day")
        if node.value_per_d and not node.demand_per_d:
            yield Fault("nodes", row, f"{node.name} has a value_per_d but no demand_per_d; say what it sells a day")
        if node.kind is not NodeKind.MARKET and not node.time_to_recover_d:
            yield Fault("nodes", row, f"time_to_recover_d of {node.name} is missing; say how many days an outage lasts")
        if not node.capacity_per_d:
            yield Fault("nodes", row, f"capacity_per_d of {node.name} is 0; correct it, or leave it empty if unlimited")
    if nodes and not any(node.demand_per_d for node in nodes):
        yield Fault("nodes", -1, "no node has a demand_per_d, so nothing can be lost; add a market")


def _unknown(rows: Rows) -> Iterator[Fault]:
    names = {node.name for node in rows.nodes}
    named = [("arcs", row, "source", arc.source) for row, arc in enumerate(rows.arcs)]
    named += [("arcs", row, "target", arc.target) for row, arc in enumerate(rows.arcs)]
    named += [("stock", row, "node", stock.node) for row, stock in enumerate(rows.stock)]
    named += [("in_transit", row, "node", receipt.node) for row, receipt in enumerate(rows.in_transit)]
    named += [("actions", row, "node", action.node) for row, action in enumerate(rows.actions)]
    for table, row, column, name in named:
        if name not in names:
            close = difflib.get_close_matches(name, sorted(names), n=1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            yield Fault(
                table, row, f"`{column}`: no node {name!r} in nodes.csv{meant}; add it there or correct the name"
            )


def _cycle(rows: Rows) -> Iterator[Fault]:
    pairs = [(arc.source, arc.target) for arc in rows.arcs]
    way = graph.cycle([node.name for node in rows.nodes], pairs)
    if way:
        row = pairs.index((way[0], way[1]))
        yield Fault("arcs", row, f"the bill of materials runs in a cycle, {' -> '.join(way)}; remove one of these arcs")


def _shares(arcs: Sequence[Arc]) -> Iterator[Fault]:
    of_need: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, arc in enumerate(arcs):
        of_need[arc.need].append(row)
    for (target, what), members in of_need.items():
        total = sum(arcs[row].share for row in members)
        if abs(total - 1) > SHARE_TOLERANCE:
            where = ", ".join(str(row + 2) for row in members)
            says = f"shares of {what} into {target} (rows {where}) sum to {total:.0%}; make them sum to 100%"
            yield Fault("arcs", members[0], says)


def _stray_materials(rows: Rows) -> Iterator[Fault]:
    moved = {(arc.target, arc.material) for arc in rows.arcs} | {(arc.source, arc.material) for arc in rows.arcs}
    placed = [("stock", row, stock.node, stock.material) for row, stock in enumerate(rows.stock)]
    placed += [("in_transit", row, receipt.node, receipt.material) for row, receipt in enumerate(rows.in_transit)]
    placed += [("actions", row, action.node, action.material) for row, action in enumerate(rows.actions)]
    for table, row, node, material in placed:
        if material and (node, material) not in moved:
            says = f"`material`: no arc brings {material!r} to {node} or takes it away; add the arc or correct the name"
            yield Fault(table, row, says)
    stocked = {(stock.node, stock.material) for stock in rows.stock}
    for row, receipt in enumerate(rows.in_transit):
        if (receipt.node, receipt.material) not in stocked:
            says = f"{receipt.material} at {receipt.node} has no row in stock.csv to arrive in; add one"
            yield Fault("in_transit", row, says)
