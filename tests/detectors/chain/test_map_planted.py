"""The demo chain holds the truths that PLANTED.toml names and none other of their kinds: found here by plain search."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from detectors.chain.map.folder import check
from detectors.chain.map.tables import Capability, Role
from detectors.chain.network import Arc, Network, Node

SITE = Path(__file__).parents[3] / "deploy" / "sites" / "nev_drive"
PLANTED: dict[str, Any] = tomllib.loads((SITE / "PLANTED.toml").read_text(encoding="utf-8"))
ALL: dict[str, Any] = PLANTED["all"]
CHECKED = check(SITE / "chain")


@pytest.fixture(scope="module")
def network() -> Network:
    assert CHECKED.network is not None, CHECKED.errors
    return CHECKED.network


def sources_by_need(network: Network) -> dict[tuple[str, str], list[Arc]]:
    """The qualified sources of every need of a node."""
    needs: dict[tuple[str, str], list[Arc]] = defaultdict(list)
    for arc in network.arcs:
        if arc.qualified and arc.essential == 2:
            needs[arc.need].append(arc)
    return needs


def makers(network: Network) -> dict[str, list[Node]]:
    """Who can deliver each material that somebody takes."""
    return {
        material: [node for node in network.nodes if node.item == material and node.qualified]
        for material in {arc.material for arc in network.arcs}
    }


def stopped_without(network: Network, lost: Iterable[str]) -> set[str]:
    """Nodes that can make nothing more when others are lost: a need is an OR of sources, a node an AND of needs."""
    stopped, needs = set(lost), sources_by_need(network)
    while True:
        more = {node for (node, _), arcs in needs.items() if all(arc.source in stopped for arc in arcs)} - stopped
        if not more:
            return stopped
        stopped |= more


def truth(kind: str, material: str) -> dict[str, Any]:
    truths: list[dict[str, Any]] = PLANTED["truth"]
    (found,) = [one for one in truths if (one["kind"], one["material"]) == (kind, material)]
    return found


def test_there_are_about_48_sites_of_both_leaders_and_small_firms() -> None:
    sites = CHECKED.tables.sites
    assert 45 <= len(sites) <= 50
    assert {site.role for site in sites} == set(Role)
    assert {site.country for site in sites} == {"CN", "TW", "JP", "DE", "KR"}
    assert {site.cluster for site in sites} == {"", "Nanjing", "Suzhou", "Wuxi", "Changzhou", "Hefei"}
    assert len({site.industry[:2] for site in sites}) >= 9
    assert all("fictional" in row.source for table in CHECKED.tables for row in table)


def test_its_lines_are_those_of_the_simulated_plant(network: Network) -> None:
    plant = tomllib.loads((SITE / "plant.toml").read_text(encoding="utf-8"))["site"]
    lines = {f"{site['name']}/{line['name']}" for site in plant for line in site["line"]}
    items = {
        f"{site['name']}/{line['name']}/store:stock_{item['name']}": item
        for site in plant
        for line in site["line"]
        for item in line["item"]
    }
    assert network.by_equipment.keys() == lines
    assert network.by_series.keys() == items.keys()
    for series, item in items.items():
        stock = network.by_series[series]
        assert stock.on_hand == item["stock"]
        assert network.quantity_per(stock.node, stock.material) == item["per_unit"]


def test_single_sources(network: Network) -> None:
    alone = {what: arcs for what, arcs in sources_by_need(network).items() if len(arcs) == 1}
    assert sorted({arcs[0].material for arcs in alone.values()}) == ALL["single_source"]
    for material in ("mcu", "ntc_sensor"):
        planted = truth("single_source", material)
        found = [arcs[0] for arcs in alone.values() if arcs[0].material == material]
        assert [arc.target for arc in found] == planted["nodes"]
        assert {arc.source for arc in found} == {planted["source"]}


def test_the_mcu_has_12_days_of_stock_and_26_weeks_of_lead_time(network: Network) -> None:
    planted = truth("single_source", "mcu")
    held = [stock for stock in network.stocks if stock.material == "mcu"]
    for stock in held:
        days = stock.on_hand / network.planned_use_per_d(stock)
        assert days == pytest.approx(planted["days_of_supply_d"], rel=1e-3)
    leads = {arc.lead_time_d for arc in network.arcs if arc.material == "mcu"}
    assert leads == {planted["lead_time_d"]} == {26 * 7}


def test_the_sensor_of_a_small_firm_stops_the_leader(network: Network) -> None:
    planted = truth("single_source", "ntc_sensor")
    assert {arc.price for arc in network.arcs if arc.material == "ntc_sensor"} == {planted["price"]}
    assert network.by_name["ntc_maker"].role == planted["role"]
    stopped = stopped_without(network, ["ntc_maker"])
    assert {node for node in stopped if network.by_name[node].demand_per_d} == set(planted["stops"])


def test_materials_without_a_domestic_source(network: Network) -> None:
    abroad = [m for m, nodes in makers(network).items() if all(node.country != "CN" for node in nodes)]
    assert sorted(abroad) == ALL["no_domestic_source"]
    unqualified = [node.name for node in network.nodes if not node.qualified]
    assert unqualified == truth("no_domestic_source", "igbt_module")["unqualified"]


def test_shared_sub_suppliers(network: Network) -> None:
    found: dict[str, list[str]] = {}
    for node in network.nodes:
        stopped = stopped_without(network, [node.name])
        hidden = {
            arcs[0].material
            for (target, _), arcs in sources_by_need(network).items()
            if len(arcs) > 1 and target in stopped and all(arc.source in stopped for arc in arcs)
        }
        if hidden:
            found[node.name] = sorted(hidden)
    assert found == ALL["shared_sub_supplier"]


def test_materials_of_several_sources_in_one_cluster(network: Network) -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for arcs in sources_by_need(network).values():
        if len(arcs) > 1:
            nodes = [network.by_name[arc.source] for arc in arcs]
            if all(node.cluster for node in nodes) and len({node.cluster for node in nodes}) == 1:
                places[arcs[0].material].add(nodes[0].cluster)
    assert dict(places) == {"separator": {truth("one_cluster", "separator")["cluster"]}}
    assert sorted(places) == ALL["one_cluster"]


def test_surplus(network: Network) -> None:
    ratio = {
        material: sum(n.capacity_per_d for n in nodes) / sum(network.planned_per_d[n.name] for n in nodes)
        for material, nodes in makers(network).items()
    }
    assert [material for material, times in ratio.items() if times > 4] == ALL["surplus"]
    assert ratio["cathode"] == pytest.approx(truth("surplus", "cathode")["capacity_over_use"], abs=0.01)
    assert max(times for material, times in ratio.items() if material != "cathode") < 2


def test_energy_caps(network: Network) -> None:
    capped = [node for node in network.nodes if node.energy_cap_per_d < _stated(node)]
    assert [node.name for node in capped] == ALL["energy_cap"]
    (planted,) = [one for one in PLANTED["truth"] if one["kind"] == "energy_cap"]
    assert (_stated(capped[0]), capped[0].capacity_per_d) == (planted["capacity_per_d"], planted["energy_cap_per_d"])


def test_a_line_without_telemetry(network: Network) -> None:
    heard = {node.firm for node in network.nodes if node.equipment}
    assert [n.name for n in network.nodes if n.firm in heard and not n.equipment] == ALL["no_telemetry"]


def test_every_node_of_a_truth_is_on_the_map(network: Network) -> None:
    for one in PLANTED["truth"]:
        named = {*one["nodes"], *one.get("stops", ()), *one.get("unqualified", ())} | {one.get("source", "pack_line")}
        assert named <= network.by_name.keys(), one


def _stated(node: Node) -> float:
    assert isinstance(node.evidence, Capability)
    return node.evidence.capacity_per_d
