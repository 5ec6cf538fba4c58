"""Stuck: a gauge that used to change repeats itself; one that is constant by nature never alarms."""

import math

import numpy as np

from collector.readings import Kind
from detectors.methods import stuck
from tests.detectors.played import Played, series

GAUGE = series("temperature", Kind.GAUGE, "Cel")


def lively(played: Played, count: int = 100, digits: int = 6) -> float:
    rng = np.random.default_rng(1)
    for i in range(count):
        played.at(5 * i, round(float(rng.normal(20, 1)), digits))
    return 5.0 * count


def hold(played: Played, start: float, count: int) -> list[float]:
    return [played.at(start + 5 * i, 21.5) for i in range(count)]


def test_a_frozen_gauge_is_found_after_the_learned_run_and_after_s():
    played = Played(stuck, GAUGE, after_s=60)
    scores = hold(played, lively(played), 40)
    first = next(i for i, score in enumerate(scores) if score >= 1.0)
    assert first == 19  # 5 times 4 readings; 60 s have passed, too
    assert min(scores[first:]) >= 1.0


def test_a_changed_value_ends_it():
    played = Played(stuck, GAUGE)
    start = lively(played)
    assert hold(played, start, 40)[-1] >= 1.0
    assert played.at(start + 200, 21.6) < 1.0


def test_a_series_that_is_constant_by_nature_never_alarms():
    played = Played(stuck, GAUGE)
    assert all(math.isnan(score) for score in hold(played, 0, 5000))


def test_a_set_point_that_changes_now_and_then_never_alarms():
    played = Played(stuck, series("recipe", Kind.GAUGE))
    scores = [played.at(5 * i, float(i // 300 % 3)) for i in range(15_000)]
    assert not any(score >= 1.0 for score in scores)


def test_a_coarse_scale_takes_its_own_usual_runs_as_measure():
    rng = np.random.default_rng(2)
    played = Played(stuck, GAUGE, after_s=0)
    values = np.round(20 + np.cumsum(rng.normal(0, 0.1, 3000)), 0)
    scores = [played.at(5 * i, float(value)) for i, value in enumerate(values)]
    assert np.nanmean(np.array(scores) >= 1.0) == 0.0


def test_a_gap_is_silence_and_not_a_repeated_value():
    played = Played(stuck, GAUGE)
    start = lively(played)
    played.at(start, 21.5)
    assert played.at(start + 80_000, 21.5) < 1.0
    assert played.tick(start + 90_000) is None


def test_after_s_is_the_shortest_time():
    played = Played(stuck, GAUGE, after_s=600)
    scores = hold(played, lively(played), 130)
    assert next(i for i, score in enumerate(scores) if score >= 1.0) == 120


def test_the_evidence():
    played = Played(stuck, GAUGE)
    start = lively(played)
    hold(played, start, 40)
    said = played.explain(start + 195)
    assert (said["repeated"], said["unit"], said["readings"], said["unchanged_s"]) == (21.5, "Cel", 40, 195.0)


def test_other_kinds_are_passed_over():
    assert Played(stuck, series("good", Kind.COUNTER)).at(0, 1.0) is None
