"""What open alerts put at risk: `exposures(network, floor, at_ns)`, one Exposure per disrupted (node, material).

Pure. Input: the Network and the Floor as of an instant. Output goes through `said` to the spool. Each disruption is
judged alone, on live stocks: a shortage cuts the material's supply to the node, an output drop leaves the line its
measured ratio, and a silent line or stock is unknown: its last values stand, it is flagged and nothing is taken as
zero. What cannot be computed is unknown, too, and says why.
"""

from __future__ import annotations

import logging
from math import inf
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collector.errors import AndonError
from collector.readings import NS_PER_S
from detectors.alerts import Alert
from detectors.chain.floor import OUTPUT_DROP, SHORTAGE, SILENT, Floor
from detectors.chain.live import days_of_supply_d, in_planned_units, on_the_floor
from detectors.chain.network import Arc, Network
from detectors.chain.programme.programmes import Programmes
from detectors.chain.survive import Scenario

log = logging.getLogger(__name__)

_NS_PER_D = 86_400 * NS_PER_S


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """What one disruption does to the chain. `_d` are days from `at_ns`, the instant it holds for; instants are UTC ns.

    `time_to_survive_d` is how long every market can still be served, None for ever. `stops_at_ns` is when the node
    itself can no longer keep its planned rate, `first_loss_at_ns` when the first sale is lost, both if nothing is done
    and 0 for never. `stops` are the downstream nodes that fail to keep their rate before recovery, soonest first, and
    `stops_in_d` says when. `lost_per_d` is the value lost a day once stocks are used up, `lost` that until recovery.
    """

    node: str
    material: str
    at_ns: int
    days_of_supply_d: float | None = None
    time_to_survive_d: float | None = None
    time_to_recover_d: float = 0.0
    gap_d: float = 0.0
    lost_per_d: float = 0.0
    lost: float = 0.0
    stops_at_ns: int = 0
    first_loss_at_ns: int = 0
    stops: tuple[str, ...] = ()
    stops_in_d: tuple[float, ...] = ()
    causes: tuple[str, ...] = ()  # keys of the alerts; none: the exposure has ended
    best_action: str = ""
    unknown: bool = False  # the line is silent, its last values stand; or see below
    why_unknown: str = ""  # why it could not be computed

    @property
    def key(self) -> str:
        return f"{self.node}|{self.material}"

    def risk(self, node: str) -> float:
        """0 to 1: the part of the time to recover over which `node` fails to keep its planned rate."""
        fails_in_d = dict(zip(self.stops, self.stops_in_d, strict=True))
        if self.stops_at_ns:
            fails_in_d[self.node] = (self.stops_at_ns - self.at_ns) / _NS_PER_D
        if node not in fails_in_d or not self.time_to_recover_d:
            return 0.0
        return min(1.0, max(0.0, 1 - fails_in_d[node] / self.time_to_recover_d))

    def ended(self, at_ns: int) -> Exposure:
        """This exposure after its alerts have closed: nothing is at risk any more."""
        return Exposure(node=self.node, material=self.material, at_ns=at_ns, time_to_recover_d=self.time_to_recover_d)


def exposures(network: Network, floor: Floor, at_ns: int, programmes: Programmes | None = None) -> list[Exposure]:
    """The exposures of all open alerts that touch the chain, in order of their keys.

    Who asks again and again gives the chain's `programmes`: they follow the floor, and what no alert or stock has
    touched since is not computed anew. Answers are the same with and without.
    """
    live = on_the_floor(network, floor, at_ns)
    silent = _causes_of_silence(live, floor)
    silent_lines = {live.by_equipment[a.subject].name for a in _silences(floor) if a.subject in live.by_equipment}
    found = {}
    kept = programmes or Programmes(network)
    kept.follow(in_planned_units(live))
    for what, causes in _causes(live, floor).items():
        exposure = _exposure_or_why_not(live, kept, floor, what, causes, at_ns)
        is_silent = exposure.node in silent_lines or (exposure.node, exposure.material) in silent
        found[exposure.key] = replace(exposure, unknown=exposure.unknown or is_silent)
    for (name, material), causes in silent.items():
        unknown = _unknown(live, name, material, causes, at_ns)
        found.setdefault(unknown.key, unknown)
    return [found[key] for key in sorted(found)]


What = tuple[str, str, str]  # (kind of alert, node, material)


class _Disruption(NamedTuple):
    """Something that fails at `node` for `recover_d`, `material` is what is missing."""

    node: str
    material: str
    cover_d: float | None
    scenario: Scenario
    recover_d: float
    causes: tuple[str, ...]


def _disruption(live: Network, floor: Floor, what: What, causes: tuple[str, ...]) -> _Disruption:
    kind, name, material = what
    cover_d = _cover_d(live, name, material)
    sources = live.sources(name, material)
    if kind == SHORTAGE and sources:
        cut, recover_d = Scenario(cut=frozenset({(name, material)})), _supply_recovers_d(live, sources)
        return _Disruption(name, material, cover_d, cut, recover_d, causes)
    # a line below its rate, or a shortage of what nobody in the chain supplies
    ratio = floor.line_ratio.get(name, 0.0) if kind == OUTPUT_DROP else 0.0
    slowed = Scenario(at_most_per_d={name: ratio * live.planned_per_d[name]})
    return _Disruption(name, material, cover_d, slowed, live.by_name[name].time_to_recover_d or 0.0, causes)


def _causes(live: Network, floor: Floor) -> dict[What, tuple[str, ...]]:
    """The keys of the open alerts by what they disrupt: (kind, node, material)."""
    causes: dict[What, tuple[str, ...]] = {}
    for alert in floor.alerts:
        stock, line = live.by_series.get(alert.series), live.by_equipment.get(alert.shard)
        if alert.kind == SHORTAGE and stock is not None:
            what = (SHORTAGE, stock.node, stock.material)
        elif alert.kind == OUTPUT_DROP and line is not None:
            what = (OUTPUT_DROP, line.name, made_by(live, line.name))
        else:
            continue
        causes[what] = tuple(sorted((*causes.get(what, ()), alert.key)))
    return causes


def made_by(network: Network, name: str) -> str:
    """What a node's product is called on its way out, `""` when nobody in the chain takes it."""
    return network.arcs_from[name][0].material if network.arcs_from[name] else ""


def _supply_recovers_d(network: Network, sources: list[Arc]) -> float:
    """The supply is back when its largest source has recovered; of equal ones, the slowest."""
    return max((arc.share, network.by_name[arc.source].time_to_recover_d or 0.0) for arc in sources)[1]


def _exposure_or_why_not(
    live: Network, kept: Programmes, floor: Floor, what: What, causes: tuple[str, ...], at_ns: int
) -> Exposure:
    """A disruption without an answer is told as unknown, with the reason: the others must still be judged."""
    _, name, material = what
    try:
        return _exposure(live, kept, _disruption(live, floor, what, causes), at_ns)
    except Exception as error:
        log.exception("exposure.failed node=%s material=%s", name, material)
        why = str(error) if isinstance(error, AndonError) else f"{type(error).__name__}: {error}"
        return replace(_unknown(live, name, material, causes, at_ns), why_unknown=why)


def _exposure(live: Network, kept: Programmes, disruption: _Disruption, at_ns: int) -> Exposure:
    name, material, cover_d, scenario, recover_d, causes = disruption
    survive_d = kept.time_to_survive_d(scenario)
    gap_d = max(0.0, recover_d - survive_d) if survive_d is not None else 0.0
    reached = [(kept.keeps_rate_d(each, scenario), each) for each in live.downstream(name)]
    stops = sorted((days, each) for days, each in reached if days is not None and days < recover_d)
    return Exposure(
        node=name,
        material=material,
        at_ns=at_ns,
        days_of_supply_d=cover_d,
        time_to_survive_d=survive_d,
        time_to_recover_d=recover_d,
        gap_d=gap_d,
        lost_per_d=kept.lost_per_d(scenario),
        lost=kept.loss(scenario, recover_d),
        stops_at_ns=_instant(at_ns, kept.keeps_rate_d(name, scenario)),
        first_loss_at_ns=_instant(at_ns, survive_d),
        stops=tuple(each for _, each in stops),
        stops_in_d=tuple(days for days, _ in stops),
        causes=causes,
        best_action=best_action(live, name, material, gap_d),
    )


def _unknown(live: Network, name: str, material: str, causes: tuple[str, ...], at_ns: int) -> Exposure:
    return Exposure(
        node=name,
        material=material,
        at_ns=at_ns,
        days_of_supply_d=_cover_d(live, name, material),
        time_to_recover_d=live.by_name[name].time_to_recover_d or 0.0,
        causes=causes,
        unknown=True,
    )


def _causes_of_silence(live: Network, floor: Floor) -> dict[tuple[str, str], tuple[str, ...]]:
    """By (node, material) of a silent line, or of the stock whose own series is silent: the keys of the alerts."""
    silent: dict[tuple[str, str], tuple[str, ...]] = {}
    for alert in _silences(floor):
        if alert.subject in live.by_equipment:
            name = live.by_equipment[alert.subject].name
            what = (name, made_by(live, name))
        elif alert.subject in live.by_series:
            what = (live.by_series[alert.subject].node, live.by_series[alert.subject].material)
        else:
            continue
        silent[what] = tuple(sorted((*silent.get(what, ()), alert.key)))
    return silent


def _silences(floor: Floor) -> list[Alert]:
    return [alert for alert in floor.alerts if alert.kind == SILENT]


def _cover_d(live: Network, name: str, material: str) -> float | None:
    """Days of supply of a material at a node, None where no stock of it is kept or none is used."""
    arrives = any(arc.material == material for arc in live.arcs_into[name])
    held = (s for s in live.stocks if s.node == name and live.is_input(s) == arrives)
    days = (days_of_supply_d(live, s) for s in held if not arrives or s.material == material)
    return min((d for d in days if d != inf), default=None)


def best_action(network: Network, name: str, material: str, gap_d: float) -> str:
    """The cheapest action that covers the gap, else the one that covers most of it; `""` without a gap or an action."""
    fitting = [m for m in network.mitigations if m.node == name and m.material in ("", material)]
    if not fitting or not gap_d:
        return ""
    enough = [m for m in fitting if m.covers_d >= gap_d]
    best = min(enough, key=lambda m: m.cost) if enough else max(fitting, key=lambda m: (m.covers_d, -m.cost))
    return best.action


def _instant(at_ns: int, days: float | None) -> int:
    return 0 if days is None else at_ns + round(days * _NS_PER_D)
