"""What `andon chain exposure --node` answers: one node's failure closely, for people and for programs.

As stated, as outages have it, and day by day. Programmes: detectors/chain/programme.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any, NamedTuple

from collector.errors import AndonError
from deploy.chain_exposure import first_loss_d
from detectors.chain.arrivals import arrivals, as_counted
from detectors.chain.exposure import SHARES
from detectors.chain.graph import upstream_first
from detectors.chain.network import Network
from detectors.chain.programme.components import components
from detectors.chain.programme.curve import LossCurve, loss_curve
from detectors.chain.programme.model import Loss, Programme
from detectors.chain.programme.phased import Phased, first_hit_d
from detectors.chain.programme.pipeline import planned_pipeline
from detectors.chain.programme.programmes import Programmes
from detectors.chain.programme.scenario import NOTHING, Scenario
from detectors.chain.recovery_book import RecoveryBook
from detectors.chain.survive import recovers_in_d, refuse_without_demand

MOST_PHASED = 300  # nodes of a chain that is also judged day by day
_PATIENCE_S = 600.0  # that one day-by-day programme may take
_LONGEST_D = 540  # days a horizon has at most
_MOST_NAMED = 12


class TooLarge(AndonError):
    """The chain is too large for what is asked."""


class UnknownNode(AndonError):
    """A node that is asked for is not on the map."""


class DayByDay(NamedTuple):
    """The same with lead times, what is on its way and ramps. Days count from 1, the first after the stocks' count.

    Losses are those of the first `horizon_d` of the `over_d` days over which it is felt; horizons have a limit.
    `told`: places of which in_transit.csv tells what is on its way; to the `assumed` other ones it is taken to come as
    planned. `anyway` is what is lost though nothing fails, because what is on its way does not last; it is in `loss`.
    """

    horizon_d: int
    over_d: int
    loss: float
    first_loss_d: int | None
    anyway: float
    anyway_first_d: int | None
    told: int
    assumed: int

    def sentences(self) -> Iterator[str]:
        hit = f"first loss on day {self.first_loss_d}" if self.first_loss_d else "nothing is lost"
        of = f"the first {self.horizon_d} of {self.over_d}" if self.horizon_d < self.over_d else f"{self.horizon_d}"
        yield f"  day by day, with lead times and ramps: {hit}, {self.loss:,.0f} in {of} days"
        told = f"as in_transit.csv says to {_places(self.told)}, " if self.told else ""
        yield f"    on its way: {told}as planned (assumed) to {_places(self.assumed, other=bool(self.told))}"
        if self.anyway:
            yield (
                f"    {self.anyway:,.0f} of it, from day {self.anyway_first_d} on, is lost though nothing fails: what "
                "in_transit.csv says does not last until an order of today arrives"
            )


class Learned(NamedTuple):
    """The time to recover as outages have it, and what is lost then: P50, P80, P95."""

    recovers_d: tuple[float, ...]
    lost: tuple[float, ...]

    def sentence(self) -> str:
        (d50, d80, d95), (lost50, lost80, lost95) = self.recovers_d, self.lost
        back = f"back in {d50:.4g} days (P80 {d80:.4g}, P95 {d95:.4g})"
        lost = f"{lost50:,.0f} (P80 {lost80:,.0f}, P95 {lost95:,.0f})"
        return f"  as outages have it, and so in `why`: {back}; lost until then: {lost}"


class Close(NamedTuple):
    """One node's failure for its own time to recover (or `for_d`). Money is of the map's one currency.

    `stops`: (days until it fails to keep its planned rate, node) downstream, the soonest first. `learned` is None where
    nobody asked or `for_d` was given, `day_by_day` unless it is asked for.
    """

    node: str
    for_d: float
    loss: float
    time_to_survive_d: float | None
    lost_per_d: float
    curve: LossCurve
    stops: tuple[tuple[float, str], ...]
    learned: Learned | None = None
    day_by_day: DayByDay | None = None

    def sentences(self) -> Iterator[str]:
        yield f"{self.node}, shut for {self.for_d:.4g} days:"
        if self.time_to_survive_d is None:
            yield "  nothing is ever lost"
        else:
            first = first_loss_d(self.time_to_survive_d, self.for_d)
            hit = f"first loss on day {first}" if first else "back before anything is lost"
            yield f"  the chain survives {self.time_to_survive_d:.4g} days; {hit}"
            yield f"  lost until it is back: {self.loss:,.0f}; once stocks are used up {self.lost_per_d:,.0f} a day"
        if self.learned is not None:
            yield self.learned.sentence()
        if self.day_by_day is not None:
            yield from self.day_by_day.sentences()
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
            "first_loss_d": first_loss_d(self.time_to_survive_d, self.for_d),
            "lost_per_d": self.lost_per_d,
            "curve": {key: list(values) for key, values in self.curve._asdict().items()},
            "stops": [{"node": name, "after_d": days} for days, name in self.stops],
            "learned": self.learned and self.learned._asdict(),
            "phased": self.day_by_day and self.day_by_day._asdict(),
        }


def closely(
    network: Network, name: str, for_d: float | None = None, *, day_by_day: bool = False, at_ns: int | None = None
) -> Close:
    """`day_by_day`: also with lead times and ramps, up to a minute for a chain of fifty nodes. `at_ns` (UTC): also for
    the time to recover that is learned from outages up to then.

    Raises UnknownNode, MissingRecovery and NoCapacity for a node that cannot be judged, NoDemand, Unsolved."""
    refuse_without_demand(network)
    if name not in network.by_name:
        near = [node.name for node in network.nodes if name.lower() in node.name.lower()][:5]
        hint = f"; is it {', '.join(near)}?" if near else "; `andon chain exposure FOLDER --all` names all"
        raise UnknownNode(f"--node {name}: the map has no such node{hint}")
    stated, network = network, as_counted(network)
    lasts_d = recovers_in_d(network, name) if for_d is None else for_d
    shut, programmes = Scenario({name: 0.0}), Programmes(network)
    reached = [(programmes.keeps_rate_d(each, shut), each) for each in network.downstream(name)]
    curve = curve_of(network, shut)
    told = Close(
        node=name,
        for_d=lasts_d,
        loss=programmes.loss(shut, lasts_d),
        time_to_survive_d=programmes.time_to_survive_d(shut),
        lost_per_d=programmes.lost_per_d(shut),
        curve=curve,
        learned=None if at_ns is None or for_d is not None else _learned(network, name, curve, at_ns),
        stops=tuple(sorted((days, each) for days, each in reached if days is not None and days < lasts_d)),
    )
    return told._replace(day_by_day=_phased(stated, shut, lasts_d)) if day_by_day else told


def _learned(network: Network, name: str, curve: LossCurve, at_ns: int) -> Learned:
    lasting = RecoveryBook(network).time_to_recover(name, at_ns)
    quantiles = tuple(lasting.quantile_d(share) for share in SHARES)
    return Learned(quantiles, tuple(curve.loss(d) for d in quantiles))


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


def _phased(network: Network, shut: Scenario, for_d: float) -> DayByDay:
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
    over_d = max(1, ceil(for_d + after_d))
    horizon_d = min(_LONGEST_D, over_d)
    told = arrivals(network)
    planned = planned_pipeline(network, told)
    phased = Phased(network, horizon_d, planned, _PATIENCE_S, told)
    anyway = phased.loss(NOTHING, 0.0) if told else 0.0
    return DayByDay(
        horizon_d=horizon_d,
        over_d=over_d,
        loss=phased.loss(shut, for_d),
        first_loss_d=first_hit_d(network, horizon_d, planned, shut, for_d, told),
        anyway=anyway,
        anyway_first_d=first_hit_d(network, horizon_d, planned, NOTHING, 0.0, told) if anyway else None,
        told=len(told),
        assumed=len({(target, material) for (_, target, material), coming in planned.items() if coming}),
    )


def _places(count: int, *, other: bool = False) -> str:
    return f"{count} {'other ' if other else ''}{'place' if count == 1 else 'places'}"
