"""A cell judged by a forest: what it says, which model it judges by, and what it says of a model it cannot use."""

from __future__ import annotations

import msgspec
import numpy as np

from collector.readings import NS_PER_S, Batch, Equipment, Kind, Series
from collector.spool.frames import NewModel
from detectors.calendar import Calendar
from detectors.detector import Context, Scores
from detectors.methods import isolation_forest
from detectors.models.taught import Taught
from tests.detectors import lessons

PLACE = Equipment("acme", "north", "hall", "press", "cell")
CELL = PLACE.path
SERIES = {
    0: Series(PLACE, "temperature", "Cel"),
    1: Series(PLACE, "state", "1", Kind.STATE, ("idle", "run")),
    2: Series(PLACE, "pressure", "bar"),
}
NEWS, BODY = lessons.kept()
NAN = float("nan")


def detector(models: dict[str, bytes] | None = None) -> isolation_forest.IsolationForest:
    kept = {NEWS.model_id: BODY} if models is None else models
    context = Context(SERIES, Calendar(), "north/press", lambda name: kept.get(name, b""))
    return isolation_forest.build(isolation_forest.Options(), context)


def hear(
    to: isolation_forest.IsolationForest, columns: list[np.ndarray], *, from_row: int = 0, first: int = 0
) -> Scores:
    """One reading of each series from `first` on every 5 s; returns the scores."""
    rows, k = len(columns[0]), len(columns)
    at_ns = lessons.T0_NS + (np.repeat(np.arange(rows, dtype=np.int64), k) + from_row) * 5 * NS_PER_S
    series = np.tile(np.arange(first, first + k, dtype=np.int32), rows)
    batch = Batch(series, at_ns, np.column_stack(columns).ravel(), np.zeros(rows * k, np.uint8), at_ns)
    return to.score(batch)


def usual(rows: int = 200) -> list[np.ndarray]:
    return list(lessons.window(rows, seed=9).values.T)


def test_it_is_taught() -> None:
    assert isinstance(detector(), Taught)


def test_before_its_first_model_it_says_nothing() -> None:
    assert np.isnan(hear(detector(), usual()).score).all()


def test_it_tells_the_metric_that_is_furthest_out_with_its_band() -> None:
    one = detector()
    one.swap(NEWS)
    temperature, state = usual()
    assert not (hear(one, [temperature, state]).score >= 1.0).any()
    scores = hear(one, [temperature + 30.0, state], from_row=200)
    assert scores.score[-1] >= 1.0
    assert scores.series[-1] == 0
    assert scores.value[-1] > scores.expected_high[-1] > scores.expected[-1] > scores.expected_low[-1]
    evidence = one.explain(0, 0)
    assert evidence["temperature_share_ratio"] > 0.4  # type: ignore[operator]
    assert str(evidence["temperature_usual"]).endswith("Cel")
    assert evidence["model"] == NEWS.model_id


def test_a_series_that_is_new_in_the_cell_is_passed_over_and_named() -> None:
    apart, together = detector(), detector()
    for one in (apart, together):
        one.swap(NEWS)
    temperature, state = usual()
    noise = np.full(200, 1e6)
    np.testing.assert_array_equal(
        hear(apart, [temperature, state]).score, hear(together, [temperature, state, noise]).score
    )
    assert together.explain(0, 0)["not_in_training"] == "pressure"


def test_values_that_are_unknown_raise_nothing() -> None:
    one = detector()
    one.swap(NEWS)
    temperature, state = usual()
    temperature[:] = NAN
    assert not (hear(one, [temperature, state]).score >= 1.0).any()
    only_others = hear(one, [np.full(200, 5.0)], from_row=400, first=2)
    assert np.isnan(only_others.score[-1])


def test_a_cell_whose_values_stand_still_is_judged_like_any_other() -> None:
    one = detector()
    one.swap(NEWS)
    assert not (hear(one, [np.full(300, 20.0), np.ones(300)]).score >= 1.0).any()


def test_a_model_that_cannot_be_used_changes_nothing_but_what_is_said_of_it() -> None:
    models = {NEWS.model_id: BODY, "torn": BODY[:900], "other": BODY[:12] + b"\x07\x00" + BODY[14:]}
    one = detector(models)
    one.swap(NEWS)
    for at, (name, why) in enumerate((("gone", "not in the spool"), ("torn", "damaged"), ("other", "format 7"))):
        one.swap(NewModel("isolation_forest", CELL, name, 2))
        assert why in one.faults()[CELL]
        assert not np.isnan(hear(one, usual(), from_row=1000 * at).score).all()
    one.swap(NEWS)
    assert one.faults() == {}


def test_a_model_whose_tables_do_not_fit_is_refused_in_words() -> None:
    model = lessons.taught()
    news, body = lessons.kept(msgspec.structs.replace(model, forest=msgspec.structs.replace(model.forest, depth=3)))
    one = detector({news.model_id: body})
    one.swap(news)
    assert "cannot be used" in one.faults()[CELL]


def test_a_refusal_is_remembered_over_a_restart_and_the_model_goes_on() -> None:
    one = detector()
    one.swap(NEWS)
    one.swap(NewModel("isolation_forest", CELL, "", 2, "300 rows are too few"))
    again = detector()
    again.restore(one.snapshot())
    assert again.faults() == {CELL: "training was refused: 300 rows are too few"}
    assert not np.isnan(hear(again, usual()).score).all()
    assert again.snapshot() != one.snapshot()
