"""The keeper over a spool: its place, its state and what it asks of the lines move in one transaction.

In a fleet the keeper is one more worker, whose input is the stream of alerts and whose output goes to every shard.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.spool.frames import Frame, FrameKind, needed_score_frame
from collector.spool.spool import Spool
from collector.spool.state import ShardState
from detectors.budgets.keeper import STATE_VERSION, Keeper, KeeperState, raised_at_ns

PLACE = "_budget"  # where it stands among the lines' states
_KINDS = (FrameKind.RECORD, FrameKind.TICK)
_FRAMES_AT_ONCE = 500
_COMMIT_AFTER = 20_000  # offsets passed over without anything of note


class BudgetKeeping:
    """Owned by the thread of the detectors. Raises Fenced when two of them work on one spool."""

    def __init__(self, spool: Spool, budget_per_d: float) -> None:
        self._spool = spool
        self._keeper = Keeper(budget_per_d)
        self._kept = spool.states.load(PLACE)
        self._keeper.restore(self._kept.body, self._kept.version)
        self._offset = self._kept.offset

    def step(self) -> int:
        """Takes in what is new in the log; returns how many frames it wrote for the lines."""
        written = 0
        while frames := self._spool.log.read(self._offset, _FRAMES_AT_ONCE, kinds=_KINDS):
            written += self._take(frames)
        return written

    def _take(self, frames: Sequence[Frame]) -> int:
        asked = self._keeper.apply(frames)
        self._offset = frames[-1].offset
        counted = any(frame.kind is FrameKind.RECORD and raised_at_ns(frame.body) for frame in frames)  # type: ignore[arg-type]
        if not (asked or counted or self._offset - self._kept.offset > _COMMIT_AFTER):
            return 0
        after = ShardState(self._offset, self._kept.rev + 1, STATE_VERSION, self._keeper.snapshot())
        with self._spool.transaction():
            self._spool.log.append([needed_score_frame(one) for one in asked])
            self._spool.states.commit(PLACE, after.offset, after.version, after.body, self._kept.rev)
        self._kept = after
        return len(asked)


def needed_score(spool: Spool) -> float:
    """What a score has to reach now, 1.0 while there is room in the budget."""
    keeper = Keeper(1.0)
    kept = spool.states.load(PLACE)
    keeper.restore(kept.body, kept.version)
    state: KeeperState = keeper.state
    return state.needed_score
