"""The three Grafana-managed rules: a critical alert, a warning, and a watcher that no longer gives a sign of life.

The product owns an alert's life; Grafana mirrors its level. Output: the content of a provisioning file
(`apiVersion: 1`), which differs from the HTTP API in its spelling: `keepFiringFor`, `folder`, an interval as text.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.schema import ALERT_STATE, STATE_OF_LEVEL, WATCH_BEAT, AlertLevel
from dashboards import downward, query
from dashboards.build import DATA_SOURCE, FOLDER_TITLE, Json, target
from dashboards.layout import panel_id

PRODUCT_LABEL = {"product": "andon"}
RECEIVER = "grafana-default-email"  # the contact point every Grafana begins with
BETWEEN_QUIET_AND_WARNING = STATE_OF_LEVEL[AlertLevel.WARNING] / 2
BETWEEN_WARNING_AND_CRITICAL = 1.5
_WINDOW_S = 300  # after an alert closed, its level is written as 0 for as long: it resolves by value, not by silence
_EXPRESSION = {"type": "__expr__", "uid": "__expr__"}
_OF_AN_ALERT = ("site", "line", "kind", "subject")


def rule_file(dashboard_uid: str, panel_id: int, *, muted: str = "") -> Json:
    """The rule group as a provisioning file; alerts that fire lead to a panel of a board.

    `muted`: the mute timing during which warnings are not sent; Grafana refuses the rule where it does not exist.
    """
    rules = [critical_rule(dashboard_uid, panel_id), warning_rule(dashboard_uid, panel_id, muted=muted), beat_rule()]
    group = {"orgId": 1, "name": "andon", "folder": FOLDER_TITLE, "interval": "10s", "rules": rules}
    return {"apiVersion": 1, "groups": [group]}


def critical_rule(dashboard_uid: str, panel_id: int) -> Json:
    """Fires for every open alert of ours at level critical; one instance a site, line, kind and subject."""
    above = {"type": "gt", "params": [BETWEEN_WARNING_AND_CRITICAL]}
    return _level_rule(AlertLevel.CRITICAL, above, dashboard_uid, panel_id)


def warning_rule(dashboard_uid: str, panel_id: int, *, muted: str = "") -> Json:
    """The same at level warning; one that becomes critical leaves this rule for the other."""
    between = {"type": "within_range", "params": [BETWEEN_QUIET_AND_WARNING, BETWEEN_WARNING_AND_CRITICAL]}
    rule = _level_rule(AlertLevel.WARNING, between, dashboard_uid, panel_id)
    rule["notification_settings"] |= {"group_wait": "30s", "group_interval": "5m"}
    if muted:
        rule["notification_settings"]["mute_time_intervals"] = [muted]
    return rule


def beat_rule() -> Json:
    """Fires, as one instance, when the watcher is not well, says nothing, or the store cannot be asked.

    It is the only rule that no data or an error fires: a store that is down answers with an error, not with no data.
    """
    return _rule(
        "beat",
        "nobody watches",
        [_asked(query.over_time(WATCH_BEAT, {"alive": "alive"}, how="last")), *_judged({"type": "lt", "params": [1]})],
        severity=AlertLevel.CRITICAL,
        in_doubt="Alerting",
        shown_on=(downward.HEALTH, panel_id("watch_beat")),
        summary="Andon gives no sign of life",
        description="Detectors or store are down; no other alert can be believed until the beat is back.",
    )


def _level_rule(level: AlertLevel, evaluator: Json, dashboard_uid: str, panel_id: int) -> Json:
    return _rule(
        str(level),
        str(level),
        [_asked(query.over_time(ALERT_STATE, {"level": "state"}, how="last", by=_OF_AN_ALERT)), *_judged(evaluator)],
        severity=level,
        in_doubt="KeepLast",  # with OK, five minutes without our product would say "resolved" of every open alert
        shown_on=(dashboard_uid, panel_id),
        summary="{{ $labels.kind }}: {{ $labels.subject }}",
        description="Line {{ $labels.line }} of {{ $labels.site }}. Acknowledge it on the Andon board.",
        by=("site", "line"),
    )


def _rule(
    name: str,
    title: str,
    data: Sequence[Json],
    *,
    severity: AlertLevel,
    in_doubt: str,
    shown_on: tuple[str, int],
    summary: str,
    description: str,
    by: Sequence[str] = (),
) -> Json:
    return {
        "uid": f"andon-{name}",
        "title": f"Andon: {title}",
        "condition": "C",
        "data": list(data),
        "dashboardUid": shown_on[0],
        "panelId": shown_on[1],
        "noDataState": in_doubt,
        "execErrState": in_doubt,
        "for": "0s",  # our own on-delay has passed already
        "keepFiringFor": "2m",
        "labels": {**PRODUCT_LABEL, "severity": str(severity)},
        "annotations": {"summary": summary, "description": description},
        "isPaused": False,
        "notification_settings": {
            "receiver": RECEIVER,
            "group_by": ["alertname", "grafana_folder", *by],
            "group_wait": "5s",
            "group_interval": "30s",
            "repeat_interval": "4h",
        },
    }


def _asked(text: str) -> Json:
    return {
        "refId": "A",
        "datasourceUid": DATA_SOURCE["uid"],
        "relativeTimeRange": {"from": _WINDOW_S, "to": 0},
        "model": target(text),
    }


def _judged(evaluator: Json) -> list[Json]:
    """The newest value of each series, then whether it is to fire."""
    newest = {"type": "reduce", "expression": "A", "reducer": "last"}
    fires = {"type": "threshold", "expression": "B", "conditions": [{"evaluator": evaluator}]}
    return [_expression("B", newest), _expression("C", fires)]


def _expression(ref_id: str, model: Json) -> Json:
    return {
        "refId": ref_id,
        "datasourceUid": _EXPRESSION["uid"],
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {"refId": ref_id, "datasource": _EXPRESSION, **model},
    }
