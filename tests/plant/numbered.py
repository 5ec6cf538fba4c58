"""A publisher of numbered messages that forgets none: what the broker did not acknowledge is sent again.

It runs in a process of its own, so that it takes no time from what is tested and outlives a broker that is killed and
a network that is cut. Message n is `load.signal_message` (120 bytes of JSON, value n + 0.25) at the instant at which it
was due, so the same number is the same message however often it is sent.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from deploy.bench.load import connect_packet, publish_packet, signal_message

_WINDOW = 1000  # messages ahead of the broker's acknowledgement
_TICK_S = 0.005
_SILENT_S = 5.0  # without an acknowledgement that is due for so long, the connection is made anew
_LAST_ID = 65_535


class Sent(NamedTuple):
    """What the publisher says at its end. `resent`: messages that went out more than once."""

    messages: int
    resent: int
    connections: int


class Numbered:
    """Starts publishing numbers 0 to `messages` - 1 to a port of 127.0.0.1, `per_s` of them a second."""

    def __init__(self, port: int, messages: int, per_s: int) -> None:
        words = (port, messages, per_s, time.time_ns() // 1000)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.plant.numbered", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def is_publishing(self) -> bool:
        return self._process.poll() is None

    def finished(self, within_s: float = 120.0) -> Sent:
        """Lets it publish the rest as fast as the broker takes it, and waits until all is acknowledged."""
        said, _ = self._process.communicate(timeout=within_s)
        return Sent(**json.loads(said))

    def __enter__(self) -> Numbered:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()


class _Publisher:
    def __init__(self, port: int, messages: int, per_s: int, began_us: int) -> None:
        self._port, self._messages, self._per_s, self._began_us = port, messages, per_s, began_us
        self._next = 0
        self._under_way: dict[int, int] = {}  # packet identifier -> number
        self.resent = self.connections = 0

    def run(self) -> None:
        while self._next < self._messages or self._under_way:
            try:
                with closing(socket.create_connection(("127.0.0.1", self._port), timeout=_SILENT_S)) as wire:
                    self._publish(wire)
            except OSError:
                time.sleep(0.1)

    def _publish(self, wire: socket.socket) -> None:
        """Over one connection, until all is acknowledged. Raises OSError: it was cut."""
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.sendall(connect_packet(f"numbered-{self.connections}"))
        self._heard(wire, 4)
        self.connections += 1
        self.resent += len(self._under_way)
        wire.sendall(b"".join(self._packet(id_, number) for id_, number in self._under_way.items()))
        heard_s, waiting = time.monotonic(), b""
        while self._next < self._messages or self._under_way:
            wire.sendall(b"".join(self._due()))
            if select.select([wire], [], [], _TICK_S)[0]:
                waiting += self._heard(wire, 1)
                acks, waiting = waiting[: len(waiting) // 4 * 4], waiting[len(waiting) // 4 * 4 :]
                for at in range(0, len(acks), 4):
                    self._under_way.pop(int.from_bytes(acks[at + 2 : at + 4], "big"), None)
                heard_s = time.monotonic()
            elif self._under_way and time.monotonic() - heard_s > _SILENT_S:
                raise TimeoutError
        wire.sendall(b"\xe0\x00")

    def _due(self) -> Iterator[bytes]:
        """The packets whose time has come, as many as the window takes."""
        due = self._messages
        if not _is_told_to_hurry():
            due = min(due, (time.time_ns() // 1000 - self._began_us) * self._per_s // 1_000_000)
        for number in range(self._next, min(due, self._next + _WINDOW - len(self._under_way))):
            id_ = number % _LAST_ID + 1
            self._under_way[id_] = number
            self._next = number + 1
            yield self._packet(id_, number)

    def _packet(self, id_: int, number: int) -> bytes:
        topic, payload = signal_message(number, self._began_us + number * 1_000_000 // self._per_s)
        return publish_packet(topic, payload, id_)

    def _heard(self, wire: socket.socket, at_least: int) -> bytes:
        heard = b""
        while len(heard) < at_least:
            got = wire.recv(65_536)
            if not got:
                raise ConnectionError
            heard += got
        return heard


def _is_told_to_hurry() -> bool:
    """Its standard input is closed when nobody wants it to keep its pace any more."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


if __name__ == "__main__":
    port, messages, per_s, began_us = map(int, sys.argv[1:])
    publisher = _Publisher(port, messages, per_s, began_us)
    publisher.run()
    print(json.dumps(Sent(messages, publisher.resent, publisher.connections)._asdict()))
