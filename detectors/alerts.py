"""An alert's life after ISA-18.2, as one pure step: `advance(rule, alert, observation) -> alert`.

Input: what a method scored at an instant, and what people did (`apply_control`). Output: the alert as it is afterwards;
`detectors.engine` compares before and after, and stores what changed. Time is always an argument.
"""

from __future__ import annotations

from enum import StrEnum
from math import isnan
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from collector.spool.frames import Action, Control
from detectors.rule import AlertRule


class State(StrEnum):
    NORMAL = "normal"
    PENDING = "pending"  # active, within its on-delay; nobody is told
    UNACKED = "unacknowledged"
    ACKED = "acknowledged"
    RTN_UNACKED = "return to normal, unacknowledged"
    SHELVED = "shelved"  # hidden by a person until an instant
    SUPPRESSED = "suppressed"  # hidden by design: a planned stop, or its cause is already open


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
        alert,
        comments=(*alert.comments, Comment(control.who, control.at_ns, control.text or control.action)),
        changed_at_ns=max(alert.changed_at_ns, control.at_ns),
        verdict=control.verdict or alert.verdict,
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


def _become_active(rule: AlertRule, alert: Alert, seen: Observation) -> Alert:
    fresh = Alert(
        key=alert.key,
        kind=alert.kind,
        subject=alert.subject,
        shard=alert.shard,
        series=alert.series,
        severity=rule.severity,
        last_fired_ns=_last_told_ns(alert),
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


def _last_told_ns(alert: Alert) -> int:
    """When somebody was told of an ended occurrence; not of one that fired after its end, on a clock that was ahead."""
    told = alert.fired_at_ns > 0 and not alert.suppressed_by and alert.fired_at_ns <= alert.resolved_at_ns
    return alert.fired_at_ns if told else alert.last_fired_ns


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
    state = State.RTN_UNACKED if alert.state is State.UNACKED else State.NORMAL  # nobody has seen it
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
    """Shows what design hid once the reason has been gone for the on-delay: it may just be about to end with it."""
    if alert.state is not State.SUPPRESSED:
        return alert
    if seen.hidden_by:
        return replace(alert, unhidden_since_ns=0)
    since_ns = alert.unhidden_since_ns or seen.at_ns
    if seen.at_ns - since_ns < rule.for_s * NS_PER_S:
        return replace(alert, unhidden_since_ns=since_ns)
    return replace(
        alert,
        state=_shown(alert),
        suppressed_by="",
        cause_key="",
        needed_score=0.0,
        unhidden_since_ns=0,
        fired_at_ns=alert.fired_at_ns if alert.acked_by else seen.at_ns,
        changed_at_ns=seen.at_ns,
    )


def _off_the_shelf(alert: Alert, seen: Observation) -> Alert:
    if alert.state is not State.SHELVED or seen.at_ns < alert.shelved_until_ns:
        return alert
    return replace(alert, state=_shown(alert), changed_at_ns=seen.at_ns)


def _shown(alert: Alert) -> State:
    return State.ACKED if alert.acked_by else State.UNACKED
