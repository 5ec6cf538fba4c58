"""The logic of one line: its readings through every rule's watch, in event time.

Input: the line's frames in log order. Output: records (bands, alert levels, alert events). A batch is cut at the tick
boundaries its own readings pass, and tick frames move the line when nothing arrives, so how readings were cut into
frames, and when, changes nothing. A gap moves no time: it only says where readings are missing. A reading moves time no
further than the site's clock stood when it was received, so a device whose clock is fast does not make the others look
late; one flagged Quality.CLOCK does not move it at all.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise

import msgspec
import numpy as np

from collector.readings import NS_PER_S, Batch, Quality
from collector.schema import SELF_LINE
from collector.spool.frames import AlertNews, Control, Frame, FrameKind, NeededScore, NewModel
from collector.spool.ledger import Gap
from detectors.alerts import Alert
from detectors.budgets.telling import NOT_HIDDEN, Hidden, Look
from detectors.causes.standing import Standing
from detectors.detector import Context
from detectors.engine import ShardOutput
from detectors.rule import AlertRule
from detectors.settings import AlertSettings, BoundRule, DetectSettings
from detectors.watch import Watch
from detectors.watched import Watched, let_go

log = logging.getLogger(__name__)

STATE_VERSION = 1
# A leap in time longer than a day and its margin is not walked tick by tick: closely at both ends, so that every delay
# can run out, and every hour between, for a month before its end.
_WALKED_NS = 26 * 3600 * NS_PER_S
_CLOSELY_NS = 2 * 3600 * NS_PER_S
_COARSELY_NS = 3600 * NS_PER_S
_COARSE_LOOKS = 31 * 24
_OUTPUT = "output_drop"  # whose stop explains what its line does then
_SET_BACK_NS = 300 * NS_PER_S  # a tick so far before the last one: the site's clock was ahead and was set right


class LineState(msgspec.Struct):
    """What a restart needs: the instants of the last tick passed and told, every rule's memory, what the plant's alarm
    budget asks for now and from instants not yet reached, and the alerts of the lines that feed this one.
    """

    at_ns: int = -1
    watched: dict[str, Watched] = {}
    told_ns: int = 0
    needed_score: float = 1.0
    asked: list[NeededScore] = []
    elsewhere: dict[str, AlertNews] = {}


class LineLogic:
    """ShardLogic of one line (see `detectors.engine`)."""

    version = STATE_VERSION

    def __init__(
        self,
        rules: Iterable[BoundRule],
        settings: DetectSettings,
        context: Context,
        alerts: AlertSettings = AlertSettings(),  # noqa: B008 - frozen
    ) -> None:
        self._line = context.line.partition("/")[2] or context.line
        self._heard = frozenset(context.flow.heard_by(context.line))
        self._calendar = context.calendar
        self._tick_ns = int(settings.tick_s * NS_PER_S)
        self._levels_ns = int(settings.levels_s * NS_PER_S)
        own = (bound for bound in rules if _is_about(bound.rule, self._line))
        self._watches = [Watch(bound, context) for bound in own]
        self._tick = -1
        self._told_ns = 0  # the last tick frame
        self._together_s = alerts.together_s
        self._needed_score = 1.0
        self._asked: list[NeededScore] = []
        self._standing = Standing(own=self._own_alerts)
        self._said: list[ShardOutput] = []

    def apply(self, frames: Sequence[Frame]) -> list[ShardOutput]:
        for frame in frames:
            if isinstance(frame.body, Batch) and frame.shard in self._heard:
                for watch in self._watches:  # of another line, which moves no time here
                    watch.hear(frame.body)
            elif isinstance(frame.body, Batch):
                self._take_batch(frame.body)
            elif isinstance(frame.body, Control):
                for watch in self._watches:
                    self._said += watch.subjects.take(frame.body)
            elif isinstance(frame.body, NewModel):
                for watch in self._watches:
                    watch.swap(frame.body)
            elif isinstance(frame.body, NeededScore):
                self._asked.append(frame.body)
            elif isinstance(frame.body, AlertNews):
                self._standing.hear(frame.body)
            elif isinstance(frame.body, Gap):
                for watch in self._watches:
                    watch.miss(frame.body)
            elif frame.kind is FrameKind.TICK:
                self._pass_ticks_before(frame.at_ns)
        said, self._said = self._said, []
        return said

    def snapshot(self) -> bytes:
        watched = {watch.name: watch.snapshot() for watch in self._watches}
        at_ns, elsewhere = self._tick * self._tick_ns, self._standing.heard
        state = LineState(at_ns, watched, self._told_ns, self._needed_score, self._asked, elsewhere)
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes, version: int) -> None:
        """Takes up a snapshot, and closes the alerts of rules that are gone. One of another version is dropped."""
        if version != STATE_VERSION:
            if version:
                log.warning("state.dropped line=%s version=%d wanted=%d", self._line, version, STATE_VERSION)
            return
        kept = msgspec.msgpack.decode(state, type=LineState)
        self._tick = kept.at_ns // self._tick_ns  # whatever tick_s was then
        self._told_ns = kept.told_ns
        self._needed_score, self._asked = kept.needed_score, kept.asked
        self._standing.heard = kept.elsewhere
        at_ns = max(kept.at_ns, 0)
        watches = {watch.name: watch for watch in self._watches}
        for name, watched in kept.watched.items():
            if name in watches:
                self._said += watches[name].restore(watched, at_ns)
            else:
                self._said += [said for seen in watched.subjects.values() for said in let_go(seen, at_ns)]

    def _take_batch(self, batch: Batch) -> None:
        """Scores the batch stretch by stretch, looking at the alerts at every tick boundary in between."""
        in_time = batch.quality != Quality.CLOCK
        known_ns = np.where(batch.received_ns > 0, np.minimum(batch.at_ns, batch.received_ns), batch.at_ns)
        passed = np.where(in_time, (known_ns - 1) // self._tick_ns, -1)  # the last boundary before each reading
        if self._tick < 0 and in_time.any():
            self._tick = int(passed[in_time][0])
        passed = np.maximum.accumulate(np.maximum(passed, self._tick))
        cuts = [0, *(np.flatnonzero(np.diff(passed)) + 1).tolist(), len(batch)]
        for start, end in pairwise(cuts):
            self._pass_ticks_to(int(passed[start]))
            for watch in self._watches:
                watch.score(batch.take(slice(start, end)))

    def _pass_ticks_before(self, at_ns: int) -> None:
        before_ns, self._told_ns = self._told_ns, at_ns
        if self._tick < 0:
            return
        last = (at_ns - 1) // self._tick_ns
        if before_ns - at_ns > _SET_BACK_NS and self._tick > last:
            self._turn_back_to(last - 1)
        self._pass_ticks_to(last)

    def _turn_back_to(self, tick: int) -> None:
        """The site's clock had been ahead and was set right: its ticks are passed again in their time."""
        log.warning("time.turned_back line=%s by_s=%d", self._line, (self._tick - tick) * self._tick_ns // NS_PER_S)
        self._tick = tick
        for watch in self._watches:
            watch.subjects.turn_back(tick * self._tick_ns)

    def _pass_ticks_to(self, last: int) -> None:
        for tick in _ticks_between(self._tick + 1, last, self._tick_ns):
            self._look(tick * self._tick_ns)
        self._tick = max(self._tick, last)

    def _look(self, at_ns: int) -> None:
        """One look at every alert of the line, causes before their consequences."""
        planned_stop = self._calendar.planned_stop(self._line, at_ns) or ""
        self._take_up_needed(at_ns)
        told = (alert for watch in self._watches if watch.is_budgeted for alert in watch.subjects.told())
        look = Look(
            at_ns,
            needed_score=self._needed_score,
            together_s=self._together_s,
            told=told,
            standing=self._standing,
        )
        for watch in self._watches:
            self._said += watch.look(self._hidden(watch.rule, planned_stop), look)
            if watch.rule.method == _OUTPUT:
                stops, all_stopped = watch.subjects.stops()
                look.stop(stops, all_stopped=all_stopped)
        if at_ns % self._levels_ns == 0:
            self._said += [said for watch in self._watches for said in watch.subjects.levels(at_ns)]

    def _own_alerts(self) -> Iterable[Alert]:
        return (alert for watch in self._watches for alert in watch.subjects.alerts())

    def _take_up_needed(self, at_ns: int) -> None:
        """What the plant's budget asked for up to this instant, wherever in the log that was said."""
        while self._asked and self._asked[0].at_ns <= at_ns:
            self._needed_score = self._asked.pop(0).score

    def _hidden(self, rule: AlertRule, planned_stop: str) -> Hidden:
        if planned_stop and not rule.in_planned_stop:
            return Hidden(f"planned stop: {planned_stop}")
        causes = (watch.subjects.open_alert() for watch in self._watches if watch.name in rule.suppressed_by)
        cause = next((alert for alert in causes if alert is not None), None)
        return Hidden(f"its cause is open: {cause.key}", cause.key) if cause else NOT_HIDDEN


def _ticks_between(first: int, last: int, tick_ns: int) -> Iterable[int]:
    """The ticks from `first` to `last` at which to look: all of them, of a long leap a bounded number."""
    if (last - first) * tick_ns <= _WALKED_NS:
        return range(first, last + 1)
    closely, coarsely = max(1, _CLOSELY_NS // tick_ns), max(1, _COARSELY_NS // tick_ns)
    start, end = first + closely, last - closely
    hours = range(-(-max(start, end - _COARSE_LOOKS * coarsely) // coarsely) * coarsely, end, coarsely)
    return chain(range(first, start), hours, range(max(start, end), last + 1))


def _is_about(rule: AlertRule, line: str) -> bool:
    """The collector's own line is watched only by rules that name it."""
    return rule.line == line if line == SELF_LINE else fnmatch.fnmatchcase(line, rule.line)
