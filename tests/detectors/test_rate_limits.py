"""Rate limits: what rises or falls too fast is told, by given limits or by what is usual of the series."""

import math

import numpy as np
import pytest

from collector.readings import Kind
from detectors.methods import rate_limits
from tests.detectors.played import Played, series

GAUGE = series("pressure", Kind.GAUGE, "bar")


def given(**options: float) -> Played:
    return Played(rate_limits, GAUGE, hold_s=0.0, **options)


def test_a_rise_past_its_limit_is_told_and_a_slower_one_is_not():
    played = given(rise_per_min=6.0, fall_per_min=12.0)
    assert math.isnan(played.at(0, 0.0))
    assert played.at(10, 0.9) == pytest.approx(0.9)
    assert played.at(20, 2.1) == pytest.approx(1.2)
    assert played.at(30, 0.2) < 1.0
    assert played.at(40, -2.0) >= 1.0
    assert (played.said.expected_low[0], played.said.expected_high[0]) == (-12.0, 6.0)
    assert played.said.value[0] == pytest.approx(-13.2)


def test_a_side_without_a_limit_has_none():
    played = given(rise_per_min=6.0)
    played.at(0, 1000.0)
    assert played.at(1, -1e9) <= 0.0
    assert math.isnan(played.said.expected_low[0])


def test_readings_close_together_count_as_least_s_apart():
    played = given(rise_per_min=60.0, least_s=5.0)
    played.at(0, 0.0)
    assert played.at(0.001, 1.0) == pytest.approx(0.2)


def test_a_step_of_the_clock_makes_no_steep_change():
    played = given(rise_per_min=6.0, fall_per_min=6.0)
    played.at(0, 0.0)
    assert played.at(3600, 50.0) < 1.0
    assert played.at(60, 0.0) is None
    assert played.at(3610, 50.5) < 1.0


def test_without_limits_the_usual_rate_is_learned():
    rng, played = np.random.default_rng(3), Played(rate_limits, GAUGE, hold_s=0.0)
    scores = [played.at(5 * i, value) for i, value in enumerate(rng.normal(7, 0.1, 400).tolist())]
    assert all(math.isnan(score) for score in scores[:100])
    assert not any(score >= 1.0 for score in scores)
    assert played.at(2_000, 9.0) >= 1.0
    said = played.explain(2_000)
    assert said["rate_per_min"] > said["high_per_min"] > 0 > said["low_per_min"]
    assert (said["unit"], said["value"]) == ("bar", 9.0)


def test_a_stock_that_falls_evenly_is_told_when_it_jumps():
    played = Played(rate_limits, series("stock", Kind.STOCK), hold_s=0.0)
    assert not any(played.at(5 * i, 400.0 - 2 * i) >= 1.0 for i in range(190))
    assert played.at(950, 400.0) >= 1.0


def test_a_series_that_jumps_as_a_rule_is_told_no_more_often_than_the_budget():
    """1 jump in 50 readings; one alarm in 500 is wanted."""
    rng, played, alarms = np.random.default_rng(4), Played(rate_limits, GAUGE, hold_s=0.0, arl0=500), 0
    for i, value in enumerate(rng.normal(0, 1, 8_000).tolist()):
        alarms += played.at(60 * i, value + (20.0 if i % 50 == 0 else 0.0)) >= 1.0
    assert alarms <= 2 * 8_000 / 500


def test_an_absolute_limit_knows_no_budget():
    played = given(rise_per_min=6.0)
    scores = [played.at(60 * i, 50.0 * (i % 2)) for i in range(400)]
    assert all(score >= 1.0 for score in scores[1::2])


def test_a_constant_series_is_quiet():
    played = Played(rate_limits, GAUGE)
    assert not any(played.at(5 * i, 3.0) >= 1.0 for i in range(400))


def test_alarms_stand_for_their_hold():
    played = Played(rate_limits, GAUGE, rise_per_min=6.0, hold_s=60.0)
    played.at(0, 0.0)
    assert played.at(10, 50.0) >= 1.0
    assert [played.at(second, 50.0) >= 1.0 for second in (20, 60, 71)] == [True, True, False]
