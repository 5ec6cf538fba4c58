"""Chain leaders, the small firms that stop with them, and the small firm that stops them: `leaders(view)`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from detectors.chain import graph
from detectors.chain.lists.row import Leader, LivesOn
from detectors.chain.lists.view import View

_LEADER, _SME = "leader", "sme"


def leaders(view: View) -> Iterator[Leader]:
    """One for each firm that has nodes with the role `leader`, in the order of the map; no firm named: one per node."""
    of_firm: dict[str, list[str]] = defaultdict(list)
    for node in view.network.nodes:
        if node.role == _LEADER:
            of_firm[node.firm or node.name].append(node.name)
    stopped_by = _stopped_by(view)
    order = _upstream_last(view)
    for firm, nodes in of_firm.items():
        small = {sme: tuple(name for name in nodes if name in stopped) for sme, stopped in stopped_by.items()}
        evidence = [view.network.by_name[name].evidence for name in nodes]
        yield Leader(
            firm=firm,
            nodes=tuple(nodes),
            stops_with_it=tuple(_living_on(view, nodes, order)),
            stopped_by={sme: hit for sme, hit in small.items() if hit},
            as_of_ns=min((fact.as_of_ns for fact in evidence if fact is not None), default=0),
            chains=view.chains(nodes),
            clusters=_labels(view, nodes, "cluster"),
            divisions=_labels(view, nodes, "division"),
        )


def ends_at(view: View, nodes: Sequence[str], order: Iterable[str] | None = None) -> Mapping[str, float]:
    """The ratio of what each node is planned to make that goes into these nodes in the end, where there is any."""
    ratio = dict.fromkeys(nodes, 1.0)
    planned_per_d = view.network.planned_per_d
    for name in order or _upstream_last(view):
        if name in ratio or not planned_per_d[name]:
            continue
        there = sum(
            planned_per_d[arc.target] * arc.quantity_per * arc.share * ratio.get(arc.target, 0.0)
            for arc in view.network.arcs_from[name]
        )
        if there:
            ratio[name] = there / planned_per_d[name]
    return ratio


def _living_on(view: View, nodes: Sequence[str], order: Sequence[str]) -> Iterator[LivesOn]:
    """The small firms that lose more than the settings allow when these nodes stop, those that lose most first."""
    ratio = ends_at(view, nodes, order)
    for name in sorted(ratio, key=lambda name: (-ratio[name], name)):
        small = view.network.by_name[name].role == _SME
        if small and ratio[name] > view.settings.lives_on_ratio:
            yield LivesOn(name, min(1.0, ratio[name]))


def _stopped_by(view: View) -> Mapping[str, frozenset[str]]:
    """By small firm's node: all that stop without it alone."""
    small = [node.name for node in view.network.nodes if node.role == _SME]
    return {name: frozenset(view.logic.stopped_without([name])) - {name} for name in small}


def _upstream_last(view: View) -> list[str]:
    pairs = [(arc.source, arc.target) for arc in view.network.arcs]
    return graph.upstream_first(list(view.network.by_name), pairs)[::-1]


def _labels(view: View, nodes: Iterable[str], kind: str) -> tuple[str, ...]:
    return tuple(sorted({getattr(view.network.by_name[name], kind) for name in nodes} - {""}))
