"""Cascades compiled by numba (the extra `fast`): the results of `lanes`, many times faster.

Each shock runs alone, on lists of the firms that moved, so that its cost is that of the links it touches; work arrays
are made once and put back in order where a shock left marks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from detectors.chain.systemic.firms import Flags, Floats, Ints
from detectors.chain.systemic.impact import NOBODY_STANDS, Impact, Market, Side
from detectors.chain.systemic.outcome import Outcome
from detectors.chain.systemic.shocks import Shocks

_MANY = 16  # when one in so many firms of a sector fell, or half of it is lost, what stands is summed again


class _Links(NamedTuple):
    """The arrays of a Side: firm j reads slots from `first_slot[j]`, its loss reaches `slot` from `first_link[j]`."""

    first_slot: Ints
    reader: Ints
    first_link: Ints
    slot: Ints
    weight: Floats


class _Work(NamedTuple):
    """One direction at work: production that remains, the most a shock leaves, losses passed on, all of length n.

    `loss`: what arrived in each slot. `hurt`, `moved` (they pass on `more` than before), `due` and `fell` are lists of
    firms of the lengths in `counts`; `listed` flags those
    in `hurt`, `seen[j]` is the step that made j due, `fall` tells by how much the firms of `fell` fell.
    """

    remaining: Floats
    most: Floats
    passed_on: Floats
    more: Floats
    loss: Floats
    hurt: Ints
    listed: Flags
    moved: Ints
    due: Ints
    fell: Ints
    fall: Floats
    seen: Ints
    counts: Ints


_HURT, _MOVED, _FELL, _STEP = 0, 1, 2, 3  # places in `counts`


def cascades(impact: Impact, shocks: Shocks, tolerance: float, *, keep: bool = False) -> Outcome:
    """Runs every shock until no firm falls by more than `tolerance` in one step; `keep`: with what remains of firms."""
    outcome = Outcome.empty(len(shocks), len(impact) if keep else None)
    nobody = np.ones((0, 0))
    _run_all(
        _links(impact.down),
        _links(impact.up),
        _market(impact),
        impact.market is not None,
        impact.weights,
        _rows(shocks.lost),
        _rows(shocks.upstream),
        tolerance,
        *outcome[:5],
        nobody if outcome.left_down is None else outcome.left_down,
        nobody if outcome.left_up is None else outcome.left_up,
    )
    return outcome


def _links(side: Side) -> _Links:
    out = side.by_source
    slots, weight = out.indices.astype(np.int32), out.data
    return _Links(side.first_slot, side.reader, out.indptr.astype(np.int32), slots, weight)


def _market(impact: Impact) -> Market:
    nobody = np.zeros(0, np.int32)
    return impact.market or Market(nobody, np.zeros(0), np.zeros(1, np.int32), nobody, np.zeros(0))


def _rows(lost: Any) -> tuple[Ints, Ints, Floats]:
    return lost.indptr.astype(np.int32), lost.indices.astype(np.int32), lost.data.astype(np.float64)


def _compiled(loop: Callable[..., Any]) -> Any:
    """Kept on disk where that is possible, so that the next process need not compile."""
    try:
        return numba.njit(loop, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # no place for the cache
        return numba.njit(loop, nogil=True, error_model="numpy")


@_compiled
def _new_work(n: int, slots: int) -> _Work:
    firms = np.empty((4, n), np.int32)
    return _Work(
        np.ones(n),
        np.ones(n),
        np.zeros(n),
        np.empty(n),
        np.zeros(slots),
        firms[0],
        np.zeros(n, np.bool_),
        firms[1],
        firms[2],
        firms[3],
        np.empty(n),
        np.zeros(n, np.int32),
        np.zeros(4, np.int32),
    )


@_compiled
def _list(work: _Work) -> None:
    """Takes firms that fell into the list of those hurt."""
    listed, hurt, fell, count = work.listed, work.hurt, work.fell, work.counts
    for at in range(count[_FELL]):
        firm = fell[at]
        if not listed[firm]:
            listed[firm] = True
            hurt[count[_HURT]] = firm
            count[_HURT] += 1


@_compiled
def _hit(work: _Work, firms: Ints, lost: Floats) -> None:
    """The shock itself."""
    hit = 0
    for at in range(len(firms)):
        if lost[at] > 0:
            work.most[firms[at]] = work.remaining[firms[at]] = 1.0 - lost[at]
            work.fell[hit], work.fall[hit] = firms[at], lost[at]
            hit += 1
    work.counts[_FELL] = hit
    _list(work)


@_compiled
def _reach(links: _Links, work: _Work) -> int:
    """Adds what firms pass on more than before to the slots it reaches; how many firms are due."""
    first, slots, weight, readers = links.first_link, links.slot, links.weight, links.reader
    moved, more, loss, seen, to_look_at = work.moved, work.more, work.loss, work.seen, work.due
    work.counts[_STEP] += 1
    step, due = work.counts[_STEP], 0
    for at in range(work.counts[_MOVED]):
        for link in range(first[moved[at]], first[moved[at] + 1]):
            slot = slots[link]
            loss[slot] += weight[link] * more[at]
            reader = readers[slot]
            if seen[reader] != step:
                seen[reader] = step
                to_look_at[due] = reader
                due += 1
    return due


@_compiled
def _look(links: _Links, work: _Work) -> float:
    """Gives the readers of firms that moved what their worst slot leaves; the largest fall."""
    first, loss, remaining, most, due = links.first_slot, work.loss, work.remaining, work.most, work.due
    fell, fall, largest, many = work.fell, work.fall, 0.0, 0
    for at in range(_reach(links, work)):
        firm, worst = due[at], 0.0
        for slot in range(first[firm], first[firm + 1]):
            worst = max(worst, loss[slot])
        left = min(most[firm], max(1.0 - worst, 0.0))
        fell[many], fall[many] = firm, remaining[firm] - left
        if fall[many] != 0.0:
            remaining[firm] = left
            largest = max(largest, fall[many])
            many += 1
    work.counts[_FELL] = many
    _list(work)
    return largest


@_compiled
def _tell_up(work: _Work) -> None:
    """All that fell pass on what they lost."""
    fell, remaining, passed_on, moved, more = work.fell, work.remaining, work.passed_on, work.moved, work.more
    for at in range(work.counts[_FELL]):
        firm = fell[at]
        loss = 1.0 - remaining[firm]
        moved[at], more[at] = firm, loss - passed_on[firm]
        passed_on[firm] = loss
    work.counts[_MOVED] = work.counts[_FELL]


@_compiled
def _stand(market: Market, work: _Work, standing: Floats, fell_in: Ints) -> None:
    """What stands in each sector after some firms fell; `fell_in` counts them, and is left for `_tell_down`."""
    sector_of, sales, remaining, first = market.sector, market.sales, work.remaining, market.first
    fell_in[:] = 0
    for at in range(work.counts[_FELL]):
        firm = work.fell[at]
        fell_in[sector_of[firm]] += 1
        standing[sector_of[firm]] -= sales[firm] * work.fall[at]
    for sector in range(len(fell_in)):
        few = fell_in[sector] * _MANY < first[sector + 1] - first[sector]
        if fell_in[sector] and not (few and standing[sector] * 2 > market.of_sector[sector]):
            total = 0.0
            for at in range(first[sector], first[sector + 1]):
                total += sales[market.members[at]] * remaining[market.members[at]]
            standing[sector] = total


@_compiled
def _tell_down(market: Market, work: _Work, standing: Floats, fell_in: Ints) -> None:
    """All that are hurt in a sector where one fell pass on more: the fewer stand in for them, the more."""
    _stand(market, work, standing, fell_in)
    sector_of, sales, remaining, passed_on = market.sector, market.sales, work.remaining, work.passed_on
    hurt, moved, more, many = work.hurt, work.moved, work.more, 0
    for at in range(work.counts[_HURT]):
        firm = hurt[at]
        if fell_in[sector_of[firm]]:
            stands = standing[sector_of[firm]]
            short = min(1.0, sales[firm] / (stands if stands > NOBODY_STANDS else 1.0))
            loss = short * (1.0 - remaining[firm])
            if loss != passed_on[firm]:
                moved[many], more[many] = firm, loss - passed_on[firm]
                passed_on[firm] = loss
                many += 1
    work.counts[_MOVED] = many


@_compiled
def _clear(links: _Links, work: _Work) -> None:
    """As before the shock."""
    first, slots, loss, hurt = links.first_link, links.slot, work.loss, work.hurt
    for at in range(work.counts[_HURT]):
        firm = hurt[at]
        work.remaining[firm] = work.most[firm] = 1.0
        work.passed_on[firm] = 0.0
        work.listed[firm] = False
        for link in range(first[firm], first[firm + 1]):
            loss[slots[link]] = 0.0
    work.counts[:_STEP] = 0


@_compiled
def _sums(weights: Floats, down: _Work, up: _Work) -> tuple[float, float, float]:
    """The ratio lost: of the worse direction of each firm, downstream alone, upstream alone."""
    share = lost_down = lost_up = 0.0
    for at in range(down.counts[_HURT]):
        firm = down.hurt[at]
        lost_down += weights[firm] * (1.0 - down.remaining[firm])
        share += weights[firm] * (1.0 - min(down.remaining[firm], up.remaining[firm]))
    for at in range(up.counts[_HURT]):
        firm = up.hurt[at]
        lost_up += weights[firm] * (1.0 - up.remaining[firm])
        if not down.listed[firm]:
            share += weights[firm] * (1.0 - up.remaining[firm])
    return share, lost_down, lost_up


@_compiled
def _run_all(
    links_down: _Links,
    links_up: _Links,
    market: Market,
    substitution: bool,
    weights: Floats,
    lost: tuple[Ints, Ints, Floats],
    lost_up: tuple[Ints, Ints, Floats],
    tolerance: float,
    share: Floats,
    share_down: Floats,
    share_up: Floats,
    steps: Ints,
    last_fall: Floats,
    left_down: Floats,
    left_up: Floats,
) -> None:
    down = _new_work(len(weights), len(links_down.reader))
    up = _new_work(len(weights), len(links_up.reader))
    standing, fell_in = market.of_sector.copy(), np.zeros(len(market.of_sector), np.int32)
    for k in range(len(share)):
        for work, rows in ((down, lost), (up, lost_up)):
            _hit(work, rows[1][rows[0][k] : rows[0][k + 1]], rows[2][rows[0][k] : rows[0][k + 1]])
        falls = 1.0 + tolerance
        while falls > tolerance:
            if substitution:
                _tell_down(market, down, standing, fell_in)
            else:
                _tell_up(down)
            _tell_up(up)
            falls = max(_look(links_down, down), _look(links_up, up))
            steps[k] += 1
        last_fall[k] = falls
        share[k], share_down[k], share_up[k] = _sums(weights, down, up)
        if len(left_down):
            left_down[k], left_up[k] = down.remaining, up.remaining
        _clear(links_down, down)
        _clear(links_up, up)
        standing[:] = market.of_sector
