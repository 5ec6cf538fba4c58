"""Publishes messages at QoS 1, at a chosen speed of their own time: the demo's plant, and `andon replay`.

With a `PlantClock` it also keeps the site's time: the clock is settled only when all that was published before has been
stored, so results do not depend on the speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from collector.clocks.clock import PlantClock
from collector.config import BrokerSettings
from collector.errors import AndonError
from collector.readings import NS_PER_S
from collector.sources.mqtt import client_for
from collector.sources.recording import Published

_UNDER_WAY = 1000  # messages published and not yet taken by the broker
_CONNECT_S = 10.0
_PATIENCE_S = 30.0  # a broker that starts again is back sooner
_LAST_S = 2.0  # when stopped, for what is under way
_LOOK_EVERY_S = 0.002
_LONGEST_PAUSE_S = 8.0  # a longer one (the night) is passed quickly
_SETTLE_EVERY_NS = 30 * NS_PER_S


class PublishError(AndonError):
    """The broker cannot be published to; the sentence names it."""


class Publisher:
    """One connection to a broker; counts what was published and what the broker has taken.

    A broker that goes away is waited for: `patience_s` without anything taken ends that with a PublishError.
    """

    def __init__(
        self, broker: BrokerSettings, folder: Path, client_id: str, *, patience_s: float = _PATIENCE_S
    ) -> None:
        self.published = 0
        self.taken = 0
        self._address = f"{broker.host}:{broker.port}"
        self._patience_s = patience_s
        self._answered = Event()
        self._refused = ""  # why the broker refused the last connection
        self._client = client_for(broker, folder, client_id)
        self._client.on_publish = lambda *_: self._count_taken()
        self._client.on_connect = self._on_connect
        try:
            self._client.connect(broker.host, broker.port, broker.keepalive_s)
        except OSError as error:
            raise PublishError(f"broker {self._address}: {error}; start it or correct [broker]") from error
        self._client.loop_start()
        if not self._answered.wait(_CONNECT_S):
            self.close()
            raise PublishError(f"broker {self._address} did not answer within {_CONNECT_S:.0f} s; check [broker]")
        self._check_refusal()

    def publish(self, topic: str, payload: bytes, stop: Event) -> bool:
        """Hands one message to the broker at QoS 1, waiting while too many are under way; False when stopped.

        Raises PublishError.
        """
        if not self._wait_until(lambda: self.published - self.taken < _UNDER_WAY, stop):
            return False
        self._client.publish(topic, payload, qos=1)
        self.published += 1
        return True

    def finish(self, stop: Event) -> None:
        """Waits until the broker has taken everything, or but shortly when stopped, then disconnects.

        Raises PublishError.
        """
        if not self._wait_until(self._all_taken, stop):
            deadline = time.monotonic() + _LAST_S
            while not self._all_taken() and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY_S)
        self.close()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _all_taken(self) -> bool:
        return self.taken >= self.published

    def _wait_until(self, done: Callable[[], bool], stop: Event) -> bool:
        """Whether it is `done` before `stop`. Raises PublishError: refused, or nothing taken for too long."""
        taken, since = self.taken, time.monotonic()
        while not done():
            if stop.wait(_LOOK_EVERY_S):
                return False
            self._check_refusal()
            if self.taken > taken:
                taken, since = self.taken, time.monotonic()
            elif time.monotonic() - since > self._patience_s:
                self.close()
                raise PublishError(
                    f"broker {self._address} has taken {taken} of {self.published} messages and no more for "
                    f"{self._patience_s:.0f} s; start it and publish again"
                )
        return True

    def _check_refusal(self) -> None:
        if self._refused:
            self.close()
            raise PublishError(
                f"broker {self._address} refuses the connection ({self._refused}); "
                "check [broker] username, password_file and the broker's own rules"
            )

    # paho's thread

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: paho.ConnectFlags, reason: ReasonCode, _props: Any
    ) -> None:
        self._refused = str(reason) if reason.is_failure else ""
        self._answered.set()

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
        if not publisher.publish(message.topic, message.payload, stop):
            return
        on_message(message)
