"""PerCell: a Detector from a judge of whole cells, who sees what all sensors of a cell show at the same time.

Event time is cut into slots of `every_s`. When a reading of a later slot comes, every cell that was heard in the slot
gets one row, which stands at the slot's end: the last value of each series, NaN where that is older than `stale_s` or
from before a gap. So a row depends only on readings that came before it, and not on how they were cut into batches.

Of a table, whose rows come whole, a slot is over with the row after which no other is expected in it, and is told at
that row: the last row of a table is judged like any other. All its columns are known from the first row on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.readings import NS_PER_S, Batch, Kind, Quality, Series
from collector.spool.ledger import Gap
from detectors.detector import NAN, Context, Evidence, Point, Scores, as_scores
from detectors.missed import concerns
from detectors.modes import Modes

M = TypeVar("M")
FEATURE_KINDS = frozenset({Kind.GAUGE, Kind.STATE})


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one cell in order of time: `at_ns` int64[n], `values` float64[n, k]; `series` names the k columns.

    A series that is new comes as a further column; the others keep their places. `modes` names the mode of the line at
    each row (`detectors.modes`), empty for a judge that does not ask. `of_table`: no series will come as a new one.
    """

    series: tuple[int, ...]
    at_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    modes: tuple[str, ...] = ()
    of_table: bool = False

    def __len__(self) -> int:
        return len(self.at_ns)

    def widths(self) -> NDArray[np.int64]:
        """Up to which column anything was known by each row, int64[n]: the sensors there are to learn of."""
        known = np.isfinite(self.values) | self.of_table
        columns = np.arange(1, known.shape[1] + 1)
        widths: NDArray[np.int64] = np.maximum.accumulate(np.where(known, columns, 0).max(axis=1, initial=0))
        return widths


class Verdict(NamedTuple):
    """What a judge says of one row, told about that series of the cell which shows it best."""

    series: int
    point: Point


class Judge(Protocol[M]):
    """Judges the rows of one cell. What it learns is in the memory, a msgspec type of bounded size."""

    def start(self, cell: str) -> M: ...

    def judge(self, memory: M, rows: Rows) -> list[Verdict]:
        """Scores each row against what was known before it, then learns from it."""
        ...

    def explain(self, memory: M) -> Evidence:
        """Why the last row scored as it did."""
        ...


class Cell(msgspec.Struct, Generic[M]):
    """Of each series of a cell the instant and value last heard (NaN: no longer known); and the judge's memory."""

    memory: M
    series: list[int] = []
    heard_ns: list[int] = []
    values: list[float] = []

    def column(self, series: int) -> int:
        """The place of a series, a new one for a new series."""
        if series not in self.series:
            self.series.append(series)
            self.heard_ns.append(0)
            self.values.append(NAN)
        return self.series.index(series)

    def row(self, end_ns: int, stale_ns: int) -> list[float]:
        known_ns = end_ns - stale_ns
        return [v if at_ns > known_ns else NAN for v, at_ns in zip(self.values, self.heard_ns, strict=True)]


class Kept(msgspec.Struct, Generic[M]):
    """A snapshot: the slot that is open, the cells heard in it in that order, and all cells by path."""

    slot: int = -1
    heard: list[str] = []
    cells: dict[str, Cell[M]] = {}
    modes: Modes = msgspec.field(default_factory=Modes)


class PerCell(Generic[M]):
    """A Detector from a judge; `memory` is the type the judge keeps, `kinds` those of the series that make the rows.

    With `mode_dwell_s` rows are told with the mode of the line, of which every one lasts so long on average.
    """

    def __init__(
        self,
        judge: Judge[M],
        memory: type[M],
        context: Context,
        *,
        every_s: float,
        stale_s: float,
        kinds: frozenset[Kind] = FEATURE_KINDS,
        mode_dwell_s: float = 0.0,
    ) -> None:
        self._judge = judge
        self._context = context
        self._every_ns, self._stale_ns = int(every_s * NS_PER_S), int(stale_s * NS_PER_S)
        self._kinds = kinds
        self._mode_dwell_s = mode_dwell_s
        self._line = context.line.partition("/")[2] or context.line
        self._kept: Kept[M] = Kept()
        self._telling: set[int] = set()
        self._places: dict[int, tuple[str, Cell[M], int] | None] = {}  # of each series; None: of another kind
        self._decoder = msgspec.msgpack.Decoder(Kept[memory])  # type: ignore[valid-type]

    def score(self, batch: Batch) -> Scores:
        rows: list[_Row] = []
        kept, every_ns = self._kept, self._every_ns
        heard, newest_ns = dict.fromkeys(kept.heard), 0
        usable = (batch.quality == Quality.GOOD) & np.isfinite(batch.value)
        columns = (batch.series[usable].tolist(), batch.at_ns[usable].tolist(), batch.value[usable].tolist())
        for series, at_ns, value in zip(*columns, strict=True):
            place = self._places[series] if series in self._places else self._place(series)
            if place is None:
                if series in self._telling:
                    kept.modes.note(series, at_ns, value)
                continue
            if at_ns <= place[1].heard_ns[place[2]]:
                continue
            if at_ns > newest_ns and self._is_over_with(newest_ns):
                rows += self._closed(heard, newest_ns)
                heard = {}
            if at_ns // every_ns > kept.slot:
                rows += self._closed(heard, (kept.slot + 1) * every_ns)
                heard = {}
                kept.slot = at_ns // every_ns
            name, cell, column = place
            cell.heard_ns[column], cell.values[column] = at_ns, value
            heard[name], newest_ns = None, at_ns
        if self._is_over_with(newest_ns):
            rows += self._closed(heard, newest_ns)
            heard = {}
        kept.heard = list(heard)
        return self._judged(rows)

    def tick(self, at_ns: int) -> Scores:
        """Nothing: a cell that says nothing is silent, not odd."""
        return as_scores([])

    def miss(self, gap: Gap) -> None:
        """What was heard last may no longer hold: it is unknown until it is heard again."""
        for cell in self._kept.cells.values():
            for column, series in enumerate(cell.series):
                if gap.to_ns > cell.heard_ns[column] and concerns(gap, self._context.series[series]):
                    cell.values[column] = NAN

    def listens(self, series: Series) -> bool:
        """Series that the rule's own metric leaves out, and that say in which mode the line is."""
        return self._mode_dwell_s > 0.0 and series.kind is Kind.STATE

    def subject(self, series: Series) -> str:
        return series.equipment.path

    def explain(self, series: int, at_ns: int) -> Evidence:
        return self._judge.explain(self.memory_of(self._context.series[series].equipment.path))

    def memory_of(self, cell: str) -> M:
        """The judge's memory of a cell, a new one for a new cell."""
        return self._cell(cell).memory

    @property
    def memories(self) -> Mapping[str, M]:
        return {name: cell.memory for name, cell in self._kept.cells.items()}

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self._kept)

    def restore(self, state: bytes) -> None:
        self._kept = self._decoder.decode(state)
        self._places = {}

    def _is_over_with(self, at_ns: int) -> bool:
        """Whether no row of a table is expected in a slot after this one."""
        rows_ns = self._context.rows_ns
        return rows_ns > 0 and at_ns % self._every_ns + rows_ns >= self._every_ns

    def _closed(self, heard: Iterable[str], at_ns: int) -> list[_Row]:
        """The rows of the cells that were heard in a slot."""
        mode = self._mode(at_ns)
        return [_Row(cell, at_ns, self._kept.cells[cell].row(at_ns, self._stale_ns), mode) for cell in heard]

    def _mode(self, at_ns: int) -> str:
        if not self._mode_dwell_s:
            return ""
        return self._kept.modes.mode(self._context.calendar, self._line, at_ns, self._mode_dwell_s)

    def _place(self, series: int) -> tuple[str, Cell[M], int] | None:
        """Whose row a series is part of, and where; worked out once."""
        known = self._context.series[series]
        if known.kind not in self._kinds:
            if self.listens(known):
                self._telling.add(series)
            self._places[series] = None
            return None
        name = known.equipment.path
        cell = self._cell(name)
        self._places[series] = place = (name, cell, cell.column(series))
        return place

    def _cell(self, name: str) -> Cell[M]:
        cell = self._kept.cells.get(name)
        if cell is None:
            cell = self._kept.cells[name] = Cell(self._judge.start(name))
            if self._context.rows_ns:
                self._know_all(name, cell)
        return cell

    def _know_all(self, name: str, cell: Cell[M]) -> None:
        """Gives a place to each series of a cell."""
        for series, known in self._context.series.items():
            if known.kind in self._kinds and known.equipment.path == name:
                cell.column(series)

    def _judged(self, rows: list[_Row]) -> Scores:
        """The verdicts on rows of several cells, in the order of the rows; each cell's are judged together."""
        of_cell: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            of_cell.setdefault(row.cell, []).append(i)
        said: list[tuple[int, int, Point]] = [(0, 0, Point())] * len(rows)
        for name, places in of_cell.items():
            cell = self._kept.cells[name]
            gathered = _gathered(cell, [rows[i] for i in places], of_table=self._context.rows_ns > 0)
            verdicts = self._judge.judge(cell.memory, gathered)
            for i, (series, point) in zip(places, verdicts, strict=True):
                said[i] = (series, rows[i].at_ns, point)
        return as_scores(said)


class _Row(NamedTuple):
    cell: str
    at_ns: int
    values: list[float]
    mode: str


def _gathered(cell: Cell[M], rows: list[_Row], *, of_table: bool) -> Rows:
    """A cell's rows as columns; those from before a series was known are NaN there."""
    k = len(cell.series)
    values = np.array([row.values + [NAN] * (k - len(row.values)) for row in rows], np.float64)
    at_ns = np.array([row.at_ns for row in rows], np.int64)
    return Rows(tuple(cell.series), at_ns, values.reshape(len(rows), k), tuple(row.mode for row in rows), of_table)
