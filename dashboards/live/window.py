"""What the board remembers of a line or a stock: the last hours, thinned to a fixed number of cells.

Pure and bounded: memory does not grow with the log, however many readings arrive.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S

CELLS = 480
SILENT_AFTER_NS = 120 * NS_PER_S  # a line without any reading for longer has no data
_MOST_GAPS = 256


class Span(NamedTuple):
    from_ns: int
    to_ns: int


class Track:
    """Rows of floats over time, at most one a cell (the last wins); what is older than the newest cell is dropped."""

    def __init__(self, window_s: float) -> None:
        self._cell_ns = max(1, int(window_s * NS_PER_S / CELLS))
        self._rows: deque[tuple[int, tuple[float, ...]]] = deque(maxlen=CELLS)

    def add(self, at_ns: int, row: tuple[float, ...]) -> None:
        newest = self._rows[-1][0] if self._rows else -1
        if at_ns < newest:
            return
        if self._rows and at_ns // self._cell_ns == newest // self._cell_ns:
            self._rows.pop()
        self._rows.append((at_ns, row))

    def since(self, from_ns: int) -> list[tuple[int, tuple[float, ...]]]:
        """(at_ns, row) from `from_ns` on, in order of time."""
        return [item for item in self._rows if item[0] >= from_ns]


class Presence:
    """When a line was heard: the latest reading, and the gaps longer than SILENT_AFTER_NS before it."""

    def __init__(self) -> None:
        self.first_ns = 0
        self.last_ns = 0
        self._gaps: deque[Span] = deque(maxlen=_MOST_GAPS)

    def heard(self, at_ns: NDArray[np.int64]) -> None:
        """Takes in the times of readings, in any order; late ones do not close a gap that was shown."""
        times = np.sort(at_ns[at_ns > self.last_ns])
        if not len(times):
            return
        if not self.first_ns:
            self.first_ns = self.last_ns = int(times[0])
        times = np.concatenate(([self.last_ns], times))
        for i in np.flatnonzero(np.diff(times) > SILENT_AFTER_NS):
            self._gaps.append(Span(int(times[i]), int(times[i + 1])))
        self.last_ns = int(times[-1])

    def gaps(self, now_ns: int) -> list[Span]:
        """Past gaps, and the present one when the line is silent at `now_ns`."""
        open_gap = [Span(self.last_ns, now_ns)] if now_ns - self.last_ns > SILENT_AFTER_NS else []
        return [*self._gaps, *open_gap]
