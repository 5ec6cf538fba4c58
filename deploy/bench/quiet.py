"""How quiet a site is when nothing is wrong, and what it still sees when something is: methods, budgets, whole rules.

A plant of 200 series, each read once a minute for a week (`quiet_plant`), goes through the rules of `quiet_rules`, one
or more for every method that needs no training. Lines look once a minute, as often as readings come. Methods score
once; what they said goes through the alert management again without the plant's budget, and with nothing but the
methods' own. A second week holds forty planted faults of five kinds: one is seen when an alert about its series is told
while it lasts or within ten minutes after, or when one that is hidden names a told one as its cause. The keeper of the
budget hears of alarms once a minute.

Source of the bars: EEMUA 191 (2013) and ISA-18.2-2016, load targets of one operator: 150 alarms a day, less than 1 % of
ten-minute periods with more than ten, nothing that chatters (three times or more in a minute).
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from collector.readings import NS_PER_S, Batch
from collector.schema import ALERT_EVENT
from collector.spool.frames import Frame, FrameKind, batch_frame, needed_score_frame, record_frame, tick_frame
from deploy.bench.figure import Figure
from deploy.bench.quiet_plant import DAY_MIN, MINUTE_NS, START_NS, Fault, faults
from deploy.bench.quiet_site import Site, logic_of, site_of
from detectors.alerts import Alert
from detectors.budgets.keeper import Keeper, raised_at_ns
from detectors.settings import AlertSettings, BoundRule, DetectSettings

RUNS = 1
LINES, SERIES, DAYS = 5, 200, 7
_PER_PERIOD, _PERIOD_NS = 10, 600 * NS_PER_S
_SEEN_AFTER_NS = 600 * NS_PER_S
_DETECT = DetectSettings(tick_s=60.0, levels_s=86_400.0)  # nothing is new between two readings

_METHODS = (
    "output_drop",
    "shortage",
    "scrap_burst",
    "slow_cycle",
    "stuck",
    "novelty",
    "cusum",
    "ewma",
    "page_hinkley",
    "rate_limits",
    "one_class_sgd",
)
FIGURES = (
    Figure("fault-free: alarms a day", "1/d", must=100.0),
    Figure("ten-minute periods with over 10 alarms", "%", must=1.0),
    Figure("most raisings of one alert in ten minutes", "times", must=2.0),
    Figure("held back by the plant's and the series' budgets", "1/d"),
    Figure("hidden as part of a group, or by a stopped line", "1/d"),
    Figure("without the plant's budget: alarms a day", "1/d"),
    Figure("the same: ten-minute periods with over 10 alarms", "%"),
    Figure("the methods alone: alarms a day", "1/d"),
    Figure("the same: ten-minute periods with over 10 alarms", "%"),
    *(Figure(f"{name}: alarms a day, alone", "1/d") for name in _METHODS),
    *(Figure(f"{name}: alarms a day, with budgets", "1/d") for name in _METHODS),
    Figure("40 planted faults: seen", "%"),
    Figure("the same without the plant's budget", "%"),
    Figure("the same by the methods alone", "%"),
    Figure("with faults: alarms a day", "1/d"),
    Figure("CPU time of all", "s"),
)

ALONE: dict[str, Any] = {"budgeted": False, "repeat_after_s": 0.0}
NO_BUDGET = AlertSettings(budget_per_d=math.inf)
NOTHING = AlertSettings(budget_per_d=math.inf, together_s=0.0)


class Week(NamedTuple):
    """What was told: (UTC ns, key, kind); and the last word on every alert by its id."""

    told: list[tuple[int, str, str]]
    alerts: dict[str, Alert]


def once() -> Sequence[float]:
    planted = faults(LINES, DAYS)
    with ProcessPoolExecutor(2) as pool:
        (calm, calm_s), (odd, odd_s) = pool.map(weeks, ((), planted))
    with_budgets, without, alone = calm
    seen = [100.0 * len(seen_of(planted, week)) / len(planted) for week in odd]
    return (
        *_load(with_budgets),
        _most_in_ten_minutes(with_budgets.told),
        sum(alert.needed_score > 0 for alert in with_budgets.alerts.values()) / DAYS,
        sum(bool(alert.cause_key) for alert in with_budgets.alerts.values()) / DAYS,
        *_load(without),
        *_load(alone),
        *_by_method(alone),
        *_by_method(with_budgets),
        *seen,
        len(odd[0].told) / DAYS,
        calm_s + odd_s,
    )


def conditions() -> str:
    return (
        f"{SERIES} series of {LINES} lines at 1/min, {DAYS} days, warming up included; isolation_forest is left out, "
        "it is quiet until it is trained"
    )


def weeks(
    planted: tuple[Fault, ...], lines: int = LINES, series: int = SERIES, days: int = DAYS
) -> tuple[list[Week], float]:
    """One plant: with all budgets, without the plant's, and the methods alone; and the CPU time of it in s."""
    began_s = time.process_time()
    plant = site_of(planted, lines, series, days)
    alone = [replace(one, rule=msgspec.structs.replace(one.rule, **ALONE)) for one in plant.rules]
    found = [
        _week(plant, plant.rules, AlertSettings()),
        _week(plant, plant.rules, NO_BUDGET),
        _week(plant, alone, NOTHING),
    ]
    return found, time.process_time() - began_s


def seen_of(planted: Sequence[Fault], week: Week) -> list[Fault]:
    """The faults of which somebody was told in time, directly or by the alert that is named as the cause."""
    told: dict[str, list[int]] = defaultdict(list)
    for at_ns, key, _ in week.told:
        told[key].append(at_ns)
    return [fault for fault in planted if any(_tells_of(fault, alert, told) for alert in week.alerts.values())]


def _tells_of(fault: Fault, alert: Alert, told: Mapping[str, Sequence[int]]) -> bool:
    from_ns = START_NS + fault.from_min * MINUTE_NS
    to_ns = START_NS + fault.to_min * MINUTE_NS + _SEEN_AFTER_NS
    cell = f"quiet/l{fault.line}/c{fault.cell}:"
    of_cell = alert.kind == "one_class_sgd" and alert.series.startswith(cell)
    if not (from_ns <= alert.active_at_ns <= to_ns and (alert.series == f"{cell}{fault.metric}" or of_cell)):
        return False
    keys = (alert.key, alert.cause_key)
    return any(alert.active_at_ns - _PERIOD_NS <= at_ns <= to_ns for key in keys for at_ns in told.get(key, ()))


def _load(week: Week) -> tuple[float, float]:
    """Alarms a day, and the share of ten-minute periods with over ten of them in percent."""
    periods = Counter((at_ns - START_NS) // _PERIOD_NS for at_ns, _, _ in week.told)
    floods = sum(count > _PER_PERIOD for count in periods.values())
    return len(week.told) / DAYS, 100.0 * floods / (DAYS * DAY_MIN / 10)


def _by_method(week: Week) -> list[float]:
    counts = Counter(kind for _, _, kind in week.told)
    return [counts[name] / DAYS for name in _METHODS]


def _most_in_ten_minutes(told: Sequence[tuple[int, str, str]]) -> float:
    """How often one alert was raised within any ten minutes, at most."""
    by_key: dict[str, list[int]] = defaultdict(list)
    for at_ns, key, _ in sorted(told):
        by_key[key].append(at_ns)
    return float(max((sum(0 <= b - a < _PERIOD_NS for b in of) for of in by_key.values() for a in of), default=0))


def _week(site: Site, rules: Sequence[BoundRule], alerts: AlertSettings) -> Week:
    """All lines minute by minute, the keeper after them: what it asks for is what the next minute hears first."""
    logics = [logic_of(site, rules, alerts, line.name, _DETECT) for line in site.lines]
    keeper, asked, week = Keeper(alerts.budget_per_d), list[Frame](), Week([], {})
    for minute in range(site.lines[0].values.shape[1]):
        said, first_id = [], 0
        for line, logic in zip(site.lines, logics, strict=True):
            batch = batch_frame(line.name, line.batch(first_id, minute, minute + 1))
            records = [one.record for one in logic.apply([*asked, batch])]
            said += [record_frame(line.name, one) for one in records if one.measurement == ALERT_EVENT.name]
            first_id += len(line.series)
        _note(week, said)
        tick = tick_frame(START_NS + (minute + 1) * MINUTE_NS)
        asked = [needed_score_frame(one) for one in keeper.apply([*said, tick])]
    return week


def _note(week: Week, said: Sequence[Frame]) -> None:
    for frame in said:
        if frame.kind is FrameKind.RECORD and not isinstance(frame.body, Batch):
            record = frame.body
            alert = msgspec.convert(record.detail, Alert)  # type: ignore[union-attr]
            week.alerts[alert.alert_id] = alert
            at_ns = raised_at_ns(record)  # type: ignore[arg-type]
            if at_ns:
                week.told.append((at_ns, alert.key, alert.kind))
