"""One rule at work on one line: its method, what it last said of each subject, and the alerts that hang on that.

Input: readings and instants from `detectors.line`. Output: records of `detectors.outputs`. Pure.
"""

from __future__ import annotations

import fnmatch
import logging
import math
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch
from collector.spool.frames import Control, NewModel
from collector.spool.ledger import Gap
from detectors.alerts import Alert, AlertRule, Observation, State, advance, apply_control, turned_back
from detectors.budgets.bucket import series_pace
from detectors.budgets.telling import NOT_HIDDEN, Hidden, Look
from detectors.detector import Context, Evidence, Hearer, Listener, Point, Scores
from detectors.engine import ShardOutput
from detectors.models.taught import Taught
from detectors.outputs import event_output, expected_output, level_output
from detectors.settings import BoundRule
from detectors.watched import Seen, Watched, let_go

log = logging.getLogger(__name__)

_FAILED = "method_failed"
_MODEL = "model_unusable"  # a method that is taught goes on, with the model it has or without
_MOST_SERIES_OFF = 5  # of one line; when a method fails on more it is the method, and off for the whole line
_LEVEL_AFTER_CLOSING_NS = 300 * NS_PER_S


_WHOLE_LINE = -1  # in place of a series
_UNKNOWN = np.int8(-1)
_AT_REST = (State.NORMAL, State.RTN_UNACKED)


class Watch:
    """A method that raises is switched off until a restart: for the series it fails on, else for the whole line."""

    def __init__(self, bound: BoundRule, context: Context) -> None:
        self.name = bound.name
        self.rule = bound.rule
        self._context = context
        self._detector = bound.start(context)
        self.is_budgeted = not bound.is_fact if bound.rule.budgeted is None else bound.rule.budgeted
        self._pace = series_pace(bound.rule.budget_per_d)
        self._subjects: dict[str, Seen] = {}
        self._stirring: set[str] = set()  # those not at rest; a look passes over the others
        self._wanted: dict[int, bool] = {}
        self._table = np.array((), np.int8)  # the same by series id, _UNKNOWN where nobody asked yet
        self._named: dict[int, str] = {}  # the subject of each series
        self._series_off: set[int] = set()  # or _WHOLE_LINE
        self._about_itself = AlertRule(
            method=bound.rule.method,
            gap_s=math.inf,
            consequence=f"{self.name} no longer watches this",
            response="report the error; restart `andon detect` after mending it",
        )
        self._about_model = AlertRule(
            method=bound.rule.method,
            gap_s=math.inf,
            consequence=f"{self.name} goes on with the model it has; without one it is quiet here",
            response="the evidence says why and what to do; `andon train` says more",
        )

    def snapshot(self) -> Watched:
        return Watched(self._detector.snapshot(), self._subjects)

    def restore(self, kept: Watched, at_ns: int) -> list[ShardOutput]:
        """Takes up a snapshot and tries again what had failed. The state of a method which has changed is dropped, and
        said to be; the alerts of subjects that the rule no longer has are closed.
        """
        try:
            self._detector.restore(kept.method)
        except msgspec.MsgspecError as error:
            log.warning("state.dropped line=%s rule=%s reason=%s", self._context.line, self.name, error)
        self._subjects = {name: seen for name, seen in kept.subjects.items() if self._is_about(name, seen)}
        self._stirring = set(self._subjects)  # the next look lets go of those at rest
        self._tell_of_models()
        gone = [seen for name, seen in kept.subjects.items() if name not in self._subjects]
        return [said for seen in gone for said in let_go(seen, at_ns)]

    def score(self, batch: Batch) -> None:
        """Gives the method those readings that its rule is about."""
        if _WHOLE_LINE in self._series_off:
            return
        wanted = self._among(batch.series)
        if wanted.all():
            self._ask(batch)
        elif wanted.any():
            self._ask(batch.take(wanted))

    def hear(self, batch: Batch) -> None:
        """Gives the method what was read on a line that flows into this one."""
        if _WHOLE_LINE in self._series_off or not isinstance(self._detector, Hearer):
            return
        try:
            self._detector.hear(batch)
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self.name)
            self._switch_off(_WHOLE_LINE, error)

    def miss(self, gap: Gap) -> None:
        """Tells the method what is known to be missing."""
        if _WHOLE_LINE in self._series_off:
            return
        try:
            self._detector.miss(gap)
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self.name)
            self._switch_off(_WHOLE_LINE, error)

    def swap(self, news: NewModel) -> None:
        """Gives the method a new model, or the reason why there is none, if that is of this rule."""
        if news.rule != self.name or _WHOLE_LINE in self._series_off or not isinstance(self._detector, Taught):
            return
        try:
            self._detector.swap(news)
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self.name)
            self._switch_off(_WHOLE_LINE, error)
        self._tell_of_models()

    def look(self, hidden: Hidden, look: Look) -> list[ShardOutput]:
        """Lets time pass to the look and moves every alert one step; returns what changed."""
        if _WHOLE_LINE not in self._series_off:
            self._pass(look.at_ns)
        said = []
        for name, seen in self._stirred():
            said += self._step(seen, hidden, look)
            seen.peak = 0.0
            if seen.alert.state in _AT_REST and not seen.point.score >= 1.0:
                self._stirring.discard(name)
        return said

    def told(self) -> Iterable[Alert]:
        """What stands and was told, of a rule that the alarm budgets bound: such an alert may lead others."""
        if not self.is_budgeted:
            return ()
        return (seen.alert for _, seen in self._stirred() if seen.alert.is_told and not seen.error)

    def stops(self) -> tuple[list[Alert], bool]:
        """The alerts of outputs that stand still, and whether no other output of this rule runs."""
        standing = [seen.alert for _, seen in self._stirred() if seen.alert.is_open and _stands(seen)]
        return standing, bool(standing) and all(_stands(seen) for seen in self._subjects.values() if not seen.error)

    def turn_back(self, at_ns: int) -> None:
        """The site's clock was set back to `at_ns`: nothing that is waited for began later than that."""
        for seen in self._subjects.values():
            seen.at_ns, seen.level_ns = min(seen.at_ns, at_ns), min(seen.level_ns, at_ns)
            seen.judged_ns = min(seen.judged_ns, at_ns)
            seen.bucket.turn_back(at_ns)
            seen.alert = turned_back(seen.alert, at_ns)

    def take(self, control: Control) -> list[ShardOutput]:
        """Applies what a person did, if it is about an alert of this rule."""
        said = []
        for seen in self._subjects.values():
            if seen.alert.alert_id == control.alert_id and seen.alert.state is not State.PENDING:
                seen.alert = apply_control(seen.alert, control)
                said += [event_output(seen.alert), level_output(seen.alert, control.at_ns)]
            elif seen.waiting is not None and seen.waiting.alert_id == control.alert_id:
                answered = apply_control(seen.waiting, control)
                said.append(event_output(answered))
                seen.waiting = answered if answered.state is State.RTN_UNACKED else None
        return said

    def levels(self, at_ns: int) -> list[ShardOutput]:
        """The bands that are new since the last call, and the level of every alert that is open or closed lately."""
        said = []
        for seen in self._subjects.values():
            if seen.at_ns > seen.level_ns and not math.isnan(seen.point.value):
                seen.level_ns = seen.at_ns
                series = self._context.series[seen.series]
                said.append(expected_output(self.name, self.rule.method, series, seen.at_ns, seen.point))
            if seen.alert.is_open or _closed_lately(seen.alert, at_ns):
                said.append(level_output(seen.alert, at_ns))
        return said

    def open_alert(self) -> Alert | None:
        """One alert of this rule that stands now, to be named as a cause; what is held back is none."""
        open_ones = (seen.alert for _, seen in self._stirred() if seen.alert.is_open and not seen.error)
        return next((alert for alert in open_ones if not alert.needed_score), None)

    def _stirred(self) -> list[tuple[str, Seen]]:
        """The subjects not at rest, in the order in which they were met."""
        if not self._stirring:
            return []
        return [(name, seen) for name, seen in self._subjects.items() if name in self._stirring]

    def _among(self, series: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which readings the rule is about: what `_wants` says, looked up for all at once."""
        top = int(series.max(initial=-1)) + 1
        if top > len(self._table):
            self._table = np.append(self._table, np.full(top - len(self._table), _UNKNOWN))
        found = self._table[series]
        if (found == _UNKNOWN).any():
            for one in np.unique(series[found == _UNKNOWN]).tolist():
                self._table[one] = self._wants(one)
            found = self._table[series]
        wanted: NDArray[np.bool_] = found > 0
        return wanted

    def _wants(self, series: int) -> bool:
        known = self._wanted.get(series)
        if known is None:
            metric = self._context.series[series].metric
            listens = isinstance(self._detector, Listener) and self._detector.listens(self._context.series[series])
            known = (fnmatch.fnmatchcase(metric, self.rule.metric) or listens) and series not in self._series_off
            self._wanted[series] = known
        return known

    def _is_about(self, subject: str, seen: Seen) -> bool:
        if seen.error:
            return seen.series < 0 or self._wants(seen.series)
        if seen.alert.kind != self.rule.method or not self._wants(seen.series):
            return False
        return self._detector.subject(self._context.series[seen.series]) == subject

    def _ask(self, batch: Batch) -> None:
        """Scores a batch. When that fails, series by series: those that fail alone are switched off.

        Methods skip repeated readings, so the others can be given theirs again.
        """
        error = self._failure_on(batch)
        if error is None:
            return
        series = np.unique(batch.series).tolist()
        if len(series) == 1:
            culprits = {series[0]: error}
        else:
            tried = ((one, self._failure_on(batch.take(batch.series == one))) for one in series)
            culprits = {one: failure for one, failure in tried if failure is not None}
        nobody_stands_out = len(series) > 1 and len(culprits) in (0, len(series))
        if nobody_stands_out or len(self._series_off) + len(culprits) > _MOST_SERIES_OFF:
            culprits = {_WHOLE_LINE: error}
        for one, failure in culprits.items():
            self._switch_off(one, failure)

    def _failure_on(self, batch: Batch) -> Exception | None:
        """Scores a batch and keeps what was said; the exception if that failed."""
        try:
            self._keep(self._detector.score(batch))
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self.name)
            return error
        for seen in self._subjects.values():
            if seen.alert.kind == _FAILED and (seen.series < 0 or seen.series in batch.series):
                seen.point = Point(0.0)
        return None

    def _switch_off(self, series: int, error: Exception) -> None:
        """Off until a restart, with an alert about it: for one series, or for the whole line (_WHOLE_LINE)."""
        name = self._context.series[series].name if series >= 0 else self._context.line
        self._series_off.add(series)
        self._wanted.pop(series, None)
        self._table = np.array((), np.int8)
        subject = f"{name}:{self.name}"
        before = self._subjects.get(subject)
        alert = before.alert if before else self._quiet_alert(_FAILED, _FAILED, subject, name)
        waiting = before.waiting if before else None
        why = f"{type(error).__name__}: {error}"
        self._subjects[subject] = Seen(series, 0, Point(1.0), alert, waiting, error=why)
        self._stirring.add(subject)

    def _tell_of_models(self) -> None:
        """An alert for each subject whose model is not as it should be, until it is."""
        faults = self._detector.faults() if isinstance(self._detector, Taught) else {}
        faulty = {f"{name}:{self.name}:model": (name, why) for name, why in faults.items()}
        for subject, (name, why) in faulty.items():
            before = self._subjects.get(subject)
            alert = before.alert if before else self._quiet_alert(_MODEL, _MODEL, subject, name)
            waiting = before.waiting if before else None
            self._subjects[subject] = Seen(_WHOLE_LINE, 0, Point(1.0), alert, waiting, error=why)
            self._stirring.add(subject)
        for subject, seen in self._subjects.items():
            if seen.alert.kind == _MODEL and subject not in faulty:
                seen.point = Point(0.0)

    def _pass(self, at_ns: int) -> None:
        """Lets the method say what the passing of time says."""
        try:
            self._keep(self._detector.tick(at_ns))
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self.name)
            self._switch_off(_WHOLE_LINE, error)

    def _keep(self, scores: Scores) -> None:
        if not len(scores):
            return
        columns = (scores.score, scores.value, scores.expected_low, scores.expected, scores.expected_high)
        rows = zip(scores.series.tolist(), scores.at_ns.tolist(), *(c.tolist() for c in columns), strict=True)
        for series, at_ns, *numbers in rows:
            subject = self._named.get(series) or self._name(series)
            seen = self._subjects.get(subject)
            if seen is None:
                name = self._context.series[series].name
                alert = self._quiet_alert(self.name, self.rule.method, subject, name)
                seen = self._subjects[subject] = Seen(series, at_ns, Point(), alert)
            seen.series, seen.at_ns, seen.point = series, at_ns, Point(*numbers)
            if not math.isnan(seen.point.score):
                seen.judged_ns = at_ns
            if seen.point.score >= 1.0:
                seen.peak = max(seen.peak, seen.point.score)
                self._stirring.add(subject)

    def _name(self, series: int) -> str:
        """Whom an alert on this series is about; worked out once."""
        self._named[series] = self._detector.subject(self._context.series[series])
        return self._named[series]

    def _quiet_alert(self, name: str, kind: str, subject: str, series: str) -> Alert:
        return Alert(
            key=f"{name}:{subject}",
            kind=kind,
            subject=subject,
            shard=self._context.line,
            series=series,
            severity=self.rule.severity,
            state=State.NORMAL,
        )

    def _step(self, seen: Seen, hidden: Hidden, look: Look) -> list[ShardOutput]:
        before, point, at_ns = seen.alert, seen.point, look.at_ns
        if before.state in _AT_REST and not point.score >= 1.0:
            return []
        rule = self._rule_of(seen)
        is_stale = at_ns - seen.judged_ns > rule.gap_s * NS_PER_S
        score = math.nan if is_stale else point.score
        value, expected = _number(point.value), _number(point.expected)
        why = self._why_hidden(seen, hidden, look)
        seen_now = Observation(at_ns, score, value, expected, why.why, why.cause_key, why.needed_score)
        after = advance(rule, before, seen_now)
        if self.is_budgeted and after.is_told and not before.is_told and after.fired_at_ns == at_ns:
            seen.bucket.add(self._pace, at_ns)
            look.tell(after)
        if is_stale != bool(after.stale_since_ns) and (after.is_open or not is_stale):
            stale_since_ns = seen.judged_ns if is_stale else 0
            after = msgspec.structs.replace(after, stale_since_ns=stale_since_ns, changed_at_ns=at_ns)
        seen.alert = after
        if (after.state, after.stale_since_ns) == (before.state, before.stale_since_ns):
            return []
        return self._told(seen, before, at_ns)

    def _why_hidden(self, seen: Seen, hidden: Hidden, look: Look) -> Hidden:
        """Why nobody should be told of it now: what hides the whole rule, else what bounds its single alerts."""
        if seen.error:
            return NOT_HIDDEN
        if hidden.why or not self.is_budgeted:
            return hidden
        strengths = (seen.point.score, seen.peak, seen.alert.peak_score if seen.alert.state is State.PENDING else 0.0)
        strength = max(one for one in strengths if not math.isnan(one))
        seen.bucket.wear(self._pace, look.at_ns)
        return look.why_hidden(seen.alert, strength, seen.bucket.needed(self._pace), in_stop=self.rule.in_stop)

    def _rule_of(self, seen: Seen) -> AlertRule:
        if not seen.error:
            return self.rule
        return self._about_model if seen.alert.kind == _MODEL else self._about_itself

    def _told(self, seen: Seen, before: Alert, at_ns: int) -> list[ShardOutput]:
        """What follows from a change: evidence when it fires, the end of an older occurrence, the records."""
        after = seen.alert
        if before.state is State.RTN_UNACKED:
            seen.waiting = before
        if after.state is State.PENDING or (before.state is State.PENDING and after.state is State.NORMAL):
            return []
        said = []
        if not after.evidence:
            evidence = self._evidence(seen, at_ns)
            cause_key = after.cause_key or str(evidence.pop("cause_key", ""))
            after = seen.alert = msgspec.structs.replace(after, evidence=evidence, cause_key=cause_key)
        if after.is_open and seen.waiting is not None:
            said.append(event_output(msgspec.structs.replace(seen.waiting, state=State.NORMAL, changed_at_ns=at_ns)))
            seen.waiting = None
        return [*said, event_output(after), level_output(after, at_ns)]

    def _evidence(self, seen: Seen, at_ns: int) -> Evidence:
        if seen.error:
            return {"error": seen.error}
        try:
            return _plain(self._detector.explain(seen.series, at_ns))
        except Exception as error:
            log.exception("method.failed line=%s rule=%s", self._context.line, self.name)
            return {"error": f"{type(error).__name__}: {error}"}


def _closed_lately(alert: Alert, at_ns: int) -> bool:
    """Its level goes on at 0 for a while, so that Grafana resolves by value and not by missing data."""
    return bool(alert.fired_at_ns) and at_ns - alert.resolved_at_ns <= _LEVEL_AFTER_CLOSING_NS


def _stands(seen: Seen) -> bool:
    return seen.point.score >= 1.0 and seen.point.value <= 0.0


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _plain(evidence: Evidence) -> Evidence:
    """Evidence without what JSON cannot say."""
    return {k: v for k, v in evidence.items() if not (isinstance(v, float) and not math.isfinite(v))}
