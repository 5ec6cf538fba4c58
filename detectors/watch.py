"""One rule at work on one line: its method, what it last said of each subject, and the alerts that hang on that.

Input: readings and instants from `detectors.line`. Output: records of `detectors.said`. Pure.
"""

from __future__ import annotations

import fnmatch
import logging
import math
from typing import Any

import msgspec
import numpy as np

from collector.readings import NS_PER_S, Batch, Series
from collector.spool.frames import Control
from detectors.alerts import Alert, AlertRule, Observation, State, advance, apply_control
from detectors.detector import Context, Evidence, Point, Scores
from detectors.engine import Said
from detectors.said import event_said, expected_said, level_said
from detectors.settings import BoundRule

log = logging.getLogger(__name__)

_FAILED = "method_failed"
_LEVEL_AFTER_CLOSING_NS = 300 * NS_PER_S


class Seen(msgspec.Struct):
    """The latest that a method said of a subject, and the life of the alert that hangs on it."""

    series: int
    at_ns: int
    point: Point
    alert: Alert
    waiting: Alert | None = None  # cleared before anyone acknowledged it
    level_ns: int = 0  # the score that was last stored as a level


class Watched(msgspec.Struct):
    """What is remembered of one rule: its method's own state, its subjects, and why it was switched off, if it was."""

    method: bytes
    subjects: dict[str, Seen]
    failed: str = ""


class Hidden(msgspec.Struct, frozen=True):
    """Why nobody should be told now, and the alert that is the cause, if one is."""

    why: str = ""
    cause_key: str = ""


class Watch:
    def __init__(self, bound: BoundRule, context: Context) -> None:
        self.name = bound.name
        self.rule = bound.rule
        self._context = context
        self._detector = bound.start(context)
        self._subjects: dict[str, Seen] = {}
        self._wanted: dict[int, bool] = {}
        self._failed = ""

    def snapshot(self) -> Watched:
        return Watched(self._detector.snapshot(), self._subjects, self._failed)

    def restore(self, kept: Watched) -> None:
        """Takes up a snapshot; that of a method which has changed is dropped, and said to be."""
        try:
            self._detector.restore(kept.method)
        except msgspec.MsgspecError as error:
            log.warning("state.dropped line=%s rule=%s reason=%s", self._context.line, self.name, error)
            return
        self._subjects, self._failed = kept.subjects, kept.failed

    def score(self, batch: Batch) -> None:
        """Gives the method those readings that its rule is about."""
        if self._failed:
            return
        wanted = np.fromiter((self._wants(one) for one in batch.series.tolist()), np.bool_, len(batch))
        if wanted.any():
            self._ask(batch if wanted.all() else batch.take(wanted), 0)

    def look(self, at_ns: int, hidden: Hidden) -> list[Said]:
        """Lets time pass to `at_ns` and moves every alert one step; returns what changed."""
        if self._failed:
            return self._report_failure(at_ns)
        self._ask(None, at_ns)
        return [said for seen in self._subjects.values() for said in self._step(seen, at_ns, hidden)]

    def take(self, control: Control) -> list[Said]:
        """Applies what a person did, if it is about an alert of this rule."""
        said = []
        for seen in self._subjects.values():
            if seen.alert.alert_id == control.alert_id and seen.alert.state is not State.PENDING:
                seen.alert = apply_control(seen.alert, control)
                said += [event_said(seen.alert), level_said(seen.alert, control.at_ns)]
            elif seen.waiting is not None and seen.waiting.alert_id == control.alert_id:
                answered = apply_control(seen.waiting, control)
                said.append(event_said(answered))
                seen.waiting = answered if answered.state is State.RTN_UNACKED else None
        return said

    def levels(self, at_ns: int) -> list[Said]:
        """The bands that are new since the last call, and the level of every alert that is open or closed lately."""
        said = []
        for seen in self._subjects.values():
            if not self._failed and seen.at_ns > seen.level_ns and not math.isnan(seen.point.value):
                seen.level_ns = seen.at_ns
                series = self._context.series[seen.series]
                said.append(expected_said(self.rule.method, series, seen.at_ns, seen.point))
            if seen.alert.is_open or _closed_lately(seen.alert, at_ns):
                said.append(level_said(seen.alert, at_ns))
        return said

    def open_alert(self) -> Alert | None:
        """One alert of this rule that stands now, to be named as a cause."""
        return next((seen.alert for seen in self._subjects.values() if seen.alert.is_open), None)

    def _wants(self, series: int) -> bool:
        known = self._wanted.get(series)
        if known is None:
            metric = self._context.series[series].metric
            known = self._wanted[series] = fnmatch.fnmatchcase(metric, self.rule.metric)
        return known

    def _ask(self, batch: Batch | None, at_ns: int) -> None:
        """One call of the method. One that raises is switched off on this line and alerts about itself."""
        try:
            scores = self._detector.tick(at_ns) if batch is None else self._detector.score(batch)
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self.name)
            self._failed = f"{type(error).__name__}: {error}"
            return
        self._keep(scores)

    def _keep(self, scores: Scores) -> None:
        columns = (scores.score, scores.value, scores.expected_low, scores.expected, scores.expected_high)
        rows = zip(scores.series.tolist(), scores.at_ns.tolist(), *(c.tolist() for c in columns), strict=True)
        for series, at_ns, *numbers in rows:
            of = self._context.series[series]
            subject = self._detector.subject(of)
            seen = self._subjects.get(subject)
            if seen is None:
                alert = self._quiet_alert(self.rule.method, subject, of)
                self._subjects[subject] = Seen(series, at_ns, Point(*numbers), alert)
            else:
                seen.series, seen.at_ns, seen.point = series, at_ns, Point(*numbers)

    def _quiet_alert(self, kind: str, subject: str, series: Series) -> Alert:
        return Alert(
            key=f"{kind}:{subject}",
            kind=kind,
            subject=subject,
            shard=self._context.line,
            series=series.name,
            severity=self.rule.severity,
            state=State.NORMAL,
        )

    def _step(self, seen: Seen, at_ns: int, hidden: Hidden) -> list[Said]:
        before, point = seen.alert, seen.point
        if before.state in (State.NORMAL, State.RTN_UNACKED) and not point.score >= 1.0:
            return []
        is_stale = at_ns - seen.at_ns > self.rule.gap_s * NS_PER_S
        score = math.nan if is_stale else point.score
        value, expected = _number(point.value), _number(point.expected)
        after = advance(self.rule, before, Observation(at_ns, score, value, expected, hidden.why, hidden.cause_key))
        if after.is_open and is_stale != bool(after.stale_since_ns):
            stale_since_ns = seen.at_ns if is_stale else 0
            after = msgspec.structs.replace(after, stale_since_ns=stale_since_ns, changed_at_ns=at_ns)
        seen.alert = after
        if (after.state, after.stale_since_ns) == (before.state, before.stale_since_ns):
            return []
        return self._told(seen, before, at_ns)

    def _told(self, seen: Seen, before: Alert, at_ns: int) -> list[Said]:
        """What follows from a change: evidence when it fires, the end of an older occurrence, the records."""
        after = seen.alert
        if before.state is State.RTN_UNACKED:
            seen.waiting = before
        if after.state is State.PENDING or (before.state is State.PENDING and after.state is State.NORMAL):
            return []
        said = []
        if not after.evidence:
            evidence = _plain(self._detector.explain(seen.series, at_ns))
            after = seen.alert = msgspec.structs.replace(after, evidence=evidence)
        if after.is_open and seen.waiting is not None:
            said.append(event_said(msgspec.structs.replace(seen.waiting, state=State.NORMAL, changed_at_ns=at_ns)))
            seen.waiting = None
        return [*said, event_said(after), level_said(after, at_ns)]

    def _report_failure(self, at_ns: int) -> list[Said]:
        """The alert of a method about itself, said once; it stands until somebody acknowledges it."""
        subject = f"{self._context.line}:{self.name}"
        if subject in self._subjects:
            return []
        first = next(iter(self._subjects.values()), None)
        series = self._context.series[first.series if first else next(iter(self._context.series))]
        rule = AlertRule(
            method=self.rule.method,
            consequence=f"{self.rule.method} no longer watches {self._context.line}",
            response="report the error; restart `andon detect` after mending it",
        )
        alert = advance(rule, self._quiet_alert(_FAILED, subject, series), Observation(at_ns, 1.0))
        alert = msgspec.structs.replace(alert, evidence={"error": self._failed})
        self._subjects = {subject: Seen(first.series if first else 0, at_ns, Point(1.0), alert)}
        return [event_said(alert), level_said(alert, at_ns)]


def _closed_lately(alert: Alert, at_ns: int) -> bool:
    """Its level goes on at 0 for a while, so that Grafana resolves by value and not by missing data."""
    return bool(alert.fired_at_ns) and at_ns - alert.resolved_at_ns <= _LEVEL_AFTER_CLOSING_NS


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _plain(evidence: Evidence) -> dict[str, Any]:
    """Evidence without what JSON cannot say."""
    return {k: v for k, v in evidence.items() if not (isinstance(v, float) and not math.isfinite(v))}
