"""Whose loss stops whom (Logic): a node is an AND of its needs, a need an OR of its sources.

The articulation points of the graph do not show it: two brands that both buy one wafer are no bottleneck of the
undirected graph, and yet the wafer stops everybody. Pure. Input: Supplies. Stocks and capacities are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from detectors.chain.structure.supplies import Need, Supplies


class Logic:
    """AND and OR of a chain's required needs; made once, asked often. Work is done only where a loss is felt."""

    def __init__(self, supplies: Supplies) -> None:
        self._names = supplies.names
        self._needs = supplies.needs
        self._index = {name: i for i, name in enumerate(supplies.names)}
        self._market = supplies.market.tolist()
        self._reader = [0] * len(supplies.needs)  # by need: who has it
        self._sources: list[set[int]] = [set() for _ in supplies.needs]
        feeds: list[set[int]] = [set() for _ in supplies.names]
        required = supplies.required.tolist()
        links = zip(supplies.source.tolist(), supplies.target.tolist(), supplies.need.tolist(), strict=True)
        for source, target, need in links:
            if required[need]:
                self._reader[need] = target
                self._sources[need].add(source)
                feeds[source].add(need)
        self._feeds = [sorted(needs) for needs in feeds]

    def stopped_without(self, lost: Iterable[str]) -> list[str]:
        """All that can make nothing more when `lost` fail, those included, in the order in which they are reached."""
        return [self._names[i] for i in self._spread([self._index[name] for name in lost])[0]]

    def unmet_without(self, lost: Iterable[str]) -> list[Need]:
        """The needs that no source can meet any more when `lost` fail."""
        return [self._needs[need] for need in self._spread([self._index[name] for name in lost])[1]]

    def cut_suppliers(self) -> list[str]:
        """The nodes without each of which another node that sells to the outside lacks what it needs."""
        return [
            self._names[node]
            for node in range(len(self._names))
            if any(self._market[other] for other in self._walk([node], []) if other != node)
        ]

    def shared_sub_suppliers(self) -> dict[str, list[Need]]:
        """The hidden nexuses: nodes whose loss leaves needs unmet that have several sources, with those needs."""
        found = {}
        for node, name in enumerate(self._names):
            hidden = [self._needs[need] for need in self._spread([node])[1] if len(self._sources[need]) > 1]
            if hidden:
                found[name] = hidden
        return found

    def _spread(self, lost: list[int]) -> tuple[list[int], list[int]]:
        unmet: list[int] = []
        return list(self._walk(lost, unmet)), unmet

    def _walk(self, lost: list[int], unmet: list[int]) -> Iterator[int]:
        """The nodes that stop, one by one; `unmet` takes down the needs by which they do."""
        stopped = list(dict.fromkeys(lost))
        known = set(stopped)
        left: dict[int, int] = {}  # by need: sources that still stand
        for node in stopped:  # grows while it is walked
            yield node
            for need in self._feeds[node]:
                left[need] = left.get(need, len(self._sources[need])) - 1
                if left[need] == 0:
                    unmet.append(need)
                    if self._reader[need] not in known:
                        known.add(self._reader[need])
                        stopped.append(self._reader[need])
