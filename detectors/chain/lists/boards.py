"""Shortcomings of capacity and energy, and long boards: what there is too much of, or what others seek. Rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import inf

from detectors.chain.lists.row import Kind, ListName, Row
from detectors.chain.lists.view import View
from detectors.chain.map.tables import Capability
from detectors.chain.network import Arc, Node


def shortcomings(view: View) -> Iterator[Row]:
    yield from _capacity_shortfalls(view)
    yield from _energy_caps(view)


def long_boards(view: View) -> Iterator[Row]:
    yield from _surpluses(view)
    yield from _sought_abroad(view)


def _capacity_shortfalls(view: View) -> Iterator[Row]:
    """One row for each node that the plan asks for more than it can make."""
    for node in view.network.nodes:
        asked_per_d = view.network.planned_per_d.get(node.name, 0.0)
        allowed_per_d = node.capacity_per_d * view.settings.full_load_ratio if node.qualified else inf
        if asked_per_d > allowed_per_d * (1 + 1e-9):
            yield view.row(
                Kind.CAPACITY_SHORTFALL,
                list=ListName.SHORTCOMINGS,
                material=node.item,
                nodes=[node.name],
                felt_by=sorted({arc.target for arc in view.network.arcs_from[node.name]}),
                cause=f"{node.name} is asked for {asked_per_d:.6g} a day and may plan with {allowed_per_d:.6g}",
                clears=f"capacity or other sources for {asked_per_d - allowed_per_d:.6g} a day",
                evidence={"planned_per_d": asked_per_d, "capacity_per_d": node.capacity_per_d},
            )


def _energy_caps(view: View) -> Iterator[Row]:
    """One row for each node whose energy allows less than its machines."""
    for node in view.network.nodes:
        machines_per_d = _machines_per_d(node)
        if node.energy_cap_per_d < machines_per_d:
            per_unit = node.energy_cap_per_d / machines_per_d if machines_per_d < inf else 0.0
            machines = f", its machines {machines_per_d:.6g}" if machines_per_d < inf else ""
            less = f", or a unit takes {1 - per_unit:.0%} less energy" if per_unit else ""
            yield view.row(
                Kind.ENERGY_CAP,
                list=ListName.SHORTCOMINGS,
                material=node.item,
                nodes=[node.name],
                felt_by=sorted({arc.target for arc in view.network.arcs_from[node.name]}),
                cause=f"the energy of {node.name} allows {node.energy_cap_per_d:.6g} units a day{machines}",
                clears=f"the cap is lifted{less}",
                evidence={
                    "energy_cap_per_d": node.energy_cap_per_d,
                    "planned_per_d": view.network.planned_per_d.get(node.name, 0.0),
                    "energy_kwh_per_unit": node.energy_kwh_per_unit,
                    **({"capacity_per_d": machines_per_d} if machines_per_d < inf else {}),
                },
            )


def _machines_per_d(node: Node) -> float:
    """What the machines allow. A node knows the smaller of the two alone; its row in the tables has both."""
    if isinstance(node.evidence, Capability):
        return node.evidence.capacity_per_d
    return node.capacity_per_d if node.capacity_per_d > node.energy_cap_per_d else inf


def _surpluses(view: View) -> Iterator[Row]:
    """One row for each material of which the makers could make more than is used; unstated capacity says nothing."""
    for material, makers in view.makers.items():
        qualified = [node for node in makers if node.qualified and (node.item == material or not node.item)]
        can_per_d = sum(node.capacity_per_d for node in qualified)
        used_per_d = sum(view.network.planned_per_d.get(node.name, 0.0) for node in qualified)
        if not used_per_d or can_per_d == inf or can_per_d <= used_per_d * view.settings.surplus_ratio:
            continue
        stocks_d = [view.on_hand_d(node.name, material) for node in qualified]
        limit_per_d = can_per_d / view.settings.surplus_ratio
        yield view.row(
            Kind.SURPLUS,
            list=ListName.LONG_BOARDS,
            material=material,
            nodes=[node.name for node in qualified],
            cause=f"{can_per_d:.6g} a day of {material} can be made, {used_per_d:.6g} are used",
            clears=f"use grows to {limit_per_d:.6g} a day, or capacity goes",
            evidence={
                "capacity_over_use": can_per_d / used_per_d,
                "spare_per_d": can_per_d - used_per_d,
                "days_of_supply_d": min(stocks_d),
            },
            critical=False,
        )


def _sought_abroad(view: View) -> Iterator[Row]:
    """One row for each maker at home on which buyers elsewhere rely for most of an essential need."""
    relied: dict[tuple[str, str], list[Arc]] = defaultdict(list)
    for (target, _), sources in view.qualified.items():
        if view.at_home(view.network.by_name[target]):
            continue
        from_home = [arc for arc in sources if view.at_home(view.network.by_name[arc.source])]
        if sum(arc.share for arc in from_home) > view.settings.sought_ratio * sum(arc.share for arc in sources):
            for arc in from_home:
                relied[arc.source, arc.material].append(arc)
    for (source, material), arcs in relied.items():
        buyers = list(dict.fromkeys(arc.target for arc in arcs))
        yield view.row(
            Kind.SOUGHT_ABROAD,
            list=ListName.LONG_BOARDS,
            material=material,
            nodes=[source],
            felt_by=buyers,
            arcs=arcs,
            cause=f"{len(buyers)} buyers outside of {view.home} rely on {material} from there",
            clears=f"they take no more than {view.settings.sought_ratio:.0%} of it from {view.home}",
            evidence={"buyers": float(len(buyers)), "largest_share_ratio": max(arc.share for arc in arcs)},
        )
