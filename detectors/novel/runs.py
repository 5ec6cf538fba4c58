"""PerSeriesRuns: a Detector that judges the readings of one series in a batch together, in their order.

Input: batches. The readings of each series become a run; the statistic takes a run at once, which spares it most of
what a call costs, and must come to the same in whatever pieces the run is given. Output: Scores in the batch's order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch, Kind, Quality, Series
from collector.spool.ledger import Gap
from detectors.detector import Context, Evidence, Memory, Scores, as_scores
from detectors.missed import concerns

M = TypeVar("M", bound=Memory)
Floats = NDArray[np.float64]
Instants = NDArray[np.int64]


class RunStatistic(Protocol[M]):
    """One series' judge. What it learns is in the memory, a mutable msgspec struct of bounded size."""

    def start(self, series: Series) -> M: ...

    def update(self, memory: M, at_ns: Instants, value: Floats) -> Floats:
        """Scores readings that follow each other, each before it is learned: float64[5, n], the numbers of a Point."""
        ...

    def miss(self, memory: M, from_ns: int, to_ns: int) -> None:
        """Readings between two instants may be missing; none of them is before the last reading."""
        ...

    def explain(self, series: Series, memory: M, at_ns: int) -> Evidence: ...


class PerSeriesRuns(Generic[M]):
    """`memory` is the struct type the statistic keeps; series of other kinds are passed over."""

    def __init__(self, statistic: RunStatistic[M], memory: type[M], context: Context, kinds: frozenset[Kind]) -> None:
        self._statistic = statistic
        self._context = context
        self._kinds = kinds
        self._memories: dict[int, M] = {}
        self._decoder = msgspec.msgpack.Decoder(dict[int, memory])  # type: ignore[valid-type]

    def score(self, batch: Batch) -> Scores:
        usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value)
        series, at_ns, value = batch.series[usable], batch.at_ns[usable], batch.value[usable]
        said, is_newer = np.empty((5, len(series))), np.zeros(len(series), np.bool_)
        for rows in _runs(series):
            memory = self._memory(int(series[rows[0]]))
            if memory is None:
                continue
            new = rows[_rises(at_ns[rows], memory.last_ns)]
            if len(new):
                said[:, new] = self._statistic.update(memory, at_ns[new], value[new])
                memory.last_ns = int(at_ns[new[-1]])
                is_newer[new] = True
        return Scores(series[is_newer], at_ns[is_newer], *said[:, is_newer]) if is_newer.any() else as_scores([])

    def tick(self, at_ns: int) -> Scores:
        """Nothing: only readings are judged."""
        return as_scores([])

    def miss(self, gap: Gap) -> None:
        for series_id, memory in self._memories.items():
            if gap.to_ns > memory.last_ns and concerns(gap, self._context.series[series_id]):
                self._statistic.miss(memory, max(gap.from_ns, memory.last_ns), gap.to_ns)

    def subject(self, series: Series) -> str:
        return series.name

    def explain(self, series: int, at_ns: int) -> Evidence:
        memory = self._memories[series]
        return self._statistic.explain(self._context.series[series], memory, max(at_ns, memory.last_ns))

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(dict(sorted(self._memories.items())))

    def restore(self, state: bytes) -> None:
        self._memories = self._decoder.decode(state)

    def _memory(self, series_id: int) -> M | None:
        """What is kept of a series, begun where it is new; None for other kinds."""
        memory = self._memories.get(series_id)
        if memory is None:
            series = self._context.series[series_id]
            if series.kind in self._kinds:
                memory = self._memories[series_id] = self._statistic.start(series)
        return memory


def _runs(series: NDArray[np.int32]) -> Iterator[NDArray[np.intp]]:
    """The rows of each series."""
    if not len(series):
        return
    order = np.argsort(series, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(series[order])) + 1)


def _rises(at_ns: Instants, last_ns: int) -> NDArray[np.bool_]:
    """Readings newer than all before them."""
    before = np.maximum.accumulate(np.concatenate(([last_ns], at_ns)))[:-1]
    return at_ns > before
