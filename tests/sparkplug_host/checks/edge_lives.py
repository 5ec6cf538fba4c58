"""What a host application makes of deaths: an edge node's at its own time, a device's at the time the death says.

Offline is an entry `disconnected` of the ledger for the edge node (its devices with it) or for the device; stale is a
reading of quality STALE.
"""

from __future__ import annotations

from collections.abc import Callable

from collector.spool.ledger import Cause, Gap
from tests.sparkplug_host.checks.speakers import Told, births, told
from tests.sparkplug_host.transcript import NEAR_MS, Transcript, Verdict, judged, ms_of

_NS_PER_MS = 1_000_000
Fits = Callable[[int], bool]  # whether an instant (UTC ns) is the one wanted


def node_is_offline(wire: Transcript) -> Verdict:
    def fault(death: Told) -> str:
        return "" if _is_offline(wire, death.node, _host_time(death)) else f"{death.node} is not booked as offline"

    return judged(_deaths(wire, "NDEATH"), fault)


def devices_of_node_are_offline(wire: Transcript) -> Verdict:
    """Each device that was born and is alive, by its own entry or by that of its edge node."""

    def fault(both: tuple[Told, Told]) -> str:
        death, device = both
        fits = _host_time(death)
        is_told = _is_offline(wire, device.asset, fits) or _is_offline(wire, death.node, fits)
        return "" if is_told else f"{device.asset} is not booked as offline"

    return judged(_orphaned(wire), fault)


def node_metrics_are_stale(wire: Transcript) -> Verdict:
    def fault(death: Told) -> str:
        born = births(wire, death.packet).get(death.node)
        return _fresh(wire, born, _host_time(death)) if born else f"{death.node} was never born"

    return judged(_deaths(wire, "NDEATH"), fault)


def device_metrics_of_node_are_stale(wire: Transcript) -> Verdict:
    return judged(_orphaned(wire), lambda both: _fresh(wire, both[1], _host_time(both[0])))


def device_is_offline(wire: Transcript) -> Verdict:
    def fault(death: Told) -> str:
        is_told = _is_offline(wire, death.asset, _own_time(death))
        return "" if is_told else f"{death.asset} is not booked as offline from the time its death says"

    return judged(_deaths(wire, "DDEATH"), fault)


def device_metrics_are_stale(wire: Transcript) -> Verdict:
    def fault(death: Told) -> str:
        born = births(wire, death.packet).get(death.asset)
        return _fresh(wire, born, _own_time(death)) if born else f"{death.asset} was never born"

    return judged(_deaths(wire, "DDEATH"), fault)


def _deaths(wire: Transcript, verb: str) -> list[Told]:
    return [one for one in told(wire) if one.verb == verb]


def _orphaned(wire: Transcript) -> list[tuple[Told, Told]]:
    """Each death of an edge node with the birth of each device that it takes along."""
    return [(death, born) for death in _deaths(wire, "NDEATH") for born in _alive(wire, death)]


def _alive(wire: Transcript, death: Told) -> list[Told]:
    """The births of the devices that an edge node had when it died."""
    alive: dict[str, Told] = {}
    for one in told(wire):
        if one.packet is death.packet:
            break
        if one.verb == "DBIRTH" and one.node == death.node:
            alive[one.asset] = one
        elif one.verb in ("DDEATH", "NDEATH"):
            alive.pop(one.asset, None)
    return list(alive.values())


def _fresh(wire: Transcript, born: Told, fits: Fits) -> str:
    """The first metric of a birth that is not stale from the wanted time."""
    stale = {one.metric for one in wire.readings if one.asset == born.asset and one.is_stale and fits(one.at_ns)}
    left = [name for name in born.measured if name not in stale]
    return f"{left} of {born.asset} are not stale from the time wanted" if left or not born.measured else ""


def _is_offline(wire: Transcript, asset: str, fits: Fits) -> bool:
    return any(_ends(gap, asset) and fits(gap.to_ns) for gap in wire.gaps)


def _ends(gap: Gap, asset: str) -> bool:
    return gap.asset == asset and gap.cause is Cause.DISCONNECTED


def _host_time(death: Told) -> Fits:
    return lambda at_ns: abs(at_ns // _NS_PER_MS - ms_of(death.packet)) <= NEAR_MS


def _own_time(death: Told) -> Fits:
    return lambda at_ns: at_ns // _NS_PER_MS == death.payload.timestamp_ms
