"""The planners' lists: all that was planted in the demo chain and no more; each row goes when it is cleared."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from detectors.chain.lists.anonymous import anonymous
from detectors.chain.lists.lists import By, Lists, grouped, lists
from detectors.chain.lists.row import HomeKind, Kind, ListName, Row, Settings
from detectors.chain.map.folder import load
from detectors.chain.map.tables import Capability
from detectors.chain.network import Arc, Network, Node, NodeKind, Stock

SITE = Path(__file__).parents[3] / "deploy" / "sites" / "nev_drive"
PLANTED: dict[str, Any] = tomllib.loads((SITE / "PLANTED.toml").read_text(encoding="utf-8"))
ALL: dict[str, Any] = PLANTED["all"]
NETWORK = load(SITE / "chain")
FOUND = lists(NETWORK)
FROM_ONE = (Kind.SINGLE_SOURCE, Kind.SHARED_SUB_SUPPLIER)


def rows_of(found: Lists, kind: Kind) -> list[Row]:
    return [row for row in found.rows if row.kind is kind]


def materials(kind: str) -> list[str]:
    return sorted(row.material for row in rows_of(FOUND, Kind(kind)))


def about(row: Row) -> list[str]:
    """The nodes that PLANTED.toml names for a row: who depends on it where the source has its own key."""
    return sorted(row.felt_by if row.kind in FROM_ONE else row.nodes)


@pytest.mark.parametrize("truth", PLANTED["truth"], ids=lambda truth: f"{truth['kind']}-{truth['material']}")
def test_every_planted_truth_is_found(truth: dict[str, Any]) -> None:
    (row,) = [row for row in rows_of(FOUND, Kind(truth["kind"])) if row.material == truth["material"]]
    assert row.list == truth["list"]
    assert about(row) == sorted(truth["nodes"])
    assert list(row.nodes) == [truth["source"]] if "source" in truth else row.kind not in FROM_ONE
    assert row.evidence.get("in_qualification", ()) == tuple(truth.get("unqualified", ()))
    for name in ("lead_time_d", "price", "capacity_per_d", "energy_cap_per_d", "cluster"):
        assert row.evidence.get(name) == truth.get(name, row.evidence.get(name))
    for name in ("days_of_supply_d", "capacity_over_use"):
        assert row.evidence.get(name) == pytest.approx(truth.get(name, row.evidence.get(name)), abs=0.01)


def test_none_is_invented() -> None:
    assert {row.kind for row in FOUND.rows} == {Kind(kind) for kind in ALL}
    for kind in ("single_source", "no_domestic_source", "one_cluster", "surplus"):
        assert materials(kind) == ALL[kind]
    for kind in ("energy_cap", "no_telemetry"):
        assert [row.nodes for row in rows_of(FOUND, Kind(kind))] == [(name,) for name in ALL[kind]]
    shared = {row.nodes[0]: list(row.evidence["materials"]) for row in rows_of(FOUND, Kind.SHARED_SUB_SUPPLIER)}
    assert shared == ALL["shared_sub_supplier"]


def test_every_row_says_why_with_numbers_since_when_and_what_clears_it() -> None:
    for row in FOUND.rows:
        assert row.cause and row.clears and row.facts and row.chains and row.divisions
        assert any(isinstance(value, float) for value in row.evidence.values())
        assert 2025 < row.as_of_ns / 86_400e9 / 365.25 + 1970 < 2027
        assert 0 < row.confidence <= 1
    wafer = next(row for row in FOUND.rows if row.material == "mcu_wafer")
    assert wafer.confidence == 0.5  # of the trade press, its weakest fact


def test_what_stops_most_stands_first() -> None:
    for name in ListName:
        stakes = [row.at_stake_per_d for row in FOUND.of(name)]
        assert stakes == sorted(stakes, reverse=True)
    ntc = next(row for row in FOUND.rows if row.material == "ntc_sensor")
    assert ntc.at_stake_per_d == 2200 * 3000


def test_leaders_with_the_small_firms_beside_them() -> None:
    by_firm = {leader.firm: leader for leader in FOUND.leaders}
    assert set(by_firm) == {"Huaihe Motors", "Taihu Grid Storage", "Jinling E-Drive"}
    cars, storage, drives = by_firm["Huaihe Motors"], by_firm["Taihu Grid Storage"], by_firm["Jinling E-Drive"]
    assert cars.stopped_by == {"ntc_maker": ("vehicle_plant",)}
    assert drives.stopped_by == {"ntc_maker": ("motor_1", "motor_2")}
    assert storage.stopped_by == {}
    assert [one.node for one in storage.stops_with_it] == ["frame_maker", "frame_maker_2"]
    assert {one.node: round(one.ratio, 9) for one in drives.stops_with_it}["ntc_maker"] == 0.9  # the rest: motor_3
    small = {node.name for node in NETWORK.nodes if node.role == "sme"}
    assert {one.node for leader in FOUND.leaders for one in leader.stops_with_it} <= small


def with_node(network: Network, name: str, **changed: Any) -> Network:
    nodes = tuple(replace(node, **changed) if node.name == name else node for node in network.nodes)
    arcs = network.arcs
    if "qualified" in changed:
        arcs = tuple(replace(arc, qualified=changed["qualified"]) if arc.source == name else arc for arc in arcs)
    return Network(nodes, arcs, network.stocks)


def with_maker(network: Network, item: str, targets: Iterable[str], **fields: Any) -> Network:
    """One more qualified maker of an item, in Zhuhai, that supplies these nodes in reserve."""
    place = {"country": "CN", "region": "Zhuhai", "cluster": "Zhuhai", "division": "39"}
    new = Node(name="new", kind=NodeKind.SUPPLIER, item=item, **{**place, **fields})
    arcs = tuple(Arc(source="new", target=target, material=item, share=0.0) for target in targets)
    return Network((*network.nodes, new), network.arcs + arcs, network.stocks)


def with_days(network: Network, material: str, days: float) -> Network:
    """Stocks of a material at those who use it that last so long."""

    def lasting(stock: Stock) -> Stock:
        if stock.material != material or not network.is_input(stock):
            return stock
        return replace(stock, on_hand=days * network.planned_use_per_d(stock), in_transit=())

    return Network(network.nodes, network.arcs, tuple(map(lasting, network.stocks)))


def uncapped(network: Network) -> Network:
    return with_node(network, "housing_foundry", capacity_per_d=3500.0, energy_cap_per_d=3500.0)


def less_cathode(network: Network) -> Network:
    few = with_node(network, "cathode_maker", capacity_per_d=90_000.0)
    return with_node(few, "cathode_maker_2", capacity_per_d=80_000.0)


WAFERS = ("mcu_maker", "mcu_maker_bms", "mcu_maker_2")
GATES = ("gate_board_plant", "gate_board_plant_2")
REMEDIES: dict[str, tuple[str, str, Callable[[Network], Network]]] = {
    "a second source": ("single_source", "mcu", lambda n: with_maker(n, "mcu", GATES)),
    "stock that lasts": ("single_source", "mcu", lambda n: with_days(n, "mcu", 182.0)),
    "stock that lasts until recovery": ("single_source", "ntc_sensor", lambda n: with_days(n, "ntc_sensor", 25.0)),
    "a maker at home": ("no_domestic_source", "mcu", lambda n: with_maker(n, "mcu", GATES)),
    "the maker at home is qualified": (
        "no_domestic_source",
        "igbt_module",
        lambda n: with_node(n, "igbt_domestic", qualified=True),
    ),
    "wafers of another fab": ("shared_sub_supplier", "mcu_wafer", lambda n: with_maker(n, "mcu_wafer", WAFERS[:2])),
    "a maker elsewhere": (
        "one_cluster",
        "separator",
        lambda n: with_maker(n, "separator", ("cell_plant", "cell_plant_2")),
    ),
    "the cap is lifted": ("energy_cap", "inverter_housing", uncapped),
    "capacity goes": ("surplus", "cathode", less_cathode),
    "a line is connected": (
        "no_telemetry",
        "battery_pack",
        lambda n: with_node(n, "pack_line", equipment="changzhou/pack"),
    ),
}


@pytest.mark.parametrize("remedy", REMEDIES)
def test_what_clears_a_row_clears_it_and_no_other_row_comes(remedy: str) -> None:
    kind, material, done = REMEDIES[remedy]
    before, after = _keys(FOUND), _keys(lists(done(NETWORK)))
    assert (kind, material) in before
    assert (kind, material) not in after
    assert after <= before


def test_stock_that_almost_lasts_clears_nothing() -> None:
    assert ("single_source", "mcu") in _keys(lists(with_days(NETWORK, "mcu", 181.0)))


def test_thresholds_are_settings() -> None:
    assert not rows_of(lists(NETWORK, Settings(surplus_ratio=6)), Kind.SURPLUS)
    assert not rows_of(lists(NETWORK, Settings(cover_ratio=0.05)), Kind.SINGLE_SOURCE)
    full = rows_of(lists(NETWORK, Settings(full_load_ratio=0.9)), Kind.CAPACITY_SHORTFALL)
    assert [row.nodes for row in full] == [("vehicle_plant",)]  # 2,200 of 2,400 a day
    assert lists(NETWORK, Settings(lives_on_ratio=0.95)).leaders[2].stops_with_it == ()
    with pytest.raises(ValueError, match="surplus_ratio"):
        Settings(surplus_ratio=0)
    with pytest.raises(ValueError, match="lives_on_ratio"):
        Settings(lives_on_ratio=1.0)


def test_home_can_be_a_cluster() -> None:
    found = lists(NETWORK, Settings(home="Hefei", home_kind=HomeKind.CLUSTER))
    blank = {row.material for row in rows_of(found, Kind.NO_DOMESTIC_SOURCE)}
    assert {"mcu", "separator", "magnet"} <= blank
    assert not blank & {"battery_pack", "cell", "bms_board", "lithium_salt"}  # made in Hefei


def test_a_need_that_nobody_may_meet_is_blank() -> None:
    unqualified = with_node(NETWORK, "ntc_maker", qualified=False)
    found = rows_of(lists(unqualified), Kind.NO_SOURCE)
    assert [(row.material, row.felt_by) for row in found] == [
        ("ntc_sensor", ("stator_plant",)),
        ("ntc_sensor", ("stator_plant_2",)),
    ]


def test_what_buyers_abroad_take_from_home_is_a_strength() -> None:
    german = Node(name="german", kind=NodeKind.PLANT, item="car", country="DE", demand_per_d=1.0, value_per_d=1.0)
    motor = Arc(source="motor_1", target="german", material="motor", share=1.0)
    abroad = Network((*NETWORK.nodes, german), (*NETWORK.arcs, motor), NETWORK.stocks)
    (row,) = rows_of(lists(abroad), Kind.SOUGHT_ABROAD)
    assert (row.material, row.nodes, row.felt_by) == ("motor", ("motor_1",), ("german",))


def test_ones_own_store_is_no_single_source() -> None:
    nodes = (
        Node(name="line", kind=NodeKind.LINE, site="s", item="car", country="CN", demand_per_d=1.0),
        Node(name="store", kind=NodeKind.WAREHOUSE, site="s", item="screw", country="CN"),
        *(Node(name=f"maker_{i}", kind=NodeKind.SUPPLIER, site=f"m{i}", item="screw", country="CN") for i in (1, 2)),
    )
    arcs = (
        Arc(source="store", target="line", material="screw"),
        *(Arc(source=f"maker_{i}", target="store", material="screw", share=0.5) for i in (1, 2)),
    )
    assert lists(Network(nodes, arcs)).rows == ()


def test_rows_are_found_by_chain_cluster_and_division() -> None:
    chains = grouped(FOUND.rows, By.CHAIN, NETWORK)
    assert list(chains) == ["storage_cabinet", "vehicle"]
    assert "ntc_sensor" in {row.material for row in chains["vehicle"]}
    assert "ntc_sensor" not in {row.material for row in chains["storage_cabinet"]}
    clusters = grouped(FOUND.rows, By.CLUSTER, NETWORK)
    assert [key for key in clusters if key] == ["Changzhou", "Hefei", "Nanjing", "Suzhou", "Wuxi"]
    assert "separator" in {row.material for row in clusters["Changzhou"]}
    divisions = grouped(FOUND.rows, By.DIVISION, NETWORK)
    assert len(divisions) == 41
    assert {row.material for row in divisions["33"]} == {"inverter_housing"}
    assert sum(map(len, divisions.values())) == len(FOUND.rows)
    by_cluster = grouped(FOUND.leaders, By.CLUSTER, NETWORK)
    assert [leader.firm for leader in by_cluster["Hefei"]] == ["Huaihe Motors"]


def test_without_names_the_rows_are_the_same_and_no_name_is_in_them() -> None:
    unnamed = lists(anonymous(NETWORK))
    text = json.dumps(msgspec.to_builtins(unnamed))
    names = {name for node in NETWORK.nodes for name in (node.name, node.site, node.firm, node.title, node.equipment)}
    said = {fact.evidence.source for fact in NETWORK.nodes if fact.evidence is not None}
    assert [name for name in sorted((names | said) - {""}) if name in text] == []
    assert [_bare(row) for row in unnamed.rows] == [_bare(row) for row in FOUND.rows]
    stops = [[one.ratio for one in leader.stops_with_it] for leader in FOUND.leaders]
    assert [sorted(one.ratio for one in leader.stops_with_it) for leader in unnamed.leaders] == list(map(sorted, stops))


def test_no_name_is_left_on_the_map_itself() -> None:
    names = {value for node in NETWORK.nodes for value in (node.name, node.firm, node.title)} - {""}
    left = anonymous(NETWORK)
    text = json.dumps([msgspec.to_builtins(part) for part in (left.nodes, left.arcs, left.stocks)], default=str)
    assert [name for name in sorted(names) if f'"{name}"' in text] == []


def test_the_energy_cap_of_a_map_without_tables_is_seen() -> None:
    bare = with_node(NETWORK, "housing_foundry", evidence=None)
    (row,) = rows_of(lists(bare), Kind.ENERGY_CAP)
    assert row.evidence["energy_cap_per_d"] == 2000
    assert "capacity_per_d" not in row.evidence
    assert isinstance(NETWORK.by_name["housing_foundry"].evidence, Capability)


def _keys(found: Lists) -> set[tuple[str, str]]:
    return {(str(row.kind), row.material) for row in found.rows}


def _bare(row: Row) -> tuple[Any, ...]:
    numbers = {name: value for name, value in row.evidence.items() if isinstance(value, float)}
    return (row.list, row.kind, row.material, numbers, row.at_stake_per_d, row.as_of_ns, row.facts, row.clusters)


def test_a_delivery_that_was_due_when_the_stock_was_counted_covers_nothing() -> None:
    """12 days of mcu are there; what came before the count is in them, what comes after day 12 comes too late."""

    def covered(due_d: float) -> tuple[str, Any]:
        def moved(stock: Stock) -> Stock:
            due_ns = stock.as_of_ns + round(due_d * 86_400e9)
            return replace(stock, in_transit=tuple(replace(one, due_ns=due_ns) for one in stock.in_transit))

        found = lists(Network(NETWORK.nodes, NETWORK.arcs, tuple(map(moved, NETWORK.stocks))))
        (row,) = [row for row in rows_of(found, Kind.SINGLE_SOURCE) if row.material == "mcu"]
        return row.cause, row.evidence["on_its_way_d"]

    said, days = covered(10.0)
    assert days == pytest.approx(8.759, abs=1e-3) and "20.8 days of it are there or come in time" in said
    for due_d, on_its_way_d in ((-1.0, 0.0), (22.0, 9.585)):
        said, days = covered(due_d)
        assert days == pytest.approx(on_its_way_d, abs=1e-3)
        assert "12 days of it are there or come in time" in said
