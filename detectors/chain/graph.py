"""Shape of a chain: order along the flow of material, cycles, and places on a map.

Pure functions over node names and (source, target) pairs; `network` asks them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

Pair = tuple[str, str]


def upstream_first(names: Sequence[str], pairs: Iterable[Pair]) -> list[str]:
    """Names in an order where every source stands before its targets (Kahn 1962); those on a cycle are left out."""
    targets: dict[str, list[str]] = defaultdict(list)
    waits_for = dict.fromkeys(names, 0)
    for source, target in pairs:
        targets[source].append(target)
        waits_for[target] += 1
    ready = [name for name in names if not waits_for[name]]
    for name in ready:  # grows while it is walked
        for target in targets[name]:
            waits_for[target] -= 1
            if not waits_for[target]:
                ready.append(target)
    return ready


def cycle(names: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """One cycle as the names along it, the first repeated at the end; empty when there is none."""
    stuck = set(names) - set(upstream_first(names, pairs))
    into = {target: source for source, target in pairs if source in stuck and target in stuck}
    on_cycle = next((name for name in names if name in into), None)
    if on_cycle is None:
        return []
    walked: dict[str, None] = {}
    while on_cycle not in walked:
        walked[on_cycle] = None
        on_cycle = into[on_cycle]
    way = list(walked)
    return [*way[way.index(on_cycle) :], on_cycle][::-1]


def downstream(start: str, targets: Mapping[str, Sequence[str]]) -> list[str]:
    """All that `start` reaches, nearest first, without itself."""
    reached, known = [start], {start}
    for name in reached:  # grows while it is walked
        new = [target for target in dict.fromkeys(targets.get(name, ())) if target not in known]
        reached += new
        known.update(new)
    return reached[1:]


def places(names: Sequence[str], pairs: Sequence[Pair]) -> dict[str, tuple[float, float]]:
    """Places (x, y) in 0 to 1 for a map of an acyclic chain: x by the longest way from a supplier, y spread in a tier.

    Inside a tier nodes stand in the order of their sources' mean y, so that few arcs cross.
    """
    sources: dict[str, list[str]] = defaultdict(list)
    for source, target in pairs:
        sources[target].append(source)
    tier: dict[str, int] = {}
    for name in upstream_first(names, pairs):
        tier[name] = 1 + max((tier[source] for source in sources[name]), default=-1)
    last = max(tier.values(), default=0)
    y: dict[str, float] = {}
    for level in range(last + 1):
        members = [name for name in names if tier.get(name) == level]
        members.sort(key=lambda name: fmean(y[source] for source in sources[name]) if sources[name] else 0.0)
        y |= {name: (i + 0.5) / len(members) for i, name in enumerate(members)}
    return {name: (tier[name] / max(last, 1), y[name]) for name in y}
