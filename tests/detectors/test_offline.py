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
from detectors.cells import PerCell, Rows, Verdict
from detectors.detector import Context, Detector, Evidence, Point
from detectors.methods import (
    cusum,
    ewma,
    isolation_forest,
    limits,
    mspc,
    one_class_sgd,
    output_drop,
    page_hinkley,
    silent,
    stuck,
)
from detectors.offline.judging import judged
from detectors.offline.rates import rate, with_rates
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


class Sums(msgspec.Struct):
    pass


class Summing:
    """A judge that says a tenth of the sum of a row."""

    def start(self, cell: str) -> Sums:
        return Sums()

    def judge(self, memory: Sums, rows: Rows) -> list[Verdict]:
        return [Verdict(rows.series[0], Point(float(value) / 10)) for value in np.nansum(rows.values, axis=1)]

    def explain(self, memory: Sums) -> Evidence:
        return {}


def summing(every_s: float) -> Callable[[Context], Detector]:
    return lambda context: PerCell(Summing(), Sums, context, every_s=every_s, stale_s=60.0)


def test_what_is_said_of_a_slot_stands_at_its_last_row_and_holds_until_the_next() -> None:
    rising = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    said = judged(table(rising, [0.0] * 6), summing(2.0), slot_ns=2 * NS_PER_S)
    assert said.is_of_cell
    np.testing.assert_array_equal(said.score, [np.nan, 0.2, 0.2, 0.4, 0.4, 0.6])


@pytest.mark.parametrize("at_s", [[0, 1, 2, 3, 4, 5], [0, 1, 2, 2.4, 3.4, 4.9], [0, 1, 2, 40, 41, 42]])
def test_no_row_of_a_method_of_slots_asks_whether_another_follows(at_s: list[float]) -> None:
    rising = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    whole = judged(table(rising, [0.0] * 6, at_s=at_s), summing(1.0), slot_ns=NS_PER_S)
    np.testing.assert_array_equal(whole.score, np.array(rising) / 10)
    for rows in range(3, 6):  # from three rows on the usual step is known
        part = judged(table(rising[:rows], [0.0] * rows, at_s=at_s[:rows]), summing(1.0), slot_ns=NS_PER_S)
        np.testing.assert_array_equal(part.score, whole.score[:rows])


@pytest.mark.parametrize("method", [mspc, one_class_sgd, isolation_forest])
def test_a_method_of_many_sensors_says_of_the_last_row_what_it_says_when_more_follow(method: Any) -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(330, 4))
    values[320:] += 20.0
    build = of(method, every_s=1.0, **({"warm_rows": 300} if method is not isolation_forest else {"min_rows": 100}))
    at_ns, names = START_NS + NS_PER_S * np.arange(330), ("a", "b", "c", "d")
    whole = judged(Table(at_ns, names, values), build, taught_rows=300, slot_ns=NS_PER_S)
    for rows in (321,):
        part = judged(Table(at_ns[:rows], names, values[:rows]), build, taught_rows=300, slot_ns=NS_PER_S)
        np.testing.assert_array_equal(part.score, whole.score[:rows])
    assert whole.score[320] > whole.score[319]  # a fault in the last row counts in it


def test_what_only_rises_is_told_to_a_method_of_many_sensors_as_a_rate() -> None:
    rng = np.random.default_rng(4)
    total = np.cumsum(rng.random(400) < 0.5).astype(float)
    total[200:] -= total[200]  # a reset
    warming = 20.0 + 5.0 * (1.0 - np.exp(-np.arange(400) / 60.0))
    steady = rng.normal(size=400)
    rows = table(total.tolist(), warming.tolist(), steady.tolist())
    seen, names = with_rates(rows, {}, 300)
    assert names == ("column 0",)
    assert set(np.unique(seen.value[1:, 0][np.isfinite(seen.value[1:, 0])])) == {0.0, 1.0}
    assert np.isnan(seen.value[[0, 200], 0]).all()
    np.testing.assert_array_equal(seen.value[:, 1:], rows.value[:, 1:])
    assert judged(rows, summing(1.0), slot_ns=NS_PER_S).rates == ("column 0",)
    assert judged(rows, summing(1.0), {"column 0": Kind.GAUGE}, slot_ns=NS_PER_S).rates == ()
    assert judged(rows, summing(1.0), {"column 2": Kind.COUNTER}, slot_ns=NS_PER_S).rates == ("column 0", "column 2")


def test_a_rate_is_spread_over_the_rows_in_which_the_total_said_nothing() -> None:
    at_ns = NS_PER_S * np.array([0, 1, 2, 3, 9, 10], np.int64)
    said = rate(at_ns, np.array([5.0, 6.0, np.nan, 10.0, 22.0, 3.0]), NS_PER_S)
    np.testing.assert_array_equal(said, [np.nan, 1.0, np.nan, 2.0, 2.0, np.nan])


@pytest.mark.parametrize("chart", [ewma, cusum, page_hinkley])
def test_rows_that_only_teach_raise_nothing_and_leave_no_alarm_standing(chart: Any) -> None:
    rng = np.random.default_rng(11)
    taught = 10.0 + rng.normal(size=600)
    taught[300:] += 3.0  # ordinary, says who gives them
    after = 13.0 + rng.normal(size=600)
    said = judged(table([*taught.tolist(), *after.tolist()]), of(chart, hold_s=60.0), taught_rows=600)
    assert np.isnan(said.score[:600]).all()
    assert not (said.score[600:610] >= 1.0).any()
    learned = judged(table([*taught.tolist(), *(taught + 0.0).tolist()]), of(chart, hold_s=60.0), taught_rows=600)
    assert abs(float(learned.series["expected"][600, 0]) - taught.mean()) < 0.5  # all that was taught was learned


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
