"""What open alerts disrupt (Disruption): a supply that is cut, a line that is slowed, and for how long that may last.

A shortage cuts the material's supply to the node until its largest source has recovered; an output drop leaves the line
what it makes at least, until the line itself has. Lines that run slower than usual beyond chance cap every other
scenario (`slow_lines`). Silence disrupts nothing: what is unknown is not zero. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from detectors.alerts import Alert
from detectors.chain.floor import OUTPUT_DROP, SHORTAGE, SILENT, Floor, Place
from detectors.chain.network import Arc, Network
from detectors.chain.programme.scenario import Scenario
from detectors.chain.recovery import TimeToRecover
from detectors.chain.recovery_book import RecoveryBook

What = tuple[str, str, str]  # (kind of alert, node, material)


class Disruption(NamedTuple):
    """Something that fails at `node`; `material` is what is missing, `recovers` the node whose recovery ends it."""

    node: str
    material: str
    scenario: Scenario
    recovers: str
    lasting: TimeToRecover


def disruption_of(live: Network, book: RecoveryBook, floor: Floor, what: What, at_ns: int) -> Disruption:
    """The disruption of an alert. Raises MissingRecovery where nobody knows how long it takes."""
    kind, name, material = what
    sources = live.sources(name, material)
    if kind == SHORTAGE and sources:
        cut = Scenario(cut=frozenset({(name, material)}))
        recovers, lasting = _largest(sources, book, at_ns)
        return Disruption(name, material, cut, recovers, lasting)
    # a line below its rate, or a shortage of what nobody in the chain supplies
    ratio = floor.relied_on_ratio(name) if kind == OUTPUT_DROP else 0.0
    slowed = Scenario(at_most_per_d={name: ratio * live.planned_per_d[name]})
    return Disruption(name, material, slowed, name, book.time_to_recover(name, at_ns))


def slow_lines(live: Network, floor: Floor, but: str) -> dict[str, float]:
    """The rate a day of every other line that is slower than usual beyond chance, or has an output drop open."""
    dropped = {live.by_equipment[a.shard].name for a in floor.alerts if _is_drop(a) and a.shard in live.by_equipment}
    slow = {name: known.low for name, known in floor.output.items() if known.is_slow or name in dropped}
    return {name: low * live.planned_per_d[name] for name, low in slow.items() if name != but}


def with_others(scenario: Scenario, others: Mapping[str, float]) -> Scenario:
    """The scenario on lines that are slow anyway."""
    return Scenario(scenario.remaining, scenario.cut, {**others, **scenario.at_most_per_d}) if others else scenario


def causes_of(live: Network, floor: Floor) -> dict[What, tuple[str, ...]]:
    """The keys of the open alerts by what they disrupt: (kind, node, material)."""
    causes: dict[What, tuple[str, ...]] = {}
    for alert in floor.alerts:
        what = disrupted_by(live, alert)
        if what is not None:
            causes[what] = tuple(sorted((*causes.get(what, ()), alert.key)))
    return causes


def disrupted_by(live: Network, alert: Alert) -> What | None:
    """What an alert disrupts, None where it does not touch the chain or is about silence."""
    stock, line = live.by_series.get(alert.series), live.by_equipment.get(alert.shard)
    if alert.kind == SHORTAGE and stock is not None:
        return (SHORTAGE, stock.node, stock.material)
    if _is_drop(alert) and line is not None:
        return (OUTPUT_DROP, line.name, made_by(live, line.name))
    return None


def place_of(live: Network, alert: Alert) -> Place | None:
    """The (node, material) of which an alert speaks, silence included; None where it does not touch the chain."""
    what = disrupted_by(live, alert)
    if what is not None:
        return what[1:]
    if alert.kind != SILENT:
        return None
    if alert.subject in live.by_equipment:
        name = live.by_equipment[alert.subject].name
        return name, made_by(live, name)
    stock = live.by_series.get(alert.subject)
    return (stock.node, stock.material) if stock else None


def causes_of_silence(live: Network, floor: Floor) -> dict[Place, tuple[str, ...]]:
    """By (node, material) of a silent line, or of the stock whose own series is silent: the keys of the alerts."""
    silent: dict[Place, tuple[str, ...]] = {}
    for alert in (one for one in floor.alerts if one.kind == SILENT):
        place = place_of(live, alert)
        if place is not None:
            silent[place] = tuple(sorted((*silent.get(place, ()), alert.key)))
    return silent


def silent_lines(live: Network, floor: Floor) -> set[str]:
    """The nodes whose line is silent."""
    subjects = (alert.subject for alert in floor.alerts if alert.kind == SILENT)
    return {live.by_equipment[subject].name for subject in subjects if subject in live.by_equipment}


def made_by(network: Network, name: str) -> str:
    """What a node's product is called on its way out, `""` when nobody in the chain takes it."""
    return network.arcs_from[name][0].material if network.arcs_from[name] else ""


def _largest(sources: list[Arc], book: RecoveryBook, at_ns: int) -> tuple[str, TimeToRecover]:
    """The supply is back when its largest source has recovered; of equal ones, the slowest."""
    largest = max(arc.share for arc in sources)
    found = {arc.source: book.time_to_recover(arc.source, at_ns) for arc in sources if arc.share == largest}
    return max(found.items(), key=lambda one: one[1].quantile_d(0.5))


def _is_drop(alert: Alert) -> bool:
    return alert.kind == OUTPUT_DROP
