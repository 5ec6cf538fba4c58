"""Planned production as a store needs it: hours and days of it in a stretch ahead, by the calendar of who uses it.

Input: the calendar and the line. Output: spans for `detectors.demand`. Pure; what was worked out is kept for two days.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S
from detectors.calendar import Calendar

_HOUR_NS = 3600 * NS_PER_S
_EPOCH = dt.date(1970, 1, 1).toordinal()


class PlannedDays:
    """`ahead_h`: the instants ahead at which a store is looked at, in hours from now."""

    def __init__(self, calendar: Calendar, line: str, ahead_h: NDArray[np.float64]) -> None:
        self._calendar = calendar
        self._line = line
        self.ahead_h = ahead_h
        self._spans: dict[int, NDArray[np.float64]] = {}  # by hour; follows from the calendar alone

    def spans_from(self, hour: int) -> NDArray[np.float64]:
        """Planned hours by weekday up to each look-ahead instant."""
        if hour not in self._spans:
            if len(self._spans) > 48:
                self._spans.clear()
            hours = np.arange(hour, hour + math.ceil(self.ahead_h[-1]))
            by_weekday = np.zeros((len(hours) + 1, 7))
            for at, one in enumerate(hours.tolist()):
                by_weekday[at + 1] = by_weekday[at]
                by_weekday[at + 1, (self.day(one) + 3) % 7] += self.planned_h(one)
            places = np.minimum(np.round(self.ahead_h).astype(int), len(hours))
            self._spans[hour] = by_weekday[places]
        return self._spans[hour]

    def planned_h(self, hour: int) -> float:
        """Of an hour since 1970, how much of it production is planned."""
        return self._calendar.planned_s(self._line, hour * _HOUR_NS, (hour + 1) * _HOUR_NS) / 3600

    def day(self, hour: int) -> int:
        """The local day (number since 1970) in which an hour lies."""
        return self._calendar.local_day(hour * _HOUR_NS).toordinal() - _EPOCH

    def hours_per_d(self, hour: int) -> float:
        """Planned hours of a day of production, from the week ahead."""
        days = [self._calendar.planned_s(self._line, at, at + 24 * _HOUR_NS) for at in self._week(hour)]
        worked = [seconds / 3600 for seconds in days if seconds > 0]
        return sum(worked) / len(worked) if worked else 24.0

    def day_s(self, at_ns: int) -> float:
        """How many seconds of all time a usual day of production takes, weekends included."""
        week = self._week(at_ns // _HOUR_NS)
        planned_h = self._calendar.planned_s(self._line, week[0], week[-1] + 24 * _HOUR_NS) / 3600
        return 7 * 86_400 * self.hours_per_d(at_ns // _HOUR_NS) / planned_h if planned_h else 7 * 86_400.0

    @staticmethod
    def _week(hour: int) -> list[int]:
        day = hour // 24 * 24
        return [(day + 24 * at) * _HOUR_NS for at in range(7)]
