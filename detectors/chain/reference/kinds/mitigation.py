"""Cases of kind `mitigation`: expected loss, what each action alone takes off it, and the best set per budget.

Actions that only add are weighed by `detectors.chain.mitigation`. Where one sets or lowers something, more is not
always better, which that search leans on; then every affordable set is weighed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from math import inf
from typing import Any

import msgspec

from detectors.chain import mitigation
from detectors.chain.mitigation import Chance, Field, Mitigations, greatest_first, reduced
from detectors.chain.network import Network, Stock
from detectors.chain.programme.programmes import Programmes
from detectors.chain.reference.stated import (
    ArcStated,
    BadCase,
    Name,
    NetworkStated,
    NodeStated,
    Number,
    ScenarioStated,
    at,
    refuse_twice,
    refuse_unknown,
)

_FIELDS = ("stock", "capacity", "demand", "margin")
_MOST_ACTIONS = 14  # of which every set can be weighed
_SAME = 1e-9  # of the baseline: risks that differ less are equal, and the cheaper set is better


class ChanceStated(ScenarioStated, kw_only=True):
    p: Number


class ChangeStated(msgspec.Struct):
    """More of something, or what it is `set` to."""

    node: Name
    field: str
    add: Number | None = None
    set: Number | None = None


class ActionStated(msgspec.Struct):
    id: Name
    cost: Number
    changes: list[ChangeStated] = []
    nodes: list[NodeStated] = []
    arcs: list[ArcStated] = []


class MitigationCase(msgspec.Struct):
    network: NetworkStated
    scenarios: list[ChanceStated]
    actions: list[ActionStated] = []
    budgets: list[Number] = []


KIND, TOLERANCE, CASE = "mitigation", 1e-6, MitigationCase

_Set = tuple[int, ...]  # places in `actions`, rising


def answers(case: MitigationCase) -> dict[str, Any]:
    """`baseline`, `single` (the best per cost first; a free action's `per_cost` is null), `best` by budget."""
    with at("network"):
        network = case.network.network()
    chances = list(_chances(case, network))
    _refuse_bad_actions(case, network)
    weighed = _Weighed(case, network, chances)
    best = weighed.best if any(map(_sets, case.actions)) else _searched(case, network, chances)
    return {
        "baseline": weighed.risk(()),
        "single": _alone(case, weighed.risk),
        "best": {str(budget): _plan(case, *best(float(budget))) for budget in case.budgets},
    }


def _chances(case: MitigationCase, network: Network) -> Iterator[Chance]:
    for i, one in enumerate(case.scenarios):
        with at(f"scenarios[{i}]"):
            if not 0 <= one.p < inf:
                raise BadCase(f"p: is {one.p}; it must be 0 or more")
            yield Chance(one.scenario(network), one.for_d(network), float(one.p))


def _refuse_bad_actions(case: MitigationCase, network: Network) -> None:
    refuse_twice([str(one.id) for one in case.actions], "actions")
    refuse_twice([str(node.id) for one in _parts(case, case.actions) for node in one.nodes], "actions[].nodes")
    for i, action in enumerate(case.actions):
        with at(f"actions[{i}]"):
            if not 0 <= action.cost < inf:
                raise BadCase(f"cost: is {action.cost}; it must be 0 or more")
            new = NetworkStated(action.nodes, action.arcs).network(beside=tuple(network.by_name))
            for j, change in enumerate(action.changes):
                with at(f"changes[{j}]"):
                    _refuse_bad_change(change, {**network.by_name, **new.by_name})


def _refuse_bad_change(change: ChangeStated, known: dict[str, Any]) -> None:
    refuse_unknown((str(change.node),), known)
    if change.field not in _FIELDS:
        raise BadCase(f"field: {change.field} cannot be changed; these can: {', '.join(_FIELDS)}")
    if (change.add is None) == (change.set is None):
        raise BadCase("add: give either add or set")


def _sets(action: ActionStated) -> bool:
    """Whether an action does anything but add stock or capacity."""
    return any(one.add is None or one.add < 0 or one.field not in set(Field) for one in action.changes)


class _Weighed:
    """The expected loss of any set of actions, taken in the order of the case."""

    def __init__(self, case: MitigationCase, network: Network, chances: Sequence[Chance]) -> None:
        self._case, self._chances = case, chances
        self._programmes = Programmes(network)
        self._risks: dict[_Set, float] = {}

    def risk(self, taken: _Set) -> float:
        if taken not in self._risks:
            with at(f"actions {', '.join(str(self._case.actions[i].id) for i in taken) or 'none'}"):
                self._programmes.follow(_acted(self._case, taken))
                losses = [one.probability * self._programmes.loss(one.scenario, one.for_d) for one in self._chances]
            self._risks[taken] = float(sum(losses))
        return self._risks[taken]

    def best(self, budget: float) -> tuple[float, _Set]:
        """The least risk that `budget` affords; of equal ones the cheapest, of those the first."""
        count, costs = len(self._case.actions), [action.cost for action in self._case.actions]
        if count > _MOST_ACTIONS:
            raise BadCase(f"actions: {count} of which one sets a value; every set of up to {_MOST_ACTIONS} is weighed")
        sets = [one for size in range(count + 1) for one in combinations(range(count), size)]
        afforded = [one for one in sets if sum(costs[i] for i in one) <= budget * (1 + _SAME)]
        least = min((self.risk(one) for one in afforded), default=self.risk(()))
        near = [one for one in afforded if self.risk(one) <= least + _SAME * abs(self.risk(()))]
        chosen = min(near, key=lambda one: sum(costs[i] for i in one), default=())
        return self.risk(chosen), chosen


def _acted(case: MitigationCase, taken: _Set) -> Network:
    """The chain with these actions, one after the other."""
    actions = [case.actions[i] for i in taken]
    nodes = {str(node.id): msgspec.structs.replace(node) for one in _parts(case, actions) for node in one.nodes}
    for change in (change for action in actions for change in action.changes):
        node = nodes[str(change.node)]
        unlimited = inf if change.field == "capacity" else 0
        before = getattr(node, change.field)
        before = unlimited if before is None else before
        setattr(node, change.field, change.set if change.add is None else before + change.add)
    arcs = [arc for one in _parts(case, actions) for arc in one.arcs]
    return NetworkStated(list(nodes.values()), arcs).network()


def _parts(case: MitigationCase, actions: Sequence[ActionStated]) -> list[NetworkStated | ActionStated]:
    """All that states nodes and arcs."""
    return [case.network, *actions]


def _searched(
    case: MitigationCase, network: Network, chances: Sequence[Chance]
) -> Callable[[float], tuple[float, _Set]]:
    """The best set by the project's own search."""
    kept = Mitigations(network, [_action(one) for one in case.actions], chances)
    place = {str(one.id): i for i, one in enumerate(case.actions)}

    def best(budget: float) -> tuple[float, _Set]:
        plan = kept.best(budget)
        if not plan.exact:
            raise BadCase(f"budgets: the best set for {budget:g} was not proven; it lies above {plan.at_least:g}")
        return plan.risk, tuple(place[name] for name in plan.actions)

    return best


def _action(stated: ActionStated) -> mitigation.Action:
    return mitigation.Action(
        str(stated.id),
        float(stated.cost),
        tuple(mitigation.Change(str(one.node), Field(one.field), float(one.add or 0)) for one in stated.changes),
        tuple(node.node() for node in stated.nodes),
        tuple(arc.arc() for arc in stated.arcs),
        tuple(Stock(node=str(node.id), on_hand=node.stock or 0) for node in stated.nodes),
    )


def _alone(case: MitigationCase, risk: Callable[[_Set], float]) -> list[dict[str, Any]]:
    """The best per cost first, a free action before all; equal ones in the order of the case."""
    found, per_costs = [], []
    for i, action in enumerate(case.actions):
        reduction = reduced(risk(()), risk((i,)))
        per_cost = reduction / action.cost if action.cost else None
        found.append({"id": action.id, "reduction": reduction, "per_cost": per_cost})
        per_costs.append(inf if per_cost is None else per_cost)
    return [found[i] for i in greatest_first(per_costs)]


def _plan(case: MitigationCase, risk: float, taken: _Set) -> dict[str, Any]:
    actions = [case.actions[i] for i in taken]
    return {"risk": risk, "actions": [one.id for one in actions], "cost": sum(one.cost for one in actions)}
