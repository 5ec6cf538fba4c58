"""The logic of one line: its readings through every method, its alerts through their lives, in event time.

Input: the line's frames in log order. Output: records (bands, alert levels, alert events). A batch is cut at the tick
boundaries its own readings pass, and tick frames move the line when nothing arrives, so how readings were cut into
frames, and when, changes nothing. Readings flagged Quality.CLOCK do not move time.
"""

from __future__ import annotations

import fnmatch
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from collector.readings import NS_PER_S, Batch, Quality, Series
from collector.spool.frames import Control, Frame, FrameKind
from detectors.alerts import Alert, AlertRule, Observation, State, advance, apply_control
from detectors.detector import Context, Detector, Evidence, Point, Scores
from detectors.engine import Said
from detectors.said import closed_level, event_said, expected_said, level_said
from detectors.settings import BoundRule, DetectSettings

log = logging.getLogger(__name__)

STATE_VERSION = 1
_LONGEST_STEP_TICKS = 120_960  # of a longer leap (7 d at 5 s) only the end is looked at
_CLOSED_LEVEL_NS = 300 * NS_PER_S
_FAILED = "method_failed"


class Seen(msgspec.Struct):
    """The latest that a method said of a subject, and the life of the alert that hangs on it."""

    series: int
    at_ns: int
    point: Point
    alert: Alert
    waiting: Alert | None = None  # cleared before anyone acknowledged it


class Watched(msgspec.Struct):
    """What is remembered of one rule: its method's own state, its subjects, and why it was switched off, if it was."""

    method: bytes
    subjects: dict[str, Seen]
    failed: str = ""


class LineState(msgspec.Struct):
    tick: int = -1
    watched: dict[str, Watched] = {}
    closed: dict[str, tuple[Alert, int]] = {}
    levels: dict[str, int] = {}


@dataclass(slots=True)
class Watch:
    """One rule at work on this line."""

    name: str
    rule: AlertRule
    detector: Detector
    subjects: dict[str, Seen] = field(default_factory=dict)
    wanted: dict[int, bool] = field(default_factory=dict)
    failed: str = ""

    def wants(self, series: int, context: Context) -> bool:
        known = self.wanted.get(series)
        if known is None:
            known = self.wanted[series] = fnmatch.fnmatchcase(context.series[series].metric, self.rule.metric)
        return known


class LineLogic:
    """ShardLogic of one line (see `detectors.engine`)."""

    version = STATE_VERSION

    def __init__(self, rules: Iterable[BoundRule], settings: DetectSettings, context: Context) -> None:
        self._line = context.line.partition("/")[2] or context.line
        self._context = context
        self._tick_ns = int(settings.tick_s * NS_PER_S)
        self._levels_ns = int(settings.levels_s * NS_PER_S)
        self._watches = [
            Watch(bound.name, bound.rule, bound.start(context))
            for bound in rules
            if fnmatch.fnmatchcase(self._line, bound.rule.line)
        ]
        self._tick = -1
        self._closed: dict[str, tuple[Alert, int]] = {}
        self._levels: dict[str, int] = {}
        self._said: list[Said] = []

    def apply(self, frames: Sequence[Frame]) -> list[Said]:
        for frame in frames:
            if isinstance(frame.body, Batch):
                self._take_batch(frame.body)
            elif isinstance(frame.body, Control):
                self._take_control(frame.body)
            elif frame.kind is FrameKind.TICK:
                self._pass_ticks_before(frame.at_ns)
        said, self._said = self._said, []
        return said

    def snapshot(self) -> bytes:
        watched = {w.name: Watched(w.detector.snapshot(), w.subjects, w.failed) for w in self._watches}
        return msgspec.msgpack.encode(LineState(self._tick, watched, self._closed, self._levels))

    def restore(self, state: bytes, version: int) -> None:
        """Takes up a snapshot. One of another version, or of a rule that changed, starts afresh and says so."""
        if version != STATE_VERSION:
            if version:
                log.warning("state.dropped line=%s version=%d wanted=%d", self._line, version, STATE_VERSION)
            return
        kept = msgspec.msgpack.decode(state, type=LineState)
        self._tick, self._closed, self._levels = kept.tick, kept.closed, kept.levels
        for watch in self._watches:
            if watch.name in kept.watched:
                self._restore_watch(watch, kept.watched[watch.name])

    def _restore_watch(self, watch: Watch, kept: Watched) -> None:
        try:
            watch.detector.restore(kept.method)
        except msgspec.MsgspecError as error:
            log.warning("state.dropped line=%s rule=%s reason=%s", self._line, watch.name, error)
            return
        watch.subjects, watch.failed = kept.subjects, kept.failed

    # readings and time

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
            self._score(batch.take(slice(start, end)))

    def _score(self, batch: Batch) -> None:
        series = batch.series.tolist()
        for watch in self._watches:
            mask = np.fromiter((watch.wants(one, self._context) for one in series), np.bool_, len(series))
            if mask.any() and not watch.failed:
                self._ask(watch, batch if mask.all() else batch.take(mask), 0)

    def _pass_ticks_before(self, at_ns: int) -> None:
        if self._tick >= 0:
            self._pass_ticks_to((at_ns - 1) // self._tick_ns)

    def _pass_ticks_to(self, last: int) -> None:
        first = max(self._tick + 1, last - _LONGEST_STEP_TICKS)
        for tick in range(first, last + 1):
            self._look(tick * self._tick_ns)
        self._tick = max(self._tick, last)

    def _ask(self, watch: Watch, batch: Batch | None, at_ns: int) -> None:
        """One call of a method. A method that raises is switched off on this line and alerts about itself."""
        try:
            scores = watch.detector.tick(at_ns) if batch is None else watch.detector.score(batch)
        except Exception as error:  # a method's fault must not stop the other methods
            log.exception("method.failed line=%s rule=%s", self._line, watch.name)
            watch.failed = f"{type(error).__name__}: {error}"
            return
        self._keep(watch, scores)

    def _keep(self, watch: Watch, scores: Scores) -> None:
        columns = (scores.score, scores.value, scores.expected_low, scores.expected, scores.expected_high)
        rows = zip(scores.series.tolist(), scores.at_ns.tolist(), *(c.tolist() for c in columns), strict=True)
        for series, at_ns, *numbers in rows:
            of = self._context.series[series]
            subject = watch.detector.subject(of)
            seen = watch.subjects.get(subject)
            if seen is None:
                alert = self._quiet_alert(watch.rule.method, subject, of)
                watch.subjects[subject] = Seen(series, at_ns, Point(*numbers), alert)
            else:
                seen.series, seen.at_ns, seen.point = series, at_ns, Point(*numbers)

    def _quiet_alert(self, kind: str, subject: str, series: Series) -> Alert:
        return Alert(
            key=f"{kind}:{subject}",
            kind=kind,
            subject=subject,
            shard=self._context.line,
            series=series.name,
            severity=AlertRule(method=kind).severity,
            state=State.NORMAL,
        )

    # alerts

    def _look(self, at_ns: int) -> None:
        """One look at every alert of the line, at a tick boundary."""
        planned_stop = self._context.calendar.planned_stop(self._line, at_ns) or ""
        for watch in self._watches:
            if watch.failed:
                self._report_failure(watch, at_ns)
                continue
            self._ask(watch, None, at_ns)
            for seen in watch.subjects.values():
                self._step(watch, seen, at_ns, planned_stop)
        if at_ns % self._levels_ns == 0:
            self._say_levels(at_ns)

    def _step(self, watch: Watch, seen: Seen, at_ns: int, planned_stop: str) -> None:
        if seen.alert.state in (State.NORMAL, State.RTN_UNACKED) and not seen.point.score >= 1.0:
            return
        hidden_by, cause_key = self._hidden(watch.rule, planned_stop)
        point = seen.point
        is_stale = at_ns - seen.at_ns > watch.rule.gap_s * NS_PER_S
        score = math.nan if is_stale else point.score
        look = Observation(at_ns, score, _number(point.value), _number(point.expected), hidden_by, cause_key)
        before, after = seen.alert, advance(watch.rule, seen.alert, look)
        if after.is_open and is_stale != bool(after.stale_since_ns):
            stale_since_ns = seen.at_ns if is_stale else 0
            after = msgspec.structs.replace(after, stale_since_ns=stale_since_ns, changed_at_ns=at_ns)
        if after.state is not before.state or after.stale_since_ns != before.stale_since_ns:
            after = self._told(watch, seen, before, after, at_ns)
        seen.alert = after

    def _told(self, watch: Watch, seen: Seen, before: Alert, after: Alert, at_ns: int) -> Alert:
        """What follows from a change of state: evidence when it fires, the end of an older occurrence, the record."""
        if before.state is State.RTN_UNACKED and after.active_at_ns != before.active_at_ns:
            seen.waiting = before
        if after.state is State.PENDING or (before.state is State.PENDING and after.state is State.NORMAL):
            return after
        if not after.evidence:
            after = msgspec.structs.replace(after, evidence=_plain(watch.detector.explain(seen.series, at_ns)))
        if after.is_open and seen.waiting is not None:
            ended = msgspec.structs.replace(seen.waiting, state=State.NORMAL, changed_at_ns=at_ns)
            self._said.append(event_said(ended))
            seen.waiting = None
        if not after.is_open:
            self._closed[after.key] = (after, at_ns)
        self._said.append(event_said(after))
        self._said.append(level_said(after, at_ns))
        return after

    def _hidden(self, rule: AlertRule, planned_stop: str) -> tuple[str, str]:
        if planned_stop and not rule.in_planned_stop:
            return f"planned stop: {planned_stop}", ""
        for watch in self._watches:
            if watch.rule.method in rule.suppressed_by:
                for seen in watch.subjects.values():
                    if seen.alert.is_open:
                        return f"its cause is open: {seen.alert.key}", seen.alert.key
        return "", ""

    def _report_failure(self, watch: Watch, at_ns: int) -> None:
        subject = f"{self._context.line}:{watch.name}"
        key = f"{_FAILED}:{subject}"
        if any(seen.alert.key == key for seen in watch.subjects.values()):
            return
        first = next(iter(watch.subjects.values()), None)
        series = self._context.series[first.series] if first else next(iter(self._context.series.values()))
        rule = AlertRule(
            method=watch.rule.method,
            consequence=f"{watch.rule.method} no longer watches {self._context.line}",
            response="report the error; restart `andon detect` after mending it",
        )
        alert = advance(rule, self._quiet_alert(_FAILED, subject, series), Observation(at_ns, 1.0))
        alert = msgspec.structs.replace(alert, evidence={"error": watch.failed})
        watch.subjects = {subject: Seen(0, at_ns, Point(1.0), alert)}
        self._said.append(event_said(alert))

    def _take_control(self, control: Control) -> None:
        for watch in self._watches:
            for seen in watch.subjects.values():
                if seen.alert.alert_id == control.alert_id and seen.alert.state is not State.PENDING:
                    seen.alert = apply_control(seen.alert, control)
                    self._said.append(event_said(seen.alert))
                    self._said.append(level_said(seen.alert, control.at_ns))
                elif seen.waiting is not None and seen.waiting.alert_id == control.alert_id:
                    answered = apply_control(seen.waiting, control)
                    self._said.append(event_said(answered))
                    seen.waiting = answered if answered.state is State.RTN_UNACKED else None

    # levels

    def _say_levels(self, at_ns: int) -> None:
        for watch in self._watches:
            for seen in watch.subjects.values():
                if not watch.failed:
                    self._say_expected(watch, seen)
                if seen.alert.is_open:
                    self._said.append(level_said(seen.alert, at_ns))
        for key, (alert, closed_ns) in list(self._closed.items()):
            if at_ns - closed_ns > _CLOSED_LEVEL_NS:
                del self._closed[key]
            else:
                self._said.append(closed_level(alert, at_ns))

    def _say_expected(self, watch: Watch, seen: Seen) -> None:
        """The method's latest band, once per new score and never twice for one instant."""
        series = self._context.series[seen.series]
        name = f"{watch.rule.method}|{series.name}"
        if seen.at_ns > self._levels.get(name, 0) and not np.isnan(seen.point.value):
            self._levels[name] = seen.at_ns
            self._said.append(expected_said(watch.rule.method, series, seen.at_ns, seen.point))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _plain(evidence: Evidence) -> dict[str, Any]:
    """Evidence without what JSON cannot say."""
    return {k: v for k, v in evidence.items() if not (isinstance(v, float) and not np.isfinite(v))}
