"""A Sparkplug B host on a real broker (Mosquitto): who is there is said and undone in time, and R8."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from collector.clocks.clock import WallClock
from collector.config import BrokerSettings, Site, SpoolSettings
from collector.decoder import Decoder
from collector.formats.sparkplug_b import Options, build
from collector.formats.sparkplug_b.host import HostState
from collector.formats.sparkplug_b.payload import decode
from collector.health.counters import Counters
from collector.memory import recalled
from collector.pump import Appender, ingest
from collector.readings import NS_PER_S
from collector.retention import Retention
from collector.sources.mqtt import MqttSource
from collector.sources.source import Message, Saying
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from deploy.bench import sparkplug_death
from tests.collector.sparkplug_nodes import START_S, Node
from tests.plant.cutting_proxy import CuttingProxy
from tests.plant.servers import mosquitto, need

pytestmark = [pytest.mark.plant, pytest.mark.alone]

HOST = HostState("andon1")
SITE = Site(enterprise="nev", name="any")
NODES = 500


def until(done: Callable[[], bool], otherwise: str, within_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline_s, otherwise
        time.sleep(0.02)


@contextmanager
def client(port: int, *topics: str, on_message: Callable[[Any], None]) -> Iterator[paho.Client]:
    """Somebody else on the broker, subscribed before this returns."""
    ready = Event()
    other = paho.Client(CallbackAPIVersion.VERSION2)
    other.on_message = lambda _client, _data, message: on_message(message)
    other.on_subscribe = lambda *_: ready.set()
    other.connect("127.0.0.1", port)
    other.loop_start()
    other.subscribe([(topic, 0) for topic in topics])
    assert ready.wait(10)
    try:
        yield other
    finally:
        other.disconnect()
        other.loop_stop()


@contextmanager
def hosting(port: int, folder: Path, **options: object) -> Iterator[Decoder]:
    """A collector on its spool, from start to a clean stop."""
    clock, counters, stop = WallClock(), Counters(report_every_s=None), Event()
    form = build(Options(**options), SITE, TopicTemplate("spBv1.0/#"))  # type: ignore[arg-type]
    decoder = Decoder([(TopicTemplate("spBv1.0/#"), form)], clock)
    broker = BrokerSettings(port=port, client_id="host", session_expiry_s=0)
    ready = Event()

    def collect() -> None:
        with Spool.open(folder / "spool.sqlite") as spool:
            decoder.restore(recalled(spool))
            appender = Appender(spool, SITE, clock, 5 * NS_PER_S, Retention(SpoolSettings(), counters), counters)
            presences = {"": HOST} if "host_id" in options else {}
            source = MqttSource(broker, ["spBv1.0/#"], folder, clock, counters, presences=presences)
            ready.set()
            try:
                ingest(source, decoder, appender, stop)
            finally:
                source.close()

    thread = Thread(target=collect)
    thread.start()
    assert ready.wait(10)
    try:
        yield decoder
    finally:
        stop.set()
        thread.join()


def test_presence_is_announced_defended_and_taken_back(tmp_path: Path) -> None:
    states: list[dict[str, Any]] = []

    def note(message: Any) -> None:
        states.append({**json.loads(message.payload), "retain": message.retain, "qos": message.qos})

    with mosquitto(tmp_path / "broker") as broker, CuttingProxy(broker.port) as proxy:
        with client(broker.port, HOST.topic, on_message=note) as other:
            with hosting(proxy.port, tmp_path, host_id="andon1"):
                until(lambda: len(states) == 1, "no birth")
                birth = states[0]
                assert birth["online"] is True
                other.publish(HOST.topic, b'{"online":false,"timestamp":1}', 1, retain=True)
                until(lambda: len(states) >= 3, "the denial was not answered")
                assert (states[1]["timestamp"], states[2]) == (1, birth)
                proxy.cut()
                other.publish(HOST.topic, birth_again(birth), 1)  # something passes the proxy, and is cut
                will = {**birth, "online": False}
                until(lambda: will in states, "no will")
                until(lambda: states[-1]["online"] and states[-1]["timestamp"] > birth["timestamp"], "no new birth")
            until(lambda: not states[-1]["online"], "no death")
        retained: list[Any] = []
        with client(broker.port, HOST.topic, on_message=retained.append):
            until(lambda: bool(retained), "the death is not retained")
        assert json.loads(retained[0].payload)["online"] is False
        assert retained[0].retain


def birth_again(birth: dict[str, Any]) -> bytes:
    return json.dumps({"online": True, "timestamp": birth["timestamp"]}).encode()


class Fleet:
    """Edge nodes that answer requests for their births, and note when those came."""

    def __init__(self) -> None:
        self.nodes = {f"n{i}": Node(f"n{i}", metrics=3) for i in range(NODES)}
        self.asked: list[tuple[float, str]] = []
        self._wire: paho.Client | None = None
        self._stop = Event()

    @contextmanager
    def on(self, port: int) -> Iterator[None]:
        with client(port, "spBv1.0/g/NCMD/+", on_message=self._answer) as self._wire:
            speaking = Thread(target=self._speak)
            speaking.start()
            try:
                yield
            finally:
                self._stop.set()
                speaking.join()

    def _answer(self, message: Any) -> None:
        (metric,) = decode(message.payload).metrics
        assert (metric.name, metric.value) == ("Node Control/Rebirth", True)
        name = message.topic.rpartition("/")[2]
        self.asked.append((time.monotonic(), name))
        self._publish(self.nodes[name].born(time.time() - START_S))

    def _speak(self) -> None:
        """Every edge node says something every 5 s, by alias."""
        for node in self.nodes.values():
            node.born(0)  # before anybody listened
        while not self._stop.is_set():
            for node in self.nodes.values():
                self._publish([node.data(time.time() - START_S)])
                if self._stop.wait(5 / NODES):
                    return

    def _publish(self, messages: list[Message]) -> None:
        for message in messages:
            assert self._wire is not None
            self._wire.publish(message.topic, message.payload)


def test_r8_500_edge_nodes_are_known_in_under_60_s_with_at_most_20_requests_a_second(tmp_path: Path) -> None:
    """The worst restart: the spool is lost, so every edge node's birth is wanted. Then one with the spool."""
    fleet = Fleet()
    with mosquitto(tmp_path / "broker") as broker, fleet.on(broker.port):
        began_s = time.monotonic()
        with hosting(broker.port, tmp_path, rebirth=True) as decoder:
            until(lambda: decoder.gauges()["sparkplug_nodes_born"] == NODES, "not all are known", 60.0)
            assert time.monotonic() - began_s < 60
        times = [at_s for at_s, _ in fleet.asked]
        assert all(later - earlier > 1 for earlier, later in zip(times, times[20:], strict=False))
        with hosting(broker.port, tmp_path, rebirth=True) as again:
            until(lambda: again.gauges()["sparkplug_nodes_born"] == NODES, "what the spool knew is not known", 5.0)
            assert again.gauges()["sparkplug_nodes"] == NODES


def test_r9_metrics_are_stale_on_disk_within_1_s_of_a_true_death_and_not_of_a_late_one() -> None:
    need("mosquitto")
    slowest_s, ignored_percent = sparkplug_death.once()
    assert ignored_percent == 100
    assert slowest_s < 1


def test_what_cannot_be_said_is_counted(tmp_path: Path) -> None:
    counters = Counters()
    broker = BrokerSettings(port=1, client_id="host")
    source = MqttSource(broker, ["spBv1.0/#"], tmp_path, WallClock(), counters)
    source.publish([Saying("spBv1.0/g/NCMD/n", b"")] * 1_500)
    source.close()
    source.publish([Saying("spBv1.0/g/NCMD/n", b"")])  # to a connection that has ended
    assert counters.counts["messages_unsaid"] == 1_501


def test_what_was_said_to_a_connection_that_another_follows_is_counted(tmp_path: Path) -> None:
    counters = Counters()
    source = MqttSource(BrokerSettings(port=1, client_id="host"), ["spBv1.0/#"], tmp_path, WallClock(), counters)
    source.publish([Saying("spBv1.0/g/NCMD/n", b"")])
    until(lambda: counters.counts.get("messages_unsaid") == 1, "it is neither said nor counted")
    source.close()
    assert counters.counts["messages_unsaid"] == 1


def test_what_no_broker_is_asked_for_is_counted_as_unsaid(tmp_path: Path) -> None:
    counters = Counters()
    source = MqttSource(BrokerSettings(port=1, client_id="host"), ["plant/#"], tmp_path, WallClock(), counters)
    source.publish([Saying("spBv1.0/g/NCMD/n", b"")])
    source.close()
    assert counters.counts["messages_unsaid"] == 1
