"""What a host application commands: NCMD to edge nodes, DCMD to devices. `verb` is the one an assertion is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from collector.formats.sparkplug_b.payload import FIELD_OF, Datatype, Metric, Payload
from tests.sparkplug_host.checks.speakers import births, declared, payload_of
from tests.sparkplug_host.packets import Publication
from tests.sparkplug_host.transcript import (
    NAMESPACE,
    NEAR_MS,
    Transcript,
    Verdict,
    is_state,
    judged,
    ms_of,
    published,
)
from tests.sparkplug_host.wire_tap import Packet

NCMD, DCMD = "NCMD", "DCMD"
REBIRTH = "Node Control/Rebirth"
_TYPES = {"int_value": int, "long_value": int, "float_value": float, "double_value": float, "string_value": str}


class Command(NamedTuple):
    """A message of the host that is no state of its own; `payload` None: it cannot be read."""

    packet: Packet
    said: Publication
    payload: Payload | None

    @property
    def levels(self) -> list[str]:
        return self.said.topic.split("/")

    @property
    def verb(self) -> str:
        return self.levels[2] if len(self.levels) > 2 else ""

    @property
    def asset(self) -> str:
        """To whom it goes: group/edge_node or group/edge_node/device."""
        return "/".join(self.levels[1:2] + self.levels[3:])

    @property
    def metrics(self) -> list[Metric]:
        return list(self.payload.metrics) if self.payload else []

    @property
    def asks_rebirth(self) -> bool:
        return any(one.name == REBIRTH for one in self.metrics)


def commands(wire: Transcript) -> list[Command]:
    said = [one for session in wire.sessions for one in session.said]
    return [Command(one, published(one), payload_of(published(one))) for one in said if not is_state(published(one))]


# how it is sent


def goes_by_its_verb(wire: Transcript, verb: str) -> Verdict:
    """What is for an edge node goes by NCMD, what is for a device by DCMD; each is judged by whom it is for."""
    wanted = [one for one in commands(wire) if _is_for_device(wire, one) == (verb == DCMD)]

    def fault(command: Command) -> str:
        own = DCMD if _is_for_device(wire, command) else NCMD
        return "" if command.verb == own else f"{command.said.topic} is for {own} and goes by {command.verb!r}"

    return judged(wanted, fault)


def topic_names_whom_it_is_for(wire: Transcript, verb: str) -> Verdict:
    """The namespace, the group, the verb, an edge node that is known and, with DCMD and only there, its device."""
    wanted = [one for one in commands(wire) if one.verb == verb]

    def fault(command: Command) -> str:
        size = 5 if command.verb == DCMD else 4
        is_right = len(command.levels) == size and command.levels[0] == NAMESPACE and command.verb in (NCMD, DCMD)
        if not is_right:
            return f"{command.said.topic} is no topic of a command"
        return "" if command.asset in births(wire) else f"{command.asset} was never born"

    return judged(wanted, fault)


def is_qos_0(wire: Transcript, verb: str) -> Verdict:
    return _of(wire, verb, lambda one: f"QoS {one.said.qos}" if one.said.qos else "")


def is_not_retained(wire: Transcript, verb: str) -> Verdict:
    return _of(wire, verb, lambda one: "retained" if one.said.retain else "")


def is_qos_0_and_not_retained(wire: Transcript, verb: str) -> Verdict:
    return _of(
        wire, verb, lambda one: f"QoS {one.said.qos}, retain {one.said.retain}" * bool(one.said.qos or one.said.retain)
    )


# what it says


def says_when(wire: Transcript, verb: str) -> Verdict:
    """The payload's timestamp is there, and is that of sending it."""
    return _of(wire, verb, lambda one: _off(one, one.payload.timestamp_ms if one.payload else None))


def metrics_say_when(wire: Transcript, verb: str) -> Verdict:
    """A metric may carry a time; where it does, it is that of sending it."""

    def fault(command: Command) -> str:
        stamps = [one.timestamp_ms for one in command.metrics if one.timestamp_ms is not None]
        return next(filter(None, (_off(command, stamp) for stamp in stamps)), "")

    return _of(wire, verb, fault)


def has_no_seq(wire: Transcript, verb: str) -> Verdict:
    return _of(wire, verb, lambda one: "" if one.payload and one.payload.seq is None else "it has a sequence number")


def names_what_to_write(wire: Transcript, verb: str) -> Verdict:
    return _of(wire, verb, lambda one: "" if one.metrics and all(m.name for m in one.metrics) else "no metric is named")


def metric_was_declared(wire: Transcript, verb: str) -> Verdict:
    """By the birth of whom it goes to."""

    def fault(command: Command) -> str:
        unknown = [one.name for one in command.metrics if one.name not in declared(wire, command.asset)]
        return f"{unknown} is not in the birth of {command.asset}" if unknown or not command.metrics else ""

    return _of(wire, verb, fault)


def value_fits(wire: Transcript, verb: str) -> Verdict:
    """The value is of the data type that the birth declared."""

    def fault(command: Command) -> str:
        known = declared(wire, command.asset)
        return next(filter(None, (_misfit(one, known.get(one.name)) for one in command.metrics)), "")

    return _of(wire, verb, fault)


# the request for a birth


def rebirth_goes_by_ncmd(wire: Transcript) -> Verdict:
    found = [one for one in commands(wire) if one.asks_rebirth]
    return judged(found, lambda one: "" if one.verb == NCMD else f"a rebirth is asked for by {one.verb!r}")


def rebirth_is_named(wire: Transcript) -> Verdict:
    """What asks an edge node for its birth does so by the name of the specification. What a device is asked by is a
    metric of its own birth, and judged as every command to devices is."""

    def fault(command: Command) -> str:
        names = [one.name for one in command.metrics if "rebirth" in one.name.lower()]
        return "" if REBIRTH in names else f"a rebirth is asked for as {names}"

    found = [one for one in commands(wire) if any("rebirth" in metric.name.lower() for metric in one.metrics)]
    return judged([one for one in found if not _is_for_device(wire, one)], fault)


def rebirth_is_true(wire: Transcript) -> Verdict:
    found = [metric for one in commands(wire) for metric in one.metrics if metric.name == REBIRTH]
    return judged(found, lambda one: "" if one.value is True and one.datatype == Datatype.BOOLEAN else f"{one.value!r}")


def _of(wire: Transcript, verb: str, fault: Callable[[Command], str]) -> Verdict:
    def named(command: Command) -> str:
        what = fault(command)
        return f"{command.said.topic}: {what}" if what else ""

    return judged([one for one in commands(wire) if one.verb == verb], named)


def _is_for_device(wire: Transcript, command: Command) -> bool:
    """It names a device, or a metric that only a device of its edge node declared."""
    if len(command.levels) > 4:
        return True
    node = "/".join(command.asset.split("/")[:2])
    own = declared(wire, node)
    of_devices = {
        one.name
        for asset, birth in births(wire).items()
        if asset.startswith(f"{node}/")
        for one in birth.payload.metrics
    }
    return any(one.name not in own and one.name in of_devices for one in command.metrics)


def _off(command: Command, stamp_ms: int | None) -> str:
    if stamp_ms is None:
        return "it has no timestamp"
    off_ms = stamp_ms - ms_of(command.packet)
    return "" if abs(off_ms) <= NEAR_MS else f"its timestamp is {off_ms} ms off"


def _misfit(metric: Metric, birth: Metric | None) -> str:
    if birth is None or metric.value is None:
        return f"{metric.name!r} has no value, or none that a birth declared"
    wanted = _TYPES.get(FIELD_OF.get(birth.datatype, ""), bool)
    fits = metric.datatype in (birth.datatype, Datatype.UNKNOWN) and type(metric.value) is wanted
    return "" if fits else f"{metric.name!r} is of type {metric.datatype}, its birth says {birth.datatype}"
