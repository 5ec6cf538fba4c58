"""One counter's output: whether it stands, runs slowly, or has long run a little slowly, by what is usual of it.

Used by `detectors.methods.output_drop`, which says what is judged and where it fails. What is usual is learned in
`detectors.usual_output`. Pure: time is an argument.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from collector.readings import NS_PER_S, Series
from detectors.calendar import Calendar
from detectors.detector import NAN, Evidence, Point
from detectors.quantile import median
from detectors.slow_drop import SlowDrop, stood
from detectors.surroundings import Surroundings
from detectors.usual_output import SLOTS, WINDOWS_TO_CHART, Habits, Output, units_made


class Judging(NamedTuple):
    """What the statistic needs of the method's options, in s and ratios."""

    window_s: float
    stop_intervals: float
    tolerance_ratio: float
    start_up_s: float
    unknown_after_s: float
    drop_ratio: float
    false_alarm_s: float


class OutputRate:
    """A `Statistic` of counters; `around` says which product the line makes, and when it is being changed over."""

    def __init__(self, judging: Judging, calendar: Calendar, around: Surroundings) -> None:
        self._options = judging
        self._calendar = calendar
        self.around = around
        self._slow = SlowDrop(judging.drop_ratio, judging.false_alarm_s)
        self._slot_ns = int(judging.window_s * NS_PER_S / SLOTS)
        self._habits = Habits(self._slot_ns, judging.stop_intervals, judging.tolerance_ratio, calendar)
        self._unknown_ns = int(judging.unknown_after_s * NS_PER_S)

    def start(self, series: Series) -> Output:
        return Output()

    def update(self, series: Series, memory: Output, at_ns: int, value: float) -> Point:
        if memory.last_ns == 0:
            memory.value, memory.slot = value, at_ns // self._slot_ns
            memory.count_ns = memory.from_ns = at_ns
            memory.key = self._key(series, at_ns)
            return Point()
        self._habits.turn_to(memory, self._key(series, at_ns), at_ns)
        usual_from_ns, last_slot, interval_s = memory.from_ns, memory.slot, (at_ns - memory.count_ns) / NS_PER_S
        is_hole = memory.missed.heard(memory.last_ns, at_ns)
        if is_hole and self._judge(series, memory, memory.last_ns).score >= 1.0:
            memory.unsure_ns = at_ns
        is_known = not memory.missed.within_ns(memory.count_ns, at_ns)
        units = units_made(memory, self._habits.usual(memory, at_ns, 0.0), at_ns, value)
        memory.from_ns = self._window_from_ns(series, memory, at_ns, is_hole=is_hole)
        if units > 0:
            memory.count_ns = at_ns
            memory.missed.forget(at_ns)
        memory.value = value
        self._add(memory, at_ns, units)
        self._chart(memory, at_ns, units, ran=memory.from_ns == usual_from_ns and not is_hole)
        point = self._judge(series, memory, at_ns)
        if units > 0 and is_known and memory.from_ns == usual_from_ns:
            self._habits.learn_interval(memory, at_ns, interval_s)
        if memory.slot > last_slot and not self.around.changeover:
            self._habits.learn_rate(memory, on_event=series.on_event)
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
        usual = self._habits.usual(memory, until_ns, over_s)
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
        if stopped and memory.intervals_s:  # of a product that is new nothing is usual yet
            evidence["usual_interval_s"] = median(memory.intervals_s)
        return evidence

    def _judge(self, series: Series, memory: Output, at_ns: int) -> Point:
        """The worse of the two rules; NaN while neither has learned enough, or too much is missing since the count."""
        rate, over_s = self._rate(series, memory, at_ns)
        if self.around.changeover:
            return Point(0.0)
        idle_s, drop, usual = self._idle_s(series, memory, at_ns), NAN, self._habits.usual(memory, at_ns, over_s)
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
        known_ns = min(memory.count_ns, max(memory.from_ns, at_ns - SLOTS * self._slot_ns))
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
        from_ns = max(memory.from_ns, started_ns, (slot - SLOTS + 1) * self._slot_ns)
        over_s = (at_ns - from_ns) / NS_PER_S
        if over_s <= 0:
            return NAN, 0.0
        units = sum(memory.slots[min(slot - memory.slot, SLOTS) :]) if started_ns <= memory.from_ns else 0.0
        return units / over_s, over_s

    def _add(self, memory: Output, at_ns: int, units: float) -> None:
        """Moves the window to the reading and counts its units, those after the window's start."""
        slot = at_ns // self._slot_ns
        passed = min(slot - memory.slot, SLOTS)
        memory.slots = [*memory.slots[passed:], *[0.0] * passed]
        memory.slots_s = [*memory.slots_s[passed:], *[0.0] * passed]
        memory.slot = slot
        if memory.from_ns >= at_ns:
            memory.slots, memory.slots_s = [0.0] * SLOTS, [0.0] * SLOTS
        else:
            memory.slots[-1] += units
            memory.slots_s[-1] += (at_ns - max(memory.last_ns, memory.from_ns)) / NS_PER_S

    def _chart(self, memory: Output, at_ns: int, units: float, *, ran: bool) -> None:
        """Gives the slow chart what was made while the line ran; a stretch with a stop or a hole in it is no part."""
        chart, usual = memory.chart, memory.usual
        if not ran or math.isnan(usual.mid) or self.around.changeover:
            stood(chart)
            return
        if len(memory.windows) >= WINDOWS_TO_CHART and usual.mid > 0:
            over_s = (at_ns - memory.last_ns) / NS_PER_S
            self._slow.add(chart, at_ns, units, self._habits.usual(memory, at_ns, over_s).mid * over_s, over_s)

    def _key(self, series: Series, at_ns: int) -> str:
        """What the band hangs on: the product and the shift."""
        return f"{self.around.product}|{self._calendar.shift(series.equipment.line, at_ns)}"
