"""Records that the chain says, in the stored names of `collector.schema`: exposures, and the map with its risk."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import msgspec

from collector import schema
from collector.readings import NS_PER_S
from collector.spool.frames import Field, Record
from detectors.chain.exposure import Exposure
from detectors.chain.live import days_of_supply_d
from detectors.chain.network import Arc, Network, Node

_NS_PER_MS = 1_000_000
_NS_PER_D = 86_400 * NS_PER_S


def exposure_record(exposure: Exposure, at_ns: int) -> Record:
    """An exposure as it is at `at_ns`; without causes it has ended. A number that has no end is left out."""
    fields: dict[str, Field | None] = {
        "days_of_supply_d": exposure.days_of_supply_d,
        "time_to_survive_d": exposure.time_to_survive_d,
        "time_to_recover_d": exposure.time_to_recover_d,
        "gap_d": exposure.gap_d,
        "lost_per_d": exposure.lost_per_d,
        "stops_at": exposure.stops_at_ns // _NS_PER_MS,
        "cause": ", ".join(exposure.causes),
        "best_action": exposure.best_action,
    }
    return Record(
        measurement=schema.EXPOSURE.name,
        tags={"node": exposure.node, "material": exposure.material},
        fields={name: value for name, value in fields.items() if value is not None},
        at_ns=at_ns,
        key=exposure.key,
        detail=msgspec.to_builtins(exposure),
    )


def node_records(live: Network, exposed: Sequence[Exposure], at_ns: int) -> list[Record]:
    """Every node of the map with the worst that any exposure does to it."""
    return [_node_record(live, node, exposed, at_ns) for node in live.nodes]


def arc_records(network: Network, exposed: Sequence[Exposure], at_ns: int) -> list[Record]:
    """Every arc of the map; its risk is that which travels along it."""
    return [
        Record(
            measurement=schema.CHAIN_ARC.name,
            tags={"source": arc.source, "target": arc.target, "material": arc.material},
            fields={
                "risk": max((_arc_risk(arc, exposure) for exposure in exposed), default=0.0),
                "share": arc.share,
                "lead_time_d": arc.lead_time_d,
            },
            at_ns=at_ns,
            key=f"{arc.source}|{arc.target}|{arc.material}",
            detail={"qualified": arc.qualified, "quantity_per": arc.quantity_per},
        )
        for arc in network.arcs
    ]


def _node_record(live: Network, node: Node, exposed: Sequence[Exposure], at_ns: int) -> Record:
    hit = [e for e in exposed if e.node == node.name or node.name in e.stops]
    fails = [at for at in (_fails_at_ns(node.name, e) for e in hit) if at]
    survive = [e.time_to_survive_d for e in hit if e.time_to_survive_d is not None]
    cover = [days_of_supply_d(live, stock) for stock in live.stocks if stock.node == node.name]
    x, y = live.places[node.name]
    fields: dict[str, Field | None] = {
        "title": node.title or node.name,
        "subtitle": _subtitle(live, node, hit),
        "risk": max((e.risk(node.name) for e in hit), default=0.0),
        "days_of_supply_d": min((days for days in cover if days != inf), default=None),
        "time_to_survive_d": min(survive, default=None),
        "stops_at": min(fails, default=0) // _NS_PER_MS,
        "x": x,
        "y": y,
    }
    return Record(
        measurement=schema.CHAIN_NODE.name,
        tags={"node": node.name, "kind": str(node.kind)},
        fields={name: value for name, value in fields.items() if value is not None},
        at_ns=at_ns,
        key=node.name,
        detail={
            "equipment": node.equipment,
            "country": node.country,
            "region": node.region,
            "unknown": any(e.unknown for e in hit if e.node == node.name),
            "causes": sorted({cause for e in hit for cause in e.causes}),
        },
    )


def _arc_risk(arc: Arc, exposure: Exposure) -> float:
    """What a cut supply, or a failing source, passes on to the target."""
    if (exposure.node, exposure.material) == (arc.target, arc.material):
        return exposure.risk(arc.target)
    return min(exposure.risk(arc.source), exposure.risk(arc.target))


def _fails_at_ns(name: str, exposure: Exposure) -> int:
    """When a node stops keeping its planned rate, 0 for never."""
    if name == exposure.node:
        return exposure.stops_at_ns
    return exposure.at_ns + round(exposure.stops_in_d[exposure.stops.index(name)] * _NS_PER_D)


def _subtitle(live: Network, node: Node, hit: Sequence[Exposure]) -> str:
    """The worst that happens to a node in a few words, or where it is."""
    own = [e for e in hit if e.node == node.name]
    if any(e.why_unknown for e in own):
        return "at risk: cannot be computed"
    if any(e.unknown for e in own):
        return "silent: last values"
    if own:
        worst = max(own, key=lambda e: e.gap_d)
        arrives = any(arc.material == worst.material for arc in live.arcs_into[node.name])
        return f"{worst.material}: {_span(worst.days_of_supply_d)} left" if arrives else "below its planned rate"
    if hit:
        first = min(hit, key=lambda e: _fails_at_ns(node.name, e))
        return f"runs short: {first.material or 'output'} at {first.node}"
    return ", ".join(part for part in (node.region, node.country) if part)


def _span(days: float | None) -> str:
    """A stretch of time as people say it."""
    if days is None:
        return "no stock"
    for unit, in_a_day in (("d", 1.0), ("h", 24.0)):
        if days * in_a_day >= 2:
            return f"{days * in_a_day:.3g} {unit}"
    return f"{days * 1440:.3g} min"
