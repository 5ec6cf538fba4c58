"""Which of the published messages are on disk: counted by what they are, not by how many came.

A broker that loses its connection sends again what was not acknowledged, so a count of what came runs ahead of what is
there. `awaits` is called by whoever publishes; the source belongs to the ingest loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from collector.sources.recording import Published
from collector.sources.source import Delivery, Publishes, Saying, Source


class Witness:
    """Sees messages go out and come to rest; remembers only those since the last time all were there."""

    def __init__(self) -> None:
        self._awaited: set[tuple[str, bytes]] = set()
        self._safe: set[tuple[str, bytes]] = set()

    def awaits(self, message: Published) -> None:
        """The message was published."""
        self._awaited.add((message.topic, message.payload))

    def has_all(self) -> bool:
        """Whether everything that was published so far is on disk."""
        if not self._awaited <= self._safe:
            return False
        self._awaited.clear()
        self._safe.clear()
        return True

    def over(self, source: Source) -> Source:
        """The source, watched."""
        return _Watched(source, self._safe)


class _Watched:
    """A source whose messages are safe once they are acknowledged."""

    def __init__(self, source: Source, safe: set[tuple[str, bytes]]) -> None:
        self._source = source
        self._safe = safe

    def receive(self, limit: int, wait_s: float) -> Delivery:
        delivery = self._source.receive(limit, wait_s)

        def acknowledge() -> None:
            delivery.acknowledge()
            self._safe.update([(message.topic, message.payload) for message in delivery.messages])

        return replace(delivery, acknowledge=acknowledge)

    def publish(self, sayings: Sequence[Saying]) -> None:
        if isinstance(self._source, Publishes):
            self._source.publish(sayings)

    def close(self) -> None:
        self._source.close()
