"""Where a cascade ends when it is given for ever: the exact fixed point, and how surely it is known.

Losses only grow along a cascade, so it ends at the least loss `d` with `d = F(d)`, F being one step. Plain steps come
from below; where they creep, the worst slot of each firm and the substitution of now are held and the linear system of
the firms in between is solved, which stays below the answer too (policy iteration). At the end the answer is enclosed:
`d - gap v` and `d + gap v` are shown to move towards `d`, where `v` is how strongly each firm answers.

Source of the model: Diem et al., Sci Rep 12:7719, 2022. Least fixed points and their bounds: Tarski 1955.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import bicgstab, splu

from detectors.chain.systemic.cascade import Progress, Remaining
from detectors.chain.systemic.closed import warnings_of
from detectors.chain.systemic.firms import Flags, Floats
from detectors.chain.systemic.impact import NOBODY_STANDS, Impact, Market, Side
from detectors.chain.systemic.shocks import BadShock, Shocks

_STEPS = 25  # plain steps before each solution
_ROUNDS = 40
_ANSWERS = 50  # turns until fewer who stand in are reckoned with
_AT_REST = 1e-15
_CREEP = 1e-9  # a fall of the solution below what is known already
_DIRECTLY = 2_000  # firms up to which a system is factorised; beyond, iterated
_WIDTHS = 10.0 ** np.arange(-15, -3)  # tried for the enclosure


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """For each of k shocks the ratio of all production lost when losses have run their whole course.

    `share`, `down`, `up` as in Shares; `remaining` (k x n, twice). `gap` (k): no firm's production is further from the
    exact one than this; NaN where that could not be shown (losses that die out too slowly), which `warnings` say.
    """

    share: Floats
    down: Floats
    up: Floats
    remaining: Remaining
    gap: Floats
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def fixed_points(impact: Impact, shocks: Shocks, on_progress: Progress = lambda done, of: None) -> FixedPoint:
    """The exact end of every shock, without any tolerance; a few shocks a second at 1e4 firms.

    `on_progress(done, of)` is told the shocks done. Raises BadShock when the shocks are on other firms.
    """
    if shocks.lost.shape[1] != len(impact):
        raise BadShock(f"the shocks are on {shocks.lost.shape[1]} firms, the network has {len(impact)}")
    ends, gaps = np.zeros((2, len(shocks), len(impact))), np.zeros((2, len(shocks)))
    on_progress(0, len(shocks))
    for k in range(len(shocks)):
        for direction, (side, market, lost) in enumerate(
            ((impact.down, impact.market, shocks.lost), (impact.up, None, shocks.upstream))
        ):
            ends[direction, k], gaps[direction, k] = _least(_Step(side, market, lost[[k]].toarray()[0]))
        on_progress(k + 1, len(shocks))
    down, up = ends
    return FixedPoint(
        share=np.maximum(down, up) @ impact.weights,
        down=down @ impact.weights,
        up=up @ impact.weights,
        remaining=Remaining(1.0 - down, 1.0 - up),
        gap=gaps.max(axis=0),
        names=shocks.names,
        warnings=warnings_of(impact) + _unsure(gaps.max(axis=0)),
    )


def _unsure(gap: Floats) -> tuple[str, ...]:
    unknown = int(np.isnan(gap).sum())
    return (f"{unknown} of {len(gap)} fixed points could not be enclosed; they are lower bounds",) if unknown else ()


class _Step:
    """F, one step of one direction from a shock: what every firm (n) loses when these are the losses."""

    def __init__(self, side: Side, market: Market | None, shock: Floats) -> None:
        self.side, self.market, self.shock = side, market, shock
        self.reading = np.flatnonzero(np.diff(side.first_slot))
        self.starts = side.first_slot[self.reading]

    def __call__(self, lost: Floats) -> Floats:
        return np.minimum(1.0, np.maximum(self.shock, self.worst(self.slots(lost))))

    def slots(self, lost: Floats) -> Floats:
        return np.asarray(self.side.weight @ (self.short(lost) * lost))

    def worst(self, slots: Floats) -> Floats:
        worst = np.zeros(len(self.side))
        if len(self.starts):
            worst[self.reading] = np.maximum.reduceat(slots, self.starts)
        return worst

    def short(self, lost: Floats) -> Floats:
        """How much of a firm's loss nobody of its sector stands in for."""
        if self.market is None:
            return np.ones(len(lost))
        return np.asarray(np.minimum(1.0, self.market.sales / self._standing(self.market, lost)))

    def shorter(self, lost: Floats, more: Floats) -> Floats:
        """What firms pass on beyond that when all lose `more`, since fewer stand in for them."""
        if self.market is None:
            return np.zeros(len(lost))
        short = self.short(lost)
        fewer = np.bincount(self.market.sector, self.market.sales * more, minlength=len(self.market.of_sector))
        grown = short * lost * fewer[self.market.sector] / self._standing(self.market, lost)
        return np.where(short < 1.0, grown, 0.0)

    def _standing(self, market: Market, lost: Floats) -> Floats:
        of_sector = np.bincount(market.sector, market.sales * (1.0 - lost), minlength=len(market.of_sector))
        standing: Floats = np.where(of_sector > NOBODY_STANDS, of_sector, 1.0)[market.sector]
        return standing


def _least(step: _Step) -> tuple[Floats, float]:
    """The least fixed point at or above the shock, and its gap."""
    lost, cause = step.shock.copy(), np.zeros(len(step.shock), np.int64)
    for _ in range(_ROUNDS):
        for _ in range(_STEPS):
            slots = step.slots(lost)
            after = np.minimum(1.0, np.maximum(lost, step.worst(slots)))
            rise = after - lost
            risen = rise > _AT_REST  # what made a firm rise last holds it; a tie in a circle of firms does not
            cause[risen] = _worst_slots(step, slots)[risen]
            lost = after
            if rise.max(initial=0.0) <= _AT_REST:
                return lost, _gap(step, lost, cause)
        lost = _jump(step, lost, cause)
    return lost, float("nan")


class _Between:
    """The firms above their shock that stay `below` 1 (what one step alone would lose), each held to one slot.

    They are a linear system among themselves.
    """

    def __init__(self, step: _Step, lost: Floats, cause: np.ndarray, below: Floats) -> None:
        self.firms = np.flatnonzero((lost > step.shock) & (below < 1.0))
        rows = csr_array(step.side.weight[cause[self.firms]])
        self.rows = csr_array(rows.multiply(step.short(lost)[None, :]))

    def solved(self, right: Floats) -> Floats | None:
        """x with x = what these firms receive from x + `right`; None when there is none."""
        if not len(self.firms):
            return right
        matrix = csr_array(eye_array(len(self.firms), format="csr") - self.rows[:, self.firms])
        if len(self.firms) <= _DIRECTLY:
            return _factorised(matrix, right)
        found, failed = bicgstab(matrix, right, rtol=1e-14, atol=0.0, maxiter=2_000)
        return None if failed or not np.isfinite(found).all() else found


def _factorised(matrix: csr_array, right: Floats) -> Floats | None:
    try:
        found: Floats = splu(matrix.tocsc()).solve(right)
    except RuntimeError:  # singular
        return None
    return found if np.isfinite(found).all() else None


def _jump(step: _Step, lost: Floats, cause: np.ndarray) -> Floats:
    """Up to where the linear system of the firms in between ends, or where the first of them stops altogether."""
    between = _Between(step, lost, cause, lost)
    firms, rest = between.firms, lost.copy()
    rest[firms] = 0.0
    end = between.solved(between.rows @ rest)
    if end is None or not len(firms) or (end < lost[firms] - _CREEP).any():  # losses grow: plain steps reach the stop
        return lost
    rise = np.maximum(end - lost[firms], 0.0)
    over = end > 1.0
    ratio = min(1.0, float(((1.0 - lost[firms][over]) / rise[over]).min(initial=1.0)))
    jumped = lost.copy()
    jumped[firms] = np.minimum(1.0, lost[firms] + ratio * rise)
    return jumped


def _gap(step: _Step, lost: Floats, cause: np.ndarray) -> float:
    """Half the width of the narrowest enclosure that holds; NaN when none does."""
    between = _Between(step, lost, cause, step.worst(step.slots(lost)) - _CREEP)  # also those that just reach it
    answer = np.zeros(len(lost))
    for _ in range(_ANSWERS):
        found = between.solved(1.0 + between.rows @ step.shorter(lost, answer))
        if found is None or (found < 0).any():
            return float("nan")
        settled = np.allclose(found, answer[between.firms], rtol=1e-3)
        answer[between.firms] = found
        if settled:
            break
    for width in _WIDTHS:
        above, below = np.minimum(1.0, lost + width * answer), np.maximum(step.shock, lost - width * answer)
        if _at_most(step(above), above) and _at_most(below, step(below)):
            return float(max((above - lost).max(), (lost - below).max()))
    return float("nan")


def _at_most(low: Floats, high: Floats) -> bool:
    return bool((low <= high + _AT_REST).all())


def _worst_slots(step: _Step, slots: Floats) -> np.ndarray:
    """The slot of each firm (n) that is worst off; of a firm without any, 0."""
    reader = step.side.reader
    chosen = np.zeros(len(step.side), np.int64)
    is_worst: Flags = slots == step.worst(slots)[reader]
    chosen[reader[is_worst][::-1]] = np.flatnonzero(is_worst)[::-1]
    return chosen
