"""A Network written as a chain folder, for benchmarks that need the real processes on a generated chain."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from typing import Any

from detectors.chain.network import Arc, Network

_EVIDENCE = {"source": "generated", "as_of": "2026-01-01", "confidence": 1}


def write_network(network: Network, folder: Path, read_live: Collection[str] = ()) -> None:
    """Each node a site that makes an item of its own; materials of several sources become substitute groups.

    A source that brings a buyer a second material is left out there. The stocks of `read_live` have live series.
    """
    needs = _needs(network)
    live = set(read_live)
    tables: dict[str, list[dict[str, Any]]] = {
        "sites": [{"id": node.name} for node in network.nodes],
        "items": [{"id": _item(n.name), "uom": "{pcs}", "unit_margin": _margin(n.value_per_d, n.demand_per_d)}
                  for n in network.nodes],
        "capabilities": [
            {
                "site": node.name,
                "item": _item(node.name),
                "name": node.name,
                "capacity_per_d": node.capacity_per_d,
                "time_to_recover_d": node.time_to_recover_d,
            }
            for node in network.nodes
        ],
        "bom": [
            {"parent": _item(arc.target), "child": _item(arc.source), "qty_per": arc.quantity_per,
             "substitute_group": group if len(arcs) > 1 else ""}
            for (_, group), arcs in needs.items() for arc in arcs
        ],
        "sourcing": [
            {"from": arc.source, "to": arc.target, "item": _item(arc.source), "share": 1 / len(arcs)}
            for arcs in needs.values() for arc in arcs
        ],
        "stock": [
            {"site": one.node, "item": _item(one.node), "on_hand": one.on_hand,
             "series": series_of(one.node) if one.node in live else ""}
            for one in network.stocks
        ],
        "demand": [
            {"site": node.name, "item": _item(node.name), "per_d": node.demand_per_d}
            for node in network.nodes if node.demand_per_d
        ],
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*rows[0], *_EVIDENCE])
            writer.writeheader()
            writer.writerows({**row, **_EVIDENCE} for row in rows)


def series_of(node: str) -> str:
    """The live stock series of a node: `bench/NODE/store:stock`."""
    return f"bench/{node}/store:stock"


def _needs(network: Network) -> dict[tuple[str, str], list[Arc]]:
    needs: dict[tuple[str, str], list[Arc]] = {}
    taken: set[tuple[str, str]] = set()
    for arc in network.arcs:
        if (arc.source, arc.target) not in taken:
            taken.add((arc.source, arc.target))
            needs.setdefault((arc.target, arc.material), []).append(arc)
    return needs


def _item(node: str) -> str:
    return f"item_{node}"


def _margin(value_per_d: float, demand_per_d: float) -> float:
    return value_per_d / demand_per_d if demand_per_d else 0.0
