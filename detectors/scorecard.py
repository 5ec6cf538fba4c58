"""The scorecard of past alerts: what became of what each rule raised, as far as people said. Pure.

Input: the latest of every occurrence, as the spool keeps it (`alert_event`). Output: one Card a rule.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable

import msgspec

from collector.readings import NS_PER_S
from detectors.alerts import Alert


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. `hidden` ones nobody was told of (planned stop, cause open) are not `raised`.

    `median_ack_s`: from the raising to the acknowledgement, None where nobody acknowledged one.
    """

    rule: str
    raised: int
    acknowledged: int
    said_true: int
    said_false: int
    hidden: int
    median_ack_s: float | None


def scorecard(alerts: Iterable[Alert]) -> list[Card]:
    """One card for each rule that ever raised an alert, the one most often said to be false first."""
    by_rule: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_rule.setdefault(rule_of(alert), []).append(alert)
    return sorted((_card(rule, own) for rule, own in by_rule.items()), key=lambda card: (-card.said_false, card.rule))


def rule_of(alert: Alert) -> str:
    """The name of the rule that raised it."""
    return alert.key.removesuffix(f":{alert.subject}")


def _card(rule: str, alerts: list[Alert]) -> Card:
    told = [alert for alert in alerts if not alert.suppressed_by]
    waits_s = [(one.acked_at_ns - one.fired_at_ns) / NS_PER_S for one in told if one.acked_by]
    return Card(
        rule=rule,
        raised=len(told),
        acknowledged=len(waits_s),
        said_true=sum(alert.verdict == "true" for alert in alerts),
        said_false=sum(alert.verdict == "false" for alert in alerts),
        hidden=len(alerts) - len(told),
        median_ack_s=statistics.median(waits_s) if waits_s else None,
    )
