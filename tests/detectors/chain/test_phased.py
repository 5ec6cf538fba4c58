"""Day by day the chain answers as the reference cases do, and as the static programme where nothing takes time."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from detectors.chain.live import with_stocks
from detectors.chain.network import Network, Node, NodeKind, Stock
from detectors.chain.programme.phased import Phased, first_hit_d
from detectors.chain.programme.pipeline import planned_pipeline
from detectors.chain.programme.scenario import Scenario, Unsolved
from detectors.chain.survive import loss, time_to_survive_d
from tests.bench.tiered_networks import three_tier
from tests.detectors.chain.reference import FOLDER, case, network_of

CASES = sorted(path.stem for path in FOLDER.glob("time-*.json"))


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_the_reference(name: str) -> None:
    stated = case(name)
    arcs = stated["network"]["arcs"]
    pipeline = {(a["from"], a["to"], a["material"]): [a["flow"]] * a["lead"] for a in arcs}
    phased = Phased(network_of(stated["network"]), stated["horizon"], pipeline)
    for scenario in stated["scenarios"]:
        shut, expected = Scenario(scenario["shut"]), scenario["expected"]
        assert phased.loss(shut, scenario["t"]) == pytest.approx(expected["loss"], rel=1e-9, abs=1e-6)
        assert phased.first_hit_d(shut, scenario["t"]) == expected["first_hit"]


def test_all_reference_cases_are_here() -> None:
    assert CASES == ["time-h01-serial-leads", "time-h02-no-leads"]


@pytest.mark.parametrize("seed", range(3))
def test_without_lead_times_it_is_the_static_programme(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = three_tier(seed, (2, 3, 4, 4))
    inputs = tuple(
        Stock(node=a.target, material=a.material, on_hand=float(rng.integers(90))) for a in network.arcs[::3]
    )
    network = with_stocks(network, network.stocks + inputs)
    names = [network.nodes[int(i)].name for i in rng.choice(len(network.nodes), 2, replace=False)]
    scenario = Scenario({names[0]: 0.0, names[1]: 0.5})
    over_d, after_d = Phased(network, 25, {}), Phased(network, 40, {})
    static = loss(network, scenario, 25.0)
    assert over_d.loss(scenario, 25.0) == pytest.approx(static, rel=1e-8, abs=1e-5)
    assert after_d.loss(scenario, 25.0) == pytest.approx(static, rel=1e-8, abs=1e-5)  # afterwards all demand can be met
    survives_d, hit_d = time_to_survive_d(network, scenario), over_d.first_hit_d(scenario, 25.0)
    if survives_d is None or survives_d >= 25:
        assert hit_d is None
    else:
        assert hit_d == int(survives_d + 1e-9) + 1


def plant(**more: float) -> Network:
    node = Node(name="plant", kind=NodeKind.PLANT, capacity_per_d=10, demand_per_d=10, value_per_d=100)
    return Network((replace(node, **more),))


def test_a_capacity_that_climbs_back_loses_half_of_its_climb() -> None:
    shut = Scenario({"plant": 0.0})
    assert Phased(plant(), 30, {}).loss(shut, 4.0) == pytest.approx(400.0)
    assert Phased(plant(ramp_d=6.0), 30, {}).loss(shut, 4.0) == pytest.approx(700.0)
    assert Phased(plant(ramp_d=2.5), 30, {}).loss(shut, 3.5) == pytest.approx(475.0)


def test_a_chain_that_has_run_as_planned_goes_on_without_loss() -> None:
    stated = case("time-h01-serial-leads")["network"]
    network = network_of(stated)
    pipeline = planned_pipeline(network)
    assert pipeline["chip", "board", "chip"] == [10.0] * 5
    assert Phased(with_stocks(network, ()), 30, pipeline).loss(Scenario(), 0.0) == 0.0
    assert Phased(with_stocks(network, ()), 30, {}).first_hit_d(Scenario(), 0.0) == 1


def test_a_cut_supply_arrives_no_more_once_its_pipeline_is_empty() -> None:
    network = with_stocks(network_of(case("time-h01-serial-leads")["network"]), ())
    cut = Scenario(cut=frozenset({("board", "chip")}))
    assert Phased(network, 60, planned_pipeline(network)).first_hit_d(cut, 20.0) == 8


@pytest.mark.parametrize("stock_d", [0, 5, 31, 32, 33, 59, 60])
def test_a_hit_is_found_however_late_it_is(stock_d: int) -> None:
    """Within the first horizon in which it is looked for, at its end, after it, and not at all."""
    stocked = with_stocks(plant(), (Stock(node="plant", on_hand=10.0 * stock_d),))
    shut = Scenario({"plant": 0.0})
    hit = first_hit_d(stocked, 60, {}, shut, 60.0)
    assert hit == (stock_d + 1 if stock_d < 60 else None) == Phased(stocked, 60, {}).first_hit_d(shut, 60.0)


def test_a_horizon_may_be_shorter_than_a_lead_time() -> None:
    network = with_stocks(network_of(case("time-h01-serial-leads")["network"]), ())
    cut = Scenario(cut=frozenset({("board", "chip")}))
    for days, hit in ((2, None), (7, None), (8, 8)):
        assert Phased(network, days, planned_pipeline(network)).first_hit_d(cut, 20.0) == hit


def test_a_horizon_without_a_day_is_refused() -> None:
    with pytest.raises(Unsolved, match="a horizon of 0 days"):
        Phased(plant(), 0, {})
