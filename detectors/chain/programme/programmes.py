"""The programmes of a whole chain (Programmes): one per component, kept; a change is felt in its own component only.

    programmes = Programmes(network)
    programmes.loss(Scenario(remaining={"fab": 0}), 30.0)
    programmes.follow(the_same_network_with_other_stocks)

What a component answered is remembered with the amounts it was asked for. Not for use by two threads at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

from detectors.chain.network import Network
from detectors.chain.programme.binding import Binding
from detectors.chain.programme.components import Amounts, Component, Upstream, components
from detectors.chain.programme.model import Programme
from detectors.chain.programme.scenario import NOTHING, Scenario, Unsolved
from detectors.chain.programme.stocking import Stocking

_Asked = tuple[object, ...]
_REMEMBERED = 10_000  # answers of one component
_KEPT_UPSTREAM = 500  # programmes of what serves a single node, a quarter of a megabyte each


class Programmes:
    """Loss and time to survive of a chain. Times are days, losses in the unit of `value_per_d`. Raises Unsolved."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._note_places(network)
        self._take([_Part(part) for part in components(network)])

    def follow(self, network: Network) -> tuple[str, ...]:
        """Goes on with these stocks, capacities or arcs; the first node of each component that changed.

        A component of the same nodes, arcs and demand keeps its models and takes over the amounts; any other is built
        anew. Answers are the same, within 1e-9, as those of programmes built from `network`.
        """
        before, self._network = self._network, network
        if network.nodes is before.nodes and network.arcs is before.arcs:
            stocked = self._stocking.sort(network.stocks)
            if stocked.made.keys() <= self._kept.made.keys() and stocked.inputs.keys() <= self._kept.inputs.keys():
                held = [part.hold(part.plan.restocked(stocked, part.amounts)) for part in self._parts]
                return tuple(part.names[0] for part, moved in zip(self._parts, held, strict=True) if moved)
        self._note_places(network)
        return self._follow_new(components(network))

    def _note_places(self, network: Network) -> None:
        """Where stock is kept; stock anywhere else needs columns of its own."""
        self._stocking = Stocking(network.arcs)
        self._kept = self._stocking.sort(network.stocks)

    def _follow_new(self, new_parts: tuple[Component, ...]) -> tuple[str, ...]:
        kept = {part.names: part for part in self._parts}
        parts, changed = [], []
        for new in new_parts:
            old = kept.get(new.names)
            if old is None or not old.plan.same_shape(new):
                parts.append(_Part(new))
                changed.append(new.names[0])
            else:
                changed += [new.names[0]] if old.hold(new.amounts) else []
                parts.append(old)
        self._take(parts)
        return tuple(changed)

    def loss(self, scenario: Scenario, for_d: float) -> float:
        """The least value lost when the scenario lasts `for_d` days."""
        self._know(scenario)
        return sum(part.loss(self._within(part, scenario), for_d) for part in self._parts if part.sells)

    def lost_per_d(self, scenario: Scenario) -> float:
        """The least value lost a day once all stocks are used up."""
        self._know(scenario)
        return sum(part.lost_per_d(self._within(part, scenario)) for part in self._parts if part.sells)

    def time_to_survive_d(self, scenario: Scenario) -> float | None:
        """The longest time over which nothing need be lost; None when it has no end."""
        self._know(scenario)
        times = [part.time_to_survive_d(self._within(part, scenario)) for part in self._parts if part.sells]
        return min((time_d for time_d in times if time_d is not None), default=None)

    def keeps_rate_d(self, name: str, scenario: Scenario) -> float | None:
        """How long a node can keep its planned rate if the chain serves it alone; None for ever."""
        self._know(scenario)
        part = self._of[name]
        return part.keeps_rate_d(name, self._within(part, scenario))

    def keep_rate_bindings(self, name: str, scenario: Scenario, for_d: float) -> list[Binding]:
        """What keeps a node from its planned rate for `for_d` days (above 0) if the chain serves it alone, the
        limit of most worth first; `worth_per_d` counts units of the node's product.
        """
        self._know(scenario)
        part = self._of[name]
        return part.keep_rate_bindings(name, self._within(part, scenario), for_d)

    def _take(self, parts: list[_Part]) -> None:
        self._parts = parts
        self._of = {name: part for part in parts for name in part.names}

    def _know(self, scenario: Scenario) -> None:
        unknown = sorted(name for name in scenario.nodes if name not in self._of)
        if unknown:
            raise Unsolved(f"the scenario names {', '.join(unknown)}, which the chain does not have; correct its name")

    def _within(self, part: _Part, scenario: Scenario) -> Scenario:
        """What of the scenario a component feels."""
        if scenario is NOTHING:
            return NOTHING
        return Scenario(
            {name: ratio for name, ratio in scenario.remaining.items() if self._of[name] is part},
            frozenset(what for what in scenario.cut if self._of[what[0]] is part),
            {name: rate for name, rate in scenario.at_most_per_d.items() if self._of[name] is part},
        )


class _Part:
    """One component's programme and what it has answered, by the amounts that it was asked with."""

    def __init__(self, plan: Component) -> None:
        self.plan = plan
        self.names = plan.names
        self.sells = bool(len(plan.selling))
        self._programme = Programme(plan)
        self._upstream: dict[str, _Serving] = {}
        self._answers: dict[_Asked, float | None] = {}
        self._note(plan.amounts)

    def hold(self, amounts: Amounts) -> bool:
        """Takes over stocks and capacities; whether they differ from those before."""
        if self.amounts.equals(amounts):
            return False
        self._note(amounts)
        self._programme.hold(amounts)
        return True

    def loss(self, scenario: Scenario, for_d: float) -> float:
        return self._known(("loss", self._held, _key(scenario), for_d), lambda: self._loss(scenario, for_d)) or 0.0

    def lost_per_d(self, scenario: Scenario) -> float:
        asked = ("lost_per_d", self._capacities, _key(scenario))  # without any stock
        return self._known(asked, lambda: self._programme.loss(scenario, inf).value) or 0.0

    def time_to_survive_d(self, scenario: Scenario) -> float | None:
        asked = ("survive", self._held, _key(scenario))
        return self._known(asked, lambda: self._programme.time_to_survive_d(scenario))

    def keeps_rate_d(self, name: str, scenario: Scenario) -> float | None:
        serving = self._serving(name)
        felt, amounts = _felt(serving.upstream.part, scenario), serving.upstream.amounts(self.amounts)
        asked = ("keeps", name, amounts.fingerprint(), _key(felt))
        return self._known(asked, lambda: serving.keeps_rate_d(amounts, felt))

    def keep_rate_bindings(self, name: str, scenario: Scenario, for_d: float) -> list[Binding]:
        serving = self.plan.serving(name, self.amounts)
        return Programme(serving).bindings(_felt(serving, scenario), for_d)

    def _note(self, amounts: Amounts) -> None:
        self.amounts = amounts
        self._held, self._capacities = amounts.fingerprint(), amounts.capacity_per_d.tobytes()

    def _loss(self, scenario: Scenario, for_d: float) -> float:
        survives_d = self.time_to_survive_d(scenario)
        lasts = survives_d is None or survives_d >= for_d
        return 0.0 if lasts else self._programme.loss(scenario, for_d).value

    def _serving(self, name: str) -> _Serving:
        """Those asked last stay."""
        found = self._upstream.pop(name, None) or _Serving(self.plan.upstream_of(name))
        self._upstream[name] = found
        if len(self._upstream) > _KEPT_UPSTREAM:
            del self._upstream[next(iter(self._upstream))]
        return found

    def _known(self, asked: _Asked, answer: Callable[[], float | None]) -> float | None:
        if asked not in self._answers:
            found = answer()
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[asked] = found
        return self._answers[asked]


class _Serving:
    """What lies upstream of one node, with a programme that is built when it is first needed."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self._programme: Programme | None = None

    def keeps_rate_d(self, amounts: Amounts, felt: Scenario) -> float | None:
        if self._programme is None:
            self._programme = Programme(replace(self.upstream.part, amounts=amounts))
        self._programme.hold(amounts)
        return self._programme.time_to_survive_d(felt)


def _felt(part: Component, scenario: Scenario) -> Scenario:
    """What of the scenario touches the nodes of a part."""
    known = part.place.keys()
    return Scenario(
        {node: ratio for node, ratio in scenario.remaining.items() if node in known},
        frozenset(what for what in scenario.cut if what[0] in known),
        {node: rate for node, rate in scenario.at_most_per_d.items() if node in known},
    )


def _key(scenario: Scenario) -> _Asked:
    return (
        tuple(sorted(scenario.remaining.items())),
        scenario.cut,
        tuple(sorted(scenario.at_most_per_d.items())),
    )
