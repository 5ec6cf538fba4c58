"""Sparkplug B (Eclipse Tahu), read and hosted: bytes (`payload`), who speaks (`protocol`), the life of edge nodes
(`session`, `edge_node`, `memory`), order (`window`), names and values (`mapping`), the fast way (`columns`), what is
asked of edge nodes (`rebirth`) and what is said about ourselves (`host`).

Every gap is known: a jump in the sequence numbers and a declared death become entries of the ledger. It listens only,
unless the site lets it speak (`rebirth`, `host_id`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from collector.config import Site
from collector.formats.format import BadPayload, Decoded, Due
from collector.formats.sparkplug_b import payload as wire
from collector.formats.sparkplug_b.columns import FastColumns
from collector.formats.sparkplug_b.edge_node import Known
from collector.formats.sparkplug_b.host import HostState
from collector.formats.sparkplug_b.mapping import Mapping as MetricMapping
from collector.formats.sparkplug_b.mapping import Options
from collector.formats.sparkplug_b.protocol import BIRTHS, DEATHS, MessageType, Spoken, spoken
from collector.formats.sparkplug_b.rebirth import Rebirths
from collector.formats.sparkplug_b.session import Ended, Session
from collector.intake import Columns
from collector.readings import Equipment, Reading, Readings
from collector.sources.source import Message, Saying
from collector.spool.dead import DeadLetter
from collector.spool.ledger import Gap
from collector.topics import TopicTemplate

__all__ = ["Options", "SparkplugB", "build", "presence"]

Received = tuple[Reading, int]  # with the time of its message's receipt


def build(options: Options, site: Site, topic: TopicTemplate) -> SparkplugB:
    """The format of one [[subscribe]]. Every topic says group, edge node and device itself, whatever the template.

    Raises ValueError where a host application could not hear of itself.
    """
    host = presence(options)
    if host and not topic.matcher().fullmatch(host.topic):
        raise ValueError(
            f"`host_id` is set and topic {topic.text!r} does not cover {host.topic}, which a host application must "
            'hear: write topic = "spBv1.0/#" or remove host_id'
        )
    return SparkplugB(options, site.enterprise)


def presence(options: Options) -> HostState | None:
    """What a subscription says about itself on its broker; None where it only listens."""
    return HostState(options.host_id) if options.host_id else None


def fits(message: Message) -> float:
    """How surely a message is Sparkplug B: its topic says so, and its payload is protobuf of that schema."""
    try:
        said = spoken(message.topic)
        wire.decode(message.payload)
    except (BadPayload, wire.NotSparkplug):
        return 0.0
    return 1.0 if said else 0.5


class SparkplugB:
    """Reads every message of the `spBv1.0` namespace, in the order of its edge node."""

    def __init__(self, options: Options, enterprise: str) -> None:
        self._mapping = MetricMapping(options, enterprise)
        self._host = presence(options)
        self._rebirths = Rebirths(is_allowed=options.rebirth, asks_devices=options.device_rebirth)
        self._session = Session(options.reorder_s, self._rebirths.want)
        self._fast = FastColumns(self._session, self._mapping)
        self._owed: list[Received] = []  # of messages that waited for one that could not be read
        self._owed_of = 0  # of how many messages that is, a death being as many as the births it ends
        self._dead: list[DeadLetter] = []
        self._denied_ns = 0  # when somebody last said that we are not there; 0: answered
        self._skipped = 0

    def decode(self, message: Message) -> Decoded:
        """What this message said, and those that waited for it. Raises BadPayload; never anything else."""
        try:
            said = spoken(message.topic)
            if said is None:
                self._hear_of_host(message)
                return Decoded(gaps=self._gaps())
            payload = _payload(said, message)
            turns = self._session.turns(said, payload, message)
        except (BadPayload, wire.NotSparkplug) as bad:
            raise BadPayload(f"topic {message.topic}: {bad}") from bad
        self._take(turns, message, payload)
        readings, messages = self._handed_over()
        is_waiting = not turns and said.kind is not MessageType.NDEATH
        return Decoded(readings, self._gaps(), messages=messages, is_waiting=is_waiting)

    def decode_whole(self, messages: Sequence[Message], columns: Columns) -> Iterator[Message]:
        """The fast way for data in its turn; yields each other message."""
        for message in messages:
            if self._owed or not self._fast.take(message, columns):
                yield message

    def due(self, now_ns: int) -> Due:
        self._take(self._session.passed(now_ns))
        readings, _ = self._handed_over()
        dead, self._dead = self._dead, []
        return Due(readings, self._gaps(), dead, self._answers() + self._rebirths.due(now_ns))

    def place(self, topic: str) -> Equipment | None:
        try:
            said = spoken(topic)
        except BadPayload:
            return None
        return self._mapping.place(said.address) if said else None

    def gauges(self) -> dict[str, float]:
        nodes = self._session.nodes.values()
        return {
            "sparkplug_nodes": len(nodes),
            "sparkplug_nodes_born": sum(node.life.is_born for node in nodes),
            "sparkplug_messages_held": sum(len(node.held) for node in self._session.waiting.values()),
            "sparkplug_rebirths_asked": self._rebirths.asked,
            "sparkplug_rebirths_asked_of_devices": self._rebirths.asked_of_devices,
            "sparkplug_late_deaths": self._session.late_deaths,
            "sparkplug_metrics_skipped": self._skipped,
        }

    def parts(self) -> dict[str, bytes]:
        return self._session.parts()

    def restore_parts(self, parts: Mapping[str, bytes]) -> None:
        self._session.restore(parts)
        self._fast.clear()

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.parts())

    def restore(self, memory: bytes) -> None:
        self.restore_parts(msgspec.msgpack.decode(memory, type=dict[str, bytes]) if memory else {})

    def _take(self, turns: Iterable[Message], own: Message | None = None, payload: wire.Payload | None = None) -> None:
        """Reads messages in their turn, into what is owed. Raises BadPayload when `own` cannot be read, at the end."""
        refused: BadPayload | None = None
        for message in turns:
            try:
                readings = self._read(message, payload if message is own else None)
                self._owed += [(reading, message.received_ns) for reading in readings]
                self._owed_of += 1
            except BadPayload as error:
                bad = BadPayload(f"topic {message.topic}: {error}")
                if message is own:
                    refused = bad
                else:
                    self._dead.append(DeadLetter(message.topic, message.payload, str(bad), message.received_ns))
        if refused:
            raise refused

    def _read(self, message: Message, payload: wire.Payload | None) -> list[Reading]:
        said = spoken(message.topic)
        if said is None:
            return []
        kind, address, _ = said
        payload = payload or _payload(said, message)
        if kind in BIRTHS or kind in DEATHS:
            self._rebirths.has_told(address, is_born=kind in BIRTHS)
        try:
            ended, known = self._understood(said, payload, message.received_ns)
        except BadPayload:
            self._rebirths.was_in_vain(address.node)
            raise
        stale = [reading for one in ended for reading in self._mapping.stale(*one)]
        if kind in DEATHS:
            self._owed_of += len(ended)
            return stale
        self._skipped += sum(metric.value is None and not metric.is_null for metric in payload.metrics)
        return self._mapping.readings(address, payload, known, message.received_ns)

    def _understood(self, said: Spoken, payload: wire.Payload, received_ns: int) -> tuple[list[Ended], list[Known]]:
        """Whose metrics became stale with a message, and what its metrics go by; a death's go by nothing."""
        kind, address, _ = said
        ended = self._session.heed(kind, address, payload, received_ns)
        return ended, [] if kind in DEATHS else self._session.resolve(address, payload, received_ns)

    def _handed_over(self) -> tuple[Readings, int]:
        """What is owed, and of how many messages."""
        owed, self._owed = self._owed, []
        messages, self._owed_of = max(1, self._owed_of), 0
        return _columns(owed), messages

    def _hear_of_host(self, message: Message) -> None:
        if self._host and message.topic == self._host.topic and self._host.is_denied_by(message.payload):
            self._denied_ns = message.received_ns

    def _answers(self) -> list[Saying]:
        """Our presence, once for all who denied it."""
        denied_ns, self._denied_ns = self._denied_ns, 0
        return [self._host.birth(denied_ns)] if self._host and denied_ns else []

    def _gaps(self) -> list[Gap]:
        return [self._mapping.placed(gap) for gap in self._session.gaps()]


def _payload(said: Spoken, message: Message) -> wire.Payload:
    if not message.payload and said.kind not in DEATHS:
        raise BadPayload("the payload is empty: have the edge node send its metrics")
    return wire.decode(message.payload)


def _columns(received: Sequence[Received]) -> Readings:
    if not received:
        return Readings()
    readings = Readings.of(reading for reading, _ in received)
    return Readings(
        readings.series, readings.at_ns, readings.value, readings.quality, [received_ns for _, received_ns in received]
    )
