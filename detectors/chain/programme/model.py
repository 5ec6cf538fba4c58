"""The programme of one component, built once and kept (Programme): what is lost, and how long nothing is.

A question changes bounds only and takes them back. Two kept models, each built when it is first asked: one minimises
the value lost, the other the sum of what sellers miss, whatever it is worth, for only that tells when a loss begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.chain.programme.binding import Binding, bindings
from detectors.chain.programme.components import Amounts, Component
from detectors.chain.programme.kept import TIME_LIMIT_S, Kept
from detectors.chain.programme.rows import capacity_ratio, layout, rows, stock_d
from detectors.chain.programme.scenario import Scenario, Unsolved

Floats = NDArray[np.float64]

_NOTHING_RATIO = 1e-9  # a miss of less than this part of one seller's demand is the solver's rounding
_STEPS = 200  # of the search for the time to survive; it takes fewer than ten


class Loss(NamedTuple):
    """The least value lost over a time, and what one more day would add (at a bend: one of the slopes that meet)."""

    value: float
    per_d: float


class Programme:
    """All questions about one component. Units: days, and the value of the nodes' `value_per_d`. Raises Unsolved."""

    def __init__(self, part: Component, time_limit_s: float = TIME_LIMIT_S) -> None:
        self.part = part
        self._at = layout(part)
        self._is_tied = np.isin(np.arange(len(part.arcs)), self._at.tied)
        self._time_limit_s = time_limit_s
        self._worth_per_d = float(part.value_per_d.max(initial=0.0)) or 1.0
        self._valued: Kept | None = None
        self._counted: Kept | None = None
        self._planned: Floats = np.zeros(0)  # the columns of `_counted` when nothing fails and no stock is drawn
        self.hold(part.amounts)

    def hold(self, amounts: Amounts) -> None:
        """From now on these stocks and capacities are there."""
        self._capacity = capacity_ratio(self.part, amounts)
        self._stock_d = stock_d(self.part, amounts)

    def loss(self, scenario: Scenario, for_d: float) -> Loss:
        """The least value lost when the scenario lasts `for_d` days; infinite: what is lost a day without any stock."""
        if not for_d >= 0:
            raise Unsolved(f"what is lost over {for_d} days cannot be said; a time is 0 days or more")
        if not len(self.part.selling) or for_d == 0:
            return Loss(0.0, 0.0)
        valued = self._by_value()
        with self._failed(valued, scenario):
            lost, more = self._missed(valued, 1 / for_d), self._more(valued)
        lost_per_d = max(0.0, lost) * self._worth_per_d
        slope = max(0.0, lost - more / for_d) * self._worth_per_d
        return Loss(lost_per_d * for_d if isfinite(for_d) else lost_per_d, slope)

    def bindings(self, scenario: Scenario, for_d: float) -> list[Binding]:
        """The limits on which the loss over `for_d` days (above 0) hangs, the dearest first."""
        if not len(self.part.selling):
            return []
        valued = self._by_value()
        with self._failed(valued, scenario):
            self._missed(valued, 1 / for_d)
            return bindings(self.part, self._at, valued.slopes(), self._worth_per_d, for_d)

    def time_to_survive_d(self, scenario: Scenario) -> float | None:
        """The longest time in days without any loss of sales, None for ever.

        By Newton's method on what is missed a day as a function of 1 / time: that is convex and made of straight
        pieces, so the steps come from one side and end on the bend itself after finitely many.
        """
        if not len(self.part.selling):
            return None
        if self._counted is None:
            self._counted = self._built(self.part.unit[self.part.selling] / self.part.demand_per_d[self.part.selling])
            self._planned = self._counted.columns()
        if self._does_without(scenario):
            return None
        with self._failed(self._counted, scenario):
            missed, per_d = self._missed(self._counted, 0.0), 0.0
            if missed <= _NOTHING_RATIO:
                return None
            for _ in range(_STEPS):
                more = self._more(self._counted)
                if more >= -_NOTHING_RATIO * missed:
                    return 0.0
                per_d -= missed / more
                missed = self._missed(self._counted, per_d, goes_on=True)
                if missed <= _NOTHING_RATIO:
                    return 1 / per_d
        raise Unsolved(f"the time to survive was not found in {_STEPS} steps; run `andon chain check` on the folder")

    def _does_without(self, scenario: Scenario) -> bool:
        """Whether the planned flows, which miss nothing, need none of what fails."""
        at, plan = self._at, self._planned
        misses_nothing = plan[at.lost : at.drawn].sum() <= _NOTHING_RATIO
        return bool(
            misses_nothing
            and (plan[: at.flow] <= self._capacity_left(scenario)).all()
            and not plan[self._closed(scenario)].any()
        )

    def _by_value(self) -> Kept:
        """The kept model that minimises the value lost."""
        if self._valued is None:
            worth = self.part.value_per_d[self.part.selling] / self.part.demand_per_d[self.part.selling]
            self._valued = self._built(worth * self.part.unit[self.part.selling] / self._worth_per_d)
        return self._valued

    def _built(self, cost_of_lost: Floats) -> Kept:
        """A kept model whose starting basis is that of the component as planned, without stocks."""
        kept = Kept(rows(self.part, self._at, cost_of_lost), self._time_limit_s)
        kept.start_from_here()
        return kept

    def _missed(self, kept: Kept, per_d: float, *, goes_on: bool = False) -> float:
        """The least cost a day when stocks must last for `1 / per_d` days."""
        draws = self._at.draws
        kept.bound(draws, np.zeros(len(draws)), self._stock_d * per_d)
        return kept.go_on() if goes_on else kept.solve()

    def _more(self, kept: Kept) -> float:
        """How that cost changes with `per_d`, at the last one asked."""
        return float(kept.slopes()[self._at.drawn :] @ self._stock_d)

    @contextmanager
    def _failed(self, kept: Kept, scenario: Scenario) -> Iterator[None]:
        """The kept model while the scenario lasts."""
        flows, high = self._closed(scenario), self._capacity_left(scenario)
        nodes = np.arange(len(high))
        kept.bound(nodes, np.zeros(len(high)), high)
        kept.bound(flows, np.zeros(len(flows)), np.zeros(len(flows)))
        try:
            yield
        finally:
            kept.bound(flows, np.zeros(len(flows)), np.full(len(flows), inf))

    def _capacity_left(self, scenario: Scenario) -> Floats:
        """Of each node; a node whose only source of something is cut makes nothing."""
        part = self.part
        left = self._capacity.copy()
        for name, ratio in scenario.remaining.items():
            place = part.place[name]
            left[place] = ratio * left[place] if ratio else 0.0
        for name, per_d in scenario.at_most_per_d.items():
            place = part.place[name]
            left[place] = min(left[place], per_d / part.unit[place])
        tied = self._cut(scenario)[self._is_tied[self._cut(scenario)]]
        left[part.target[tied]] = 0.0
        return left

    def _closed(self, scenario: Scenario) -> NDArray[np.intp]:
        """The columns of the flows that are cut."""
        cut = self._cut(scenario)
        return self._at.flow + np.searchsorted(self._at.flowing, cut[~self._is_tied[cut]])

    def _cut(self, scenario: Scenario) -> NDArray[np.intp]:
        """The arcs that are cut."""
        cut = [i for what in sorted(scenario.cut) for i in self.part.arcs_of.get(what, ())]
        return np.array(cut, np.intp)
