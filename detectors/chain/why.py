"""Why a node is red (`why`): the shortest chain of facts from the signal to it, and what would turn its colour.

signal -> days of stock -> path -> what binds (duals of the linear programme) -> counterfactual. A counterfactual is the
least stock, in days of its use, that is enough against the signal told, found by halving and verified: the chain is
built anew with it, and every signal judged again, for another may keep the node as it is. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import pairwise
from math import ceil, inf

import msgspec
from msgspec.structs import replace

from collector.errors import AndonError
from detectors.chain.disruption import Disruption, slow_lines, with_others
from detectors.chain.doubts import cover_d
from detectors.chain.exposure import SHARES, Asked
from detectors.chain.facts import path
from detectors.chain.floor import Place
from detectors.chain.live import in_planned_units, with_stocks
from detectors.chain.network import Network, Stock
from detectors.chain.programme.binding import Binding, Limit
from detectors.chain.programme.programmes import Programmes
from detectors.chain.programme.scenario import Scenario
from detectors.chain.recovery import TimeToRecover
from detectors.chain.state import DEFAULT, Colour, Thresholds, state_of

_BINDINGS = 3  # told, the dearest
_HALVINGS = 12
_MOST_TIMES = 3.0  # so many times the P95 of recovery is looked for at most


class UnknownNode(AndonError):
    """The chain has no such node; the sentence names a near one."""


class Signal(msgspec.Struct, frozen=True):
    """A disruption and where it is known from, in words."""

    says: str
    disruption: Disruption


class Turn(msgspec.Struct, frozen=True):
    """`stock_d` days more of `material` at `node` (empty: of what it makes) give the colour `to`, of this chance.

    `verified`: on a chain built anew with that stock it turns, as far as the signal told decides. `kept_by`: the other
    signals that on that chain still keep the node as it is; with none of them it really turns.
    """

    node: str
    material: str
    stock_d: float
    to: Colour
    chance_ratio: float
    verified: bool
    kept_by: tuple[str, ...] = ()


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about one node. Times are days from now; `recovers_d` are P50, P80 and P95 of what must recover, as its
    outages, those of its class and the time that is stated (`stated_d`) have it.

    `recovery_turns_d`: the node turns, too, when half of all recoveries (or as the threshold says) are that quick.
    `also`: the other signals of which each alone would make it as bad.
    """

    node: str
    colour: Colour
    chance_ratio: float = 0.0
    signal: str = ""
    hit: str = ""
    material: str = ""
    days_of_supply_d: float | None = None
    recovers: str = ""
    recovers_d: tuple[float, ...] = ()
    stated_d: float | None = None
    path: tuple[str, ...] = ()
    fails_in_d: float | None = None
    binding: tuple[Binding, ...] = ()
    turns: tuple[Turn, ...] = ()
    recovery_turns_d: float | None = None
    also: tuple[str, ...] = ()


def why(asked: Asked, name: str, signals: Sequence[Signal], thresholds: Thresholds = DEFAULT) -> Why:
    """Of the signals the one that hits the node hardest, explained. Raises UnknownNode, Unsolved."""
    if name not in asked.live.by_name:
        near = get_close_matches(name, asked.live.by_name, n=1)
        raise UnknownNode(f"the chain has no node {name!r}{f'; did you mean {near[0]}?' if near else ''}")
    judged = [(*_chance(asked, name, signal.disruption), i) for i, signal in enumerate(signals)]
    chance_ratio, neg_fails_d, which = max(judged, key=lambda one: (one[0], one[1], -one[2]), default=(0.0, -inf, -1))
    if neg_fails_d == -inf:
        return Why(node=name, colour=Colour.GREEN)
    signal, fails_d = signals[which], -neg_fails_d
    disruption, colour = signal.disruption, state_of(chance_ratio, thresholds)
    bound = _bindings(asked, name, disruption, fails_d)
    wanted_ratio = thresholds.red_chance_ratio if colour is Colour.RED else thresholds.amber_chance_ratio
    also = [signals[i] for ratio, _, i in judged if i != which and ratio >= wanted_ratio]
    is_green = colour is Colour.GREEN
    turns = () if is_green else tuple(_turns(asked, name, disruption, also, bound, wanted_ratio, thresholds))
    return Why(
        node=name,
        colour=colour,
        chance_ratio=chance_ratio,
        signal=signal.says,
        hit=disruption.node,
        material=disruption.material,
        days_of_supply_d=cover_d(asked.live, disruption.node, disruption.material),
        recovers=disruption.recovers,
        recovers_d=tuple(disruption.lasting.quantile_d(share) for share in SHARES),
        stated_d=asked.live.by_name[disruption.recovers].time_to_recover_d,
        path=tuple(path(asked.live, disruption.node, name)),
        fails_in_d=fails_d,
        binding=tuple(bound[:_BINDINGS]),
        turns=turns,
        recovery_turns_d=None if is_green else fails_d,
        also=() if is_green else tuple(one.says for one in also),
    )


def signals_of_failures(asked: Asked, name: str) -> Iterator[Signal]:
    """What if: each node upstream of this one shut for its own time to recover."""
    upstream = [node.name for node in asked.live.nodes if name in asked.live.downstream(node.name)]
    for source in upstream:
        if asked.live.by_name[source].capacity_per_d and _known(asked, source) is not None:
            lasting = asked.book.time_to_recover(source, asked.at_ns)
            shut = Disruption(source, "", Scenario({source: 0.0}), source, lasting)
            yield Signal(f"{source} stops", shut)


def _known(asked: Asked, name: str) -> TimeToRecover | None:
    try:
        return asked.book.time_to_recover(name, asked.at_ns)
    except AndonError:
        return None


def _scenario(asked: Asked, disruption: Disruption) -> Scenario:
    return with_others(disruption.scenario, slow_lines(asked.live, asked.floor, disruption.node))


def _chance(asked: Asked, name: str, disruption: Disruption) -> tuple[float, float]:
    """The chance that a node fails, and when it does, negative: minus infinity is never."""
    fails_d = asked.kept.keeps_rate_d(name, _scenario(asked, disruption))
    return (0.0, -inf) if fails_d is None else (disruption.lasting.still_out(fails_d), -fails_d)


def _bindings(asked: Asked, name: str, disruption: Disruption, fails_d: float) -> list[Binding]:
    """What binds just after the node has begun to fail; limits of the failure itself are no news."""
    for_d = max(fails_d * 1.001, fails_d + 1e-3)
    found = asked.kept.keep_rate_bindings(name, _scenario(asked, disruption), for_d)
    failed = {node for node, ratio in disruption.scenario.remaining.items() if not ratio}
    return [one for one in found if not (one.limit is Limit.CAPACITY and one.node in failed)]


def _turns(
    asked: Asked,
    name: str,
    disruption: Disruption,
    also: Sequence[Signal],
    bound: Sequence[Binding],
    wanted_ratio: float,
    of: Thresholds,
) -> Iterator[Turn]:
    """The least stock at each place that comes into question that turns the node, the nearest to the signal first."""
    places = dict.fromkeys((*_places(asked.live, name, disruption), *_binding_places(asked.live, bound)))
    scenario, lasting = _scenario(asked, disruption), disruption.lasting
    most_d = max(1.0, _MOST_TIMES * lasting.quantile_d(SHARES[-1]))
    for place in places:
        kept = Programmes(in_planned_units(asked.live))

        def chance_ratio(stock_d: float, place: Place = place, kept: Programmes = kept) -> float:
            kept.follow(in_planned_units(_stocked(asked.live, place, stock_d)))
            fails_d = kept.keeps_rate_d(name, scenario)
            return 0.0 if fails_d is None else lasting.still_out(fails_d)

        low_d, high_d = 0.0, most_d
        if chance_ratio(high_d) >= wanted_ratio:
            continue
        for _ in range(_HALVINGS):
            middle_d = (low_d + high_d) / 2
            low_d, high_d = (low_d, middle_d) if chance_ratio(middle_d) < wanted_ratio else (middle_d, high_d)
        stock_d = _up(high_d)
        was, now = (_anew(asked, place, more_d) for more_d in (0.0, stock_d))
        ratio = _chance(now, name, disruption)[0]
        to = state_of(ratio, of)
        kept_by = tuple(one.says for one in also if _chance(now, name, one.disruption)[0] >= wanted_ratio)
        is_turned = to is not state_of(_chance(was, name, disruption)[0], of)
        yield Turn(*place, stock_d, to, ratio, is_turned, kept_by)


def _anew(asked: Asked, place: Place, more_d: float) -> Asked:
    """The same question of a chain built anew with so much more stock."""
    live = _stocked(asked.live, place, more_d)
    return asked._replace(live=live, kept=Programmes(in_planned_units(live)))


def _places(live: Network, name: str, disruption: Disruption) -> Iterator[Place]:
    """Where a planner would put stock first: of what is missing where it is missing, then along the way."""
    hit = disruption.node
    if live.sources(hit, disruption.material):
        yield hit, disruption.material
    way = path(live, hit, name)
    for source, target in pairwise(way):
        yield next((target, arc.material) for arc in live.arcs_from[source] if arc.target == target)


def _binding_places(live: Network, bound: Sequence[Binding]) -> Iterator[Place]:
    for one in bound[:_BINDINGS]:
        if one.limit is Limit.INPUT_STOCK and any(arc.material == one.what for arc in live.arcs_into[one.node]):
            yield one.node, one.what
        elif one.limit is Limit.FINISHED_STOCK:
            yield one.node, ""


def _stocked(live: Network, place: Place, more_d: float) -> Network:
    """The chain with so many days more of a stock, at its measured use or else the planned."""
    node, material = place
    held = next((stock for stock in live.stocks if _is_at(live, stock, place)), None)
    stock = held or Stock(node=node, material=material, on_hand=0.0)
    use_per_d = stock.use_per_d or live.planned_use_per_d(stock)
    more = replace(stock, on_hand=stock.on_hand + more_d * use_per_d)
    if held is None:
        return with_stocks(live, (*live.stocks, more))
    return with_stocks(live, tuple(more if one is held else one for one in live.stocks))


def _is_at(live: Network, stock: Stock, place: Place) -> bool:
    node, material = place
    return stock.node == node and (stock.material == material if material else not live.is_input(stock))


def _up(stock_d: float) -> float:
    """As planners say it: whole days above ten, tenths above one, else hundredths; never less."""
    step = 1.0 if stock_d >= 10 else 0.1 if stock_d >= 1 else 0.01
    return round(ceil(stock_d / step - 1e-9) * step, 2)
