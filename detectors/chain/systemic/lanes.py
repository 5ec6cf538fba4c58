"""Cascades with numpy and scipy.sparse, several side by side: the form that runs everywhere.

One row for each firm, one lane for each shock; all lanes go one step at a time. Only what moved in some lane is added
to the slots it reaches, and only the firms of those slots are looked at: the active part. `compiled` is faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.chain.systemic.firms import Flags, Floats, Ints, Places
from detectors.chain.systemic.impact import NOBODY_STANDS, Impact, Market, Side
from detectors.chain.systemic.outcome import Outcome
from detectors.chain.systemic.shocks import Shocks

_MOST = 64  # lanes
_CELLS = 4e6  # slots x lanes at once: 32 MB


def cascades(impact: Impact, shocks: Shocks, tolerance: float, *, keep: bool = False) -> Outcome:
    """Runs every shock until no firm falls by more than `tolerance` in one step; `keep`: with what remains of firms."""
    outcome = Outcome.empty(len(shocks), len(impact) if keep else None)
    width = int(np.clip(_CELLS // max(impact.down.weight.shape[0], len(impact)), 4, _MOST))
    for first in range(0, len(shocks), width):
        _run_lanes(impact, shocks.part(first, min(first + width, len(shocks))), tolerance, outcome, first)
    return outcome


@dataclass
class _Direction:
    """One direction of K cascades at work.

    n x K: `remaining` production, the `most` a shock leaves, the loss that is `passed_on`. `loss` (slots x K): what
    arrived; `standing` (sectors x K): the production that still stands in each sector, without substitution no row;
    `hurt` (n): whether a firm ever fell; `due`: the firms to look at next.
    """

    side: Side
    market: Market | None
    remaining: Floats
    most: Floats
    passed_on: Floats
    loss: Floats
    standing: Floats
    hurt: Flags
    due: Places

    @classmethod
    def start(cls, side: Side, market: Market | None, lost: Floats) -> _Direction:
        most = 1.0 - lost
        standing = np.zeros((0, most.shape[1]))
        if market is not None:
            standing = np.repeat(market.of_sector[:, None], most.shape[1], axis=1)
        nobody = np.zeros(len(most), np.bool_)
        loss = np.zeros((side.weight.shape[0], most.shape[1]))
        one = cls(
            side,
            market,
            most.copy(),
            most,
            np.zeros_like(most),
            loss,
            standing,
            nobody,
            np.flatnonzero(nobody),
        )
        one._tell(np.flatnonzero((lost > 0).any(axis=1)))
        return one

    def step(self) -> Floats:
        """Gives due firms what their worst slot leaves, and tells their readers; the largest fall of each lane."""
        firms = self.due
        if not len(firms):
            return np.zeros(self.most.shape[1])
        left = np.minimum(self.most[firms], np.maximum(1.0 - self._worst_slot(firms), 0.0))
        falls = self.remaining[firms] - left
        self.remaining[firms] = left
        self._tell(firms[(falls != 0).any(axis=1)])
        largest: Floats = np.maximum(falls.max(axis=0), 0.0)
        return largest

    def keep(self, lanes: Flags) -> None:
        for name in ("remaining", "most", "passed_on", "loss", "standing"):
            setattr(self, name, np.ascontiguousarray(getattr(self, name)[:, lanes]))

    def _tell(self, fallen: Places) -> None:
        """After some firms fell: adds what they pass on more than before to slots, whose firms are due."""
        firms, passed_on = self._passing(fallen)
        more = passed_on - self.passed_on[firms]
        moved = (more != 0).any(axis=1)
        firms = firms[moved]
        self.passed_on[firms] = passed_on[moved]
        reached = self.side.by_source[:, firms]
        self.loss += reached @ more[moved]
        due = np.zeros(len(self.side), np.bool_)
        due[self.side.reader[reached.indices]] = True
        self.due = np.flatnonzero(due)

    def _passing(self, fallen: Places) -> tuple[Places, Floats]:
        """The firms whose passed on loss may change since these fell, and what it is now."""
        if self.market is None:
            passed_on: Floats = 1.0 - self.remaining[fallen]
            return fallen, passed_on
        return self._short(self.market, fallen)

    def _short(self, market: Market, fallen: Places) -> tuple[Places, Floats]:
        """The firms hurt in sectors where one fell, and what they pass on: the fewer stand in for them, the more."""
        shifted = self._shifted(market, fallen)
        self.hurt[fallen] = True
        firms = np.flatnonzero(shifted[market.sector] & self.hurt)
        standing = self.standing[market.sector[firms]]
        standing[standing <= NOBODY_STANDS] = 1.0
        passed_on: Floats = np.minimum(1.0, market.sales[firms, None] / standing) * (1.0 - self.remaining[firms])
        return firms, passed_on

    def _shifted(self, market: Market, fallen: Places) -> Flags:
        """Sums again what stands in the sectors of firms that fell; the sectors where it changed."""
        shifted = np.zeros(len(self.standing), np.bool_)
        for sector in np.unique(market.sector[fallen]):
            members = market.members[market.first[sector] : market.first[sector + 1]]
            standing = market.sales[members] @ self.remaining[members]
            shifted[sector] = True
            self.standing[sector] = standing
        return shifted

    def _worst_slot(self, firms: Places) -> Floats:
        """The largest loss over the slots of each firm (firms x K); every one of `firms` has a slot."""
        counts = np.diff(self.side.first_slot)[firms]
        starts = np.append(0, np.cumsum(counts)[:-1])
        slots = np.arange(counts.sum()) + np.repeat(self.side.first_slot[firms] - starts, counts)
        worst: Floats = np.maximum.reduceat(self.loss[slots], starts, axis=0)
        return worst


def _run_lanes(impact: Impact, shocks: Shocks, tolerance: float, outcome: Outcome, first: int) -> None:
    """Downstream and upstream losses come to rest together, as in the paper: a lane ends when neither falls."""
    lost, lost_up = (np.ascontiguousarray(rows.toarray().T) for rows in (shocks.lost, shocks.upstream))
    down, up = _Direction.start(impact.down, impact.market, lost), _Direction.start(impact.up, None, lost_up)
    running: Ints = np.arange(first, first + len(shocks), dtype=np.int32)
    over = np.zeros(len(running), np.bool_)
    steps = 0
    while not over.all():
        steps += 1
        falls = np.maximum(down.step(), up.step())
        for k in np.flatnonzero((falls <= tolerance) & ~over):
            outcome.put(int(running[k]), down.remaining[:, k], up.remaining[:, k], impact.weights, steps, falls[k])
            over[k] = True
        if 4 * over.sum() >= len(over) and not over.all():
            down.keep(~over)
            up.keep(~over)
            running, over = running[~over], np.zeros(int((~over).sum()), np.bool_)
