"""What one connection to a broker says, beside listening: the site's presence, and what formats want published.

The connection's own thread speaks; other threads hand over by `say`. What cannot be said now is dropped and counted:
whoever wants it said will want it again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import paho.mqtt.client as paho

from collector.health.counters import Counters
from collector.sources.source import Presence, Saying
from collector.topics import covers

log = logging.getLogger(__name__)

_MOST = 1_000  # waiting to be said


class Voice:
    """`connected_ns`: when this connection was begun, the time that its birth and its will carry."""

    def __init__(self, presence: Presence | None, connected_ns: int, counters: Counters) -> None:
        self._presence = presence
        self._connected_ns = connected_ns
        self._counters = counters
        self._waiting: deque[Saying] = deque()
        self._is_in = self._has_ended = False

    def leave_will(self, client: paho.Client) -> None:
        """Tells a client that is not connected yet what the broker shall say when it is cut off."""
        if self._presence:
            will = self._presence.will(self._connected_ns)
            client.will_set(will.topic, will.payload, will.qos, will.retain)

    def come_in(self, client: paho.Client, refused: Sequence[str]) -> None:
        """Says that we are there, once the connection is subscribed; not where a filter that covers it is refused."""
        if not self._presence:
            return
        self._is_in = not covers(refused, self._presence.topic)
        if self._is_in:
            self._announce(client, self._presence)
        else:
            self._counters.add("presence_withheld")
            sentence = (
                "presence.withheld topic=%r; a subscription that covers it was refused, so nobody is told that we "
                "listen: give this user the right to read it"
            )
            log.error(sentence, self._presence.topic)

    def say(self, sayings: Sequence[Saying]) -> None:
        """Takes what shall be said. Any thread."""
        room = max(0, _MOST - len(self._waiting))
        self._waiting.extend(sayings[:room])
        self._drop(len(sayings) - room)
        if self._has_ended:
            self._drop_waiting()

    def speak(self, client: paho.Client, *, is_up: bool) -> None:
        """Says what waits. Of our own presence each connection tells its own time, whoever asks for it."""
        for saying in [self._waiting.popleft() for _ in range(len(self._waiting))]:
            if not is_up:
                self._drop(1)
            elif self._presence and saying.topic == self._presence.topic:
                if self._is_in:
                    self._announce(client, self._presence)
            else:
                self._publish(client, saying)

    def end(self) -> None:
        """Nothing is said any more: what waits, and what still comes from others, is counted as unsaid."""
        self._has_ended = True
        self._drop_waiting()

    def take_leave(self, client: paho.Client, now_ns: int) -> None:
        """Says that we go, before a clean end."""
        if self._presence:
            self._publish(client, self._presence.death(now_ns))

    def _announce(self, client: paho.Client, presence: Presence) -> None:
        self._publish(client, presence.birth(self._connected_ns))

    def _publish(self, client: paho.Client, saying: Saying) -> None:
        client.publish(saying.topic, saying.payload, saying.qos, saying.retain)
        self._counters.add("messages_said")

    def _drop_waiting(self) -> None:
        """Each of them once, though two threads may be at it."""
        with suppress(IndexError):
            while True:
                self._waiting.popleft()
                self._drop(1)

    def _drop(self, count: int) -> None:
        if count > 0:
            self._counters.add("messages_unsaid", count)
