"""A host application's will and birth, and its answer to who denies it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.sparkplug_host.checks.states import differs, is_online, state_fault
from tests.sparkplug_host.packets import Kind, Publication
from tests.sparkplug_host.transcript import (
    Session,
    Transcript,
    Verdict,
    is_published,
    judged,
    ms_of,
    published,
    stamp_of,
    state_of,
)
from tests.sparkplug_host.wire_tap import Packet

_AT_ONCE_MS = 5_000


# the will


def connect_has_a_will(wire: Transcript) -> Verdict:
    return judged(wire.sessions, lambda one: "" if one.will else "CONNECT has no will")


def will_topic(wire: Transcript) -> Verdict:
    return judged(_wills(wire), lambda will: differs(will.topic, wire.state_topic, "the will's topic"))


def will_qos(wire: Transcript) -> Verdict:
    return judged(_wills(wire), lambda will: differs(will.qos, 1, "the will's QoS"))


def will_retained(wire: Transcript) -> Verdict:
    return judged(_wills(wire), lambda will: differs(will.retain, True, "the will's retain flag"))


def will_payload(wire: Transcript) -> Verdict:
    def fault(session: Session) -> str:
        return state_fault(session.will, False, ms_of(session.connect)) if session.will else ""

    return judged([one for one in wire.sessions if one.will], fault)


# the birth


def birth_is_the_first_message(wire: Transcript) -> Verdict:
    def fault(session: Session) -> str:
        first = session.said[0] if session.said else None
        return "" if first and first in session.births[:1] and is_online(published(first)) else "another message first"

    return judged(wire.sessions, fault)


def birth_follows_the_subscription(wire: Transcript) -> Verdict:
    """Not before the broker has acknowledged it."""

    def fault(session: Session) -> str:
        if not session.births:
            return "no birth in a session"
        is_after = session.place(session.births[0]) > session.first(Kind.SUBACK)
        return "" if is_after else "the birth is published before the subscription stands"

    return judged(wire.sessions, fault)


def birth_is_whole(wire: Transcript) -> Verdict:
    """After the subscription, under its topic, at QoS 1 and retained."""
    checks = (birth_follows_the_subscription, birth_topic, birth_qos, birth_retained)
    verdicts = [check(wire) for check in checks]
    return next((one for one in verdicts if one.reason), verdicts[0])


def birth_topic(wire: Transcript) -> Verdict:
    return _of_births(wire, lambda birth: differs(birth.topic, wire.state_topic, "the birth's topic"))


def birth_qos(wire: Transcript) -> Verdict:
    return _of_births(wire, lambda birth: differs(birth.qos, 1, "the birth's QoS"))


def birth_retained(wire: Transcript) -> Verdict:
    return _of_births(wire, lambda birth: differs(birth.retain, True, "the birth's retain flag"))


def birth_payload(wire: Transcript) -> Verdict:
    """JSON that says online and when: that of the connection, which the will carries, too."""
    found = [(one, birth) for one in wire.sessions for birth in one.births]
    return judged(found, lambda both: state_fault(published(both[1]), True, ms_of(both[0].connect)))


def birth_timestamp(wire: Transcript) -> Verdict:
    """The same as that of the will of its connection."""
    found = [(one, birth) for one in wire.sessions for birth in one.births]
    return judged(
        found, lambda both: differs(stamp_of(published(both[1])), stamp_of(both[0].will), "the birth's timestamp")
    )


def answers_who_denies_it(wire: Transcript) -> Verdict:
    """Told on its own topic that it is offline, it says its birth again, with the time of its connection."""

    def fault(denied: tuple[Session, Packet]) -> str:
        session, packet = denied
        stamp = stamp_of(session.will)
        answers = [
            one
            for one in session.births
            if 0 <= ms_of(one) - ms_of(packet) <= _AT_ONCE_MS
            and session.place(one) > session.place(packet)
            and is_online(published(one))
        ]
        if not answers:
            return "told that it is offline, it did not answer"
        return differs(stamp_of(published(answers[0])), stamp, "the answer's timestamp")

    return judged(_denials(wire), fault)


def _wills(wire: Transcript) -> Iterator[Publication]:
    return (one.will for one in wire.sessions if one.will)


def _of_births(wire: Transcript, fault: Callable[[Publication], str]) -> Verdict:
    return judged([published(birth) for one in wire.sessions for birth in one.births], fault)


def _denials(wire: Transcript) -> Iterator[tuple[Session, Packet]]:
    """What reached the host between its birth and its death and said that it is offline."""
    for session in wire.sessions:
        begin = session.place(session.births[0]) if session.births else len(session.packets)
        end = session.place(session.death) if session.death else len(session.packets)
        for packet in session.packets[begin:end]:
            is_own = is_published(packet, by="broker") and published(packet).topic == wire.state_topic
            if is_own and (state_of(published(packet)) or {}).get("online") is False:
                yield session, packet
