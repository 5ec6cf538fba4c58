"""What a run came to, judged against what really happened: counts, lead times, stops, exposures.

Input: the messages that were published (decoded once more, as the audit's own truth) and the spool as readers see it.
Output: a `Report`. Pure but for reading the spool.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from collector import schema
from collector.decoder import Decoder
from collector.readings import NS_PER_S, Batch, Kind, Quality
from collector.sources.plant_model.truth import FaultSpan, Truth
from collector.sources.recording import Published
from collector.spool.frames import FrameKind, Record
from collector.spool.spool import Spool
from deploy.accounting import account
from deploy.report import AlertRow, Fault, Report, Stop
from deploy.shortages import Times, judge
from detectors.alerts import Alert, State

_FAULT_AFTER_S = 600.0  # what a fault leaves behind may be told this long after it
_STOP_S = 20.0
_STOP_INTERVALS = 5.0  # a gap of this many usual intervals between two counts is a stop


def make_report(
    site: str, published: Sequence[Published], decoder: Decoder, spool: Spool, truth: Truth | None = None
) -> Report:
    """The report of a finished run. `decoder` must be fresh: it reads the published messages a second time.

    `truth`: what a simulated plant says really happened.
    """
    floor = floor_of(spool)
    counts = account(published, decoder, spool)
    alerts = [msgspec.convert(record.detail, Alert) for record in spool.log.latest(schema.ALERT_EVENT.name)]
    alerts.sort(key=lambda alert: (alert.fired_at_ns, alert.key))
    judged = judge(floor, alerts)
    return Report(
        site=site,
        **counts._asdict(),
        alerts=[_row(alert) for alert in alerts],
        shortages=judged.shortages,
        shortage_alerts_not_empty=judged.not_empty,
        false_shortage_alerts=judged.false,
        stops=stops_of(floor, alerts),
        exposures=_exposures(spool),
        faults=[fault_of(span, alerts, spool) for span in truth.faults] if truth else [],
    )


def _exposures(spool: Spool) -> list[dict[str, Any]]:
    """Every exposure in order of its instants, those that said a former one has ended left out.

    What was said at once and corrected later counts as corrected.
    """
    last: dict[tuple[int, str, str], dict[str, Any]] = {}
    after = 0
    while frames := spool.log.read(after, 500, kinds=(FrameKind.RECORD,)):
        after = frames[-1].offset
        bodies = [frame.body for frame in frames if isinstance(frame.body, Record)]
        told = [body.detail for body in bodies if body.measurement == schema.EXPOSURE.name]
        last |= {(one["at_ns"], one["node"], one["material"]): one for one in told}
    return [last[key] for key in sorted(last) if last[key]["causes"]]


def floor_of(spool: Spool) -> Times:
    """The readings of the spool by series as every store shows them: good ones, one per instant, the last written."""
    columns: dict[int, list[Batch]] = {}
    after = 0
    while frames := spool.log.read(after, 500, kinds=(FrameKind.BATCH,)):
        after = frames[-1].offset
        for frame in frames:
            if isinstance(frame.body, Batch):
                for series in np.unique(frame.body.series).tolist():
                    columns.setdefault(series, []).append(frame.body.take(frame.body.series == series))
    return {spool.series[series]: _in_time(batches) for series, batches in columns.items()}


def _in_time(batches: Sequence[Batch]) -> tuple[list[float], list[float]]:
    at_ns, value, quality = (
        np.concatenate([getattr(batch, column) for batch in batches])[::-1] for column in ("at_ns", "value", "quality")
    )
    good = (quality & ~np.uint8(Quality.HISTORICAL)) == Quality.GOOD
    unique, last = np.unique(at_ns[good], return_index=True)
    return (unique / NS_PER_S).tolist(), value[good][last].tolist()


def stops_of(floor: Times, alerts: Sequence[Alert]) -> list[Stop]:
    """Stretches without a count on every production counter, with the alert that was raised within them."""
    drops = [alert for alert in alerts if alert.kind == "output_drop"]
    found = []
    for series, (times, values) in sorted(floor.items()):
        if series.kind is not Kind.COUNTER or series.equipment.line == schema.SELF_LINE:
            continue
        own = [alert for alert in drops if alert.series == series.name]
        if own or series.on_event:
            stretches = _stretches(times, values)
            if not series.on_event:
                stretches = [stretch for stretch in stretches if _reported_within(times, *stretch)]
            found += [_stop(series.name, start, end, own) for start, end in stretches]
    return sorted(found, key=lambda stop: stop.start)


def _stretches(times: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    counted = [at for (before, after), at in zip(pairwise(values), times[1:], strict=True) if after != before]
    if len(counted) < 3:
        return []
    usual_s = float(np.median(np.diff(counted)))
    shortest_s = max(_STOP_S, _STOP_INTERVALS * usual_s)
    return [(start, end) for start, end in pairwise(counted) if end - start >= shortest_s]


def _reported_within(times: Sequence[float], start: float, end: float) -> bool:
    """Whether a counter that reports periodically did so: its silence is unknown, not a stop."""
    within = [start, *(at for at in times if start < at < end), end]
    return max(after - before for before, after in pairwise(within)) < (end - start) / 2


def _stop(subject: str, start: float, end: float, drops: Iterable[Alert]) -> Stop:
    within = [alert for alert in drops if alert.fired_at_ns / NS_PER_S <= end and _open_after(alert, start)]
    if not within:
        return Stop(subject, start, end, None, False)
    first = min(within, key=lambda alert: (alert.fired_at_ns / NS_PER_S < start, alert.fired_at_ns))
    suppressed = bool(first.suppressed_by) or first.state is State.SUPPRESSED
    return Stop(subject, start, end, first.fired_at_ns / NS_PER_S, suppressed)


def fault_of(span: FaultSpan, alerts: Iterable[Alert], spool: Spool) -> Fault:
    line = f"{span.site}/{span.line}" if span.line else span.site
    until_ns = span.to_ns + int(_FAULT_AFTER_S * NS_PER_S)
    raised = [one.alert_id for one in alerts if _on(line, one.shard) and span.from_ns <= one.fired_at_ns <= until_ns]
    booked = {
        str(gap.cause)
        for gap in spool.ledger.read(limit=100_000)
        if _on(line, gap.asset) and gap.from_ns <= until_ns and gap.to_ns >= span.from_ns
    }
    return Fault(span.fault, line, span.from_ns / NS_PER_S, span.to_ns / NS_PER_S, raised, sorted(booked))


def _on(line: str, asset: str) -> bool:
    return asset == line or asset.startswith(f"{line}/")


def _open_after(alert: Alert, at: float) -> bool:
    return not alert.resolved_at_ns or alert.resolved_at_ns / NS_PER_S > at


def _row(alert: Alert) -> AlertRow:
    return AlertRow(
        key=alert.key,
        kind=alert.kind,
        subject=alert.subject,
        state=str(alert.state),
        severity=str(alert.severity),
        raised_at=alert.fired_at_ns / NS_PER_S,
        cleared_at=alert.resolved_at_ns / NS_PER_S if alert.resolved_at_ns else None,
        suppressed=alert.suppressed_by,
        acked_by=alert.acked_by,
        evidence=alert.evidence,
    )
