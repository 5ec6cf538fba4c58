"""What open alerts put at risk: `exposures(network, floor, at_ns)`, one Exposure per disrupted (node, material).

Pure. Input: the Network and the Floor as of an instant. Output goes through `outputs` to the spool. Each disruption is
judged by itself, on live stocks and on lines that are slow anyway: what those lose without it is not its loss. How long
it lasts is a distribution (P50, P80, P95). A silent line or stock, and one read too long ago, is unknown: its last
values stand with a wider interval, it is flagged and nothing is taken as zero. What cannot be computed is unknown, too.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collector.errors import AndonError
from collector.readings import NS_PER_S
from detectors.chain.disruption import (
    Disruption,
    What,
    causes_of,
    causes_of_silence,
    disruption_of,
    silent_lines,
    slow_lines,
    with_others,
)
from detectors.chain.doubts import cover_d, doubts_of
from detectors.chain.facts import sentence
from detectors.chain.floor import Floor, Place
from detectors.chain.live import in_planned_units, on_the_floor
from detectors.chain.network import Network
from detectors.chain.programme.programmes import Programmes
from detectors.chain.programme.scenario import Scenario
from detectors.chain.recovery_book import RecoveryBook

log = logging.getLogger(__name__)

SHARES = (0.5, 0.8, 0.95)  # of recoveries that are over: P50, P80, P95
_NS_PER_D = 86_400 * NS_PER_S
_DIGITS = 9  # of days; the search for a quantile ends a little before
_SAME = 1e-9  # of a loss, or of days: answers that differ less are one


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """What one disruption does to the chain. `_d` are days from `at_ns`, the instant it holds for; instants are UTC ns.

    `time_to_survive_d` is how long every market can still be served, None for ever. `stops_at_ns` is when the node
    itself can no longer keep its planned rate, `first_loss_at_ns` when the first sale is lost, both if nothing is done
    and 0 for never. `time_to_recover_d`, `gap_d` and `lost` (value until recovery) are medians, `_p80` and `_p95` the
    same when recovery takes as long as in 1 of 5 and 1 of 20 cases. `stops` are the downstream nodes that fail to keep
    their rate before the median recovery, soonest first, `may_stop` those that do before the P95, `_in_d` says when.
    `chance` is, for each of them and the node itself, that of failing at all. `lost_per_d` is the value lost a day once
    stocks are used up. `output_low` and `output_high` bound the line's output as a part of the usual.
    """

    node: str
    material: str
    at_ns: int
    days_of_supply_d: float | None = None
    time_to_survive_d: float | None = None
    time_to_recover_d: float = 0.0
    gap_d: float = 0.0
    lost_per_d: float = 0.0
    lost: float = 0.0
    stops_at_ns: int = 0
    first_loss_at_ns: int = 0
    stops: tuple[str, ...] = ()
    stops_in_d: tuple[float, ...] = ()
    causes: tuple[str, ...] = ()  # keys of the alerts; none: the exposure has ended
    best_action: str = ""
    unknown: bool = False  # the line is silent, its last values stand; or see below
    why_unknown: str = ""  # why it could not be computed
    recover_p80_d: float = 0.0
    recover_p95_d: float = 0.0
    gap_p80_d: float = 0.0
    gap_p95_d: float = 0.0
    lost_p80: float = 0.0
    lost_p95: float = 0.0
    loss_chance_ratio: float = 0.0  # of losing anything
    may_stop: tuple[str, ...] = ()
    may_stop_in_d: tuple[float, ...] = ()
    chance: dict[str, float] = {}
    days_of_supply_low_d: float | None = None  # where it was not read for long: what is left at least
    output_ratio: float | None = None
    output_low: float | None = None
    output_high: float | None = None
    recovers: str = ""  # the node whose recovery ends it
    doubts: tuple[str, ...] = ()  # sentences: what of this is not measured now
    why: str = ""  # the facts in one sentence

    @property
    def key(self) -> str:
        return f"{self.node}|{self.material}"

    def fails_in_d(self) -> dict[str, float]:
        """When each node that may fail no longer keeps its planned rate."""
        fails = dict(zip((*self.stops, *self.may_stop), (*self.stops_in_d, *self.may_stop_in_d), strict=True))
        if self.stops_at_ns:
            fails[self.node] = (self.stops_at_ns - self.at_ns) / _NS_PER_D
        return fails

    def risks(self) -> dict[str, float]:
        """By node, 0 to 1: the part of the median time to recover over which it fails to keep its planned rate."""
        whole_d = self.time_to_recover_d
        return {name: min(1.0, max(0.0, 1 - d / whole_d)) for name, d in self.fails_in_d().items()} if whole_d else {}

    def risk(self, node: str) -> float:
        return self.risks().get(node, 0.0)

    def ended(self, at_ns: int) -> Exposure:
        """This exposure after its alerts have closed: nothing is at risk any more."""
        return Exposure(node=self.node, material=self.material, at_ns=at_ns, time_to_recover_d=self.time_to_recover_d)


class Asked(NamedTuple):
    """What every exposure of one instant is judged from."""

    live: Network
    kept: Programmes
    book: RecoveryBook
    floor: Floor
    at_ns: int


def exposures(
    network: Network,
    floor: Floor,
    at_ns: int,
    programmes: Programmes | None = None,
    book: RecoveryBook | None = None,
) -> list[Exposure]:
    """The exposures of all open alerts that touch the chain, in order of their keys.

    Who asks again and again gives the chain's `programmes`: they follow the floor, and what no alert or stock has
    touched since is not computed anew. Answers are the same with and without, to 1e-9. `book` knows recoveries that
    were seen; without one those of the map stand.
    """
    return list(each_exposure(network, floor, at_ns, programmes, book))


def each_exposure(
    network: Network,
    floor: Floor,
    at_ns: int,
    programmes: Programmes | None = None,
    book: RecoveryBook | None = None,
    *,
    only: Collection[Place] | None = None,
    but: Collection[Place] = (),
) -> Iterator[Exposure]:
    """The same one after the other, each computed when it is asked for; of the places `only`, and of none of `but`."""
    asked = asked_of(network, floor, at_ns, programmes, book)
    silent, silent_nodes = causes_of_silence(asked.live, floor), silent_lines(asked.live, floor)
    disrupted = {what[1:]: (what, causes) for what, causes in causes_of(asked.live, floor).items()}
    for place in sorted(disrupted.keys() | silent.keys(), key="|".join):
        if place in but or (only is not None and place not in only):
            continue
        if place in disrupted:
            exposure = _exposure_or_why_not(asked, *disrupted[place])
            is_silent = place[0] in silent_nodes or place in silent
            exposure = replace(exposure, unknown=exposure.unknown or is_silent)
        else:
            exposure = _unknown(asked, *place, silent[place])
        yield replace(exposure, why=sentence(asked.live, exposure))


def asked_of(
    network: Network,
    floor: Floor,
    at_ns: int,
    programmes: Programmes | None = None,
    book: RecoveryBook | None = None,
) -> Asked:
    """The chain as it stands on the floor, with programmes that follow it."""
    live = on_the_floor(network, floor, at_ns)
    kept = programmes or Programmes(network)
    kept.follow(in_planned_units(live))
    return Asked(live, kept, book or RecoveryBook(network), floor, at_ns)


def exposure_of(asked: Asked, disruption: Disruption, causes: tuple[str, ...]) -> Exposure:
    """What a disruption does to the chain. Raises Unsolved."""
    live, kept, name = asked.live, asked.kept, disruption.node
    others = Scenario(at_most_per_d=slow_lines(live, asked.floor, name))
    scenario = with_others(disruption.scenario, others.at_most_per_d)
    lasts_d = [round(disruption.lasting.quantile_d(share), _DIGITS) for share in SHARES]
    lost = [_more(kept.loss(scenario, d), kept.loss(others, d) if others.nodes else 0.0) for d in lasts_d]
    survive_d = kept.time_to_survive_d(scenario)
    if others.nodes and not lost[-1] and survive_d == kept.time_to_survive_d(others):
        survive_d = None  # what is lost is lost without it, too
    gap_d = [max(0.0, d - survive_d) if survive_d is not None else 0.0 for d in lasts_d]
    own_d = kept.keeps_rate_d(name, scenario)
    fails = _fails(asked, scenario, others, live.downstream(name))
    stops = [(days, each) for days, each in fails if days < lasts_d[0]]
    may_stop = [(days, each) for days, each in fails if lasts_d[0] <= days < lasts_d[-1]]
    own = [(own_d, name)] if own_d is not None else []
    return Exposure(
        node=name,
        material=disruption.material,
        at_ns=asked.at_ns,
        days_of_supply_d=cover_d(live, name, disruption.material),
        time_to_survive_d=survive_d,
        time_to_recover_d=lasts_d[0],
        recover_p80_d=lasts_d[1],
        recover_p95_d=lasts_d[2],
        recovers=disruption.recovers,
        gap_d=gap_d[0],
        gap_p80_d=gap_d[1],
        gap_p95_d=gap_d[2],
        lost_per_d=_more(kept.lost_per_d(scenario), kept.lost_per_d(others) if others.nodes else 0.0),
        lost=lost[0],
        lost_p80=lost[1],
        lost_p95=lost[2],
        loss_chance_ratio=disruption.lasting.still_out(survive_d) if survive_d is not None else 0.0,
        stops_at_ns=_instant(asked.at_ns, own_d),
        first_loss_at_ns=_instant(asked.at_ns, survive_d),
        stops=tuple(each for _, each in stops),
        stops_in_d=tuple(days for days, _ in stops),
        may_stop=tuple(each for _, each in may_stop),
        may_stop_in_d=tuple(days for days, _ in may_stop),
        chance={each: disruption.lasting.still_out(days) for days, each in (*own, *stops, *may_stop)},
        causes=causes,
        best_action=best_action(live, name, disruption.material, gap_d[0]),
    )


def _fails(asked: Asked, scenario: Scenario, others: Scenario, names: list[str]) -> list[tuple[float, str]]:
    """When each of these nodes fails to keep its rate because of the scenario, soonest first."""
    fails = [(asked.kept.keeps_rate_d(each, scenario), each) for each in names]
    found = [(days, each) for days, each in fails if days is not None]
    if others.nodes:
        found = [(days, each) for days, each in found if not _same(days, asked.kept.keeps_rate_d(each, others))]
    return sorted(found)


def _same(one: float, other: float | None) -> bool:
    return other is not None and abs(one - other) <= _SAME * max(1.0, one)


def _more(value: float, without: float) -> float:
    """What is lost on top; a difference of the solver's rounding is none."""
    return value - without if value - without > _SAME * max(1.0, value) else 0.0


def _exposure_or_why_not(asked: Asked, what: What, causes: tuple[str, ...]) -> Exposure:
    """A disruption without an answer is told as unknown, with the reason: the others must still be judged."""
    _, name, material = what
    try:
        disruption = disruption_of(asked.live, asked.book, asked.floor, what, asked.at_ns)
        return _with_doubts(asked, exposure_of(asked, disruption, causes))
    except Exception as error:
        log.exception("exposure.failed node=%s material=%s", name, material)
        why = str(error) if isinstance(error, AndonError) else f"{type(error).__name__}: {error}"
        return replace(_unknown(asked, name, material, causes), why_unknown=why)


def _unknown(asked: Asked, name: str, material: str, causes: tuple[str, ...]) -> Exposure:
    exposure = Exposure(
        node=name,
        material=material,
        at_ns=asked.at_ns,
        days_of_supply_d=cover_d(asked.live, name, material),
        time_to_recover_d=asked.live.by_name[name].time_to_recover_d or 0.0,
        causes=causes,
        unknown=True,
    )
    return _with_doubts(asked, exposure)


def _with_doubts(asked: Asked, exposure: Exposure) -> Exposure:
    """With the bounds of what is not measured now, and what that is in words."""
    doubts = doubts_of(asked.live, asked.floor, exposure.node, exposure.material, asked.at_ns)
    known = asked.floor.output.get(exposure.node)
    return replace(
        exposure,
        days_of_supply_low_d=doubts.days_of_supply_low_d,
        output_ratio=known.ratio if known else None,
        output_low=known.low if known else None,
        output_high=known.high if known else None,
        doubts=doubts.sentences,
        unknown=exposure.unknown or doubts.is_stale,
    )


def best_action(network: Network, name: str, material: str, gap_d: float) -> str:
    """The cheapest action that covers the gap, else the one that covers most of it; `""` without a gap or an action."""
    fitting = [m for m in network.mitigations if m.node == name and m.material in ("", material)]
    if not fitting or not gap_d:
        return ""
    enough = [m for m in fitting if m.covers_d >= gap_d]
    best = min(enough, key=lambda m: m.cost) if enough else max(fitting, key=lambda m: (m.covers_d, -m.cost))
    return best.action


def _instant(at_ns: int, days: float | None) -> int:
    return 0 if days is None else at_ns + round(days * _NS_PER_D)
