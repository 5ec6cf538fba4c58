"""Weak links: needs that hang on one source, on one hidden sub-supplier, or on one cluster. Rules over a View."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import inf

from detectors.chain.lists.row import Kind, ListName, Number, Row
from detectors.chain.lists.view import View
from detectors.chain.network import Arc


def weak_links(view: View) -> Iterator[Row]:
    yield from _single_sources(view)
    yield from _shared_sub_suppliers(view)
    yield from _one_cluster(view)


def _single_sources(view: View) -> Iterator[Row]:
    """One row for each source and material, over the buyers whose stocks do not last until supply is back."""
    alone: dict[tuple[str, str], list[Arc]] = defaultdict(list)
    for sources in view.qualified.values():
        if len({arc.source for arc in sources}) == 1:
            alone[sources[0].source, sources[0].material].extend(sources)
    for (source, material), arcs in alone.items():
        thin = [arc for arc in arcs if _covered_d(view, arc) < _out_d(view, arc) * view.settings.cover_ratio]
        if thin:
            yield _single_source(view, source, material, thin)


def _single_source(view: View, source: str, material: str, arcs: Sequence[Arc]) -> Row:
    worst = min(arcs, key=lambda arc: _covered_d(view, arc) - min(_out_d(view, arc), 1e9))
    out_d = max(_out_d(view, arc) for arc in arcs) * view.settings.cover_ratio
    waiting = sorted({a.source for arc in arcs for a in view.needs[arc.need] if not a.qualified})
    second = f"{' or '.join(waiting)} is qualified" if waiting else "a second source is qualified"
    stock = f", or stocks and deliveries last {out_d:.6g} days" if out_d < inf else ""
    node = view.network.by_name[source]
    evidence: dict[str, Number] = {
        "days_of_supply_d": view.on_hand_d(worst.target, material),
        "on_its_way_d": view.on_its_way_d(worst.target, material),
        "at_source_d": view.on_hand_d(source, node.item),
        "lead_time_d": max(arc.lead_time_d for arc in arcs),
        "source_country": node.country,
    }
    if node.time_to_recover_d is not None:
        evidence["time_to_recover_d"] = node.time_to_recover_d
    if worst.price:
        evidence["price"] = worst.price
    evidence |= {"source_role": node.role} if node.role else {}
    evidence |= {"in_qualification": tuple(waiting)} if waiting else {}
    days = _covered_d(view, worst)
    return view.row(
        Kind.SINGLE_SOURCE,
        list=ListName.WEAK_LINKS,
        material=material,
        nodes=[source],
        felt_by=[arc.target for arc in arcs],
        arcs=arcs,
        cause=f"{source} alone supplies {material}; {_span(days)} of it are there or come in time, {_lasts(out_d)}",
        clears=second + stock,
        evidence=evidence,
    )


def _covered_d(view: View, arc: Arc) -> float:
    """Days the buyer can go on when the source makes nothing more: its stock, what comes in time, the stock there."""
    own = view.network.by_name[arc.source].item
    there = view.on_hand_d(arc.target, arc.material) + view.in_time_d(arc.target, arc.material)
    return there + view.on_hand_d(arc.source, own)


def _out_d(view: View, arc: Arc) -> float:
    """Days until there is supply again: the source's recovery or a new order, whichever takes longer; else unknown."""
    recovers_d = view.network.by_name[arc.source].time_to_recover_d
    return inf if recovers_d is None else max(recovers_d, arc.lead_time_d)


def _span(days: float) -> str:
    return f"{days:.3g} days" if days < inf else "stocks without end"


def _lasts(out_d: float) -> str:
    return f"{out_d:.6g} days are needed" if out_d < inf else "how long it takes to recover is unknown"


def _shared_sub_suppliers(view: View) -> Iterator[Row]:
    """One row for each node that stands behind all sources of needs that have several."""
    for name, hidden in view.logic.shared_sub_suppliers().items():
        materials = sorted({_material(view, need) for need in hidden if need in view.qualified})
        if not materials:
            continue
        node, arcs = view.network.by_name[name], [arc for arc in view.network.arcs_from[name] if arc.qualified]
        sources = {arc.source for need in hidden for arc in view.qualified.get(need, ())}
        what = ", ".join(materials)
        yield view.row(
            Kind.SHARED_SUB_SUPPLIER,
            list=ListName.WEAK_LINKS,
            material=node.item,
            nodes=[name],
            felt_by=sorted({arc.target for arc in arcs}),
            arcs=arcs,
            cause=f"all sources of {what} stop without {node.item} of {name}, though there are several",
            clears=f"for each of {what} one source no longer needs {name}",
            evidence={
                "materials": tuple(materials),
                "needs": float(len(hidden)),
                "sources": tuple(sorted(sources - {name})),
                "source_country": node.country,
            },
        )


def _one_cluster(view: View) -> Iterator[Row]:
    """One row for each material and cluster in which all of the several sources of a need lie."""
    together: dict[tuple[str, str], list[Arc]] = defaultdict(list)
    for need, several in view.qualified.items():
        clusters = {view.network.by_name[arc.source].cluster for arc in several}
        if len({arc.source for arc in several}) > 1 and len(clusters) == 1 and "" not in clusters:
            together[_material(view, need), clusters.pop()].extend(several)
    for (material, cluster), arcs in together.items():
        sources = list(dict.fromkeys(arc.source for arc in arcs))
        yield view.row(
            Kind.ONE_CLUSTER,
            list=ListName.WEAK_LINKS,
            material=material,
            nodes=sources,
            felt_by=list(dict.fromkeys(arc.target for arc in arcs)),
            arcs=arcs,
            cause=f"all {len(sources)} sources of {material} are in {cluster}",
            clears=f"a source outside of {cluster} is qualified",
            evidence={
                "sources": float(len(sources)),
                "cluster": cluster,
                "hhi_supplier": max(view.hhi_supplier[arc.need] for arc in arcs),
            },
        )


def _material(view: View, need: tuple[str, str]) -> str:
    """What is needed: the material, or all of a group that replace each other."""
    return "/".join(sorted({arc.material for arc in view.qualified[need]}))
