"""From a gateway's log through a real Mosquitto to the site's readings: nothing lost, nothing twice, gaps by name."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.config import BrokerSettings, Site
from collector.formats.forwarded import Forwarded
from collector.formats.forwarded import Options as Nothing
from collector.formats.forwarded import build as site_end
from collector.sinks.mqtt_forward import MqttForward, Options, build
from collector.sinks.sink import SinkUnavailable
from collector.sources.source import Message
from collector.spool.frames import Frame
from collector.spool.ledger import Gap
from collector.topics import TopicTemplate
from tests.collector.parcels import Point, frame, parcel, points
from tests.plant.servers import Running, mosquitto

pytestmark = pytest.mark.plant

FRAMES = [frame(offset, 50) for offset in range(1, 41)]
QUIET_S = 1.0


class SiteCollector:
    """A site's session at the broker, kept while it is away, and what its format makes of what came."""

    def __init__(self) -> None:
        self.form: Forwarded = site_end(Nothing(), Site(enterprise="iot1", name="rig"), TopicTemplate("andon/#"))
        self.stored: list[Point] = []
        self.gaps: list[Gap] = []

    @contextmanager
    def connected(self, broker: Running) -> Iterator[queue.SimpleQueue[Message]]:
        arrived: queue.SimpleQueue[Message] = queue.SimpleQueue()
        subscribed: queue.SimpleQueue[bool] = queue.SimpleQueue()
        client = paho.Client(CallbackAPIVersion.VERSION2, "site", protocol=paho.MQTTv5)
        client.on_connect = lambda *_: client.subscribe("andon/forward/+", qos=1)
        client.on_subscribe = lambda *_: subscribed.put(True)
        client.on_message = lambda _client, _data, got: arrived.put(Message(got.topic, bytes(got.payload), 0))
        kept = Properties(PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 3600
        client.connect("127.0.0.1", broker.port, clean_start=False, properties=kept)
        client.loop_start()
        try:
            subscribed.get(timeout=20)
            yield arrived
        finally:
            client.disconnect()
            client.loop_stop()

    def take(self, broker: Running, *, until: int = 0) -> None:
        """Reads until there are so many points, or nothing comes any more."""
        deadline = time.monotonic() + 30
        with self.connected(broker) as arrived:
            while time.monotonic() < deadline and (len(self.stored) < until or not until):
                try:
                    decoded = self.form.decode(arrived.get(timeout=QUIET_S))
                except queue.Empty:
                    if until:
                        continue
                    return
                self.gaps.extend(decoded.gaps)
                self.stored += [Point(one.series.metric, one.at_ns, one.value) for one in decoded.readings]


@contextmanager
def gateway(broker: Running, folder: Path) -> Iterator[MqttForward]:
    settings = BrokerSettings(host="127.0.0.1", port=broker.port)
    sink = build(Options(gateway="press7", readings_per_message=100, timeout_s=5.0, broker=settings), folder)
    try:
        yield sink
    finally:
        sink.close()


def write(sink: MqttForward, frames: Sequence[Frame]) -> None:
    for at in range(0, len(frames), 8):
        sink.write(parcel(frames[at : at + 8]))


def test_a_site_that_never_subscribed_is_told_before_anything_counts_as_stored(tmp_path):
    with mosquitto(tmp_path / "broker") as broker, gateway(broker, tmp_path) as sink:
        with pytest.raises(SinkUnavailable, match=r"No matching subscribers\): nobody there reads it"):
            write(sink, FRAMES)
        site = SiteCollector()
        site.take(broker)
        write(sink, FRAMES)
        site.take(broker, until=len(FRAMES) * 50)
        assert site.stored == points([parcel(FRAMES)]) and site.gaps == []


def test_a_broker_that_restarts_while_the_site_is_away_loses_and_doubles_nothing(tmp_path):
    site = SiteCollector()
    with mosquitto(tmp_path / "broker", persistence=True) as broker:
        site.take(broker)
        with gateway(broker, tmp_path) as sink:
            write(sink, FRAMES[:20])
            broker.stop()
            with pytest.raises(SinkUnavailable, match=f"broker 127.0.0.1:{broker.port} "):
                write(sink, FRAMES[20:])
            with mosquitto(tmp_path / "broker", persistence=True, port=broker.port) as again:
                write(sink, FRAMES[16:])  # from where the cursor may have stood after a crash
                site.take(again, until=len(FRAMES) * 50)
    assert site.stored == points([parcel(FRAMES)]) and site.gaps == []


def test_what_a_broker_forgets_is_a_gap_with_its_count(tmp_path):
    """Killed without a snapshot, a broker forgets what it acknowledged: nobody sends it again, so it is booked."""
    site = SiteCollector()
    with mosquitto(tmp_path / "broker") as broker:
        site.take(broker)
        with gateway(broker, tmp_path) as sink:
            write(sink, FRAMES[:8])
            site.take(broker, until=8 * 50)
            write(sink, FRAMES[8:16])
            broker.kill()
            with mosquitto(tmp_path / "broker", port=broker.port) as again:
                site.take(again)
                write(sink, FRAMES[16:])  # over a connection of its own
                site.take(again, until=32 * 50)
    assert site.stored == points([parcel([*FRAMES[:8], *FRAMES[16:]])])
    assert [(gap.asset, gap.missing) for gap in site.gaps] == [("gateway press7", 8)]
