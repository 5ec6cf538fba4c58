"""What only rises, as a rate: of a table whose rows are judged as a whole, the counters are told by what they count.

Input: a `Table` and the kinds its columns were said to be. Output: a table in which a totaliser's column holds how much
it rose in a usual step, and which columns these are. A total grows for good: to whoever compares levels it leaves the
usual on the first day and never returns. Whether a column is one is told from the first rows alone. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from collector.readings import Kind
from detectors.offline.table import Floats, Table

FIRST_ROWS = 300  # tell of a column what it is, where no rows teach
_LEAST_READINGS = 50
_RISES_RATIO = 0.05  # of its steps, at least
_RESETS_RATIO = 0.02  # of its steps, at most, fall
_RESET_TO_RATIO = 0.1  # of where it stood: a total falls to nearly nothing, a level by a little
_EVEN_RATIO = 0.2  # of all it rose: at least so much in each half of the rows; what settles is no total


def with_rates(table: Table, given: Mapping[str, Kind], rows: int) -> tuple[Table, tuple[str, ...]]:
    """The table with the rates of what the first rows show to be totals, and of what was given as a counter."""
    found = [i for i, name in enumerate(table.names) if _is_total(table.value[:rows, i], given.get(name))]
    if not found:
        return table, ()
    value = table.value.copy()
    for i in found:
        value[:, i] = rate(table.at_ns, table.value[:, i], table.step_ns)
    return replace(table, value=value), tuple(table.names[i] for i in found)


def rate(at_ns: NDArray[np.int64], total: Floats, step_ns: int) -> Floats:
    """Float64[n]: how much a total rose in a usual step, since the reading before; NaN for the first and after a fall.

    Where readings are missing, what was counted is spread over the time since the last.
    """
    said = np.full(len(total), np.nan)
    known = np.flatnonzero(np.isfinite(total))
    steps = np.maximum(np.diff(at_ns[known]) / max(step_ns, 1), 1e-9)
    rises = np.diff(total[known])
    said[known[1:]] = np.where(rises >= 0.0, rises / steps, np.nan)
    return said


def _is_total(column: Floats, given: Kind | None) -> bool:
    """It rises again and again, evenly enough, and falls at resets alone."""
    if given is not None:
        return given is Kind.COUNTER
    known = column[np.isfinite(column)]
    if len(known) < _LEAST_READINGS:
        return False
    steps = np.diff(known)
    falls = steps < 0.0
    if (steps > 0.0).mean() < _RISES_RATIO or falls.mean() > _RESETS_RATIO:
        return False
    if (np.abs(known[1:][falls]) > _RESET_TO_RATIO * np.abs(known[:-1][falls])).any():
        return False
    rises = np.maximum(steps, 0.0)
    first = float(rises[: len(rises) // 2].sum() / rises.sum())
    return min(first, 1.0 - first) >= _EVEN_RATIO
