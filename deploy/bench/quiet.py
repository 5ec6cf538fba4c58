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

import fnmatch
import math
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from collector.config import Document
from collector.readings import NS_PER_S, Batch, Series
from collector.schema import ALERT_EVENT
from collector.spool.frames import Frame, FrameKind, batch_frame, needed_score_frame, record_frame, tick_frame
from collector.spool.ledger import Gap
from deploy.bench.figure import Figure
from deploy.bench.quiet_plant import DAY_MIN, MINUTE_NS, START_NS, Fault, Line, faults, plant
from deploy.bench.quiet_rules import RULES
from detectors.alerts import Alert
from detectors.budgets.keeper import Keeper, raised_at_ns
from detectors.calendar import Calendar, calendar_of
from detectors.detector import Context, Detector, Evidence, Scores, as_scores
from detectors.line import LineLogic
from detectors.settings import AlertSettings, BoundRule, DetectSettings, bound_rules

RUNS = 1
LINES, SERIES, DAYS = 5, 200, 7
_PER_PERIOD, _PERIOD_NS = 10, 600 * NS_PER_S
_SEEN_AFTER_NS = 600 * NS_PER_S
_DETECT = DetectSettings(tick_s=60.0, levels_s=86_400.0)  # nothing is new between two readings
_BY_READINGS = ("limits", "stuck", "novelty", "cusum", "ewma", "page_hinkley", "rate_limits", "one_class_sgd")

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
_NOTHING_SAID = as_scores([])


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
    site = _site(planted, lines, series, days)
    alone = [replace(one, rule=msgspec.structs.replace(one.rule, **ALONE)) for one in site.rules]
    found = [
        _week(site, site.rules, AlertSettings()),
        _week(site, site.rules, NO_BUDGET),
        _week(site, alone, NOTHING),
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


class Played:
    """A method that says minute by minute what it said when it was given whole days at once: the contract of methods
    has it that this is the same. Only for those that judge readings and say nothing at ticks.
    """

    def __init__(self, detector: Detector, said: Scores) -> None:
        self._detector, self._said, self._at = detector, said, 0

    def score(self, batch: Batch) -> Scores:
        start = self._at
        self._at = int(np.searchsorted(self._said.at_ns, batch.at_ns[-1], side="right"))
        return Scores(*(getattr(self._said, name)[start : self._at] for name in Scores.__slots__))

    def tick(self, at_ns: int) -> Scores:
        return _NOTHING_SAID

    def miss(self, gap: Gap) -> None:
        """No gaps here."""

    def subject(self, series: Series) -> str:
        return self._detector.subject(series)

    def explain(self, series: int, at_ns: int) -> Evidence:
        return {}

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        """Nothing is kept."""


def _said(bound: BoundRule, context: Context, line: Line, first_id: int) -> Scores:
    """What the method of a rule says of a line's week, in order of time."""
    detector = bound.start(context)
    wanted = [first_id + i for i, one in enumerate(line.series) if fnmatch.fnmatchcase(one.metric, bound.rule.metric)]
    parts, minutes = [_NOTHING_SAID], line.values.shape[1]
    for minute in range(0, minutes, DAY_MIN):
        batch = line.batch(first_id, minute, min(minute + DAY_MIN, minutes))
        parts.append(detector.score(batch.take(np.isin(batch.series, wanted))))
    columns = [np.concatenate([getattr(one, name) for one in parts]) for name in Scores.__slots__]
    order = np.argsort(columns[1], kind="stable")
    return Scores(*(column[order] for column in columns))


class Site(NamedTuple):
    """A plant with its rules and what the methods that judge readings said of it, by line and rule."""

    lines: list[Line]
    series: Mapping[int, Series]
    rules: tuple[BoundRule, ...]
    calendar: Calendar
    said: Mapping[tuple[str, str], Scores]


def _site(planted: tuple[Fault, ...], lines: int, series: int, days: int) -> Site:
    document = Document(Path("quiet.toml"), tomllib.loads(RULES))
    rules, calendar = bound_rules(document), calendar_of(document, "UTC")
    plants = list(plant(lines, series, days, planted))
    everything = dict(enumerate(one for line in plants for one in line.series))
    said, first_id = {}, 0
    for line in plants:
        context = Context(everything, calendar, line.name)
        for bound in rules:
            if bound.rule.method in _BY_READINGS:
                said[line.name, bound.name] = _said(bound, context, line, first_id)
        first_id += len(line.series)
    return Site(plants, everything, rules, calendar, said)


def _week(site: Site, rules: Sequence[BoundRule], alerts: AlertSettings) -> Week:
    """All lines minute by minute, the keeper after them: what it asks for is what the next minute hears first."""
    logics = [_logic(site, rules, alerts, line.name) for line in site.lines]
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


def _logic(site: Site, rules: Sequence[BoundRule], alerts: AlertSettings, shard: str) -> LineLogic:
    def played(bound: BoundRule) -> BoundRule:
        said = site.said.get((shard, bound.name))
        if said is None:
            return bound
        return replace(bound, start=lambda context: Played(bound.start(context), said))

    context = Context(site.series, site.calendar, shard)
    return LineLogic([played(one) for one in rules], _DETECT, context, alerts)


def _note(week: Week, said: Sequence[Frame]) -> None:
    for frame in said:
        if frame.kind is FrameKind.RECORD and not isinstance(frame.body, Batch):
            record = frame.body
            alert = msgspec.convert(record.detail, Alert)  # type: ignore[union-attr]
            week.alerts[alert.alert_id] = alert
            at_ns = raised_at_ns(record)  # type: ignore[arg-type]
            if at_ns:
                week.told.append((at_ns, alert.key, alert.kind))
