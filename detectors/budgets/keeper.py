"""The plant's alarm budget: reads what all lines raised, and says what a score has to reach from an instant on.

Input: frames of the log in order: alert records and ticks. Output: `NeededScore`, which goes back into the log for
every line. Pure: the same frames give the same words, however they were cut. What needs a higher score is decided by
each line (`detectors.budgets.telling`): facts never do, but they count, for the operator has to deal with them, too.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import msgspec

from collector import schema
from collector.readings import NS_PER_S
from collector.spool.frames import Frame, FrameKind, NeededScore, Record
from detectors.alerts import State
from detectors.budgets.bucket import Bucket, plant_pace

log = logging.getLogger(__name__)

STATE_VERSION = 1
_LOOK_NS = 10 * NS_PER_S
_STEPS = 4  # a doubling is told in so many steps: enough to be smooth, few enough for the log
_SET_BACK_NS = 300 * NS_PER_S


class KeeperState(msgspec.Struct):
    """`step`: of the score last asked for, 2 ** (step / _STEPS). `look_ns`: the last instant judged."""

    bucket: Bucket = msgspec.field(default_factory=Bucket)
    step: int = 0
    look_ns: int = 0

    @property
    def needed_score(self) -> float:
        return _score_of(self.step)


class Keeper:
    """Of one site. `budget_per_d`: how many alarms a day its operators want; infinite: no budget."""

    def __init__(self, budget_per_d: float) -> None:
        self._is_kept = math.isfinite(budget_per_d)
        self._pace = plant_pace(budget_per_d if self._is_kept else 1.0)
        self.state = KeeperState()

    def apply(self, frames: Sequence[Frame]) -> list[NeededScore]:
        """What follows from the next frames; empty while nothing changes."""
        if not self._is_kept:
            return self._let_go()
        said: list[NeededScore] = []
        for frame in frames:
            if isinstance(frame.body, Record):
                at_ns = raised_at_ns(frame.body)
                if at_ns:
                    self.state.bucket.add(self._pace, at_ns)
            elif frame.kind is FrameKind.TICK:
                said += self._look(frame.at_ns)
        return said

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.state)

    def restore(self, state: bytes, version: int) -> None:
        if version == STATE_VERSION:
            self.state = msgspec.msgpack.decode(state, type=KeeperState)

    def _look(self, now_ns: int) -> list[NeededScore]:
        """Judges at most every `_LOOK_NS`, on a grid of the site's time."""
        state, at_ns = self.state, now_ns // _LOOK_NS * _LOOK_NS
        if state.look_ns - at_ns > _SET_BACK_NS:
            state.look_ns = at_ns
            state.bucket.turn_back(at_ns)
        if at_ns <= state.look_ns:
            return []
        state.look_ns = at_ns
        state.bucket.wear(self._pace, at_ns)
        step = int(math.log2(state.bucket.needed(self._pace)) * _STEPS)
        if step == state.step:
            return []
        state.step = step
        log.info("budget.needed score=%.2f ahead=%.1f", state.needed_score, state.bucket.level)
        return [NeededScore(state.needed_score, at_ns)]

    def _let_go(self) -> list[NeededScore]:
        """A budget that was taken out of site.toml asks for nothing more."""
        if not self.state.step:
            return []
        self.state.step = 0
        return [NeededScore(1.0, self.state.look_ns)]


def raised_at_ns(record: Record) -> int:
    """When a record tells somebody of an alert for the first time, 0 when it does not."""
    detail = record.detail
    if record.measurement != schema.ALERT_EVENT.name or detail.get("state") != State.UNACKED:
        return 0
    fired_at_ns = int(detail.get("fired_at_ns", 0))
    return fired_at_ns if detail.get("changed_at_ns") == fired_at_ns and not detail.get("comments") else 0


def _score_of(step: int) -> float:
    return float(2.0 ** (step / _STEPS))
