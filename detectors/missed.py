"""What is known to be missing of one series or subject: stretches of time, as the ledger's gaps name them.

Kept in a method's memory. Used by methods that integrate over time, so that a hole in the readings is no drop, no stop
and nothing to learn from. Pure.
"""

from __future__ import annotations

import msgspec

from collector.readings import Series
from collector.spool.ledger import Gap

_MOST = 16  # spans kept; past that the two that lie closest are taken for one
USUAL_GAIN = 0.1
LONGEST = 4.0  # usual spacings: what a longer one counts as when the usual is learned
_UNUSUAL = 2.0  # usual spacings: two readings closer than this have nothing missing between them
_PART = 0.25  # of the time between two readings that must be missing to make a hole of it

Span = tuple[int, int]


def concerns(gap: Gap, series: Series) -> bool:
    """Whether readings of this series of the gap's line may be missing."""
    return not gap.cell or gap.cell == series.equipment.cell


class Missed(msgspec.Struct):
    """`spans` are (from_ns, to_ns), apart and in order; `usual_ns` is the usual time between two readings."""

    spans: list[Span] = []
    usual_ns: float = 0.0

    def add(self, from_ns: int, to_ns: int) -> None:
        """Takes note of a stretch; one that is already known, or has no length, changes nothing."""
        if to_ns <= from_ns:
            return
        apart = [span for span in self.spans if span[1] < from_ns or to_ns < span[0]]
        touching = [span for span in self.spans if span not in apart]
        joined = (min([from_ns, *(span[0] for span in touching)]), max([to_ns, *(span[1] for span in touching)]))
        self.spans = sorted([*apart, joined])
        if len(self.spans) > _MOST:
            pauses = [after[0] - before[1] for before, after in zip(self.spans, self.spans[1:], strict=False)]
            at = pauses.index(min(pauses))
            self.spans[at : at + 2] = [(self.spans[at][0], self.spans[at + 1][1])]

    def within_ns(self, from_ns: int, to_ns: int) -> int:
        """How much of the time between two instants is missing."""
        if not self.spans:
            return 0
        return sum(max(0, min(end, to_ns) - max(start, from_ns)) for start, end in self.spans)

    def heard(self, last_ns: int, at_ns: int) -> bool:
        """Takes note of a reading that follows the one at `last_ns`; whether there was a hole between the two.

        Where there was none the series was heard as usual whatever else was missing, and the stretch is struck out.
        """
        between_ns, usual_ns = at_ns - last_ns, self.usual_ns
        is_unusual = between_ns > _UNUSUAL * usual_ns
        if self.spans and is_unusual and self.within_ns(last_ns, at_ns) > _PART * between_ns:
            return True
        counted_ns = min(between_ns, LONGEST * usual_ns) if usual_ns else between_ns
        self.usual_ns = usual_ns + USUAL_GAIN * (counted_ns - usual_ns) if usual_ns else float(counted_ns)
        if self.spans:
            before = [(start, min(end, last_ns)) for start, end in self.spans if start < last_ns]
            after = [(max(start, at_ns), end) for start, end in self.spans if end > at_ns]
            self.spans = [*before, *after]
        return False

    def forget(self, until_ns: int) -> None:
        """Drops what lies before an instant."""
        if self.spans:
            self.spans = [(max(start, until_ns), end) for start, end in self.spans if end > until_ns]
