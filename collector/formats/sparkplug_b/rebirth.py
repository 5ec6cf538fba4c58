"""Asking edge nodes for their births: never one node twice in 5 s, never the fleet faster than it can bear.

Whoever comes back to 500 edge nodes must not have all of them answer at once: requests go out one by one, in random
order and at random distances. An edge node whose births are of no use is asked ever more seldom, at last every 10 min.
Sparkplug 3.0, Node Control/Rebirth.
"""

from __future__ import annotations

import random
from collections import deque

from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, encode
from collector.formats.sparkplug_b.protocol import B_3_0, NODE_COMMAND, REBIRTH
from collector.readings import NS_PER_S
from collector.sources.source import Saying

_NODE_PAUSE_NS = 5 * NS_PER_S
_LONGEST_PAUSE_NS = 600 * NS_PER_S
_MOST = 20  # in any `_WITHIN_NS`: so no more reach a broker in any second, though a turn may last 0.7 s longer
_WITHIN_NS = 17 * NS_PER_S // 10
_SPACING_NS = (NS_PER_S // 15, NS_PER_S // 10)  # 12 a second: 500 edge nodes in 42 s
_LATE_NS = NS_PER_S // 2  # a turn may come so late and still make up for what was due
_NS_PER_MS = 1_000_000


class Rebirths:
    """Who is to be asked, and when. `is_allowed` false: nobody is. All chance comes from `seed`."""

    def __init__(self, *, is_allowed: bool, seed: int = 0) -> None:
        self.asked = 0
        self._is_allowed = is_allowed
        self._chance = random.Random(seed)
        self._wanted: dict[str, None] = {}
        self._asked_ns: dict[str, int] = {}
        self._pause_ns: dict[str, int] = {}  # after the last request; twice the one before where that was in vain
        self._answered: set[str] = set()
        self._lately: deque[int] = deque(maxlen=_MOST)
        self._next_ns = 0

    def want(self, node: str) -> None:
        """A birth of this edge node (group/edge_node) is missing."""
        if self._is_allowed:
            self._wanted[node] = None

    def was_born(self, node: str) -> None:
        """Its birth came, and is of use unless `was_in_vain` follows."""
        if self._is_allowed:
            self._wanted.pop(node, None)
            self._answered.add(node)

    def was_in_vain(self, node: str) -> None:
        """A birth, or data after it, could not be understood."""
        self._answered.discard(node)

    def due(self, now_ns: int) -> list[Saying]:
        """The requests to send now."""
        if not self._wanted:
            return []
        if now_ns < self._next_ns - _NODE_PAUSE_NS:  # the clock was set back
            self._asked_ns, self._next_ns = {}, 0
            self._lately.clear()
        ready = [node for node in self._wanted if now_ns - self._asked_ns.get(node, 0) >= self._pause_of(node)]
        self._chance.shuffle(ready)
        says = []
        self._next_ns = max(self._next_ns, now_ns - _LATE_NS)
        while ready and self._next_ns <= now_ns and self._has_room(now_ns):
            says.append(self._ask(ready.pop(), now_ns))
            self._next_ns += self._chance.randint(*_SPACING_NS)
        return says

    def _pause_of(self, node: str) -> int:
        return _NODE_PAUSE_NS if node in self._answered else self._pause_ns.get(node, _NODE_PAUSE_NS)

    def _has_room(self, now_ns: int) -> bool:
        return len(self._lately) < _MOST or now_ns - self._lately[0] > _WITHIN_NS

    def _ask(self, node: str, now_ns: int) -> Saying:
        pause_ns = self._pause_of(node)
        is_another = node in self._asked_ns and node not in self._answered
        self._pause_ns[node] = min(2 * pause_ns, _LONGEST_PAUSE_NS) if is_another else _NODE_PAUSE_NS
        self._answered.discard(node)
        del self._wanted[node]
        self._asked_ns[node] = now_ns
        self._lately.append(now_ns)
        self.asked += 1
        return rebirth_request(node, now_ns)


def rebirth_request(node: str, at_ns: int) -> Saying:
    """`Node Control/Rebirth` = true to one edge node, at QoS 0 and not retained, as commands are."""
    group, _, edge_node = node.partition("/")
    stamp_ms = at_ns // _NS_PER_MS
    metric = Metric(True, REBIRTH, timestamp_ms=stamp_ms, datatype=Datatype.BOOLEAN)
    topic = f"{B_3_0.namespace}/{group}/{NODE_COMMAND}/{edge_node}"
    return Saying(topic, encode(Payload(stamp_ms, None, (metric,))))
