"""Charts of a signal with a level while the line runs and another while it rests."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from collector.readings import NS_PER_S, Batch, Equipment, Kind, Series
from detectors.calendar import Calendar, PlannedStop
from detectors.detector import Context
from detectors.methods import cusum, ewma, page_hinkley

PLACE = Equipment("acme", "north", "", "press", "cell")
SERIES = {0: Series(PLACE, "vibration"), 1: Series(PLACE, "state", "1", Kind.STATE, ("running", "changeover"))}
STEPS, STEP_NS = 2_000, 60 * NS_PER_S
ALL = pytest.mark.parametrize("chart", [cusum, ewma, page_hinkley])


def rests() -> np.ndarray:
    return np.arange(STEPS) % 300 >= 270


def played(chart, calendar: Calendar, *, tells: bool, up_by: float = 0.0, cut: int = 700) -> tuple[np.ndarray, object]:
    """The scores of the gauge; the fault is in the last 100 steps that it runs."""
    level = np.where(rests(), 0.1, 2.0) + np.random.default_rng(3).normal(0.0, 0.1, STEPS)
    level[-100:] += up_by
    at_ns = np.repeat(np.arange(1, STEPS + 1, dtype=np.int64) * STEP_NS, 2)
    ids = np.tile(np.array([1, 0], np.int32), STEPS)
    values = np.column_stack((rests().astype(float), level)).ravel()
    batch = Batch(ids, at_ns, values, np.zeros(2 * STEPS, np.uint8), at_ns)
    batch = batch if tells else batch.take(ids == 0)
    detector = chart.build(chart.Options(hold_s=0.0), Context(SERIES, calendar, "north/press"))
    said = [detector.score(batch.take(slice(i, i + cut))) for i in range(0, len(batch), cut)]
    return np.concatenate([one.score for one in said]), detector


def planned() -> Calendar:
    begin = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    spans = [
        (begin + dt.timedelta(minutes=i + 1), begin + dt.timedelta(minutes=i + 31)) for i in range(270, STEPS, 300)
    ]
    return Calendar(planned_stops=[PlannedStop(reason="clean", start=a, end=b) for a, b in spans])


@ALL
def test_rests_that_are_told_or_planned_raise_nothing_and_a_fault_is_still_found(chart):
    unaware, _ = played(chart, Calendar(), tells=False)
    assert (unaware >= 1.0).any(), "the signal is as hard as meant"
    for calendar, tells in ((Calendar(), True), (planned(), False)):
        assert not (played(chart, calendar, tells=tells)[0] >= 1.0).any()
        assert (played(chart, calendar, tells=tells, up_by=0.5)[0] >= 1.0).any()


@ALL
def test_cuts_and_a_restart_in_a_rest_change_nothing(chart):
    whole, one = played(chart, Calendar(), tells=True)
    parts, other = played(chart, Calendar(), tells=True, cut=7)
    np.testing.assert_array_equal(whole, parts)
    assert one.snapshot() == other.snapshot()
    again = chart.build(chart.Options(hold_s=0.0), Context(SERIES, Calendar(), "north/press"))
    again.restore(one.snapshot())
    assert again.snapshot() == one.snapshot()


def test_it_listens_to_states_alone():
    chart = ewma.build(ewma.Options(), Context(SERIES, Calendar(), "north/press"))
    assert [chart.listens(one) for one in SERIES.values()] == [False, True]


PRODUCT = Context(SERIES | {1: Series(PLACE, "product", "1", Kind.STATE, ("a", "b"))}, Calendar(), "north/press")


def of_products(chart, *, up_by: float = 0.0, cut: int = 700, restarts: bool = False) -> tuple[np.ndarray, object]:
    """Two products in turn, ten hours each, one four deviations above the other; the fault is in the last 100 steps."""
    product = np.arange(STEPS) // 600 % 2
    level = 2.0 + 0.4 * product + np.random.default_rng(4).normal(0.0, 0.1, STEPS)
    level[-100:] += up_by
    at_ns = np.repeat(np.arange(1, STEPS + 1, dtype=np.int64) * STEP_NS, 2)
    values = np.column_stack((product.astype(float), level)).ravel()
    batch = Batch(np.tile(np.array([1, 0], np.int32), STEPS), at_ns, values, np.zeros(2 * STEPS, np.uint8), at_ns)
    detector, said = chart.build(chart.Options(hold_s=0.0), PRODUCT), []
    for i in range(0, len(batch), cut):
        said.append(detector.score(batch.take(slice(i, i + cut))).score)
        if restarts:
            before, detector = detector, chart.build(chart.Options(hold_s=0.0), PRODUCT)
            detector.restore(before.snapshot())
    return np.concatenate(said), detector


@ALL
def test_each_product_has_a_level_of_its_own_and_a_fault_is_still_found(chart):
    assert not (of_products(chart)[0] >= 1.0).any()
    assert (of_products(chart, up_by=0.5)[0] >= 1.0).any()


@ALL
def test_cuts_and_restarts_at_a_change_of_product_change_nothing(chart):
    whole, one = of_products(chart, cut=4_000)
    parts, other = of_products(chart, cut=501, restarts=True)
    np.testing.assert_array_equal(whole, parts)
    assert one.snapshot() == other.snapshot()


@ALL
def test_what_was_said_in_another_mode_is_not_judged_again(chart):
    _, detector = of_products(chart)
    at_ns = np.array([STEP_NS * (STEPS + 1), STEP_NS * 10], np.int64)
    late = Batch(np.array([1, 0], np.int32), at_ns, np.array([0.0, 2.0]), np.zeros(2, np.uint8), at_ns)
    assert not len(detector.score(late))


def test_products_beyond_the_eighth_are_forgotten_by_turns():
    detector, sizes = ewma.build(ewma.Options(), PRODUCT), []
    for hour in range(40):
        at_ns = np.array([1, 2], np.int64) * STEP_NS + hour * 3600 * NS_PER_S
        detector.score(Batch(np.array([1, 0], np.int32), at_ns, np.array([hour, 2.0]), np.zeros(2, np.uint8), at_ns))
        sizes.append(len(detector.snapshot()))
    assert max(sizes[-20:]) <= max(sizes[:20]) + 16
