"""Messages from MQTT brokers, acknowledged only by whoever holds the delivery.

Each broker has a `connection.Connection` with a thread of its own; all put what arrives on one bounded queue, so a
delivery may hold messages of several brokers and one that is down stops no other. A persistent session under a fixed
client id keeps what was not acknowledged; after a reconnect the broker sends it again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from collector.clocks.clock import Clock
from collector.config import BrokerSettings, ConfigError
from collector.health.counters import Counters
from collector.sources.arrivals import Arrivals, Chunk
from collector.sources.client import client_for as client_for
from collector.sources.connection import Connection
from collector.sources.source import Delivery, Presence, Saying

NOBODY: Mapping[str, Presence] = {}
_SPACING_S = 0.02  # between deliveries, unless they are full: one disk sync serves many messages
_BACKLOG_S = 2.0  # after connecting, before an empty queue means that the broker kept no more
_IDLE_S = 0.02  # nothing came for so long: the broker was not waiting for acknowledgements


class MqttSource:
    """A Source over one or several broker connections that come back by themselves."""

    def __init__(
        self,
        settings: BrokerSettings,
        filters: Sequence[str],
        folder: Path,
        clock: Clock,
        counters: Counters,
        *,
        since_ns: int = 0,
        beside: Sequence[tuple[BrokerSettings, Sequence[str]]] = (),
        presences: Mapping[str, Presence] = NOBODY,
    ) -> None:
        """Connects at once. `since_ns`: when an earlier run last stored something (UTC ns), 0: there was none; the time
        since is booked as an outage. `beside`: further brokers and their filters; `presences`: who is announced, by the
        broker's name. Raises ConfigError: a file of
        [broker] that cannot be used."""
        self._counters = counters
        self._arrivals = Arrivals()
        self._delivered_s = 0.0
        self._connections: dict[str, Connection] = {}
        try:
            for one, own in [(settings, filters), *beside]:
                self._connections[one.name] = Connection(
                    one, own, folder, clock, counters, self._arrivals, since_ns, presences.get(one.name)
                )
        except ConfigError:
            self.close()
            raise

    def receive(self, limit: int, wait_s: float) -> Delivery:
        """Waits for a first message, then for others if the last delivery was but just now.

        Raises what ended the thread of a connection.
        """
        began_s = time.monotonic()
        self._arrivals.wait(1, began_s + wait_s, self._has_failed)
        self._check()
        now_s = time.monotonic()
        if self._arrivals.messages:
            self._arrivals.wait(limit, min(self._delivered_s + _SPACING_S, now_s + wait_s), self._holds_back)
        was_idle, held_back = now_s - began_s >= _IDLE_S, self._holds_back()
        chunks = self._arrivals.take(limit)
        self._delivered_s = time.monotonic()
        messages = chunks[0].messages if len(chunks) == 1 else [one for chunk in chunks for one in chunk.messages]
        self._counters.add("messages_received", len(messages))
        ran_dry = not self._arrivals.messages and (was_idle or not held_back)
        gaps = [gap for chunk in chunks for gap in chunk.gaps]
        return Delivery(messages, lambda: _acknowledge(chunks), gaps, self._is_up() and ran_dry)

    def publish(self, sayings: Sequence[Saying]) -> None:
        """Has each message sent to the brokers that are asked for its topic; one that is not connected goes without."""
        for connection in self._connections.values():
            own = [saying for saying in sayings if connection.reads(saying.topic)]
            if own:
                connection.publish(own)
        unread = [one for one in sayings if not any(each.reads(one.topic) for each in self._connections.values())]
        if unread:
            self._counters.add("messages_unsaid", len(unread))

    def close(self) -> None:
        """Ends the connections; the sessions stay with the brokers."""
        for connection in self._connections.values():
            connection.end()
        for connection in self._connections.values():
            connection.join()

    def _is_up(self) -> bool:
        """Whether every broker has been connected for long enough to have sent what it kept."""
        now_s = time.monotonic()
        since = {name: connection.up_since_s for name, connection in self._connections.items()}
        self._counters.set("broker_connected", int(None not in since.values()))
        if len(since) > 1:
            for name, up_since_s in since.items():
                self._counters.set(f"broker_connected_{name}", int(up_since_s is not None))
        return all(up_since_s is not None and now_s - up_since_s > _BACKLOG_S for up_since_s in since.values())

    def _holds_back(self) -> bool:
        return any(connection.holds_back for connection in self._connections.values())

    def _has_failed(self) -> bool:
        return any(connection.failure for connection in self._connections.values())

    def _check(self) -> None:
        for connection in self._connections.values():
            if connection.failure is not None:
                raise connection.failure


def _acknowledge(chunks: Sequence[Chunk]) -> None:
    for chunk in chunks:
        if chunk.acks and chunk.acknowledge is not None:
            chunk.acknowledge(chunk.acks)
