"""Transcripts altered by hand: what a host that does not keep an assertion would have left on the wire.

An `Edit` finds what it alters by a name (`FOUND`) and drops it, moves it, or says something else in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from collector.formats.sparkplug_b.payload import Payload, decode, encode
from collector.spool.ledger import Cause, Gap
from tests.sparkplug_host.checks.commands import commands
from tests.sparkplug_host.packets import Kind, Publication
from tests.sparkplug_host.transcript import EDGE, HOST, Kept, Transcript, state_of
from tests.sparkplug_host.wire_tap import Packet

_NS_PER_MS = 1_000_000
_LEFT_OUT = "left out"  # TOML has no null


class Edit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One alteration of the recording `of`. `find` names packets (`FOUND`), or what the host keeps.

    `drop` takes all of it away, `left_out` the will alone, `before` moves the first before another; the others say
    something else in it. In `state` and `command` the word "left out" takes a field away.
    """

    of: str
    find: str
    drop: bool = False
    left_out: bool = False
    before: str = ""
    clean: bool | None = None
    expiry_s: int | None = None
    filters: tuple[str, ...] | None = None
    topic: str | None = None
    qos: int | None = None
    retain: bool | None = None
    payload: str | None = None
    state: dict[str, Any] = {}
    later_ms: int = 0
    command: dict[str, Any] = {}
    metric: dict[str, Any] = {}
    window_s: float = 0.0


def spoilt(wire: Transcript, edit: Edit) -> Transcript:
    """The transcript with the edit. Raises AssertionError where that changes nothing."""
    replace = msgspec.structs.replace
    match edit.find:
        case "window":
            altered = replace(wire, reorder_s=edit.window_s)
        case "readings":
            altered = replace(wire, readings=())
        case "stale readings":
            altered = replace(wire, readings=tuple(_stale(wire, edit)))
        case "offline gaps":
            altered = replace(wire, gaps=tuple(_offline(wire, edit)))
        case _:
            altered = replace(wire, packets=_packets(wire, edit))
    assert altered != wire, f"{edit.of}: nothing of {edit.find!r} is altered"
    return altered


def _stale(wire: Transcript, edit: Edit) -> Iterator[Kept]:
    for one in wire.readings:
        if not one.is_stale:
            yield one
        elif not edit.drop:
            yield msgspec.structs.replace(one, at_ns=one.at_ns + edit.later_ms * _NS_PER_MS)


def _offline(wire: Transcript, edit: Edit) -> Iterator[Gap]:
    later_ns = edit.later_ms * _NS_PER_MS
    for one in wire.gaps:
        if one.cause is not Cause.DISCONNECTED:
            yield one
        elif not edit.drop:
            yield one._replace(from_ns=one.from_ns + later_ns, to_ns=one.to_ns + later_ns)


def _packets(wire: Transcript, edit: Edit) -> tuple[Packet, ...]:
    found = FOUND[edit.find](wire)
    chosen = {id(one) for one in found}
    if edit.drop:
        return tuple(one for one in wire.packets if id(one) not in chosen)
    if edit.before and found:
        return _moved(wire, found[0], FOUND[edit.before](wire)[0])
    return tuple(_altered(one, edit) if id(one) in chosen else one for one in wire.packets)


def _moved(wire: Transcript, packet: Packet, to: Packet) -> tuple[Packet, ...]:
    """To directly before another, at whose time."""
    moved: list[Packet] = []
    for one in wire.packets:
        if one is to:
            moved.append(msgspec.structs.replace(packet, at_ns=to.at_ns))
        if one is not packet:
            moved.append(one)
    return tuple(moved)


def _altered(packet: Packet, edit: Edit) -> Packet:
    body = packet.body
    changes = {"is_clean": edit.clean, "expiry_s": edit.expiry_s, "filters": edit.filters}
    body = msgspec.structs.replace(body, **{name: value for name, value in changes.items() if value is not None})
    if body.published is not None:
        said = None if edit.left_out else _said(body.published, edit)
        body = msgspec.structs.replace(body, published=said)
    return msgspec.structs.replace(packet, body=body)


def _said(said: Publication, edit: Edit) -> Publication:
    changes = {"topic": edit.topic, "qos": edit.qos, "retain": edit.retain}
    said = msgspec.structs.replace(said, **{name: value for name, value in changes.items() if value is not None})
    payload = said.payload
    if edit.payload is not None:
        payload = edit.payload.encode()
    elif edit.state or edit.later_ms:
        state: dict[str, Any] = {**(state_of(said) or {}), **edit.state}
        if edit.later_ms:
            state["timestamp"] += edit.later_ms
        payload = json.dumps({name: value for name, value in state.items() if value != _LEFT_OUT}).encode()
    elif edit.command or edit.metric:
        payload = encode(_commanded(decode(payload), edit))
    return msgspec.structs.replace(said, payload=payload)


def _commanded(payload: Payload, edit: Edit) -> Payload:
    own: dict[str, Any] = {name: None if value == _LEFT_OUT else value for name, value in edit.command.items()}
    metrics = tuple(one._replace(**edit.metric) for one in payload.metrics)
    return payload._replace(metrics=metrics)._replace(**own)


def _of_host(kind: Kind, sender: str) -> Callable[[Transcript], list[Packet]]:
    return lambda wire: [
        one for one in wire.packets if one.wire.startswith(HOST) and one.kind is kind and one.sender == sender
    ]


def _second_births(wire: Transcript) -> list[Packet]:
    """All that were said to the second server."""
    return [birth for one in wire.sessions for birth in one.births if birth.wire != HOST]


FOUND: dict[str, Callable[[Transcript], list[Packet]]] = {
    "connect": _of_host(Kind.CONNECT, "client"),
    "will": _of_host(Kind.CONNECT, "client"),
    "subscribe": _of_host(Kind.SUBSCRIBE, "client"),
    "suback": _of_host(Kind.SUBACK, "broker"),
    "disconnect": _of_host(Kind.DISCONNECT, "client"),
    "birth": lambda wire: [birth for one in wire.sessions for birth in one.births],
    "last birth": lambda wire: wire.sessions[-1].births[-1:],
    "last session's births": lambda wire: wire.sessions[-1].births,
    "second server's births": _second_births,
    "death": lambda wire: [one.death for one in wire.sessions if one.death],
    "command": lambda wire: [one.packet for one in commands(wire)],
    "edge node's will": lambda wire: [
        one for one in wire.packets if one.wire == EDGE and one.kind is Kind.CONNECT and one.body.published
    ],
}
