"""How the readings of a cell's sensors become rows."""

from __future__ import annotations

import msgspec
import numpy as np

from collector.readings import NS_PER_S, BatchBuilder, Equipment, Kind, Series
from collector.spool.ledger import Cause, Gap
from detectors.calendar import Calendar
from detectors.cells import PerCell, Rows, Verdict
from detectors.detector import Context, Evidence, Point, Scores

T0_S = 1_752_000_000
MILL, LATHE = (Equipment("acme", "north", "", "press", cell) for cell in ("mill", "lathe"))
SERIES = {
    0: Series(MILL, "temperature"),
    1: Series(MILL, "vibration"),
    2: Series(LATHE, "temperature"),
    3: Series(MILL, "good", kind=Kind.COUNTER),
    4: Series(MILL, "current"),
}
NAN = float("nan")


class Seen(msgspec.Struct):
    rows: int = 0


class Listed:
    """A judge that lists what it sees as (seconds after T0, values)."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, list[float]]] = []

    def start(self, cell: str) -> Seen:
        return Seen()

    def judge(self, memory: Seen, rows: Rows) -> list[Verdict]:
        memory.rows += len(rows)
        for at_ns, values in zip(rows.at_ns.tolist(), rows.values.tolist(), strict=True):
            self.rows.append((at_ns / NS_PER_S - T0_S, values))
        return [Verdict(rows.series[0], Point(float(value))) for value in rows.values[:, 0]]

    def explain(self, memory: Seen) -> Evidence:
        return {"rows": memory.rows}


class Played:
    def __init__(self) -> None:
        self.judge = Listed()
        self.cells = PerCell(self.judge, Seen, Context(SERIES, Calendar(), "north/press"), every_s=5.0, stale_s=20.0)

    def hear(self, *readings: tuple[int, float, float]) -> Scores:
        """(series, seconds after T0, value)."""
        builder = BatchBuilder()
        for series, second, value in readings:
            builder.add(series, int((T0_S + second) * NS_PER_S), value, 0, 0)
        return self.cells.score(builder.build())

    def rows(self) -> list[tuple[float, list[float]]]:
        return self.judge.rows


def same(found: list[tuple[float, list[float]]], *wanted: tuple[float, list[float]]) -> None:
    assert [at for at, _ in found] == [at for at, _ in wanted]
    for (_, one), (_, other) in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_row_holds_the_last_values_of_its_slot_and_stands_at_its_end() -> None:
    played = Played()
    played.hear((0, 0, 1.0), (1, 1, 10.0), (0, 4, 2.0))
    assert played.rows() == []
    played.hear((0, 5, 3.0))
    same(played.rows(), (5.0, [2.0, 10.0]))


def test_a_value_is_carried_forward_until_it_is_stale() -> None:
    played = Played()
    played.hear((0, 0, 1.0), (1, 1, 10.0), *((0, second, 2.0) for second in range(5, 31, 5)))
    same(played.rows()[3:], (20.0, [2.0, 10.0]), (25.0, [2.0, NAN]), (30.0, [2.0, NAN]))


def test_a_cell_that_says_nothing_has_no_rows() -> None:
    played = Played()
    scores = played.hear((0, 0, 1.0), (2, 1, 7.0), (0, 6, 2.0), (0, 60, 3.0), (2, 61, 8.0), (0, 66, 4.0))
    assert [at for at, _ in played.rows()] == [5.0, 10.0, 65.0, 5.0, 65.0]  # the mill's, then the lathe's
    assert scores.series.tolist() == [0, 2, 0, 0, 2]
    assert (np.diff(scores.at_ns) >= 0).all()


def test_a_new_series_is_a_further_column() -> None:
    played = Played()
    played.hear((0, 0, 1.0), (4, 6, 9.0), (0, 7, 2.0), (0, 11, 3.0))
    same(played.rows(), (5.0, [1.0, NAN]), (10.0, [2.0, 9.0]))


def test_a_counter_is_no_part_of_a_row() -> None:
    played = Played()
    played.hear((3, 0, 1.0), (3, 6, 2.0), (3, 11, 3.0))
    assert played.rows() == []


def test_what_was_heard_before_a_gap_is_unknown_until_it_is_heard_again() -> None:
    played = Played()
    played.hear((0, 0, 1.0), (1, 1, 10.0))
    instants = ((T0_S + 2) * NS_PER_S, (T0_S + 4) * NS_PER_S)
    played.cells.miss(Gap("x", Cause.EVICTED, *instants, 1, "", "north/press", "lathe"))
    played.hear((0, 5, 2.0))
    played.cells.miss(Gap("x", Cause.EVICTED, instants[1], (T0_S + 7) * NS_PER_S, 1, "", "north/press", "mill"))
    played.hear((0, 8, 3.0), (0, 10, 4.0))
    same(played.rows(), (5.0, [1.0, 10.0]), (10.0, [3.0, NAN]))


def test_a_row_that_was_open_at_a_restart_is_finished_after_it() -> None:
    whole, cut = Played(), Played()
    early, late = [(0, 0, 1.0), (2, 1, 5.0), (1, 2, 10.0)], [(0, 4, 2.0), (0, 5, 3.0), (2, 12, 3.0)]
    for played in (whole, cut):
        played.hear(*early)
    restored = Played()
    restored.cells.restore(cut.cells.snapshot())
    whole.hear(*late)
    restored.hear(*late)
    same(restored.rows(), *whole.rows())
    assert restored.cells.snapshot() == whole.cells.snapshot()
    assert restored.cells.explain(0, 0) == {"rows": 2}
    assert restored.cells.subject(SERIES[0]) == "north/press/mill"
