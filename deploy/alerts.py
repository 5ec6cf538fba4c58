"""What `andon alerts` says: the latest of every alert as people read it, and what an action came to."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from collector import schema
from collector.errors import AndonError
from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from collector.spool.frames import Action
from collector.spool.spool import Spool, SpoolError
from deploy.instants import utc_of_ns
from deploy.site import SiteFile
from detectors.actions import ActionRequest, act
from detectors.alerts import Alert
from detectors.scorecard import Card

SCORECARD = ("rule", "raised", "acknowledged", "said true", "said false", "hidden", "median time to acknowledge")
_DAY_NS = 86_400 * NS_PER_S


class AlertError(AndonError):
    """The action cannot be done; the sentence names the alert and the remedy."""


def existing_spool(site: SiteFile) -> Spool:
    """The site's spool; asking about alerts never creates one. Raises SpoolError."""
    if not site.spool_path.exists():
        raise SpoolError(f"spool {site.spool_path} does not exist: start `andon collect`, or name it with --spool")
    return site.open_spool()


def alerts_in(spool: Spool) -> list[Alert]:
    """The latest of every occurrence, critical before warning, then the longest standing first."""
    found = [msgspec.convert(record.detail, Alert) for record in spool.log.latest(schema.ALERT_EVENT.name)]
    return sorted(found, key=lambda one: (one.severity is not AlertLevel.CRITICAL, one.fired_at_ns, one.key))


def listed(spool: Spool, *, everything: bool) -> list[dict[str, str]]:
    return [
        {
            "alert": one.alert_id,
            "state": str(one.state) + (f" ({one.suppressed_by})" if one.suppressed_by else ""),
            "severity": str(one.severity),
            "raised_at": utc_of_ns(one.fired_at_ns),
            "owner": one.acked_by,
        }
        for one in alerts_in(spool)
        if everything or one.wants_attention
    ]


def held_back(alerts: Iterable[Alert], now_ns: int) -> list[Alert]:
    """What the alarm budget kept from being told in the day before `now_ns`, ended or not."""
    return [one for one in alerts if one.needed_score > 0 and now_ns - _DAY_NS < one.fired_at_ns <= now_ns]


def budget_line(held: int, needed_score: float) -> str:
    """`3 alarms held back by the budget today; one needs 1.4 times its threshold now`, `""` where there is room."""
    if not held and needed_score <= 1.0:
        return ""
    now = f"one needs {needed_score:.1f} times its threshold now" if needed_score > 1.0 else "there is room again"
    return f"{held} alarm{'' if held == 1 else 's'} held back by the budget today; {now}"


def scorecard_row(card: Card) -> tuple[str, ...]:
    """A rule's card as a line of a table under SCORECARD."""
    median = "-" if card.median_ack_s is None else f"{card.median_ack_s:.0f} s"
    counts = (card.raised, card.acknowledged, card.said_true, card.said_false, card.hidden)
    return (card.rule, *map(str, counts), median)


def done(spool: Spool, action: Action, alert_id: str, who: str, text: str, minutes: float, verdict: str = "") -> str:
    """Writes the action into the log, where the detectors take it up; returns what to tell the person."""
    try:
        request = msgspec.convert({"who": who, "text": text, "minutes": minutes, "verdict": verdict}, ActionRequest)
    except msgspec.ValidationError as error:
        raise AlertError(f"{alert_id}: {error}; see `andon alerts {action} --help`") from error
    control = act(spool, action, alert_id, request)
    until = f" until {utc_of_ns(control.until_ns)}" if control.until_ns else ""
    said = f", said to be {control.verdict}" if control.verdict else ""
    return f"{alert_id}: {action} by {control.who} at {utc_of_ns(control.at_ns)}{until}{said}"
