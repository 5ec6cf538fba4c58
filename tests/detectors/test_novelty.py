"""Novelty: what it raises and what it leaves alone, and the signals it is made of."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from collector.readings import NS_PER_S, Batch, Equipment, Quality, Series
from detectors.calendar import Calendar
from detectors.detector import Context
from detectors.methods import novelty
from detectors.novel import hours, quiet, seen, shapes, tail, usual

STEP_S = 300
DAY = 86_400 // STEP_S
SERIES = Series(Equipment("acme", "north", "hall", "press", "cell"), "temperature", "Cel")
RNG = np.random.default_rng(5)
DAYS = np.arange(8 * DAY)
DAILY = 20 + 5 * np.sin(2 * np.pi * DAYS / DAY) + RNG.normal(0, 0.3, len(DAYS))


def detector(**options):
    return novelty.build(novelty.Options(**options), Context({0: SERIES}, Calendar(), "north/press"))


def readings(value: np.ndarray) -> Batch:
    n, at_ns = len(value), np.arange(1, len(value) + 1) * STEP_S * NS_PER_S
    return Batch(np.zeros(n, np.int32), at_ns, np.asarray(value, float), np.full(n, Quality.GOOD, np.uint8), at_ns)


def onsets(score: np.ndarray) -> list[int]:
    raised = score >= 1.0
    return np.flatnonzero(raised & ~np.concatenate([[False], raised[:-1]])).tolist()


def changed(first: int, last: int, to) -> np.ndarray:
    value = DAILY.copy()
    value[first:last] = to
    return value


def test_a_value_never_seen_is_raised_at_once():
    alarms = onsets(detector().score(readings(changed(1500, 1501, 40.0))).score)
    assert 1500 in alarms


def test_a_night_value_at_noon_is_raised_though_it_is_within_the_range():
    """Peak of the day, 25 Cel; it reads 15, as it does every night."""
    noon = 6 * DAY + DAY // 4
    alarms = onsets(detector().score(readings(changed(noon - 15, noon + 15, 15.0))).score)
    assert any(noon - 15 <= row < noon + 15 for row in alarms)


def test_a_flat_stretch_in_a_moving_series_is_a_new_shape():
    first = 6 * DAY + 10
    method = detector()
    alarms = onsets(method.score(readings(changed(first, first + 140, DAILY[first]))).score)
    assert any(first <= row < first + 140 for row in alarms)


def test_an_incident_is_one_alarm():
    alarms = onsets(detector().score(readings(changed(1500, 1590, 40.0 + RNG.normal(0, 0.1, 90)))).score)
    assert len([row for row in alarms if 1500 <= row < 1590]) == 1


def test_a_usual_week_is_quiet():
    assert len(onsets(detector().score(readings(DAILY)).score)) <= 3


def test_a_constant_series_is_quiet_until_it_changes():
    value = np.full(1000, 7.0)
    value[700:] = 7.1
    assert onsets(detector().score(readings(value)).score) == [700]


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_the_unit_does_not_matter(factor):
    alarms = onsets(detector().score(readings(factor * changed(1500, 1501, 40.0))).score)
    assert 1500 in alarms
    assert len(alarms) <= 4


def test_its_evidence_says_which_signal_contributed_how_much():
    method = detector()
    method.score(readings(changed(1500, 1501, 40.0)[:1501]))
    evidence = method.explain(0, 1501 * STEP_S * NS_PER_S)
    shares = {name: value for name, value in evidence.items() if name.endswith("_ratio")}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["new_value_ratio"] + shares["new_at_this_hour_ratio"] > 0.5
    assert evidence["seen_high"] < 30 < evidence["value"]


def test_its_band_holds_what_is_usual():
    scores = detector().score(readings(DAILY))
    known = ~np.isnan(scores.expected)
    assert known[DAY:].all()
    assert (scores.expected_low[known] < scores.expected[known]).all()
    assert (scores.expected[known] < scores.expected_high[known]).all()
    assert np.abs(scores.expected - scores.value)[2 * DAY :].mean() < 1.0


def test_its_state_is_small_and_flat_in_time():
    method, sizes, value = detector(), [], np.random.default_rng(1).normal(20, 1, 12_000)
    for begin in range(0, 12_000, 4_000):
        batch = readings(value)
        method.score(batch.take(slice(begin, begin + 4_000)))
        sizes.append(len(method.snapshot()))
    assert sizes[-1] <= 96 * 1024
    assert sizes[2] <= 1.02 * sizes[1]


def test_the_tail_is_that_of_all_of_the_past():
    signal = np.random.default_rng(2).exponential(3.0, 5000)
    past = tail.Tail()
    tail.excesses(past, signal.tolist(), 0.1)
    edge = float(np.quantile(signal, 0.9))
    assert past.at == pytest.approx(edge, rel=0.06)
    scale = float(signal[signal > edge].mean() - edge)
    assert len(past.bins) <= 201
    assert tail.excesses(past, [edge + 5 * scale], 0.1).excess == [pytest.approx(5.0, rel=0.15)]
    assert tail.excesses(past, [edge / 2, math.nan], 0.1).excess == [0.0, 0.0]


def test_a_tail_counts_every_value_once_however_wide_they_lie():
    past = tail.Tail()
    tail.excesses(past, (10.0 ** np.random.default_rng(3).uniform(-9, 9, 3000)).tolist(), 0.1)
    assert sum(past.bins.values()) == 3000 == past.count
    assert past.above == sum(n for one, n in past.bins.items() if one > past.edge)


def test_the_shape_is_the_distance_to_the_nearest_stretch_before():
    value = np.random.default_rng(4).normal(0, 1, 2600)
    memory = shapes.Shapes()
    said = shapes.strangenesses(memory, value)
    width = shapes.WIDTH
    for end in (2 * width, 400, 1300, 2600):
        last = value[end - width : end]
        lags = range(width, min(shapes.LAGS, end - width) + 1)
        nearest = min(float(np.linalg.norm(last - value[end - width - lag : end - lag])) for lag in lags)
        assert said[end - 1] == pytest.approx(nearest, rel=1e-9)


def test_an_outlier_leaves_no_rounding_behind():
    value = np.random.default_rng(4).normal(0, 1, 4000)
    value[100] = 1e12
    memory = shapes.Shapes()
    said = shapes.strangenesses(memory, value)
    assert 1.0 < said[-1] < 20.0


def test_values_seen_are_bounded_and_cover_the_range():
    past = seen.Seen()
    seen.distances(past, np.random.default_rng(6).uniform(0, 100, 20_000).tolist(), 12)
    assert len(past.values) <= seen.MOST
    assert max(seen.distance(past, one) for one in np.linspace(1, 99, 200).tolist()) < 2.0
    assert seen.distance(past, 130.0) == pytest.approx(30.0, abs=1.0)


def test_an_hour_remembers_days_and_not_the_last_minutes():
    memory = hours.Hours()
    seconds = range(86_400, 86_400 + 3600)
    hours.distances(memory, [second * NS_PER_S for second in seconds], np.ones(3600))
    assert len(memory.here) == 15
    later = [2 * 86_400 * NS_PER_S, 50 * 3600 * NS_PER_S]
    assert hours.distances(memory, later, np.array([4.0, 4.0])) == [
        pytest.approx(3.0),
        pytest.approx(math.nan, nan_ok=True),
    ]
    for day in range(3, 40):
        for minute in range(0, 60, 4):
            hours.distances(memory, [(day * 86_400 + minute * 60) * NS_PER_S], np.array([float(day)]))
    assert len(memory.here) == hours.MOST
    assert min(memory.here) > 1.0


def test_what_is_usual_is_learned_when_its_half_hour_is_over():
    memory = usual.Usual()
    for day in range(5):
        for step in range(DAY):
            at_ns = (day * DAY + step) * STEP_S * NS_PER_S
            (apart,) = usual.departures(memory, [at_ns], [10.0 if step < DAY // 2 else 30.0]).apart
            assert math.isnan(apart) == (day == 0)
    assert memory.expected == 30.0
    assert all(len(visits) == 5 for visits in memory.visits[:-1])


def test_each_alarm_raises_the_threshold_and_calm_forgets_it():
    memory, scores = quiet.Quiet(), []
    for i in range(6000):
        scores += quiet.judged(memory, [3.0 if i % 200 == 0 and i < 3000 else 0.0], 2.0, 100)
    raised = onsets(np.array(scores))
    assert raised[:2] == [0, 200]
    assert len(raised) < 15
    assert quiet.judged(memory, [3.0], 2.0, 100)[0] >= 1.0


def test_a_much_stronger_incident_breaks_the_hold():
    memory = quiet.Quiet()
    totals = [3.0] + 30 * [0.0] + [4.0] + 5 * [0.0] + [40.0]
    assert onsets(np.array(quiet.judged(memory, totals, 2.0, 100))) == [0, 37]


def test_many_columns_raise_together_no_more_than_one_alone_would():
    """White noise, four series side by side."""
    noise = [readings(np.random.default_rng(seed).normal(0, 1, 4000)) for seed in range(4)]
    alone, together = ([len(onsets(detector(columns=columns).score(one).score)) for one in noise] for columns in (1, 4))
    assert sum(together) <= 0.6 * sum(alone)


@pytest.mark.parametrize(("name", "value"), [("threshold", 0.0), ("hold", -1)])
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.convert({name: value}, novelty.Options)
