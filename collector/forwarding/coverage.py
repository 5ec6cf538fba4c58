"""Which entries of somebody's log have been seen: intervals of offsets, so that repeats are known and gaps are found.

Used by whoever receives a log over a way that repeats after a crash: the site end of `mqtt_forward`, the archive.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

Span = tuple[int, int]
MOST_SPANS = 1_000  # holes that are kept open; beyond it the oldest is closed and counts as missing


class Coverage:
    """Offsets seen, as spans (after, through]: `after` itself is not in it. Spans are apart and rise."""

    def __init__(self, spans: Iterable[Sequence[int]] = ()) -> None:
        self._spans: list[Span] = []
        for after, through in spans:
            self.add(after, through)

    @property
    def spans(self) -> list[Span]:
        return list(self._spans)

    @property
    def top(self) -> int:
        """The highest offset seen, 0 at first."""
        return self._spans[-1][1] if self._spans else 0

    def has(self, offset: int) -> bool:
        at = bisect_left(self._spans, offset, key=_through)
        return at < len(self._spans) and self._spans[at][0] < offset

    def add(self, after: int, through: int) -> None:
        """Everything past `after` up to and with `through` has been seen."""
        if through <= after:
            return
        first = bisect_left(self._spans, after, key=_through)
        last = first
        while last < len(self._spans) and self._spans[last][0] <= through:
            after, through = min(after, self._spans[last][0]), max(through, self._spans[last][1])
            last += 1
        self._spans[first:last] = [(after, through)]

    def take_out(self, after: int, through: int) -> list[Span]:
        """Nothing past `after` up to and with `through` is in it any more; returns what was, in order."""
        kept, out = list[Span](), list[Span]()
        for begin, end in self._spans:
            low, high = max(begin, after), min(end, through)
            if low >= high:
                kept.append((begin, end))
                continue
            out.append((low, high))
            kept += [span for span in ((begin, low), (high, end)) if span[0] < span[1]]
        self._spans = kept
        return out

    def settle(self, offset: int) -> list[Span]:
        """Closes the holes at or before `offset`, of which nothing will come any more; returns what was missing."""
        ends = [0, *map(_through, self._spans)]
        begins = [*(after for after, _ in self._spans), offset]
        holes = [(end, min(begin, offset)) for end, begin in zip(ends, begins, strict=True)]
        missing = [(end, begin) for end, begin in holes if end < begin]
        if len(self._spans) > MOST_SPANS and not missing:
            missing = [(self._spans[0][1], self._spans[1][0])]
        for after, through in missing:
            self.add(after, through)
        return missing


def _through(span: Span) -> int:
    return span[1]
