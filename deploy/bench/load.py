"""A fast MQTT 3.1.1 publisher on a bare socket: QoS 1, numbered, bounded in count and time, to 127.0.0.1 only.

Run in a process of its own (`python -m deploy.bench.load ...`, see `Load`), so that it takes no time from what is
measured. Shapes of message, read by our `json_fields` and by what peers offer:

- SIGNAL: 120 bytes, one reading (`value`), on `signal/LINE/cNN`
- STATION: 4 KB, 50 readings in one object, on `station/LINE/cNN`
- MALFORMED: as SIGNAL, but every tenth cannot be read: of five such, three come from a device whose time is in another
  field (on `retrofit/LINE/cNN`), one is torn, one is no JSON

`ts` is UTC in microseconds (whole numbers that JavaScript holds exactly). In a flood message n carries the time of the
start plus n microseconds, so every reading is another point and a lost one can be counted; at a pace, when it was sent.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import NamedTuple

LINE, PROBE = "bench", "probe"
SIGNAL_CELLS, STATION_CELLS = 100, 40  # 100 and 2,000 series
SIGNAL_BYTES, STATION_BYTES = 120, 4000
FIELDS = tuple(f"station_drive_{n:02d}_motor_winding_temperature_ten_second_mean" for n in range(50))

RETROFIT_OF_5 = 3  # malformed messages that a mended mapping reads

_WINDOW = 5000  # messages sent ahead of the broker's acknowledgement
_CHUNK = 250
_PACES_PER_S = 200
_LAST_ID = 65_535
_CONNECT, _PUBLISH_QOS1 = 0x10, 0x32


class Load(NamedTuple):
    """What to publish. `per_s` 0: as fast as the broker takes it. The publisher gives up after `within_s`."""

    shape: str
    messages: int
    per_s: int = 0
    within_s: float = 120.0

    @property
    def readings(self) -> int:
        return self.messages * (len(FIELDS) if self.shape == "station" else 1)

    def start(self, port: int) -> subprocess.Popen[bytes]:
        """Publishes from another process; it prints what the broker took, and when, as one line of JSON."""
        words = (self.shape, port, self.messages, self.per_s, self.within_s)
        command = [sys.executable, "-m", "deploy.bench.load", *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE)


class Published(NamedTuple):
    """What a publisher says when it ends; times are UTC ns."""

    messages: int
    began_ns: int
    ended_ns: int


def published(process: subprocess.Popen[bytes]) -> Published:
    """Waits for a publisher's end and its word."""
    said, _ = process.communicate(timeout=300)
    return Published(**json.loads(said))


class Wire:
    """One MQTT 3.1.1 connection that publishes at QoS 1 with a window of unacknowledged messages."""

    def __init__(self, port: int, client_id: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(connect_packet(client_id))
        self._sent, self._acknowledged_bytes = 0, -4  # the CONNACK is as long as a PUBACK: 4 bytes

    @property
    def acknowledged(self) -> int:
        return max(0, self._acknowledged_bytes // 4)

    def send(self, messages: Iterable[tuple[bytes, bytes]], *, window: int = _WINDOW) -> None:
        """Sends (topic, payload)s at once, then waits until no more than `window` are unacknowledged."""
        parts: list[bytes] = []
        for topic, payload in messages:
            packet_id = self._sent % _LAST_ID + 1
            self._sent += 1
            parts += (_head(topic, len(payload)), topic, packet_id.to_bytes(2, "big"), payload)
        self._socket.sendall(b"".join(parts))
        while self._sent - self.acknowledged > window:
            got = self._socket.recv(65_536)
            if not got:
                raise ConnectionError("the broker closed the connection")
            self._acknowledged_bytes += len(got)

    def close(self) -> None:
        """Waits for the last acknowledgement."""
        self.send((), window=0)
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()


def connect_packet(client_id: str) -> bytes:
    """CONNECT of MQTT 3.1.1, clean session, no keep-alive."""
    said = client_id.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(said).to_bytes(2, "big") + said
    return bytes([_CONNECT, len(body)]) + body


def publish_packet(topic: bytes, payload: bytes, packet_id: int) -> bytes:
    """PUBLISH of MQTT 3.1.1 at QoS 1."""
    return b"".join((_head(topic, len(payload)), topic, packet_id.to_bytes(2, "big"), payload))


def signal_message(number: int, at_us: int) -> tuple[bytes, bytes]:
    """Message `number` of shape SIGNAL."""
    payload = b'{"ts":%d,"value":%d.25,"quality":"good","sensor":"spindle bearing, drive end","unit":"Cel"' % (
        at_us,
        number,
    )
    return _SIGNAL_TOPICS[number % SIGNAL_CELLS], payload.ljust(SIGNAL_BYTES - 1) + b"}"


def station_message(number: int, at_us: int) -> tuple[bytes, bytes]:
    """Message `number` of shape STATION; its values repeat after 64 messages, its time does not."""
    payload = b'{"ts":%d,%b' % (at_us, _STATION_BODIES[number % len(_STATION_BODIES)])
    return _STATION_TOPICS[number % STATION_CELLS], payload


def malformed_message(number: int, at_us: int) -> tuple[bytes, bytes]:
    """Message `number` of shape MALFORMED: number 9, 19, 29 and so on are malformed."""
    topic, payload = signal_message(number, at_us)
    tenth, digit = divmod(number, 10)
    if digit != 9:
        return topic, payload
    if tenth % 5 < RETROFIT_OF_5:
        return topic.replace(b"signal/", b"retrofit/"), payload.replace(b'"ts"', b'"stamp"')
    return topic, payload[:60] if tenth % 5 == RETROFIT_OF_5 else b"\xff\xfe%d" % at_us


SHAPES = {"signal": signal_message, "station": station_message, "malformed": malformed_message}


def publish(port: int, load: Load) -> Published:
    """Publishes a load from this process."""
    wire, message = Wire(port, f"load-{time.time_ns()}"), SHAPES[load.shape]
    began_ns, began_s = time.time_ns(), time.monotonic()
    chunk = max(1, load.per_s // _PACES_PER_S) if load.per_s else _CHUNK
    for first in range(0, load.messages, chunk):
        if time.monotonic() - began_s > load.within_s:
            break
        if load.per_s:
            time.sleep(max(0.0, began_s + first / load.per_s - time.monotonic()))
        from_us = time.time_ns() // 1000 if load.per_s else began_ns // 1000 + first
        numbers = range(first, min(first + chunk, load.messages))
        wire.send(message(number, from_us + i) for i, number in enumerate(numbers))
    wire.close()
    return Published(wire.acknowledged, began_ns, time.time_ns())


def _head(topic: bytes, payload_bytes: int) -> bytes:
    """The fixed header of a PUBLISH at QoS 1 and the topic's length."""
    left, length = 2 + len(topic) + 2 + payload_bytes, bytearray([_PUBLISH_QOS1])
    while True:
        left, seven = divmod(left, 128)
        length.append(seven | (128 if left else 0))
        if not left:
            return bytes(length) + len(topic).to_bytes(2, "big")


def _station_body(k: int) -> bytes:
    values = (f'"{name}":{20 + (7 * k + 3 * i) % 64 + (k * i % 1000) / 1000:.6f}' for i, name in enumerate(FIELDS))
    body = ",".join(values).encode()
    return body.ljust(STATION_BYTES - len('{"ts":1700000000000000,') - 1) + b"}"


_SIGNAL_TOPICS = [f"signal/{LINE}/c{cell:02d}".encode() for cell in range(SIGNAL_CELLS)]
_STATION_TOPICS = [f"station/{LINE}/c{cell:02d}".encode() for cell in range(STATION_CELLS)]
_STATION_BODIES = [_station_body(k) for k in range(64)]


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("port", type=int)
    parser.add_argument("messages", type=int)
    parser.add_argument("per_s", type=int)
    parser.add_argument("within_s", type=float)
    words = parser.parse_args()
    said = publish(words.port, Load(words.shape, words.messages, words.per_s, words.within_s))
    print(json.dumps(said._asdict()))


if __name__ == "__main__":
    _main()
