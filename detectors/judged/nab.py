"""The score of the Numenta Anomaly Benchmark: early alarms earn, late ones less, false ones cost, and so do misses.

Input: for each file the instants of its rows, its labelled windows and the rows at which a detector raised an alarm.
Output: one number a profile, 0 for a detector that says nothing and 100 for one that marks the first row of each window
and no other. Pure.

Source: Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly Benchmark (2015),
section III. Where the paper leaves a choice (the place of a row in its window, the steepness, the limit of the
probationary period at 5,000 rows) this one agrees with the scorer that its authors published.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_STEEPNESS = 5.0
_PROBATION_RATIO = 0.15
_PROBATION_ROWS = 5_000  # longer files are not probationary for longer
_FAR = 3.0  # widths past a window; from there on a false alarm costs all of its weight

Windows = Sequence[tuple[int, int]]


class Profile(NamedTuple):
    """What an application gains by a hit and loses by a false alarm and a miss."""

    hit: float
    false_alarm: float
    miss: float


STANDARD = Profile(1.0, 0.11, 1.0)
LOW_FP = Profile(1.0, 0.22, 1.0)
LOW_FN = Profile(1.0, 0.11, 2.0)


class Judge:
    """The gains and losses of one file's rows, ready for any set of alarms.

    `at` are the rows' instants as they came, `windows` the first and last instant of each window, both a row's own.
    Raises ValueError for a window that begins or ends where no row is.
    """

    def __init__(self, at: Sequence[int] | NDArray[np.int64], windows: Windows) -> None:
        rows = np.asarray(at, np.int64)
        self.rows = len(rows)
        self.windows = len(windows)
        self.probation = min(math.floor(_PROBATION_RATIO * self.rows), int(_PROBATION_RATIO * _PROBATION_ROWS))
        self._window = np.full(self.rows, -1)
        self._gain = np.full(self.rows, -1.0)
        for i, (first, last) in enumerate(sorted(windows)):
            self._place(i, _row_of(rows, first), _row_of(rows, last) + 1)
        self._scored = {int(i) for i in np.unique(self._window[self.probation :])} - {-1}

    def _place(self, window: int, begin: int, end: int) -> None:
        """Rows `begin` to `end` (past the last) are the window; those behind it cost more the farther they are."""
        width = end - begin
        best = _sigmoid(-1.0)
        self._window[begin:end] = window
        self._gain[begin:end] = [_sigmoid((i - width) / width) / best for i in range(width)]
        behind = range(1, self.rows - end + 1)
        self._gain[end:] = [_sigmoid(i / max(width - 1, 1)) for i in behind]

    def points(self, alarms: NDArray[np.bool_], profile: Profile) -> float:
        """What these alarms (bool[rows]) come to; the probationary rows do not count."""
        raised = np.flatnonzero(alarms[self.probation :]) + self.probation
        window, gain = self._window[raised], self._gain[raised]
        hits = {i: profile.hit * float(gain[window == i].max()) for i in {int(i) for i in window} - {-1}}
        missed = len(self._scored) - len(hits)
        return sum(hits.values()) + profile.false_alarm * float(gain[window < 0].sum()) - profile.miss * missed

    def silent(self, profile: Profile) -> float:
        """What a detector that never raises an alarm comes to."""
        return -profile.miss * len(self._scored)

    def counts(self, alarms: NDArray[np.bool_]) -> tuple[int, int]:
        """(windows hit, false alarms)."""
        window = self._window[self.probation :][alarms[self.probation :]]
        return len(set(window.tolist()) - {-1}), int((window < 0).sum())


def score(judged: Iterable[tuple[Judge, NDArray[np.bool_]]], profile: Profile) -> float:
    """The normalised score of all files together: 0 is silence, 100 perfect; NaN without a window."""
    said, silent, perfect = 0.0, 0.0, 0.0
    for judge, alarms in judged:
        said += judge.points(alarms, profile)
        silent += judge.silent(profile)
        perfect += profile.hit * judge.windows
    return 100.0 * (said - silent) / (perfect - silent) if perfect > silent else math.nan


def _row_of(rows: NDArray[np.int64], instant: int) -> int:
    """The first row of this instant: in a file whose clock was set back there can be two."""
    found = np.flatnonzero(rows == instant)
    if not len(found):
        raise ValueError(f"a window begins or ends at {instant}, where no row is; compare the labels with the data")
    return int(found[0])


def _sigmoid(place: float) -> float:
    """+1 well before a window's end (place -1 is its first row), 0 at its end, -1 far behind it."""
    return -1.0 if place >= _FAR else 2.0 / (1.0 + math.exp(_STEEPNESS * place)) - 1.0
