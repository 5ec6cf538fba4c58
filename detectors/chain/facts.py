"""An exposure in one sentence (`sentence`), and the shortest way from the node hit to one that stops (`path`).

Pure. The counterfactual and what binds are more to ask: `why` has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.chain.network import ESSENTIAL, Network

if TYPE_CHECKING:
    from detectors.chain.exposure import Exposure


def sentence(live: Network, exposure: Exposure) -> str:
    """`shortage of part at line: 2 d of supply, back in 10 d (P95 26.8 d); line -> shop stops in 3.5 d.`"""
    if not exposure.causes:
        return ""
    missing = exposure.material if any(a.material == exposure.material for a in live.arcs_into[exposure.node]) else ""
    head = f"{'shortage of ' + missing + ' at ' if missing else ''}{exposure.node}"
    if exposure.why_unknown:
        return f"{head}: cannot be computed: {exposure.why_unknown}"
    parts = []
    if exposure.days_of_supply_d is not None:
        parts.append(f"{span(exposure.days_of_supply_d)} of {'supply' if missing else 'finished stock'}")
    if exposure.recovers:
        recovered = f"{span(exposure.time_to_recover_d)} (P95 {span(exposure.recover_p95_d)})"
        parts.append(f"{exposure.recovers} is back in {recovered}")
    parts += exposure.doubts
    return f"{head}: {', '.join(parts)}{_ends(live, exposure)}."


def _ends(live: Network, exposure: Exposure) -> str:
    """What comes of it in the end."""
    if exposure.unknown and not exposure.recovers:
        return "; what it does is not known"
    reached = exposure.stops or exposure.may_stop
    if not reached:
        return "; nobody downstream stops"
    sells = [name for name in reached if live.by_name[name].demand_per_d]
    end = (sells or list(reached))[0]
    word = "stops" if exposure.stops else "may stop"
    return f"; {' -> '.join(path(live, exposure.node, end))} {word} in {span(exposure.fails_in_d()[end])}"


def path(network: Network, start: str, end: str) -> list[str]:
    """The shortest way of essential, qualified supplies from one node to another, both included; `[start]` if none."""
    came: dict[str, str] = {start: ""}
    waiting = [start]
    for name in waiting:  # grows while it is walked
        if name == end:
            break
        for arc in network.arcs_from[name]:
            if arc.target not in came and arc.essential == ESSENTIAL and arc.qualified:
                came[arc.target] = name
                waiting.append(arc.target)
    way = [end] if end in came else [start]
    while came[way[-1]]:
        way.append(came[way[-1]])
    return way[::-1]


def span(days: float) -> str:
    """A stretch of time as people say it."""
    for unit, in_a_day in (("d", 1.0), ("h", 24.0)):
        if days * in_a_day >= 2:
            return f"{days * in_a_day:.3g} {unit}"
    return f"{days * 1440:.3g} min"
