"""How long a chain goes on selling everything when something fails, and what it loses after that.

One linear programme (HiGHS) after Simchi-Levi et al., Interfaces 45(5), 2015. Over a time `t_d` in days, cumulated:

    make_j <= sum over sources of y / quantity_per + input stock / quantity_per   for every essential need of j
    sum of y out of i + sold_i <= make_i + own stock_i
    sold_k + lost_k = demand_per_d * t_d,   make_i <= remaining_i * capacity_per_d * t_d

Pure: no clock, no file. A failed node keeps its stock; sources of one need replace each other.
"""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array

from collector.errors import AndonError
from detectors.chain.network import ESSENTIAL, Network

Floats = NDArray[np.float64]


class Unsolved(AndonError):
    """The programme has no answer: its numbers contradict each other, or the solver gave up."""


class Scenario(msgspec.Struct, frozen=True):
    """What fails: the ratio of capacity `remaining` at nodes (0 is shut), and supplies `cut` by (node, material)."""

    remaining: dict[str, float] = {}
    cut: frozenset[tuple[str, str]] = frozenset()

    def __post_init__(self) -> None:
        for node, ratio in self.remaining.items():
            if not ratio >= 0 or not isfinite(ratio):
                raise ValueError(f"the capacity that remains at {node} is {ratio}; it must be 0 or more")


NOTHING = Scenario()


def time_to_survive_d(network: Network, scenario: Scenario) -> float | None:
    """The longest time in days over which nothing need be lost; None when it has no end. Raises Unsolved."""
    programme = _Programme(network, scenario)
    return None if programme.goes_on_for_ever() else programme.longest_d()


def loss(network: Network, scenario: Scenario, for_d: float) -> float:
    """The least value lost when the scenario lasts `for_d` days, in the unit of `value_per_d`. Raises Unsolved."""
    return _Programme(network, scenario).least_loss(for_d)


class _Columns(NamedTuple):
    """Where each kind of variable stands: make (nodes), flow (arcs), sold and lost (nodes that sell), time."""

    make: int
    flow: int
    sold: int
    lost: int
    time: int


class _Programme:
    """The rows `matrix @ x <= stock` and `meet @ x == 0`, with time as the last variable of x."""

    def __init__(self, network: Network, scenario: Scenario) -> None:
        self._index = {node.name: i for i, node in enumerate(network.nodes)}
        self._selling = [node for node in network.nodes if node.demand_per_d]
        n, arcs, sellers = len(network.nodes), len(network.arcs), len(self._selling)
        self._at = _Columns(0, n, n + arcs, n + arcs + sellers, n + arcs + 2 * sellers)
        self._entries: list[tuple[int, int, float]] = []
        self._stock: list[float] = []
        self._need_inputs(network)
        self._spend_output(network)
        self._respect_capacity(network, scenario)
        self._matrix = self._sparse(len(self._stock))
        self._entries = []
        self._meet_demand()
        self._meet = self._sparse(sellers)
        closed = [not arc.qualified or (arc.target, arc.material) in scenario.cut for arc in network.arcs]
        self._closed = np.array(closed, np.bool_)

    def least_loss(self, for_d: float) -> float:
        """Minimises the value of what is lost over `for_d` days."""
        cost = np.zeros(self._at.time + 1)
        cost[self._at.lost : self._at.time] = [node.value_per_d / node.demand_per_d for node in self._selling]
        return max(0.0, self._solve(cost, np.array(self._stock), (for_d, for_d), may_lose=True))

    def goes_on_for_ever(self) -> bool:
        """Whether all demand is met at a steady rate without any stock; only then has survival no end."""
        return -self._solve(self._longest(), np.zeros(len(self._stock)), (0.0, 1.0), may_lose=False) > 0.5

    def longest_d(self) -> float:
        return max(0.0, -self._solve(self._longest(), np.array(self._stock), (0.0, np.inf), may_lose=False))

    def _longest(self) -> Floats:
        cost = np.zeros(self._at.time + 1)
        cost[-1] = -1.0
        return cost

    def _need_inputs(self, network: Network) -> None:
        rows: dict[tuple[str, str], int] = {}
        of_material: dict[tuple[str, str], tuple[str, str]] = {}
        for i, arc in enumerate(network.arcs):
            if arc.essential != ESSENTIAL:
                continue
            of_material[arc.target, arc.material] = arc.need
            if arc.need not in rows:
                rows[arc.need] = self._row(0.0)
                self._put(rows[arc.need], self._at.make + self._index[arc.target], 1.0)
            self._put(rows[arc.need], self._at.flow + i, -1.0 / arc.quantity_per)
        for stock in network.stocks:
            need = of_material.get((stock.node, stock.material))
            if need is not None:
                self._stock[rows[need]] += stock.on_hand / network.quantity_per(stock.node, stock.material)

    def _spend_output(self, network: Network) -> None:
        first = len(self._stock)
        for i in range(len(network.nodes)):
            self._put(self._row(0.0), self._at.make + i, -1.0)
        for i, arc in enumerate(network.arcs):
            self._put(first + self._index[arc.source], self._at.flow + i, 1.0)
        for k, node in enumerate(self._selling):
            self._put(first + self._index[node.name], self._at.sold + k, 1.0)
        for stock in network.stocks:
            if not network.is_input(stock):
                self._stock[first + self._index[stock.node]] += stock.on_hand

    def _respect_capacity(self, network: Network, scenario: Scenario) -> None:
        for i, node in enumerate(network.nodes):
            ratio = scenario.remaining.get(node.name, 1.0)
            if ratio == 0 or isfinite(node.capacity_per_d):
                row = self._row(0.0)
                self._put(row, self._at.make + i, 1.0)
                self._put(row, self._at.time, -ratio * node.capacity_per_d if ratio else 0.0)

    def _meet_demand(self) -> None:
        for k, node in enumerate(self._selling):
            self._put(k, self._at.sold + k, 1.0)
            self._put(k, self._at.lost + k, 1.0)
            self._put(k, self._at.time, -node.demand_per_d)

    def _row(self, stock: float) -> int:
        self._stock.append(stock)
        return len(self._stock) - 1

    def _put(self, row: int, column: int, value: float) -> None:
        self._entries.append((row, column, value))

    def _sparse(self, height: int) -> csr_array:
        rows, columns, values = zip(*self._entries, strict=True) if self._entries else ((), (), ())
        return coo_array((values, (rows, columns)), shape=(height, self._at.time + 1), dtype=np.float64).tocsr()

    def _solve(self, cost: Floats, stock: Floats, time_d: tuple[float, float], *, may_lose: bool) -> float:
        most = np.full(self._at.time + 1, np.inf)
        most[self._at.flow : self._at.sold][self._closed] = 0.0
        if not may_lose:
            most[self._at.lost : self._at.time] = 0.0
        least = np.zeros(self._at.time + 1)
        least[-1], most[-1] = time_d
        return solve(cost, self._matrix, stock, self._meet, np.column_stack([least, most]))


def solve(cost: Floats, matrix: csr_array, at_most: Floats, meet: csr_array, bounds: Floats) -> float:
    """The least `cost @ x` with `matrix @ x <= at_most`, `meet @ x == 0`. Raises Unsolved, saying why."""
    answer = linprog(cost, matrix, at_most, meet, np.zeros(meet.shape[0]), bounds, method="highs")
    if answer.status == 0:
        return float(answer.fun)
    why = {1: "the solver ran out of time", 2: "its numbers contradict each other (infeasible)", 3: "it is unbounded"}
    raise Unsolved(
        f"the chain's linear programme has no answer: {why.get(answer.status, answer.message)}; "
        "run `andon chain check` on the folder and look at stocks, capacities and demand"
    )
