"""One rule at work on one line: its method, what it last said of each subject, and the alerts that hang on that.

Input: readings and instants from `detectors.line`. Output: records of `detectors.outputs`. Pure.
"""

from __future__ import annotations

import math

import msgspec

from collector.readings import NS_PER_S, Batch
from collector.spool.frames import AlertNews, NewModel
from collector.spool.ledger import Gap
from detectors.alerts import Alert, Observation, State, advance
from detectors.budgets.bucket import series_pace
from detectors.budgets.telling import NOT_HIDDEN, Hidden, Look
from detectors.detector import Context, Evidence, Point, Scores
from detectors.engine import ShardOutput
from detectors.guarded import WHOLE_LINE, Failures, Guarded
from detectors.outputs import event_output, level_output
from detectors.rule import AlertRule
from detectors.settings import BoundRule
from detectors.subjects import Subjects, is_at_rest
from detectors.watched import FAILED, MODEL, Seen, Watched, about_failure, about_model, let_go


class Watch:
    """A method that raises is switched off until a restart: for the series it fails on, else for the whole line."""

    def __init__(self, bound: BoundRule, context: Context) -> None:
        self.name = bound.name
        self.rule = bound.rule
        self._context = context
        self._method = Guarded(bound, context, self._keep)
        self.is_budgeted = not bound.is_fact if bound.rule.budgeted is None else bound.rule.budgeted
        self._pace = series_pace(bound.rule.budget_per_d)
        self.subjects = Subjects(bound.name, bound.rule.method, context.series)
        self._named: dict[int, str] = {}  # the subject of each series
        self._about_itself, self._about_model = about_failure(bound), about_model(bound)

    def snapshot(self) -> Watched:
        return Watched(self._method.snapshot(), self.subjects.seen)

    def restore(self, kept: Watched, at_ns: int) -> list[ShardOutput]:
        """Takes up a snapshot, tries again what had failed, closes the alerts of subjects the rule no longer has."""
        self._method.restore(kept.method)
        self.subjects.seen = {name: seen for name, seen in kept.subjects.items() if self._is_about(name, seen)}
        self.subjects.stir(*self.subjects.seen)  # the next look lets go of those at rest
        self._tell_of_models()
        gone = [seen for name, seen in kept.subjects.items() if name not in self.subjects.seen]
        return [said for seen in gone for said in let_go(seen, at_ns)]

    def score(self, batch: Batch) -> None:
        """Gives the method those readings that its rule is about."""
        self._note_failures(self._method.score(batch))

    def hear(self, batch: Batch) -> None:
        """Gives the method what was read on a line that flows into this one."""
        self._note_failures(self._method.hear(batch))

    def miss(self, gap: Gap) -> None:
        """Tells the method what is known to be missing."""
        self._note_failures(self._method.miss(gap))

    def swap(self, news: NewModel) -> None:
        """Gives the method a new model, or the reason why there is none, if that is of this rule."""
        if news.rule == self.name and self._method.is_taught and not self._method.is_off:
            self._note_failures(self._method.swap(news))
            self._tell_of_models()

    def look(self, hidden: Hidden, look: Look) -> list[ShardOutput]:
        """Lets time pass to the look and moves every alert one step; returns what changed."""
        self._note_failures(self._method.tick(look.at_ns))
        said = []
        for name, seen in self.subjects.stirred():
            said += self._step(seen, hidden, look)
            seen.peak = 0.0
            self.subjects.let_rest(name)
        return said

    def _is_about(self, subject: str, seen: Seen) -> bool:
        if seen.error:
            return seen.series < 0 or self._method.wants(seen.series)
        if seen.alert.kind != self.rule.method or not self._method.wants(seen.series):
            return False
        return self._method.subject(self._context.series[seen.series]) == subject

    def _note_failures(self, failures: Failures) -> None:
        for series, error in failures.items():
            self._tell_of_failure(series, error)

    def _tell_of_failure(self, series: int, error: Exception) -> None:
        """An alert about a method that is off from now on: for one series, or for the whole line."""
        name = self._context.series[series].name if series >= 0 else self._context.line
        subject = f"{name}:{self.name}"
        before = self.subjects.seen.get(subject)
        alert = before.alert if before else self._quiet_alert(FAILED, FAILED, subject, name)
        waiting = before.waiting if before else None
        why = f"{type(error).__name__}: {error}"
        self.subjects.seen[subject] = Seen(series, 0, Point(1.0), alert, waiting, error=why)
        self.subjects.stir(subject)

    def _tell_of_models(self) -> None:
        """An alert for each subject whose model is not as it should be, until it is."""
        faulty = {f"{name}:{self.name}:model": (name, why) for name, why in self._method.faults().items()}
        for subject, (name, why) in faulty.items():
            before = self.subjects.seen.get(subject)
            alert = before.alert if before else self._quiet_alert(MODEL, MODEL, subject, name)
            waiting = before.waiting if before else None
            self.subjects.seen[subject] = Seen(WHOLE_LINE, 0, Point(1.0), alert, waiting, error=why)
            self.subjects.stir(subject)
        for subject, seen in self.subjects.seen.items():
            if seen.alert.kind == MODEL and subject not in faulty:
                seen.point = Point(0.0)

    def _keep(self, batch: Batch | None, scores: Scores) -> None:
        """Takes in what the method said of a batch, or at a tick. What failed and now scored is mended."""
        if len(scores):
            self._take_up(scores)
        if batch is None:
            return
        for seen in self.subjects.seen.values():
            if seen.alert.kind == FAILED and (seen.series < 0 or seen.series in batch.series):
                seen.point = Point(0.0)

    def _take_up(self, scores: Scores) -> None:
        columns = (scores.score, scores.value, scores.expected_low, scores.expected, scores.expected_high)
        rows = zip(scores.series.tolist(), scores.at_ns.tolist(), *(c.tolist() for c in columns), strict=True)
        named, known = self._named, self.subjects.seen
        for series, at_ns, *numbers in rows:
            subject = named.get(series) or self._name(series)
            seen = known.get(subject)
            if seen is None:
                name = self._context.series[series].name
                alert = self._quiet_alert(self.name, self.rule.method, subject, name)
                seen = known[subject] = Seen(series, at_ns, Point(), alert)
            score = numbers[0]
            seen.series, seen.at_ns, seen.point = series, at_ns, Point(*numbers)
            if score == score:  # a number
                seen.judged_ns = at_ns
                if score >= 1.0:
                    seen.peak = max(seen.peak, score)
                    self.subjects.stir(subject)

    def _name(self, series: int) -> str:
        """Whom an alert on this series is about; worked out once."""
        self._named[series] = self._method.subject(self._context.series[series])
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
        if is_at_rest(seen):
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
        if hidden.why:
            return hidden
        cause = self._cause(seen, look)
        if cause is not None:
            return Hidden(f"its cause is open: {cause.key}", cause.key)
        if not self.is_budgeted:
            return NOT_HIDDEN
        strengths = (seen.point.score, seen.peak, seen.alert.peak_score if seen.alert.state is State.PENDING else 0.0)
        strength = max(one for one in strengths if not math.isnan(one))
        seen.bucket.wear(self._pace, look.at_ns)
        return look.why_hidden(seen.alert, strength, seen.bucket.needed(self._pace), in_stop=self.rule.in_stop)

    def _cause(self, seen: Seen, look: Look) -> AlertNews | None:
        """The alert that stands on what the verdict comes from, or stood so lately that its effect may last."""
        if not self._method.knows_causes:
            return None
        cause = self._method.cause(seen.series, look.at_ns) if seen.point.score >= 1.0 else None
        alert = look.standing.on(cause, seen.alert) if cause is not None else None
        if alert is None and seen.alert.state is State.SUPPRESSED:
            alert = look.standing.lingering(seen.alert, look.at_ns)
        return alert

    def _rule_of(self, seen: Seen) -> AlertRule:
        if not seen.error:
            return self.rule
        return self._about_model if seen.alert.kind == MODEL else self._about_itself

    def _told(self, seen: Seen, before: Alert, at_ns: int) -> list[ShardOutput]:
        """What follows from a change: evidence when it fires, the end of an older occurrence, the records."""
        after = seen.alert
        if before.state is State.RTN_UNACKED:
            seen.waiting = before
        if after.state is State.PENDING or (before.state is State.PENDING and after.state is State.NORMAL):
            return []
        said = []
        if not after.evidence:
            after = seen.alert = msgspec.structs.replace(after, evidence=self._evidence(seen, at_ns))
        if after.is_open and seen.waiting is not None:
            said.append(event_output(msgspec.structs.replace(seen.waiting, state=State.NORMAL, changed_at_ns=at_ns)))
            seen.waiting = None
        return [*said, event_output(after), level_output(after, at_ns)]

    def _evidence(self, seen: Seen, at_ns: int) -> Evidence:
        if seen.error:
            return {"error": seen.error}
        return _plain(self._method.explain(seen.series, at_ns))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _plain(evidence: Evidence) -> Evidence:
    """Evidence without what JSON cannot say."""
    return {k: v for k, v in evidence.items() if not (isinstance(v, float) and not math.isfinite(v))}
