"""Chains of three tiers of suppliers made from a seed, for the benchmark of exposures."""

from __future__ import annotations

import numpy as np

from detectors.chain.network import Arc, Network, Node, NodeKind, Stock

SEED = 45  # of the network that `andon bench exposures` judges
TIERS = (200, 400, 500, 600)  # plants that sell, then the suppliers of tiers one to three


def three_tier(seed: int = SEED, tiers: tuple[int, ...] = TIERS) -> Network:
    """Plants that sell, and their suppliers: 2 to 4 materials each, half with one source in the next tier, half two.

    Capacity is 1.05 to 1.6 times the planned rate, stock 0 to 20 days of it, times to recover 5 to 60 days.
    """
    rng = np.random.default_rng(seed)
    names = [[f"T{tier}-{i}" for i in range(size)] for tier, size in enumerate(tiers)]
    rate = {name: 0.0 for tier in names for name in tier}
    demand = {name: float(rng.integers(20, 400)) for name in names[0]}
    rate.update(demand)
    arcs = []
    for tier, buyers in enumerate(names[:-1]):
        for buyer in buyers:
            for material in range(int(rng.integers(2, 5))):
                sources = rng.choice(len(names[tier + 1]), size=int(rng.integers(1, 3)), replace=False)
                per = float(rng.integers(1, 4))
                for source in (names[tier + 1][i] for i in sources):
                    rate[source] += rate[buyer] * per / len(sources)
                    arcs.append(_arc(source, buyer, f"M-{buyer}-{material}", per, 1 / len(sources)))
    nodes = tuple(_node(rng, name, rate[name], demand.get(name, 0.0)) for tier in names for name in tier)
    stocks = tuple(Stock(node=name, on_hand=round(rng.uniform(0, 20) * per_d)) for name, per_d in rate.items())
    return Network(nodes, tuple(arcs), stocks)


def _arc(source: str, target: str, material: str, per: float, share: float) -> Arc:
    return Arc(source=source, target=target, material=material, quantity_per=per, share=share)


def _node(rng: np.random.Generator, name: str, rate: float, demand: float) -> Node:
    return Node(
        name=name,
        kind=NodeKind.PLANT if demand else NodeKind.SUPPLIER,
        capacity_per_d=round(rate * rng.uniform(1.05, 1.6), 3) or 10.0,
        time_to_recover_d=float(rng.integers(5, 61)),
        demand_per_d=demand,
        value_per_d=demand * float(rng.integers(20, 200)),
    )
