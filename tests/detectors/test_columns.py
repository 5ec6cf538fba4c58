"""PerSeriesColumns: however readings are cut into rounds, each series is judged as if it were alone."""

import importlib

import msgspec
import numpy as np
import pytest

from collector.readings import NS_PER_S, Batch, Equipment, Kind, Quality, Series
from detectors.calendar import Calendar
from detectors.charts.running import WhileRunning
from detectors.columns import PerSeriesColumns
from detectors.detector import Context, Detector

PLACE = Equipment("acme", "north", "", "press")
SERIES = {i: Series(PLACE, f"gauge_{i}") for i in range(300)} | {300: Series(PLACE, "good", kind=Kind.COUNTER)}
METHODS = ("ewma", "cusum", "page_hinkley", "rate_limits")


def start(name: str) -> Detector:
    method = importlib.import_module(f"detectors.methods.{name}")
    detector = method.build(method.Options(arl0=200), Context(SERIES, Calendar(), "north/press"))
    assert isinstance(detector, PerSeriesColumns | WhileRunning)
    return detector


def plant(turns: int, series: int, seed: int = 1) -> Batch:
    """Turns of all series in a shuffled order; some readings repeated, late, unusable; levels shift now and then."""
    rng = np.random.default_rng(seed)
    ids = np.concatenate([rng.permutation(series) for _ in range(turns)]).astype(np.int32)
    turn = np.repeat(np.arange(turns), series)
    at_ns = (1_700_000_000 + 60 * turn) * NS_PER_S + rng.integers(-90, 30, len(ids)) * NS_PER_S
    value = np.round(rng.normal(0, 1, len(ids)), 2) + 4.0 * ((turn // 60 + ids) % 3 == 0) + 1000.0 * (ids % 2)
    value[rng.random(len(ids)) < 0.01] = np.nan
    quality = np.where(rng.random(len(ids)) < 0.02, Quality.STALE, Quality.GOOD).astype(np.uint8)
    return Batch(ids, at_ns, value, quality, at_ns)


def scores(detector: Detector, batch: Batch, cut: int) -> np.ndarray:
    said = [detector.score(batch.take(slice(i, i + cut))) for i in range(0, len(batch), cut)]
    return np.concatenate([np.column_stack([getattr(one, name) for name in type(one).__slots__]) for one in said])


@pytest.mark.parametrize("name", METHODS)
def test_columns_of_many_and_readings_one_by_one_give_the_same_bits(name):
    batch = plant(turns=260, series=40)
    whole, apart, by_series = start(name), start(name), start(name)
    columns, single = scores(whole, batch, 10_000), scores(apart, batch, 7)
    np.testing.assert_array_equal(columns, single)
    assert whole.snapshot() == apart.snapshot()
    for one in range(40):
        by_series.score(batch.take(batch.series == one))
    assert by_series.snapshot() == whole.snapshot()
    assert (columns[:, 2] >= 1.0).any()


def test_rows_come_back_in_the_order_in_which_they_arrived():
    batch = plant(turns=3, series=300)
    said = start("cusum").score(batch)
    assert 0 < len(said) < len(batch)
    arrived = list(zip(batch.series.tolist(), batch.at_ns.tolist(), strict=True))
    places = [arrived.index(row) for row in zip(said.series.tolist(), said.at_ns.tolist(), strict=True)]
    assert places == sorted(places)


def test_more_series_than_there_was_room_for_keep_what_the_first_had_learned():
    batch = plant(turns=150, series=300)
    few, all_ = batch.take(batch.series < 30), start("ewma")
    all_.score(few)
    before = all_.explain(7, 0)
    all_.score(plant(turns=1, series=300, seed=2).take(slice(0, 0)))
    all_.score(batch.take(batch.series >= 30))
    assert all_.explain(7, 0) == before


def test_other_kinds_are_passed_over():
    at_ns = np.array([NS_PER_S], np.int64)
    batch = Batch(np.array([300], np.int32), at_ns, np.array([1.0]), np.zeros(1, np.uint8), at_ns)
    detector = start("cusum")
    assert len(detector.score(batch)) == 0
    assert len(detector.score(batch.take(slice(0, 0)))) == 0


def test_memory_of_another_shape_is_refused():
    other = start("ewma")
    other.score(plant(turns=2, series=10))
    with pytest.raises(msgspec.ValidationError, match="another version"):
        start("cusum").restore(other.snapshot())


@pytest.mark.parametrize("name", METHODS)
def test_a_series_takes_less_than_4_kib(name):
    detector = start(name)
    detector.score(plant(turns=200, series=50))
    size = len(detector.snapshot())
    detector.score(plant(turns=400, series=50, seed=3))
    assert len(detector.snapshot()) == size < 50 * 4096 / 3
