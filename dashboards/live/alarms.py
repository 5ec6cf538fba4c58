"""The board's memory of alerts: every open one, and those that ended within the window."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from collector.spool.frames import Action, Control, Record
from dashboards.live.state import AlertView
from dashboards.live.window import Span
from detectors.alerts import Alert, State

_RETURNED_SHOWN = 20


class AlertMemory:
    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}
        self._acks: dict[str, str] = {}

    def keep(self, record: Record) -> None:
        """Takes in an `alert_event` record: the alert as it is now."""
        alert = msgspec.convert(record.detail, Alert)
        self._alerts[alert.alert_id] = alert

    def did(self, control: Control) -> None:
        """Takes in what a person wrote; the detectors will say what it changed."""
        if control.action is Action.ACK:
            self._acks[control.alert_id] = control.who

    def forget(self, before_ns: int) -> None:
        """Lets go of what ended before an instant, or was never raised."""
        self._alerts = {alert_id: alert for alert_id, alert in self._alerts.items() if _matters(alert, before_ns)}
        self._acks = {alert_id: who for alert_id, who in self._acks.items() if alert_id in self._alerts}

    def find(self, alert_id: str) -> Alert | None:
        return self._alerts.get(alert_id)

    def open(self) -> tuple[AlertView, ...]:
        """What somebody has to do or acknowledge something about, worst first."""
        return self._views(lambda alert: alert.wants_attention)

    def set_aside(self) -> tuple[AlertView, ...]:
        """Shelved by a person or suppressed by design."""
        return self._views(lambda alert: alert.state in (State.SHELVED, State.SUPPRESSED))

    def returned(self) -> tuple[AlertView, ...]:
        """The latest to come back to normal, newest first."""
        views = self._views(lambda alert: alert.state is State.NORMAL)
        return tuple(sorted(views, key=lambda view: -view.alert.resolved_at_ns)[:_RETURNED_SHOWN])

    def shortages(self) -> dict[str, Alert]:
        """By series, the shortage alert that stands on it, shelved ones too: a shelf does not fill a stock."""
        standing = (alert for alert in self._alerts.values() if alert.is_open and alert.kind == "shortage")
        return {alert.series: alert for alert in standing}

    def output_drops(self, now_ns: int) -> dict[str, list[Span]]:
        """By series, when an output_drop alert stood."""
        spans: dict[str, list[Span]] = {}
        for alert in self._alerts.values():
            if alert.kind == "output_drop" and alert.fired_at_ns:
                span = Span(alert.active_at_ns, alert.resolved_at_ns or now_ns + 1)
                spans.setdefault(alert.series, []).append(span)
        return spans

    def _views(self, wanted: Callable[[Alert], bool]) -> tuple[AlertView, ...]:
        views = (self._view(alert) for alert in self._alerts.values() if wanted(alert))
        return tuple(sorted(views, key=lambda view: view.rank))

    def _view(self, alert: Alert) -> AlertView:
        return AlertView(alert=alert, ack_sent_by="" if alert.acked_by else self._acks.get(alert.alert_id, ""))


def _matters(alert: Alert, before_ns: int) -> bool:
    if alert.state is not State.NORMAL:
        return True
    return alert.fired_at_ns > 0 and alert.resolved_at_ns >= before_ns
