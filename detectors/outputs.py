"""Records that detection says, in the stored names of `collector.schema`, each with its deterministic id."""

from __future__ import annotations

from math import isnan

import msgspec

from collector import schema
from collector.readings import NS_PER_S, Series
from collector.spool.frames import Field, Record
from detectors.alerts import Alert, State
from detectors.detector import Point
from detectors.engine import ShardOutput

_S_PER_D = 86_400.0


def event_output(alert: Alert) -> ShardOutput:
    """The alert as it is now. One point per occurrence: its time stays that of the raising."""
    fields: dict[str, Field] = {
        "title": f"{alert.kind}: {alert.subject}",
        "text": alert.consequence,
        "tags": f"{alert.kind},{alert.severity}",
        "time_end": alert.resolved_at_ns // 1_000_000,
        "severity": str(alert.severity),
        "acked_by": alert.acked_by,
        "acked_at": alert.acked_at_ns // 1_000_000,
        "verdict": alert.verdict,
        "cause": alert.cause_key,
        "alert_id": alert.alert_id,
        **_counted(alert),
    }
    record = Record(
        measurement=schema.ALERT_EVENT.name,
        tags=_tags(alert),
        fields=fields,
        at_ns=alert.active_at_ns,
        key=alert.alert_id,
        detail=msgspec.to_builtins(alert),
    )
    output_id = f"alert|{alert.alert_id}|{alert.changed_at_ns}|{alert.state}|{len(alert.comments)}"
    return ShardOutput(output_id, record)


def _counted(alert: Alert) -> dict[str, Field]:
    """What of it a scorecard counts (`detectors.scorecard`), as numbers that a store can sum up."""
    told = alert.fired_at_ns > 0 and not alert.suppressed_by
    counted: dict[str, Field] = {
        "raised": int(told),
        "acknowledged": int(told and bool(alert.acked_by)),
        "said_true": int(alert.verdict == "true"),
        "said_false": int(alert.verdict == "false"),
        "hidden": int(bool(alert.suppressed_by)),
    }
    counted |= _warned(alert, told=told)
    return counted | ({"ack_after_s": (alert.acked_at_ns - alert.fired_at_ns) / NS_PER_S} if alert.acked_by else {})


def _warned(alert: Alert, *, told: bool) -> dict[str, Field]:
    """Whether people heard of a stock before it was empty or only then; nothing for alerts on anything else."""
    stock = alert.evidence.get("stock")
    if not isinstance(stock, int | float):
        return {}
    return {"in_time": int(told and stock > 0.0), "missed": int(told and stock <= 0.0)}


def level_output(alert: Alert, at_ns: int) -> ShardOutput:
    """The level of an alert at an instant: 0 when nobody needs to be told (cleared, shelved, suppressed)."""
    told = alert.state in (State.UNACKED, State.ACKED)
    fields: dict[str, Field] = {
        "state": schema.STATE_OF_LEVEL[alert.severity] if told else 0.0,
        "score": alert.score if alert.score is not None else 0.0,
        "acked": int(bool(alert.acked_by)),
        "shelved": int(alert.state is State.SHELVED),
        "since": alert.fired_at_ns // 1_000_000,
        "alert_id": alert.alert_id,
    }
    time_to_empty_s = alert.evidence.get("time_to_empty_s")
    if isinstance(time_to_empty_s, float):
        fields["cover_days"] = time_to_empty_s / _S_PER_D
    record = Record(measurement=schema.ALERT_STATE.name, tags=_tags(alert), fields=fields, at_ns=at_ns, key=alert.key)
    output_id = f"level|{alert.key}|{at_ns}|{alert.state}|{len(alert.comments)}"
    return ShardOutput(output_id, record)


def expected_output(rule: str, method: str, series: Series, at_ns: int, point: Point) -> ShardOutput:
    """The band a rule's method expected, the value it judged, and its score."""
    place = series.equipment
    tags = {"site": place.site, "area": place.area, "line": place.line, "cell": place.cell}
    numbers = {
        "value": point.value,
        "low": point.expected_low,
        "mid": point.expected,
        "high": point.expected_high,
        "score": point.score,
    }
    record = Record(
        measurement=schema.EXPECTED.name,
        tags={**tags, "metric": series.metric, "method": method},
        fields={name: value for name, value in numbers.items() if not isnan(value)},
        at_ns=at_ns,
        key=f"{rule}|{series.name}",
    )
    return ShardOutput(f"expected|{rule}|{series.name}|{at_ns}", record)


def _tags(alert: Alert) -> dict[str, str]:
    """Those of a rule with a name of its own carry it in `subject`, or rules of one method would share a point."""
    site, _, line = alert.shard.partition("/")
    subject = alert.subject if alert.key == f"{alert.kind}:{alert.subject}" else alert.key
    return {"site": site, "line": line, "kind": alert.kind, "subject": subject}
