"""How a host application connects, subscribes and leaves; and an edge node's will, which goes with CONNECT, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.sparkplug_host.checks.states import differs, is_online, state_fault
from tests.sparkplug_host.packets import Kind
from tests.sparkplug_host.transcript import (
    NAMESPACE,
    Session,
    Transcript,
    Verdict,
    is_published,
    judged,
    ms_of,
    published,
)
from tests.sparkplug_host.wire_tap import Packet

# its life as a whole


def tells_of_its_life(wire: Transcript) -> Verdict:
    """Every session has its birth, and its death is published by whoever ends it, the broker by the will."""

    def fault(session: Session) -> str:
        if not any(is_online(published(one)) for one in session.births):
            return "a session without a birth"
        if session.is_left and session.death is None:
            return "the host left and did not say so"
        return "" if session.will else "a session without a will"

    return judged(wire.sessions, fault)


def is_never_online_when_gone(wire: Transcript) -> Verdict:
    """The last word about a session is that it is over: the host's own, or the broker's for it."""

    def fault(session: Session) -> str:
        if session.is_left:
            last = session.states[-1:]
            return "" if last and not is_online(published(last[0])) else "its last word is that it is online"
        return "" if session.will else "cut off, and nobody would say so"

    return judged(wire.sessions, fault)


# the session


def clean_session_311(wire: Transcript) -> Verdict:
    found = [one.connect.body for one in wire.sessions if one.connect.body.level == 4]
    return judged(found, lambda body: differs(body.is_clean, True, "clean session"))


def clean_start_50(wire: Transcript) -> Verdict:
    found = [one.connect.body for one in wire.sessions if one.connect.body.level == 5]
    return judged(found, lambda body: differs((body.is_clean, body.expiry_s), (True, 0), "clean start and expiry"))


# the subscription


def subscribes_before_its_state(wire: Transcript) -> Verdict:
    """To the namespace and to its own state, before the first state it publishes."""

    def fault(session: Session) -> str:
        until = session.place(session.states[0]) if session.states else len(session.packets)
        return _uncovered(session.packets[:until], wire.state_topic, f"{NAMESPACE}/#")

    return judged(wire.sessions, fault)


def subscribes_at_once(wire: Transcript) -> Verdict:
    """SUBSCRIBE is what the host says first once it is connected, to the namespace and to its own state."""

    def fault(session: Session) -> str:
        after = [one for one in session.packets[session.first(Kind.CONNACK) :] if one.sender == "client"]
        if not after or after[0].kind is not Kind.SUBSCRIBE:
            return "SUBSCRIBE is not the first packet after CONNACK"
        return _uncovered(session.packets, wire.state_topic, f"{NAMESPACE}/#")

    return judged(wire.sessions, fault)


def subscribes_to_its_own_state(wire: Transcript) -> Verdict:
    return judged(wire.sessions, lambda one: _uncovered(one.packets, wire.state_topic))


# the death


def leaves_with_a_death(wire: Transcript) -> Verdict:
    left = [one for one in wire.sessions if one.is_left]
    return judged(left, lambda one: "" if one.death else "the host ended its connection without its death")


def disconnects_after_its_death(wire: Transcript) -> Verdict:
    """Where it sends DISCONNECT, nothing is published between the death and it, and the death says when that was."""

    def fault(session: Session) -> str:
        at = session.first(Kind.DISCONNECT)
        before = [one for one in session.packets[:at] if is_published(one, by="client")]
        if session.death is None or before[-1:] != [session.death]:
            return "DISCONNECT does not follow the death"
        return state_fault(published(session.death), False, ms_of(session.packets[at]))

    return judged([one for one in wire.sessions if _disconnects(one)], fault)


def closes_after_its_death(wire: Transcript) -> Verdict:
    """However it ends a connection, the death comes before the end, and says when that was."""

    def fault(session: Session) -> str:
        if session.death is None:
            return "the host closed a connection without its death"
        return state_fault(published(session.death), False, ms_of(session.packets[-1]))

    return judged([one for one in wire.sessions if one.is_left], fault)


def death_topic(wire: Transcript) -> Verdict:
    return _of_deaths(wire, lambda death: differs(published(death).topic, wire.state_topic, "the death's topic"))


def death_qos(wire: Transcript) -> Verdict:
    return _of_deaths(wire, lambda death: differs(published(death).qos, 1, "the death's QoS"))


def death_retained(wire: Transcript) -> Verdict:
    return _of_deaths(wire, lambda death: differs(published(death).retain, True, "the death's retain flag"))


def death_payload(wire: Transcript) -> Verdict:
    return _of_deaths(wire, lambda death: state_fault(published(death), False, ms_of(death)))


# the edge node of the test


def edge_will_topic(wire: Transcript) -> Verdict:
    """An edge node's will goes to the NDEATH topic of the group and edge node that its births name."""

    def fault(session: Session) -> str:
        born = next((published(one).topic for one in session.said if "/NBIRTH/" in published(one).topic), "")
        will = session.will.topic if session.will else ""
        return differs(will, born.replace("/NBIRTH/", "/NDEATH/"), "the topic of the edge node's will")

    return judged(wire.edge_sessions, fault)


def _of_deaths(wire: Transcript, fault: Callable[[Packet], str]) -> Verdict:
    return judged([one.death for one in wire.sessions if one.death], fault)


def _disconnects(session: Session) -> bool:
    return any(one.sender == "client" and one.kind is Kind.DISCONNECT for one in session.packets)


def _uncovered(packets: Sequence[Packet], *topics: str) -> str:
    asked = {one for packet in packets for one in packet.body.filters}
    missing = [topic for topic in topics if topic not in asked]
    return f"no subscription to {', '.join(missing)}" if missing else ""
