"""F2: Sparkplug B with 50 metrics a message, from the broker into the spool.

Mosquitto holds the messages of some edge nodes ready in a session (births, then data by alias, QoS 0 as Sparkplug
wants it), so they come at the broker's own pace. The collector is a process of its own
(`python -m deploy.bench.sparkplug PORT MESSAGES FOLDER`) with the real source, decoder, appender and a spool that
syncs; its time runs from connecting to the last reading on disk. Beside it the decoder alone, on the same messages.
"""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

from collector.clocks.clock import WallClock
from collector.config import BrokerSettings, Site, SpoolSettings
from collector.decoder import Decoder
from collector.formats.sparkplug_b import Options, build
from collector.formats.sparkplug_b.payload import Datatype, Form, Metric, Payload, encode
from collector.health.counters import Counters
from collector.pump import Appender, ingest
from collector.readings import NS_PER_S
from collector.retention import Retention
from collector.sources.mqtt import MqttSource
from collector.sources.source import Delivery, Message
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from deploy.bench.figure import Figure, NotMeasured
from deploy.bench.servers import mosquitto

METRICS, NODES, MESSAGES = 50, 20, 10_000
_CLIENT, _FILTER = "sparkplug", "spBv1.0/#"
_DATATYPES = (Datatype.DOUBLE, Datatype.DOUBLE, Datatype.FLOAT, Datatype.INT32, Datatype.INT64)
_SITE = Site(enterprise="bench", name="bench")
_TEMPLATE = TopicTemplate(_FILTER)

FIGURES = (
    Figure("F2 Sparkplug B, broker to spool", "readings/s", must=200_000, aim=400_000, at_most=False),
    Figure("F2 Sparkplug B, broker to spool, CPU of the collector", "us/reading"),
    Figure("F2 Sparkplug B, decoding alone, CPU", "us/reading"),
)


def conditions() -> str:
    kinds = ", ".join(dict.fromkeys(kind.name.lower() for kind in _DATATYPES))
    return f"{MESSAGES:,} messages of {METRICS} metrics ({kinds}), {NODES} edge nodes, ready at mosquitto, QoS 0"


def once() -> Sequence[float]:
    with (
        tempfile.TemporaryDirectory(prefix="andon-bench-") as folder,
        mosquitto(Path(folder) / "broker", more=["queue_qos0_messages true"]) as broker,
    ):
        _hold_ready(broker.port, [*_births(), *islice(_data(), MESSAGES)])
        command = [sys.executable, "-m", "deploy.bench.sparkplug", str(broker.port), str(MESSAGES), folder]
        said = subprocess.run(command, check=False, capture_output=True, timeout=180)
    if said.returncode:
        raise NotMeasured(f"the collector ended early: {said.stderr.decode()[-300:]}; run the command by itself")
    wall_s, cpu_s = json.loads(said.stdout)
    readings = MESSAGES * METRICS
    return readings / wall_s, cpu_s / readings * 1e6, _decoding_us()


def _births() -> list[Message]:
    """NBIRTH and DBIRTH of every edge node."""
    now_ns = time.time_ns()
    stamp_ms = now_ns // 1_000_000
    own = (Metric(0, "bdSeq", None, stamp_ms, Datatype.INT64),)
    declared = tuple(
        Metric(0, f"station/drive_{i:02d}/temperature", i + 1, stamp_ms, _datatype(i)) for i in range(METRICS)
    )
    births = []
    for node in range(NODES):
        births.append(Message(f"spBv1.0/g/NBIRTH/n{node}", encode(Payload(stamp_ms, 0, own)), now_ns))
        births.append(Message(f"spBv1.0/g/DBIRTH/n{node}/d", encode(Payload(stamp_ms, 1, declared)), now_ns))
    return births


def _data() -> Iterator[Message]:
    """DDATA of the edge nodes in turn, each message of another millisecond and with other values."""
    form = Form([Metric(None, "", i + 1, None, _datatype(i)) for i in range(METRICS)])
    began_ms = time.time_ns() // 1_000_000
    for number in range(sys.maxsize):
        at_ms = began_ms + number
        values = [number % 1000 + i * (0.25 if _is_real(i) else 1) for i in range(METRICS)]
        payload = form.encode(at_ms, (2 + number // NODES) % 256, values)
        yield Message(f"spBv1.0/g/DDATA/n{number % NODES}/d", payload, at_ms * 1_000_000)


def _datatype(i: int) -> Datatype:
    return _DATATYPES[i % len(_DATATYPES)]


def _is_real(i: int) -> bool:
    return _datatype(i) in (Datatype.DOUBLE, Datatype.FLOAT)


def _hold_ready(port: int, messages: Sequence[Message]) -> None:
    """Makes the collector's session at the broker, and publishes for it; returns when the broker has it all."""
    with _connection(port, _CLIENT) as session:
        topic = _FILTER.encode()
        session.sendall(_packet(0x82, b"\x00\x01" + len(topic).to_bytes(2, "big") + topic + b"\x01"))
        _receive(session, 5)
    with _connection(port, "publisher") as wire:
        for topic_, payload, _ in messages:
            name = topic_.encode()
            wire.sendall(_packet(0x30, len(name).to_bytes(2, "big") + name + payload))
        wire.sendall(_packet(0x32, b"\x00\x01x\x00\x01"))  # acknowledged after all before it
        _receive(wire, 4)


def _connection(port: int, client_id: str) -> socket.socket:
    """A bare connection (MQTT 3.1.1) to a session that is kept."""
    wire = socket.create_connection(("127.0.0.1", port), timeout=60)
    said = client_id.encode()
    wire.sendall(_packet(0x10, b"\x00\x04MQTT\x04\x00\x00\x00" + len(said).to_bytes(2, "big") + said))
    _receive(wire, 4)
    return wire


def _packet(head: int, body: bytes) -> bytes:
    size, left = bytearray(), len(body)
    while left > 127:
        size.append(left & 127 | 128)
        left >>= 7
    return bytes([head, *size, left]) + body


def _receive(wire: socket.socket, count: int) -> None:
    while count:
        count -= len(wire.recv(count))


def _decoding_us() -> float:
    decoder = Decoder([(_TEMPLATE, build(Options(), _SITE, _TEMPLATE))], WallClock())
    decoder.decode(_births())
    messages = list(islice(_data(), 4000))
    groups = [messages[at : at + 1000] for at in range(0, len(messages), 1000)]
    began_ns, readings = time.thread_time_ns(), 0
    for group in groups:
        readings += len(decoder.decode(group))
    return (time.thread_time_ns() - began_ns) / readings / 1000


class _UntilAllIsStored:
    """The source as it is, which stops the collector once so many messages are on disk."""

    def __init__(self, source: MqttSource, messages: int, stop: Event) -> None:
        self._source, self._left, self._stop = source, messages, stop

    def receive(self, limit: int, wait_s: float) -> Delivery:
        delivery = self._source.receive(limit, wait_s)

        def acknowledge() -> None:
            delivery.acknowledge()
            self._left -= len(delivery.messages)
            if self._left <= 0:
                self._stop.set()

        return Delivery(delivery.messages, acknowledge, delivery.gaps, delivery.is_settled)

    def close(self) -> None:
        self._source.close()


def _collect(port: int, messages: int, folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds from connecting until all is on disk."""
    clock, counters, stop = WallClock(), Counters(report_every_s=None), Event()
    decoder = Decoder([(_TEMPLATE, build(Options(), _SITE, _TEMPLATE))], clock)
    with Spool.open(folder / "spool.sqlite") as spool:
        appender = Appender(spool, _SITE, clock, 5 * NS_PER_S, Retention(SpoolSettings(), counters), counters)
        settings = BrokerSettings(port=port, client_id=_CLIENT, protocol="3.1.1")
        began_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        source = MqttSource(settings, [_FILTER], folder, clock, counters)
        try:
            ingest(_UntilAllIsStored(source, messages + 2 * NODES, stop), decoder, appender, stop)
        finally:
            wall_s, after = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_SELF)
            source.close()
    stored = counters.counts["readings_stored"]
    if stored != (messages + NODES) * METRICS:
        raise NotMeasured(f"{stored} readings were stored of {(messages + NODES) * METRICS}: see {folder}")
    return wall_s, _cpu_s(after) - _cpu_s(before)


def _cpu_s(usage: Any) -> float:
    return float(usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    print(json.dumps(_collect(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
