"""The one Grafana-managed rule: a critical alert of ours becomes a notification of Grafana's.

The product owns an alert's life; Grafana mirrors its level. Output: the content of a provisioning file
(`apiVersion: 1`), which differs from the HTTP API in its spelling: `keepFiringFor`, `folder`, an interval as text.
"""

from __future__ import annotations

from collector.schema import ALERT_STATE
from dashboards import query
from dashboards.build import DATA_SOURCE, FOLDER_TITLE, Json, target

PRODUCT_LABEL = {"product": "andon"}
RECEIVER = "grafana-default-email"  # the contact point every Grafana begins with
BETWEEN_WARNING_AND_CRITICAL = 1.5
_WINDOW_S = 300  # after an alert closed, its level is written as 0 for as long: it resolves by value, not by silence
_EXPRESSION = {"type": "__expr__", "uid": "__expr__"}


def rule_file(dashboard_uid: str, panel_id: int) -> Json:
    """The rule group as a provisioning file; firing alerts link to a panel of a board."""
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": "andon",
                "folder": FOLDER_TITLE,
                "interval": "10s",
                "rules": [critical_rule(dashboard_uid, panel_id)],
            }
        ],
    }


def critical_rule(dashboard_uid: str, panel_id: int) -> Json:
    """Fires for every open alert of ours at level critical; one instance a site, line, kind and subject."""
    return {
        "uid": "andon-critical",
        "title": "Andon: critical",
        "condition": "C",
        "data": [_level(), _newest(), _above()],
        "dashboardUid": dashboard_uid,
        "panelId": panel_id,
        "noDataState": "KeepLast",  # with OK, five minutes without our product would say "resolved" of every open alert
        "execErrState": "KeepLast",
        "for": "0s",  # our own on-delay has passed already
        "keepFiringFor": "2m",
        "labels": {**PRODUCT_LABEL, "severity": "critical"},
        "annotations": {
            "summary": "{{ $labels.kind }}: {{ $labels.subject }}",
            "description": "Line {{ $labels.line }} of {{ $labels.site }}. Acknowledge it on the Andon board.",
        },
        "isPaused": False,
        "notification_settings": {
            "receiver": RECEIVER,
            "group_by": ["alertname", "grafana_folder", "site", "line"],
            "group_wait": "5s",
            "group_interval": "30s",
            "repeat_interval": "4h",
        },
    }


def _level() -> Json:
    by = ["site", "line", "kind", "subject"]
    model = target(query.over_time(ALERT_STATE, {"level": "state"}, how="last", by=by))
    return {
        "refId": "A",
        "datasourceUid": DATA_SOURCE["uid"],
        "relativeTimeRange": {"from": _WINDOW_S, "to": 0},
        "model": model,
    }


def _newest() -> Json:
    return _expression("B", {"type": "reduce", "expression": "A", "reducer": "last"})


def _above() -> Json:
    evaluator = {"type": "gt", "params": [BETWEEN_WARNING_AND_CRITICAL]}
    return _expression("C", {"type": "threshold", "expression": "B", "conditions": [{"evaluator": evaluator}]})


def _expression(ref_id: str, model: Json) -> Json:
    return {
        "refId": ref_id,
        "datasourceUid": _EXPRESSION["uid"],
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {"refId": ref_id, "datasource": _EXPRESSION, **model},
    }
