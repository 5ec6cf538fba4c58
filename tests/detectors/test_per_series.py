"""PerSeries: one memory per series, only usable readings, settings from outside the memory."""

import math

import msgspec
import pytest

from collector.readings import Batch, BatchBuilder, Equipment, Kind, Quality, Series
from detectors.calendar import Calendar
from detectors.detector import Context, Evidence, PerSeries, Point, as_scores


class Tally(msgspec.Struct):
    last_ns: int = 0
    count: int = 0
    missed: list[tuple[int, int]] = []


class Counting:
    """Scores the number of readings before, times a setting."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def start(self, series: Series) -> Tally:
        return Tally()

    def update(self, series: Series, memory: Tally, at_ns: int, value: float) -> Point:
        memory.count += 1
        return Point((memory.count - 1) * self.weight, value)

    def passed(self, series: Series, memory: Tally, at_ns: int) -> Point | None:
        return Point(float(at_ns - memory.last_ns)) if series.metric == "a" else None

    def miss(self, memory: Tally, from_ns: int, to_ns: int) -> None:
        memory.missed = [*memory.missed, (from_ns, to_ns)]

    def explain(self, series: Series, memory: Tally, at_ns: int) -> Evidence:
        return {"count": float(memory.count), "metric": series.metric}


PLACE = Equipment("acme", "north", "", "press")
SERIES = {0: Series(PLACE, "a"), 1: Series(PLACE, "b"), 2: Series(PLACE, "c", kind=Kind.COUNTER)}
CONTEXT = Context(SERIES, Calendar(), "north/press")


def counting(weight: float = 1.0) -> PerSeries[Tally]:
    return PerSeries(Counting(weight), Tally, CONTEXT, frozenset({Kind.GAUGE}))


def batch(*rows: tuple[int, int, float, int]) -> Batch:
    builder = BatchBuilder()
    for series, at_ns, value, quality in rows:
        builder.add(series, at_ns, value, quality, 0)
    return builder.build()


def test_each_series_has_its_own_memory():
    scores = counting().score(batch((0, 10, 1.5, 0), (1, 10, 2.5, 0), (0, 20, 3.5, 0)))
    assert scores.series.tolist() == [0, 1, 0]
    assert scores.at_ns.tolist() == [10, 10, 20]
    assert scores.score.tolist() == [0, 0, 1]
    assert scores.value.tolist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    "row",
    [
        (0, 20, math.nan, 0),
        (0, 20, math.inf, 0),
        (0, 20, 1.0, Quality.BAD),
        (0, 20, 1.0, Quality.STALE),
        (0, 20, 1.0, Quality.CLOCK),
        (0, 20, 1.0, Quality.HISTORICAL),
        (0, 10, 1.0, 0),
        (0, 9, 1.0, 0),
    ],
)
def test_what_is_not_usable_or_not_newer_is_skipped(row):
    detector = counting()
    detector.score(batch((0, 10, 1.0, 0)))
    before = detector.snapshot()
    assert len(detector.score(batch(row))) == 0
    assert detector.snapshot() == before


def test_other_kinds_are_passed_over():
    detector = counting()
    assert len(detector.score(batch((2, 10, 1.0, 0)))) == 0
    assert detector.snapshot() == counting().snapshot()


def test_a_tick_asks_every_series_and_leaves_out_those_that_say_nothing():
    detector = counting()
    detector.score(batch((0, 10, 1.0, 0), (1, 10, 1.0, 0)))
    said = detector.tick(25)
    assert (said.series.tolist(), said.score.tolist()) == ([0], [15.0])


def test_a_restore_brings_the_memory_and_keeps_the_settings():
    before, after = counting(weight=1.0), counting(weight=5.0)
    before.score(batch((0, 10, 1.0, 0)))
    after.restore(before.snapshot())
    assert after.score(batch((0, 10, 1.0, 0), (0, 20, 1.0, 0))).score.tolist() == [5.0]
    assert after.explain(0, 20) == {"count": 2.0, "metric": "a"}


def test_a_snapshot_of_another_shape_is_refused():
    with pytest.raises(msgspec.MsgspecError):
        counting().restore(msgspec.msgpack.encode({0: {"last_ns": "yesterday"}}))


def test_the_subject_is_the_series():
    assert counting().subject(SERIES[0]) == "north/press:a"


def test_no_rows_are_empty_scores():
    assert len(as_scores([])) == 0
    assert len(counting().score(batch())) == 0
