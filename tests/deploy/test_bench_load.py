"""The load of the benchmarks: messages of the promised size, each reading another point, packets of MQTT 3.1.1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.clocks.clock import WallClock
from collector.sources.source import Message
from deploy.bench.load import FIELDS, LINE, SHAPES, SIGNAL_BYTES, STATION_BYTES, Load, Wire, connect_packet
from deploy.bench.rig import Rig
from deploy.site import load_site

NOW_US = 1_800_000_000_000_000


class FakeStore:
    """Where a site would write; nothing is written here."""

    url = "http://127.0.0.1:8086"
    is_readable = False


@pytest.mark.parametrize(("shape", "size", "readings"), [("signal", SIGNAL_BYTES, 1), ("station", STATION_BYTES, 50)])
def test_a_message_is_json_of_the_promised_size(shape, size, readings):
    for number in (0, 99, 1_234_567):
        topic, payload = SHAPES[shape](number, NOW_US + number)
        said = json.loads(payload)
        assert len(payload) == size
        assert topic.startswith(f"{shape}/{LINE}/c".encode())
        assert said["ts"] == NOW_US + number < 2**53
        assert sum(isinstance(value, float) for value in said.values()) == readings
    assert Load(shape, 10).readings == 10 * readings


@pytest.mark.parametrize("shape", ["signal", "station"])
def test_our_own_format_reads_every_reading_and_no_two_are_the_same_point(tmp_path: Path, shape: str):
    rig = Rig(tmp_path, 1883, FakeStore())  # type: ignore[arg-type]
    decoder = load_site(rig.site_path).decoder(WallClock())
    sent = [SHAPES[shape](number, NOW_US + number) for number in range(200)]
    intake = decoder.decode([Message(topic.decode(), payload, NOW_US * 1000) for topic, payload in sent])
    readings = list(points(intake))
    assert not intake.dead
    assert len(set(readings)) == len(readings) == 200 * (1 if shape == "signal" else len(FIELDS))


def points(intake) -> Iterator[tuple[str, int]]:
    for reading, _ in intake.readings:
        yield reading.series.name, reading.at_ns


def test_a_publisher_numbers_its_packets_and_counts_what_the_broker_took():
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[bytes] = []

    def broker() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as read:
            taken.append(packet(read))
            connection.sendall(b"\x20\x02\x00\x00")
            while (one := packet(read))[0] >> 4 == 3:
                taken.append(one)
                connection.sendall(b"\x40\x02" + packet_id(one))

    serving = threading.Thread(target=broker, daemon=True)
    serving.start()
    wire = Wire(listener.getsockname()[1], "load")
    messages = [(b"a/b", b"x" * size) for size in (0, 1, 200, 20_000)]
    wire.send(messages, window=2)
    wire.close()
    serving.join(10)
    listener.close()
    assert taken[0] == connect_packet("load")
    assert [packet_id(one) for one in taken[1:]] == [n.to_bytes(2, "big") for n in (1, 2, 3, 4)]
    assert [one.endswith(payload) for one, (_, payload) in zip(taken[1:], messages, strict=True)] == [True] * 4
    assert wire.acknowledged == 4


def packet(read) -> bytes:
    """One MQTT packet: its first byte and what follows its remaining length."""
    first, left, shift = read.read(1), 0, 0
    raw = b""
    while True:
        raw += (byte := read.read(1))
        left |= (byte[0] & 127) << shift
        shift += 7
        if not byte[0] & 128:
            body = read.read(left)
            return first + raw + body if first[0] >> 4 == 1 else first + body


def packet_id(publish: bytes) -> bytes:
    topic_bytes = int.from_bytes(publish[1:3], "big")
    return publish[3 + topic_bytes : 5 + topic_bytes]
