"""A state's payload, and what is wrong with it: "" where nothing is."""

from __future__ import annotations

from tests.sparkplug_host.packets import Publication
from tests.sparkplug_host.transcript import NEAR_MS, state_of


def is_online(publication: Publication) -> bool:
    return (state_of(publication) or {}).get("online") is True


def state_fault(publication: Publication, online: bool, near_ms: int) -> str:
    """JSON with this `online` and a `timestamp` in ms UTC, near the instant it should be of."""
    state = state_of(publication)
    if state is None:
        return f"the payload {publication.payload[:40]!r} is no JSON object"
    if state.get("online") is not online:
        return f"`online` is {state.get('online')!r}, {online} is wanted"
    stamp = state.get("timestamp")
    if not isinstance(stamp, int) or isinstance(stamp, bool):
        return f"`timestamp` is {stamp!r}, ms since 1970 are wanted"
    return "" if abs(stamp - near_ms) <= NEAR_MS else f"`timestamp` is {stamp - near_ms} ms off"


def differs(found: object, wanted: object, what: str) -> str:
    """A true is no 1."""
    return "" if found == wanted and type(found) is type(wanted) else f"{what} is {found!r}, {wanted!r} is wanted"
