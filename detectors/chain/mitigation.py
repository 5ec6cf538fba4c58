"""What actions are worth: expected loss, each action's reduction alone, and the best set that a budget affords.

Expected loss = sum over scenarios of probability * loss. Actions add stock or capacity, or new nodes and arcs; adding
never raises a loss, which is what makes the search exact: all actions that are left, taken for free, bound what any set
can reach. Two buffers of parts that run out together are worth little alone and much together, so reductions must not
be added up. Pure. Raises Unsolved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from heapq import heappop, heappush
from itertools import pairwise
from math import inf, isclose
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from detectors.chain.network import Arc, Network, Node, Stock
from detectors.chain.programme.programmes import Programmes
from detectors.chain.programme.scenario import Scenario, Unsolved

_SAME = 1e-9  # of the baseline: risks that differ less are equal, and the cheaper set is better
LOOKS = 4096  # sets judged at most for one budget; more than enough for every set of twelve actions


class Field(StrEnum):
    STOCK = "stock"  # finished units
    CAPACITY = "capacity"  # units a day


class Change(msgspec.Struct, frozen=True):
    """More stock or capacity at a node. Raises ValueError for less than nothing."""

    node: str
    field: Field
    add: float

    def __post_init__(self) -> None:
        if not 0 <= self.add < inf:
            raise ValueError(f"{self.field} of {self.node} is to grow by {self.add}; an action adds 0 or more")


class Action(msgspec.Struct, frozen=True):
    """Something that can be bought: changes, and nodes, arcs and stocks that are new."""

    name: str
    cost: float
    changes: tuple[Change, ...] = ()
    nodes: tuple[Node, ...] = ()
    arcs: tuple[Arc, ...] = ()
    stocks: tuple[Stock, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.cost < inf:
            raise ValueError(f"{self.name} costs {self.cost}; a cost is 0 or more")


class Chance(msgspec.Struct, frozen=True):
    """A scenario that lasts `for_d` days and comes with this probability (or so often a year)."""

    scenario: Scenario
    for_d: float
    probability: float


class Reduction(NamedTuple):
    """What one action alone takes off the expected loss; `per_cost` is infinite where it costs nothing."""

    action: str
    reduction: float
    per_cost: float


class Plan(NamedTuple):
    """The cheapest of the best sets, actions in the order given. `at_least` is a bound that no set can be below.

    The set is proven best when `exact`; otherwise the search was cut off and the truth lies in `at_least` to `risk`.
    """

    risk: float
    actions: tuple[str, ...]
    cost: float
    exact: bool
    at_least: float


class Mitigations:
    """Actions weighed against the same chances on one chain; every set is judged once and remembered."""

    def __init__(self, network: Network, actions: Sequence[Action], chances: Sequence[Chance]) -> None:
        self._network, self._actions, self._chances = network, actions, chances
        twice = {action.name for action in actions if [a.name for a in actions].count(action.name) > 1}
        if twice:
            raise Unsolved(f"two actions are called {', '.join(sorted(twice))}; a name is for one")
        self._risks: dict[frozenset[int], float] = {}
        self._programmes = Programmes(network)

    @property
    def baseline(self) -> float:
        """The expected loss when nothing is done."""
        return self._risk(frozenset())

    def risk(self, actions: Iterable[str]) -> float:
        """The expected loss with these actions taken."""
        taken = set(actions)
        return self._risk(frozenset(i for i, action in enumerate(self._actions) if action.name in taken))

    def alone(self) -> list[Reduction]:
        """Every action's reduction alone, the best per cost first; equal ones in the order given."""
        found = []
        for i, action in enumerate(self._actions):
            reduction = reduced(self.baseline, self._risk(frozenset({i})))
            found.append(Reduction(action.name, reduction, reduction / action.cost if action.cost else inf))
        return [found[i] for i in greatest_first([one.per_cost for one in found])]

    def best(self, budget: float, looks: int = LOOKS) -> Plan:
        """The set of least expected loss that costs at most `budget`; of equal ones the cheapest.

        Best first, branch and bound: exact unless it is cut off after judging `looks` sets, and then it says so.
        """
        tried = len(self._risks)
        order = sorted(range(len(self._actions)), key=lambda i: -self._actions[i].cost)
        best = _Candidate(self.baseline, 0.0, frozenset())
        waiting: list[tuple[float, int, frozenset[int]]] = [(-inf, 0, frozenset())]
        while waiting:
            bound, depth, taken = heappop(waiting)
            if self._hopeless(bound, taken, best):
                continue
            if len(self._risks) - tried > looks:
                return self._plan(best, exact=False, at_least=min([bound, *(one[0] for one in waiting)]))
            best = min(best, _Candidate(self._risk(taken), self._cost(taken), taken), key=self._rank)
            for i in range(depth, len(order)):
                more = taken | {order[i]}
                left = budget - self._cost(more)
                if left >= -_SAME * max(1.0, budget):
                    reach = [j for j in order[i + 1 :] if self._actions[j].cost <= left + _SAME * max(1.0, budget)]
                    heappush(waiting, (self._risk(more.union(reach)), i + 1, more))
        return self._plan(best, exact=True, at_least=best.risk)

    def _hopeless(self, bound: float, taken: frozenset[int], best: _Candidate) -> bool:
        """Whether no set that grows from this one is better, or as good and cheaper."""
        slack = _SAME * max(self.baseline, 1e-300)
        return bound > best.risk + slack or (
            bound > best.risk - slack and self._cost(taken) >= best.cost and bool(taken)
        )

    def _rank(self, one: _Candidate) -> tuple[int, float]:
        return (round(one.risk / (_SAME * max(self.baseline, 1e-300))), one.cost)

    def _plan(self, best: _Candidate, *, exact: bool, at_least: float) -> Plan:
        names = tuple(self._actions[i].name for i in sorted(best.taken))
        return Plan(best.risk, names, best.cost, exact, max(0.0, min(at_least, best.risk)))

    def _cost(self, taken: Iterable[int]) -> float:
        return sum(self._actions[i].cost for i in sorted(taken))

    def _risk(self, taken: frozenset[int]) -> float:
        if taken not in self._risks:
            self._programmes.follow(acted(self._network, [self._actions[i] for i in sorted(taken)]))
            losses = [one.probability * self._programmes.loss(one.scenario, one.for_d) for one in self._chances]
            self._risks[taken] = sum(losses)
        return self._risks[taken]


def reduced(baseline: float, risk: float) -> float:
    """How much less is expected to be lost; a difference of the solver's rounding is none."""
    return baseline - risk if abs(baseline - risk) > _SAME * abs(baseline) else 0.0


def greatest_first(numbers: Sequence[float]) -> list[int]:
    """The places of the numbers, the greatest first; those that are equal but for rounding keep their order."""
    order = sorted(range(len(numbers)), key=lambda i: -numbers[i])
    rank, ranks = 0, dict.fromkeys(order[:1], 0)
    for before, place in pairwise(order):
        rank += not isclose(numbers[before], numbers[place], rel_tol=_SAME)
        ranks[place] = rank
    return sorted(order, key=lambda place: (ranks[place], place))


def acted(network: Network, actions: Sequence[Action]) -> Network:
    """The chain after these actions. Raises Unsolved for a change at a node that it does not have."""
    nodes = network.nodes + tuple(node for action in actions for node in action.nodes)
    arcs = network.arcs + tuple(arc for action in actions for arc in action.arcs)
    stocks = network.stocks + tuple(stock for action in actions for stock in action.stocks)
    changes = [change for action in actions for change in action.changes]
    unknown = {change.node for change in changes} - {node.name for node in nodes}
    if unknown:
        raise Unsolved(f"an action changes {', '.join(sorted(unknown))}, which the chain does not have; correct it")
    for change in changes:
        if change.field is Field.STOCK:
            stocks = (*stocks, Stock(node=change.node, on_hand=change.add))
        else:
            nodes = tuple(_larger(node, change) for node in nodes)
    return Network(nodes, arcs, stocks)


def _larger(node: Node, change: Change) -> Node:
    return replace(node, capacity_per_d=node.capacity_per_d + change.add) if node.name == change.node else node


class _Candidate(NamedTuple):
    risk: float
    cost: float
    taken: frozenset[int]
