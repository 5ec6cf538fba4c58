"""The gauge charts (cusum, ewma, page_hinkley): what they find, what they say of it, and what leaves them quiet."""

import math
from types import ModuleType

import msgspec
import numpy as np
import pytest

from collector.readings import Kind, Quality
from detectors.methods import cusum, ewma, page_hinkley
from tests.detectors.played import Played, series

GAUGE = series("temperature", Kind.GAUGE, "Cel")
CHARTS = (cusum, ewma, page_hinkley)
ALL = pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.__name__.rpartition(".")[2])
STEP_S = 60.0


class Gauge:
    """A gauge played reading by reading, one a minute; answers whether an alarm stands."""

    def __init__(self, chart: ModuleType, seed: int = 1, **options: float) -> None:
        self.played = Played(chart, GAUGE, **options)
        self.rng = np.random.default_rng(seed)
        self.now_s = 0.0

    def at(self, value: float) -> float | None:
        self.now_s += STEP_S
        return self.played.at(self.now_s, value)

    def around(self, level: float, count: int, deviation: float = 1.0) -> list[bool]:
        return [self.at(value) >= 1.0 for value in self.rng.normal(level, deviation, count).tolist()]


@ALL
@pytest.mark.parametrize("shift", [-1.5, 1.5])
def test_a_small_shift_that_stays_is_found_within_some_readings(chart, shift):
    gauge = Gauge(chart)
    assert not any(gauge.around(20.0, 500))
    found = gauge.around(20.0 + shift, 40)
    assert any(found)
    assert 3 < found.index(True) < 30


@ALL
def test_one_wild_reading_is_no_shift(chart):
    gauge = Gauge(chart)
    gauge.around(20.0, 300)
    assert gauge.at(1e6) < 1.0
    assert not any(gauge.around(20.0, 300))


@ALL
def test_value_lies_outside_its_band_exactly_where_the_score_says_so(chart):
    gauge, seen = Gauge(chart, hold_s=0.0), set()
    for level in (20.0, 22.0, 20.0, 18.0):
        for value in gauge.rng.normal(level, 1.0, 150).tolist():
            score = gauge.at(value)
            said = gauge.played.said
            low, mid, high, judged = said.expected_low[0], said.expected[0], said.expected_high[0], said.value[0]
            if math.isnan(score):
                assert math.isnan(low)
                continue
            assert low < mid < high
            if abs(score - 1.0) > 1e-6 and score < 1.49:
                assert bool(judged < low or judged > high) is (score >= 1.0)
                seen.add(score >= 1.0)
    assert seen == {True, False}


@ALL
def test_a_series_that_never_changes_is_quiet_and_not_judged(chart):
    gauge = Gauge(chart)
    assert all(math.isnan(gauge.at(21.5)) for _ in range(500))
    assert not any(gauge.at(21.6) >= 1.0 for _ in range(500))


@ALL
def test_a_series_that_rests_but_for_blips_is_not_judged(chart):
    gauge = Gauge(chart)
    assert not any(gauge.at(5.0 if i % 37 == 0 else 0.0) >= 1.0 for i in range(2_000))


@ALL
def test_a_series_of_nan_is_never_met(chart):
    played = Played(chart, GAUGE)
    assert all(played.at(60.0 * i, math.nan) is None for i in range(200))
    assert played.detector.snapshot() == Played(chart, GAUGE).detector.snapshot()


@ALL
def test_clock_steps_poison_nothing(chart):
    """An hour forward, then an hour back: what is not newer is skipped, and the level is judged as before."""
    gauge = Gauge(chart)
    gauge.around(20.0, 300)
    gauge.now_s += 3600.0
    assert not any(gauge.around(20.0, 30))
    gauge.now_s -= 3600.0 + 30 * STEP_S
    assert gauge.at(20.0) is None
    gauge.now_s += 3600.0 + 30 * STEP_S
    assert not any(gauge.around(20.0, 100))
    assert any(gauge.around(23.0, 30))


@ALL
def test_readings_that_depend_on_the_one_before_cost_no_alarms_beyond_the_budget(chart):
    gauge, value, alarms, stood = Gauge(chart, arl0=1000, hold_s=0.0), 0.0, 0, False
    for noise in gauge.rng.normal(0.0, 1.0, 6_000).tolist():
        value = 0.9 * value + noise
        stands = gauge.at(value) >= 1.0
        alarms += stands and not stood
        stood = stands
    assert alarms <= 10


@ALL
def test_an_alarm_stands_for_its_hold(chart):
    gauge = Gauge(chart, hold_s=600.0)
    gauge.around(20.0, 500)
    while not gauge.around(24.0, 1)[0]:
        pass
    after = gauge.around(20.0, 60)
    end = after.index(False)
    assert all(after[:end])
    assert not any(after[end:])
    assert end >= 9


@pytest.mark.parametrize("chart", [cusum, ewma])
def test_an_alarm_goes_on_until_the_level_returns(chart):
    gauge = Gauge(chart)
    gauge.around(20.0, 500)
    assert all(gauge.around(23.0, 300)[20:])
    assert not any(gauge.around(20.0, 100)[30:])


@pytest.mark.parametrize("chart", [cusum, ewma])
def test_a_level_that_has_stood_long_enough_is_the_usual_one(chart):
    gauge = Gauge(chart, accept_after=200)
    gauge.around(20.0, 300)
    assert any(gauge.around(23.0, 100))
    assert not any(gauge.around(23.0, 600)[350:])
    assert gauge.played.said.expected[0] == pytest.approx(23.0, abs=0.5)


def test_page_hinkley_tells_a_change_once_and_the_way_back_as_another():
    gauge = Gauge(page_hinkley, hold_s=0.0)
    gauge.around(20.0, 400)
    assert sum(gauge.around(23.0, 400)) == 1
    assert sum(gauge.around(20.0, 400)) == 1


@ALL
def test_the_evidence_names_level_expectation_and_beginning(chart):
    gauge = Gauge(chart)
    gauge.around(20.0, 500)
    while not gauge.around(22.5, 1)[0]:
        pass
    said = gauge.played.explain(gauge.now_s)
    assert said["unit"] == "Cel"
    assert said["expected"] == pytest.approx(20.0, abs=0.3)
    assert (0.3 if chart is page_hinkley else 1.0) < said["level"] - said["expected"] < 4.0
    assert said["deviation"] == pytest.approx(1.0, abs=0.2)
    if chart is not ewma:
        assert said["readings"] > 3


@ALL
def test_a_bad_reading_is_ignored(chart):
    gauge = Gauge(chart)
    gauge.around(20.0, 300)
    assert gauge.played.at(gauge.now_s + 1, 1e9, Quality.BAD) is None


def test_limits_may_be_given_instead_of_designed():
    tight, wide = Gauge(cusum, h=1.0), Gauge(cusum, h=50.0)
    for gauge in (tight, wide):
        gauge.around(20.0, 200)
    assert any(tight.around(21.0, 30))
    assert not any(wide.around(21.0, 30))
    narrow, broad = Gauge(ewma, limit=1.0), Gauge(ewma, limit=20.0)
    for gauge in (narrow, broad):
        gauge.around(20.0, 200)
    assert any(narrow.around(21.0, 30))
    assert not any(broad.around(21.0, 30))


@pytest.mark.parametrize(
    ("chart", "options", "wrong"),
    [
        (ewma, {"lambda": 0.2, "L": 3.0}, {"lambda": 0.9}),
        (cusum, {"k": 1.0, "h": 2.5}, {"k": 0.0}),
        (page_hinkley, {"delta": 0.5, "threshold": 20.0}, {"arl0": 1.0}),
    ],
)
def test_options_are_read_by_the_names_of_the_field(chart, options, wrong):
    assert msgspec.to_builtins(msgspec.convert(options, chart.Options)).items() >= options.items()
    with pytest.raises(msgspec.ValidationError, match=next(iter(wrong))):
        msgspec.convert(wrong, chart.Options)
