"""The reference cases of tests/cases/chain as values of this project."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Any

from detectors.chain.network import Arc, Network, Node, NodeKind, Stock

FOLDER = Path(__file__).parents[2] / "cases" / "chain"


def case(name: str) -> dict[str, Any]:
    """One case by its id."""
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return read


def node_of(stated: dict[str, Any]) -> Node:
    return Node(
        name=stated["id"],
        kind=NodeKind.MARKET if stated.get("demand") else NodeKind.PLANT,
        capacity_per_d=stated.get("capacity", inf),
        time_to_recover_d=stated.get("ttr"),
        demand_per_d=stated.get("demand", 0),
        value_per_d=stated.get("demand", 0) * stated.get("margin", 0),
    )


def arc_of(stated: dict[str, Any]) -> Arc:
    return Arc(
        source=stated["from"],
        target=stated["to"],
        material=stated["material"],
        quantity_per=stated["qty"],
        lead_time_d=stated.get("lead", 0),
    )


def network_of(stated: dict[str, Any]) -> Network:
    stocks = tuple(Stock(node=node["id"], on_hand=node.get("stock", 0)) for node in stated["nodes"])
    return Network(tuple(map(node_of, stated["nodes"])), tuple(map(arc_of, stated["arcs"])), stocks)
