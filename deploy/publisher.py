"""Publishes messages at QoS 1, at a chosen speed of their own time: the demo's plant, and `andon replay`.

With a `PlantClock` it also keeps the site's time: the clock is settled only when all that was published before has been
stored, so results do not depend on the speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event

from collector.clock import PlantClock
from collector.config import BrokerSettings
from collector.errors import AndonError
from collector.readings import NS_PER_S
from collector.sources.mqtt import client_for
from collector.sources.recording import Published

_UNDER_WAY = 1000  # messages published and not yet taken by the broker
_CONNECT_S = 10.0
_LONGEST_PAUSE_S = 8.0  # a longer one (the night) is passed quickly
_SETTLE_EVERY_NS = 30 * NS_PER_S


class PublishError(AndonError):
    """The broker cannot be published to; the sentence names it."""


class Publisher:
    """One connection to a broker; counts what was published and what the broker has taken."""

    def __init__(self, broker: BrokerSettings, folder: Path, client_id: str) -> None:
        self.published = 0
        self.taken = 0
        self._address = f"{broker.host}:{broker.port}"
        self._connected = Event()
        self._client = client_for(broker, folder, client_id)
        self._client.on_publish = lambda *_: self._count_taken()
        self._client.on_connect = lambda *_: self._connected.set()
        try:
            self._client.connect(broker.host, broker.port, broker.keepalive_s)
        except OSError as error:
            raise PublishError(f"broker {self._address}: {error}; start it or correct [broker]") from error
        self._client.loop_start()
        if not self._connected.wait(_CONNECT_S):
            raise PublishError(f"broker {self._address} did not answer within {_CONNECT_S:.0f} s; check [broker]")

    def publish(self, topic: str, payload: bytes) -> None:
        """Hands one message to the broker at QoS 1; waits while too many are under way."""
        while self.published - self.taken >= _UNDER_WAY:
            time.sleep(0.001)
        self._client.publish(topic, payload, qos=1)
        self.published += 1

    def finish(self, wait_s: float = 30.0) -> None:
        """Waits until the broker has taken everything, then disconnects. Raises PublishError when it does not."""
        deadline = time.monotonic() + wait_s
        while self.taken < self.published:
            if time.monotonic() > deadline:
                raise PublishError(f"broker {self._address} took {self.taken} of {self.published} messages; is it up?")
            time.sleep(0.005)
        self.close()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _count_taken(self) -> None:
        self.taken += 1


class Pace:
    """How fast a message's own time passes: `speed` seconds of it per second of ours, or as fast as it goes (None)."""

    def __init__(self, speed: float | None, stop: Event) -> None:
        self._speed = speed
        self._stop = stop
        self._at_ns = 0

    def wait_until(self, at_ns: int, on_the_way: Callable[[int], None] | None = None) -> None:
        """Sleeps until it is `at_ns`; calls `on_the_way` with instants in between. Long pauses are shortened."""
        if self._speed and self._at_ns:
            pause_s = (at_ns - self._at_ns) / NS_PER_S / self._speed
            steps = max(1, min(int(pause_s / 0.25), int(_LONGEST_PAUSE_S / 0.25)))
            for step in range(1, steps + 1):
                if self._stop.wait(min(pause_s, _LONGEST_PAUSE_S) / steps):
                    return
                if on_the_way and step < steps:
                    on_the_way(self._at_ns + (at_ns - self._at_ns) * step // steps)
        self._at_ns = at_ns


def publish_all(
    messages: Iterable[Published],
    publisher: Publisher,
    pace: Pace,
    stop: Event,
    *,
    on_message: Callable[[Published], None],
    clock: PlantClock | None = None,
    wait_stored: Callable[[], None] | None = None,
) -> None:
    """Publishes in order until the end or `stop`; `wait_stored` returns when all published so far is in the log."""
    settled_ns = 0
    for message in messages:
        if stop.is_set():
            return
        if clock is not None and wait_stored is not None and message.at_ns - settled_ns >= _SETTLE_EVERY_NS:
            wait_stored()
            pace.wait_until(message.at_ns, clock.settle)
            clock.settle(message.at_ns)
            settled_ns = message.at_ns
        else:
            pace.wait_until(message.at_ns)
        if clock is not None:
            clock.publish_at(message.at_ns)
        publisher.publish(message.topic, message.payload)
        on_message(message)
