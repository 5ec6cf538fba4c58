"""What `andon chain exposure` answers: what each node's failure costs, or one node's failure closely.

Sentences for people, facts for programs, risks for the picture. Programmes: detectors/chain/programme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil, floor, inf
from typing import Any, NamedTuple

from collector.errors import AndonError
from deploy.chain_curve_picture import days
from deploy.chain_marks import Risk
from detectors.chain.graph import upstream_first
from detectors.chain.network import Network
from detectors.chain.programme.components import components
from detectors.chain.programme.curve import LossCurve, loss_curve
from detectors.chain.programme.model import Loss, Programme
from detectors.chain.programme.phased import Phased, planned_pipeline
from detectors.chain.programme.programmes import Programmes
from detectors.chain.programme.scenario import Scenario
from detectors.chain.survive import Failure, exposure_index, recovers_in_d, refuse_without_demand, single_failures

Progress = Callable[[int, int], None]

MOST_PHASED = 300  # nodes of a chain that is also judged day by day
_LONGEST_D = 400  # days a horizon has at most
_MOST_NAMED = 12


class TooLarge(AndonError):
    """The chain is too large for what is asked."""


class UnknownNode(AndonError):
    """A node that is asked for is not on the map."""


def failures(network: Network, on_progress: Progress) -> list[Failure]:
    """Every node shut alone for its own time to recover, with its index; the largest loss first, unknown ones last.

    Raises NoDemand.
    """
    found: list[Failure] = []
    on_progress(0, len(network.nodes))
    for failure in single_failures(network):
        found.append(failure)
        on_progress(len(found), len(network.nodes))
    return sorted(exposure_index(found), key=lambda one: (bool(one.why_unknown), -one.loss, one.node))


def table(found: Sequence[Failure]) -> list[dict[str, str]]:
    """Rows for people."""
    return [
        {
            "node": one.node,
            "shut for": "?" if one.why_unknown else f"{one.for_d:.4g} d",
            "survives": _days(one),
            "first loss": _first_day(one.time_to_survive_d, one.for_d) if not one.why_unknown else "?",
            "lost": "?" if one.why_unknown else f"{one.loss:,.0f}",
            "index": "?" if one.why_unknown else f"{one.index:.3f}",
        }
        for one in found
    ]


def facts(found: Sequence[Failure]) -> list[dict[str, Any]]:
    """The same for programs. `first_loss_d`: the day, counted from 1, by whose end losing sales is unavoidable."""
    return [
        {
            "node": one.node,
            "shut_for_d": None if one.why_unknown else one.for_d,
            "time_to_survive_d": one.time_to_survive_d,
            "first_loss_d": None if one.why_unknown else _first_loss_d(one.time_to_survive_d, one.for_d),
            "loss": None if one.why_unknown else one.loss,
            "index": None if one.why_unknown else one.index,
            "why_unknown": one.why_unknown,
        }
        for one in found
    ]


def risks(found: Sequence[Failure]) -> dict[str, Risk]:
    """For the picture of the network."""
    return {one.node: Risk(None if one.why_unknown else one.index, _words(one)) for one in found}


class Close(NamedTuple):
    """One node's failure for its own time to recover (or `for_d`). Money is of the map's one currency.

    `stops`: (days until it fails to keep its planned rate, node) downstream, the soonest first.
    `phased_loss` and `phased_hit_d` are day by day with lead times, what is on its way and ramps; None unless
    that is asked for.
    """

    node: str
    for_d: float
    loss: float
    time_to_survive_d: float | None
    lost_per_d: float
    curve: LossCurve
    stops: tuple[tuple[float, str], ...]
    horizon_d: int | None = None
    phased_loss: float | None = None
    phased_hit_d: int | None = None

    def sentences(self) -> Iterator[str]:
        yield f"{self.node}, shut for {self.for_d:.4g} days:"
        if self.time_to_survive_d is None:
            yield "  nothing is ever lost"
        else:
            first = _first_loss_d(self.time_to_survive_d, self.for_d)
            hit = f"first loss on day {first}" if first else "back before anything is lost"
            yield f"  the chain survives {self.time_to_survive_d:.4g} days; {hit}"
            yield f"  lost until it is back: {self.loss:,.0f}; once stocks are used up {self.lost_per_d:,.0f} a day"
        if self.phased_loss is not None:
            hit = f"first loss on day {self.phased_hit_d}" if self.phased_hit_d else "nothing is lost"
            over = f"{self.phased_loss:,.0f} in {self.horizon_d} days"
            yield f"  with lead times, what is on its way and ramps: {hit}, {over}"
        named = [f"{name} after {days:.3g} d" for days, name in self.stops[:_MOST_NAMED]]
        more = len(self.stops) - len(named)
        tail = f" and {more} more" if more > 0 else ""
        yield f"  fall below their planned rate: {', '.join(named) + tail if named else 'none'}"
        for from_d, per_d in zip(self.curve.from_d, self.curve.per_d, strict=True):
            if per_d > 0:
                yield f"  from {from_d:.4g} days on each day costs {per_d:,.0f}"

    def facts(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "shut_for_d": self.for_d,
            "loss": self.loss,
            "time_to_survive_d": self.time_to_survive_d,
            "first_loss_d": _first_loss_d(self.time_to_survive_d, self.for_d),
            "lost_per_d": self.lost_per_d,
            "curve": {key: list(values) for key, values in self.curve._asdict().items()},
            "stops": [{"node": name, "after_d": days} for days, name in self.stops],
            "phased": None
            if self.phased_loss is None
            else {"horizon_d": self.horizon_d, "loss": self.phased_loss, "first_loss_d": self.phased_hit_d},
        }


def closely(network: Network, name: str, for_d: float | None = None, *, day_by_day: bool = False) -> Close:
    """`day_by_day`: also with lead times and ramps, seconds to a minute for a chain of fifty nodes.

    Raises UnknownNode, MissingRecovery and NoCapacity for a node that cannot be judged, NoDemand, Unsolved."""
    refuse_without_demand(network)
    if name not in network.by_name:
        near = [node.name for node in network.nodes if name.lower() in node.name.lower()][:5]
        hint = f"; is it {', '.join(near)}?" if near else "; `andon chain exposure FOLDER --all` names all"
        raise UnknownNode(f"--node {name}: the map has no such node{hint}")
    lasts_d = recovers_in_d(network, name) if for_d is None else for_d
    shut, programmes = Scenario({name: 0.0}), Programmes(network)
    reached = [(programmes.keeps_rate_d(each, shut), each) for each in network.downstream(name)]
    told = Close(
        node=name,
        for_d=lasts_d,
        loss=programmes.loss(shut, lasts_d),
        time_to_survive_d=programmes.time_to_survive_d(shut),
        lost_per_d=programmes.lost_per_d(shut),
        curve=curve_of(network, shut),
        stops=tuple(sorted((days, each) for days, each in reached if days is not None and days < lasts_d)),
    )
    return _phased(network, told, shut) if day_by_day else told


def curve_of(network: Network, scenario: Scenario) -> LossCurve:
    """What the whole chain loses as the scenario lasts longer. Raises Unsolved."""
    parts = [part for part in components(network) if len(part.selling)]
    felt = [
        (Programme(part), Scenario({name: left for name, left in scenario.remaining.items() if name in part.place}))
        for part in parts
    ]

    def loss(for_d: float) -> Loss:
        losses = [programme.loss(shut, for_d) for programme, shut in felt]
        return Loss(sum(one.value for one in losses), sum(one.per_d for one in losses))

    return loss_curve(loss)


def _phased(network: Network, told: Close, shut: Scenario) -> Close:
    """Over the time it lasts, the longest way of lead times after it, and the slowest ramp."""
    if len(network.nodes) > MOST_PHASED:
        raise TooLarge(
            f"--day-by-day: the map has {len(network.nodes):,} nodes; day by day up to {MOST_PHASED} are judged"
        )
    arrives_d: dict[str, float] = {}
    for name in upstream_first([node.name for node in network.nodes], [(a.source, a.target) for a in network.arcs]):
        arrives_d[name] = max(
            (arrives_d[arc.source] + ceil(arc.lead_time_d) for arc in network.arcs_into[name]), default=0
        )
    slowest_d = max((node.ramp_d for node in network.nodes), default=0.0)
    after_d = max(arrives_d.values(), default=0) + slowest_d
    horizon_d = max(1, min(_LONGEST_D, ceil(told.for_d + after_d)))
    phased = Phased(network, horizon_d, planned_pipeline(network))
    return told._replace(
        horizon_d=horizon_d,
        phased_loss=phased.loss(shut, told.for_d),
        phased_hit_d=phased.first_hit_d(shut, told.for_d),
    )


def _first_loss_d(survives_d: float | None, for_d: float) -> int | None:
    return None if survives_d is None or survives_d >= for_d else floor(survives_d + 1e-9) + 1


def _first_day(survives_d: float | None, for_d: float) -> str:
    day = _first_loss_d(survives_d, for_d)
    return f"day {day}" if day else "none"


def _days(one: Failure) -> str:
    if one.why_unknown:
        return "?"
    return "for ever" if one.time_to_survive_d is None else f"{one.time_to_survive_d:.4g} d"


def _words(one: Failure) -> str:
    if one.why_unknown or one.time_to_survive_d is None or one.time_to_survive_d == inf:
        return ""
    return f"survives {days(one.time_to_survive_d)}"


def unknown(found: Sequence[Failure]) -> list[str]:
    """Why some have no answer, one sentence each."""
    return [one.why_unknown for one in found if one.why_unknown]
