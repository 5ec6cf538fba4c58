"""Blank points: what the map has no source of, no source of at home, or no signal from. Rules over a View.

A material without a qualified maker at home of which one is in qualification is a shortcoming instead: the way to close
it is known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from detectors.chain.lists.row import HomeKind, Kind, ListName, Number, Row
from detectors.chain.lists.view import View
from detectors.chain.network import Arc, NodeKind


def blank_points(view: View) -> Iterator[Row]:
    """May hold rows of the shortcomings, too."""
    yield from _no_source(view)
    yield from _no_domestic_source(view)
    yield from _no_telemetry(view)


def _no_source(view: View) -> Iterator[Row]:
    """One row for each need that nobody may meet yet."""
    for (target, what), arcs in view.needs.items():
        if view.qualified[target, what]:
            continue
        waiting = sorted({arc.source for arc in arcs})
        yield view.row(
            Kind.NO_SOURCE,
            list=ListName.BLANK_POINTS,
            material=what,
            nodes=waiting,
            felt_by=[target],
            arcs=arcs,
            cause=f"{target} needs {what} and has no qualified source of it",
            clears=f"{' or '.join(waiting)} is qualified",
            evidence={"in_qualification": tuple(waiting)},
        )


def _no_domestic_source(view: View) -> Iterator[Row]:
    """One row for each material all of whose qualified makers are elsewhere."""
    buyers: dict[str, list[Arc]] = defaultdict(list)
    for arcs in view.needs.values():
        for arc in arcs:
            buyers[arc.material].append(arc)
    for material, makers in view.makers.items():
        qualified = [node for node in makers if node.qualified]
        if not qualified or not buyers[material] or any(map(view.at_home, qualified)):
            continue
        waiting = [node.name for node in makers if not node.qualified and view.at_home(node)]
        places = sorted({view.place(node) or node.country for node in qualified} - {""})
        evidence: dict[str, Number] = {"makers": float(len(qualified)), "places": tuple(places)}
        evidence |= {"in_qualification": tuple(waiting)} if waiting else {}
        yield view.row(
            Kind.NO_DOMESTIC_SOURCE,
            list=ListName.SHORTCOMINGS if waiting else ListName.BLANK_POINTS,
            material=material,
            nodes=[node.name for node in qualified],
            felt_by=list(dict.fromkeys(arc.target for arc in buyers[material])),
            arcs=buyers[material],
            cause=f"{material} is made in {', '.join(places) or 'other places'} only, not in {view.home}",
            clears=f"{' or '.join(waiting)} is qualified" if waiting else f"a maker in {view.home} is qualified",
            evidence=evidence | _indices(view, material),
        )


def _indices(view: View, material: str) -> dict[str, Number]:
    """The import dependence of a material at face value."""
    if view.settings.home_kind is not HomeKind.COUNTRY:
        return {}
    found = view.dependences.get(material)
    if found is None:
        return {}
    indices = {"cdi1": found.cdi1, "cdi2": found.cdi2, "cdi3": found.cdi3}
    return {name: value for name, value in indices.items() if value is not None}


def _no_telemetry(view: View) -> Iterator[Row]:
    """One row for each maker without a line of a firm that has others with one."""
    heard = Counter(node.firm for node in view.network.nodes if node.equipment and node.firm)
    for node in view.network.nodes:
        makes = node.kind not in (NodeKind.WAREHOUSE, NodeKind.MARKET)
        if makes and node.firm in heard and not node.equipment:
            others = heard[node.firm]
            yield view.row(
                Kind.NO_TELEMETRY,
                list=ListName.BLANK_POINTS,
                material=node.item,
                nodes=[node.name],
                felt_by=sorted({arc.target for arc in view.network.arcs_from[node.name]}),
                cause=f"{node.name} reports nothing, unlike {others} other lines of its firm",
                clears=f"{node.name} has a line whose counters and stocks are connected",
                evidence={"other_lines": float(others)},
            )
