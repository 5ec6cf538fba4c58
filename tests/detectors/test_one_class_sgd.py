"""Learning row by row what a cell's sensors show together."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np

from collector.readings import Equipment, Series
from detectors.calendar import Calendar
from detectors.cells import Rows
from detectors.detector import Context
from detectors.methods.one_class_sgd import Machines, OneClassSgd, Options

METRICS = ("temperature", "vibration", "current")
CONTEXT = Context({i: Series(Equipment("a", "b"), name) for i, name in enumerate(METRICS)}, Calendar(), "a/b")


def shown(rows: int, seed: int = 1) -> np.ndarray:
    load, noise = np.random.default_rng(seed).normal(size=(2, rows, 3))
    return 50.0 + load[:, :1] * np.array([3.0, 1.0, 2.0]) + 0.5 * noise


def test_a_ramp_that_stays_is_held_against_what_was_taught() -> None:
    taught, rows = 800, 1_500
    noise = np.random.default_rng(5).normal(size=(rows, 3))
    ramped = noise + np.outer(np.clip((np.arange(rows) - taught - 50) / 500.0, 0.0, 1.0), [0.0, 5.0, 0.0])
    for values, is_seen in ((noise, False), (ramped, True)):
        judge = OneClassSgd(Options(warm_rows=taught), dataclasses.replace(CONTEXT, taught_to_ns=taught - 1))
        said = judge.judge(judge.start("cell"), Rows((0, 1, 2), np.arange(rows), values, ("",) * rows))
        is_alarm = np.array([verdict.point.score >= 1.0 for verdict in said])
        assert is_alarm[taught + 550 :].all() if is_seen else not is_alarm.any()
    assert {verdict.series for verdict in said[-50:]} == {1}


class Learner:
    def __init__(self, **options: float) -> None:
        self.judge = OneClassSgd(Options(**options), CONTEXT)  # type: ignore[arg-type]
        self.memory: Machines = self.judge.start("cell")

    def scores(self, values: np.ndarray, mode: str = "") -> np.ndarray:
        rows = Rows((0, 1, 2)[: values.shape[1]], np.arange(len(values)), values, (mode,) * len(values))
        return np.array([verdict.point.score for verdict in self.judge.judge(self.memory, rows)])


def test_it_is_quiet_on_what_it_knows_and_loud_on_what_it_does_not() -> None:
    learner = Learner()
    usual = learner.scores(shown(2_500))
    assert np.isnan(usual[:300]).all()
    assert (usual >= 1.0).sum() <= 10, "one stretch at most"
    odd = shown(200, seed=2)
    odd[:, 1] += 8.0
    assert (learner.scores(odd)[20:] >= 1.0).all()
    evidence = learner.judge.explain(learner.memory)
    assert evidence["vibration_share_ratio"] > 0.4  # type: ignore[operator]


def test_a_change_that_lasts_becomes_usual() -> None:
    learner = Learner(accept_after=300)
    learner.scores(shown(1_000))
    later = learner.scores(shown(2_200, seed=2) + 8.0)
    assert (later[50:200] >= 1.0).all()
    assert not (later[-500:] >= 1.0).any()


def test_a_cell_that_never_changes_and_one_that_says_nothing_raise_nothing() -> None:
    for values in (np.full((1_000, 3), 7.0), np.full((1_000, 3), np.nan)):
        scores = Learner().scores(values)
        assert not (scores >= 1.0).any()


def test_a_series_that_is_new_begins_the_lesson_again() -> None:
    learner = Learner()
    learner.scores(shown(1_000)[:, :2])
    later = learner.scores(shown(2_000, seed=2))
    assert np.isnan(later[:299]).all()
    assert (later >= 1.0).sum() <= 10


def test_each_mode_has_its_own_usual_and_its_first_rows_are_passed_over() -> None:
    learner = Learner(warm_rows=200)
    for _ in range(2):
        learner.scores(shown(600), "product a")
        learner.scores(shown(600, seed=2) + 20.0, "product b")
    back = learner.scores(shown(300, seed=3), "product a")
    assert np.isnan(back[:60]).all()
    assert (back[60:] < 1.0).all()
    assert (learner.scores(shown(100, seed=4) + 20.0, "product a")[30:] >= 1.0).all()


def test_a_sensor_with_two_usual_levels_may_be_at_either() -> None:
    learner = Learner()
    on = np.repeat(np.arange(60) % 2, 50)[:, None] * np.array([0.0, 0.0, 30.0])
    assert (learner.scores(shown(3_000) + on) >= 1.0).sum() <= 30


def test_it_forgets_the_modes_seen_longest_ago() -> None:
    learner = Learner()
    for i in range(30):
        learner.scores(shown(5), f"recipe {i}")
    assert list(learner.memory.modes) == [f"recipe {i}" for i in range(22, 30)]


def test_its_memory_does_not_grow() -> None:
    learner, sizes = Learner(), []
    for rows in (800, 1_600):
        learner.scores(shown(rows))
        sizes.append(len(msgspec.msgpack.encode(learner.memory)))
    assert sizes[1] <= 1.1 * sizes[0]
