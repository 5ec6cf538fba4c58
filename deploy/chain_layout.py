"""Where the nodes of a chain stand in a picture: tiers from left (raw) to right (sold), few links crossing.

A node's tier is the longest way from it to one that supplies nobody. A link over several tiers takes a place of its own
in each of them, shared by all links of its source, so that it does not run behind names. Sugiyama, Tagawa & Toda 1981.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from detectors.chain.graph import Pair, upstream_first

_SWEEPS = 24

Place = tuple[str, int]  # (node, tier): the node itself, or its link where it passes another tier


@dataclass(frozen=True)
class Layout:
    """`tiers` from left to right, each from top to bottom; `ways` are the places each link goes through."""

    tiers: tuple[tuple[Place, ...], ...]
    tier: Mapping[str, int]  # by node, counted from the right
    ways: Mapping[Pair, tuple[Place, ...]]

    def is_node(self, place: Place) -> bool:
        return self.tier[place[0]] == place[1]


def apart(wanted: Sequence[float], rooms: Sequence[float]) -> list[float]:
    """The centers closest to where rows are `wanted` (least squares), in this order and each with its room of height.

    By pooling neighbors that get too close (isotonic regression).
    """
    tops = [sum(rooms[:i]) + room / 2 for i, room in enumerate(rooms)]
    pools: list[tuple[float, int]] = []  # mean, count
    for want, top in zip(wanted, tops, strict=True):
        mean, count = want - top, 1
        while pools and pools[-1][0] > mean:
            before, more = pools.pop()
            mean, count = (mean * count + before * more) / (count + more), count + more
        pools.append((mean, count))
    shifts = [mean for mean, count in pools for _ in range(count)]
    return [shift + top for shift, top in zip(shifts, tops, strict=True)]


def layout(names: Sequence[str], pairs: Sequence[Pair]) -> Layout:
    """Places for an acyclic chain."""
    tier = _tiers(names, pairs)
    ways = {(source, target): _way(source, target, tier) for source, target in pairs}
    members: dict[int, dict[Place, None]] = defaultdict(dict)
    for name in names:
        members[tier[name]][name, tier[name]] = None
    near: dict[Place, dict[Place, None]] = defaultdict(dict)
    for way in ways.values():
        for one, other in pairwise(way):
            near[one][other] = near[other][one] = None
            members[one[1]][one] = None
    columns = [list(members[level]) for level in sorted(members, reverse=True)]
    return Layout(tuple(map(tuple, _ordered(columns, near))), tier, ways)


def _tiers(names: Sequence[str], pairs: Sequence[Pair]) -> dict[str, int]:
    targets: dict[str, list[str]] = defaultdict(list)
    for source, target in pairs:
        targets[source].append(target)
    tier: dict[str, int] = {}
    for name in reversed(upstream_first(names, pairs)):
        tier[name] = 1 + max((tier[target] for target in targets[name]), default=-1)
    return tier


def _way(source: str, target: str, tier: Mapping[str, int]) -> tuple[Place, ...]:
    passed = ((source, level) for level in range(tier[source], tier[target], -1))
    return (*passed, (target, tier[target]))


def _ordered(columns: list[list[Place]], near: Mapping[Place, Mapping[Place, None]]) -> list[list[Place]]:
    """Each column by the mean height of its neighbours, swept to and fro; the order that crosses least is kept."""
    best, fewest = [list(column) for column in columns], _crossings(columns, near)
    for sweep in range(_SWEEPS):
        height = {place: (i + 0.5) / len(column) for column in columns for i, place in enumerate(column)}
        order = range(len(columns)) if sweep % 2 else range(len(columns) - 1, -1, -1)
        for at in order:
            beside = {*columns[at - 1 if sweep % 2 else (at + 1) % len(columns)]}
            where = {}
            for place in columns[at]:
                looked = [height[other] for other in near.get(place, ()) if other in beside]
                where[place] = fmean(looked) if looked else height[place]
            columns[at].sort(key=where.__getitem__)
            height |= {place: (i + 0.5) / len(columns[at]) for i, place in enumerate(columns[at])}
        crossed = _crossings(columns, near)
        if crossed < fewest:
            best, fewest = [list(column) for column in columns], crossed
    return best


def _crossings(columns: Sequence[Sequence[Place]], near: Mapping[Place, Mapping[Place, None]]) -> int:
    count = 0
    for left, right in pairwise(columns):
        row = {place: i for i, place in enumerate(right)}
        ends = [sorted(row[other] for other in near.get(place, ()) if other in row) for place in left]
        flat = [end for group in ends for end in group]
        count += sum(one > other for i, one in enumerate(flat) for other in flat[i + 1 :])
    return count
