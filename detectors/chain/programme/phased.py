"""The same programme day by day (Phased): lead times, what is on its way, and a capacity that comes back by and by.

    ship, arrive (at once where the lead time is 0), make and sell in one day; what is not sold on its day is lost
    finished stock[d] = finished stock[d-1] + make[d] - shipped[d] - sold[d] >= 0
    input stock[d]    = input stock[d-1] + arrived[d] / quantity_per - make[d] >= 0   for every essential need
    arrived[d] = shipped[d - lead] for d > lead, before that what was on its way

One kept model for a chain and a horizon; a scenario changes the bounds of `make`. Days count from 1. After the last day
of a scenario a node has its capacity back, or climbs to it in a straight line over its `ramp_d`; a day has the mean of
its hours. Lead times are rounded up to whole days. Without lead times and over the days of the scenario the loss is
that of the static programme. Size: (nodes + needs + arcs) * days, for chains of hundreds of nodes, not thousands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import ceil
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from detectors.chain.arrivals import Arrival, Place
from detectors.chain.network import Network
from detectors.chain.programme.components import Component, components
from detectors.chain.programme.kept import TIME_LIMIT_S, Kept, Rows
from detectors.chain.programme.pipeline import OnItsWay, Pipeline, lead_d, name_of, stocked_by_day
from detectors.chain.programme.scenario import NOTHING, Scenario, Unsolved

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
_FIRST_D, _GROWS = 32, 4  # the first horizon in which a hit is looked for, and how many times longer the next is
_NOTHING_RATIO = 1e-9  # of all demand over the horizon; less is the solver's rounding


class Phased:
    """A chain over `horizon_d` days with `pipeline` (by arc) and `arriving` (by place) on their way.

    Raises Unsolved where it has no answer.
    """

    def __init__(
        self,
        network: Network,
        horizon_d: int,
        pipeline: Pipeline,
        time_limit_s: float = TIME_LIMIT_S,
        arriving: Mapping[Place, Sequence[Arrival]] = MappingProxyType({}),
    ) -> None:
        if horizon_d < 1:
            raise Unsolved(f"a horizon of {horizon_d} days holds no day; it is 1 or more")
        self._days = horizon_d
        parts = [part for part in components(network) if len(part.selling)]
        ramp_d = {node.name: node.ramp_d for node in network.nodes}
        given = OnItsWay(pipeline, stocked_by_day(network, horizon_d, arriving))
        self._parts = [_PhasedPart(part, horizon_d, given, ramp_d, time_limit_s) for part in parts]

    def loss(self, scenario: Scenario, for_d: float) -> float:
        """The least value lost over the horizon when the scenario lasts from day 1 for `for_d` days."""
        return sum(part.loss(scenario, for_d, self._days) for part in self._parts)

    def first_hit_d(self, scenario: Scenario, for_d: float) -> int | None:
        """The first day by whose end losing sales was unavoidable, whatever was done; None when none is in the horizon.

        Found by halving: it is the least d such that days 1 to d cannot all be served in full.
        """
        if not any(part.misses(scenario, for_d, self._days) for part in self._parts):
            return None
        served, missed = 0, self._days
        while missed - served > 1:
            middle = (served + missed) // 2
            if any(part.misses(scenario, for_d, middle) for part in self._parts):
                missed = middle
            else:
                served = middle
        return missed


def first_hit_d(
    network: Network,
    horizon_d: int,
    pipeline: Pipeline,
    scenario: Scenario,
    for_d: float,
    arriving: Mapping[Place, Sequence[Arrival]] = MappingProxyType({}),
) -> int | None:
    """The same, asked once: over horizons that grow, for what comes later changes nothing of the days before."""
    days = min(_FIRST_D, horizon_d)
    while True:
        hit = Phased(network, days, pipeline, arriving=arriving).first_hit_d(scenario, for_d)
        if hit is not None or days == horizon_d:
            return hit
        days = min(horizon_d, _GROWS * days)


class _PhasedPart:
    """One component. Columns, each by day: make, shipped (arcs), lost (sellers), finished and input stock."""

    def __init__(
        self, part: Component, days: int, given: OnItsWay, ramp_d: Mapping[str, float], time_limit_s: float
    ) -> None:
        self._part, self._days = part, days
        self._ramp_d = np.array([ramp_d[name] for name in part.names])
        self._lead = np.array([lead_d(arc) for arc in part.arcs], np.intp)
        nodes, arcs, sellers, needs = len(part.names), len(part.arcs), len(part.selling), len(part.needs)
        self._ship, self._lost = nodes * days, (nodes + arcs) * days
        self._made, self._held = (nodes + arcs + sellers) * days, (2 * nodes + arcs + sellers) * days
        self._end = self._held + needs * days
        self._worth_per_d = float(part.value_per_d.max()) or 1.0
        self._missable = part.demand_per_d[part.selling] / part.unit[part.selling]
        self._on_its_way, self._time_limit_s = given, time_limit_s

    @cached_property
    def _valued(self) -> Kept:
        """What is lost is weighed by its value."""
        return self._kept(self._part.value_per_d[self._part.selling] / self._worth_per_d)

    @cached_property
    def _counted(self) -> Kept:
        """What is lost is counted, so that a sale of no value is missed, too."""
        return self._kept(np.ones(len(self._part.selling)))

    def _kept(self, worth: Floats) -> Kept:
        kept = Kept(self._rows(self._on_its_way, worth), self._time_limit_s)
        kept.start_from_here()
        return kept

    def loss(self, scenario: Scenario, for_d: float, days: int) -> float:
        return max(0.0, self._least(self._valued, scenario, for_d, days)) * self._worth_per_d

    def misses(self, scenario: Scenario, for_d: float, days: int) -> bool:
        """Whether days 1 to `days` cannot all be served in full."""
        return self._least(self._counted, scenario, for_d, days) > _NOTHING_RATIO * days

    def _least(self, kept: Kept, scenario: Scenario, for_d: float, days: int) -> float:
        """The least cost of what is lost on days 1 to `days`; what is lost later is free."""
        make, ship = np.arange(self._ship), self._ship + np.arange(self._lost - self._ship)
        kept.bound(make, np.zeros(len(make)), self._capacity(scenario, for_d).ravel())
        kept.bound(ship, np.zeros(len(ship)), self._shippable(scenario, for_d).ravel())
        counts = np.broadcast_to(np.arange(self._days) < days, (len(self._part.selling), self._days))
        kept.price(self._lost + np.arange(counts.size), np.where(counts, self._cost_of(kept), 0.0).ravel())
        return kept.solve()

    def _cost_of(self, kept: Kept) -> Floats:
        part = self._part
        a_day = (
            part.value_per_d[part.selling] / self._worth_per_d if kept is self._valued else np.ones(len(part.selling))
        )
        return np.asarray(a_day / self._missable)[:, None]

    def _capacity(self, scenario: Scenario, for_d: float) -> Floats:
        """The most each node makes on each day, in its units."""
        part = self._part
        full = part.amounts.capacity_per_d / part.unit
        capacity = np.repeat(full[:, None], self._days, axis=1)
        for name in sorted(scenario.remaining.keys() | scenario.at_most_per_d.keys()):
            if name in part.place:
                place = part.place[name]
                ratio = scenario.remaining.get(name, 1.0)
                left = ratio * full[place] if ratio else 0.0
                left = min(left, scenario.at_most_per_d.get(name, np.inf) / part.unit[place])
                back = _back(self._days, for_d, float(self._ramp_d[place]))
                capacity[place] = _between(left, full[place], back)
        return capacity

    def _shippable(self, scenario: Scenario, for_d: float) -> Floats:
        """The most each arc carries on each day: nothing while its supply is cut."""
        most = np.full((len(self._part.arcs), self._days), np.inf)
        for what in scenario.cut:
            most[self._part.arcs_of.get(what, []), : ceil(for_d)] = 0.0
        return most

    def _rows(self, given: OnItsWay, worth: Floats) -> Rows:
        days = self._days
        entries, right = [*self._outputs(), *self._inputs()], self._given(given)
        row, column, value = (np.concatenate(parts) for parts in zip(*entries, strict=True))
        cost, high = np.zeros(self._end), np.full(self._end, np.inf)
        cost[self._lost : self._made] = np.repeat(worth / self._missable, days)
        high[: self._ship] = self._capacity(NOTHING, 0.0).ravel()
        high[self._lost : self._made] = np.repeat(self._missable, days)
        matrix = coo_array((value, (row, column)), shape=(len(right), self._end)).tocsc()
        return Rows(cost, matrix, right, right, np.zeros(self._end), high)

    def _outputs(self) -> list[tuple[Places, Places, Floats]]:
        """A row for each node and day: stock after - stock before - make + shipped - lost = given - demand."""
        part, days = self._part, self._days
        nodes, arcs, sellers = np.arange(len(part.names)), np.arange(len(part.arcs)), np.arange(len(part.selling))
        return [
            (_by_day(nodes, days), _by_day(nodes, days, self._made), np.ones(len(nodes) * days)),
            (_later(nodes, days), _earlier(nodes, days, self._made), -np.ones(len(nodes) * (days - 1))),
            (_by_day(nodes, days), _by_day(nodes, days), -np.ones(len(nodes) * days)),
            (_by_day(part.source, days), _by_day(arcs, days, self._ship), np.ones(len(arcs) * days)),
            (_by_day(part.selling, days), _by_day(sellers, days, self._lost), -np.ones(len(sellers) * days)),
        ]

    def _inputs(self) -> list[tuple[Places, Places, Floats]]:
        """A row for each need and day: stock after - stock before - arrived + make = given."""
        part, days = self._part, self._days
        needs = np.arange(len(part.needs))
        first = len(part.names) * days
        makes = part.unit[part.source] / (part.per * part.unit[part.target])
        arrive = [
            (
                first + _by_day(part.need[[a]], days)[lead:],
                _by_day(np.array([a]), days, self._ship)[: max(0, days - lead)],
            )
            for a, lead in enumerate(self._lead.tolist())
        ]
        return [
            (first + _by_day(needs, days), _by_day(needs, days, self._held), np.ones(len(needs) * days)),
            (first + _later(needs, days), _earlier(needs, days, self._held), -np.ones(len(needs) * (days - 1))),
            (first + _by_day(needs, days), _by_day(part.needing, days), np.ones(len(needs) * days)),
            *((row, column, np.full(len(row), -makes[a])) for a, (row, column) in enumerate(arrive)),
        ]

    def _given(self, given: OnItsWay) -> Floats:
        """The right sides: stocks on day 1, arrivals of what is on its way, and demand."""
        part, days = self._part, self._days
        output = np.repeat(-(part.demand_per_d / part.unit)[:, None], days, axis=1)
        output[:, 0] += part.amounts.made / part.unit
        inputs = np.zeros((len(part.needs), days))
        inputs[:, 0] = part.amounts.inputs / part.unit[part.needing]
        for arc, need in zip(part.arcs, part.need.tolist(), strict=True):
            arriving = np.array(given.pipeline.get(name_of(arc), ()), np.float64)[:days]
            inputs[need, : len(arriving)] += arriving / (arc.quantity_per * part.unit[part.place[arc.target]])
        for day, stocked in given.by_day.items():
            for name, units in stocked.made.items():
                if name in part.place:
                    output[part.place[name], day - 1] += units / part.unit[part.place[name]]
            for i, (name, what) in enumerate(part.needs):
                units = stocked.inputs.get((name, what), 0.0)
                inputs[i, day - 1] += units / part.unit[part.place[name]]
        return np.concatenate([output.ravel(), inputs.ravel()])


def _back(days: int, for_d: float, ramp_d: float) -> Floats:
    """How much of what a scenario took is back on each day, 0 to 1: the mean over the day of a straight climb."""
    edges = np.arange(days + 1) - for_d
    if ramp_d > 0:
        climbed = np.where(edges > ramp_d, edges - ramp_d / 2, np.clip(edges, 0, ramp_d) ** 2 / (2 * ramp_d))
    else:
        climbed = np.maximum(edges, 0)
    return np.asarray(np.diff(climbed))


def _between(left: float, full: float, back: Floats) -> Floats:
    if np.isfinite(full):
        return np.asarray(left + (full - left) * back)
    return np.where(back > 0, np.inf, left)


def _by_day(places: Places, days: int, first: int = 0) -> Places:
    """The columns or rows of these places on all days."""
    return (first + places[:, None] * days + np.arange(days)).ravel()


def _later(places: Places, days: int) -> Places:
    return (places[:, None] * days + np.arange(1, days)).ravel()


def _earlier(places: Places, days: int, first: int) -> Places:
    return (first + places[:, None] * days + np.arange(days - 1)).ravel()
