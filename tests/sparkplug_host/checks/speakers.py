"""What edge nodes told the host: their messages in the order of delivery, and what their births declared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from collector.formats.sparkplug_b.payload import Metric, NotSparkplug, Payload, decode
from tests.sparkplug_host.packets import Publication
from tests.sparkplug_host.transcript import NAMESPACE, Transcript, published
from tests.sparkplug_host.wire_tap import Packet

_OWN = ("bdSeq", "Node Control/", "Device Control/")  # metrics that measure nothing


class Told(NamedTuple):
    """One message of an edge node; `node` is group/edge_node, `device` "" where it is the node's own."""

    packet: Packet
    verb: str
    node: str
    device: str
    payload: Payload

    @property
    def asset(self) -> str:
        return f"{self.node}/{self.device}" if self.device else self.node

    @property
    def measured(self) -> list[str]:
        """The names of its metrics that are measurements."""
        return [one.name for one in self.payload.metrics if one.name and not one.name.startswith(_OWN)]


def told(wire: Transcript) -> Iterator[Told]:
    """Births, data and deaths that reached the host."""
    for packet in wire.delivered:
        levels = published(packet).topic.split("/")
        if levels[0] == NAMESPACE and len(levels) >= 4 and levels[2][1:] in ("BIRTH", "DATA", "DEATH"):
            payload = payload_of(published(packet)) or Payload(None, None)
            yield Told(packet, levels[2], f"{levels[1]}/{levels[3]}", "/".join(levels[4:]), payload)


def births(wire: Transcript, before: Packet | None = None) -> dict[str, Told]:
    """The last birth of each asset, before a packet or at the end."""
    found: dict[str, Told] = {}
    for one in told(wire):
        if one.packet is before:
            break
        if one.verb.endswith("BIRTH"):
            found[one.asset] = one
    return found


def declared(wire: Transcript, asset: str) -> dict[str, Metric]:
    """The metrics of the last birth of an asset, by name."""
    birth = births(wire).get(asset)
    return {one.name: one for one in birth.payload.metrics} if birth else {}


def payload_of(publication: Publication) -> Payload | None:
    try:
        return decode(publication.payload)
    except NotSparkplug:
        return None
