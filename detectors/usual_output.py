"""What is usual of one counter: its band by product, shift and hour, the time between two counts, and how they learn.

Kept in `Output`, the memory of `detectors.output`, which judges by it. Each product and shift has a band of its own,
remembered when the line comes back to it; hours of the day that have a pace of their own (`detectors.pace`) raise or
lower it. Pure: time is an argument.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from collector.readings import NS_PER_S
from detectors.calendar import Calendar
from detectors.counts import units_since
from detectors.detector import NAN
from detectors.missed import Missed
from detectors.pace import Pace
from detectors.quantile import median, quantile
from detectors.slow_drop import Chart, fresh

SLOTS = 12  # a window's resolution
_WINDOWS = 240  # remembered, one a slot: 20 windows' worth of running
_WINDOWS_TO_LEARN = 12
_INTERVALS = 64  # remembered
_INTERVALS_TO_LEARN = 10
_SIGMAS = 4.0  # of the band's half width, from MAD
_STAND_INTERVALS = 10.0  # one among the first intervals as long as so many usual ones was a stand
_PLAUSIBLE = 3.0  # a jump above this many times the band's top is not production
_JUMPS_BELIEVED = 5  # one after another: so many are production, whatever was usual
_BANDS = 24  # products and shifts remembered; the one left longest ago goes first
_SLOTS_A_BAND = 4  # between two looks at a band that is well known
_HOUR_NS = 3600 * NS_PER_S
_LEVEL_H, _LEVEL_TO_LEARN_H = 32.0, 8.0  # of running: memory of the mean rate, and until it is known
_SPOKEN_RATIO = 0.5  # of a window that its readings speak of, or it teaches nothing
_PACE_RATIO = 0.5  # of an hour's slots that must have run for the hour to have a pace
WINDOWS_TO_CHART = 60  # five windows' worth: a middle learned from less is too unsure for a slow drop


class Usual(NamedTuple):
    """What is usual, in units per s; NaN is not learned yet."""

    low: float = NAN
    mid: float = NAN
    high: float = NAN

    def at(self, pace: float) -> Usual:
        """What is usual at another pace."""
        return self if pace == 1.0 else Usual(self.low * pace, self.mid * pace, self.high * pace)


class Output(msgspec.Struct):
    """What is kept of one counter. Rates are in units per s; NaN is not learned yet."""

    last_ns: int = 0
    value: float = NAN
    count_ns: int = 0  # the last count
    from_ns: int = 0  # the window speaks of nothing before this instant
    slot: int = 0  # number of the newest slot since 1970
    slots: list[float] = msgspec.field(default_factory=lambda: [0.0] * SLOTS)  # units; the newest is last
    slots_s: list[float] = msgspec.field(default_factory=lambda: [0.0] * SLOTS)  # in which these were made
    jumps: int = 0  # one after another, each more than can be made
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


class Habits:
    """How what is usual of a counter is found and learned: `slot_ns` of its window, `stop_intervals` to a stop."""

    def __init__(self, slot_ns: int, stop_intervals: float, tolerance_ratio: float, calendar: Calendar) -> None:
        self._slot_ns = slot_ns
        self._stop_intervals = stop_intervals
        self._tolerance_ratio = tolerance_ratio
        self._calendar = calendar

    def usual(self, memory: Output, at_ns: int, over_s: float) -> Usual:
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

    def turn_to(self, memory: Output, key: str, at_ns: int) -> None:
        """Another product or shift: its own band if it is known, else that of before until it is learned."""
        if key == memory.key:
            return
        memory.bands.pop(memory.key, None)
        memory.bands[memory.key] = memory.usual
        if len(memory.bands) > _BANDS:
            del memory.bands[next(iter(memory.bands))]
        is_same_product = key.partition("|")[0] == memory.key.partition("|")[0]
        memory.usual = memory.bands.pop(key, memory.usual if is_same_product else Usual())
        memory.key, memory.windows, memory.chart = key, [], fresh(memory.chart.dispersion)
        if not is_same_product:
            memory.from_ns, memory.intervals_s = at_ns, []

    def learn_interval(self, memory: Output, at_ns: int, interval_s: float) -> None:
        """Keeps the time between two counts of a running line, and with it how long a stop is."""
        memory.intervals_s = [*memory.intervals_s[1 - _INTERVALS :], interval_s]
        if len(memory.intervals_s) >= _INTERVALS_TO_LEARN and math.isnan(memory.stop_s):
            _forget_stands(memory, at_ns)
        if len(memory.intervals_s) >= _INTERVALS_TO_LEARN:
            usual_s, rare_s = median(memory.intervals_s), quantile(memory.intervals_s, 0.95)
            memory.stop_s = max(self._stop_intervals * usual_s, 2 * rare_s)

    def learn_rate(self, memory: Output, *, on_event: bool) -> None:
        """Keeps the rate of the slots just completed, if the line ran through all of them; and the hour's pace.

        What a periodic counter has made is that of the time between its readings, which are not the slots' ends.
        """
        if memory.from_ns > (memory.slot - SLOTS + 1) * self._slot_ns:
            return
        over_s = (SLOTS - 1) * self._slot_ns / NS_PER_S
        made_s = over_s if on_event else sum(memory.slots_s[:-1])
        if made_s < _SPOKEN_RATIO * over_s:
            return
        rate, ends_ns = sum(memory.slots[:-1]) / made_s, memory.slot * self._slot_ns
        pace = self.usual(memory, ends_ns, over_s).mid / memory.usual.mid if memory.pace.ratios else 1.0
        memory.windows = [*memory.windows[1 - _WINDOWS :], rate / pace if pace > 0 else rate]
        self._learn_pace(memory, rate, ends_ns, over_s)
        known = len(memory.windows)
        is_due = known < WINDOWS_TO_CHART or memory.slot % _SLOTS_A_BAND == 0
        if is_due and known >= _WINDOWS_TO_LEARN and not math.isnan(memory.stop_s):
            middle = median(memory.windows)
            spread = 1.4826 * median(abs(rate - middle) for rate in memory.windows)
            pause = middle * memory.stop_s / over_s  # what one pause costs that is not yet a stop
            half = max(_SIGMAS * spread, self._tolerance_ratio * middle, pause)
            memory.usual = Usual(max(middle - half, 0.0), middle, middle + half)

    def _learn_pace(self, memory: Output, rate: float, ends_ns: int, over_s: float) -> None:
        """How the hour of the day compares with the mean of days, by the windows that lie within it."""
        hour_windows = _HOUR_NS / self._slot_ns
        level, count = memory.levels.pop(memory.key, (rate, 0))
        if count >= _LEVEL_TO_LEARN_H * hour_windows and level > 0:
            hour = (ends_ns - 1) // _HOUR_NS
            if ends_ns - over_s * NS_PER_S >= hour * _HOUR_NS:
                least = int(_PACE_RATIO * max(hour_windows - SLOTS, 1.0))
                memory.pace.learn(hour, self._calendar.local_hour(hour * _HOUR_NS), rate / level, max(least, 1))
        gain = 1.0 / min(count + 1, _LEVEL_H * hour_windows)
        memory.levels[memory.key] = (level + gain * (rate - level), count + 1)
        if len(memory.levels) > _BANDS:
            del memory.levels[next(iter(memory.levels))]


def _forget_stands(memory: Output, at_ns: int) -> None:
    """A line that stood before it was known how long a stop is: what was learned of that stretch is no running."""
    longest_s = _STAND_INTERVALS * median(memory.intervals_s)
    ran = [interval_s for interval_s in memory.intervals_s if interval_s <= longest_s]
    if len(ran) < len(memory.intervals_s):
        memory.intervals_s, memory.from_ns, memory.windows = ran, at_ns, []
        memory.levels, memory.pace = {}, Pace()


def units_made(memory: Output, usual_now: Usual, at_ns: int, value: float) -> float:
    """Units since the last reading, without a limit while nothing is usual.

    More than can be made is no production, unless the counter goes on so: then what was usual is no measure.
    """
    elapsed_s = (at_ns - memory.last_ns) / NS_PER_S
    possible = usual_now.high * elapsed_s * _PLAUSIBLE + 1 if usual_now.mid > 0 else NAN
    units = units_since(memory.value, value, NAN, possible)
    if not math.isnan(units):
        memory.jumps = 0
        return units
    memory.jumps += 1
    is_believed = memory.jumps > _JUMPS_BELIEVED and value > memory.value
    return value - memory.value if is_believed else usual_now.mid * elapsed_s
