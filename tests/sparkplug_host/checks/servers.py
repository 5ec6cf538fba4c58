"""A host application on several MQTT servers: it tells each of its life, with the time of that connection."""

from __future__ import annotations

from tests.sparkplug_host.transcript import Session, Transcript, Verdict, judged, published, stamp_of, state_of


def is_announced_on_every_server(wire: Transcript) -> Verdict:
    def fault(server: str) -> str:
        own = [one for one in wire.sessions if one.connect.wire == server]
        return "" if any(map(_is_announced, own)) else f"{server}: no birth"

    return judged(_servers(wire), fault)


def is_announced_at_every_connection(wire: Transcript) -> Verdict:
    def fault(session: Session) -> str:
        return "" if _is_announced(session) else f"{session.connect.wire}: a session without a birth"

    return judged(wire.sessions if _servers(wire) else (), fault)


def timestamps_are_each_servers_own(wire: Transcript) -> Verdict:
    """Births carry the time of their own connection, which moves on where that was made anew."""

    def fault(server: str) -> str:
        own = [one for one in wire.sessions if one.connect.wire == server]
        for session in own:
            if any(stamp_of(published(birth)) != stamp_of(session.will) for birth in session.births):
                return f"{server}: a birth carries another time than its own connection"
        stamps = [str(stamp_of(one.will)) for one in own]
        return "" if stamps == sorted(set(stamps)) else f"{server}: the time did not move on with the connection"

    return judged(_servers(wire), fault)


def _servers(wire: Transcript) -> list[str]:
    """The host's wires, where there are several."""
    found = list(dict.fromkeys(one.connect.wire for one in wire.sessions))
    return found if len(found) > 1 else []


def _is_announced(session: Session) -> bool:
    return any((state_of(published(one)) or {}).get("online") is True for one in session.births)
