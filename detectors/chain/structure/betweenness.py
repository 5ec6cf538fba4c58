"""How many of the shortest ways of material lead through each node, exact up to 10,000 nodes, else sampled.

Sources: Brandes, J. Math. Sociol. 25(2), 2001; sampled after Brandes & Pich, Int. J. Bifurcation Chaos 17(7), 2007.
Many starts are walked together, one sparse product for each step away from them and back. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from detectors.chain.structure.supplies import Floats, Ints, Supplies

EXACT_UP_TO = 10_000  # nodes
STARTS = 1024  # of a sample
_TOGETHER = 2_000_000  # starts walked together times nodes: two tables of 16 MB


class Betweenness(NamedTuple):
    """The ratio of ordered pairs of other nodes whose shortest way leads through each node (parts, where ways tie).

    Found from `starts` of `nodes` possible starts: fewer is a sample, whose values are estimates.
    """

    ratio: Floats
    starts: int
    nodes: int

    @property
    def sampled(self) -> bool:
        return self.starts < self.nodes


def betweenness(
    supplies: Supplies, *, exact_up_to: int = EXACT_UP_TO, starts: int = STARTS, seed: int = 0
) -> Betweenness:
    """Directed and normalised. Above `exact_up_to` nodes, from `starts` that are drawn with `seed`."""
    n = len(supplies)
    chosen = np.arange(n, dtype=np.int32)
    if n > exact_up_to:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, min(starts, n), replace=False))
    onward = supplies.adjacency
    back = onward.T.tocsr()
    total = np.zeros(n)
    together = max(1, min(n, _TOGETHER // max(n, 1)))
    for first in range(0, len(chosen), together):
        total += _from(chosen[first : first + together], onward, back)
    pairs = max(1, (n - 1) * (n - 2))
    return Betweenness(total * (n / max(1, len(chosen)) / pairs), len(chosen), n)


def _from(starts: Ints, onward: csr_array, back: csr_array) -> Floats:
    """What the shortest ways from these starts add to each node."""
    shape = (len(starts), onward.shape[0])
    rows = np.arange(len(starts))
    distance = np.full(shape, -1, np.int32)
    ways = np.zeros(shape)
    distance[rows, starts], ways[rows, starts] = 0, 1.0
    reached = [(rows, starts)]
    while len(reached[-1][0]):
        start, node = reached[-1]
        moved = (csr_array((ways[start, node], (start, node)), shape=shape) @ onward).tocoo()
        new = distance[moved.row, moved.col] < 0
        start, node = moved.row[new], moved.col[new]
        distance[start, node], ways[start, node] = len(reached), moved.data[new]
        reached.append((start, node))
    through = np.zeros(shape)
    for step in range(len(reached) - 2, 0, -1):
        start, node = reached[step]
        passed = (1 + through[start, node]) / ways[start, node]
        moved = (csr_array((passed, (start, node)), shape=shape) @ back).tocoo()
        nearer = distance[moved.row, moved.col] == step - 1
        start, node = moved.row[nearer], moved.col[nearer]
        through[start, node] = ways[start, node] * moved.data[nearer]
    through[rows, starts] = 0.0
    return np.asarray(through.sum(axis=0))
