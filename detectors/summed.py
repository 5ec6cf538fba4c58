"""Several counters of one line taken for one: parallel machines, whose sum is what the line makes.

Input: the counters' readings in order. Output: the same as readings of the first counter met, with the line's total as
their value. A counter that restarts or wraps loses nothing. While one of those that report periodically is silent the
total is unknown and no reading is given; what it counted meanwhile comes with its first reading afterwards. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from collector.readings import Batch, BatchBuilder, Quality, Series
from detectors.counts import units_since
from detectors.made import Counter

_MOST = 64  # counters; those met first


class Summed(msgspec.Struct):
    counters: dict[int, Counter] = {}
    total: float = 0.0

    @property
    def lead(self) -> int:
        """The series that stands for all, -1 before any was met."""
        return next(iter(self.counters), -1)

    def add(self, batch: Batch, series: Mapping[int, Series], unknown_ns: int) -> Batch:
        """The total after each reading; `unknown_ns`: a counter this long without one is silent."""
        builder = BatchBuilder()
        columns = (batch.series.tolist(), batch.at_ns.tolist(), batch.value.tolist())
        for one, at_ns, value in zip(*columns, strict=True):
            if self._take(one, at_ns, value) and not self.silent(series, at_ns, unknown_ns):
                builder.add(self.lead, at_ns, self.total, Quality.GOOD, at_ns)
        return builder.build()

    def silent(self, series: Mapping[int, Series], at_ns: int, unknown_ns: int) -> list[str]:
        """The counters of which it is not known what they count now."""
        counters = ((series[one], counter) for one, counter in self.counters.items())
        return [of.name for of, one in counters if not of.on_event and at_ns - one.last_ns > unknown_ns]

    def _take(self, one: int, at_ns: int, value: float) -> bool:
        counter = self.counters.get(one)
        if counter is None:
            if len(self.counters) < _MOST:
                self.counters[one] = Counter(at_ns, value)
            return one in self.counters
        if at_ns <= counter.last_ns:
            return False
        self.total += units_since(counter.value, value, 0.0, math.inf)
        counter.last_ns, counter.value = at_ns, value
        return True
