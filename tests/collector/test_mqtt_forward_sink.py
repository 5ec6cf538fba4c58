"""Durable at the site's broker or said not to be, against a broker of our own that answers as it is told (MQTT 5)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.config import ConfigError, Site
from collector.formats.forwarded import Options as Nothing
from collector.formats.forwarded import build as site_end
from collector.forwarding.bundle import unpack
from collector.readings import Equipment, Reading, Series
from collector.schema import SELF_LINE
from collector.sinks.mqtt_forward import MqttForward, Options, build
from collector.sinks.sink import Parcel, SinkUnavailable
from collector.sources.source import Message
from collector.spool.frames import batch_frame
from collector.topics import TopicTemplate
from tests.collector.batches import batch
from tests.collector.parcels import Point, frame, parcel, points

CONNACK, PUBACK = b"\x20\x03\x00%b\x00", b"\x40\x03%b%b"
CONNECT, PUBLISH, PINGREQ = 1, 3, 12
GOOD, NO_SUBSCRIBER, NOT_AUTHORIZED, QUOTA = 0x00, 0x10, 0x87, 0x97
TOPIC = "andon/forward/press 7"
SILENT = None


class Broker:
    """Takes one connection at a time; `puback(n)` is the reason code of the n-th message, SILENT for no answer."""

    def __init__(self) -> None:
        self.connack = GOOD
        self.puback: Callable[[int], int | None] = lambda n: GOOD
        self.ends_after: int | None = None
        self.clients: list[str] = []
        self.received = 0
        self.published: list[tuple[str, bytes]] = []
        self._port = 0
        self._connections: list[socket.socket] = []
        self.start()
        self.options: dict[str, Any] = {
            "gateway": "press 7",
            "timeout_s": 2.0,
            "broker": {"host": "127.0.0.1", "port": self._port},
        }

    def stored(self) -> list[Point]:
        """What the site's collector makes of it."""
        return [Point(one.series.metric, one.at_ns, one.value) for one in self.readings()]

    def readings(self) -> list[Reading]:
        format_ = site_end(Nothing(), Site(enterprise="iot1", name="rig"), TopicTemplate("andon/forward/+"))
        return [one for topic, body in self.published for one in format_.decode(Message(topic, body, 0)).readings]

    def start(self) -> None:
        self._server = socket.create_server(("127.0.0.1", self._port))
        self._port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def stop(self) -> None:
        for one in (self._server, *self._connections):
            with suppress(OSError):  # it has ended by itself
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._connections.clear()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        try:
            while packet := _packet(stream):
                if not self._answer(connection, *packet):
                    break
        except OSError:
            pass  # the client went, or we were stopped
        finally:
            stream.close()
            connection.close()

    def _answer(self, connection: socket.socket, kind: int, body: bytes) -> bool:
        """False to end the connection."""
        if kind == CONNECT:
            self.clients.append(body.decode("latin-1"))
            connection.sendall(CONNACK % bytes((self.connack,)))
        elif kind == PUBLISH:
            if self.ends_after is not None and self.received >= self.ends_after:
                return False
            length = int.from_bytes(body[:2], "big")
            properties = 2 + length + 2
            reason = self.puback(self.received)
            self.received += 1
            if reason in (GOOD, SILENT):
                self.published.append((body[2 : 2 + length].decode(), body[properties + 1 + body[properties] :]))
            if reason is not SILENT:
                connection.sendall(PUBACK % (body[2 + length : 4 + length], bytes((reason,))))
        elif kind == PINGREQ:
            connection.sendall(b"\xd0\x00")
        return True


def _packet(stream: Any) -> tuple[int, bytes] | None:
    first = stream.read(1)
    if not first:
        return None
    length, shift = 0, 0
    while True:
        (byte,) = stream.read(1)
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return first[0] >> 4, stream.read(length)


@contextmanager
def store(folder: Path) -> Iterator[Broker]:
    broker = Broker()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with store(tmp_path) as one:
        yield one


@contextmanager
def sink_for(broker: Broker, folder: Path, **more: Any) -> Iterator[MqttForward]:
    built = build(msgspec.convert({**broker.options, **more}, Options), folder)
    try:
        yield built
    finally:
        built.close()


@pytest.fixture
def sink(broker: Broker, tmp_path: Path) -> Iterator[MqttForward]:
    with sink_for(broker, tmp_path) as built:
        yield built


FRAMES = [frame(offset, 4) for offset in range(1, 9)]


def test_a_parcel_goes_in_bundles_each_with_its_place_in_the_log(broker, tmp_path):
    with sink_for(broker, tmp_path, readings_per_message=8) as sink:
        sink.write(parcel(FRAMES))
    assert [topic for topic, _ in broker.published] == [TOPIC] * 4
    sent = [unpack(body) for _, body in broker.published]
    assert [(one.after, one.through) for one in sent] == [(0, 2), (2, 4), (4, 6), (6, 8)]
    assert {one.origin for one in sent} == {"press 7"} and broker.stored() == points([parcel(FRAMES)])


def test_both_clocks_quality_and_the_series_arrive_as_the_gateway_has_them(sink, broker):
    sink.write(Parcel([batch_frame("s/l", batch((1, 10, 1.5, 0x81, 77)))._replace(offset=1)], {1: STOCK}))
    (body,) = (body for _, body in broker.published)
    got = site_end(Nothing(), Site(enterprise="e", name="s"), TopicTemplate("#")).decode(Message(TOPIC, body, 999))
    assert list(got.readings) == [Reading(STOCK, 10, 1.5, 0x81)] and list(got.readings.received_ns) == [77]


STOCK = Series(Equipment("e", "s", "a", "l", "c"), "beads", "g", "stock", on_event=True)


def test_the_gateways_own_counters_do_not_mix_with_the_sites(sink, broker):
    own = Series(Equipment("e", "s", line=SELF_LINE, cell="collector"), "messages_received")
    sink.write(Parcel([batch_frame("s/_self", batch((1, 10, 1.0, 0, 10)))._replace(offset=1)], {1: own}))
    (arrived,) = broker.readings()
    assert arrived.series.equipment.cell == "press 7"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (NOT_AUTHORIZED, r"refuses the connection \(Not authorized\): give this user the right to connect"),
        (0x86, r"refuses the connection \(Bad user name or password\): correct `username`"),
    ],
)
def test_a_broker_that_refuses_us_is_a_sentence(sink, broker, code, sentence):
    broker.connack = code
    with pytest.raises(SinkUnavailable, match=sentence):
        sink.write(parcel(FRAMES))
    broker.connack = GOOD
    sink.write(parcel(FRAMES))
    assert broker.stored() == points([parcel(FRAMES)])


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (NOT_AUTHORIZED, r"does not take messages on 'andon/forward/press 7' \(Not authorized\): .*publish there"),
        (QUOTA, r"\(Quota exceeded\): raise the broker's quota"),
        (NO_SUBSCRIBER, r"\(No matching subscribers\): nobody there reads it: start the site's collector"),
        (0x83, r"\(Implementation specific error\): see the broker's log"),
    ],
)
def test_one_message_that_is_not_taken_makes_the_whole_parcel_go_again(broker, tmp_path, code, sentence):
    broker.puback = lambda n: code if n == 1 else GOOD
    with sink_for(broker, tmp_path, readings_per_message=8) as sink:
        with pytest.raises(SinkUnavailable, match=sentence):
            sink.write(parcel(FRAMES))
        broker.puback = lambda n: GOOD
        sink.write(parcel(FRAMES))
    assert sorted(broker.stored()) == sorted(points([parcel(FRAMES)]))


def test_without_an_acknowledgement_nothing_counts_as_stored(broker, tmp_path):
    broker.puback = lambda n: SILENT
    with sink_for(broker, tmp_path, timeout_s=0.2) as sink:
        with pytest.raises(SinkUnavailable, match=r"has not acknowledged within 0.2 s: .*`timeout_s`"):
            sink.write(parcel(FRAMES))
        broker.puback = lambda n: GOOD
        sink.write(parcel(FRAMES))
    assert broker.stored() == points([parcel(FRAMES)]), "the site drops what it had already"


@pytest.mark.parametrize("ends_after", range(4))
def test_a_connection_lost_in_the_middle_loses_and_doubles_nothing(broker, tmp_path, ends_after):
    broker.ends_after = ends_after
    with sink_for(broker, tmp_path, readings_per_message=8) as sink:
        with pytest.raises(SinkUnavailable, match=r"ended the connection|was lost"):
            sink.write(parcel(FRAMES))
        broker.ends_after = None
        sink.write(parcel(FRAMES))
    assert broker.stored() == points([parcel(FRAMES)])


def test_a_connection_that_ended_between_two_writes_is_made_anew_by_the_next_and_by_nobody_else(broker, sink):
    sink.write(parcel(FRAMES[:4]))
    broker.stop()
    broker.start()
    deadline = time.monotonic() + 20
    while any("andon-forward-press 7" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "paho is still there, and would connect by itself"
        time.sleep(0.01)
    assert len(broker.clients) == 1
    sink.write(parcel(FRAMES[4:]))
    assert len(broker.clients) == 2 and broker.stored() == points([parcel(FRAMES)])


def test_no_more_messages_are_on_their_way_than_allowed(broker, tmp_path):
    broker.puback = lambda n: SILENT
    with sink_for(broker, tmp_path, timeout_s=0.3, readings_per_message=4, in_flight=3) as sink:
        with pytest.raises(SinkUnavailable):
            sink.write(parcel(FRAMES))
        assert len(broker.published) == 3


def test_its_client_id_is_its_own(sink, broker):
    """The gateway's collector is `andon` at its own broker, the site's at this one: neither is to be pushed out."""
    sink.write(parcel(FRAMES))
    assert "andon-forward-press 7" in broker.clients[0]


@pytest.mark.parametrize("options", [{"gateway": "a/b"}, {"gateway": "#"}, {"topic": "andon/+"}])
def test_a_name_that_fits_no_topic_ends_the_start(tmp_path, options):
    with pytest.raises(ConfigError, match=r"holds one of \+ # / or NUL: name it without them"):
        build(msgspec.convert(options, Options), tmp_path)


def test_a_password_file_that_is_missing_ends_the_start(tmp_path):
    options = {"broker": {"username": "press", "password_file": "missing"}}
    with pytest.raises(ConfigError, match=r"`broker.password_file`.*put the password there"):
        build(msgspec.convert(options, Options), tmp_path)
