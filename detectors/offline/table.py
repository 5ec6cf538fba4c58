"""A table: rows in order of time, a column for each quantity; and its rows as the batches that methods read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.readings import Batch, Kind, Quality

Floats = NDArray[np.float64]

ROWS_AT_ONCE = 1_000
_FALLS_RATIO = 0.02  # of the steps of a counter, at most, are resets
_MOVES_RATIO = 0.01  # of its steps, at least, count something


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """`at_ns` int64[n] rises from row to row; `value` float64[n, m], NaN where a cell says nothing."""

    at_ns: NDArray[np.int64]
    names: tuple[str, ...]
    value: Floats

    def __post_init__(self) -> None:
        if self.value.shape != (len(self.at_ns), len(self.names)):
            raise ValueError(f"{self.value.shape} values for {len(self.at_ns)} rows and {len(self.names)} columns")
        if len(self.at_ns) > 1 and int(np.diff(self.at_ns).min()) <= 0:
            raise ValueError("the instants of a table rise from row to row")

    def __len__(self) -> int:
        return len(self.at_ns)

    @property
    def step_ns(self) -> int:
        """The usual time from one row to the next."""
        return int(np.median(np.diff(self.at_ns))) if len(self) > 1 else 0


class Batches:
    """The rows of a table as batches; made for a thousand rows at once, for a row alone costs as much."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._start = -1
        self._batch = _batch(table, 0, 0)
        self._ends = [0]

    def between(self, start: int, end: int) -> Batch:
        """The readings of some rows, none of them past the next full thousand."""
        first = start - start % ROWS_AT_ONCE
        if first != self._start:
            self._start = first
            self._batch = _batch(self._table, first, first + ROWS_AT_ONCE)
            said = np.isfinite(self._table.value[first : first + ROWS_AT_ONCE]).sum(axis=1)
            self._ends = [0, *np.cumsum(said).tolist()]
        return self._batch.take(slice(self._ends[start - first], self._ends[end - first]))


def _batch(table: Table, start: int, end: int) -> Batch:
    at_ns, cells = table.at_ns[start:end], table.value[start:end]
    value, width = cells.ravel(), len(table.names)
    series = np.tile(np.arange(width, dtype=np.int32), len(at_ns))
    at_ns = np.repeat(at_ns, width)
    quality = np.full(len(value), Quality.GOOD, np.uint8)
    return Batch(series, at_ns, value, quality, at_ns).take(np.isfinite(value))


def guesses(table: Table, given: Mapping[str, Kind]) -> Iterator[tuple[Kind, ...]]:
    """What the columns may be, the likeliest first: gauges, then what counts up, then what is used and refilled."""
    for kind, looks_so in ((Kind.GAUGE, None), (Kind.COUNTER, _counts), (Kind.STOCK, _holds)):
        own = [looks_so is None or len(table.names) == 1 or looks_so(column) for column in table.value.T]
        if any(own):
            guess = [kind if so else Kind.GAUGE for so in own]
            yield tuple(given.get(name, one) for name, one in zip(table.names, guess, strict=True))


def _counts(column: Floats) -> bool:
    """It rises, and falls only at resets."""
    steps = np.diff(column[np.isfinite(column)])
    return bool(len(steps) and (steps > 0).mean() > _MOVES_RATIO and (steps < 0).mean() <= _FALLS_RATIO)


def _holds(column: Floats) -> bool:
    """It is never negative, and falls more often than it rises."""
    known = column[np.isfinite(column)]
    steps = np.diff(known)
    return bool(len(steps) and known.min() >= 0 and (steps < 0).sum() > (steps > 0).sum())
