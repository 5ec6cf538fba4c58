"""What a window teaches, and which windows teach nothing."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from detectors.models.cell_forest import CellForest, smoothed
from detectors.models.model import ForestModel, ModelError, pack, unpack
from detectors.models.training import ForestOptions, Window
from tests.detectors import lessons

NAN = float("nan")


def odd(model: ForestModel, temperature: float, state: float) -> float:
    """The score of a lasting state as the method tells it."""
    forest = CellForest(model)
    values = forest.values(lessons.METRICS, np.array([[temperature, state]]))
    return forest.scaled(float(forest.odd(forest.seen(values))[0]))


def refused(window: Window, model: ForestModel | None = None) -> str:
    trained = lessons.lesson(window, model)
    assert trained.model is None
    return trained.refused


def test_a_model_knows_what_goes_together() -> None:
    model = lessons.taught()
    assert odd(model, 20.0, 1.0) < 0.5 > odd(model, 10.0, 0.0)
    assert odd(model, 20.0, 0.0) > 1.0 < odd(model, 10.0, 1.0)
    assert odd(model, 60.0, 1.0) > 1.0 < odd(model, -60.0, 0.0)


def test_it_is_quiet_on_a_window_like_its_own() -> None:
    model = lessons.taught()
    forest, like = CellForest(model), lessons.window(20_000, seed=2)
    scores = smoothed(forest.odd(forest.seen(like.values)).tolist(), NAN, model.smooth_rows)
    assert sum(score >= model.limit for score in scores) <= 2


def test_the_same_window_gives_the_same_bytes() -> None:
    again = lessons.lesson(lessons.window()).model
    assert again is not None
    assert pack(again) == pack(lessons.taught())
    assert unpack("m", pack(again)) == again
    assert len(pack(again)) < 100_000


def test_a_window_like_the_last_one_is_steady() -> None:
    trained = lessons.lesson(lessons.window(seed=5), lessons.taught())
    assert trained.model is not None
    assert trained.drift.startswith("steady")
    assert trained.lesson.metrics["apart_from_old"] < 0.1


def test_too_few_rows_are_refused() -> None:
    assert "300 rows are too few, 1000 are wanted" in refused(lessons.window(300))
    empty = Window((), (), np.empty(0, np.int64), np.empty((0, 0)), np.empty(0, np.bool_), 0.0)
    assert "0 rows are too few" in refused(empty)


def test_a_window_full_of_alerts_or_gaps_is_refused() -> None:
    window = lessons.window()
    troubled = replace(window, is_troubled=np.arange(3000) < 1700)
    assert "an alert stood on the line in 1700 of 3000 rows" in refused(troubled)
    assert "40% of the window is missing" in refused(replace(window, gap_ratio=0.4))


def test_rows_in_trouble_are_not_learned_from() -> None:
    window = lessons.window()
    window.values[1000:1200, 0] = 60.0
    in_trouble = np.zeros(3000, np.bool_)
    in_trouble[1000:1200] = True
    trained = lessons.lesson(replace(window, is_troubled=in_trouble))
    assert trained.model is not None
    assert trained.lesson.rows == 2800
    assert odd(trained.model, 60.0, 1.0) > 1.0


def test_constant_sparse_and_empty_series_are_no_features_and_said_so() -> None:
    window = lessons.window()
    more = np.column_stack([window.values, np.full(3000, 7.0), np.full(3000, NAN), np.full(3000, NAN)])
    more[::3, 4] = 1.0
    wide = replace(window, metrics=(*lessons.METRICS, "fixed", "dead", "rare"), units=("1",) * 5, values=more)
    trained = lessons.lesson(wide)
    assert trained.model is not None
    assert [feature.metric for feature in trained.model.features] == list(lessons.METRICS)
    assert trained.lesson.left_out["fixed"] == "constant"
    assert trained.lesson.left_out.keys() == {"fixed", "dead", "rare"}


def test_a_window_without_any_feature_is_refused() -> None:
    window = lessons.window()
    still = replace(window, values=np.ones((3000, 2)))
    assert "no series can be a feature (temperature is constant, state is constant)" in refused(still)
    assert "no series can be a feature" in refused(replace(window, values=np.full((3000, 2), NAN)))


def test_a_window_whose_end_is_unlike_the_rest_is_refused_before_there_is_any_model() -> None:
    window = lessons.window()
    window.values[2500:, 0] += 30.0
    assert "of the window's last fifth is odd to a model of the rest" in refused(window)


def test_a_fault_does_not_become_the_ordinary_until_a_person_says_so() -> None:
    moved = lessons.window(hot=35.0, cool=25.0)
    assert "is odd to the model in use" in refused(moved, lessons.taught())
    trained = lessons.lesson(moved, lessons.taught(), accept=True)
    assert trained.model is not None
    assert trained.drift.startswith("moved")
    assert odd(trained.model, 35.0, 1.0) < 0.5


def test_a_value_that_is_unknown_speaks_neither_for_nor_against() -> None:
    forest = CellForest(lessons.taught())
    half, none = forest.odd(np.array([[0.0, NAN], [NAN, NAN]]))
    assert np.isnan([half, none]).all()


def test_one_unknown_value_of_several_is_taken_as_the_others_let_expect() -> None:
    window, rng = lessons.window(), np.random.default_rng(2)
    third = window.values[:, 0] * 2.0 + rng.normal(size=3000)
    wide = replace(window, metrics=(*lessons.METRICS, "load"), units=("1",) * 3, values=np.c_[window.values, third])
    trained = lessons.lesson(wide)
    assert trained.model is not None
    forest, partly = CellForest(trained.model), wide.values.copy()
    partly[:, 0] = NAN
    scores = smoothed(forest.odd(forest.seen(partly)).tolist(), NAN, 12)
    assert max(scores) < trained.model.limit


def test_smoothing_goes_on_over_what_cannot_be_judged() -> None:
    whole = smoothed([1.0, NAN, 3.0, 3.0], NAN, 3)
    assert whole[0] == 1.0
    assert np.isnan(whole[1])
    assert whole[2:] == smoothed([3.0, 3.0], 1.0, 3)


def test_bytes_that_are_no_model_of_this_version_are_told_apart() -> None:
    body = pack(lessons.taught())
    for spoiled, why in (
        (b"", "is not in the spool"),
        (b"nonsense", "is no model"),
        (body[:12] + b"\x09\x00" + body[14:], "has format 9, this version reads 1"),
        (body[:-1] + bytes([body[-1] ^ 1]), "is damaged"),
        (body[: len(body) // 2], "is damaged"),
    ):
        with pytest.raises(ModelError, match=f"model m {why}.*andon train"):
            unpack("m", spoiled)


def test_an_option_out_of_range_is_refused() -> None:
    for option in ({"alarms_per_d": 0}, {"smooth_rows": 0}, {"min_rows": 10}, {"max_gap_ratio": 2.0}, {"every_s": -1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(option, ForestOptions)
