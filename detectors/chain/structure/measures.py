"""Where the graph of a chain is narrow or dense: articulation points, k-core, influence vector. See also `betweenness`.

Pure; one value for each node, in the order of `Supplies.names`. All of them are linear in the number of links.
"""

from __future__ import annotations

from math import ceil, log

import numpy as np
from scipy.sparse import csr_array

from detectors.chain.structure.supplies import Flags, Floats, Ints, Supplies

_ROUND_OFF = 1e-17


def articulation(supplies: Supplies) -> Flags:
    """Whether the undirected graph falls into more parts without the node (Hopcroft & Tarjan 1973)."""
    n, graph = len(supplies), supplies.undirected
    first, neighbours = graph.indptr.tolist(), graph.indices.tolist()
    entered, low, untried, above = [-1] * n, [0] * n, first[:-1], [-1] * n
    cut = np.zeros(n, np.bool_)
    count = 0
    for root in range(n):
        way = [root] if entered[root] < 0 else []
        branches = 0
        while way:
            node = way[-1]
            if entered[node] < 0:
                entered[node] = low[node] = count
                count += 1
            if untried[node] < first[node + 1]:
                other = neighbours[untried[node]]
                untried[node] += 1
                if entered[other] < 0:
                    above[other] = node
                    way.append(other)
                elif other != above[node]:
                    low[node] = min(low[node], entered[other])
            elif (parent := above[way.pop()]) == root:
                branches += 1
            elif parent >= 0:
                low[parent] = min(low[parent], low[node])
                cut[parent] |= low[node] >= entered[parent]
        cut[root] |= branches > 1
    return cut


def k_core(supplies: Supplies) -> Ints:
    """The largest k for which the node is in a part where all have k neighbours or more, undirected (Seidman 1983)."""
    graph = supplies.undirected
    degree = np.diff(graph.indptr).astype(np.int64)
    core, k = np.zeros(len(supplies), np.int32), 0
    left = np.ones(len(supplies), np.bool_)
    while left.any():
        k = max(k, int(degree[left].min()))
        leaves = np.flatnonzero(left & (degree <= k))
        while len(leaves):
            core[leaves], left[leaves] = k, False
            touched = graph[leaves].indices
            np.subtract.at(degree, touched, 1)
            near = np.unique(touched)
            leaves = near[left[near] & (degree[near] <= k)]
    return core


def influence(supplies: Supplies, alpha: float) -> Floats:
    """How far each node's fortune moves all output: (alpha / n) (I - (1 - alpha) W')^-1 1, sums to at most 1.

    Row j of W holds the shares of j's purchases (by value); `alpha` (above 0, up to 1) is the part of value that is
    labour. Source: Acemoglu, Carvalho, Ozdaglar, Tahbaz-Salehi, Econometrica 80(5), 2012. Raises ValueError.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it is the part of labour, above 0 and up to 1")
    n = len(supplies)
    bought = np.bincount(supplies.target, supplies.value, minlength=n)
    share = supplies.value / np.where(bought > 0, bought, 1.0)[supplies.target]
    to_source = csr_array((share * (1 - alpha), (supplies.source, supplies.target)), shape=(n, n))
    start = np.full(n, alpha / n)
    vector = start.copy()
    for _ in range(_rounds(alpha)):
        moved = start + to_source @ vector
        if np.array_equal(moved, vector):
            break
        vector = moved
    return vector


def _rounds(alpha: float) -> int:
    """After so many rounds what is left out is less than round-off."""
    return 1 if alpha == 1 else ceil(log(_ROUND_OFF) / log(1 - alpha))
