"""Learning row by row what a cell's sensors show together."""

from __future__ import annotations

import numpy as np

from collector.readings import Equipment, Series
from detectors.calendar import Calendar
from detectors.cells import Rows
from detectors.detector import Context
from detectors.methods.one_class_sgd import Border, OneClassSgd, Options

METRICS = ("temperature", "vibration", "current")
CONTEXT = Context({i: Series(Equipment("a", "b"), name) for i, name in enumerate(METRICS)}, Calendar(), "a/b")


def shown(rows: int, seed: int = 1) -> np.ndarray:
    load, noise = np.random.default_rng(seed).normal(size=(2, rows, 3))
    return 50.0 + load[:, :1] * np.array([3.0, 1.0, 2.0]) + 0.5 * noise


class Learner:
    def __init__(self, **options: float) -> None:
        self.judge = OneClassSgd(Options(**options), CONTEXT)  # type: ignore[arg-type]
        self.memory: Border = self.judge.start("cell")

    def scores(self, values: np.ndarray) -> np.ndarray:
        rows = Rows((0, 1, 2)[: values.shape[1]], np.arange(len(values)), values)
        return np.array([verdict.point.score for verdict in self.judge.judge(self.memory, rows)])


def test_it_is_quiet_on_what_it_knows_and_loud_on_what_it_does_not() -> None:
    learner = Learner()
    usual = learner.scores(shown(5_000))
    assert np.isnan(usual[:300]).all()
    assert (usual >= 1.0).sum() <= 10, "one stretch at most"
    odd = shown(200, seed=2)
    odd[:, 1] += 8.0
    assert (learner.scores(odd)[20:] >= 1.0).all()
    evidence = learner.judge.explain(learner.memory)
    assert evidence["vibration_share_ratio"] > 0.4  # type: ignore[operator]


def test_a_change_that_lasts_becomes_usual() -> None:
    learner = Learner()
    learner.scores(shown(2_000))
    later = learner.scores(shown(5_000, seed=2) + 8.0)
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


def test_its_memory_does_not_grow() -> None:
    learner = Learner()
    learner.scores(shown(400))
    early = len(learner.memory.weights) + len(learner.memory.mean)
    learner.scores(shown(4_000))
    assert len(learner.memory.weights) + len(learner.memory.mean) == early
