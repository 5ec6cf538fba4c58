"""What is remembered of one edge node: is it alive, which number comes next, what do its aliases mean, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from collector.formats.format import BadPayload
from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload
from collector.formats.sparkplug_b.protocol import BD_SEQ, DEVICE_REBIRTH, REBIRTH, Address

_LAST_MS = 2**64 - 1  # a timestamp has 64 bits


class Known(msgspec.Struct, frozen=True, cache_hash=True):
    """A metric as its birth declared it; `unit` is the sender's word, "" where it says none."""

    name: str
    datatype: int
    unit: str = ""


class Table(msgspec.Struct, eq=False):
    """What one birth declared: metrics by alias, data types and units by name; `died_ns` is None while alive.

    `takes_rebirth`: the device may be asked for its birth itself, also after its death and where it could not be read.
    Kept on disk: a field that an earlier version did not write needs a default.
    """

    by_alias: dict[int, Known] = {}
    datatypes: dict[str, int] = {}
    died_ns: int | None = None
    units: dict[str, str] = {}  # of those that say one
    takes_rebirth: bool = False

    def metrics(self) -> list[Known]:
        """All that was declared by name."""
        return [Known(name, datatype, self.units.get(name, "")) for name, datatype in self.datatypes.items()]


class Life(msgspec.Struct, array_like=True):
    """The numbers that move with every message.

    `due` is the next sequence number, None while unknown. The numbers `missed` are booked, and may still come late;
    `first` is the one ever heard first, where no birth was: those before it may come late too. `since_ns` and
    `since_ms`, in our time and in the edge node's, are the beginning of what is known to be one connection with the
    present birth, 0 while nothing is: what went before may have used other aliases.
    """

    due: int | None = None
    bd_seq: int | None = None
    is_born: bool = False
    last_received_ns: int = 0
    last_stamp_ms: int | None = None
    died_ns: int | None = None
    missed: list[int] = []
    first: int | None = None
    since_ns: int = 0
    since_ms: int = 0


class Held(msgspec.Struct, frozen=True, array_like=True):
    """A message that came before its turn, as it arrived."""

    seq: int
    stamp_ms: int | None
    received_ns: int
    topic: str
    payload: bytes


@dataclass(slots=True, eq=False)
class EdgeNode:
    """`name` is group/edge_node; `tables` are by device, "" for the node itself; `held` is in order of arrival."""

    name: str
    seq_numbers: int
    life: Life = field(default_factory=Life)
    tables: dict[str, Table] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)

    def is_ended_by(self, payload: Payload) -> bool:
        """Whether a death is that of the present birth; an earlier connection's (another bdSeq) is not (6.4.19).

        Raises BadPayload where it does not say which birth it ends.
        """
        life = self.life
        if life.died_ns is not None:
            return False
        if life.bd_seq is None:
            return True
        bd_seq = bd_seq_of(payload)
        if bd_seq is None:
            raise BadPayload(f"the death of edge node {self.name} has no {BD_SEQ}: have its will carry the birth's")
        return bd_seq == life.bd_seq

    def is_before(self, payload: Payload, received_ns: int) -> bool:
        """Whether a message is of an earlier connection than the present one, by our clock and by its own (one alone
        may have been set back): only dead letters that are read again are."""
        life = self.life
        return received_ns < life.since_ns and (payload.timestamp_ms or 0) < life.since_ms

    def begins(self, received_ns: int, stamp_ms: int) -> None:
        """Nothing heard before is known to be of the same connection as what follows."""
        self.life.since_ns, self.life.since_ms = received_ns, min(stamp_ms, _LAST_MS)


def takes_rebirth(metrics: Sequence[Metric]) -> bool:
    """Whether a birth offers `Device Control/Rebirth` to be written (3.0, payload of DBIRTH)."""
    return any(
        one.name == DEVICE_REBIRTH and one.datatype == Datatype.BOOLEAN and not one.is_read_only for one in metrics
    )


def bd_seq_of(payload: Payload) -> int | None:
    """The payload's bdSeq; a writer made from a proto3 schema leaves a zero out."""
    for metric in payload.metrics:
        if metric.name == BD_SEQ and not metric.is_null:
            if metric.value is None:
                return 0
            return int(metric.value) if isinstance(metric.value, int) else None
    return None


def declared(node: EdgeNode, address: Address, metrics: Sequence[Metric]) -> Table:
    """The table of a birth. Raises BadPayload where an alias stands for two metrics of the edge node, its devices'
    among them (tck-id-payloads-alias-uniqueness)."""
    table = Table(takes_rebirth=takes_rebirth(metrics))
    for metric in metrics:
        if not metric.name:
            continue
        table.datatypes[metric.name] = metric.datatype
        if metric.unit:
            table.units[metric.name] = metric.unit
        if metric.alias is not None:
            known = table.by_alias.setdefault(metric.alias, Known(metric.name, metric.datatype, metric.unit))
            if known.name != metric.name:
                raise _ambiguous(address, metric.alias, f"twice, for {known.name!r} and {metric.name!r}")
    for device, other in node.tables.items():
        if device != address.device and not other.by_alias.keys().isdisjoint(table.by_alias):
            alias = min(other.by_alias.keys() & table.by_alias)
            own, whose = table.by_alias[alias].name, device or "the edge node itself"
            raise _ambiguous(address, alias, f"for {own!r}, which is {other.by_alias[alias].name!r} of {whose}")
    return table


def named(node: EdgeNode, address: Address, payload: Payload, received_ns: int) -> list[Known]:
    """What the metrics of a message go by. Raises UnknownAlias; BadPayload: aliases of an earlier connection."""
    if node.is_before(payload, received_ns) and not all(metric.name for metric in payload.metrics):
        raise BadPayload(
            f"an alias of {address.name} was sent before the connection of which a birth is known (bdSeq "
            f"{node.life.bd_seq}), or before numbers that are missing: it may have stood for another metric, and "
            "nobody can say so any more: set `rebirth = true`, so that the next is asked for in time"
        )
    table = node.tables.get(address.device, Table())
    return [known_as(table, address, metric) for metric in payload.metrics]


def _ambiguous(address: Address, alias: int, said: str) -> BadPayload:
    return BadPayload(
        f"the birth of {address.name} declares alias {alias} {said}, so nothing sent by it could be told apart: "
        "mend the edge node's configuration"
    )


class UnknownAlias(Exception):
    """No birth that declares it was seen; the text says so, and the remedy."""


def known_as(table: Table, address: Address, metric: Metric) -> Known:
    """What a metric goes by: what it says itself, else what its birth said.

    Raises UnknownAlias, or BadPayload where it has neither name nor alias.
    """
    name = metric.name
    if name:
        datatype = metric.datatype or table.datatypes.get(name, Datatype.UNKNOWN)
        return Known(name, datatype, metric.unit or table.units.get(name, ""))
    if metric.alias is None:
        raise BadPayload(f"a metric of {address.name} has neither name nor alias: mend the edge node's publisher")
    known = table.by_alias.get(metric.alias)
    if known is None:
        asked = f"{DEVICE_REBIRTH}` of device" if table.takes_rebirth else f"{REBIRTH}` of edge node"
        whom = address.name if table.takes_rebirth else address.node
        raise UnknownAlias(
            f"alias {metric.alias} of {address.name} is unknown, no birth that declares it was seen: "
            f"write true to `{asked} {whom}, or restart it"
        )
    return known if metric.unit in ("", known.unit) else Known(known.name, known.datatype, metric.unit)
