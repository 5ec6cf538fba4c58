"""The logic of one line: its readings through every rule's watch, in event time.

Input: the line's frames in log order. Output: records (bands, alert levels, alert events). A batch is cut at the tick
boundaries its own readings pass, and tick frames move the line when nothing arrives, so how readings were cut into
frames, and when, changes nothing. Readings flagged Quality.CLOCK do not move time.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from collector.readings import NS_PER_S, Batch, Quality
from collector.spool.frames import Control, Frame, FrameKind
from detectors.alerts import AlertRule
from detectors.detector import Context
from detectors.engine import Said
from detectors.settings import BoundRule, DetectSettings
from detectors.watch import Hidden, Watch, Watched

log = logging.getLogger(__name__)

STATE_VERSION = 1
_LONGEST_STEP_TICKS = 120_960  # of a longer leap (7 d at 5 s) only the end is looked at


class LineState(msgspec.Struct):
    """What a restart needs: the last tick passed, and every rule's memory."""

    tick: int = -1
    watched: dict[str, Watched] = {}


class LineLogic:
    """ShardLogic of one line (see `detectors.engine`)."""

    version = STATE_VERSION

    def __init__(self, rules: Iterable[BoundRule], settings: DetectSettings, context: Context) -> None:
        self._line = context.line.partition("/")[2] or context.line
        self._calendar = context.calendar
        self._tick_ns = int(settings.tick_s * NS_PER_S)
        self._levels_ns = int(settings.levels_s * NS_PER_S)
        own = (bound for bound in rules if fnmatch.fnmatchcase(self._line, bound.rule.line))
        self._watches = [Watch(bound, context) for bound in own]
        self._tick = -1
        self._said: list[Said] = []

    def apply(self, frames: Sequence[Frame]) -> list[Said]:
        for frame in frames:
            if isinstance(frame.body, Batch):
                self._take_batch(frame.body)
            elif isinstance(frame.body, Control):
                for watch in self._watches:
                    self._said += watch.take(frame.body)
            elif frame.kind is FrameKind.TICK:
                self._pass_ticks_before(frame.at_ns)
        said, self._said = self._said, []
        return said

    def snapshot(self) -> bytes:
        watched = {watch.name: watch.snapshot() for watch in self._watches}
        return msgspec.msgpack.encode(LineState(self._tick, watched))

    def restore(self, state: bytes, version: int) -> None:
        """Takes up a snapshot. One of another version starts afresh and says so."""
        if version != STATE_VERSION:
            if version:
                log.warning("state.dropped line=%s version=%d wanted=%d", self._line, version, STATE_VERSION)
            return
        kept = msgspec.msgpack.decode(state, type=LineState)
        self._tick = kept.tick
        for watch in self._watches:
            if watch.name in kept.watched:
                watch.restore(kept.watched[watch.name])

    def _take_batch(self, batch: Batch) -> None:
        """Scores the batch stretch by stretch, looking at the alerts at every tick boundary in between."""
        in_time = batch.quality != Quality.CLOCK
        passed = np.where(in_time, (batch.at_ns - 1) // self._tick_ns, -1)  # the last boundary before each reading
        if self._tick < 0 and in_time.any():
            self._tick = int(passed[in_time][0])
        passed = np.maximum.accumulate(np.maximum(passed, self._tick))
        cuts = [0, *(np.flatnonzero(np.diff(passed)) + 1).tolist(), len(batch)]
        for start, end in pairwise(cuts):
            self._pass_ticks_to(int(passed[start]))
            for watch in self._watches:
                watch.score(batch.take(slice(start, end)))

    def _pass_ticks_before(self, at_ns: int) -> None:
        if self._tick >= 0:
            self._pass_ticks_to((at_ns - 1) // self._tick_ns)

    def _pass_ticks_to(self, last: int) -> None:
        first = max(self._tick + 1, last - _LONGEST_STEP_TICKS)
        for tick in range(first, last + 1):
            self._look(tick * self._tick_ns)
        self._tick = max(self._tick, last)

    def _look(self, at_ns: int) -> None:
        """One look at every alert of the line, causes before their consequences."""
        planned_stop = self._calendar.planned_stop(self._line, at_ns) or ""
        for watch in self._watches:
            self._said += watch.look(at_ns, self._hidden(watch.rule, planned_stop))
        if at_ns % self._levels_ns == 0:
            self._said += [said for watch in self._watches for said in watch.levels(at_ns)]

    def _hidden(self, rule: AlertRule, planned_stop: str) -> Hidden:
        if planned_stop and not rule.in_planned_stop:
            return Hidden(f"planned stop: {planned_stop}")
        causes = (watch.open_alert() for watch in self._watches if watch.rule.method in rule.suppressed_by)
        cause = next((alert for alert in causes if alert is not None), None)
        return Hidden(f"its cause is open: {cause.key}", cause.key) if cause else Hidden()
