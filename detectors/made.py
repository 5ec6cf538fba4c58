"""What lines have made and scrapped so far, from their counters, several to a line.

Input: readings of COUNTER series, of the own line or heard of others. Output: running totals by line. Pure; one small
entry per counter. A counter that restarts or wraps loses nothing (`detectors.counts`).
"""

from __future__ import annotations

import fnmatch
import math

import msgspec

from collector.readings import Kind, Series
from detectors.counts import units_since

_MOST = 256  # counters; those met first


class Counter(msgspec.Struct, array_like=True):
    last_ns: int
    value: float


class Made(msgspec.Struct):
    """Totals since the beginning, by line (`site/line`); `counters` by series id."""

    counters: dict[int, Counter] = {}
    units: dict[str, float] = {}
    scrapped: dict[str, float] = {}

    def count(self, series_id: int, series: Series, at_ns: int, value: float, *, is_scrap: bool) -> None:
        """Takes in one reading; one that is not newer is passed over."""
        counter = self.counters.get(series_id)
        if counter is None:
            if len(self.counters) < _MOST:
                self.counters[series_id] = Counter(at_ns, value)
            return
        if at_ns <= counter.last_ns:
            return
        line, total = line_of(series), self.scrapped if is_scrap else self.units
        total[line] = total.get(line, 0.0) + units_since(counter.value, value, 0.0, math.inf)
        counter.last_ns, counter.value = at_ns, value


def line_of(series: Series) -> str:
    """The line of a series as the chain names it, `site/line`."""
    return f"{series.equipment.site}/{series.equipment.line}"


def counts(series: Series, metric: str) -> bool:
    """Whether a series is a counter that a glob of metrics means."""
    return series.kind is Kind.COUNTER and bool(metric) and fnmatch.fnmatchcase(series.metric, metric)
