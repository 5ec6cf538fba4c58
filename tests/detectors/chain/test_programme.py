"""Kept programmes say what new ones say, components do not feel each other, and what has no answer is named."""

from __future__ import annotations

from dataclasses import replace as with_
from math import inf

import numpy as np
import pytest
from msgspec.structs import replace

from detectors.chain.live import with_stocks
from detectors.chain.network import Arc, Network, Node, NodeKind, Stock
from detectors.chain.programme.components import components
from detectors.chain.programme.curve import loss_curve
from detectors.chain.programme.model import Loss, Programme
from detectors.chain.programme.programmes import Programmes
from detectors.chain.programme.scenario import NOTHING, Infeasible, OutOfTime, Scenario, Unsolved
from tests.bench.tiered_networks import three_tier
from tests.detectors.chain.reference import case, network_of

SMALL = (4, 6, 7, 8)


def answers(programmes: Programmes, scenario: Scenario) -> list[float]:
    """Every question about a scenario; -1 stands for no end."""
    names = ("T0-0", "T1-0")
    times = [programmes.time_to_survive_d(scenario), *(programmes.keeps_rate_d(name, scenario) for name in names)]
    losses = [programmes.loss(scenario, days) for days in (1.0, 17.5, 60.0)]
    return [*(-1.0 if time_d is None else time_d for time_d in times), *losses, programmes.lost_per_d(scenario)]


@pytest.mark.parametrize("seed", range(4))
def test_programmes_that_follow_say_what_new_ones_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = three_tier(seed, SMALL)
    kept = Programmes(network)
    for _ in range(5):
        stocks = tuple(replace(stock, on_hand=stock.on_hand * rng.uniform(0, 2)) for stock in network.stocks)
        network = with_stocks(network, stocks)
        if rng.random() < 0.5:
            at = int(rng.integers(len(network.nodes)))
            slower = replace(network.nodes[at], capacity_per_d=network.nodes[at].capacity_per_d * rng.uniform(0.5, 1.2))
            network = with_(network, nodes=(*network.nodes[:at], slower, *network.nodes[at + 1 :]))
        kept.follow(network)
        names = [network.nodes[int(i)].name for i in rng.integers(len(network.nodes), size=3)]
        arc = network.arcs[int(rng.integers(len(network.arcs)))]
        partly = Scenario({names[0]: 0.0, names[1]: 0.6}, frozenset({(arc.target, arc.material)}), {names[2]: 5.0})
        for scenario in (NOTHING, Scenario({names[0]: 0.0}), partly):
            assert answers(kept, scenario) == pytest.approx(answers(Programmes(network), scenario), rel=1e-9, abs=1e-9)


def test_an_answer_does_not_depend_on_what_was_asked_before() -> None:
    network = three_tier(3, SMALL)
    asked, fresh = Programmes(network), Programmes(network)
    for node in network.nodes:
        asked.time_to_survive_d(Scenario({node.name: 0.3}))
    asked.follow(with_stocks(network, ()))
    asked.follow(network)
    scenario = Scenario({"T3-1": 0.0, "T2-2": 0.4})
    assert answers(asked, scenario) == answers(fresh, scenario)


def two_chains() -> Network:
    nodes = [
        Node(name=f"{kind}{i}", kind=NodeKind.PLANT, capacity_per_d=12) for i in (1, 2) for kind in ("mill", "shop")
    ]
    selling = tuple(replace(n, demand_per_d=10, value_per_d=100) if n.name.startswith("shop") else n for n in nodes)
    arcs = tuple(Arc(source=f"mill{i}", target=f"shop{i}", material="flour") for i in (1, 2))
    return Network(selling, arcs, tuple(Stock(node=f"mill{i}", on_hand=30.0 * i) for i in (1, 2)))


def test_chains_that_share_nothing_are_components_of_their_own() -> None:
    assert [part.names for part in components(two_chains())] == [("mill1", "shop1"), ("mill2", "shop2")]


def test_only_the_component_that_changed_is_told() -> None:
    network = two_chains()
    programmes = Programmes(network)
    both = Scenario({"mill1": 0.0, "mill2": 0.0})
    assert programmes.time_to_survive_d(both) == pytest.approx(3.0)
    changed = with_stocks(network, (replace(network.stocks[0], on_hand=90.0), network.stocks[1]))
    assert programmes.follow(changed) == ("mill1",)
    assert programmes.time_to_survive_d(both) == pytest.approx(6.0)
    assert programmes.follow(changed) == ()
    grown = with_(changed, nodes=(*changed.nodes, Node(name="new", kind=NodeKind.PLANT)))
    assert programmes.follow(grown) == ("new",)


def test_stock_where_none_was_kept_counts() -> None:
    network = two_chains()
    programmes = Programmes(network)
    stocked = with_stocks(network, (*network.stocks, Stock(node="shop1", material="flour", on_hand=20)))
    assert programmes.follow(stocked) == ("mill1",)
    assert programmes.time_to_survive_d(Scenario({"mill1": 0.0})) == pytest.approx(5.0)


def test_a_line_at_a_rate_is_a_line_with_that_capacity() -> None:
    network = network_of(case("rei-h06-partial")["network"])
    assert Programmes(network).time_to_survive_d(Scenario(at_most_per_d={"line": 77})) == pytest.approx(2.0, rel=1e-12)


def test_a_node_keeps_its_rate_from_what_lies_upstream_without_its_own_finished_stock() -> None:
    network = network_of(case("rei-h01-serial")["network"])
    programmes = Programmes(network)
    assert programmes.keeps_rate_d("board", Scenario({"chip": 0.0})) == pytest.approx(5.0)
    assert programmes.keeps_rate_d("phone", Scenario({"chip": 0.0})) == pytest.approx(10.0)
    assert programmes.keeps_rate_d("chip", Scenario({"phone": 0.0})) is None


def test_a_curve_has_the_loss_of_every_time() -> None:
    (part,) = components(network_of(case("rei-h02-dual")["network"]))
    programme, shut = Programme(part), Scenario({"cellA": 0.0, "cellB": 0.0})
    curve = loss_curve(lambda for_d: programme.loss(shut, for_d))
    assert curve.survives_d == pytest.approx(1.4)
    for for_d in (0.0, 0.7, 1.4, 1.5, 7.0, 300.0):
        assert curve.loss(for_d) == pytest.approx(programme.loss(shut, for_d).value, rel=1e-9, abs=1e-6)


def test_a_curve_with_many_bends_is_found_whole() -> None:
    network = three_tier(5, SMALL)
    part = max(components(network), key=lambda one: len(one.names))
    programme, shut = Programme(part), Scenario({name: 0.0 for name in part.names if name.startswith("T3")})
    curve = loss_curve(lambda for_d: programme.loss(shut, for_d))
    assert len(curve.from_d) > 4
    assert list(curve.per_d) == sorted(curve.per_d)
    for for_d in np.linspace(0, 120, 37).tolist():
        assert curve.loss(for_d) == pytest.approx(programme.loss(shut, for_d).value, rel=1e-8, abs=1e-6)


def test_what_never_settles_is_named() -> None:
    with pytest.raises(Unsolved, match="does not settle to a daily rate"):
        loss_curve(lambda for_d: Loss(1.0, 0.0))


def test_contradicting_numbers_are_named_with_the_remedy() -> None:
    (part, _) = components(two_chains())
    programme = Programme(part)
    programme.hold(part.amounts._replace(capacity_per_d=np.array([-1.0, 12.0])))
    with pytest.raises(Infeasible, match=r"contradict each other \(infeasible\); run `andon chain check`"):
        programme.loss(NOTHING, 5.0)


def test_a_solver_that_runs_out_of_time_is_named() -> None:
    part = max(components(three_tier(1, (20, 40, 50, 60))), key=lambda one: len(one.names))
    with pytest.raises(OutOfTime, match=r"the solver ran out of time \(1e-09 s\); run `andon chain check`"):
        Programme(part, time_limit_s=1e-9).loss(NOTHING, 5.0)


@pytest.mark.parametrize("for_d", [-1.0, float("nan")])
def test_a_time_below_nothing_is_refused(for_d: float) -> None:
    (part, _) = components(two_chains())
    with pytest.raises(Unsolved, match="a time is 0 days or more"):
        Programme(part).loss(NOTHING, for_d)
    assert Programme(part).loss(Scenario({"mill1": 0.0}), inf).value == pytest.approx(100.0)
