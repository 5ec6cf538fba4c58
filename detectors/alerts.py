"""An alert's life after ISA-18.2, as one pure step: `advance(rule, alert, observation) -> alert`.

Input: what a method scored at an instant, and what people did (`apply_control`). Output: the alert as it is afterwards;
`detectors.engine` compares before and after, and stores what changed. Time is always an argument.
"""

from __future__ import annotations

from enum import StrEnum
from math import isnan
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec.structs import replace

from collector.config import Name, NotNegative, Positive, Section
from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from collector.spool.frames import Action, Control


class State(StrEnum):
    NORMAL = "normal"
    PENDING = "pending"  # active, within its on-delay; nobody is told
    UNACKED = "unacknowledged"
    ACKED = "acknowledged"
    RTN_UNACKED = "return to normal, unacknowledged"
    SHELVED = "shelved"  # hidden by a person until an instant
    SUPPRESSED = "suppressed"  # hidden by design: a planned stop, or its cause is already open


class AlertRule(Section, frozen=True, kw_only=True):
    """One [[rule]] of site.toml: which method watches which series, and how its alerts live.

    Its memory and alerts hang on `name`, not on its place in the file; without one it is called by its method, or by
    method and globs where rules share the method. `metric` is a glob over metric names; `method`'s own keys are
    gathered in `options`.
    `for_s` is the on-delay, `keep_firing_for_s` the off-delay, `gap_s` how long without a score until its
    evidence is called stale: from then on it is not known whether it still stands, and it neither fires nor clears.
    `repeat_after_s` is the hold: so long after it was raised the same alert is not raised again. `budgeted`: whether
    the alarm budgets bound it, by default unless its method tells facts; then `budget_per_d` alarms of one subject a
    day are free, and more need higher scores, and it is hidden while its line stands unless `in_stop`.
    """

    method: Name
    name: Annotated[str, msgspec.Meta(max_length=60, pattern=r"^[^\s:@|#+\"]*$")] = ""
    metric: Name = "*"
    line: str = "*"
    severity: AlertLevel = AlertLevel.WARNING
    for_s: NotNegative = 0.0
    keep_firing_for_s: NotNegative = 0.0
    gap_s: NotNegative = 300.0
    suppressed_by: tuple[str, ...] = ()  # rules, or methods, whose open alert on the same line is the cause
    in_planned_stop: bool = False  # True: alerts also while no production is planned
    in_stop: bool = False  # True: alerts also while its line, or its cell, stands
    repeat_after_s: NotNegative = 60.0  # three of one alert in a minute are chattering (ISA-18.2)
    budgeted: bool | None = None
    budget_per_d: Positive = 4.0  # one subject that calls every six hours is among the ten worst of a site
    consequence: str = ""
    response: str = ""
    options: dict[str, Any] = {}


class Comment(msgspec.Struct, frozen=True):
    who: str
    at_ns: int
    text: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One occurrence. `key` is `rule:subject`, `kind` the rule's method.

    Instants are UTC ns of event time, 0 where not reached.
    """

    key: str
    kind: str
    subject: str
    shard: str
    series: str
    severity: AlertLevel
    state: State = State.PENDING
    active_at_ns: int = 0
    fired_at_ns: int = 0
    clear_since_ns: int = 0
    unhidden_since_ns: int = 0
    stale_since_ns: int = 0
    resolved_at_ns: int = 0
    changed_at_ns: int = 0
    acked_by: str = ""
    acked_at_ns: int = 0
    verdict: str = ""  # what a person said of it last: "true" or "false", "" nothing yet
    shelved_by: str = ""
    shelved_until_ns: int = 0
    suppressed_by: str = ""
    needed_score: float = 0.0  # what the alarm budget asked for when it held this one back, 0 when it did not
    last_fired_ns: int = 0  # when somebody was told of the occurrence before this one
    value: float | None = None
    expected: float | None = None
    score: float | None = None
    peak_score: float = 0.0
    evidence: dict[str, float | str | bool] = {}
    cause_key: str = ""
    consequence: str = ""
    response: str = ""
    comments: tuple[Comment, ...] = ()

    @property
    def alert_id(self) -> str:
        """This occurrence: the key and the second it became active."""
        return f"{self.key}@{self.active_at_ns // NS_PER_S}"

    @property
    def is_open(self) -> bool:
        """Raised and not yet cleared, whoever may see it."""
        return self.state in OPEN

    @property
    def is_told(self) -> bool:
        """It stands, and somebody has been told."""
        return self.state in (State.UNACKED, State.ACKED)

    @property
    def wants_attention(self) -> bool:
        """Somebody still has to do or acknowledge something."""
        return self.state in (State.UNACKED, State.ACKED, State.RTN_UNACKED)


OPEN = frozenset({State.UNACKED, State.ACKED, State.SHELVED, State.SUPPRESSED})


class Observation(NamedTuple):
    """What a method says of one subject at an instant. `hidden_by` is why nobody should be told now, `""` if nothing.

    `score` NaN is "nothing known": it neither raises nor clears. `needed_score`: the score the alarm budget asks for,
    where that is why.
    """

    at_ns: int
    score: float
    value: float | None = None
    expected: float | None = None
    hidden_by: str = ""
    cause_key: str = ""
    needed_score: float = 0.0


def advance(rule: AlertRule, alert: Alert, seen: Observation) -> Alert:
    """The alert after one observation. A fresh subject starts from an alert in state NORMAL; time must not run back.

    Level-triggered: raised while the score is 1 or more, cleared when it has been less for `keep_firing_for_s`.
    """
    if isnan(seen.score):
        return _off_the_shelf(_hide(alert, seen), seen)
    active = seen.score >= 1.0
    if alert.state in (State.NORMAL, State.RTN_UNACKED):
        return _become_active(rule, alert, seen) if active else alert
    measured = replace(alert, value=seen.value, expected=seen.expected, score=seen.score)
    if not active:
        return _become_clear(rule, measured, seen)
    measured = replace(measured, clear_since_ns=0, peak_score=max(alert.peak_score, seen.score))
    if alert.state is State.PENDING:
        return _fire_when_due(rule, measured, seen)
    return _unhide(rule, _off_the_shelf(_hide(measured, seen), seen), seen)


def apply_control(alert: Alert, control: Control) -> Alert:
    """The alert after a person's action. Acknowledging a cleared alert ends it; an ended one takes comments."""
    said = replace(
        alert, comments=(*alert.comments, Comment(control.who, control.at_ns, control.text or control.action))
    )
    said = replace(
        said, changed_at_ns=max(alert.changed_at_ns, control.at_ns), verdict=control.verdict or alert.verdict
    )
    if control.action is Action.ACK and alert.state in (*OPEN, State.RTN_UNACKED):
        acked = replace(said, acked_by=control.who, acked_at_ns=control.at_ns)
        after = {State.UNACKED: State.ACKED, State.RTN_UNACKED: State.NORMAL}
        return replace(acked, state=after.get(alert.state, alert.state))
    if control.action is Action.SHELVE and alert.is_open:
        return replace(said, state=State.SHELVED, shelved_by=control.who, shelved_until_ns=control.until_ns)
    if control.action is Action.UNSHELVE and alert.state is State.SHELVED:
        return replace(said, state=_shown(alert), shelved_until_ns=0)
    return said


def turned_back(alert: Alert, at_ns: int) -> Alert:
    """The alert on a clock that was set back to `at_ns`: delays that run began no later, so they end in time.

    When it fired stays as it was told, and with it the alert's id.
    """
    return replace(
        alert,
        active_at_ns=min(alert.active_at_ns, at_ns) if alert.state is State.PENDING else alert.active_at_ns,
        clear_since_ns=min(alert.clear_since_ns, at_ns),
        unhidden_since_ns=min(alert.unhidden_since_ns, at_ns),
        last_fired_ns=alert.last_fired_ns if alert.last_fired_ns <= at_ns else 0,
        resolved_at_ns=min(alert.resolved_at_ns, at_ns),
    )


def _become_active(rule: AlertRule, alert: Alert, seen: Observation) -> Alert:
    fresh = Alert(
        key=alert.key,
        kind=alert.kind,
        subject=alert.subject,
        shard=alert.shard,
        series=alert.series,
        severity=rule.severity,
        last_fired_ns=alert.last_fired_ns if alert.suppressed_by else alert.fired_at_ns or alert.last_fired_ns,
        active_at_ns=seen.at_ns,
        changed_at_ns=seen.at_ns,
        value=seen.value,
        expected=seen.expected,
        score=seen.score,
        peak_score=seen.score,
        consequence=rule.consequence,
        response=rule.response,
    )
    return _fire_when_due(rule, fresh, seen)


def _fire_when_due(rule: AlertRule, alert: Alert, seen: Observation) -> Alert:
    """Raises it after the on-delay, and not before the hold of the occurrence before is over."""
    if seen.at_ns - alert.active_at_ns < rule.for_s * NS_PER_S:
        return alert
    if alert.last_fired_ns and 0 <= seen.at_ns - alert.last_fired_ns < rule.repeat_after_s * NS_PER_S:
        return alert
    return _hide(replace(alert, state=State.UNACKED, fired_at_ns=seen.at_ns, changed_at_ns=seen.at_ns), seen)


def _become_clear(rule: AlertRule, alert: Alert, seen: Observation) -> Alert:
    if alert.state is State.PENDING:
        return replace(alert, state=State.NORMAL, resolved_at_ns=seen.at_ns, changed_at_ns=seen.at_ns)
    since_ns = alert.clear_since_ns or seen.at_ns
    if seen.at_ns - since_ns < rule.keep_firing_for_s * NS_PER_S:
        return _off_the_shelf(_hide(replace(alert, clear_since_ns=since_ns), seen), seen)
    nobody_saw_it = alert.state is State.UNACKED
    state = State.RTN_UNACKED if nobody_saw_it else State.NORMAL
    return replace(alert, state=state, clear_since_ns=since_ns, resolved_at_ns=seen.at_ns, changed_at_ns=seen.at_ns)


def _hide(alert: Alert, seen: Observation) -> Alert:
    if not seen.hidden_by or alert.state not in (State.UNACKED, State.ACKED):
        return alert
    return replace(
        alert,
        state=State.SUPPRESSED,
        suppressed_by=seen.hidden_by,
        cause_key=seen.cause_key,
        needed_score=seen.needed_score,
        changed_at_ns=seen.at_ns,
    )


def _unhide(rule: AlertRule, alert: Alert, seen: Observation) -> Alert:
    """Shows what design hid once the reason is gone and the on-delay has passed again, for what began in a planned
    stop may just be about to end with it.
    """
    if alert.state is not State.SUPPRESSED:
        return alert
    if seen.hidden_by:
        return replace(alert, unhidden_since_ns=0)
    since_ns = alert.unhidden_since_ns or seen.at_ns
    if seen.at_ns - since_ns < rule.for_s * NS_PER_S:
        return replace(alert, unhidden_since_ns=since_ns)
    fired_at_ns = alert.fired_at_ns if alert.acked_by else seen.at_ns
    return replace(
        alert,
        state=_shown(alert),
        suppressed_by="",
        cause_key="",
        needed_score=0.0,
        unhidden_since_ns=0,
        fired_at_ns=fired_at_ns,
        changed_at_ns=seen.at_ns,
    )


def _off_the_shelf(alert: Alert, seen: Observation) -> Alert:
    if alert.state is not State.SHELVED or seen.at_ns < alert.shelved_until_ns:
        return alert
    return replace(alert, state=_shown(alert), changed_at_ns=seen.at_ns)


def _shown(alert: Alert) -> State:
    return State.ACKED if alert.acked_by else State.UNACKED
