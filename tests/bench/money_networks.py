"""Random networks of firms that sell to each other, of any size, for speed and for comparison with a direct evaluation.

Firms differ in size like real ones (Pareto), links choose both ends by size, so that few firms have very many links;
what a link is worth is log-normal times the size of its ends. Nothing but the seed decides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SEED = 20261123
DIVISIONS = 41
_SELLING_TAIL, _BUYING_TAIL = 1.1, 1.6  # of the Pareto distributions: few firms sell to very many
_CLASSES = (0.15, 0.45, 0.40)  # how often one division's goods have no effect, are non-essential, are essential


def money_network(
    n: int, links: int, *, seed: int = SEED, divisions: int = DIVISIONS, open_ratio: float = 0.0
) -> dict[str, Any]:
    """Columns for `Firms(**...)`: `n` firms, `links` different links (about 1 % fewer in dense networks).

    `open_ratio`: how much of revenue is final demand, and how much of costs is labour, on average; 0 leaves both out:
    a closed network apart from firms that sell to nobody.
    """
    rng = np.random.default_rng(seed)
    selling, buying = 1.0 + rng.pareto(_SELLING_TAIL, n), 1.0 + rng.pareto(_BUYING_TAIL, n)
    supplier, buyer = _pairs(rng, selling, buying, links)
    money = np.round(np.sqrt(selling[supplier] * buying[buyer]) * rng.lognormal(3.0, 1.0, len(supplier)), 2)
    sector = rng.integers(0, divisions, n)
    essential = rng.choice(3, (divisions, divisions), p=_CLASSES).astype(np.uint8)
    columns = {"supplier": supplier, "buyer": buyer, "money": money, "sector": sector, "essential": essential}
    if not open_ratio:
        return columns
    sold, bought = (np.bincount(end, money, minlength=n) for end in (supplier, buyer))
    outside = rng.uniform(0.0, 2 * open_ratio, (2, n))
    return {**columns, "revenue": (sold + 1) / (1 - outside[0]), "costs": (bought + 1) / (1 - outside[1])}


def _pairs(
    rng: np.random.Generator, selling: np.ndarray, buying: np.ndarray, links: int
) -> tuple[np.ndarray, np.ndarray]:
    """Different (supplier, buyer) pairs, no firm with itself; both drawn by size, independently."""
    n, chances = len(selling), (selling / selling.sum(), buying / buying.sum())
    both = np.zeros(0, np.int64)
    for _ in range(20):
        wanted = links - len(both)
        if wanted <= 0:
            break
        supplier, buyer = (rng.choice(n, int(1.3 * wanted) + 8, p=chance) for chance in chances)
        both = np.unique(np.append(both, (supplier * n + buyer)[supplier != buyer]))
    both = np.sort(rng.permutation(both)[:links])
    return (both // n).astype(np.int32), (both % n).astype(np.int32)
