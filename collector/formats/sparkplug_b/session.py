"""The life of edge nodes: which message's turn it is, who was born, who died, what aliases mean.

One `Session` holds all edge nodes of a subscription. It asks for nothing: who should be asked is told to `on_unknown`.
Intervals are in the site's own time (`received_ns`), because an edge node's clock may be what is wrong. Sparkplug 3.0,
sections 5 and 6.4; terms as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from collector.formats.event_time import is_plausible
from collector.formats.format import BadPayload
from collector.formats.sparkplug_b.edge_node import (
    EdgeNode,
    Known,
    Table,
    UnknownAlias,
    bd_seq_of,
    declared,
    named,
    takes_rebirth,
)
from collector.formats.sparkplug_b.memory import SessionMemory
from collector.formats.sparkplug_b.payload import Payload
from collector.formats.sparkplug_b.protocol import BIRTHS, Address, MessageType, Spoken
from collector.formats.sparkplug_b.window import Window
from collector.readings import NS_PER_S
from collector.sources.source import Message
from collector.spool.ledger import Cause, Gap

MOST_NODES = 10_000  # more than any site has, so a sender of endless names cannot fill the memory
_NS_PER_MS = 1_000_000
_SET_BACK_NS = 5 * NS_PER_S  # our own clock stands so far before what it said: nothing waits for it
_NOTHING = Table()


class Ended(NamedTuple):
    """Whose metrics became stale, which, and when."""

    address: Address
    metrics: Sequence[Known]
    at_ns: int


class Session:
    """Follows every edge node from message to message: `turns`, and for each of them `heed`, then `resolve`."""

    def __init__(self, reorder_s: float = 0.0, on_unknown: Callable[[str, str], None] = lambda *_: None) -> None:
        """`on_unknown` is told of whom a birth is missing: edge node and device, "" where more than one may be."""
        self.nodes: dict[str, EdgeNode] = {}
        self.waiting: dict[str, EdgeNode] = {}  # those of which a message is held
        self.late_deaths = 0
        self._window = Window(reorder_s, self._missing, self._late)
        self._on_unknown = on_unknown
        self._gaps: list[Gap] = []
        self._memory = SessionMemory()

    def turns(self, spoken: Spoken, payload: Payload, message: Message) -> list[Message]:
        """The messages whose turn it is now, in order; books the gaps that shows. A node's birth never waits.

        Raises BadPayload, and changes nothing, on a sequence number that cannot be.
        """
        kind, address, version = spoken
        if payload.seq is not None and payload.seq >= version.seq_numbers:
            most = version.seq_numbers - 1
            raise BadPayload(f"seq {payload.seq} of edge node {address.node} is outside 0 to {most}: mend its counter")
        node = self._node(spoken)
        if node.is_before(payload, message.received_ns):
            return [message]
        if not (node.life.since_ns or node.life.is_born or kind is MessageType.NDEATH):
            node.begins(message.received_ns, payload.timestamp_ms or 0)
        if kind is MessageType.NDEATH:
            turns = self._turns_before_death(node, payload, message)
        elif kind is MessageType.NBIRTH:
            turns = self._turns_of_birth(node, payload, message)
        else:
            turns = self._window.turns(node, payload, message)
            self._ask_after(turns, node)
        self._changed(node)
        return turns

    def passed(self, now_ns: int) -> list[Message]:
        """The messages that have waited long enough by now, in order for each edge node."""
        turns: list[Message] = []
        for node in list(self.waiting.values()):
            was_set_back = now_ns < node.held[0].received_ns - _SET_BACK_NS
            ready = self._window.flushed(node) if was_set_back else self._window.expired(node, now_ns)
            if ready:
                turns += ready
                self._ask_after(ready, node)
                self._changed(node)
        return turns

    def heed(self, kind: MessageType, address: Address, payload: Payload, received_ns: int) -> list[Ended]:
        """Takes up what a message says about life, in its turn; whose metrics became stale with it. One of an earlier
        connection says nothing about this one.

        Raises BadPayload: a birth that declares an alias twice, or one of another device.
        """
        node = self.nodes[address.node]
        ended: list[Ended] = []
        if node.is_before(payload, received_ns):
            return ended
        if kind is MessageType.NDEATH:
            ended = self._node_died(node, address, received_ns)
        elif kind is MessageType.DDEATH:
            ended = self._device_died(node, address, payload, received_ns)
        elif kind is MessageType.NBIRTH:
            self._node_born(node, payload, received_ns)
        if kind in BIRTHS:
            self._learn(node, address, payload, received_ns)
        return ended

    def resolve(self, address: Address, payload: Payload, received_ns: int) -> list[Known]:
        """The names and data types the metrics go by. Raises BadPayload when an alias was never declared, or not in
        the connection that the message is of."""
        node = self.nodes[address.node]
        try:
            found = named(node, address, payload, received_ns)
        except UnknownAlias as unknown:
            self._doubt(node, address.device)
            raise BadPayload(str(unknown)) from unknown
        died_ns = node.tables.get(address.device, _NOTHING).died_ns
        if died_ns is not None and (payload.timestamp_ms or 0) * _NS_PER_MS > died_ns:
            self._doubt(node, address.device)  # it speaks again, and was not born again
        return found

    def counted(self, node: EdgeNode, seq: int, stamp_ms: int | None, received_ns: int) -> None:
        """Takes note of a message that came in its turn, where nothing waits: what `turns` does in the plain case."""
        life = node.life
        life.due = (seq + 1) % node.seq_numbers
        life.last_received_ns = max(life.last_received_ns, received_ns)
        life.last_stamp_ms = stamp_ms
        self._memory.lives_of(node)

    def gaps(self) -> list[Gap]:
        """The gaps booked since the last call; those of a message that ended as a dead letter come with the next."""
        owed, self._gaps = self._gaps, []
        return owed

    def parts(self) -> dict[str, bytes]:
        """The memory, in parts of which a message changes few."""
        return self._memory.parts(self.nodes, self._gaps)

    def restore(self, parts: Mapping[str, bytes]) -> None:
        self._memory = SessionMemory()
        self.nodes, self._gaps = self._memory.restored(parts)
        self.waiting = {name: node for name, node in self.nodes.items() if node.held}
        self._window.take_up(held for node in self.waiting.values() for held in node.held)

    def _node(self, spoken: Spoken) -> EdgeNode:
        name = spoken.address.node
        node = self.nodes.get(name)
        if node is None:
            if len(self.nodes) >= MOST_NODES:
                raise BadPayload(f"edge node {name} is one more than the {MOST_NODES:,} followed: read fewer groups")
            node = self.nodes[name] = EdgeNode(name, spoken.version.seq_numbers)
        return node

    def _ask_after(self, turns: Sequence[Message], node: EdgeNode) -> None:
        """A birth is wanted once messages of an edge node without one have waited for it in vain."""
        if turns and not node.life.is_born:
            self._on_unknown(node.name, "")

    def _doubt(self, node: EdgeNode, device: str) -> None:
        """What a device means is not known; nothing else of its edge node is in doubt where that was born."""
        is_alone = node.life.is_born and node.tables.get(device, _NOTHING).takes_rebirth
        self._on_unknown(node.name, device if is_alone else "")

    def _changed(self, node: EdgeNode) -> None:
        self._memory.lives_of(node)
        self._memory.held_by(node)
        if node.held:
            self.waiting[node.name] = node
        else:
            self.waiting.pop(node.name, None)

    def _turns_before_death(self, node: EdgeNode, payload: Payload, message: Message) -> list[Message]:
        """None of a death that is not of the present birth."""
        if not node.is_ended_by(payload):
            self.late_deaths += node.life.died_ns is None
            return []
        return [*self._window.flushed(node), message]

    def _turns_of_birth(self, node: EdgeNode, payload: Payload, message: Message) -> list[Message]:
        """A birth starts the numbers anew. What waits and is not older belongs to it: it was overtaken."""
        own = [one for one in node.held if (one.stamp_ms or 0) >= (payload.timestamp_ms or 0) > 0]
        node.held = [one for one in node.held if one not in own]
        turns = [*self._window.flushed(node), message]
        life = node.life
        life.due, life.missed, life.first = ((payload.seq or 0) + 1) % node.seq_numbers, [], None
        life.last_received_ns = max(life.last_received_ns, message.received_ns)
        life.last_stamp_ms = payload.timestamp_ms
        node.held = own
        return [*turns, *self._window.released(node)]

    def _node_born(self, node: EdgeNode, payload: Payload, received_ns: int) -> None:
        life, bd_seq = node.life, bd_seq_of(payload)
        if life.died_ns is not None:
            self._book(node.name, Cause.DISCONNECTED, life.died_ns, received_ns, 0, "dead until this birth")
        if life.bd_seq not in (None, bd_seq):
            node.begins(received_ns, payload.timestamp_ms or 0)
        life.died_ns, life.is_born, life.bd_seq = None, True, bd_seq
        self._forget_tables(node)  # its devices must be born again (6.4.2)

    def _node_died(self, node: EdgeNode, address: Address, received_ns: int) -> list[Ended]:
        """Its time is ours: its payload, the will of a connection, is as old as that."""
        life = node.life
        last_ns = life.last_received_ns or received_ns
        self._book(node.name, Cause.DISCONNECTED, last_ns, received_ns, 0, "died at some time in this interval")
        ended = [
            Ended(Address(address.group, address.edge_node, device), table.metrics(), received_ns)
            for device, table in node.tables.items()
            if table.died_ns is None
        ]
        life.died_ns, life.due, life.is_born, life.missed, life.bd_seq = received_ns, None, False, [], None
        node.begins(0, 0)
        self._forget_tables(node)
        return ended

    def _device_died(self, node: EdgeNode, address: Address, payload: Payload, received_ns: int) -> list[Ended]:
        """Its time is what the edge node says, where a clock can say that."""
        before = node.tables.get(address.device, _NOTHING)
        if before.died_ns is not None:
            return []
        said_ns = (payload.timestamp_ms or 0) * _NS_PER_MS
        died_ns = said_ns if is_plausible(said_ns, received_ns) else received_ns
        self._declare(node, address, Table(died_ns=died_ns, takes_rebirth=before.takes_rebirth))
        self._book(address.name, Cause.DISCONNECTED, died_ns, died_ns, 0, "declared dead by its edge node")
        return [Ended(address, before.metrics(), died_ns)]

    def _learn(self, node: EdgeNode, address: Address, payload: Payload, received_ns: int) -> None:
        before = node.tables.get(address.device)
        if before is not None and before.died_ns is not None:
            self._book(address.name, Cause.DISCONNECTED, before.died_ns, received_ns, 0, "dead until this birth")
        self._declare(node, address, Table(takes_rebirth=takes_rebirth(payload.metrics)))
        self._declare(node, address, declared(node, address, payload.metrics))

    def _declare(self, node: EdgeNode, address: Address, table: Table) -> None:
        node.tables[address.device] = table
        self._memory.table_of(node, address.device)

    def _forget_tables(self, node: EdgeNode) -> None:
        for device in node.tables:
            self._memory.table_of(node, device)
        node.tables = {}

    def _missing(self, node: EdgeNode, seq: int, received_ns: int) -> None:
        life = node.life
        due = life.due or 0
        missing = (seq - due) % node.seq_numbers
        if missing:  # two messages of one number wait together when a counter begins anew without a birth
            width = node.seq_numbers
            new = [(due + i) % width for i in range(missing)]
            still = [one for one in life.missed if (seq - one) % width <= width // 2 and one not in new]
            life.missed = still + new
            note = f"seq {due} was due, {seq} came"
            self._book(node.name, Cause.SEQ_GAP, life.last_received_ns, received_ns, missing, note)
            self._on_unknown(node.name, "")
            if not life.is_born:  # a birth may have been among them
                node.begins(received_ns, (life.last_stamp_ms or 0) + 1)

    def _late(self, node: EdgeNode, seq: int, received_ns: int) -> None:
        """Takes back what was booked: the message has come after all."""
        self._book(node.name, Cause.SEQ_GAP, received_ns, received_ns, -1, f"seq {seq} came late")

    def _book(self, asset: str, cause: Cause, from_ns: int, to_ns: int, missing: int, note: str) -> None:
        self._gaps.append(Gap(asset, cause, from_ns, max(from_ns, to_ns), missing, note))
