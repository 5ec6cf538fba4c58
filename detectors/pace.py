"""The pace of a line by the hour of the day: its first hour, its lunch hour, the end of a shift.

Input: the line's rate in one hour over what is usual for its product and shift. Output: `Pace.ratio`, by which the
usual is to be multiplied. Pure; the last days of each hour are kept, a bounded number.

Source: the median and its error from the MAD (Iglewicz and Hoaglin, 1993): an hour has a pace of its own when that
differs from 1 by more than chance in the days kept. Until then, and for an hour never seen, the ratio is 1. It fails
for a rhythm that is not a day's, as one of tides or of alternating weeks.
"""

from __future__ import annotations

import math

import msgspec

from detectors.quantile import median

_DAYS, _TO_LEARN = 6, 4  # kept of each hour
_LEAST = 0.05  # a pace that differs by less is none
_DEVIATIONS = 3.0
_MEDIAN_ERROR = 1.4826 * 1.2533  # of a normal mean, from the MAD
_SLOWEST, _FASTEST = 0.2, 3.0


class Pace(msgspec.Struct):
    """`days`: by hour of the local day, the latest ratios; `ratios`: what they come to. The open hour is summed up."""

    days: dict[int, list[float]] = {}
    ratios: dict[int, float] = {}
    hour: int = -1  # since 1970
    local: int = 0
    sum: float = 0.0
    count: int = 0

    def ratio(self, local_hour: int) -> float:
        return self.ratios.get(local_hour, 1.0)

    def learn(self, hour: int, local_hour: int, ratio: float, least: int) -> None:
        """Takes in the rate of one window within an hour; hours with fewer than `least` windows teach nothing."""
        if hour != self.hour:
            if self.count >= least:
                self._close()
            self.hour, self.local, self.sum, self.count = hour, local_hour, 0.0, 0
        self.sum += ratio
        self.count += 1

    def _close(self) -> None:
        days = self.days[self.local] = [*self.days.get(self.local, [])[1 - _DAYS :], self.sum / self.count]
        if len(days) < _TO_LEARN:
            return
        middle = median(days)
        error = _MEDIAN_ERROR * median(abs(one - middle) for one in days) / math.sqrt(len(days))
        if abs(middle - 1.0) > max(_LEAST, _DEVIATIONS * error):
            self.ratios[self.local] = min(max(middle, _SLOWEST), _FASTEST)
        else:
            self.ratios.pop(self.local, None)
