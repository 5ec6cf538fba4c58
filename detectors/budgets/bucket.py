"""The bucket of an alarm budget: what was raised beyond the pace, and how much more it makes the next alarm need.

Each alarm adds one, time takes away `per_d` a day. Up to `free` alarms ahead of the pace cost nothing; beyond, every
`doubling` more of them double what a score has to reach. So bursts pass, and in the long run no more than `per_d` a day
are raised as long as higher scores are rarer. Pure; time is an argument.

Source: the leaky bucket as integral control of an alarm rate; EEMUA 191 (2013) for the rates an operator can bear.
"""

from __future__ import annotations

import math

import msgspec

from collector.readings import NS_PER_S

MOST_NEEDED = 8.0  # times the threshold: what is that odd is told whatever was raised before
_D_PER_NS = 1.0 / (86_400 * NS_PER_S)


class Pace(msgspec.Struct, frozen=True):
    """`per_d` alarms a day, `free` of them at any time; `doubling` more double what is needed."""

    per_d: float
    free: float
    doubling: float


class Bucket(msgspec.Struct):
    """`level`: alarms ahead of the pace at the instant `at_ns`."""

    level: float = 0.0
    at_ns: int = 0

    def wear(self, pace: Pace, at_ns: int) -> None:
        """Lets time pass; what is said late finds the bucket as it is by now."""
        if at_ns > self.at_ns:
            self.level = max(self.level - (at_ns - self.at_ns) * _D_PER_NS * pace.per_d, 0.0)
            self.at_ns = at_ns

    def add(self, pace: Pace, at_ns: int) -> None:
        """Counts one alarm."""
        self.wear(pace, at_ns)
        self.level += 1.0

    def needed(self, pace: Pace) -> float:
        """The score an alarm needs, 1.0 while there is room."""
        ahead = max(self.level - pace.free, 0.0)
        return min(math.exp2(min(ahead / pace.doubling, 60.0)), MOST_NEEDED)

    def turn_back(self, at_ns: int) -> None:
        self.at_ns = min(self.at_ns, at_ns)


def plant_pace(per_d: float) -> Pace:
    """Of all lines together: a tenth of the day's budget may come at once, as in a flood of ten in ten minutes.

    The rest is the pace, so that even the first day of a site that calls all the time keeps to its budget.
    """
    return Pace(0.9 * per_d, per_d / 10, per_d / 10)


def series_pace(per_d: float) -> Pace:
    """Of one alert key: a day's worth may come at once, so that one bad hour silences nothing."""
    return Pace(per_d, max(per_d, 1.0), max(per_d, 1.0))
