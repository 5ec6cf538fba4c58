"""What a cell's sensors show together: what is found, what is left alone, and what is said of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from collector.readings import Equipment, Series
from detectors.calendar import Calendar
from detectors.cells import Rows
from detectors.detector import Context
from detectors.methods.mspc import Mspc, Options, Process

METRICS = ("flow", "pressure", "current", "mode")
CONTEXT = Context({i: Series(Equipment("a", "b"), name) for i, name in enumerate(METRICS)}, Calendar(), "a/b")
WARM = 400


def shown(rows: int, seed: int = 1) -> np.ndarray:
    """Three sensors that follow one load, and a mode that has never changed."""
    load, noise = np.random.default_rng(seed).normal(size=(2, rows, 3))
    together = 50.0 + load[:, :1] * np.array([3.0, 1.0, 2.0]) + 0.3 * noise
    return np.column_stack((together, np.ones(rows)))


class Learner:
    def __init__(self, **options: float) -> None:
        self.judge = Mspc(Options(warm_rows=WARM, **options), CONTEXT)  # type: ignore[arg-type]
        self.memory: Process = self.judge.start("cell")

    def scores(self, values: np.ndarray) -> np.ndarray:
        rows = Rows(tuple(range(values.shape[1])), np.arange(len(values)), values)
        return np.array([verdict.point.score for verdict in self.judge.judge(self.memory, rows)])


@pytest.fixture
def learner() -> Learner:
    learned = Learner()
    assert np.isnan(learned.scores(shown(1_000))[:WARM]).all()
    return learned


def alarms(scores: np.ndarray) -> int:
    return int((scores >= 1.0).sum())


def test_a_warm_up_longer_than_its_memory_leaves_no_sensor_unjudged() -> None:
    learner = Learner(memory_rows=100)
    learner.scores(shown(1_000))
    odd = shown(60, seed=3)
    odd[:, 1] += 6.0
    assert (learner.scores(odd)[30:] >= 1.0).all()


def test_a_ramp_that_stays_is_held_against_what_was_taught() -> None:
    taught, rows = 1_000, 2_200
    noise = np.random.default_rng(5).normal(size=(rows, 4))
    ramped = noise + np.outer(np.clip((np.arange(rows) - taught - 100) / 600.0, 0.0, 1.0), [0.0, 0.0, 5.0, 0.0])
    for values, is_seen in ((noise, False), (ramped, True)):
        judge = Mspc(Options(warm_rows=taught), dataclasses.replace(CONTEXT, taught_to_ns=taught - 1))
        memory = judge.start("cell")
        said = judge.judge(memory, Rows((0, 1, 2, 3), np.arange(rows), values))
        scores = np.array([verdict.point.score for verdict in said])
        assert alarms(scores) == 0 if not is_seen else (scores[taught + 700 :] >= 1.0).mean() > 0.9
    assert {verdict.series for verdict in said[-50:]} == {2}
    evidence = judge.explain(memory)
    assert evidence["level_to_taught_over_limit"] > 1.0  # type: ignore[operator]
    assert evidence["current_share_ratio"] > 0.5  # type: ignore[operator]


def test_a_level_that_stood_long_enough_belongs_to_what_was_taught() -> None:
    taught = 600
    values = np.random.default_rng(6).normal(size=(2_000, 3))
    values[700:, 0] += 6.0
    judge = Mspc(Options(warm_rows=taught, accept_after=200), dataclasses.replace(CONTEXT, taught_to_ns=taught - 1))
    said = judge.judge(judge.start("cell"), Rows((0, 1, 2), np.arange(2_000), values))
    scores = np.array([verdict.point.score for verdict in said])
    assert (scores[720:900] >= 1.0).all()
    assert not (scores[1_500:] >= 1.0).any()


def test_what_it_knows_raises_little() -> None:
    raised = 0
    for seed in range(2, 6):
        learner = Learner()
        learner.scores(shown(1_000))
        raised += alarms(learner.scores(shown(4_000, seed=seed)))
    assert raised <= 320, "two per cent"


def test_a_shift_of_one_sensor_stands_as_an_alarm_and_is_explained(learner: Learner) -> None:
    odd = shown(200, seed=3)
    odd[:, 1] += 3.0
    assert (learner.scores(odd)[30:] >= 1.0).all()
    evidence = learner.judge.explain(learner.memory)
    assert evidence["pressure_share_ratio"] > 0.5  # type: ignore[operator]
    assert evidence["pressure"] > 50.0  # type: ignore[operator]
    assert not alarms(learner.scores(shown(200, seed=4))[100:])


def test_sensors_that_are_each_as_usual_but_not_together(learner: Learner) -> None:
    odd = shown(200, seed=3)
    odd[:, 1] = shown(200, seed=5)[:, 1]
    assert alarms(learner.scores(odd)[50:]) > 100


def test_a_sensor_that_stands_still_or_becomes_restless(learner: Learner) -> None:
    stuck = shown(200, seed=3)
    stuck[:, 2] = stuck[0, 2]
    assert alarms(learner.scores(stuck)[60:]) > 100
    learner.scores(shown(300, seed=4))
    restless = shown(200, seed=6)
    restless[:, 0] += np.random.default_rng(7).normal(0.0, 9.0, 200)
    assert alarms(learner.scores(restless)[60:]) > 100


def test_what_never_changed_is_news_once(learner: Learner) -> None:
    odd = shown(600, seed=3)
    odd[:, 3] = 2.0
    scores = learner.scores(odd)
    assert alarms(scores[:60]) > 20
    assert alarms(scores[400:]) == 0


def test_an_alarm_that_stood_long_enough_is_the_new_usual() -> None:
    learner = Learner(accept_after=300)
    learner.scores(shown(1_000))
    later = learner.scores(shown(6_000, seed=2) + 4.0)
    assert (later[40:200] >= 1.0).all()
    assert alarms(later[-500:]) == 0


def test_unknown_values_and_constant_cells_raise_nothing(learner: Learner) -> None:
    partly = shown(300, seed=3)
    partly[:, 2] = np.nan
    assert alarms(learner.scores(partly)) == 0
    for values in (np.full((1_000, 3), 7.0), np.full((1_000, 3), np.nan)):
        assert alarms(Learner().scores(values)) == 0


def test_a_sensor_that_comes_later_is_learned_before_the_cell_is_judged_again() -> None:
    learner = Learner()
    learner.scores(shown(1_000)[:, :2])
    later = learner.scores(shown(1_000, seed=2)[:, :3])
    assert np.isnan(later[:WARM]).all()
    assert not np.isnan(later[WARM:]).any()
    assert alarms(later) <= 30
