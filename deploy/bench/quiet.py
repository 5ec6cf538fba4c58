"""How quiet a site is when nothing is wrong, and what it still sees when something is: methods, budgets, whole rules.

A plant of 200 series, each read once a minute for a week (`quiet_plant`), goes through the rules of `quiet_rules`, one
or more for every method that needs no training. Lines look once a minute, as often as readings come, and the keeper of
the budget hears of alarms as often. Methods are asked once; what they said goes through the alert management again
without the plant's budget, and with nothing but the methods' own. A second week holds forty planted faults of five
kinds, on other seeds than the one on which methods were worked on (`quiet_plant.plant`, 5).

A fault is seen strictly when an alert of a method for its kind, about its series (its cell, of `one_class_sgd`), begins
while it lasts or within ten minutes after, and is told until then, or is hidden behind one of the same cell that is.
What it takes is said as it goes, so that a run that is cut short says something.

Source of the bars: EEMUA 191 (2013) and ISA-18.2-2016, load targets of one operator: 150 alarms a day, less than 1 % of
ten-minute periods with more than ten, nothing that chatters (three times or more in a minute).
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from collector.readings import NS_PER_S, Batch
from collector.schema import ALERT_EVENT
from collector.spool.frames import Frame, Record, batch_frame, needed_score_frame, record_frame, tick_frame
from deploy.bench.figure import NOTHING_GIVEN, Figure, Given
from deploy.bench.quiet_plant import DAY_MIN, MINUTE_NS, START_NS, Fault, faults
from deploy.bench.quiet_site import Site
from detectors.alerts import Alert
from detectors.budgets.keeper import Keeper, raised_at_ns
from detectors.settings import AlertSettings, BoundRule, DetectSettings

RUNS = 1
SIZED = True  # `once` is told how large a plant, for how long, and which seed
SERIES, DAYS, SEED = 200, 7, 6
_LINE_SERIES = 40
_PER_PERIOD, _PERIOD_NS = 10, 600 * NS_PER_S
_CHATTERS, _CHATTER_NS = 3, 60 * NS_PER_S
_SEEN_AFTER_NS = 600 * NS_PER_S
_LEAST_DAYS = 6  # with faults: they come when methods have learned, one at a time on a line
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
_OF_LEVELS = ("novelty", "cusum", "ewma", "page_hinkley", "one_class_sgd")
_METHODS_FOR: Mapping[str, tuple[str, ...]] = {
    "stop": ("output_drop",),
    "drop": ("output_drop", "slow_cycle"),
    "shift": _OF_LEVELS,
    "stuck": ("stuck", "one_class_sgd"),  # a scatter of nothing
    "spike": (*_OF_LEVELS, "limits", "rate_limits"),
}
FIGURES = (
    Figure("fault-free: alarms a day", "1/d", must=100.0),
    Figure("the same on the day with most", "alarms"),
    Figure("ten-minute periods with over 10 alarms", "%", must=1.0),
    Figure("alerts that chatter, told three times in a minute", "alerts", must=0.0),
    Figure("most tellings of one alert in ten minutes", "times", must=2.0),
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
    *(Figure(f"8 faults of the kind {kind}: seen", "%") for kind in _METHODS_FOR),
    Figure("40 planted faults: somebody was called to the line", "%"),
    Figure("with faults: alarms a day", "1/d"),
    Figure("CPU time of all, with faults and without", "s", aim=600.0),
)

ALONE: dict[str, Any] = {"budgeted": False, "repeat_after_s": 0.0}
NO_BUDGET = AlertSettings(budget_per_d=math.inf)
NOTHING = AlertSettings(budget_per_d=math.inf, together_s=0.0)


class Size(NamedTuple):
    """Of a plant, and how long it runs; lines have forty series each."""

    series: int = SERIES
    days: int = DAYS
    seed: int = SEED

    @property
    def lines(self) -> int:
        return max(1, self.series // _LINE_SERIES)


class Week(NamedTuple):
    """What was told: (UTC ns, key, kind); and the last word on every alert by its id."""

    told: list[tuple[int, str, str]]
    alerts: dict[str, Alert]


def once(given: Given = NOTHING_GIVEN) -> Sequence[float]:
    size = Size(given.series or SERIES, given.days or DAYS, SEED if given.seed is None else given.seed)
    planted = faults(size.lines, size.days, 11 + size.seed) if size.days >= _LEAST_DAYS else ()
    with ProcessPoolExecutor(2) as pool:
        (calm, calm_s), *with_faults = pool.map(weeks, ((), planted)[: 1 + bool(planted)], (size, size))
    odd, odd_s = with_faults[0] if with_faults else ([], 0.0)
    return (*_told_when_fault_free(calm, size.days), *_told_of_faults(planted, odd, size.days), calm_s + odd_s)


def _told_when_fault_free(calm: Sequence[Week], days: int) -> Sequence[float]:
    with_budgets, without, alone = calm
    return (
        len(with_budgets.told) / days,
        max(_by_day(with_budgets, days)),
        _floods(with_budgets, days),
        _chattering(with_budgets.told),
        _most_within(with_budgets.told, _PERIOD_NS),
        sum(alert.needed_score > 0 for alert in with_budgets.alerts.values()) / days,
        sum(bool(alert.cause_key) for alert in with_budgets.alerts.values()) / days,
        len(without.told) / days,
        _floods(without, days),
        len(alone.told) / days,
        _floods(alone, days),
        *_by_method(alone, days),
        *_by_method(with_budgets, days),
    )


def _told_of_faults(planted: Sequence[Fault], odd: Sequence[Week], days: int) -> Sequence[float]:
    if not odd:
        return [math.nan] * (5 + len(_METHODS_FOR))
    seen = [seen_of(planted, week) for week in odd]
    return (
        *(_share(found, planted) for found in seen),
        *(_share([one for one in seen[0] if one.kind == kind], _of_kind(planted, kind)) for kind in _METHODS_FOR),
        _share(called_for(planted, odd[0]), planted),
        len(odd[0].told) / days,
    )


def conditions() -> str:
    return (
        f"lines of {_LINE_SERIES} series, each at 1/min, warming up included; without more said {SERIES} series, "
        f"{DAYS} days, seed {SEED}; isolation_forest is left out, it is quiet until it is trained"
    )


def weeks(planted: tuple[Fault, ...], size: Size) -> tuple[list[Week], float]:
    """One plant: with all budgets, without the plant's, and the methods alone; and the CPU time of it in s."""
    began_s, what = time.process_time(), "with faults" if planted else "fault-free"
    site = Site(planted, size.lines, size.series, size.days, size.seed)
    for line in site.lines:
        unjudged_ratio = site.ask(line)
        _say(f"{what}: {line.name} scored; one_class_sgd does not judge {unjudged_ratio:.0%} of its rows", began_s)
    alone = [replace(one, rule=msgspec.structs.replace(one.rule, **ALONE)) for one in site.rules]
    found = []
    for name, rules, alerts in (
        ("with budgets", site.rules, AlertSettings()),
        ("without the plant's budget", site.rules, NO_BUDGET),
        ("the methods alone", alone, NOTHING),
    ):
        week = _week(site, rules, alerts)
        by_day = " ".join(f"{count:.0f}" for count in _by_day(week, size.days))
        said = f"{what}, {name}: alarms by day {by_day}; {_floods(week, size.days):.2f} % of periods over 10"
        if planted:
            seen, called = seen_of(planted, week), called_for(planted, week)
            kinds = ", ".join(f"{kind} {sum(one.kind == kind for one in seen)}" for kind in _METHODS_FOR)
            said += f"; seen {len(seen)} of {len(planted)} ({kinds}), called for {len(called)}"
        _say(said, began_s)
        found.append(week)
    return found, time.process_time() - began_s


def seen_of(planted: Sequence[Fault], week: Week) -> list[Fault]:
    """The faults of which somebody was told in time and rightly."""
    told = _told_by_key(week)
    return [fault for fault in planted if any(_tells_of(fault, alert, told) for alert in week.alerts.values())]


def called_for(planted: Sequence[Fault], week: Week) -> list[Fault]:
    """The faults for which somebody was called to the line in time, for whatever reason."""
    found = []
    for fault in planted:
        line, (from_ns, to_ns) = f"quiet/l{fault.line}/", _window(fault)
        if any(from_ns <= at_ns <= to_ns and line in key for at_ns, key, _ in week.told):
            found.append(fault)
    return found


def _told_by_key(week: Week) -> Mapping[str, Sequence[int]]:
    told: dict[str, list[int]] = defaultdict(list)
    for at_ns, key, _ in week.told:
        told[key].append(at_ns)
    return told


def _window(fault: Fault) -> tuple[int, int]:
    """From when to when an alert is about a fault."""
    return START_NS + fault.from_min * MINUTE_NS, START_NS + fault.to_min * MINUTE_NS + _SEEN_AFTER_NS


def _tells_of(fault: Fault, alert: Alert, told: Mapping[str, Sequence[int]]) -> bool:
    from_ns, to_ns = _window(fault)
    cell = f"quiet/l{fault.line}/c{fault.cell}"
    whom = alert.subject == cell if alert.kind == "one_class_sgd" else alert.series == f"{cell}:{fault.metric}"
    if not (whom and alert.kind in _METHODS_FOR[fault.kind] and from_ns <= alert.active_at_ns <= to_ns):
        return False
    keys = [alert.key]
    if f"{cell}:" in alert.cause_key or alert.cause_key.endswith(cell):
        keys.append(alert.cause_key)
    return any(alert.active_at_ns - _PERIOD_NS <= at_ns <= to_ns for key in keys for at_ns in told.get(key, ()))


def _of_kind(planted: Sequence[Fault], kind: str) -> list[Fault]:
    return [one for one in planted if one.kind == kind]


def _share(found: Sequence[Fault], of: Sequence[Fault]) -> float:
    return 100.0 * len(found) / len(of)


def _by_day(week: Week, days: int) -> list[float]:
    counts = Counter((at_ns - START_NS) // (DAY_MIN * MINUTE_NS) for at_ns, _, _ in week.told)
    return [float(counts[day]) for day in range(days)]


def _floods(week: Week, days: int) -> float:
    """The share of ten-minute periods with over ten alarms, in percent."""
    periods = Counter((at_ns - START_NS) // _PERIOD_NS for at_ns, _, _ in week.told)
    return 100.0 * sum(count > _PER_PERIOD for count in periods.values()) / (days * DAY_MIN / 10)


def _by_method(week: Week, days: int) -> list[float]:
    counts = Counter(kind for _, _, kind in week.told)
    return [counts[name] / days for name in _METHODS]


def _chattering(told: Sequence[tuple[int, str, str]]) -> float:
    """How many alerts were told three times or more within a minute."""
    by_key = _instants(told)
    return float(sum(_most_of(of, _CHATTER_NS + 1) >= _CHATTERS for of in by_key.values()))


def _most_within(told: Sequence[tuple[int, str, str]], within_ns: int) -> float:
    """How often one alert was told within such a time, at most."""
    return float(max((_most_of(of, within_ns) for of in _instants(told).values()), default=0))


def _instants(told: Sequence[tuple[int, str, str]]) -> Mapping[str, list[int]]:
    by_key: dict[str, list[int]] = defaultdict(list)
    for at_ns, key, _ in sorted(told):
        by_key[key].append(at_ns)
    return by_key


def _most_of(instants: Sequence[int], within_ns: int) -> int:
    return max(sum(0 <= b - a < within_ns for b in instants) for a in instants)


def _week(site: Site, rules: Sequence[BoundRule], alerts: AlertSettings) -> Week:
    """All lines minute by minute, the keeper after them: what it asks for is what the next minute hears first."""
    logics = [site.logic(line, rules, alerts, _DETECT) for line in site.lines]
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
        if isinstance(frame.body, Record) and not isinstance(frame.body, Batch):
            alert = msgspec.convert(frame.body.detail, Alert)
            week.alerts[alert.alert_id] = alert
            at_ns = raised_at_ns(frame.body)
            if at_ns:
                week.told.append((at_ns, alert.key, alert.kind))


def _say(what: str, began_s: float) -> None:
    print(f"quiet: {what} ({time.process_time() - began_s:.0f} s of CPU)", file=sys.stderr, flush=True)
