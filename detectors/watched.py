"""What is remembered of one rule on one line: its method's state, and of each subject the verdict and the alert.

Written by `detectors.watch`, kept in the line's snapshot by `detectors.line`.
"""

from __future__ import annotations

import math

import msgspec

from detectors.alerts import Alert, Comment, State
from detectors.budgets.bucket import Bucket
from detectors.detector import Point
from detectors.engine import ShardOutput
from detectors.outputs import event_output, level_output
from detectors.rule import AlertRule
from detectors.settings import BoundRule

FAILED = "method_failed"
MODEL = "model_unusable"  # a method that is taught goes on, with the model it has or without
_NOBODY_TOLD = (State.NORMAL, State.PENDING)


class Seen(msgspec.Struct):
    """The latest that a method said of a subject, and the life of the alert that hangs on it."""

    series: int  # -1: the whole line, of a method that failed
    at_ns: int
    point: Point
    alert: Alert
    waiting: Alert | None = None  # cleared before anyone acknowledged it
    level_ns: int = 0  # the score that was last stored as a level
    judged_ns: int = 0  # the last score that was a number
    error: str = ""  # the subject is the method itself: why it failed
    peak: float = 0.0  # the highest score since the last look
    bucket: Bucket = msgspec.field(default_factory=Bucket)  # of its own budget


class Watched(msgspec.Struct):
    """A method's own state and its subjects by name."""

    method: bytes
    subjects: dict[str, Seen]


def let_go(seen: Seen, at_ns: int) -> list[ShardOutput]:
    """Ends the alerts of a subject that no rule watches any more, and says so."""
    comment = Comment("andon", at_ns, "closed: no rule of site.toml watches this any more")
    said = []
    for alert in (seen.waiting, seen.alert):
        if alert is not None and alert.state not in _NOBODY_TOLD:
            ended = msgspec.structs.replace(
                alert,
                state=State.NORMAL,
                resolved_at_ns=alert.resolved_at_ns or at_ns,
                changed_at_ns=max(alert.changed_at_ns, at_ns),
                comments=(*alert.comments, comment),
            )
            said += [event_output(ended), level_output(ended, at_ns)]
    return said


def about_failure(bound: BoundRule) -> AlertRule:
    """How an alert about a method that failed lives."""
    return AlertRule(
        method=bound.rule.method,
        gap_s=math.inf,
        consequence=f"{bound.name} no longer watches this",
        response="report the error; restart `andon detect` after mending it",
    )


def about_model(bound: BoundRule) -> AlertRule:
    """How an alert about a model that cannot be used lives."""
    return AlertRule(
        method=bound.rule.method,
        gap_s=math.inf,
        consequence=f"{bound.name} goes on with the model it has; without one it is quiet here",
        response="the evidence says why and what to do; `andon train` says more",
    )
