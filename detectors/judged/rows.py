"""How well alarms and scores agree, row by row, with the rows in which something was wrong.

Input: bool[n] what was wrong, bool[n] where an alarm stood, float64[n] the scores, NaN where nothing was said. Pure.
Source: Katser and Kozitsin, Skoltech Anomaly Benchmark (2020) for false and missing alarm rates; Fawcett, An
Introduction to ROC Analysis (2006) for the area, in which ties count half.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


class Agreement(NamedTuple):
    """`far`: sound rows with an alarm, `mar`: wrong rows without one, both as a share; `area` under the ROC curve.

    `found`: the share of incidents (stretches of wrong rows) with an alarm; `delay`: rows until it, in the median of
    those found. NaN where there is nothing to judge by.
    """

    f1: float
    far: float
    mar: float
    area: float
    found: float
    delay: float


def agreement(wrong: Flags, alarm: Flags, score: NDArray[np.float64]) -> Agreement:
    hits, false, missed = (int(one.sum()) for one in (wrong & alarm, ~wrong & alarm, wrong & ~alarm))
    f1 = 2.0 * hits / (2.0 * hits + false + missed) if hits + false + missed else math.nan
    far = false / int((~wrong).sum()) if not wrong.all() else math.nan
    mar = missed / int(wrong.sum()) if wrong.any() else math.nan
    delays = [_delay(alarm[begin:end]) for begin, end in stretches(wrong)]
    found = [delay for delay in delays if delay >= 0]
    share = len(found) / len(delays) if delays else math.nan
    return Agreement(f1, far, mar, area(wrong, score), share, float(np.median(found)) if found else math.nan)


def area(wrong: Flags, score: NDArray[np.float64]) -> float:
    """The chance that a wrong row scores above a sound one; what has no score ranks below all that have."""
    if wrong.all() or not wrong.any():
        return math.nan
    ranked = np.nan_to_num(score, nan=-np.inf)
    _, place, count = np.unique(ranked, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2.0)[place]
    wrongs, sounds = int(wrong.sum()), int((~wrong).sum())
    return (float(rank[wrong].sum()) - wrongs * (wrongs + 1) / 2.0) / (wrongs * sounds)


def stretches(flags: Flags) -> list[tuple[int, int]]:
    """(first row, past the last) of each unbroken run of True."""
    edges = np.diff(flags.astype(np.int8), prepend=0, append=0)
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def _delay(alarm: Flags) -> int:
    return int(alarm.argmax()) if alarm.any() else -1
