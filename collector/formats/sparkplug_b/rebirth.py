"""Asking for births: never at one edge node twice in 5 s, never of the fleet faster than it can bear.

Whoever comes back to 500 edge nodes must not have all of them answer at once: requests go out one by one, in random
order and at random distances. An edge node whose births are of no use is asked ever more seldom, at last every 10 min.
Where one device alone is in doubt and takes such requests, it is asked itself, and its edge node only when that was in
vain: of 50 devices one birth goes over the air. Sparkplug 3.0, Node Control/Rebirth and Device Control/Rebirth.
"""

from __future__ import annotations

import random
from collections import deque

from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, encode
from collector.formats.sparkplug_b.protocol import (
    B_3_0,
    DEVICE_COMMAND,
    DEVICE_REBIRTH,
    NODE_COMMAND,
    REBIRTH,
    Address,
)
from collector.readings import NS_PER_S
from collector.sources.source import Saying

_NODE_PAUSE_NS = 5 * NS_PER_S
_LONGEST_PAUSE_NS = 600 * NS_PER_S
_MOST = 20  # in any `_WITHIN_NS`: so no more reach a broker in any second, though a turn may last 0.7 s longer
_WITHIN_NS = 17 * NS_PER_S // 10
_SPACING_NS = (NS_PER_S // 15, NS_PER_S // 10)  # 12 a second: 500 edge nodes in 42 s
_LATE_NS = NS_PER_S // 2  # a turn may come so late and still make up for what was due
_NS_PER_MS = 1_000_000
_HELD_NS = 60 * NS_PER_S  # a device's birth that was asked for so long ago, and came, was of use
_ALL = ""  # instead of a device: the edge node with all its devices


class Rebirths:
    """Who is to be asked, and when. `is_allowed` false: nobody is; `asks_devices` false: edge nodes only.

    An edge node (group/edge_node) has one request at a time, its own or that of one of its devices; after one that was
    not answered, or is wanted again within a minute, the next is its own. All chance comes from `seed`.
    """

    def __init__(self, *, is_allowed: bool, asks_devices: bool = False, seed: int = 0) -> None:
        self.asked = self.asked_of_devices = 0
        self._is_allowed = is_allowed
        self._asks_devices = asks_devices
        self._chance = random.Random(seed)
        self._wanted: dict[str, str] = {}  # edge node -> the device in doubt, or _ALL
        self._asked_ns: dict[str, int] = {}
        self._asked_for: dict[str, str] = {}  # as `_wanted`, of the last request
        self._pause_ns: dict[str, int] = {}  # after the last request; twice the one before where that was in vain
        self._born: set[str] = set()  # since the last request, by a birth as asked for
        self._answered: set[str] = set()  # of these, whose birth was of use
        self._lately: deque[int] = deque(maxlen=_MOST)
        self._next_ns = 0

    def want(self, node: str, device: str = _ALL) -> None:
        """A birth of this edge node is missing, or of this device of it, which takes requests itself."""
        if self._is_allowed:
            device = device if self._asks_devices else _ALL
            self._wanted[node] = device if self._wanted.get(node, device) == device else _ALL

    def has_told(self, who: Address, *, is_born: bool) -> None:
        """Its birth came, and is of use unless `was_in_vain` follows; or its death, and nobody would answer."""
        if not self._is_allowed:
            return
        if who.device in (_ALL, self._wanted.get(who.node)):
            self._wanted.pop(who.node, None)
        if is_born and who.device in (_ALL, self._asked_for.get(who.node)):
            self._born.add(who.node)
            self._answered.add(who.node)

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
        device = self._asked_for[node] = self._whom(node, now_ns)
        self._answered.discard(node)
        self._born.discard(node)
        self._asked_ns[node] = now_ns
        self._lately.append(now_ns)
        self.asked += 1
        self.asked_of_devices += device != _ALL
        return rebirth_request(node, device, now_ns)

    def _whom(self, node: str, now_ns: int) -> str:
        """The device in doubt, unless the last request was in vain."""
        device = self._wanted.pop(node)
        asked_ns = self._asked_ns.get(node)
        has_held = asked_ns is None or (node in self._born and now_ns - asked_ns >= _HELD_NS)
        return device if has_held else _ALL


def rebirth_request(node: str, device: str, at_ns: int) -> Saying:
    """True to `Node Control/Rebirth` of an edge node, or to `Device Control/Rebirth` of a device of it; at QoS 0 and
    not retained, as commands are."""
    group, _, edge_node = node.partition("/")
    verb, name, of = (DEVICE_COMMAND, DEVICE_REBIRTH, f"/{device}") if device else (NODE_COMMAND, REBIRTH, "")
    stamp_ms = at_ns // _NS_PER_MS
    metric = Metric(True, name, timestamp_ms=stamp_ms, datatype=Datatype.BOOLEAN)
    topic = f"{B_3_0.namespace}/{group}/{verb}/{edge_node}{of}"
    return Saying(topic, encode(Payload(stamp_ms, None, (metric,))))
