"""Reference: how far each sensor's smoothed level ever was while somebody vouched for the rows, kept for good.

Charts that learn as they judge take a fault that comes gradually for the new usual. What was taught stays beside them:
from the last taught row on, a level that is further out than all that was taught, by a margin, is odd, however slowly
it came. A sensor whose taught rows are few independent stretches wanders: its margin is as much wider as Student's t
is at four deviations (Peiser, 1943).

Input: rows of a cell. Output: each level's distance from the middle of what was taught, as a share of its limit. Plain
sums over arrays whose size is the number of sensors: nothing depends on how many rows come at once.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BEGINS = 32  # readings of a sensor before its level counts
_MARGIN = 1.3  # times half of what was taught, on each side
_MOST_SPREADS = 5.0  # of its readings: a wild one moves a level no further
_MOST_LIMITS = 2.0  # what is further out than so many limits is no further off: an alarm ends soon after its cause
_BLOCK = 16  # rows, over whose mean levels stretches are told to depend on each other
_MOST_ALIKE = 0.95
_FIELDS = 10
_COUNT, _LEVEL, _LOW, _HIGH, _SUM, _LAST, _BLOCKS, _MEAN, _SQUARES, _STEPS = range(_FIELDS)


class Reference(msgspec.Struct):
    """Of k sensors float64[_FIELDS, k] as bytes; empty where nobody vouched for any rows. `rows` that were taught."""

    columns: bytearray = msgspec.field(default_factory=bytearray)
    rows: int = 0


class Remembering:
    """`smooth`: of how many rows a level is the mean."""

    def __init__(self, smooth: int) -> None:
        self._gain = 2.0 / (smooth + 1.0)

    def judged(self, state: Reference, rows: Floats, taught: int, spread: Floats) -> Floats:
        """Rows float64[n, k] in order of time, of which the first `taught` only teach; `spread` of each sensor's
        readings, as far as it is known. Float64[n, k]: 1.0 at a sensor's limit, 0 where nothing was taught of it.
        """
        far = np.zeros_like(rows)
        if taught:
            self._learn(state, rows[:taught], spread)
        if state.columns and taught < len(rows):
            far[taught:] = self._far(state, rows[taught:])
        return far

    def _learn(self, state: Reference, rows: Floats, spread: Floats) -> None:
        columns = _columns(state, rows.shape[1])
        for level in self._followed(columns, rows, _MOST_SPREADS * spread):
            columns[_LOW] = np.fmin(columns[_LOW], level)
            columns[_HIGH] = np.fmax(columns[_HIGH], level)
            columns[_SUM] += level
            state.rows += 1
            if state.rows % _BLOCK == 0:
                _close(columns)

    def _far(self, state: Reference, rows: Floats) -> Floats:
        """A sensor that never moved, or was hardly known, is never far."""
        columns = _columns(state, rows.shape[1])
        is_known = columns[_HIGH] > columns[_LOW]
        low, high = np.where(is_known, columns[_LOW], -1.0), np.where(is_known, columns[_HIGH], 1.0)
        middle, limit = 0.5 * (low + high), 0.5 * _MARGIN * _widened(columns) * (high - low)
        most = _MOST_LIMITS * np.where(is_known, limit, np.inf)
        seen = np.minimum(np.maximum(rows, middle - most), middle + most)
        said: Floats = np.abs(self._followed(columns, seen, most) - middle) / limit
        said[:, ~is_known] = 0.0
        return said

    def accept(self, state: Reference, sensors: int) -> None:
        """What an alarm has told for long enough belongs to what was taught, if anything was."""
        if not state.columns:
            return
        columns = _columns(state, sensors)
        is_known = columns[_HIGH] > columns[_LOW]
        columns[_LOW, is_known] = np.minimum(columns[_LOW], columns[_LEVEL])[is_known]
        columns[_HIGH, is_known] = np.maximum(columns[_HIGH], columns[_LEVEL])[is_known]

    def _followed(self, columns: Floats, rows: Floats, most: Floats) -> Floats:
        """The level after each row, float64[n, k], NaN until it is known. What is NaN moves none, and nothing moves one
        by more than a share of `most`."""
        levels, level, count = np.empty_like(rows), columns[_LEVEL], columns[_COUNT]
        known = np.isfinite(rows)
        for i, row in enumerate(rows):
            is_first = known[i] & (count == 0.0)
            if is_first.any():
                level[is_first] = row[is_first]
            off = np.where(known[i], row - level, 0.0)
            bounded = np.where(count > _BEGINS, np.minimum(np.maximum(off, -most), most), off)
            level += self._gain * bounded
            count += known[i]
            levels[i] = np.where(count > _BEGINS, level, np.nan)
        return levels


def _close(columns: Floats) -> None:
    """Takes in the mean level of a block: the mean and variance of all (Welford, 1962), and how far it is from the one
    before; a sensor that was not known all through begins with the next."""
    mean = columns[_SUM] / _BLOCK
    columns[_SUM] = 0.0
    known = np.isfinite(mean)
    mean = np.where(known, mean, 0.0)
    off = mean - columns[_MEAN]
    columns[_STEPS] += np.where(known & (columns[_BLOCKS] > 0.0), (mean - columns[_LAST]) ** 2, 0.0)
    columns[_BLOCKS] += known
    columns[_MEAN] += np.where(known, off / np.maximum(columns[_BLOCKS], 1.0), 0.0)
    columns[_SQUARES] += np.where(known, off * (mean - columns[_MEAN]), 0.0)
    columns[_LAST] = np.where(known, mean, columns[_LAST])


def _widened(columns: Floats) -> Floats:
    """How much wider a limit is for what so few independent blocks do not tell: n (1 - r) / (1 + r) of n blocks are, r
    by the ratio of their mean square successive difference to their variance (von Neumann, 1941)."""
    blocks, squares = np.maximum(columns[_BLOCKS], 1.0), columns[_SQUARES]
    ratio = np.where(squares > 0.0, 0.5 * columns[_STEPS] / np.where(squares > 0.0, squares, 1.0), 0.0)
    r = np.minimum(np.maximum(1.0 - ratio, 0.0) + 4.0 / np.maximum(blocks, 4.0), _MOST_ALIKE)
    independent = np.maximum(blocks * (1.0 - r) / (1.0 + r), 1.0)
    widened: Floats = (1.0 + 4.25 / independent) * np.sqrt(1.0 + 1.0 / independent)
    return widened


def _columns(state: Reference, sensors: int) -> Floats:
    is_new = len(state.columns) != 8 * _FIELDS * sensors
    if is_new:
        state.columns, state.rows = bytearray(8 * _FIELDS * sensors), 0
    columns = np.frombuffer(state.columns).reshape(_FIELDS, sensors)
    if is_new:
        columns[_LOW], columns[_HIGH] = np.inf, -np.inf
    return columns
