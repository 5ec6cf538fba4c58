"""From broker to process: what one received message costs MqttSource, beside a bare socket and plain paho.

Mosquitto holds the same messages ready for every reader in a session of its own, so each gets the same bytes at the
broker's own pace. Every reader is a process of its own (`python -m deploy.bench.wire READER PORT QOS MESSAGES`) that
prints its CPU and wall seconds from connecting to the last message, as one line of JSON. The bare socket does what no
reader can do without: it cuts packets, counts, and acknowledges at QoS 1; it makes no messages and waits for no disk.
"""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from deploy.bench.figure import Figure
from deploy.bench.load import LINE, Load, published
from deploy.bench.servers import Running, mosquitto

FIGURES = (
    Figure("P3 MQTT receive at QoS 0, CPU against a bare socket", "x", 3.0, 1.5),
    Figure("P3 MQTT receive at QoS 1, CPU against a bare socket", "x", 3.0, 1.5),
    Figure("P3 plain paho at QoS 0, CPU against a bare socket", "x"),
    Figure("P3 plain paho at QoS 1, CPU against a bare socket", "x"),
    Figure("P3 MQTT receive at QoS 0, CPU", "us/message"),
    Figure("P3 MQTT receive at QoS 1, CPU", "us/message"),
    Figure("P3 bare socket at QoS 0, CPU", "us/message"),
    Figure("P3 bare socket at QoS 1, CPU", "us/message"),
    Figure("P3 MQTT receive at QoS 0", "messages/s", at_most=False),
    Figure("P3 MQTT receive at QoS 1", "messages/s", at_most=False),
    Figure("P3 bare socket at QoS 0", "messages/s", at_most=False),
    Figure("P3 bare socket at QoS 1", "messages/s", at_most=False),
)

_MESSAGES = 60_000
_PLAIN_MESSAGES = 15_000
_FILTER = f"signal/{LINE}/#"
_READ_BYTES = 256 * 1024


class Cost(NamedTuple):
    """What a reader spent on all its messages."""

    messages: int
    cpu_s: float
    wall_s: float

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.messages * 1e6

    @property
    def per_s(self) -> float:
        return self.messages / self.wall_s


def conditions() -> str:
    return f"{_MESSAGES:,} messages of 120 bytes, kept ready by mosquitto"


def once() -> Sequence[float]:
    """One run of all readers on one broker."""
    with (
        tempfile.TemporaryDirectory(prefix="andon-bench-") as folder,
        mosquitto(Path(folder), more=["queue_qos0_messages true"]) as broker,
    ):
        for reader in READERS:
            for qos in (0, 1):
                _subscribe(broker.port, _session(reader, qos), qos)
        published(Load("signal", _MESSAGES).start(broker.port))
        spent = {(reader, qos): _measured(broker, reader, qos) for qos in (0, 1) for reader in READERS}
    ours, bare, plain = ([spent[reader, qos] for qos in (0, 1)] for reader in ("source", "bare", "plain"))
    return (
        *(one.cpu_us / base.cpu_us for one, base in zip(ours, bare, strict=True)),
        *(one.cpu_us / base.cpu_us for one, base in zip(plain, bare, strict=True)),
        *(one.cpu_us for one in (*ours, *bare)),
        *(one.per_s for one in (*ours, *bare)),
    )


def _measured(broker: Running, reader: str, qos: int) -> Cost:
    messages = _PLAIN_MESSAGES if reader == "plain" else _MESSAGES
    command = [sys.executable, "-m", "deploy.bench.wire", reader, str(broker.port), str(qos), str(messages)]
    return Cost(*json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout))


def _session(reader: str, qos: int) -> str:
    return f"{reader}-{qos}"


def _connect(port: int, client_id: str) -> socket.socket:
    """A bare connection (MQTT 3.1.1) to a session that is kept."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    said = client_id.encode()
    connect = b"\x00\x04MQTT\x04\x00\x00\x00" + len(said).to_bytes(2, "big") + said
    connection.sendall(bytes([0x10, len(connect)]) + connect)
    return connection


def _subscribe(port: int, client_id: str, qos: int) -> None:
    """Makes a session with one subscription, so that the broker keeps messages for it."""
    topics = _FILTER.encode()
    subscribe = b"\x00\x01" + len(topics).to_bytes(2, "big") + topics + bytes([qos])
    with _connect(port, client_id) as connection:
        connection.sendall(bytes([0x82, len(subscribe)]) + subscribe)
        unanswered_bytes = 4 + 5  # CONNACK and SUBACK
        while unanswered_bytes:
            unanswered_bytes -= len(connection.recv(unanswered_bytes))


def _read_bare(port: int, qos: int, messages: int) -> None:
    """Cuts, counts and acknowledges."""
    connection = _connect(port, _session("bare", qos))
    kept, left = b"", messages
    while left > 0:
        data = kept + connection.recv(_READ_BYTES)
        pos, end, acks = 0, len(data), []
        while pos + 5 <= end:
            size, body = data[pos + 1], pos + 2
            if size > 127:
                size, body = size - 128 + (data[body] << 7), body + 1
            if body + size > end:
                break
            if data[pos] & 0xF0 == 0x30:
                left -= 1
                if qos:
                    at = body + 2 + (data[body] << 8 | data[body + 1])
                    acks.append(data[at : at + 2])
            pos = body + size
        kept = data[pos:]
        if acks:
            connection.sendall(b"\x40\x02" + b"\x40\x02".join(acks))
    connection.close()


def _read_source(port: int, qos: int, messages: int) -> None:
    """Receives and acknowledges as the collector does, but stores nothing."""
    from collector.clocks.clock import WallClock
    from collector.config import BrokerSettings
    from collector.health.counters import Counters
    from collector.sources.mqtt import MqttSource

    settings = BrokerSettings(port=port, client_id=_session("source", qos))
    source = MqttSource(settings, [_FILTER], Path(), WallClock(), Counters())
    left = messages
    while left > 0:
        delivery = source.receive(1000, 0.2)
        left -= len(delivery.messages)
        delivery.acknowledge()
    source.close()


def _read_plain(port: int, qos: int, messages: int) -> None:
    """paho as its documentation shows it, acknowledging each message."""
    from threading import Event

    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    client_id, left, done = _session("plain", qos), [messages], Event()
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id, clean_session=False, protocol=MQTTProtocolVersion.MQTTv311
    )

    def count(*_: object) -> None:
        left[0] -= 1
        if not left[0]:
            done.set()

    client.on_message = count
    client.connect("127.0.0.1", port)
    client.loop_start()
    done.wait()
    client.disconnect()
    client.loop_stop()


READERS: dict[str, Callable[[int, int, int], None]] = {
    "bare": _read_bare,
    "source": _read_source,
    "plain": _read_plain,
}


def _main(reader: str, port: int, qos: int, messages: int) -> None:
    read = READERS[reader]
    import collector.sources.mqtt  # noqa: F401 so that no reader's time holds imports

    began_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    read(port, qos, messages)
    wall_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([messages, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall_s]))


if __name__ == "__main__":
    _main(sys.argv[1], *map(int, sys.argv[2:5]))
