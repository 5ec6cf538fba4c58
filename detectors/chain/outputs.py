"""Records that the chain says, in the stored names of `collector.schema`: exposures, recoveries, the map at risk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import inf

import msgspec
from msgspec.structs import replace

from collector import schema
from collector.readings import NS_PER_S
from collector.spool.frames import Field, Record
from detectors.chain.exposure import Exposure
from detectors.chain.facts import span
from detectors.chain.live import days_of_supply_d
from detectors.chain.network import Arc, Network, Node, Stock
from detectors.chain.resumption import Resumption
from detectors.chain.state import state_of

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
        "recover_p80_d": exposure.recover_p80_d,
        "recover_p95_d": exposure.recover_p95_d,
        "gap_p80_d": exposure.gap_p80_d,
        "gap_p95_d": exposure.gap_p95_d,
        "lost": exposure.lost,
        "lost_p80": exposure.lost_p80,
        "lost_p95": exposure.lost_p95,
        "loss_chance_ratio": exposure.loss_chance_ratio,
        "output_low": exposure.output_low,
        "output_high": exposure.output_high,
        "unknown": int(exposure.unknown),
        "why": exposure.why,
    }
    return Record(
        measurement=schema.EXPOSURE.name,
        tags={"node": exposure.node, "material": exposure.material},
        fields={name: value for name, value in fields.items() if value is not None},
        at_ns=at_ns,
        key=exposure.key,
        detail=msgspec.to_builtins(exposure),
    )


def recovery_record(resumption: Resumption, at_ns: int) -> Record:
    """A recovery as far as it has come at `at_ns`; days to a level that is not reached are left out."""
    to_80_d, to_95_d = resumption.reached_in_d
    fields: dict[str, Field | None] = {
        "kind": resumption.kind,
        "began": resumption.began_ns // _NS_PER_MS,
        "ended": resumption.ended_ns // _NS_PER_MS,
        "lasted_d": resumption.lasted_d,
        "days_to_80_d": to_80_d,
        "days_to_95_d": to_95_d,
        "output_ratio": resumption.ratio[-1] if resumption.ratio else None,
        "over": int(resumption.over),
    }
    return Record(
        measurement=schema.RECOVERY.name,
        tags={"node": resumption.node, "material": resumption.material},
        fields={name: value for name, value in fields.items() if value is not None},
        at_ns=at_ns,
        key=f"{resumption.node}|{resumption.key}|{resumption.began_ns}",
        detail=msgspec.to_builtins(resumption),
    )


def node_records(
    live: Network, exposed: Sequence[Exposure], at_ns: int, names: Collection[str] | None = None
) -> list[Record]:
    """Every node of the map, or these, with the worst that any exposure does to it."""
    hit: dict[str, list[Exposure]] = defaultdict(list)
    for exposure in exposed:
        for name in dict.fromkeys((exposure.node, *exposure.stops, *exposure.may_stop)):
            hit[name].append(exposure)
    risks = {exposure.key: exposure.risks() for exposure in exposed}
    stocks: dict[str, list[Stock]] = defaultdict(list)
    for stock in live.stocks:
        stocks[stock.node].append(stock)
    nodes = live.nodes if names is None else [node for node in live.nodes if node.name in names]
    return [_node_record(live, node, stocks[node.name], hit[node.name], risks, at_ns) for node in nodes]


def arc_records(
    network: Network, exposed: Sequence[Exposure], at_ns: int, names: Collection[str] | None = None
) -> list[Record]:
    """Every arc of the map, or those into these nodes; its risk is that which travels along it."""
    risks = [(exposure, exposure.risks()) for exposure in exposed]
    return [
        Record(
            measurement=schema.CHAIN_ARC.name,
            tags={
                "source": arc.source,
                "target": arc.target,
                "material": arc.material,
                "source_cluster": network.by_name[arc.source].cluster,
                "target_cluster": network.by_name[arc.target].cluster,
            },
            fields={
                "on_map": 1,
                "id": f"{arc.source}|{arc.target}|{arc.material}",
                "risk": max((_arc_risk(arc, *one) for one in risks), default=0.0),
                "share": arc.share,
                "lead_time_d": arc.lead_time_d,
            },
            at_ns=at_ns,
            key=f"{arc.source}|{arc.target}|{arc.material}",
            detail={"qualified": arc.qualified, "quantity_per": arc.quantity_per},
        )
        for arc in (network.arcs if names is None else (a for name in names for a in network.arcs_into[name]))
    ]


def stock_records(live: Network, at_ns: int, names: Collection[str] | None = None) -> list[Record]:
    """Every stock of the map, or of these nodes: how long it lasts, against the longest time an order takes."""
    return [_stock_record(live, stock, at_ns) for stock in live.stocks if names is None or stock.node in names]


def gone_records(said: Iterable[Record], now: Iterable[Record], at_ns: int) -> list[Record]:
    """Says of what was on an earlier map and is on none now that it has gone; else boards would show it for ever."""
    standing = {(record.measurement, record.key): record.tags for record in now}
    records = []
    for one in said:
        tags = standing.get((one.measurement, one.key))
        if one.fields.get("on_map") and tags != one.tags:  # what has other tags now is another series in the store
            key = one.key if tags is None else ""
            records.append(replace(one, fields={**one.fields, "on_map": 0}, at_ns=at_ns, key=key))
    return records


def _stock_record(live: Network, stock: Stock, at_ns: int) -> Record:
    days_d = days_of_supply_d(live, stock)
    arriving = [arc.lead_time_d for arc in live.arcs_into[stock.node] if arc.material == stock.material]
    node = live.by_name[stock.node]
    fields: dict[str, Field] = {"on_map": 1, "title": node.title or node.name, "on_hand": stock.on_hand}
    fields["use_per_d"] = stock.use_per_d or live.planned_use_per_d(stock)
    if arriving:
        fields["lead_time_d"] = max(arriving)
    if days_d != inf:
        fields |= {"days_of_supply_d": days_d, "empty_at": (at_ns + round(days_d * _NS_PER_D)) // _NS_PER_MS}
        fields |= {"spare_d": days_d - max(arriving)} if arriving else {}
    return Record(
        measurement=schema.CHAIN_STOCK.name,
        tags={"node": stock.node, "material": stock.material, "cluster": node.cluster},
        fields=fields,
        at_ns=at_ns,
        key=f"{stock.node}|{stock.material}",
    )


def _node_record(
    live: Network,
    node: Node,
    stocks: Sequence[Stock],
    hit: Sequence[Exposure],
    risks: Mapping[str, Mapping[str, float]],
    at_ns: int,
) -> Record:
    fails = [at for at in (_fails_at_ns(node.name, e) for e in hit) if at]
    survive = [e.time_to_survive_d for e in hit if e.time_to_survive_d is not None]
    cover = [days_of_supply_d(live, stock) for stock in stocks]
    chance_ratio = max((e.chance.get(node.name, 0.0) for e in hit), default=0.0)
    unknown = any(e.unknown for e in hit if e.node == node.name)
    x, y = live.places[node.name]
    fields: dict[str, Field | None] = {
        "on_map": 1,
        "title": node.title or node.name,
        "subtitle": _subtitle(live, node, hit),
        "risk": max((risks[e.key].get(node.name, 0.0) for e in hit), default=0.0),
        "days_of_supply_d": min((days for days in cover if days != inf), default=None),
        "time_to_survive_d": min(survive, default=None),
        "stops_at": min(fails, default=0) // _NS_PER_MS,
        "x": x,
        "y": y,
        "chance_ratio": chance_ratio,
        "colour": str(state_of(chance_ratio, unknown=unknown)),
    }
    return Record(
        measurement=schema.CHAIN_NODE.name,
        tags={"node": node.name, "kind": str(node.kind), "cluster": node.cluster},
        fields={name: value for name, value in fields.items() if value is not None},
        at_ns=at_ns,
        key=node.name,
        detail={
            "equipment": node.equipment,
            "country": node.country,
            "region": node.region,
            "unknown": unknown,
            "causes": sorted({cause for e in hit for cause in e.causes}),
        },
    )


def _arc_risk(arc: Arc, exposure: Exposure, risks: Mapping[str, float]) -> float:
    """What a cut supply, or a failing source, passes on to the target."""
    if (exposure.node, exposure.material) == (arc.target, arc.material):
        return risks.get(arc.target, 0.0)
    return min(risks.get(arc.source, 0.0), risks.get(arc.target, 0.0))


def _fails_at_ns(name: str, exposure: Exposure) -> int:
    """When a node rather stops keeping its planned rate than not, 0 for never."""
    if name == exposure.node:
        return exposure.stops_at_ns
    if name not in exposure.stops:
        return 0
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
        return f"{worst.material}: {_left(worst)} left" if arrives else "below its planned rate"
    if any(node.name in e.stops for e in hit):
        first = min((e for e in hit if node.name in e.stops), key=lambda e: _fails_at_ns(node.name, e))
        return f"runs short: {first.material or 'output'} at {first.node}"
    if hit:
        return f"may run short: {hit[0].material or 'output'} at {hit[0].node}"
    return ", ".join(part for part in (node.region, node.country) if part)


def _left(exposure: Exposure) -> str:
    return "no stock" if exposure.days_of_supply_d is None else span(exposure.days_of_supply_d)
