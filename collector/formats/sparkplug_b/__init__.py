"""Sparkplug B (Eclipse Tahu): bytes (`payload`), the life of edge nodes (`session`), names and values (`mapping`).

Every gap is known: a jump in the sequence numbers and a declared death become entries of the ledger.
"""

from __future__ import annotations

from functools import lru_cache

from collector.config import Site
from collector.formats.format import BadPayload, Decoded
from collector.formats.sparkplug_b import payload as wire
from collector.formats.sparkplug_b.mapping import Mapping, Options
from collector.formats.sparkplug_b.session import DEATHS, Address, MessageType, Session
from collector.readings import Equipment, Reading, Readings
from collector.sources.source import Message
from collector.topics import TopicTemplate

__all__ = ["Options", "SparkplugB", "build"]

_NAMESPACE = "spBv1.0"
_WITHOUT_READINGS = frozenset(("NCMD", "DCMD", "STATE"))  # commands to others, and the state of host applications


def build(options: Options, site: Site, topic: TopicTemplate) -> SparkplugB:
    """The format of one [[subscribe]]. Every topic says group, edge node and device itself, whatever the template."""
    return SparkplugB(Mapping(options, site.enterprise))


class SparkplugB:
    """Reads every message of the `spBv1.0` namespace."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._session = Session()

    def decode(self, message: Message) -> Decoded:
        """Raises BadPayload; never anything else."""
        try:
            spoken = _spoken(message.topic)
            readings = self._readings(*spoken, message) if spoken else ()
        except (BadPayload, wire.NotSparkplug) as bad:
            raise BadPayload(f"topic {message.topic}: {bad}") from bad
        return Decoded(Readings.of(readings), [self._mapping.placed(gap) for gap in self._session.gaps()])

    def _readings(self, kind: MessageType, address: Address, message: Message) -> list[Reading]:
        if not message.payload and kind not in DEATHS:
            raise BadPayload("the payload is empty: have the edge node send its metrics")
        payload = wire.decode(message.payload)
        self._session.heard(kind, address, payload, message.received_ns)
        if kind in DEATHS:
            return []
        known = self._session.resolve(address, payload.metrics)
        return self._mapping.readings(address, payload, known, message.received_ns)

    def place(self, topic: str) -> Equipment | None:
        try:
            spoken = _spoken(topic)
        except BadPayload:
            return None
        return self._mapping.place(spoken[1]) if spoken else None

    def snapshot(self) -> bytes:
        return self._session.snapshot()

    def restore(self, memory: bytes) -> None:
        self._session.restore(memory)


@lru_cache(maxsize=10_000)
def _spoken(topic: str) -> tuple[MessageType, Address] | None:
    """Who says what, by the topic (Sparkplug 3.0, 4.2); None for commands and host states. Raises BadPayload."""
    levels = topic.split("/")
    if levels[0] != _NAMESPACE or len(levels) < 3 or not all(levels):
        raise _no_topic()
    if levels[1] == "STATE" or levels[2] in _WITHOUT_READINGS:
        return None
    try:
        kind = MessageType(levels[2])
    except ValueError as error:
        raise _no_topic() from error
    if len(levels) != (5 if kind.startswith("D") else 4):
        raise _no_topic()
    return kind, Address(levels[1], *levels[3:])


def _no_topic() -> BadPayload:
    return BadPayload(
        f"no Sparkplug B topic, which is {_NAMESPACE}/group/type/edge_node and, for DBIRTH, DDATA and DDEATH only, "
        "/device: correct the sender or [[subscribe]] topic"
    )
