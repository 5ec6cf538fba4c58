"""Actions are worth what the reference says, and the best set is the best of all sets."""

from __future__ import annotations

from itertools import combinations
from math import inf
from typing import Any

import numpy as np
import pytest

from detectors.chain.mitigation import Action, Chance, Change, Field, Mitigations, greatest_first, reduced
from detectors.chain.network import Network, Stock
from detectors.chain.programme.scenario import Scenario, Unsolved
from tests.bench.tiered_networks import three_tier
from tests.detectors.chain.reference import arc_of, case, network_of, node_of

STATED = case("mitig-h01-and-trap")


def action_of(stated: dict[str, Any]) -> Action:
    nodes = stated.get("nodes", [])
    return Action(
        stated["id"],
        stated["cost"],
        tuple(Change(one["node"], Field(one["field"]), one["add"]) for one in stated.get("changes", [])),
        tuple(map(node_of, nodes)),
        tuple(map(arc_of, stated.get("arcs", []))),
        tuple(Stock(node=node["id"], on_hand=node.get("stock", 0)) for node in nodes),
    )


def reference() -> Mitigations:
    chances = [Chance(Scenario(one["shut"]), one["t"], one["p"]) for one in STATED["scenarios"]]
    return Mitigations(network_of(STATED["network"]), [action_of(one) for one in STATED["actions"]], chances)


def test_agrees_with_the_reference() -> None:
    mitigations, expected = reference(), STATED["expected"]
    assert mitigations.baseline == pytest.approx(expected["baseline"], rel=1e-9)
    for mine, theirs in zip(mitigations.alone(), expected["single"], strict=True):
        assert mine.action == theirs["id"]
        assert mine[1:] == pytest.approx((theirs["reduction"], theirs["per_cost"]), rel=1e-9)
    for budget in STATED["budgets"]:
        plan, best = mitigations.best(budget), expected["best"][str(budget)]
        assert plan.exact
        assert (plan.risk, plan.cost) == pytest.approx((best["risk"], best["cost"]), rel=1e-9)
        assert list(plan.actions) == best["actions"]


@pytest.mark.parametrize("seed", range(3))
def test_no_set_that_the_budget_affords_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = three_tier(seed, (2, 3, 3, 3))
    fields = (Field.STOCK, Field.CAPACITY)
    actions = [
        Action(node.name, float(rng.integers(1, 9)), (Change(node.name, fields[i % 2], float(rng.integers(50, 900))),))
        for i, node in enumerate(network.nodes[:6])
    ]
    shut = [Scenario({network.nodes[int(i)].name: 0.0}) for i in rng.integers(len(network.nodes), size=3)]
    mitigations = Mitigations(network, actions, [Chance(one, 20.0, 0.2) for one in shut])
    sets = [one for size in range(7) for one in combinations(actions, size)]
    risks = [(mitigations.risk(action.name for action in one), sum(action.cost for action in one)) for one in sets]
    for budget in (0.0, 7.0, 15.0):
        affordable = [one for one in risks if one[1] <= budget]
        least = min(risk for risk, _ in affordable)
        plan = mitigations.best(budget)
        assert plan.risk == pytest.approx(least, rel=1e-9)
        assert plan.cost == pytest.approx(min(cost for risk, cost in affordable if risk <= least * (1 + 1e-12)))


def test_a_search_that_is_cut_off_says_so_and_bounds_the_truth() -> None:
    best = reference().best(20)
    cut_off = reference().best(20, looks=4)
    assert not cut_off.exact
    assert cut_off.at_least <= best.risk <= cut_off.risk


def test_actions_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="an action adds 0 or more"):
        Change("a", Field.STOCK, -1)
    with pytest.raises(ValueError, match="a cost is 0 or more"):
        Action("a", float("nan"))
    with pytest.raises(Unsolved, match="two actions are called a"):
        Mitigations(Network(()), [Action("a", 1), Action("a", 2)], [])
    elsewhere = Action("b", 1, (Change("elsewhere", Field.STOCK, 1),))
    with pytest.raises(Unsolved, match="changes elsewhere, which the chain does not have"):
        Mitigations(Network(()), [elsewhere], []).alone()


def test_actions_that_do_nothing_do_exactly_nothing_and_stay_in_their_order() -> None:
    """A solver's 1e-13 is no reduction, and decides no order."""
    assert [reduced(2680.0, 2680.0 + noise) for noise in (3e-13, -3e-13, -2e-6)] == [0.0, 0.0, 0.0]
    assert reduced(2680.0, 2600.0) == 80.0
    assert greatest_first([1.0, 3.0 - 1e-13, 0.0, 3.0, inf, 0.0]) == [4, 1, 3, 0, 2, 5]
    assert greatest_first([]) == []
