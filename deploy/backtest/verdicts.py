"""What replayed alerts were worth: warned in time, missed, false, and how many one operator would have had to bear.

Judged by what the readings themselves show (stocks that ran empty, stretches without a count), by the truth of a
simulated plant, and by what operators said of the alerts of the time, who have the last word. Pure but for reading the
spools. Instants in the report are epoch seconds of event time.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from collector.readings import NS_PER_S
from collector.sources.plant_model.truth import Truth
from collector.spool.spool import Spool
from deploy.audit import fault_of, floor_of, stops_of
from deploy.report import Fault, Shortage, Stop
from deploy.shortages import judge
from detectors.alerts import Alert
from detectors.scorecard import rule_of

PERIOD_S = 600.0
FLOOD = 10  # alerts for one operator in a period; ISA-18.2 calls more a flood
_AFTER_S = 600.0  # what a fault or a stop leaves behind may be told this long after it
_SHORTEST_STOP_S = 60.0  # of the truth's stops: nobody is to be called for a shorter one
_GOOD = frozenset({"warned in time", "told", "refilled in time", "said true"})


class Judged(msgspec.Struct, kw_only=True):
    """One replayed alert. `lead_time_s`: from it until the stock was empty; `delay_s`: since the stop had begun.

    `outcome`: `warned in time`, `told`, `refilled in time`, `said true`; `false`, `said false`; `hidden` from people by
    design; `not known` where neither readings nor people tell.
    """

    alert: str
    rule: str
    severity: str
    raised_at: float
    cleared_at: float | None
    outcome: str
    lead_time_s: float | None = None
    delay_s: float | None = None
    why_hidden: str = ""
    evidence: dict[str, Any] = {}
    picture: str = ""


class Load(msgspec.Struct, kw_only=True):
    """Alerts for each operator and period of 10 minutes; `flood_ratio`: of the periods with more than 10."""

    operators: int
    periods: int
    mean: float
    worst: float
    worst_at: float | None
    flood_ratio: float


class Backtest(msgspec.Struct, kw_only=True):
    """The keys of backtest.json. `missed`: a sentence for each event that nobody was told of.

    `recorded`: of the alerts of the time, those in the stretch, how many come again and which of those called true do
    not; None where no spool with them was replayed.
    """

    site: str
    source: str
    rules: str
    from_at: float
    to_at: float
    replayed: int
    alerts: list[Judged]
    outcomes: dict[str, int]
    missed: list[str]
    shortages: list[Shortage]
    stops: list[Stop]
    faults: list[Fault]
    lead_time_median_s: float | None
    load: Load
    recorded: dict[str, int] | None = None


def judged(
    alerts: Sequence[Alert], spool: Spool, truth: Truth | None, recorded: Sequence[Alert], from_ns: int, to_ns: int
) -> dict[str, Any]:
    """The part of a Backtest that says what the alerts raised between two instants were worth."""
    floor = floor_of(spool)
    raised = [alert for alert in alerts if from_ns <= alert.fired_at_ns <= to_ns]
    shortages = [one for one in judge(floor, alerts).shortages if _within(one.empty_at, from_ns, to_ns)]
    stops = [one for one in stops_of(floor, alerts) if _within(one.start, from_ns, to_ns)]
    faults = [fault_of(span, alerts, spool) for span in truth.faults] if truth else []
    lines = {series.name: series for series in floor}

    def judged_one(alert: Alert) -> Judged:
        own = {lines[alert.series]: floor[lines[alert.series]]} if alert.series in lines else {}
        found = _by_readings(alert, own, stops) or _by_truth(alert, truth) or ("not known", None, None)
        outcome, lead_s, delay_s = found
        said = _said_of(alert, recorded)
        if alert.suppressed_by:
            outcome = "hidden"
        elif said:
            outcome = f"said {said}"
        return _row(alert, outcome, lead_s, delay_s)

    rows = [judged_one(alert) for alert in raised]
    leads = [one.lead_time_s for one in shortages if one.lead_time_s is not None]
    return {
        "alerts": rows,
        "outcomes": dict(Counter(row.outcome for row in rows).most_common()),
        "missed": list(_missed(shortages, stops, faults, truth, alerts, recorded)),
        "shortages": shortages,
        "stops": stops,
        "faults": faults,
        "lead_time_median_s": statistics.median(leads) if leads else None,
        "recorded": _compared(recorded, raised) if recorded else None,
    }


def load_on(alerts: Iterable[Judged], operators: int, from_ns: int, to_ns: int) -> Load:
    """How many of the alerts that people were told of fall on each operator."""
    periods = max(1, -(-(to_ns - from_ns) // int(PERIOD_S * NS_PER_S)))
    told = [row.raised_at for row in alerts if row.outcome != "hidden"]
    in_period = Counter(int((at - from_ns / NS_PER_S) // PERIOD_S) for at in told)
    worst = max(in_period, key=lambda period: in_period[period], default=None)
    return Load(
        operators=operators,
        periods=periods,
        mean=len(told) / periods / operators,
        worst=in_period[worst] / operators if worst is not None else 0.0,
        worst_at=from_ns / NS_PER_S + worst * PERIOD_S if worst is not None else None,
        flood_ratio=sum(count / operators > FLOOD for count in in_period.values()) / periods,
    )


_Found = tuple[str, float | None, float | None]


def _by_readings(alert: Alert, own: Mapping[Any, Any], stops: Iterable[Stop]) -> _Found | None:
    """What its series shows: a shortage by its stock, a drop by the counts. None where that tells nothing."""
    at = alert.fired_at_ns / NS_PER_S
    if alert.kind == "shortage" and own:
        alone = judge(own, [alert])
        if alone.false:
            return "false", None, None
        leads = [one.lead_time_s for one in alone.shortages if one.lead_time_s is not None]
        return ("warned in time", max(leads), None) if leads else ("refilled in time", None, None)
    for stop in stops:
        if stop.subject == alert.series and stop.start <= at <= stop.end + _AFTER_S:
            return "told", None, at - stop.start
    return None


def _by_truth(alert: Alert, truth: Truth | None) -> _Found | None:
    """Whether anything was wrong on its line; None where nobody knows."""
    if truth is None:
        return None
    began = [start for start, end, line in _events(truth) if _on(line, alert) and _told_within(alert, start, end)]
    return ("told", None, (alert.fired_at_ns - max(began)) / NS_PER_S) if began else ("false", None, None)


def _events(truth: Truth) -> Iterable[tuple[int, int, str]]:
    for stop in truth.stops:
        if not stop.planned:
            yield stop.from_ns, stop.to_ns, f"{stop.site}/{stop.line}"
    for empty in truth.empties:
        yield empty.empty_at_ns, empty.refilled_at_ns or truth.end_ns, f"{empty.site}/{empty.line}"
    for fault in truth.faults:
        yield fault.from_ns, fault.to_ns, f"{fault.site}/{fault.line}" if fault.line else fault.site


def _on(line: str, alert: Alert) -> bool:
    return alert.shard == line or alert.shard.startswith(f"{line}/")


def _told_within(alert: Alert, from_ns: int, to_ns: int) -> bool:
    return from_ns <= alert.fired_at_ns <= to_ns + int(_AFTER_S * NS_PER_S)


def _said_of(alert: Alert, recorded: Iterable[Alert]) -> str:
    """What an operator said of the alert of the time that stood when this one is raised, "" if nothing."""
    return next((one.verdict for one in recorded if one.verdict and _is_same(one, alert)), "")


def _is_same(recorded: Alert, alert: Alert) -> bool:
    """An alert about the same, that stood at the same time or nearly so; the rule may have another name now."""
    near_ns = int(_AFTER_S * NS_PER_S)
    ends_ns = alert.resolved_at_ns or 2**62
    until_ns = recorded.resolved_at_ns or 2**62
    is_about = (recorded.kind, recorded.subject) == (alert.kind, alert.subject) or recorded.key == alert.key
    return is_about and recorded.fired_at_ns - near_ns <= ends_ns and alert.fired_at_ns <= until_ns + near_ns


def _missed(
    shortages: Iterable[Shortage],
    stops: Iterable[Stop],
    faults: Iterable[Fault],
    truth: Truth | None,
    alerts: Sequence[Alert],
    recorded: Iterable[Alert],
) -> Iterable[str]:
    yield from (f"{one.subject} ran empty" for one in shortages if one.lead_time_s is None)
    yield from (f"{one.subject} stood for {one.end - one.start:.0f} s" for one in stops if one.raised_at is None)
    yield from (f"fault {one.fault} on {one.line}" for one in faults if not one.alerts and not one.gaps)
    for stop in truth.stops if truth else ():
        long_enough = stop.to_ns - stop.from_ns >= _SHORTEST_STOP_S * NS_PER_S and not stop.planned
        line = f"{stop.site}/{stop.line}"
        if long_enough and not any(_on(line, one) and _stood_in(one, stop.from_ns, stop.to_ns) for one in alerts):
            yield f"{line} stopped ({stop.why}) for {(stop.to_ns - stop.from_ns) / NS_PER_S:.0f} s"
    for one in recorded:
        if one.verdict == "true" and not any(_is_same(one, alert) for alert in alerts):
            yield f"{one.alert_id}, which an operator had called true"


def _stood_in(alert: Alert, from_ns: int, to_ns: int) -> bool:
    return alert.fired_at_ns <= to_ns + int(_AFTER_S * NS_PER_S) and (alert.resolved_at_ns or 2**62) >= from_ns


def _compared(recorded: Sequence[Alert], raised: Sequence[Alert]) -> dict[str, int]:
    again = [one for one in recorded if any(_is_same(one, alert) for alert in raised)]
    return {
        "raised at the time": len(recorded),
        "of these raised again": len(again),
        "raised only now": sum(not any(_is_same(one, alert) for one in recorded) for alert in raised),
        "said false and raised again": sum(one.verdict == "false" for one in again),
        "said false and no longer raised": sum(one.verdict == "false" for one in recorded if one not in again),
    }


def _row(alert: Alert, outcome: str, lead_s: float | None, delay_s: float | None) -> Judged:
    return Judged(
        alert=alert.alert_id,
        rule=rule_of(alert),
        severity=str(alert.severity),
        raised_at=alert.fired_at_ns / NS_PER_S,
        cleared_at=alert.resolved_at_ns / NS_PER_S if alert.resolved_at_ns else None,
        outcome=outcome,
        lead_time_s=lead_s,
        delay_s=delay_s,
        why_hidden=alert.suppressed_by,
        evidence=alert.evidence,
    )


def is_good(outcome: str) -> bool:
    """Whether an alert of this outcome was worth calling somebody for."""
    return outcome in _GOOD


def _within(at: float, from_ns: int, to_ns: int) -> bool:
    return from_ns / NS_PER_S <= at <= to_ns / NS_PER_S
