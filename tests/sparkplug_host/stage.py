"""Where scenarios play: our own collector as a host application, a real Mosquitto or two, and a tap before each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from collector.clocks.clock import WallClock
from collector.health.counters import Counters
from collector.readings import Batch, Quality
from collector.spool.frames import FrameKind
from collector.spool.spool import Spool
from deploy.jobs import Jobs
from deploy.running import start_collector
from deploy.site import SiteFile, load_site
from tests.sparkplug_host.edge_node import EdgeNode
from tests.sparkplug_host.packets import Kind
from tests.sparkplug_host.transcript import EDGE, HOST, Kept, Transcript, is_published, published
from tests.sparkplug_host.wire_tap import Packet, WireTap

SECOND = f"{HOST}_2"
PATIENCE_S = 20.0
_LOOK_S = 0.01
_READ_FRAMES = 500

_SITE = """
[site]
enterprise = "plant"
name = "hall"

[spool]
path = "spool.sqlite"
"""
_BROKER = """
[[broker]]
name = "{name}"
port = {port}
protocol = "{protocol}"
client_id = "{host_id}"
session_expiry_s = 0
"""
_SUBSCRIBE = """
[[subscribe]]
topic = "spBv1.0/#"
format = "sparkplug_b"
"""
_SPEAKS = """
host_id = "{host_id}"
rebirth = true
reorder_s = {reorder_s}
device_rebirth = {asks_devices}
"""


class Setting(NamedTuple):
    """What differs between scenarios. Not `speaks`: the site says nothing of host_id, rebirth and device_rebirth."""

    name: str
    protocol: str = "5"
    reorder_s: float = 0.6
    speaks: bool = True
    asks_devices: bool = False


class Stage:
    """One scenario: a tap before each broker for the host, one before the first for edge nodes, and what they note."""

    def __init__(self, folder: Path, setting: Setting, ports: Sequence[int], stack: ExitStack) -> None:
        self.name, self.setting = setting.name, setting
        self.packets: list[Packet] = []
        hosts = [HOST, SECOND][: len(ports)]
        wires = [*zip(hosts, ports, strict=True), (EDGE, ports[0])]
        self.taps = {wire: stack.enter_context(WireTap(port, wire, self.packets.append)) for wire, port in wires}
        self.broker_port = ports[0]
        self._hosts = hosts
        self._counters = Counters()
        self._site = self._written(folder)

    @contextmanager
    def host(self) -> Iterator[None]:
        """The collector, from its first birth (or subscription) to its end; by then it has kept all it was sent."""
        jobs = Jobs()
        start_collector(jobs, self._site, WallClock(), self._counters, [])
        try:
            for wire in self._hosts:
                self.until(lambda wire=wire: self.is_ready(wire), f"{wire}: it does not begin")  # type: ignore[misc]
            yield
            self.until(self._has_kept_all, "it does not keep all it was sent")
        finally:
            jobs.end()
            self.until(lambda: all(map(self._is_closed, self._hosts)), "it does not close its connections")

    def edge(self) -> EdgeNode:
        return EdgeNode(self.taps[EDGE].port, self.name, "line")

    def is_ready(self, wire: str = HOST) -> bool:
        """It has said that it is there; where it does not speak, it is subscribed."""
        if self.setting.speaks:
            return self.births(wire) > 0
        return any(one.wire == wire and one.kind is Kind.SUBACK for one in self.packets)

    def births(self, wire: str = HOST) -> int:
        own = [one for one in self.packets if one.wire == wire and is_published(one, by="client")]
        return sum(b'"online":true' in published(one).payload for one in own)

    def until(self, done: Callable[[], bool], otherwise: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline_s, f"{self.name}: {otherwise}"
            time.sleep(_LOOK_S)

    def until_heard(self, verb: str, times: int = 1) -> None:
        """Waits until the broker has delivered so many messages of a verb to the host."""
        beginning = f"spBv1.0/{self.name}/{verb}/"

        def heard() -> int:
            return sum(published(one).topic.startswith(beginning) for one in self._delivered())

        self.until(lambda: heard() >= times, f"{verb} did not reach the host")

    def transcript(self) -> Transcript:
        """All that was noted and kept."""
        packets = tuple(self.packets)
        with self._site.open_spool() as spool:
            return Transcript(
                self.name, self.setting.reorder_s, packets, tuple(_kept(spool)), tuple(spool.ledger.read())
            )

    def _written(self, folder: Path) -> SiteFile:
        folder.mkdir(parents=True)
        brokers = [
            _BROKER.format(name=wire, port=self.taps[wire].port, protocol=self.setting.protocol, host_id=self.name)
            for wire in self._hosts
        ]
        speaks = _SPEAKS.format(
            host_id=self.name,
            reorder_s=self.setting.reorder_s,
            asks_devices=str(self.setting.asks_devices).lower(),
        )
        (folder / "site.toml").write_text(_SITE + "".join(brokers) + _SUBSCRIBE + speaks * self.setting.speaks)
        return load_site(folder / "site.toml")

    def _is_closed(self, wire: str) -> bool:
        own = [one for one in self.packets if one.wire == wire]
        return bool(own) and own[-1].kind is Kind.CLOSED

    def _has_kept_all(self) -> bool:
        """What was under way when a connection was cut is excepted."""
        cut = {(one.wire, one.connection) for one in self.packets if one.kind is Kind.CLOSED}
        sent = [one for one in self._delivered() if (one.wire, one.connection) not in cut]
        return self._counters.counts.get("messages_stored", 0) >= len(sent)

    def _delivered(self) -> list[Packet]:
        """What brokers delivered to the host."""
        own = [one for one in self.packets if one.wire in self._hosts and is_published(one, by="broker")]
        return [one for one in own if published(one).topic.startswith("spBv1.0/")]


def _kept(spool: Spool) -> Iterator[Kept]:
    """The readings in the host's spool."""
    after = 0
    while frames := spool.log.read(after, _READ_FRAMES, kinds=(FrameKind.BATCH,)):
        after = frames[-1].offset
        for body in (frame.body for frame in frames):
            assert isinstance(body, Batch)
            for i in range(len(body)):
                series = spool.series[int(body.series[i])]
                place = series.equipment
                asset = "/".join(filter(None, (place.site, place.line, place.cell)))
                is_stale = int(body.quality[i]) == Quality.STALE
                yield Kept(asset, series.metric, int(body.at_ns[i]), is_stale)
