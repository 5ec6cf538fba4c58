"""The reorder window: a message that comes before its turn waits for those between, for a bounded time.

Sparkplug 3.0, operational behaviour of host applications, message reordering. What waits is part of the format's memory
and so on disk with the append that took it in: Sparkplug data is sent at QoS 0, no broker would send it again. Time is
the site's own (`received_ns`), because an edge node's clock may be what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from collector.formats.sparkplug_b.edge_node import EdgeNode, Held
from collector.formats.sparkplug_b.payload import Payload
from collector.readings import NS_PER_S
from collector.sources.source import Message

_MOST_HELD = 200  # of one edge node: more could not be told from a full turn of its numbers
_MOST_BYTES = 16 * 2**20  # of all edge nodes
_SOON = 32  # a number left out within so many of 0 is that 0

Told = Callable[[EdgeNode, int, int], None]  # of a node, the number that came, and when


class Window:
    """Puts messages in order. `on_missing` is told before the message that shows a gap is given back, `on_late` of one
    that comes after its gap was told."""

    def __init__(self, reorder_s: float, on_missing: Told, on_late: Told) -> None:
        self._wait_ns = int(reorder_s * NS_PER_S)
        self._on_missing = on_missing
        self._on_late = on_late
        self._bytes = 0

    def turns(self, node: EdgeNode, payload: Payload, message: Message) -> list[Message]:
        """The messages whose turn it is now, this one among them unless it must wait.

        The same number with the same timestamp is the same message come again; one received before the last is a dead
        letter replayed, or our clock was set back; one that was missed comes late: none of them is counted. Where no
        number is due (nothing heard yet, or dead since) a message waits as well: its birth may be on the way.
        """
        before = self.expired(node, message.received_ns)
        seq = self._number(node, payload)
        if seq is None:
            return [*before, message]
        if seq != node.life.due:
            if self._is_uncounted(node, seq, payload, message):
                return [*before, message]
            if self._wait_ns:
                return [*before, *self._held(node, seq, payload, message)]
            self._skip_to(node, seq, message.received_ns)
        self._count(node, seq, payload.timestamp_ms, message.received_ns)
        return [*before, message, *self.released(node)]

    def expired(self, node: EdgeNode, now_ns: int) -> list[Message]:
        """The messages that have waited long enough, in order; the gap before them is told of first."""
        turns: list[Message] = []
        while node.held and now_ns - node.held[0].received_ns >= self._wait_ns:
            turns += self._skipped_to_next(node)
        return turns

    def flushed(self, node: EdgeNode) -> list[Message]:
        """All that waits, in order, with the gaps between: nothing else will come before it."""
        turns: list[Message] = []
        while node.held:
            turns += self._skipped_to_next(node)
        return turns

    def released(self, node: EdgeNode) -> list[Message]:
        """The messages whose turn has come without a gap."""
        turns = []
        while node.held:
            held = next((one for one in node.held if one.seq == node.life.due), None)
            if held is None:
                break
            self._count(node, held.seq, held.stamp_ms, held.received_ns)
            turns.append(self._let_go(node, held))
        return turns

    def take_up(self, held: Iterable[Held]) -> None:
        """Counts what an earlier run held."""
        self._bytes = sum(len(one.payload) for one in held)

    def _skipped_to_next(self, node: EdgeNode) -> list[Message]:
        held = _next_of(node)
        if _is_late(node, held.seq):  # newer than what was heard, so a birth might have claimed it; none came
            self._come_late(node, held.seq, held.received_ns)
            return [self._let_go(node, held)]
        self._skip_to(node, held.seq, held.received_ns)
        self._count(node, held.seq, held.stamp_ms, held.received_ns)
        return [self._let_go(node, held), *self.released(node)]

    def _skip_to(self, node: EdgeNode, seq: int, received_ns: int) -> None:
        """Books what is left out; before the first message nothing is: what is behind it on its way is only late."""
        life = node.life
        if life.due is None:
            life.first, life.missed = seq, []
        else:
            self._on_missing(node, seq, received_ns)

    def _let_go(self, node: EdgeNode, held: Held) -> Message:
        node.held.remove(held)
        self._bytes -= len(held.payload)
        return Message(held.topic, held.payload, held.received_ns)

    def _held(self, node: EdgeNode, seq: int, payload: Payload, message: Message) -> list[Message]:
        """Keeps a message; what that makes too much ends the wait."""
        turns: list[Message] = []
        same = next((one for one in node.held if one.seq == seq), None)
        if same is not None:
            if same.payload == message.payload:
                return []  # come again while the first waits
            turns = self.flushed(node)
        node.held.append(Held(seq, payload.timestamp_ms, message.received_ns, message.topic, message.payload))
        self._bytes += len(message.payload)
        if len(node.held) > _MOST_HELD or self._bytes > _MOST_BYTES:
            turns += self.flushed(node)
        return turns

    def _is_uncounted(self, node: EdgeNode, seq: int, payload: Payload, message: Message) -> bool:
        life, stamp_ms = node.life, payload.timestamp_ms
        if (seq + 1) % node.seq_numbers == life.due and stamp_ms == life.last_stamp_ms:
            return True
        if message.received_ns < life.last_received_ns:
            return True
        may_be_of_next_birth = stamp_ms is not None and stamp_ms > (life.last_stamp_ms or 0)
        if (self._wait_ns and may_be_of_next_birth) or not _is_late(node, seq):
            return False
        self._come_late(node, seq, message.received_ns)
        return True

    def _come_late(self, node: EdgeNode, seq: int, received_ns: int) -> None:
        if seq in node.life.missed:
            node.life.missed.remove(seq)
            self._on_late(node, seq, received_ns)

    def _count(self, node: EdgeNode, seq: int, stamp_ms: int | None, received_ns: int) -> None:
        life = node.life
        life.due = (seq + 1) % node.seq_numbers
        life.last_received_ns = max(life.last_received_ns, received_ns)
        life.last_stamp_ms = stamp_ms

    def _number(self, node: EdgeNode, payload: Payload) -> int | None:
        """The message's number. A writer made from a proto3 schema leaves a zero out, so an absent number where 0 is
        soon due is that 0; elsewhere it tells nothing."""
        due, width = node.life.due, node.seq_numbers
        if payload.seq is not None or due is None:
            return payload.seq
        is_late = due <= width // 2 and 0 in node.life.missed
        return 0 if -due % width < _SOON or is_late else None


def _next_of(node: EdgeNode) -> Held:
    """Of those that wait, the one to go on with: one that is late, else that of the number nearest to the due one, else
    the one sent first by its own word."""
    due, longest = node.life.due, node.held[0]
    if due is None:
        return min(node.held, key=lambda one: (one.stamp_ms or 0, one.seq))
    if _is_late(node, longest.seq):
        return longest
    return min(node.held, key=lambda one: (one.seq - due) % node.seq_numbers)


def _is_late(node: EdgeNode, seq: int) -> bool:
    """Whether the number is one that was booked as missing, or one of before the first ever heard."""
    life, width = node.life, node.seq_numbers
    if life.due is None or (life.due - seq) % width > width // 2:
        return False
    return seq in life.missed or (life.first is not None and 0 < (life.first - seq) % width <= width // 2)
