"""Running totals of senders that publish increments: the memory that makes counters of them.

An increment that comes twice must count once, and one that comes late must count. A topic and a time are one increment,
as in the sender's own database: the latest times of each topic are remembered, and what is older than all of them is
refused, for nobody could tell whether it was there before. Part of what a format's `snapshot` keeps, so a total goes on
after a restart; where one is forgotten it begins again, which readers of counters take as a reset.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import msgspec

from collector.formats.format import BadPayload
from collector.readings import NS_PER_S, Reading

LAST_TIMES = 64  # of each topic; they go into the spool with every append
MOST_TOPICS = 2_000
AHEAD_NS = 300 * NS_PER_S  # a time further ahead of its receipt moves no total's time


class Total(msgspec.Struct):
    """What was counted so far, and when it last changed."""

    value: float = 0.0
    at_ns: int = 0


class RunningTotals(msgspec.Struct):
    """The totals by their series' names, and the latest times of each topic in ascending order; oldest use first."""

    totals: dict[str, Total] = {}
    times: dict[str, list[int]] = {}

    def is_new(self, topic: str, at_ns: int) -> bool:
        """Whether an increment was not there before; remembers it. Raises BadPayload where nobody can tell."""
        times = self.times.pop(topic, [])
        self.times[topic] = times
        if len(self.times) > MOST_TOPICS:
            del self.times[next(iter(self.times))]
        found = bisect_left(times, at_ns)
        if times[found : found + 1] == [at_ns]:
            return False
        if found == 0 and len(times) >= LAST_TIMES:
            raise BadPayload(
                f"topic {topic}: a count older than the last {LAST_TIMES}, which may have been one of those before: "
                "it stays out of the total; send counts in the order of their times"
            )
        insort(times, at_ns)
        del times[:-LAST_TIMES]
        return True

    def add(self, counted: Reading, received_ns: int) -> Reading:
        """The total that an increment makes, at its time or, where it is late, at the latest one.

        One from the future counts, but keeps its time to itself: else every total after it would have that time.
        """
        total = self.totals.pop(counted.series.name, Total())
        self.totals[counted.series.name] = total
        if len(self.totals) > 2 * MOST_TOPICS:
            del self.totals[next(iter(self.totals))]
        total.value += counted.value
        if received_ns > 0 and counted.at_ns > received_ns + AHEAD_NS:
            return counted._replace(value=total.value)
        total.at_ns = max(total.at_ns, counted.at_ns)
        return counted._replace(value=total.value, at_ns=total.at_ns)
