"""What a method said of a table, gathered row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collector.readings import Kind
from detectors.detector import Scores
from detectors.offline.table import Floats, Table

_BANDS = ("score", "expected_low", "expected", "expected_high")


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What a method said of a table of n rows and m columns; NaN where it said nothing.

    `score` float64[n] is the row's: the largest of all that was said of it, which is the cell's own where the method
    judges a cell as a whole (`is_of_cell`). `worst` int[n]: the column it was said of or that shows it best, else -1.
    `series`: float64 columns [n, m] by the names of Scores, empty where only rows were asked for. `kinds`: what the
    columns were read as. `taught_rows`: how many rows at the beginning only taught; `lesson`: what was wrong with that.
    `rates`: the names of the columns that were judged by how much they rise.
    """

    score: Floats
    worst: NDArray[np.int32]
    series: Mapping[str, Floats]
    kinds: tuple[Kind, ...]
    is_of_cell: bool
    taught_rows: int
    lesson: str
    rates: tuple[str, ...] = ()


class Said:
    """Gathers what is said, row by row: of several words about one cell of the table, the most alarmed stays."""

    def __init__(self, table: Table, kinds: tuple[Kind, ...], *, with_series: bool, has_slots: bool) -> None:
        self._at_ns = table.at_ns
        self._kinds = kinds
        self._has_slots = has_slots
        self._row_score = np.full(len(table), np.nan)
        self._worst = np.full(len(table), -1, np.int32)
        shape = (len(table), len(table.names) if with_series else 0)
        self._series = {name: np.full(shape, np.nan) for name in _BANDS} if with_series else {}
        self._waiting: list[Scores] = []
        self.anything = False

    def hear(self, scores: Scores) -> None:
        if len(scores):
            self._waiting.append(scores)

    def row_of(self, at_ns: int) -> int:
        """The row at which a verdict of this instant stands."""
        return int(np.searchsorted(self._at_ns, at_ns))

    def settle(self) -> None:
        """Puts what was heard into its rows."""
        if not self._waiting:
            return
        self.anything = True
        scores = Scores(*(np.concatenate([getattr(one, name) for one in self._waiting]) for name in Scores.__slots__))
        self._waiting = []
        row = np.searchsorted(self._at_ns, scores.at_ns)
        known = np.flatnonzero((row < len(self._at_ns)) & ~np.isnan(scores.score))
        order = known[np.argsort(scores.score[known], kind="stable")]  # the most alarmed is written last
        self._keep_rows(row[order], scores.series[order], scores.score[order])
        if self._series:
            self._keep_series(row, scores, order)

    def _keep_rows(self, row: NDArray[np.intp], series: NDArray[np.int32], score: Floats) -> None:
        more = ~(score <= self._row_score[row])
        self._row_score[row[more]] = score[more]
        self._worst[row[more]] = series[more]

    def _keep_series(self, row: NDArray[np.intp], scores: Scores, order: NDArray[np.intp]) -> None:
        more = ~(scores.score[order] <= self._series["score"][row[order], scores.series[order]])
        where = order[more]
        for name in _BANDS:
            self._series[name][row[where], scores.series[where]] = getattr(scores, name)[where]

    def verdicts(self, is_of_cell: bool, taught_rows: int, lesson: str) -> Verdicts:
        if self._has_slots:
            held = _last_known(self._row_score)
            self._row_score, self._worst = self._row_score[held], self._worst[held]
        elif is_of_cell:
            self._worst[:] = -1
        return Verdicts(self._row_score, self._worst, self._series, self._kinds, is_of_cell, taught_rows, lesson)


def _last_known(score: Floats) -> NDArray[np.intp]:
    """For each row the last one at or before it that has a score; the first row where there is none."""
    return np.maximum.accumulate(np.where(np.isnan(score), 0, np.arange(len(score))))
