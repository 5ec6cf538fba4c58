"""What must be remembered of every edge node to read it: is it alive, which number comes next, what its aliases mean.

One `Session` holds all edge nodes of a subscription. It listens only: a missing birth is told, not asked for. Intervals
are in the site's own time (`received_ns`), because an edge node's clock may be what is wrong. Sparkplug 3.0, sections 5
and 6.4; terms as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from collector.formats.format import BadPayload
from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload
from collector.spool.ledger import Cause, Gap

_SEQ_NUMBERS = 256
_BD_SEQ = "bdSeq"


class MessageType(StrEnum):
    """The message types that carry an edge node's life and values."""

    NBIRTH = "NBIRTH"
    DBIRTH = "DBIRTH"
    NDATA = "NDATA"
    DDATA = "DDATA"
    NDEATH = "NDEATH"
    DDEATH = "DDEATH"


BIRTHS = frozenset((MessageType.NBIRTH, MessageType.DBIRTH))
DEATHS = frozenset((MessageType.NDEATH, MessageType.DDEATH))


class Address(msgspec.Struct, frozen=True, cache_hash=True):
    """Who speaks: `group/edge_node` or `group/edge_node/device` (`device` is "" for the edge node itself)."""

    group: str
    edge_node: str
    device: str = ""

    @property
    def node(self) -> str:
        return f"{self.group}/{self.edge_node}"

    @property
    def name(self) -> str:
        return f"{self.node}/{self.device}" if self.device else self.node


class Known(msgspec.Struct, frozen=True):
    """A metric as its birth declared it."""

    name: str
    datatype: int


class Table(msgspec.Struct):
    """What one birth declared: metrics by alias, data types by name; `died_ns` is None while alive."""

    by_alias: dict[int, Known] = {}
    datatypes: dict[str, int] = {}
    died_ns: int | None = None


_NOTHING = Table()


class EdgeNode(msgspec.Struct):
    """The memory of one edge node. `due` is the next sequence number, None while unknown; `tables` are by device."""

    due: int | None = None
    bd_seq: int | None = None
    last_received_ns: int = 0
    last_stamp_ms: int | None = None
    died_ns: int | None = None
    tables: dict[str, Table] = {}


class _Memory(msgspec.Struct):
    nodes: dict[str, EdgeNode] = {}
    owed: list[Gap] = []


class Session:
    """Follows every edge node from message to message. `heard` first, then `resolve` for its metrics."""

    def __init__(self) -> None:
        self._memory = _Memory()

    def heard(self, kind: MessageType, address: Address, payload: Payload, received_ns: int) -> None:
        """Takes up what a message says about its edge node's life, and books the gaps it reveals.

        Raises BadPayload, and changes nothing, on a sequence number that cannot be.
        """
        if payload.seq is not None and payload.seq >= _SEQ_NUMBERS:
            raise BadPayload(f"seq {payload.seq} of edge node {address.node} is outside 0 to 255: mend its counter")
        node = self._memory.nodes.setdefault(address.node, EdgeNode())
        if kind is MessageType.NDEATH:
            self._node_died(node, address, payload, received_ns)
            return
        if kind is MessageType.NBIRTH:
            self._node_born(node, address, payload, received_ns)
        else:
            self._count(node, address, payload, received_ns)
        if kind is MessageType.DDEATH:
            self._device_died(node, address, received_ns)
        elif kind in BIRTHS:
            self._learn(node, address, payload, received_ns)
        node.last_received_ns = max(node.last_received_ns, received_ns)
        node.last_stamp_ms = payload.timestamp_ms

    def resolve(self, address: Address, metrics: Sequence[Metric]) -> list[Known]:
        """The names and data types the metrics go by. Raises BadPayload when an alias was never declared."""
        node = self._memory.nodes.get(address.node)
        table = node.tables.get(address.device, _NOTHING) if node else _NOTHING
        return [self._known(table, address, metric) for metric in metrics]

    def gaps(self) -> list[Gap]:
        """The gaps booked since the last call; those of a message that ended as a dead letter come with the next."""
        owed, self._memory.owed = self._memory.owed, []
        return owed

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._memory)

    def restore(self, memory: bytes) -> None:
        self._memory = msgspec.msgpack.decode(memory, type=_Memory) if memory else _Memory()

    def _known(self, table: Table, address: Address, metric: Metric) -> Known:
        if metric.name:
            return Known(metric.name, metric.datatype or table.datatypes.get(metric.name, Datatype.UNKNOWN))
        if metric.alias is None:
            raise BadPayload(f"a metric of {address.name} has neither name nor alias: mend the edge node's publisher")
        known = table.by_alias.get(metric.alias)
        if known is None:
            raise BadPayload(
                f"alias {metric.alias} of {address.name} is unknown, no birth that declares it was seen: "
                f"write true to `Node Control/Rebirth` of edge node {address.node}, or restart it"
            )
        return known

    def _node_born(self, node: EdgeNode, address: Address, payload: Payload, received_ns: int) -> None:
        if node.died_ns is not None:
            self._book(address.node, Cause.DISCONNECTED, node.died_ns, received_ns, 0, "dead until this birth")
        node.died_ns = None
        node.tables = {}  # its devices must be born again (6.4.2)
        node.bd_seq = _bd_seq(payload)
        node.due = ((payload.seq or 0) + 1) % _SEQ_NUMBERS

    def _node_died(self, node: EdgeNode, address: Address, payload: Payload, received_ns: int) -> None:
        """A death whose bdSeq is not the birth's belongs to an earlier connection and is passed over (6.4.19)."""
        bd_seq = _bd_seq(payload)
        if node.died_ns is not None or (node.bd_seq is not None and bd_seq is not None and bd_seq != node.bd_seq):
            return
        last_ns = node.last_received_ns or received_ns
        self._book(address.node, Cause.DISCONNECTED, last_ns, received_ns, 0, "died at some time in this interval")
        node.died_ns, node.due, node.tables = received_ns, None, {}

    def _device_died(self, node: EdgeNode, address: Address, received_ns: int) -> None:
        before = node.tables.get(address.device)
        if before is not None and before.died_ns is not None:
            return
        node.tables[address.device] = Table(died_ns=received_ns)
        self._book(address.name, Cause.DISCONNECTED, received_ns, received_ns, 0, "declared dead by its edge node")

    def _learn(self, node: EdgeNode, address: Address, payload: Payload, received_ns: int) -> None:
        before = node.tables.get(address.device)
        if before is not None and before.died_ns is not None:
            self._book(address.name, Cause.DISCONNECTED, before.died_ns, received_ns, 0, "dead until this birth")
        named = [metric for metric in payload.metrics if metric.name]
        node.tables[address.device] = Table(
            by_alias={m.alias: Known(m.name, m.datatype) for m in named if m.alias is not None},
            datatypes={m.name: m.datatype for m in named},
        )

    def _count(self, node: EdgeNode, address: Address, payload: Payload, received_ns: int) -> None:
        """Compares the sequence number with the one due.

        A writer made from a proto3 schema leaves a zero out, so an absent number where 0 is due is that 0; elsewhere it
        tells nothing. The same number with the same timestamp is the same message come again, and one received before
        the last is a dead letter replayed: neither is judged.
        """
        seq, due = payload.seq, node.due
        if seq is None:
            if due == 0:
                node.due = 1
            return
        if due is not None and seq != due:
            again = (seq + 1) % _SEQ_NUMBERS == due and payload.timestamp_ms == node.last_stamp_ms
            if again or received_ns < node.last_received_ns:
                return
            missing = (seq - due) % _SEQ_NUMBERS
            note = f"seq {due} was due, {seq} came"
            self._book(address.node, Cause.SEQ_GAP, node.last_received_ns, received_ns, missing, note)
        node.due = (seq + 1) % _SEQ_NUMBERS

    def _book(self, asset: str, cause: Cause, from_ns: int, to_ns: int, missing: int, note: str) -> None:
        self._memory.owed.append(Gap(asset, cause, from_ns, to_ns, missing, note))


def _bd_seq(payload: Payload) -> int | None:
    values = (metric.value for metric in payload.metrics if metric.name == _BD_SEQ)
    return next((int(value) for value in values if isinstance(value, int)), None)
