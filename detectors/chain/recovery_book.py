"""How long each node takes to recover (RecoveryBook), by its own history: outages of the map, and recoveries seen here.

What still runs counts as longer (censored), and a node of fewer than five outages that ended is mixed with its class
and with the time the map states, which counts as five outages of the class (`recovery`). A class is the industry as the
map codes it (two to four digits), of nodes without one their kind; an outage of a whole site counts once. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from collector.readings import NS_PER_S
from detectors.chain.network import Network, Node
from detectors.chain.recovery import Past, TimeToRecover, time_to_recover

_NS_PER_D = 86_400 * NS_PER_S
_SHORTEST_RUNNING_D = 0.01  # one that has only just begun says nothing yet
KEPT_PER_NODE = 100  # recoveries remembered, the newest


class Spell(msgspec.Struct, frozen=True, array_like=True):
    """An outage from `began_ns` to `ended_ns` (UTC); 0: it still runs."""

    began_ns: int
    ended_ns: int = 0

    def past(self, at_ns: int) -> Past | None:
        """As known at an instant; None where it says nothing."""
        if self.began_ns > at_ns:
            return None
        ended = 0 < self.ended_ns <= at_ns
        days_d = ((self.ended_ns if ended else at_ns) - self.began_ns) / _NS_PER_D
        return Past(days_d, ended) if ended or days_d >= _SHORTEST_RUNNING_D else None


class RecoveryBook:
    """The times to recover of one chain. `note` adds what was seen; answers depend on what is noted, not on when."""

    def __init__(self, network: Network) -> None:
        self._nodes = network.by_name
        self._class_of = {node.name: _class(node) for node in network.nodes}
        self._classes: dict[str, set[str]] = defaultdict(set)  # those of its nodes with a history
        self._stated: dict[str, list[Spell]] = defaultdict(list)
        self._seen: dict[str, tuple[Spell, ...]] = {}
        for outage in network.outages:
            self._stated[outage.node].append(Spell(outage.began_ns, outage.ended_ns or 0))
        for name in self._stated:
            self._classes[self._class_of[name]].add(name)

    @property
    def seen(self) -> set[str]:
        """The nodes of which outages were noted."""
        return set(self._seen)

    def note(self, name: str, seen: Iterable[Spell]) -> None:
        """From now on these are the outages seen at a node, besides those of the map."""
        spells = tuple(seen)
        if spells or name in self._seen:
            self._seen[name] = spells
            self._classes[self._class_of[name]].add(name)

    def time_to_recover(self, name: str, at_ns: int) -> TimeToRecover:
        """As the history up to an instant has it. Raises MissingRecovery where nothing is known."""
        own, site = self._past(name, at_ns), self._nodes[name].site
        alike = sorted(self._classes.get(self._class_of[name], ()))
        apart = (other for other in alike if other != name and not (site and self._nodes[other].site == site))
        others = [past for other in apart for past in self._past(other, at_ns)]
        return time_to_recover(own, others, self._nodes[name].time_to_recover_d)

    def _past(self, name: str, at_ns: int) -> list[Past]:
        spells = (*self._stated.get(name, ()), *self._seen.get(name, ()))
        return [past for past in (spell.past(at_ns) for spell in spells) if past is not None]


def _class(node: Node) -> str:
    industry = node.industry or node.division
    return f"industry {industry}" if industry else f"kind {node.kind}"
