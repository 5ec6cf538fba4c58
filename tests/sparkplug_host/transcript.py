"""What a recording holds: the packets of its wires in order, and what the host made of them; and how checks look at it.

A wire whose name begins with `HOST` is one of the host application under test, `EDGE` one of the test's edge nodes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, TypeVar

import msgspec

from collector.spool.ledger import Gap
from tests.sparkplug_host.packets import Kind, Publication
from tests.sparkplug_host.wire_tap import Packet

HOST, EDGE = "host", "edge"
NAMESPACE = "spBv1.0"
NEAR_MS = 10_000  # a time may be so far from that of its packet: a busy machine is slow, a wrong clock is hours off
T = TypeVar("T")


class Kept(msgspec.Struct, frozen=True):
    """A reading in the host's spool; `asset` is group/edge_node or group/edge_node/device."""

    asset: str
    metric: str
    at_ns: int
    is_stale: bool


class Transcript(msgspec.Struct, frozen=True, dict=True):
    """`reorder_s`: the window the host was given; `readings` and `gaps`: what it kept and booked by the end."""

    host_id: str
    reorder_s: float
    packets: tuple[Packet, ...]
    readings: tuple[Kept, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def state_topic(self) -> str:
        return f"{NAMESPACE}/STATE/{self.host_id}"

    @cached_property
    def sessions(self) -> tuple[Session, ...]:
        """The host's connections that a broker accepted, in order of their beginning."""
        return tuple(one for one in _sessions(self.packets, HOST) if one.is_accepted)

    @cached_property
    def edge_sessions(self) -> tuple[Session, ...]:
        return tuple(_sessions(self.packets, EDGE))

    @cached_property
    def delivered(self) -> tuple[Packet, ...]:
        """What brokers delivered to the host."""
        return tuple(one for one in self.packets if one.wire.startswith(HOST) and is_published(one, by="broker"))


class Standing(StrEnum):
    SATISFIED = "satisfied"
    VIOLATED = "violated"
    NOT_EXERCISED = "not exercised"


class Verdict(NamedTuple):
    standing: Standing
    reason: str = ""


def judged(found: Iterable[T], fault: Callable[[T], str]) -> Verdict:
    """Each of what was found is judged; `fault` says what is wrong with one, "" where nothing is."""
    faults = [fault(one) for one in found]
    if not faults:
        return Verdict(Standing.NOT_EXERCISED)
    reason = next(filter(None, faults), "")
    return Verdict(Standing.VIOLATED, reason) if reason else Verdict(Standing.SATISFIED)


class Session(NamedTuple):
    """One connection from its CONNECT to its end."""

    packets: Sequence[Packet]

    @property
    def connect(self) -> Packet:
        return self.packets[0]

    @property
    def will(self) -> Publication | None:
        return self.connect.body.published

    @property
    def is_accepted(self) -> bool:
        return any(one.kind is Kind.CONNACK and not one.body.code for one in self.packets)

    @property
    def said(self) -> list[Packet]:
        """What the client published."""
        return [one for one in self.packets if is_published(one, by="client")]

    @property
    def states(self) -> list[Packet]:
        return [one for one in self.said if is_state(published(one))]

    @property
    def births(self) -> list[Packet]:
        death = self.death
        return [one for one in self.states if one is not death]

    @property
    def death(self) -> Packet | None:
        """The last word about its state of a client that ended the connection, unless that word is that it is there."""
        states = self.states
        if not self.is_left or not states:
            return None
        state = state_of(published(states[-1]))
        is_last_of_several = state is None and len(states) > 1
        return states[-1] if is_last_of_several or (state or {}).get("online") is False else None

    @property
    def is_left(self) -> bool:
        """The client ended it, with or without DISCONNECT."""
        return any(one.sender == "client" and one.kind in (Kind.DISCONNECT, Kind.CLOSED) for one in self.packets)

    def first(self, kind: Kind) -> int:
        """Where the first packet of a kind stands, past all where there is none."""
        return next((at for at, one in enumerate(self.packets) if one.kind is kind), len(self.packets))

    def place(self, packet: Packet) -> int:
        return next(at for at, one in enumerate(self.packets) if one is packet)


def is_published(packet: Packet, *, by: str) -> bool:
    return packet.kind is Kind.PUBLISH and packet.sender == by


def published(packet: Packet) -> Publication:
    """A PUBLISH packet's publication."""
    assert packet.body.published is not None
    return packet.body.published


def is_state(publication: Publication) -> bool:
    """Known by its topic, or by its payload where the topic is wrong."""
    return "STATE" in publication.topic.split("/")[:2] or "online" in (state_of(publication) or {})


def state_of(publication: Publication) -> dict[str, object] | None:
    """The payload's JSON object; None where it is no UTF-8, no JSON or no object."""
    try:
        said = json.loads(publication.payload.decode("utf-8"))
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def stamp_of(publication: Publication | None) -> object:
    """The time that a state carries, None where it carries none."""
    return (state_of(publication) or {}).get("timestamp") if publication else None


def ms_of(packet: Packet) -> int:
    return packet.at_ns // 1_000_000


def _sessions(packets: Iterable[Packet], wires: str) -> list[Session]:
    found: dict[tuple[str, int], list[Packet]] = defaultdict(list)
    for packet in packets:
        if packet.wire.startswith(wires):
            found[packet.wire, packet.connection].append(packet)
    return [Session(own) for own in found.values() if own[0].kind is Kind.CONNECT]
