"""R9: how soon a Sparkplug edge node's metrics are STALE in the spool once its connection is gone.

Edge nodes are connected to Mosquitto, each with its will; births and data of each are stored. First wills of earlier
connections come late (an older bdSeq), which must change nothing. Then one connection after the other is cut: the time
runs from the cut to when another reader of the spool finds the last of the node's metrics STALE.
"""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from collector.clocks.clock import WallClock
from collector.config import BrokerSettings, Site, SpoolSettings
from collector.decoder import Decoder
from collector.formats.sparkplug_b import Options, build
from collector.formats.sparkplug_b.payload import Datatype, Metric, Payload, encode
from collector.health.counters import Counters
from collector.pump import Appender, ingest
from collector.readings import NS_PER_S, Batch, Quality
from collector.retention import Retention
from collector.sources.mqtt import MqttSource
from collector.spool.frames import FrameKind
from collector.spool.spool import Spool
from collector.topics import TopicTemplate
from deploy.bench.figure import Figure, NotMeasured
from deploy.bench.servers import mosquitto

NODES, METRICS = 20, 5
FIGURES = (
    Figure("R9 STALE after a true NDEATH, broker to spool, the slowest", "s", must=1.0),
    Figure("R9 late NDEATH with an old bdSeq, ignored", "%", must=100.0, at_most=False),
)
_BD_SEQ = 7
_FILTER = "spBv1.0/#"
_PATIENCE_S = 20.0
_LOOK_S = 0.002
_READ_FRAMES = 1_000


def conditions() -> str:
    return f"{NODES} edge nodes of {METRICS} metrics, cut off one after the other at mosquitto"


def once() -> Sequence[float]:
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        broker = stack.enter_context(mosquitto(folder / "broker"))
        decoder = stack.enter_context(_collecting(broker.port, folder))
        spool = stack.enter_context(Spool.open(folder / "spool.sqlite"))
        nodes = [_EdgeNode(broker.port, f"n{i}") for i in range(NODES)]
        found = _Found(spool)
        for node in nodes:
            node.born()
        _until(lambda: found.good() == 2 * METRICS * NODES, "births and data are not stored")
        for node in nodes:
            node.late_death()
        nodes[-1].data()  # what is published after them is stored after them
        _until(lambda: found.good() == (2 * NODES + 1) * METRICS, "data after late deaths is not stored")
        ignored = 100.0 * (1 - found.stale() / (METRICS * NODES))
        if decoder.gauges()["sparkplug_late_deaths"] != NODES:
            raise NotMeasured("the late deaths did not reach the collector")
        return max(_cut_off(node, found) for node in nodes), ignored


class _EdgeNode:
    """One edge node with one device, on a connection of its own."""

    def __init__(self, port: int, name: str) -> None:
        self._name, self._seq = name, 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, name, reconnect_on_failure=False)
        self._client.will_set(f"spBv1.0/g/NDEATH/{name}", _death(_BD_SEQ), 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def born(self) -> None:
        """And its first data."""
        declared = [Metric(0.0, f"m{i}", i + 1, _now_ms(), Datatype.DOUBLE) for i in range(METRICS)]
        self._say("NBIRTH", [_bd_seq(_BD_SEQ)])
        self._say("DBIRTH", declared)
        self.data()

    def data(self) -> None:
        self._say("DDATA", [Metric(1.0, "", i + 1, None, Datatype.DOUBLE) for i in range(METRICS)])

    def late_death(self) -> None:
        """The will of an earlier connection."""
        self._client.publish(f"spBv1.0/g/NDEATH/{self._name}", _death(_BD_SEQ - 1), 1).wait_for_publish(_PATIENCE_S)

    def cut(self) -> None:
        wire = self._client.socket()
        assert isinstance(wire, socket.socket)
        wire.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self._client.loop_stop()

    def _say(self, verb: str, metrics: Sequence[Metric]) -> None:
        of = "/d" if verb.startswith("D") else ""
        payload = encode(Payload(_now_ms(), self._seq, metrics))
        self._seq += 1
        self._client.publish(f"spBv1.0/g/{verb}/{self._name}{of}", payload).wait_for_publish(_PATIENCE_S)


class _Found:
    """What is in the spool so far, by quality."""

    def __init__(self, spool: Spool) -> None:
        self._spool, self._after = spool, 0
        self._counts: dict[int, int] = {}

    def good(self) -> int:
        return self._count(int(Quality.GOOD))

    def stale(self) -> int:
        return self._count(int(Quality.STALE))

    def _count(self, quality: int) -> int:
        for frame in self._spool.log.read(self._after, _READ_FRAMES, kinds=(FrameKind.BATCH,)):
            self._after = frame.offset
            assert isinstance(frame.body, Batch)
            for one in frame.body.quality.tolist():
                self._counts[one] = self._counts.get(one, 0) + 1
        return self._counts.get(quality, 0)


@contextmanager
def _collecting(port: int, folder: Path) -> Iterator[Decoder]:
    """A collector on its spool, from start to a clean stop."""
    clock, counters, stop = WallClock(), Counters(report_every_s=None), Event()
    site, template = Site(enterprise="bench", name="bench"), TopicTemplate(_FILTER)
    decoder = Decoder([(template, build(Options(), site, template))], clock)
    ready = Event()

    def collect() -> None:
        with Spool.open(folder / "spool.sqlite") as spool:
            appender = Appender(spool, site, clock, 5 * NS_PER_S, Retention(SpoolSettings(), counters), counters)
            source = MqttSource(BrokerSettings(port=port, client_id="host"), [_FILTER], folder, clock, counters)
            try:
                _until(lambda: source.receive(1, _LOOK_S).is_settled, "the collector is not connected")
                ready.set()
                ingest(source, decoder, appender, stop)
            finally:
                source.close()

    thread = Thread(target=collect)
    thread.start()
    try:
        if not ready.wait(2 * _PATIENCE_S):
            raise NotMeasured("the collector did not get to its broker")
        yield decoder
    finally:
        stop.set()
        thread.join()


def _cut_off(node: _EdgeNode, found: _Found) -> float:
    """Seconds until all its metrics are STALE on disk."""
    wanted = found.stale() + METRICS
    began_s = time.monotonic()
    node.cut()
    _until(lambda: found.stale() >= wanted, "a cut connection's metrics do not become STALE")
    took_s = time.monotonic() - began_s
    node.end()
    return took_s


def _until(done: Callable[[], bool], otherwise: str) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > deadline_s:
            raise NotMeasured(otherwise)
        time.sleep(_LOOK_S)


def _bd_seq(number: int) -> Metric:
    return Metric(number, "bdSeq", None, None, Datatype.INT64)


def _death(bd_seq: int) -> bytes:
    return encode(Payload(_now_ms(), None, (_bd_seq(bd_seq),)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
