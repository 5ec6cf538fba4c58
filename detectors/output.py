"""One counter's output: the band it usually keeps, whether it stands, runs slowly, or has long run a little slowly.

Used by `detectors.methods.output_drop`, which says what is judged and where it fails. Each product and shift has a band
of its own, remembered when the line comes back to it; hours of the day that have a pace of their own (`detectors.pace`)
raise or lower it. Pure: time is an argument.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from collector.readings import NS_PER_S, Series
from detectors.calendar import Calendar
from detectors.counts import units_since
from detectors.detector import NAN, Evidence, Point
from detectors.missed import Missed
from detectors.pace import Pace
from detectors.quantile import median, quantile
from detectors.slow_drop import Chart, SlowDrop
from detectors.surroundings import Surroundings

_SLOTS = 12  # a window's resolution
_WINDOWS = 240  # remembered, one a slot: 20 windows' worth of running
_WINDOWS_TO_LEARN = 12
_INTERVALS = 64  # remembered
_INTERVALS_TO_LEARN = 10
_SIGMAS = 4.0  # of the band's half width, from MAD
_PLAUSIBLE = 3.0  # a jump above this many times the band's top is not production
_BANDS = 24  # products and shifts remembered; the one left longest ago goes first
_SLOTS_A_BAND = 4  # between two looks at a band that is well known
_HOUR_NS = 3600 * NS_PER_S
_LEVEL_H, _LEVEL_TO_LEARN_H = 32.0, 8.0  # of running: memory of the mean rate, and until it is known
_PACE_RATIO = 0.5  # of an hour's slots that must have run for the hour to have a pace
_WINDOWS_TO_CHART = 60  # five windows' worth: a middle learned from less is too unsure for a slow drop


class Usual(NamedTuple):
    """What is usual, in units per s; NaN is not learned yet."""

    low: float = NAN
    mid: float = NAN
    high: float = NAN

    def at(self, pace: float) -> Usual:
        """What is usual at another pace."""
        return self if pace == 1.0 else Usual(self.low * pace, self.mid * pace, self.high * pace)


class Judging(NamedTuple):
    """What the statistic needs of the method's options, in s and ratios."""

    window_s: float
    stop_intervals: float
    tolerance_ratio: float
    start_up_s: float
    unknown_after_s: float
    drop_ratio: float
    false_alarm_s: float


class Output(msgspec.Struct):
    """What is kept of one counter. Rates are in units per s; NaN is not learned yet."""

    last_ns: int = 0
    value: float = NAN
    count_ns: int = 0  # the last count
    from_ns: int = 0  # the window speaks of nothing before this instant
    slot: int = 0  # number of the newest slot since 1970
    slots: list[float] = msgspec.field(default_factory=lambda: [0.0] * _SLOTS)  # units; the newest is last
    intervals_s: list[float] = []
    stop_s: float = NAN  # planned time without a count that is a stop
    windows: list[float] = []  # their rates, at the usual pace
    pace: Pace = msgspec.field(default_factory=Pace)
    levels: dict[str, tuple[float, int]] = {}  # by product and shift: the mean rate of days, and of how many windows
    usual: Usual = Usual()
    key: str = ""  # product and shift the band is of
    bands: dict[str, Usual] = {}  # of the others
    chart: Chart = msgspec.field(default_factory=Chart)
    missed: Missed = msgspec.field(default_factory=Missed)  # since the last count
    unsure_ns: int = 0  # a hole restarted the window here while the rate was below its band


class OutputRate:
    """A `Statistic` of counters; `around` says which product the line makes, and when it is being changed over."""

    def __init__(self, judging: Judging, calendar: Calendar, around: Surroundings) -> None:
        self._options = judging
        self._calendar = calendar
        self.around = around
        self._slow = SlowDrop(judging.drop_ratio, judging.false_alarm_s)
        self._slot_ns = int(judging.window_s * NS_PER_S / _SLOTS)
        self._unknown_ns = int(judging.unknown_after_s * NS_PER_S)

    def start(self, series: Series) -> Output:
        return Output()

    def update(self, series: Series, memory: Output, at_ns: int, value: float) -> Point:
        if memory.last_ns == 0:
            memory.value, memory.slot = value, at_ns // self._slot_ns
            memory.count_ns = memory.from_ns = at_ns
            memory.key = self._key(series, at_ns)
            return Point()
        self._turn_to(memory, self._key(series, at_ns), at_ns)
        usual_from_ns, last_slot, interval_s = memory.from_ns, memory.slot, (at_ns - memory.count_ns) / NS_PER_S
        is_hole = memory.missed.heard(memory.last_ns, at_ns)
        if is_hole and self._judge(series, memory, memory.last_ns).score >= 1.0:
            memory.unsure_ns = at_ns
        is_known = not memory.missed.within_ns(memory.count_ns, at_ns)
        units = _units(memory, self._usual(memory, at_ns, 0.0), at_ns, value)
        memory.from_ns = self._window_from_ns(series, memory, at_ns, is_hole=is_hole)
        if units > 0:
            memory.count_ns = at_ns
            memory.missed.forget(at_ns)
        memory.value = value
        self._add(memory, at_ns, units)
        self._chart(memory, at_ns, units, ran=memory.from_ns == usual_from_ns and not is_hole)
        point = self._judge(series, memory, at_ns)
        if units > 0 and is_known and memory.from_ns == usual_from_ns:
            _learn_interval(memory, interval_s, self._options.stop_intervals)
        if memory.slot > last_slot and not self.around.changeover:
            self._learn_rate(memory, at_ns)
        return point

    def passed(self, series: Series, memory: Output, at_ns: int) -> Point | None:
        if series.on_event:
            return self._judge(series, memory, at_ns)
        return Point() if self._is_unknown(series, memory, at_ns) else None

    def miss(self, memory: Output, from_ns: int, to_ns: int) -> None:
        memory.missed.add(from_ns, to_ns)

    def explain(self, series: Series, memory: Output, at_ns: int) -> Evidence:
        until_ns = at_ns if series.on_event else memory.last_ns
        idle_s = self._idle_s(series, memory, until_ns)
        stopped = idle_s >= memory.stop_s
        rate, over_s = (0.0, idle_s) if stopped else self._rate(series, memory, until_ns)
        evidence: Evidence = {"rate_per_h": rate * 3600} if over_s > 0 else {}
        usual = self._usual(memory, until_ns, over_s)
        if not math.isnan(usual.mid):
            planned = self._calendar.planned_stop(series.equipment.line, until_ns) is None
            evidence["expected_per_h"] = usual.mid * 3600
            evidence["units_lost"] = max(usual.mid - rate, 0.0) * over_s if planned and over_s > 0 else 0.0
            if planned and not stopped and memory.chart.sum >= 1.0:
                evidence["units_lost"] = max(memory.chart.lost, float(evidence["units_lost"]))
                evidence["slow_since_s"] = memory.chart.began_ns / NS_PER_S
        if self.around.product:
            evidence["product"] = self.around.product
        if stopped:
            evidence["stopped_since_s"] = memory.count_ns / NS_PER_S
            evidence["usual_interval_s"] = median(memory.intervals_s)
        return evidence

    def _judge(self, series: Series, memory: Output, at_ns: int) -> Point:
        """The worse of the two rules; NaN while neither has learned enough, or too much is missing since the count."""
        rate, over_s = self._rate(series, memory, at_ns)
        if self.around.changeover:
            return Point(0.0)
        idle_s, drop, usual = self._idle_s(series, memory, at_ns), NAN, self._usual(memory, at_ns, over_s)
        stop = idle_s / memory.stop_s
        if usual.mid > 0 and over_s >= self._options.window_s / 2:
            half_width = (usual.high - usual.mid) * math.sqrt(max(self._options.window_s / over_s, 1.0))
            drop = max((usual.mid - rate) / max(half_width, usual.mid * memory.stop_s / over_s), 0.0)
        if stop >= 1.0:
            rate = 0.0
        elif self._is_unsure(series, memory, at_ns, idle_s, drop):
            return Point()
        slow = memory.chart.sum if not math.isnan(drop) else NAN
        score = max((score for score in (stop, drop, slow) if not math.isnan(score)), default=NAN)
        return Point(score, rate * 3600, usual.low * 3600, usual.mid * 3600, usual.high * 3600)

    def _usual(self, memory: Output, at_ns: int, over_s: float) -> Usual:
        """What is usual over the seconds that end at an instant, which may reach into the hour before."""
        if not memory.pace.ratios:
            return memory.usual
        hour_ns = at_ns // _HOUR_NS * _HOUR_NS
        pace = memory.pace.ratio(self._calendar.local_hour(hour_ns))
        before_s = over_s - (at_ns - hour_ns) / NS_PER_S
        if before_s > 0:
            before = memory.pace.ratio(self._calendar.local_hour(hour_ns - 1))
            pace += min(before_s / over_s, 1.0) * (before - pace)
        return memory.usual.at(pace)

    def _idle_s(self, series: Series, memory: Output, at_ns: int) -> float:
        """Seconds known to be without a count: since the line had to run again, in a planned stop all of them."""
        since_ns = self._since_ns(series, memory, at_ns)
        return max(at_ns - since_ns - memory.missed.within_ns(since_ns, at_ns), 0) / NS_PER_S

    def _is_unsure(self, series: Series, memory: Output, at_ns: int, idle_s: float, drop: float) -> bool:
        """Whether what is missing would decide: since the last count over a slot, or with it the line had stopped."""
        if not memory.missed.spans:
            return math.isnan(drop) and memory.from_ns == memory.unsure_ns
        missed_s = memory.missed.within_ns(self._since_ns(series, memory, at_ns), at_ns) / NS_PER_S
        return missed_s * NS_PER_S > self._slot_ns or (missed_s > 0 and idle_s + missed_s >= memory.stop_s)

    def _since_ns(self, series: Series, memory: Output, at_ns: int) -> int:
        if self._calendar.planned_stop(series.equipment.line, at_ns) is not None:
            return memory.count_ns
        return max(memory.count_ns, self._started_ns(series, memory, at_ns))

    def _started_ns(self, series: Series, memory: Output, at_ns: int) -> int:
        """When the line had to run after the latest planned stop, which may be still to come; 0 if none matters."""
        known_ns = min(memory.count_ns, max(memory.from_ns, at_ns - _SLOTS * self._slot_ns))
        planned_ns = self._calendar.planned_from_ns(series.equipment.line, at_ns, known_ns)
        planned_ns = at_ns if self.around.changeover else max(planned_ns, self.around.ended_ns)
        return planned_ns + int(self._options.start_up_s * NS_PER_S) if planned_ns > known_ns else 0

    def _is_unknown(self, series: Series, memory: Output, at_ns: int) -> bool:
        return not series.on_event and at_ns - memory.last_ns > self._unknown_ns

    def _window_from_ns(self, series: Series, memory: Output, at_ns: int, *, is_hole: bool) -> int:
        """From when the window may speak: a stop and an unknown stretch restart it here, a planned stop after it.

        So does a hole, but not one shorter than a slot: what was counted in it comes with the next count.
        """
        stopped = self._idle_s(series, memory, at_ns) >= memory.stop_s
        unknown = self._is_unknown(series, memory, at_ns) or (is_hole and at_ns - memory.last_ns > self._slot_ns)
        restart_ns = at_ns if stopped or unknown else 0
        return max(memory.from_ns, restart_ns, self._started_ns(series, memory, at_ns))

    def _rate(self, series: Series, memory: Output, at_ns: int) -> tuple[float, float]:
        """Units per s over the window that ends at `at_ns`, and the seconds it really speaks of; NaN over none."""
        slot = at_ns // self._slot_ns
        started_ns = self._started_ns(series, memory, at_ns)
        from_ns = max(memory.from_ns, started_ns, (slot - _SLOTS + 1) * self._slot_ns)
        over_s = (at_ns - from_ns) / NS_PER_S
        if over_s <= 0:
            return NAN, 0.0
        units = sum(memory.slots[min(slot - memory.slot, _SLOTS) :]) if started_ns <= memory.from_ns else 0.0
        return units / over_s, over_s

    def _add(self, memory: Output, at_ns: int, units: float) -> None:
        """Moves the window to the reading and counts its units, those after the window's start."""
        slot = at_ns // self._slot_ns
        passed = min(slot - memory.slot, _SLOTS)
        memory.slots = [*memory.slots[passed:], *[0.0] * passed]
        memory.slot = slot
        if memory.from_ns >= at_ns:
            memory.slots = [0.0] * _SLOTS
        else:
            memory.slots[-1] += units

    def _chart(self, memory: Output, at_ns: int, units: float, *, ran: bool) -> None:
        """Gives the slow chart what was made while the line ran; a stretch with a stop or a hole in it is no part."""
        chart, usual = memory.chart, memory.usual
        if not ran or math.isnan(usual.mid) or self.around.changeover:
            chart.made = chart.usual = chart.over_s = 0.0
            return
        if len(memory.windows) >= _WINDOWS_TO_CHART and usual.mid > 0:
            over_s = (at_ns - memory.last_ns) / NS_PER_S
            self._slow.add(chart, at_ns, units, self._usual(memory, at_ns, over_s).mid * over_s, over_s)

    def _key(self, series: Series, at_ns: int) -> str:
        """What the band hangs on: the product and the shift."""
        return f"{self.around.product}|{self._calendar.shift(series.equipment.line, at_ns)}"

    def _turn_to(self, memory: Output, key: str, at_ns: int) -> None:
        """Another product or shift: its own band if it is known, else that of before until it is learned."""
        if key == memory.key:
            return
        memory.bands.pop(memory.key, None)
        memory.bands[memory.key] = memory.usual
        if len(memory.bands) > _BANDS:
            del memory.bands[next(iter(memory.bands))]
        is_same_product = key.partition("|")[0] == memory.key.partition("|")[0]
        memory.usual = memory.bands.pop(key, memory.usual if is_same_product else Usual())
        memory.key, memory.windows, memory.chart = key, [], Chart(dispersion=memory.chart.dispersion)
        if not is_same_product:
            memory.from_ns, memory.intervals_s = at_ns, []

    def _learn_rate(self, memory: Output, at_ns: int) -> None:
        """Keeps the rate of the slots just completed, if the line ran through all of them; and the hour's pace."""
        if memory.from_ns > (memory.slot - _SLOTS + 1) * self._slot_ns:
            return
        over_s = (_SLOTS - 1) * self._slot_ns / NS_PER_S
        rate, ends_ns = sum(memory.slots[:-1]) / over_s, memory.slot * self._slot_ns
        pace = self._usual(memory, ends_ns, over_s).mid / memory.usual.mid if memory.pace.ratios else 1.0
        memory.windows = [*memory.windows[1 - _WINDOWS :], rate / pace if pace > 0 else rate]
        self._learn_pace(memory, rate, ends_ns, over_s)
        known = len(memory.windows)
        is_due = known < _WINDOWS_TO_CHART or memory.slot % _SLOTS_A_BAND == 0
        if is_due and known >= _WINDOWS_TO_LEARN and not math.isnan(memory.stop_s):
            middle = median(memory.windows)
            spread = 1.4826 * median(abs(rate - middle) for rate in memory.windows)
            pause = middle * memory.stop_s / over_s  # what one pause costs that is not yet a stop
            half = max(_SIGMAS * spread, self._options.tolerance_ratio * middle, pause)
            memory.usual = Usual(max(middle - half, 0.0), middle, middle + half)

    def _learn_pace(self, memory: Output, rate: float, ends_ns: int, over_s: float) -> None:
        """How the hour of the day compares with the mean of days, by the windows that lie within it."""
        hour_windows = _HOUR_NS / self._slot_ns
        level, count = memory.levels.pop(memory.key, (rate, 0))
        if count >= _LEVEL_TO_LEARN_H * hour_windows and level > 0:
            hour = (ends_ns - 1) // _HOUR_NS
            if ends_ns - over_s * NS_PER_S >= hour * _HOUR_NS:
                least = int(_PACE_RATIO * max(hour_windows - _SLOTS, 1.0))
                memory.pace.learn(hour, self._calendar.local_hour(hour * _HOUR_NS), rate / level, max(least, 1))
        gain = 1.0 / min(count + 1, _LEVEL_H * hour_windows)
        memory.levels[memory.key] = (level + gain * (rate - level), count + 1)
        if len(memory.levels) > _BANDS:
            del memory.levels[next(iter(memory.levels))]


def _learn_interval(memory: Output, interval_s: float, stop_intervals: float) -> None:
    """Keeps the time between two counts of a running line, and with it how long a stop is."""
    memory.intervals_s = [*memory.intervals_s[1 - _INTERVALS :], interval_s]
    if len(memory.intervals_s) >= _INTERVALS_TO_LEARN:
        usual_s, rare_s = median(memory.intervals_s), quantile(memory.intervals_s, 0.95)
        memory.stop_s = max(stop_intervals * usual_s, 2 * rare_s)


def _units(memory: Output, usual_now: Usual, at_ns: int, value: float) -> float:
    """Units since the last reading; NaN, and so no limit, while the band is unknown."""
    elapsed_s = (at_ns - memory.last_ns) / NS_PER_S
    usual, possible = usual_now.mid * elapsed_s, usual_now.high * elapsed_s * _PLAUSIBLE + 1
    return units_since(memory.value, value, usual, possible)
