"""Loss and time to survive agree with every reference case, and the programme says when it has no answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any

import pytest

from detectors.chain.network import Arc, Network, Node, NodeKind, Stock
from detectors.chain.programme.scenario import NoDemand
from detectors.chain.survive import (
    NOTHING,
    Scenario,
    Unsolved,
    exposure_index,
    loss,
    single_failures,
    single_failures_apart,
    time_to_survive_d,
)
from tests.detectors.chain.reference import network_of

CASES = sorted((Path(__file__).parents[2] / "cases" / "chain").glob("rei-*.json"))
REFERENCES = [
    pytest.param(case, s, id=f"{case.stem}: {s['name']}")
    for case in CASES
    for s in json.loads(case.read_text())["scenarios"]
]


@pytest.mark.parametrize(("case", "scenario"), REFERENCES)
def test_agrees_with_the_reference(case: Path, scenario: dict[str, Any]) -> None:
    network = network_of(json.loads(case.read_text())["network"])
    failed, expected = Scenario(remaining=scenario["shut"]), scenario["expected"]
    assert loss(network, failed, scenario["t"]) == pytest.approx(expected["loss"], rel=1e-9, abs=1e-6)
    survive_d = time_to_survive_d(network, failed)
    if expected["tts"] is None:
        assert survive_d is None
    else:
        assert survive_d == pytest.approx(expected["tts"], rel=1e-9, abs=1e-9)


def test_all_reference_cases_are_here() -> None:
    assert len(CASES) == 8


def two_sources(**arc: Any) -> Network:
    nodes = (
        Node(name="a", kind=NodeKind.SUPPLIER, time_to_recover_d=5),
        Node(name="b", kind=NodeKind.SUPPLIER, time_to_recover_d=5),
        Node(name="shop", kind=NodeKind.MARKET, demand_per_d=10, value_per_d=100),
    )
    arcs = (
        Arc(source="a", target="shop", material="part", quantity_per=2, share=1),
        Arc(**{"source": "b", "target": "shop", "material": "part", "quantity_per": 2, "share": 0} | arc),
    )
    return Network(nodes, arcs, (Stock(node="shop", material="part", on_hand=60),))


def test_stock_of_input_lasts_by_the_quantity_per_unit() -> None:
    cut = Scenario(cut=frozenset({("shop", "part")}))
    assert time_to_survive_d(two_sources(), cut) == pytest.approx(3.0)
    assert loss(two_sources(), cut, 5.0) == pytest.approx(200.0)


def test_another_source_of_the_material_takes_over() -> None:
    assert time_to_survive_d(two_sources(), Scenario(remaining={"a": 0})) is None


def test_a_source_in_qualification_delivers_nothing() -> None:
    assert time_to_survive_d(two_sources(qualified=False), Scenario(remaining={"a": 0})) == pytest.approx(3.0)


def test_substitutes_replace_each_other_and_other_materials_do_not() -> None:
    shut = Scenario(remaining={"b": 0})
    assert time_to_survive_d(two_sources(material="other", share=1), shut) == pytest.approx(0.0)
    both = two_sources(material="other", substitutes="parts")
    group = Network(both.nodes, (Arc(source="a", target="shop", material="part", substitutes="parts"), both.arcs[1]))
    assert time_to_survive_d(group, shut) is None


def test_what_is_not_essential_stops_nobody() -> None:
    assert time_to_survive_d(two_sources(material="label", essential=1), Scenario(remaining={"b": 0})) is None


def test_a_chain_that_sells_nothing_loses_nothing() -> None:
    idle = Network((Node(name="a", kind=NodeKind.PLANT, time_to_recover_d=1),))
    assert loss(idle, NOTHING, 10.0) == 0.0
    assert time_to_survive_d(idle, NOTHING) is None


@pytest.mark.parametrize("ratio", [-0.1, inf, float("nan")])
def test_a_remaining_capacity_below_nothing_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="the capacity that remains at a is"):
        Scenario(remaining={"a": ratio})


def test_the_index_is_the_loss_as_a_part_of_the_largest() -> None:
    network = network_of(json.loads((CASES[0].parent / "rei-h01-serial.json").read_text())["network"])
    judged = {failure.node: failure for failure in exposure_index(list(single_failures(network)))}
    assert {name: failure.loss for name, failure in judged.items()} == pytest.approx(
        {"chip": 250_000.0, "board": 75_000.0, "phone": 65_000.0}
    )
    assert judged["chip"].index == 1.0
    with ThreadPoolExecutor(2) as workers:
        assert single_failures_apart(network, workers, 2) == list(single_failures(network))
    assert judged["board"].index == pytest.approx(0.3)


def test_a_failure_without_an_answer_is_unknown_with_the_reason_and_the_others_are_judged() -> None:
    nodes = (
        Node(name="idle", kind=NodeKind.PLANT, capacity_per_d=0, time_to_recover_d=5),
        Node(name="unstated", kind=NodeKind.PLANT),
        Node(name="shop", kind=NodeKind.MARKET, time_to_recover_d=3, demand_per_d=10, value_per_d=100),
    )
    idle, unstated, shop = single_failures(Network(nodes))
    assert "idle has a capacity of 0" in idle.why_unknown
    assert "unstated has no time to recover" in unstated.why_unknown
    assert (shop.loss, shop.why_unknown) == (pytest.approx(300.0), "")


def test_a_chain_without_demand_has_no_index() -> None:
    with pytest.raises(NoDemand, match="nobody in this chain sells anything"):
        next(single_failures(Network((Node(name="a", kind=NodeKind.PLANT, time_to_recover_d=1),))))


def test_a_scenario_of_an_unknown_node_is_refused() -> None:
    with pytest.raises(Unsolved, match="names elsewhere, which the chain does not have"):
        loss(two_sources(), Scenario(remaining={"elsewhere": 0}), 1.0)
