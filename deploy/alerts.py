"""What `andon alerts` does: reads the latest of every alert, and writes a person's actions into the log."""

from __future__ import annotations

import datetime as dt

import msgspec

from collector import schema
from collector.errors import AndonError
from collector.readings import NS_PER_S
from collector.schema import AlertLevel
from collector.spool.frames import Action, Control, control_frame
from collector.spool.spool import Spool, SpoolError
from deploy.site import SiteFile
from detectors.alerts import Alert


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
            "raised_at": _utc(one.fired_at_ns),
            "owner": one.acked_by,
        }
        for one in alerts_in(spool)
        if everything or one.wants_attention
    ]


def act(spool: Spool, action: str, alert_id: str, who: str, text: str, minutes: float) -> str:
    """Writes the action into the log, where the detectors take it up; returns what to tell the person."""
    alert = next((one for one in alerts_in(spool) if one.alert_id == alert_id), None)
    if alert is None:
        raise AlertError(f"no alert {alert_id!r}; `andon alerts list` shows their names")
    at_ns = spool.log.clock_ns()
    until_ns = at_ns + int(minutes * 60 * NS_PER_S) if action == Action.SHELVE else 0
    try:
        control = Control(Action(action), alert_id, who, at_ns, text, until_ns)
    except ValueError as error:
        raise AlertError(f"{alert_id}: {error}") from error
    with spool.transaction():
        spool.log.append([control_frame(alert.shard, control)])
    until = f" until {_utc(until_ns)}" if until_ns else ""
    return f"{alert_id}: {action} by {who} at {_utc(at_ns)}{until}"


def _utc(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns / NS_PER_S, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
