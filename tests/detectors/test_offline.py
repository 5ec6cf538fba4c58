"""A method over a table says what it would have said on a line, row by row."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from collector.folder import names_in
from collector.readings import NS_PER_S, Batch, Kind, Series
from detectors import methods
from detectors.detector import Context, Detector, Point, Scores, as_scores
from detectors.methods import limits, output_drop, silent, stuck
from detectors.offline.judging import judged
from detectors.offline.table import ROWS_AT_ONCE, Table
from tests.detectors.plain import Threshold

START_NS = 1_700_000_000 * NS_PER_S


def table(*columns: list[float], step_s: float = 1.0, at_s: list[float] | None = None) -> Table:
    count = len(columns[0])
    at = np.array(at_s) if at_s is not None else np.arange(count) * step_s
    names = tuple(f"column {i}" for i in range(len(columns)))
    return Table(START_NS + (at * NS_PER_S).astype(np.int64), names, np.column_stack(columns).astype(np.float64))


def threshold(_context: Context) -> Detector:
    return Threshold()


def of(module: Any, **options: Any) -> Callable[[Context], Detector]:
    return lambda context: module.build(module.Options(**options), context)


def test_each_row_has_the_score_and_the_band_of_its_reading() -> None:
    said = judged(table([1.0, 20.0, 5.0]), threshold)
    assert said.score.tolist() == [0.1, 2.0, 0.5]
    assert said.series["expected_high"][:, 0].tolist() == [10.0] * 3
    assert not said.is_of_cell


def test_of_many_columns_the_row_has_the_largest_and_says_whose_it_is() -> None:
    said = judged(table([1.0, 2.0, np.nan], [3.0, 1.0, np.nan]), threshold)
    assert said.score[:2].tolist() == [0.3, 0.2]
    assert said.worst.tolist() == [1, 0, -1]
    assert np.isnan(said.score[2])


def test_rows_alone_can_be_asked_for() -> None:
    said = judged(table([1.0], [2.0]), threshold, with_series=False)
    assert (said.score.tolist(), dict(said.series)) == ([0.2], {})


def test_a_method_that_speaks_as_time_passes_is_asked_after_every_row() -> None:
    at_s = [*range(30), *range(200, 230)]
    said = judged(table([1.0] * 60, at_s=[float(at) for at in at_s]), of(silent, after_s=60.0))
    assert np.flatnonzero(said.score >= 1.0).tolist() == [30]  # the silence is told at the row that ends it
    assert said.score[29] == 0.0


def test_a_method_that_judges_readings_sees_no_difference_between_many_rows_and_one() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=2 * ROWS_AT_ONCE)
    values[1500:1900] = 0.25
    whole = judged(table(values.tolist()), of(stuck))
    assert np.flatnonzero(whole.score >= 1.0)[0] > 1500
    detector = stuck.build(stuck.Options(), _context_of_one())
    batch_rows = table(values.tolist())
    alone = [detector.score(_row(batch_rows, i)) for i in range(len(batch_rows))]
    np.testing.assert_array_equal(np.concatenate([one.score for one in alone]), whole.score)


def test_what_counts_up_is_read_as_a_counter_by_a_method_of_counters() -> None:
    counts = np.repeat(np.arange(2000.0), 2)
    counts[3000:3400] = counts[2999]
    said = judged(table(counts.tolist(), list(np.sin(counts)), step_s=5.0), of(output_drop))
    assert said.kinds == (Kind.COUNTER, Kind.GAUGE)
    assert (said.score[3020:3400] >= 1.0).any()


def test_kinds_can_be_given() -> None:
    said = judged(table([0.0] * 10 + [9.0] * 5), of(limits, low=-1.0, high=5.0), {"column 0": Kind.STOCK})
    assert said.kinds == (Kind.STOCK,)
    assert (said.score[10:] >= 1.0).all()


class Slots:
    """Judges a cell: says the sum of a slot of two seconds at its end, when a later reading comes."""

    def __init__(self, context: Context) -> None:
        self.slot, self.sum = -1, 0.0

    def score(self, batch: Batch) -> Scores:
        rows = []
        for at_ns, value in zip(batch.at_ns.tolist(), batch.value.tolist(), strict=True):
            slot = at_ns // (2 * NS_PER_S)
            if slot > self.slot:
                if self.slot >= 0:
                    rows.append((0, (self.slot + 1) * 2 * NS_PER_S, Point(self.sum / 10)))
                self.slot, self.sum = slot, 0.0
            self.sum += value
        return as_scores(rows)

    def tick(self, at_ns: int) -> Scores:
        return as_scores([])

    def subject(self, series: Series) -> str:
        return series.equipment.path


def test_what_is_said_of_a_slot_stands_at_its_last_row_and_holds_until_the_next() -> None:
    ones = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    said = judged(table(ones, ones), Slots, slot_ns=2 * NS_PER_S)  # type: ignore[arg-type]
    assert said.is_of_cell
    np.testing.assert_array_equal(said.score, [np.nan, 0.4, 0.4, 0.8, 0.8, 0.8])


def test_instants_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="rise from row to row"):
        Table(np.array([1, 1]), ("a",), np.zeros((2, 1)))


@pytest.mark.parametrize("name", names_in(methods))
def test_every_method_of_the_folder_runs_over_a_table(name: str) -> None:
    module = importlib.import_module(f"detectors.methods.{name}")
    needed = {field.name: 60.0 for field in msgspec.structs.fields(module.Options) if field.required}
    rng = np.random.default_rng(5)
    values = rng.normal(20, 1, size=(600, 3))
    values[::7, 1] = np.nan
    said = judged(Table(START_NS + np.arange(600) * NS_PER_S, ("a", "b", "c"), values), of(module, **needed))
    assert len(said.score) == 600
    assert said.series["score"].shape == (600, 3)
    assert not np.isinf(said.score).any()


def _context_of_one() -> Context:
    from collector.readings import Equipment
    from detectors.calendar import Calendar

    return Context({0: Series(Equipment("table", "table", line="line", cell="cell"), "a")}, Calendar(), "table/line")


def _row(rows: Table, i: int) -> Batch:
    at_ns = rows.at_ns[i : i + 1]
    return Batch(np.zeros(1, np.int32), at_ns, rows.value[i], np.zeros(1, np.uint8), at_ns)
