"""An alert's life after ISA-18.2, as one pure step: `advance(rule, alert, observation) -> alert`.

Input: what a method scored at an instant, and what people did (`apply_control`). Output: the alert as it is afterwards;
`detectors.engine` compares before and after, and stores what changed. Time is always an argument.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from collector.config import Name, NotNegative, Section
from collector.schema import AlertLevel


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

    `metric` is a glob over metric names; `method`'s own keys are gathered in `options`.
    `for_s` is the on-delay, `keep_firing_for_s` the off-delay, `gap_s` how long without a score an alert keeps standing
    before its evidence is called stale (it never resolves by silence).
    """

    method: Name
    metric: Name = "*"
    line: str = "*"
    severity: AlertLevel = AlertLevel.WARNING
    for_s: NotNegative = 0.0
    keep_firing_for_s: NotNegative = 0.0
    gap_s: NotNegative = 300.0
    suppressed_by: tuple[str, ...] = ()  # methods whose open alert on the same line is the cause
    in_planned_stop: bool = False  # True: alerts also while no production is planned
    consequence: str = ""
    response: str = ""
    options: dict[str, Any] = {}


class Comment(msgspec.Struct, frozen=True):
    who: str
    at_ns: int
    text: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One occurrence. `key` is `method:subject`; instants are UTC ns of event time, 0 where not reached."""

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
    resolved_at_ns: int = 0
    acked_by: str = ""
    acked_at_ns: int = 0
    shelved_by: str = ""
    shelved_until_ns: int = 0
    suppressed_by: str = ""
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
        return f"{self.key}@{self.active_at_ns // 1_000_000_000}"
